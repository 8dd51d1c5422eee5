//! Offline verification of a ledger: every byte of every file, from a verifier key alone.

use std::{fmt, io, path::PathBuf};

use crate::{keys::VerifierKey, merkle::Hash, note::Checkpoint};

mod entries;
mod files;
mod log;
mod render;

pub use render::{to_json, to_text};

/// Most faults that one verification reports.
pub const MAX_FAULTS: usize = 1000;

/// What kind of fault was found. The names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FaultKind {
    /// The checkpoint is missing, malformed, or not signed by the key.
    Checkpoint,
    /// The checkpoint's root is not the root of the entries.
    Root,
    /// A file that the checkpoint needs is missing.
    MissingFile,
    /// A file that has no business there.
    UnexpectedFile,
    /// A tile differs from what the entries make it.
    Tile,
    /// A bundle cannot be split into entries.
    Bundle,
    /// An entry is not in canonical form or lacks a member.
    Entry,
    /// An entry is attested by another authority or key.
    Authority,
    /// An entry's signature does not verify.
    Signature,
    /// An entry does not continue its chain.
    Chain,
    /// The guard is missing, malformed, or not signed by the key.
    Guard,
    /// Entries that were signed before are gone or differ.
    Rollback,
    /// The write-ahead log is damaged, has a gap, or differs from the published entries.
    Wal,
    /// The marker of a clean stop contradicts the rest.
    CleanMarker,
    /// `keys/ledger.vkey` is not the given key.
    Key,
}

impl FaultKind {
    /// The stable name, in snake case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Root => "root",
            Self::MissingFile => "missing_file",
            Self::UnexpectedFile => "unexpected_file",
            Self::Tile => "tile",
            Self::Bundle => "bundle",
            Self::Entry => "entry",
            Self::Authority => "authority",
            Self::Signature => "signature",
            Self::Chain => "chain",
            Self::Guard => "guard",
            Self::Rollback => "rollback",
            Self::Wal => "wal",
            Self::CleanMarker => "clean_marker",
            Self::Key => "key",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One thing that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its kind.
    pub kind: FaultKind,
    /// File, relative to the target, with entry index and byte offset where known.
    pub place: String,
    /// What is wrong.
    pub detail: String,
}

/// One writer's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its `chain_uid`.
    pub uid: String,
    /// The first position seen.
    pub first_seq: u64,
    /// The last position seen.
    pub last_seq: u64,
    /// Leaf hash of the last entry.
    pub head: Hash,
}

/// What a verification found.
#[derive(Debug, Clone, Default)]
pub struct Verification {
    /// Faults, at most [`MAX_FAULTS`]; the first in reading order comes first.
    pub faults: Vec<Fault>,
    /// Published entries that were read.
    pub entries: u64,
    /// Durable entries beyond the checkpoint.
    pub pending: u64,
    /// The checkpoint, when its text could be read; trust it only without faults.
    pub checkpoint: Option<Checkpoint>,
    /// The chains, in order of appearance.
    pub chains: Vec<Chain>,
    /// Remarks that are no faults.
    pub notes: Vec<String>,
    /// Bytes read.
    pub bytes: u64,
    /// Files read.
    pub files: u64,
    /// The key that everything was verified against.
    pub key: Option<VerifierKey>,
    checkpoint_note: String,
    published: Vec<Vec<u8>>,
}

impl Verification {
    /// Whether no fault was found.
    pub fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }

    /// The verified entries.
    ///
    /// # Errors
    /// Gives the verification back when it has faults.
    pub fn into_range(self) -> Result<VerifiedRange, Box<Self>> {
        match (self.is_clean(), &self.checkpoint, &self.key) {
            (true, Some(checkpoint), Some(key)) => Ok(VerifiedRange {
                checkpoint: checkpoint.clone(),
                key: key.clone(),
                checkpoint_note: self.checkpoint_note,
                chains: self.chains,
                entries: self.published,
            }),
            _ => Err(Box::new(self)),
        }
    }

    fn fault(&mut self, kind: FaultKind, place: impl Into<String>, detail: impl Into<String>) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(Fault {
                kind,
                place: place.into(),
                detail: detail.into(),
            });
        }
    }
}

