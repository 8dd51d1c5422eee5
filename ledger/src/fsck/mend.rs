//! Mending: hash tiles made again, leftovers removed, under the lock that keeps writers out.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{FsckError, Remedy, Report, check};
use crate::{
    keys::VerifierKey,
    layout::{Kind, Tile, WIDTH},
    merkle::{Hash, leaf_hash, perfect_root},
    tree::split_bundle,
    verify::target::Target,
};

/// What was done.
#[derive(Debug, Clone)]
pub struct Mended {
    /// What was found at first.
    pub before: Report,
    /// Hash tiles that were made again.
    pub rebuilt: u64,
    /// Leftovers that were removed.
    pub removed: u64,
    /// What is found now.
    pub after: Report,
}

/// Mends the data directory `dir`: makes wrong and missing hash tiles again from intact bundles and
/// removes leftovers. Each file is durable (written aside, synced, renamed, its directory synced)
/// before the next one is touched; a crash in between leaves less to mend. Bundles, checkpoint,
/// guard and log are never touched, and nothing is signed.
///
/// # Errors
/// [`FsckError`]; with [`FsckError::NotProven`] and [`FsckError::Locked`] nothing was touched.
pub fn repair(dir: &Path, key: &VerifierKey) -> Result<Mended, FsckError> {
    let _lock = lock(dir)?;
    let before = check(dir, key)?;
    if before.proven.is_none() {
        return Err(FsckError::NotProven(Box::new(before)));
    }
    let (mut rebuilt, mut removed, mut after) = (0, 0, before.clone());
    // What there was no room to report comes up in the next round.
    loop {
        let target = Target::find(dir)?;
        let (made, gone) = mend(&target, &after)?;
        rebuilt += made;
        removed += gone;
        let more = after.omitted > 0;
        after = check(dir, key)?;
        if made + gone == 0 || !more {
            break;
        }
    }
    Ok(Mended {
        before,
        rebuilt,
        removed,
        after,
    })
}

/// Held until dropped: no writer opens the ledger meanwhile.
fn lock(dir: &Path) -> Result<File, FsckError> {
    let path = dir.join("wal/lock");
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|source| io_error(&path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(FsckError::Locked(path)),
        Err(TryLockError::Error(source)) => Err(io_error(&path, source)),
    }
}

fn mend(target: &Target, report: &Report) -> Result<(u64, u64), FsckError> {
    let (mut rebuilt, mut removed) = (0, 0);
    let mut tiles: Vec<Tile> = report
        .differences
        .iter()
        .filter(|difference| difference.remedy == Remedy::Rebuild)
        .filter_map(|difference| difference.tile)
        .collect();
    // The lowest level first: upper tiles are made from the ones below.
    tiles.sort();
    tiles.dedup();
    for tile in tiles {
        let name = target.tile_name(&tile);
        if let Some(content) = derive(target, &tile)?
            && target.read(&name)?.as_deref() != Some(content.as_slice())
        {
            write(target, &name, &content)?;
            rebuilt += 1;
        }
    }
    let remove = |difference: &&super::Difference| difference.remedy == Remedy::Remove;
    for difference in report.differences.iter().filter(remove) {
        if let Some(file) = &difference.file {
            removed += u64::from(discard(&target.path(file))?);
        }
    }
    Ok((rebuilt, removed))
}

/// What a hash tile must hold; `None` when that is not known here.
fn derive(target: &Target, tile: &Tile) -> Result<Option<Vec<u8>>, FsckError> {
    let level = match tile.kind {
        Kind::Hashes(0) => return leaves(target, tile),
        Kind::Hashes(level) => level,
        Kind::Entries => return Ok(None),
    };
    let mut content = Vec::new();
    for number in (tile.number * WIDTH..).take(usize::try_from(tile.width).unwrap_or(0)) {
        let below = Tile {
            kind: Kind::Hashes(level - 1),
            number,
            width: WIDTH,
        };
        let bytes = target.read(&target.tile_name(&below))?.unwrap_or_default();
        let (hashes, rest) = bytes.as_chunks::<32>();
        if hashes.len() as u64 != WIDTH || !rest.is_empty() {
            return Ok(None);
        }
        content.extend(perfect_root(hashes));
    }
    Ok(Some(content))
}

fn leaves(target: &Target, tile: &Tile) -> Result<Option<Vec<u8>>, FsckError> {
    let bundle = Tile {
        kind: Kind::Entries,
        ..*tile
    };
    let bytes = target.read(&target.tile_name(&bundle))?.unwrap_or_default();
    let entries = split_bundle(&bytes, tile.width);
    let hashes = entries.map(|entries| entries.into_iter().map(leaf_hash).collect::<Vec<Hash>>());
    Ok(hashes.map(|hashes| hashes.concat()))
}

/// Writes a file aside, syncs it, gives it its name and syncs the directory.
fn write(target: &Target, name: &str, content: &[u8]) -> Result<(), FsckError> {
    let path = target.path(name);
    let stage = target.path("wal/stage");
    // A writer keeps either one file or a directory there.
    let aside = if stage.is_dir() {
        stage.join("fsck")
    } else {
        stage
    };
    let written = File::create(&aside).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.map_err(|source| io_error(&aside, source))?;
    let parent = path.parent().unwrap_or(Path::new("."));
    make_dir(parent)
        .and_then(|()| fs::rename(&aside, &path))
        // A crash before this may bring back the old file, which is then mended again.
        .and_then(|()| File::open(parent)?.sync_all())
        .map_err(|source| io_error(&path, source))
}

fn make_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().ok_or(io::ErrorKind::NotFound)?;
    make_dir(parent)?;
    fs::create_dir(dir)?;
    File::open(parent)?.sync_all()
}

/// Removes a file durably; says whether it was there.
fn discard(path: &Path) -> Result<bool, FsckError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(io_error(path, source)),
        Ok(()) => {}
    }
    let parent = path.parent().unwrap_or(Path::new("."));
    let synced = File::open(parent).and_then(|dir| dir.sync_all());
    synced.map_err(|source| io_error(parent, source))?;
    if parent.extension().is_some_and(|extension| extension == "p") {
        // Fails as long as other partial tiles are in it, as it should.
        let _ = fs::remove_dir(parent);
    }
    Ok(true)
}

fn io_error(path: &Path, source: io::Error) -> FsckError {
    FsckError::Io {
        path: PathBuf::from(path),
        source,
    }
}
