//! Offline verification of a ledger: every byte of every file, from a verifier key alone.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    keys::{KeyRing, VerifierKey},
    merkle::Hash,
    note::{Checkpoint, Note, NoteError},
};

mod bundle;
mod chains;
pub(crate) mod examine;
mod frontier;
mod handovers;
mod heads;
mod log;
#[cfg(test)]
pub(crate) mod made;
mod pass;
mod pipeline;
mod range;
mod render;
pub(crate) mod target;
mod tiles;

use examine::{Purpose, examine};
pub use handovers::handovers_in;
pub use range::{Entries, RangeError, VerifiedRange};
pub use render::{to_json, to_text};
use target::Target;

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
    /// A handover of keys is malformed, out of place, or leads from and to no trusted key.
    Handover,
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
    /// A time stamp token does not hold. Found by who knows time stamping authorities.
    Timestamp,
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
            Self::Handover => "handover",
            Self::Guard => "guard",
            Self::Rollback => "rollback",
            Self::Wal => "wal",
            Self::CleanMarker => "clean_marker",
            Self::Key => "key",
            Self::Timestamp => "timestamp",
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
    /// How many faults more there are.
    pub omitted: u64,
    /// Published entries that were read.
    pub entries: u64,
    /// Durable entries beyond the checkpoint.
    pub pending: u64,
    /// Published entries that are absent because an entry of the ledger permits it.
    pub pruned: u64,
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
    /// The key that the reader trusts and that everything was verified against.
    pub key: Option<VerifierKey>,
    /// The keys that handovers join to it, and where each is in force.
    pub ring: Option<KeyRing>,
    range: Option<Box<VerifiedRange>>,
}

impl Verification {
    /// Whether no fault was found.
    pub fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }

    /// The verified entries.
    ///
    /// # Errors
    /// Gives the verification back when it has faults, or nothing is published.
    pub fn into_range(mut self) -> Result<VerifiedRange, Box<Self>> {
        match self.range.take() {
            Some(range) => Ok(*range),
            None => Err(Box::new(self)),
        }
    }

    fn fault(&mut self, kind: FaultKind, place: impl Into<String>, detail: impl Into<String>) {
        let (place, detail) = (place.into(), detail.into());
        self.add(Fault {
            kind,
            place,
            detail,
        });
    }

    fn add(&mut self, fault: Fault) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(fault);
        } else {
            self.omitted += 1;
        }
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
    /// What was given as an older checkpoint is none.
    #[error("{place}: {source}")]
    Since {
        /// What the reader calls it.
        place: String,
        /// What is wrong with it.
        source: NoteError,
    },
}

/// An older checkpoint that the ledger must extend.
#[derive(Debug, Clone)]
struct Since {
    place: String,
    text: Checkpoint,
    /// The note, when its signature is still to be checked.
    note: Option<String>,
}

/// Verifies ledgers against one trusted key. Reading, checking and comparing run side by side; what
/// is held in memory does not depend on the number of entries, but for 32 bytes for each 256.
#[derive(Debug, Clone)]
pub struct Verifier {
    key: VerifierKey,
    since: Vec<Since>,
    threads: usize,
}

impl Verifier {
    /// Trusts `key`, and every key that handovers in the ledger join to it.
    pub fn new(key: &VerifierKey) -> Self {
        Self {
            key: key.clone(),
            since: Vec::new(),
            threads: pipeline::cores(),
        }
    }

    /// Uses so many threads for signatures, at least one; without this, as many as there are cores.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Demands that the ledger extend an older checkpoint whose signature the caller has checked.
    /// May be called several times.
    #[must_use]
    pub fn since(mut self, checkpoint: &Checkpoint) -> Self {
        self.since.push(Since {
            place: "older checkpoint".to_owned(),
            text: checkpoint.clone(),
            note: None,
        });
        self
    }

    /// Demands that the ledger extend an older checkpoint, given as the signed note that `place`
    /// names, for example a file. It must be signed by the key in force at its size. May be called
    /// several times: a high-water mark that somebody keeps is just such a checkpoint.
    ///
    /// # Errors
    /// [`Unreadable::Since`] when it is no checkpoint.
    pub fn since_note(mut self, place: &str, note: &str) -> Result<Self, Unreadable> {
        let text = Note::parse(note).and_then(|note| Checkpoint::parse(note.text()));
        let text = text.map_err(|source| Unreadable::Since {
            place: place.to_owned(),
            source,
        })?;
        self.since.push(Since {
            place: place.to_owned(),
            text,
            note: Some(note.to_owned()),
        });
        Ok(self)
    }

    /// Verifies the data directory or tile directory `target`. Run it on a ledger at rest or on a
    /// copy: a writer at work moves files underneath.
    ///
    /// # Errors
    /// [`Unreadable`] when there is nothing to verify; faults are not errors.
    pub fn verify(&self, target: &Path) -> Result<Verification, Unreadable> {
        self.verify_with_progress(target, &mut |_, _| {})
    }

    /// [`Verifier::verify`], telling `progress` how many of how many entries are checked.
    ///
    /// # Errors
    /// [`Unreadable`] when there is nothing to verify; faults are not errors.
    pub fn verify_with_progress(
        &self,
        target: &Path,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Verification, Unreadable> {
        let target = Arc::new(Target::find(target)?);
        examine(&target, self, Purpose::Verify, progress).map(|examined| examined.found)
    }
}

/// Verifies `target` against `key`; with `since`, also that it extends that older checkpoint.
///
/// # Errors
/// [`Unreadable`] when there is nothing to verify; faults are not errors.
pub fn verify(
    target: &Path,
    key: &VerifierKey,
    since: Option<&Checkpoint>,
) -> Result<Verification, Unreadable> {
    let verifier = Verifier::new(key);
    since
        .into_iter()
        .fold(verifier, Verifier::since)
        .verify(target)
}

#[cfg(test)]
mod tests;
