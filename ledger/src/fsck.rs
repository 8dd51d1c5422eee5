//! Finding out what in a data directory differs from what its entries make it, and mending what can
//! be made again without anybody's key.
//!
//! Entries and signed heads are evidence: they are reported and never touched, and nothing is ever
//! signed. Hash tiles are mended only when the leaves lead to the root of every head that is there,
//! so that what is written is what was signed.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    keys::VerifierKey,
    layout::{Kind, Tile, WIDTH},
    merkle::leaf_hash,
    verify::{
        Fault, FaultKind, Unreadable, Verifier,
        examine::{Examined, Purpose, examine},
        target::Target,
    },
};

mod mend;
mod render;

pub use mend::{Mended, repair};
pub use render::{to_json, to_text};

/// What can be done about a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Remedy {
    /// The file is made again from intact entries.
    Rebuild,
    /// The file is left over from an earlier size or a crash, and goes.
    Remove,
    /// Nothing here: a copy is needed, or somebody has to find out what happened.
    None,
}

impl Remedy {
    /// The stable name, in snake case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rebuild => "rebuild",
            Self::Remove => "remove",
            Self::None => "none",
        }
    }
}

/// One thing that is not as the entries make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What it is and where.
    pub fault: Fault,
    /// What can be done.
    pub remedy: Remedy,
    /// The file, for a remedy.
    file: Option<String>,
    tile: Option<Tile>,
}

/// Every difference between a data directory and what its entries make it.
#[derive(Debug, Clone)]
pub struct Report {
    /// The differences, at most 10,000 of each kind of file.
    pub differences: Vec<Difference>,
    /// How many more there are.
    pub omitted: u64,
    /// Size of the newest signed head, when the leaves lead to the root of every head that is
    /// there. Without it nothing is mended.
    pub proven: Option<u64>,
    /// Published entries that were read.
    pub entries: u64,
    /// Durable entries beyond the checkpoint.
    pub pending: u64,
    /// Published entries that are absent because an entry of the ledger permits it.
    pub pruned: u64,
    /// Remarks that are no differences.
    pub notes: Vec<String>,
}

impl Report {
    /// Whether everything is as the entries make it and nothing is left over.
    pub fn is_clean(&self) -> bool {
        self.differences.is_empty() && self.omitted == 0
    }

    /// How many of the differences have this remedy.
    pub fn count(&self, remedy: Remedy) -> usize {
        self.differences
            .iter()
            .filter(|difference| difference.remedy == remedy)
            .count()
    }
}

