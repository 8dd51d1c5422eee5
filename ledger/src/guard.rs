//! Port: a second place that remembers what was last signed, so that nothing else is ever signed.

use std::{fmt, io, path::PathBuf, sync::Arc};

use jiff::Timestamp;

use crate::{
    durable::invalid,
    store::{Lock, Store, create_dir, replace},
};

/// First line of a clock note.
const CLOCK: &str = "countersign/clock/v1";

/// What was last signed, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarded {
    /// The checkpoint as a signed note, without cosignatures.
    pub note: String,
    /// The signing clock then: a signed note of three lines, `countersign/clock/v1`, the origin and
    /// the instant (RFC 3339, UTC).
    pub clock: String,
}

/// The instant in the text of a clock note of `origin`.
pub(crate) fn read_clock(text: &str, origin: &str) -> Option<Timestamp> {
    let instant = text
        .strip_prefix(CLOCK)?
        .strip_prefix('\n')?
        .strip_prefix(origin)?
        .strip_prefix('\n')?
        .strip_suffix('\n')?;
    let time: Timestamp = instant.parse().ok()?;
    (time.to_string() == instant).then_some(time)
}

/// The text of a clock note.
pub(crate) fn clock_text(origin: &str, time: Timestamp) -> String {
    format!("{CLOCK}\n{origin}\n{time}\n")
}

/// Why a guard did not move.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// It holds something else than expected: another writer, or a rolled back ledger.
    #[error("the guard does not hold what was last signed here")]
    Conflict,
    /// It could not be read or written; it may have moved or not.
    #[error("guard: {0}")]
    Io(#[from] io::Error),
}

/// Remembers the last signed checkpoint under compare-and-swap.
///
/// Contract: [`Guard::swap`] changes what is held only if it is `expected`, atomically also against
/// other processes, and is durable when it returns. After [`GuardError::Io`] either value may be
/// held, and no third.
pub trait Guard: Send + fmt::Debug {
    /// What is held.
    ///
    /// # Errors
    /// When it cannot be read.
    fn load(&self) -> io::Result<Option<Guarded>>;

    /// Replaces `expected` by `next`.
    ///
    /// # Errors
    /// [`GuardError`].
    fn swap(&mut self, expected: Option<&Guarded>, next: &Guarded) -> Result<(), GuardError>;
}

/// A guard in a folder of its own: `checkpoint`, `clock` and `lock`.
pub struct FolderGuard {
    store: Arc<dyn Store>,
    folder: PathBuf,
    stage: PathBuf,
    _lock: Option<Box<dyn Lock>>,
}

impl fmt::Debug for FolderGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FolderGuard")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl FolderGuard {
    /// Opens the guard in `folder`, best on another disk than the ledger, and locks it.
    ///
    /// # Errors
    /// When the folder cannot be made or another process holds it.
    pub fn open(store: Arc<dyn Store>, folder: PathBuf) -> io::Result<Self> {
        create_dir(&*store, &folder)?;
        let lock = store.lock(&folder.join("lock"))?;
        let held = || io::Error::other(format!("another writer holds {}", folder.display()));
        let lock = Some(lock.ok_or_else(held)?);
        let stage = folder.join("stage");
        create_dir(&*store, &stage)?;
        Ok(Self {
            store,
            folder,
            stage,
            _lock: lock,
        })
    }

    /// The guard inside of a data directory, under that directory's own lock.
    pub(crate) fn inside(store: Arc<dyn Store>, folder: PathBuf, stage: PathBuf) -> Self {
        Self {
            store,
            folder,
            stage,
            _lock: None,
        }
    }
}

impl Guard for FolderGuard {
    fn load(&self) -> io::Result<Option<Guarded>> {
        let Some(note) = self.store.read(&self.folder.join("checkpoint"))? else {
            return Ok(None);
        };
        let clock = self.store.read(&self.folder.join("clock"))?;
        let clock = clock.ok_or_else(|| invalid("the guard's clock is missing"))?;
        let text = |bytes| String::from_utf8(bytes).map_err(|_| invalid("the guard is not UTF-8"));
        Ok(Some(Guarded {
            note: text(note)?,
            clock: text(clock)?,
        }))
    }

    fn swap(&mut self, expected: Option<&Guarded>, next: &Guarded) -> Result<(), GuardError> {
        let held = self.load()?;
        // The clock of a swap that a crash cut short may be ahead of its note.
        if held.as_ref().map(|held| &held.note) != expected.map(|expected| &expected.note) {
            return Err(GuardError::Conflict);
        }
        let put = |name: &str, text: &str| {
            let path = self.folder.join(name);
            replace(&*self.store, &self.stage, &path, text.as_bytes())
        };
        // A crash before this leaves what was held.
        put("clock", &next.clock)?;
        // A crash before this leaves the older note with a newer clock: time only moves on.
        put("checkpoint", &next.note)?;
        Ok(())
    }
}
