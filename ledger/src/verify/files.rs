//! Files: what is there, what must be, and whether each byte follows from the entries.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use walkdir::WalkDir;

use crate::{
    durable::read_optional,
    guard::read_clock,
    keys::VerifierKey,
    layout::{Kind, Tile, WIDTH, required},
    merkle::{Hash, Nodes, OutOfRange, range_root},
    note::{Checkpoint, Note},
    tree::frame_entry,
    verify::{FaultKind, Unreadable, Verification, entries::Tree},
};

/// Where the files are; names are relative to the root.
#[derive(Debug)]
pub(super) struct Target {
    root: PathBuf,
    /// `ledger/` in a data directory, empty in a tile directory.
    prefix: &'static str,
}

impl Target {
    pub(super) fn find(root: &Path) -> Result<Self, Unreadable> {
        let is_file = |name: &str| root.join(name).is_file();
        let prefix = if is_file("ledger/checkpoint") || is_file("guard/checkpoint") {
            "ledger/"
        } else if is_file("checkpoint") {
            ""
        } else if root.join("ledger").is_dir() && root.join("wal").is_dir() {
            "ledger/"
        } else {
            return Err(Unreadable::NotALedger(root.to_owned()));
        };
        Ok(Self {
            root: root.to_owned(),
            prefix,
        })
    }