/// The published entries of a ledger in which no fault was found. Only a verification makes one.
/// It holds the entries in memory.
#[derive(Debug, Clone)]
pub struct VerifiedRange {
    checkpoint: Checkpoint,
    key: VerifierKey,
    checkpoint_note: String,
    chains: Vec<Chain>,
    entries: Vec<Vec<u8>>,
}

impl VerifiedRange {
    /// The published entries in order, each with its index.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (u64, &[u8])> {
        self.entries
            .iter()
            .enumerate()
            .map(|(index, entry)| (index as u64, entry.as_slice()))
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

    /// The key that everything was verified against.
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// The chains, in order of appearance. They may reach beyond the checkpoint when entries were
    /// pending.
    pub fn chains(&self) -> &[Chain] {
        &self.chains
    }

    /// The receipt of the entry at `index`: a C2SP `tlog-proof` that it is under the checkpoint.
    ///
    /// # Errors
    /// [`OutOfRange`](crate::merkle::OutOfRange) when the range has no such entry.
    pub fn receipt(&self, index: u64) -> Result<String, crate::merkle::OutOfRange> {
        let leaves: Vec<Hash> = self
            .entries
            .iter()
            .map(|e| crate::merkle::leaf_hash(e))
            .collect();
        let mut nodes = leaves.as_slice();
        if index >= self.checkpoint.size {
            return Err(crate::merkle::OutOfRange);
        }
        crate::receipt::print(
            &mut nodes,
            index,
            self.checkpoint.size,
            &self.checkpoint_note,
        )
    }
}

/// A target that cannot be verified at all.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Neither a data directory nor a tile directory.
    #[error("{0} is neither a data directory nor a tile directory")]
    NotALedger(PathBuf),
    /// A file could not be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// Verifies the data directory or tile directory `target` against `key`; with `since`, also that
/// it extends that older checkpoint. Run it on a ledger at rest or on a copy: a writer at work
/// moves files underneath.
///
/// # Errors
/// [`Unreadable`] when there is nothing to verify; faults are not errors.
pub fn verify(
    target: &std::path::Path,
    key: &VerifierKey,
    since: Option<&Checkpoint>,
) -> Result<Verification, Unreadable> {
    verify_with_progress(target, key, since, &mut |_, _| {})
}

/// [`verify`], telling `progress` how many of how many entries are checked.
///
/// # Errors
/// [`Unreadable`] when there is nothing to verify; faults are not errors.
pub fn verify_with_progress(
    target: &std::path::Path,
    key: &VerifierKey,
    since: Option<&Checkpoint>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Verification, Unreadable> {
    let target = files::Target::find(target)?;
    let mut found = Verification {
        key: Some(key.clone()),
        ..Verification::default()
    };
    let inventory = target.inventory()?;
    let note_size = files::checkpoint(&target, key, &inventory, &mut found)?;
    let mut tree = entries::Tree::default();
    if let Some(size) = note_size {
        entries::read_bundles(&target, size, &mut tree, &mut found, (key, progress))?;
    }
    let published = tree.entries.len();
    found.entries = published as u64;
    if target.is_data_dir() {
        log::check(&target, note_size.unwrap_or(0), &mut tree, &mut found, key)?;
    }
    found.pending = (tree.entries.len() - published) as u64;
    files::check_tiles(
        &target,
        &inventory,
        note_size.unwrap_or(0),
        &tree,
        &mut found,
    )?;
    files::check_heads(&target, key, since, &tree, &mut found)?;
    found.chains = tree.chains();
    tree.entries.truncate(published);
    found.published = tree.entries;
    Ok(found)
}
