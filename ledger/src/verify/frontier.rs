//! The right edge of a growing tree, of which some leaves may be unknown. Pure.

use crate::{
    layout::{Kind, Tile, WIDTH},
    merkle::{Hash, empty_root, node_hash, perfect_root},
};

/// The hashes of one tile as the leaves make them, as far as they are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) level: u32,
    pub(crate) number: u64,
    pub(crate) hashes: Vec<Option<Hash>>,
}

impl Row {
    /// The full tile of this level and number.
    pub(crate) fn full(&self) -> Tile {
        Tile {
            kind: Kind::Hashes(self.level),
            number: self.number,
            width: WIDTH,
        }
    }

    /// The tile as wide as the row is.
    pub(crate) fn tile(&self) -> Tile {
        Tile {
            width: self.hashes.len() as u64,
            ..self.full()
        }
    }

    /// Where the content of a file of `width` hashes first differs from the row, in bytes.
    pub(crate) fn difference(&self, width: u64, bytes: &[u8]) -> Option<usize> {
        let width = usize::try_from(width).unwrap_or(usize::MAX);
        let (hashes, rest) = bytes.as_chunks::<32>();
        for (slot, known) in self.hashes.iter().take(width).enumerate() {
            let Some(found) = hashes.get(slot) else {
                return Some(bytes.len());
            };
            if let Some(known) = known
                && known != found
            {
                let same = known.iter().zip(found).take_while(|(a, b)| a == b).count();
                return Some(32 * slot + same);
            }
        }
        (hashes.len() > width || !rest.is_empty()).then_some(32 * width)
    }
}

/// The unfinished tiles of every level: all that growing the tree needs, whatever its size.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frontier {
    size: u64,
    rows: Vec<Vec<Option<Hash>>>,
}

impl Frontier {
    /// How many leaves there are.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf; tiles that it completes are put into `done`, the lowest first.
    pub(crate) fn push(&mut self, leaf: Option<Hash>, done: &mut Vec<Row>) {
        self.size += 1;
        let mut hash = leaf;
        for level in 0u32.. {
            let slot = level as usize;
            if self.rows.len() == slot {
                self.rows.push(Vec::with_capacity(256));
            }
            let row = &mut self.rows[slot];
            row.push(hash);
            if (row.len() as u64) < WIDTH {
                break;
            }
            let known: Option<Vec<Hash>> = row.iter().copied().collect();
            hash = known.map(|hashes| perfect_root(&hashes));
            let number = (self.size >> (8 * level)) / WIDTH - 1;
            let hashes = std::mem::replace(row, Vec::with_capacity(256));
            done.push(Row {
                level,
                number,
                hashes,
            });
        }
    }

    /// The partial tiles as they stand, the lowest first.
    pub(crate) fn partials(&self) -> Vec<Row> {
        let rows = (0u32..).zip(&self.rows);
        rows.filter(|(_, hashes)| !hashes.is_empty())
            .map(|(level, hashes)| Row {
                level,
                number: (self.size >> (8 * level)) / WIDTH,
                hashes: hashes.clone(),
            })
            .collect()
    }

    /// The root of the tree so far; `None` when leaves that it needs are unknown.
    pub(crate) fn root(&self) -> Option<Hash> {
        let mut subtrees = Vec::new();
        for hashes in self.rows.iter().rev() {
            let hashes: Vec<Hash> = hashes.iter().copied().collect::<Option<_>>()?;
            let mut rest = hashes.as_slice();
            while !rest.is_empty() {
                let (head, tail) = rest.split_at(1 << rest.len().ilog2());
                subtrees.push(perfect_root(head));
                rest = tail;
            }
        }
        let last = subtrees.pop().unwrap_or_else(empty_root);
        let left = subtrees.iter().rev();
        Some(left.fold(last, |right, left| node_hash(left, &right)))
    }
}

/// The hashes of a tile file; `None` unless it holds exactly `width`.
pub(crate) fn split_hashes(bytes: &[u8], width: u64) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    (rest.is_empty() && hashes.len() as u64 == width).then(|| hashes.to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::merkle::{leaf_hash, range_root};

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn the_root_at_every_size_is_the_one_of_the_leaves(count in 0_u64..1200) {
            let leaves = leaves(count);
            let (mut frontier, mut done) = (Frontier::default(), Vec::new());
            for leaf in &leaves {
                frontier.push(Some(*leaf), &mut done);
            }
            let mut nodes = leaves.as_slice();
            let root = range_root(&mut nodes, 0, count).unwrap();
            prop_assert_eq!(frontier.root(), Some(root));
            let rows: usize = done.iter().chain(&frontier.partials())
                .filter(|row| row.level == 0).map(|row| row.hashes.len()).sum();
            prop_assert_eq!(rows as u64, count);
        }
    }

    #[test]
    fn what_lies_above_an_unknown_leaf_is_unknown_and_nothing_else_is() {
        let (mut frontier, mut done) = (Frontier::default(), Vec::new());
        for (index, leaf) in leaves(600).into_iter().enumerate() {
            frontier.push((index != 300).then_some(leaf), &mut done);
        }
        assert_eq!(frontier.root(), None);
        let upper = &frontier.partials()[1];
        assert_eq!((upper.level, upper.hashes.len()), (1, 2));
        assert!(upper.hashes[0].is_some() && upper.hashes[1].is_none());
    }

    #[test]
    fn the_first_differing_byte_of_a_tile_is_told() {
        let hashes: Vec<Option<Hash>> = vec![Some([1; 32]), None, Some([3; 32])];
        let row = Row {
            level: 0,
            number: 0,
            hashes,
        };
        let bytes = [[1; 32], [9; 32], [3; 32]].concat();
        assert_eq!(row.difference(3, &bytes), None);
        assert_eq!(row.difference(2, &bytes[..64]), None);
        assert_eq!(row.difference(2, &bytes), Some(64));
        assert_eq!(row.difference(3, &bytes[..65]), Some(65));
        let mut other = bytes.clone();
        other[70] = 0;
        assert_eq!(row.difference(3, &other), Some(70));
    }
}
