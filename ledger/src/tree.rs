//! The growing right edge of the tree, and reading nodes back from tiles.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    durable::invalid,
    layout::{Kind, Tile, WIDTH},
    merkle::{Hash, Nodes, empty_root, leaf_hash, node_hash, perfect_root},
    store::Store,
};

/// A tile file and its content.
pub(crate) type TileFile = (Tile, Vec<u8>);

/// The unfinished tiles of every level: all that growing the tree needs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edge {
    pub(crate) size: u64,
    bundle: Vec<u8>,
    levels: Vec<Vec<Hash>>,
}

impl Edge {
    /// Adds an entry with its leaf hash; full tiles that it completes are put into `done`.
    pub(crate) fn push(&mut self, entry: &[u8], leaf: Hash, done: &mut Vec<TileFile>) {
        frame_entry(&mut self.bundle, entry);
        self.size += 1;
        if self.size.is_multiple_of(WIDTH) {
            let tile = Tile {
                kind: Kind::Entries,
                number: self.size / WIDTH - 1,
                width: WIDTH,
            };
            done.push((tile, std::mem::take(&mut self.bundle)));
        }
        let mut hash = leaf;
        for level in 0u32.. {
            let slot = level as usize;
            if self.levels.len() == slot {
                self.levels.push(Vec::new());
            }
            let hashes = &mut self.levels[slot];
            hashes.push(hash);
            if (hashes.len() as u64) < WIDTH {
                break;
            }
            let number = (self.size >> (8 * level)) / WIDTH - 1;
            done.push((
                Tile {
                    kind: Kind::Hashes(level),
                    number,
                    width: WIDTH,
                },
                hashes.concat(),
            ));
            hash = perfect_root(hashes);
            hashes.clear();
        }
    }

    /// The partial tiles as they stand.
    pub(crate) fn partials(&self) -> Vec<TileFile> {
        let mut files = Vec::new();
        let number = self.size / WIDTH;
        if let Some(tile) = partial(Kind::Entries, number, self.size % WIDTH) {
            files.push((tile, self.bundle.clone()));
        }
        for (level, hashes) in (0u32..).zip(&self.levels) {
            let number = (self.size >> (8 * level)) / WIDTH;
            if let Some(tile) = partial(Kind::Hashes(level), number, hashes.len() as u64) {
                files.push((tile, hashes.concat()));
            }
        }
        files
    }

    /// The root of the tree so far.
    pub(crate) fn root(&self) -> Hash {
        let mut subtrees = Vec::new();
        for hashes in self.levels.iter().rev() {
            let mut rest = hashes.as_slice();
            while !rest.is_empty() {
                let (head, tail) = rest.split_at(1 << rest.len().ilog2());
                subtrees.push(perfect_root(head));
                rest = tail;
            }
        }
        let last = subtrees.pop().unwrap_or_else(empty_root);
        subtrees
            .iter()
            .rev()
            .fold(last, |right, left| node_hash(left, &right))
    }

    /// Reads the edge of the tree of `size` entries from its partial tiles.
    pub(crate) fn load(reader: &TileReader) -> io::Result<Self> {
        let size = reader.size;
        let mut edge = Self {
            size,
            ..Self::default()
        };
        if let Some(tile) = partial(Kind::Entries, size / WIDTH, size % WIDTH) {
            edge.bundle = reader.read(&tile)?;
        }
        let mut hashes = size;
        for level in 0u32.. {
            if hashes == 0 {
                break;
            }
            let tile = partial(Kind::Hashes(level), hashes / WIDTH, hashes % WIDTH);
            let row = match tile {
                Some(tile) => split_hashes(&reader.read(&tile)?, &tile)?,
                None => Vec::new(),
            };
            edge.levels.push(row);
            hashes /= WIDTH;
        }
        let leaves: Vec<Hash> = split_bundle(&edge.bundle, size % WIDTH)
            .map(|entries| entries.iter().map(|entry| leaf_hash(entry)).collect())
            .ok_or_else(|| invalid("the last entry bundle is malformed"))?;
        if edge.levels.first().map_or(0, Vec::len) != leaves.len()
            || edge.levels.first().is_some_and(|row| *row != leaves)
        {
            return Err(invalid(
                "the last entry bundle does not match the last hash tile",
            ));
        }
        Ok(edge)
    }
}

fn partial(kind: Kind, number: u64, width: u64) -> Option<Tile> {
    (width > 0).then_some(Tile {
        kind,
        number,
        width,
    })
}

