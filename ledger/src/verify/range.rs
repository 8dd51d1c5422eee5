//! What verification leaves in the hand: entries that can be read again and are still those that
//! were verified.

use std::{collections::HashMap, ops::Range, sync::Arc};

use crate::{
    keys::{KeyRing, VerifierKey},
    layout::{Kind, Tile, WIDTH},
    merkle::{Hash, Nodes, inclusion_proof, leaf_hash, perfect_root, verify_inclusion},
    note::Checkpoint,
    receipt,
    tree::split_bundle,
    verify::{Chain, Unreadable, frontier::split_hashes, pass::root_over, target::Target},
};

/// Why something of a verified range could not be had again.
#[derive(Debug, thiserror::Error)]
pub enum RangeError {
    /// The range has no such entry.
    #[error("the range has no entry {0}")]
    OutOfRange(u64),
    /// The file is not what it was when it was verified.
    #[error("{0} has changed since it was verified")]
    Changed(String),
    /// A file could not be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

/// The published entries of a ledger in which no fault was found. Only a verification makes one.
///
/// It holds 32 bytes for each bundle of 256 entries and reads the entries again when they are
/// asked for; a file that is not what was verified is an error then.
#[derive(Debug, Clone)]
pub struct VerifiedRange {
    pub(super) target: Arc<Target>,
    pub(super) checkpoint: Checkpoint,
    pub(super) key: VerifierKey,
    pub(super) ring: KeyRing,
    pub(super) checkpoint_note: String,
    pub(super) chains: Vec<Chain>,
    pub(super) pruned: u64,
    /// Numbers of the bundles that were pruned.
    pub(super) absent: Arc<[Range<u64>]>,
    /// The root over the leaves of each bundle.
    pub(super) roots: Arc<[Hash]>,
}

impl VerifiedRange {
    /// The published entries in order, each with its index. Pruned ones are left out. Blocks on the
    /// disk; after an error nothing more comes.
    pub fn entries(&self) -> Entries<'_> {
        Entries {
            range: self,
            next: 0,
            bundle: Vec::new().into_iter(),
            ended: false,
        }
    }

    /// The bytes of an entry; `None` when it was pruned. Blocks on the disk.
    ///
    /// # Errors
    /// [`RangeError`].
    pub fn entry(&self, index: u64) -> Result<Option<Vec<u8>>, RangeError> {
        if index >= self.checkpoint.size {
            return Err(RangeError::OutOfRange(index));
        }
        let slot = usize::try_from(index % WIDTH).unwrap_or(usize::MAX);
        let bundle = self.bundle(index / WIDTH)?;
        Ok(bundle.and_then(|entries| entries.into_iter().nth(slot)))
    }

    /// How many entries the range has, the pruned ones included.
    pub fn size(&self) -> u64 {
        self.checkpoint.size
    }

    /// How many entries are absent because an entry of the ledger permits it.
    pub fn pruned(&self) -> u64 {
        self.pruned
    }

    /// The checkpoint that covers exactly these entries.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The checkpoint as the signed note that was verified.
    pub fn checkpoint_note(&self) -> &str {
        &self.checkpoint_note
    }

    /// Name of the log.
    pub fn origin(&self) -> &str {
        &self.checkpoint.origin
    }

    /// The key that the reader trusted and that everything was verified against.
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// The keys that handovers join to [`VerifiedRange::key`], and where each is in force.
    pub fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// The chains, in order of appearance. They may reach beyond the checkpoint when entries were
    /// pending.
    pub fn chains(&self) -> &[Chain] {
        &self.chains
    }

    /// The leaf hash of the entry at `index` and the path from it to the checkpoint's root (RFC
    /// 9162 section 2.1.3). Pruned entries have one too. Blocks on the disk.
    ///
    /// # Errors
    /// [`RangeError`].
    pub fn inclusion(&self, index: u64) -> Result<(Hash, Vec<Hash>), RangeError> {
        let size = self.checkpoint.size;
        if index >= size {
            return Err(RangeError::OutOfRange(index));
        }
        let mut nodes = Tiles::of(self);
        let leaf = nodes.node(0, index)?;
        let path = inclusion_proof(&mut nodes, index, size)?;
        if !verify_inclusion(&leaf, index, size, &path, &self.checkpoint.root) {
            return Err(RangeError::Changed("a tile of hashes".to_owned()));
        }
        Ok((leaf, path))
    }