/// Why a data directory was not mended.
#[derive(Debug, thiserror::Error)]
pub enum FsckError {
    /// Nothing to look at.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// A tile directory alone: without its data directory nobody can keep a writer out.
    #[error("{0} is no data directory")]
    NotADataDirectory(PathBuf),
    /// A writer holds the ledger.
    #[error("{0} is held by a writer")]
    Locked(PathBuf),
    /// The leaves do not lead to what was signed: whatever was written would be a guess.
    #[error("the entries do not lead to the signed root; nothing was touched")]
    NotProven(Box<Report>),
    /// Writing failed; what was mended before stays mended.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// Derives every tile, head and link again from the entries of the data directory `dir` and
/// reports what differs. Touches nothing. Run it on a ledger at rest.
///
/// # Errors
/// [`FsckError::Unreadable`] or [`FsckError::NotADataDirectory`]; differences are not errors.
pub fn check(dir: &Path, key: &VerifierKey) -> Result<Report, FsckError> {
    let target = Arc::new(Target::find(dir)?);
    if !target.is_data_dir() {
        return Err(FsckError::NotADataDirectory(dir.to_owned()));
    }
    let examined = examine(
        &target,
        &Verifier::new(key),
        Purpose::Repair,
        &mut |_, _| {},
    )?;
    report(&target, examined)
}

fn report(target: &Target, examined: Examined) -> Result<Report, FsckError> {
    let Examined {
        found,
        tile_faults,
        leftovers,
        needed,
        proven,
    } = examined;
    let stage = stage_files(target)?;
    let mut differences = Vec::new();
    for fault in &found.faults {
        if !stage.contains(&fault.place) {
            let mut fault = fault.clone();
            if fault.kind == FaultKind::Bundle {
                locate(target, &mut fault)?;
            }
            differences.push(Difference {
                fault,
                remedy: Remedy::None,
                file: None,
                tile: None,
            });
        }
    }
    for (tile, fault) in tile_faults {
        let remedy = remedy(&tile, &fault, &needed, proven);
        differences.push(Difference {
            file: (remedy != Remedy::None).then(|| target.tile_name(&tile)),
            tile: Some(tile),
            remedy,
            fault,
        });
    }
    let left = leftovers
        .iter()
        .filter(|tile| is_superseded(tile, found.entries))
        .map(|tile| (target.tile_name(tile), "a partial tile of an earlier size"));
    let staged = stage.into_iter().map(|name| (name, "a half-written file"));
    for (name, what) in left.chain(staged) {
        let fault = Fault {
            kind: FaultKind::UnexpectedFile,
            place: name.clone(),
            detail: format!("{what} is left over"),
        };
        let remedy = if proven.is_some() {
            Remedy::Remove
        } else {
            Remedy::None
        };
        differences.push(Difference {
            fault,
            remedy,
            file: Some(name),
            tile: None,
        });
    }
    Ok(Report {
        differences,
        omitted: found.omitted,
        proven,
        entries: found.entries,
        pending: found.pending,
        pruned: found.pruned,
        notes: found.notes,
    })
}

/// Whether a partial tile's full one is there: until then it serves readers of earlier checkpoints.
fn is_superseded(tile: &Tile, entries: u64) -> bool {
    let full = Tile {
        width: WIDTH,
        ..*tile
    };
    full.leaves().is_some_and(|leaves| leaves <= entries)
}

/// What can be done about a tile.
fn remedy(tile: &Tile, fault: &Fault, needed: &[u64], proven: Option<u64>) -> Remedy {
    let hashes = matches!(tile.kind, Kind::Hashes(_));
    if !hashes || fault.kind == FaultKind::UnexpectedFile || proven.is_none() {
        return Remedy::None;
    }
    let wanted = needed
        .iter()
        .any(|size| Tile::at(tile.kind, tile.number, *size) == Some(*tile));
    if wanted {
        Remedy::Rebuild
    } else {
        Remedy::Remove
    }
}

/// Files that a crash left in the stage.
fn stage_files(target: &Target) -> Result<Vec<String>, Unreadable> {
    let mut names = Vec::new();
    if target.path("wal/stage").exists() {
        target.walk("wal/stage", |name| names.push(name))?;
    }
    Ok(names)
}

/// Names the first entry of a malformed bundle that is not what its hash tile says, and its byte.
fn locate(target: &Target, fault: &mut Fault) -> Result<(), Unreadable> {
    let Some(tile) = Tile::parse(target.inner(&fault.place)) else {
        return Ok(());
    };
    let leaves = Tile {
        kind: Kind::Hashes(0),
        ..tile
    };
    let leaves = target.read(&target.tile_name(&leaves))?.unwrap_or_default();
    let bundle = target.read(&fault.place)?.unwrap_or_default();
    let mut rest = bundle.as_slice();
    for (index, leaf) in (tile.number * WIDTH..).zip(leaves.as_chunks::<32>().0) {
        let entry = rest
            .split_first_chunk::<2>()
            .and_then(|(length, tail)| tail.split_at_checked(u16::from_be_bytes(*length).into()));
        match entry {
            Some((entry, tail)) if leaf_hash(entry) == *leaf => rest = tail,
            _ => {
                let byte = bundle.len() - rest.len();
                fault.place = format!("{} entry {index} byte {byte}", fault.place);
                return Ok(());
            }
        }
    }
    let byte = bundle.len() - rest.len();
    fault.place = format!("{} byte {byte}", fault.place);
    Ok(())
}

#[cfg(test)]
mod tests;
