//! A copy of the published ledger: the C2SP tile directory of one checkpoint, and nothing else.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    durable::invalid,
    layout::{Kind, Layout, Tile, WIDTH},
    note::{Checkpoint, Note},
    store::{Disk, Store, create_dir, replace_all},
    tree::TileReader,
};

/// Files written together.
const TOGETHER: usize = 64;

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// Entries under the checkpoint.
    pub size: u64,
    /// Files, the checkpoint among them.
    pub files: u64,
}

/// Copies the published ledger of the data directory `data` to the folder `out`, which any static
/// file server can serve. The ledger may be in use. Bundles that were pruned are left out. A copy
/// that is there is brought up to date; its checkpoint changes last. Nothing is verified.
///
/// # Errors
/// When nothing is published, or a file cannot be read or written.
pub fn copy(data: &Path, out: &Path) -> io::Result<Exported> {
    let store: Arc<dyn Store> = Arc::new(Disk);
    let layout = Layout::new(data);
    let note = store.read(&layout.checkpoint())?;
    let note = note.ok_or_else(|| invalid("nothing is published"))?;
    let size = size_of(&note)?;
    let reader = TileReader::new(&store, &layout.tiles, size);
    let stage = out.join("stage");
    create_dir(&*store, &stage)?;
    let mut files = 1;
    let mut batch: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    for tile in of_tree(size) {
        let target = out.join(tile.path());
        if store.read(&target)?.is_some() {
            continue;
        }
        if tile.kind == Kind::Entries && reader.bundle_if_kept(tile.number)?.is_none() {
            continue;
        }
        batch.push((target, reader.read(&tile)?));
        files += 1;
        if batch.len() == TOGETHER {
            write(&*store, &stage, &mut batch)?;
        }
    }
    write(&*store, &stage, &mut batch)?;
    batch.push((out.join("checkpoint"), note));
    write(&*store, &stage, &mut batch)?;
    store.remove_empty_dir(&stage);
    Ok(Exported { size, files })
}

fn write(store: &dyn Store, stage: &Path, batch: &mut Vec<(PathBuf, Vec<u8>)>) -> io::Result<()> {
    let files: Vec<(PathBuf, &[u8])> = batch
        .iter()
        .map(|(path, bytes)| (path.clone(), bytes.as_slice()))
        .collect();
    replace_all(store, stage, &files)?;
    batch.clear();
    Ok(())
}

/// The size that a checkpoint speaks of; who verifies the copy checks its signature.
fn size_of(note: &[u8]) -> io::Result<u64> {
    let malformed = |error: &dyn std::fmt::Display| invalid(format!("checkpoint: {error}"));
    let text = std::str::from_utf8(note).map_err(|error| malformed(&error))?;
    let note = Note::parse(text).map_err(|error| malformed(&error))?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|error| malformed(&error))?;
    Ok(checkpoint.size)
}

/// Every tile of the tree of `size` leaves.
fn of_tree(size: u64) -> impl Iterator<Item = Tile> {
    let levels = (0_u32..8).take_while(move |level| size >> (8 * level) > 0);
    levels.flat_map(move |level| {
        let count = (size >> (8 * level)).div_ceil(WIDTH);
        (0..count).flat_map(move |number| {
            let bundle = (level == 0).then(|| Tile::at(Kind::Entries, number, size));
            let hashes = Tile::at(Kind::Hashes(level), number, size);
            bundle.flatten().into_iter().chain(hashes)
        })
    })
}