    pub(super) fn is_data_dir(&self) -> bool {
        !self.prefix.is_empty()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(super) fn tile_name(&self, tile: &Tile) -> String {
        format!("{}{}", self.prefix, tile.path())
    }

    pub(super) fn read(
        &self,
        name: &str,
        found: &mut Verification,
    ) -> Result<Option<Vec<u8>>, Unreadable> {
        let path = self.path(name);
        let bytes = read_optional(&path).map_err(|source| Unreadable::Io { path, source })?;
        if let Some(bytes) = &bytes {
            found.bytes += bytes.len() as u64;
            found.files += 1;
        }
        Ok(bytes)
    }

    /// The names of everything but directories in a directory, sorted, relative to the root.
    pub(super) fn list(&self, directory: &str) -> Result<Vec<String>, Unreadable> {
        let mut names = Vec::new();
        for item in WalkDir::new(self.path(directory))
            .follow_links(false)
            .sort_by_file_name()
        {
            let item = item.map_err(|error| Unreadable::Io {
                path: self.path(directory),
                source: error.into(),
            })?;
            if !item.file_type().is_dir() {
                let relative = item.path().strip_prefix(&self.root).unwrap_or(item.path());
                names.push(relative.to_string_lossy().into_owned());
            }
        }
        Ok(names)
    }

    /// The files of the tile directory.
    pub(super) fn inventory(&self) -> Result<Vec<String>, Unreadable> {
        self.list(self.prefix)
    }
}

/// Reads the checkpoint; gives its size when the text can be read and is plausible.
pub(super) fn checkpoint(
    target: &Target,
    key: &VerifierKey,
    inventory: &[String],
    found: &mut Verification,
) -> Result<Option<u64>, Unreadable> {
    let name = format!("{}checkpoint", target.prefix);
    let Some(bytes) = target.read(&name, found)? else {
        // A ledger that was never published has neither tiles nor a guard.
        if target.path("guard/checkpoint").exists() || !inventory.is_empty() {
            found.fault(FaultKind::Checkpoint, name, "there is no checkpoint");
        } else {
            found.notes.push("nothing is published yet".to_owned());
        }
        return Ok(None);
    };
    let Ok(note) = String::from_utf8(bytes) else {
        found.fault(FaultKind::Checkpoint, name, "not UTF-8");
        return Ok(None);
    };
    let checkpoint = match Checkpoint::open(&note, key) {
        Ok(checkpoint) => checkpoint,
        Err(error) => {
            found.fault(FaultKind::Checkpoint, name.clone(), error.to_string());
            // Its text still says where to look for further faults.
            match Note::parse(&note).and_then(|note| Checkpoint::parse(note.text())) {
                Ok(checkpoint) => checkpoint,
                Err(_) => return Ok(None),
            }
        }
    };
    let size = checkpoint.size;
    found.checkpoint = Some(checkpoint);
    found.checkpoint_note = note;
    if size > WIDTH.saturating_mul(inventory.len() as u64) {
        let detail = format!("there are too few files for {size} entries");
        found.fault(FaultKind::MissingFile, name, detail);
        return Ok(None);
    }
    Ok(Some(size))
}

/// Compares every file of the tile directory with what the entries make it.
pub(super) fn check_tiles(
    target: &Target,
    inventory: &[String],
    size: u64,
    tree: &Tree,
    found: &mut Verification,
) -> Result<(), Unreadable> {
    let levels = tree.levels();
    let mut present = BTreeSet::new();
    for name in inventory {
        let inner = name.strip_prefix(target.prefix).unwrap_or(name);
        if inner == "checkpoint" {
            continue;
        }
        let tile = Tile::parse(inner).filter(|_| target.path(name).is_file());
        let known = |tile: &Tile| tile.leaves().is_some_and(|n| n <= tree.leaves.len() as u64);
        match tile {
            Some(tile) if tree.incomplete => {
                present.insert(tile);
            }
            Some(tile) if known(&tile) => {
                present.insert(tile);
                check_tile(target, name, &tile, (tree, &levels), found)?;
            }
            _ => found.fault(
                FaultKind::UnexpectedFile,
                name,
                "no entry accounts for this file",
            ),
        }
    }
    for tile in required(size).iter().filter(|tile| !present.contains(tile)) {
        // Missing bundles were reported while reading entries.
        if tile.kind != Kind::Entries {
            let detail = "a tile of the checkpoint is missing";
            found.fault(FaultKind::MissingFile, target.tile_name(tile), detail);
        }
    }
    Ok(())
}

fn check_tile(
    target: &Target,
    name: &str,
    tile: &Tile,
    (tree, levels): (&Tree, &[Vec<Hash>]),
    found: &mut Verification,
) -> Result<(), Unreadable> {
    let Some(bytes) = target.read(name, found)? else {
        return Ok(());
    };
    let start = usize::try_from(tile.number * WIDTH).unwrap_or(usize::MAX);
    let end = start.saturating_add(usize::try_from(tile.width).unwrap_or(usize::MAX));
    let expected = match tile.kind {
        Kind::Entries => {
            let mut bundle = Vec::new();
            let entries = tree.entries.get(start..end).unwrap_or_default();
            for entry in entries {
                frame_entry(&mut bundle, entry);
            }
            bundle
        }
        Kind::Hashes(level) => {
            let row = levels
                .get(level as usize)
                .and_then(|row| row.get(start..end));
            row.unwrap_or_default().concat()
        }
    };
    if bytes != expected {
        let same = bytes
            .iter()
            .zip(&expected)
            .take_while(|(a, b)| a == b)
            .count();
        let place = format!("{name} byte {same}");
        found.fault(FaultKind::Tile, place, "it is not what the entries make it");
    }
    Ok(())
}

/// Checks the roots: of the checkpoint, the guard and the older checkpoint; then the key file.
pub(super) fn check_heads(
    target: &Target,
    key: &VerifierKey,
    since: Option<&Checkpoint>,
    tree: &Tree,
    found: &mut Verification,
) -> Result<(), Unreadable> {
    let checkpoint = found.checkpoint.clone();
    let size = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
    if let Some(checkpoint) = &checkpoint
        && !tree.incomplete
        && root_at(tree, checkpoint.size) != Some(checkpoint.root)
    {
        let name = format!("{}checkpoint", target.prefix);
        found.fault(FaultKind::Root, name, "the entries have another root");
    }
    if let Some(since) = since {
        check_since(since, size, key, tree, found);
    }
    if !target.is_data_dir() {
        return Ok(());
    }
    check_guard(target, key, size, tree, found)?;
    let name = "keys/ledger.vkey";
    match target.read(name, found)? {
        None => found.fault(FaultKind::Key, name, "the file is missing"),
        Some(bytes) if bytes != format!("{key}\n").as_bytes() => {
            found.fault(FaultKind::Key, name, "it is not the given key");
        }
        Some(_) => {}
    }
    Ok(())
}

fn check_since(
    since: &Checkpoint,
    size: u64,
    key: &VerifierKey,
    tree: &Tree,
    found: &mut Verification,
) {
    let place = "older checkpoint";
    if since.origin != key.name() {
        found.fault(FaultKind::Rollback, place, "it is of another log");
    } else if since.size > size {
        let detail = format!("it had {} entries, now there are {size}", since.size);
        found.fault(FaultKind::Rollback, place, detail);
    } else if !tree.incomplete && root_at(tree, since.size) != Some(since.root) {
        found.fault(
            FaultKind::Rollback,
            place,
            "the history up to it has changed",
        );
    }
}

fn check_guard(
    target: &Target,
    key: &VerifierKey,
    size: u64,
    tree: &Tree,
    found: &mut Verification,
) -> Result<(), Unreadable> {
    let name = "guard/checkpoint";
    if target.path("guard").is_dir() {
        let known = [name, "guard/clock"];
        for extra in target
            .list("guard")?
            .iter()
            .filter(|file| !known.contains(&file.as_str()))
        {
            found.fault(
                FaultKind::UnexpectedFile,
                extra,
                "no such file belongs here",
            );
        }
    }
    let Some(bytes) = target.read(name, found)? else {
        if found.checkpoint.is_some() {
            found.fault(FaultKind::Guard, name, "the guard is missing");
        }
        return Ok(());
    };
    check_clock(target, key, found)?;
    let guard = String::from_utf8_lossy(&bytes);
    let guard = match Checkpoint::open(&guard, key) {
        Ok(guard) => guard,
        Err(error) => {
            found.fault(FaultKind::Guard, name, error.to_string());
            return Ok(());
        }
    };
    if guard.size < size {
        found.fault(
            FaultKind::Rollback,
            name,
            "the guard is older than the checkpoint",
        );
    } else if !tree.incomplete && root_at(tree, guard.size) != Some(guard.root) {
        let detail = format!("{} entries were signed and are not all here", guard.size);
        found.fault(FaultKind::Rollback, name, detail);
    } else if guard.size > size {
        found.notes.push(format!(
            "the guard is ahead: size {}, a crash explains it",
            guard.size
        ));
    }
    Ok(())
}

fn check_clock(
    target: &Target,
    key: &VerifierKey,
    found: &mut Verification,
) -> Result<(), Unreadable> {
    let name = "guard/clock";
    let bytes = target.read(name, found)?.unwrap_or_default();
    let checked = Note::parse(&String::from_utf8_lossy(&bytes))
        .and_then(|note| note.verify(key).map(|()| note))
        .map(|note| read_clock(note.text(), key.name()).is_some());
    match checked {
        Ok(true) => {}
        Ok(false) => found.fault(FaultKind::Guard, name, "it tells no time"),
        Err(error) => found.fault(FaultKind::Guard, name, error.to_string()),
    }
    Ok(())
}

/// The root over the first `size` entries; `None` when there are fewer.
fn root_at(tree: &Tree, size: u64) -> Option<Hash> {
    let mut leaves = Leaves(&tree.leaves);
    (size <= tree.leaves.len() as u64)
        .then(|| range_root(&mut leaves, 0, size).ok())
        .flatten()
}

struct Leaves<'a>(&'a [Hash]);

impl Nodes for Leaves<'_> {
    type Error = OutOfRange;
    fn node(&mut self, level: u32, index: u64) -> Result<Hash, OutOfRange> {
        let mut leaves = self.0;
        leaves.node(level, index)
    }
}
