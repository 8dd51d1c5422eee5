//! Settings, answers and refusals of a ledger.

use std::{fmt, io, path::PathBuf, sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::{
    entry::EntryError, index::IndexError, keys::VerifierKey, merkle::Hash, note::NoteError,
    signer::SignerError,
};

/// How a ledger is run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The data directory.
    pub dir: PathBuf,
    /// Name of the log; also the name of its key.
    pub origin: String,
    /// Time between checkpoints while entries arrive.
    pub publish_every: Duration,
    /// Top-level string members that [`Ledger::find`] can look up.
    pub index_members: Vec<String>,
    /// Appends are refused while the file system has fewer free bytes than this.
    pub min_free_bytes: u64,
    /// Appends that may wait for the disk; more are refused.
    pub queue: usize,
    /// Entries that may wait to be integrated; more are refused.
    pub max_pending: usize,
    /// What time it is.
    pub clock: Clock,
    /// How far the clock may be behind the last signed checkpoint before nothing is signed.
    pub clock_tolerance: Duration,
}

/// Tells the time; another one than the machine's in tests.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// A clock that asks `now`.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The present.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

/// The machine's clock.
impl Default for Clock {
    fn default() -> Self {
        Self::new(Timestamp::now)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

impl Settings {
    /// Settings with the defaults: 1 s, no indexed members, 64 MiB, 4096 waiting appends,
    /// 65,536 entries waiting to be integrated, the machine's clock, 1 s behind at most.
    pub fn new(dir: impl Into<PathBuf>, origin: impl Into<String>) -> Self {
        Self {
            dir: dir.into(),
            origin: origin.into(),
            publish_every: Duration::from_secs(1),
            index_members: Vec::new(),
            min_free_bytes: 64 << 20,
            queue: 4096,
            max_pending: 65_536,
            clock: Clock::default(),
            clock_tolerance: Duration::from_secs(1),
        }
    }
}

/// What opening found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// Entries in the ledger, published or not.
    pub entries: u64,
    /// Bytes of a half-written batch that were cut off; it had never been acknowledged.
    pub torn_bytes: u64,
    /// Whether the last run ended with [`Ledger::close`]; true for a new ledger.
    pub clean_stop: bool,
    /// The key that signs from here on: the next one where a handover was recorded already.
    pub key: VerifierKey,
}

/// How far the index has got.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IndexStatus {
    /// Entries that it covers.
    pub applied: u64,
    /// How often it was set aside and begun anew since the ledger was opened.
    pub rebuilt: u64,
    /// Why it is not in use now; appends go on meanwhile.
    pub fault: Option<String>,
}

/// A durable entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequenced {
    /// Index in the ledger.
    pub index: u64,
    /// Position in this writer's chain.
    pub seq: u64,
    /// RFC 6962 leaf hash.
    pub leaf_hash: Hash,
}

/// A published checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointInfo {
    /// Entries under it.
    pub size: u64,
    /// Root hash.
    pub root: Hash,
    /// When it was published by this process's clock; when the ledger was opened, for one found.
    pub time: Timestamp,
}

/// How far the ledger has got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Durable entries.
    pub size: u64,
    /// The last published checkpoint.
    pub published: Option<CheckpointInfo>,
    /// Why publication waits, when it does: a clock that is behind, witnesses that do not answer.
    pub stalled: Option<String>,
}

/// Why an entry was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Too many appends wait for the disk, or too many entries for publication.
    #[error("the ledger's queue is full")]
    Overloaded,
    /// The file system is full or nearly so.
    #[error("the ledger's file system has no space left")]
    NoSpace,
    /// The sealed entry is longer than 65,535 bytes.
    #[error("the entry takes {0} bytes, 65535 is the most")]
    TooLarge(usize),
    /// The map cannot be made a canonical entry.
    #[error(transparent)]
    NotCanonical(EntryError),
    /// An earlier write failed; the ledger must be opened again.
    #[error("the ledger stopped writing: {0}")]
    Poisoned(String),
    /// The entry is in the ledger, but what should follow was not finished.
    #[error("recorded, but not finished: {0}")]
    Unfinished(String),
    /// The signer gave no signature; the entry is not in the ledger.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The ledger is closed.
    #[error("the ledger is closed")]
    Closed,
}

/// Why a ledger could not be opened. Nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file could not be read or written.
    #[error("ledger files: {0}")]
    Io(#[from] io::Error),
    /// Another process or handle writes this ledger.
    #[error("another writer holds {0}")]
    Locked(PathBuf),
    /// The settings do not make sense.
    #[error("settings: {0}")]
    Settings(&'static str),
    /// The checkpoint or its guard cannot be trusted.
    #[error("{place}: {source}")]
    Checkpoint {
        /// The file.
        place: PathBuf,
        /// What is wrong with it.
        source: NoteError,
    },
    /// The files are older than, or differ from, what was last signed.
    #[error("rollback or fork: {0}; signing would put two histories into the world")]
    Rollback(String),
    /// The clock is behind the last signature.
    #[error("the clock is behind: it says {now}, the last checkpoint was signed at {signed}")]
    ClockBehind {
        /// What the clock says.
        now: Timestamp,
        /// When the last checkpoint was signed.
        signed: Timestamp,
    },
    /// The write-ahead log is damaged in a way that a crash does not explain.
    #[error("the write-ahead log is damaged: {0}")]
    Wal(String),
}

/// Why a read failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A tile could not be read.
    #[error("ledger files: {0}")]
    Io(#[from] io::Error),
    /// The index could not be read.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The index does not cover all entries yet.
    #[error("the index is being built: it is at {applied} of {size} entries")]
    IndexBehind {
        /// Entries that it covers.
        applied: u64,
        /// Entries in the ledger.
        size: u64,
    },
}

/// Why a ledger did not close cleanly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseError {
    /// It was closed before.
    #[error("the ledger is already closed")]
    Closed,
    /// A write failed; acknowledged entries are in the write-ahead log.
    #[error("the ledger could not publish its last entries: {0}")]
    Failed(String),
}