/// Appends `uint16_be length || entry`; entries are never longer than 65,535 bytes.
pub(crate) fn frame_entry(bundle: &mut Vec<u8>, entry: &[u8]) {
    let length = u16::try_from(entry.len()).unwrap_or(u16::MAX);
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
}

/// The entries of a bundle, or `None` unless it holds exactly `count`.
pub(crate) fn split_bundle(mut bundle: &[u8], count: u64) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = bundle.split_first_chunk::<2>() {
        let (entry, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        entries.push(entry);
        bundle = rest;
    }
    (bundle.is_empty() && entries.len() as u64 == count).then_some(entries)
}

fn split_hashes(bytes: &[u8], tile: &Tile) -> io::Result<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    if rest.is_empty() && hashes.len() as u64 == tile.width {
        Ok(hashes.to_vec())
    } else {
        Err(invalid(format!("{} has the wrong length", tile.path())))
    }
}

/// Reads entries and nodes of a published tree.
#[derive(Debug)]
pub(crate) struct TileReader {
    store: Arc<dyn Store>,
    tiles: PathBuf,
    size: u64,
}

impl TileReader {
    pub(crate) fn new(store: &Arc<dyn Store>, tiles: &Path, size: u64) -> Self {
        Self {
            store: store.clone(),
            tiles: tiles.to_owned(),
            size,
        }
    }

    /// Reads a tile; when a partial has given way to a wider one, its prefix serves.
    fn read(&self, tile: &Tile) -> io::Result<Vec<u8>> {
        let missing = || invalid(format!("{} is missing", tile.path()));
        if let Some(bytes) = self.store.read(&self.tiles.join(tile.path()))? {
            return Ok(bytes);
        }
        let full = Tile {
            width: WIDTH,
            ..*tile
        };
        let bytes = self
            .store
            .read(&self.tiles.join(full.path()))?
            .ok_or_else(missing)?;
        let length = match tile.kind {
            Kind::Hashes(_) => 32 * usize::try_from(tile.width).map_err(|_| missing())?,
            Kind::Entries => {
                let entries = split_bundle(&bytes, WIDTH).ok_or_else(missing)?;
                let count = usize::try_from(tile.width).map_err(|_| missing())?;
                entries
                    .iter()
                    .take(count)
                    .map(|entry| entry.len() + 2)
                    .sum()
            }
        };
        bytes.get(..length).map(<[u8]>::to_vec).ok_or_else(missing)
    }

    fn at(&self, kind: Kind, number: u64) -> io::Result<Tile> {
        Tile::at(kind, number, self.size).ok_or_else(|| invalid("outside of the tree"))
    }

    /// The entries of bundle `number`; `None` when it is not there, as after pruning.
    pub(crate) fn bundle_if_kept(&self, number: u64) -> io::Result<Option<Vec<Vec<u8>>>> {
        let full = Tile {
            kind: Kind::Entries,
            number,
            width: WIDTH,
        };
        let tile = self.at(Kind::Entries, number)?;
        for file in [&tile, &full] {
            if self.store.read(&self.tiles.join(file.path()))?.is_some() {
                return self.bundle(number).map(Some);
            }
        }
        Ok(None)
    }

    /// The entries of bundle `number`.
    pub(crate) fn bundle(&self, number: u64) -> io::Result<Vec<Vec<u8>>> {
        let tile = self.at(Kind::Entries, number)?;
        let bytes = self.read(&tile)?;
        let entries = split_bundle(&bytes, tile.width)
            .ok_or_else(|| invalid(format!("{} is malformed", tile.path())))?;
        Ok(entries.into_iter().map(<[u8]>::to_vec).collect())
    }

    /// One entry.
    pub(crate) fn entry(&self, index: u64) -> io::Result<Vec<u8>> {
        let mut bundle = self.bundle(index / WIDTH)?;
        let slot = usize::try_from(index % WIDTH).map_err(|_| invalid("index"))?;
        if slot < bundle.len() {
            Ok(bundle.swap_remove(slot))
        } else {
            Err(invalid("index"))
        }
    }
}

impl Nodes for TileReader {
    type Error = io::Error;
    fn node(&mut self, level: u32, index: u64) -> io::Result<Hash> {
        let (tile_level, inner) = (level / 8, level % 8);
        let first = index << inner;
        let tile = self.at(Kind::Hashes(tile_level), first / WIDTH)?;
        let hashes = split_hashes(&self.read(&tile)?, &tile)?;
        let start = usize::try_from(first % WIDTH).map_err(|_| invalid("index"))?;
        let covered = hashes.get(start..start + (1 << inner));
        covered
            .map(perfect_root)
            .ok_or_else(|| invalid("outside of the tree"))
    }
}

#[cfg(test)]
mod tests;