    /// The receipt of the entry at `index`: a C2SP `tlog-proof` that it is under the checkpoint,
    /// with the handovers that join its keys. Blocks on the disk.
    ///
    /// # Errors
    /// [`RangeError`].
    pub fn receipt(&self, index: u64) -> Result<String, RangeError> {
        let (_, path) = self.inclusion(index)?;
        let handovers = self.ring.handovers();
        Ok(receipt::print(
            index,
            &path,
            &self.checkpoint_note,
            handovers,
        ))
    }

    /// The entries of a bundle as they were verified; `None` when they were pruned.
    fn bundle(&self, number: u64) -> Result<Option<Vec<Vec<u8>>>, RangeError> {
        let out = || RangeError::OutOfRange(number.saturating_mul(WIDTH));
        let tile = Tile::at(Kind::Entries, number, self.checkpoint.size).ok_or_else(out)?;
        let slot = usize::try_from(number).map_err(|_| out())?;
        let root = self.roots.get(slot).ok_or_else(out)?;
        let changed = || RangeError::Changed(self.target.tile_name(&tile));
        if self.absent.iter().any(|range| range.contains(&number)) {
            return Ok(None);
        }
        let bytes = self.target.read_or_wider(&tile)?.ok_or_else(changed)?;
        let entries = first_entries(&bytes, tile.width).ok_or_else(changed)?;
        let leaves: Vec<Option<Hash>> = entries.iter().map(|e| Some(leaf_hash(e))).collect();
        if root_over(&leaves).as_ref() != Some(root) {
            return Err(changed());
        }
        Ok(Some(entries.into_iter().map(<[u8]>::to_vec).collect()))
    }
}

/// The first `count` entries of a bundle that may have grown since.
fn first_entries(bundle: &[u8], count: u64) -> Option<Vec<&[u8]>> {
    (count..=WIDTH).find_map(|width| {
        let mut entries = split_bundle(bundle, width)?;
        entries.truncate(usize::try_from(count).ok()?);
        Some(entries)
    })
}

/// The entries of a range, in order.
#[derive(Debug)]
pub struct Entries<'a> {
    range: &'a VerifiedRange,
    /// Index of the next entry.
    next: u64,
    bundle: std::vec::IntoIter<Vec<u8>>,
    ended: bool,
}

impl Iterator for Entries<'_> {
    type Item = Result<(u64, Vec<u8>), RangeError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.bundle.next() {
                self.next += 1;
                return Some(Ok((self.next - 1, entry)));
            }
            let size = self.range.checkpoint.size;
            if self.ended || self.next >= size {
                return None;
            }
            match self.range.bundle(self.next / WIDTH) {
                Ok(Some(entries)) => self.bundle = entries.into_iter(),
                Ok(None) => self.next = ((self.next / WIDTH + 1) * WIDTH).min(size),
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

/// Nodes of the tree from its tiles, each tile read once.
struct Tiles<'a> {
    range: &'a VerifiedRange,
    read: HashMap<(u32, u64), Vec<Hash>>,
}

impl<'a> Tiles<'a> {
    fn of(range: &'a VerifiedRange) -> Self {
        let read = HashMap::new();
        Self { range, read }
    }

    fn tile(&mut self, level: u32, number: u64) -> Result<&[Hash], RangeError> {
        let range = self.range;
        let out = RangeError::OutOfRange(number);
        let tile = Tile::at(Kind::Hashes(level), number, range.checkpoint.size).ok_or(out)?;
        let known = self.read.entry((level, number));
        let entry = match known {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => {
                let changed = || RangeError::Changed(range.target.tile_name(&tile));
                let mut bytes = range.target.read_or_wider(&tile)?.ok_or_else(changed)?;
                let length = usize::try_from(32 * tile.width).unwrap_or(usize::MAX);
                bytes.truncate(length);
                place.insert(split_hashes(&bytes, tile.width).ok_or_else(changed)?)
            }
        };
        Ok(entry)
    }
}

impl Nodes for Tiles<'_> {
    type Error = RangeError;
    fn node(&mut self, level: u32, index: u64) -> Result<Hash, RangeError> {
        let (tile_level, inner) = (level / 8, level % 8);
        let first = index << inner;
        let hashes = self.tile(tile_level, first / WIDTH)?;
        let start = usize::try_from(first % WIDTH).unwrap_or(usize::MAX);
        let covered = hashes.get(start..start + (1 << inner));
        covered
            .map(perfect_root)
            .ok_or(RangeError::OutOfRange(index))
    }
}
