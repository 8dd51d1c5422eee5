//! RFC 6962 Merkle tree hashing, proofs and their verification. Pure.

use sha2::{Digest, Sha256};

/// A SHA-256 value.
pub type Hash = [u8; 32];

/// Hash of a leaf: `SHA-256(0x00 || entry)`.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([0u8])
        .chain_update(entry)
        .finalize()
        .into()
}

/// Hash of an inner node: `SHA-256(0x01 || left || right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([1u8])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// Root of the tree without leaves: `SHA-256("")`.
pub fn empty_root() -> Hash {
    Sha256::digest(b"").into()
}

/// Where proofs find the hashes of complete subtrees.
pub trait Nodes {
    /// What reading a node can fail with.
    type Error;
    /// The root of the complete subtree over the leaves `[index << level, (index + 1) << level)`.
    ///
    /// # Errors
    /// Whatever the store behind it fails with.
    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// The leaves themselves serve as nodes; for small trees and tests.
impl Nodes for &[Hash] {
    type Error = OutOfRange;
    fn node(&mut self, level: u32, index: u64) -> Result<Hash, OutOfRange> {
        let start = usize::try_from(index << level).map_err(|_| OutOfRange)?;
        let leaves = self
            .get(start..start + (1usize << level))
            .ok_or(OutOfRange)?;
        Ok(perfect_root(leaves))
    }
}

/// A proof was asked for leaves that the tree does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tree has no such leaves")]
pub struct OutOfRange;

/// Root over a power-of-two number of subtree roots; the empty root for none.
pub fn perfect_root(hashes: &[Hash]) -> Hash {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => node_hash(left, right),
                rest => rest.first().copied().unwrap_or_else(empty_root),
            })
            .collect();
    }
    row.first().copied().unwrap_or_else(empty_root)
}

/// The largest power of two smaller than `n` (for `n >= 2`).
fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

/// Root over the leaves `[start, end)`, where `start` is a multiple of the span's split.
///
/// # Errors
/// Whatever the node store fails with.
pub fn range_root<N: Nodes>(nodes: &mut N, start: u64, end: u64) -> Result<Hash, N::Error> {
    let span = end - start;
    if span == 0 {
        return Ok(empty_root());
    }
    if span.is_power_of_two() {
        let level = span.trailing_zeros();
        return nodes.node(level, start >> level);
    }
    let middle = start + split(span);
    let left = range_root(nodes, start, middle)?;
    let right = range_root(nodes, middle, end)?;
    Ok(node_hash(&left, &right))
}

/// Inclusion path of leaf `index` in the tree of `size` leaves, leaf's sibling first.
/// The caller makes sure that `index < size`.
///
/// # Errors
/// Whatever the node store fails with.
pub fn inclusion_proof<N: Nodes>(
    nodes: &mut N,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, N::Error> {
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(range_root(nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(nodes, start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// Consistency path between the trees of `old` and `new` leaves (RFC 6962 section 2.1.2).
/// Empty when `old` is zero or equals `new`; the caller makes sure that `old <= new`.
///
/// # Errors
/// Whatever the node store fails with.
pub fn consistency_proof<N: Nodes>(
    nodes: &mut N,
    old: u64,
    new: u64,
) -> Result<Vec<Hash>, N::Error> {
    let mut path = Vec::new();
    if old == 0 || old == new {
        return Ok(path);
    }
    let (mut start, mut end, mut whole) = (0, new, true);
    while old != end {
        let middle = start + split(end - start);
        if old <= middle {
            path.push(range_root(nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(nodes, start, middle)?);
            start = middle;
            whole = false;
        }
    }
    if !whole {
        path.push(range_root(nodes, start, end)?);
    }
    path.reverse();
    Ok(path)
}

/// Whether `path` proves `leaf` at `index` under `root` (RFC 9162 section 2.1.3.2).
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    inclusion_root(leaf, index, size, path).as_ref() == Some(root)
}

/// The root to which `path` leads from `leaf` at `index`; `None` when no tree of `size` leaves has
/// such a path. A root proves nothing until it is known to be that of such a tree.
pub fn inclusion_root(leaf: &Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in path {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(hash)
}

/// Whether `path` proves that the tree (`old`, `old_root`) is a prefix of (`new`, `new_root`)
/// (RFC 9162 section 2.1.4.2).
pub fn verify_consistency(
    old: u64,
    new: u64,
    path: &[Hash],
    old_root: &Hash,
    new_root: &Hash,
) -> bool {
    if old == 0 {
        let unchanged = new > 0 || *new_root == empty_root();
        return path.is_empty() && *old_root == empty_root() && unchanged;
    }
    consistency_root(old, new, path, old_root).as_ref() == Some(new_root)
}

/// The root of the tree of `new` leaves to which `path` leads from the tree (`old`, `old_root`);
/// `None` when it leads nowhere, or from nothing (`old` is zero).
pub fn consistency_root(old: u64, new: u64, path: &[Hash], old_root: &Hash) -> Option<Hash> {
    if old == 0 || old > new {
        return None;
    }
    if old == new {
        return path.is_empty().then_some(*old_root);
    }
    let (mut node, mut last) = (old - 1, new - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let mut rest = path.iter();
    let first = if old.is_power_of_two() {
        old_root
    } else {
        rest.next()?
    };
    let (mut before, mut after) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            before = node_hash(sibling, &before);
            after = node_hash(sibling, &after);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            after = node_hash(&after, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    (last == 0 && before == *old_root).then_some(after)
}

#[cfg(test)]
mod tests;
