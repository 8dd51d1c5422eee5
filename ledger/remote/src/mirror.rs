//! A mirror: one's own copy of somebody else's ledger, which grows and never shrinks, and an alarm
//! when the ledger contradicts what it showed before.
//!
//! The copy is a C2SP tile directory in `copy/`: it can be served, mirrored and verified like the
//! original. It holds a checkpoint only when everything under it is there, durable and verified.

use std::{fmt, io, path::PathBuf, time::Duration};

use countersign_ledger::{Checkpoint, VerifierKey, keys::Handover, witness::Policy};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

mod copy;
mod entries;
mod fetch;
mod home;
mod round;
mod scout;
mod source;
mod tiles;

use self::{entries::Chains, home::Home, source::Source};
use crate::http::{HttpError, TlsConfig};

/// What to mirror, where to, and within which bounds.
#[derive(Debug, Clone)]
pub struct MirrorSettings {
    /// Where the ledger is served: `<url>/checkpoint`, `<url>/tile/…`.
    pub url: String,
    /// The mirror's directory; created when it is missing.
    pub dir: PathBuf,
    /// Any one of the ledger's keys, known from elsewhere. Handovers lead from it to the others.
    pub key: VerifierKey,
    /// With a policy, a checkpoint without its quorum of cosignatures is an alarm.
    pub policy: Option<Policy>,
    /// Longest wait for a connection.
    pub connect_max: Duration,
    /// Longest wait for one whole file.
    pub file_max: Duration,
    /// After the first fetch the copy is verified once more as a whole, off the disk, unless it has
    /// more entries than this: that verification holds them in memory.
    pub verify_max: u64,
    /// Most entries that are searched for handovers when the known keys do not verify what is
    /// served. The size of that search is what an unverified checkpoint claims, so it has a bound;
    /// beyond it the handovers must be put beside the copy by hand.
    pub scout_max: u64,
    /// Longest time for that search. An alarm waits for its end.
    pub scout_time: Duration,
    /// TLS for `https` addresses; the public authorities without it.
    pub tls: Option<TlsConfig>,
}

impl MirrorSettings {
    /// Settings with the default bounds.
    pub fn new(url: &str, dir: impl Into<PathBuf>, key: VerifierKey) -> Self {
        Self {
            url: url.to_owned(),
            dir: dir.into(),
            key,
            policy: None,
            connect_max: Duration::from_secs(10),
            file_max: Duration::from_secs(60),
            verify_max: 1_000_000,
            scout_max: 10_000_000,
            scout_time: Duration::from_mins(15),
            tls: None,
        }
    }
}

/// Why a round ended without a finding; trying again may help.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// The ledger is not served at the moment.
    #[error("{url}: {reason}")]
    Source {
        /// The address that was asked.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The address is none.
    #[error(transparent)]
    Url(#[from] HttpError),
    /// The mirror's directory cannot be read or written, or another process uses it.
    #[error("{path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The copy on this machine is damaged. That says nothing about the ledger.
    #[error("the copy is damaged: {path}: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The system gives no threads or sockets.
    #[error("no runtime: {0}")]
    Runtime(io::Error),
}

/// What is wrong with the ledger that is served. The names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AlarmKind {
    /// The checkpoint is malformed, not signed by the key in force, or lacks its quorum.
    Checkpoint,
    /// A handover of keys contradicts another one: somebody who held a key signed two stories.
    Handover,
    /// Two checkpoints, both signed by the ledger's key, that cannot both be true.
    Fork,
    /// The checkpoint is older than one seen before. A stale cache can do that for a while; a
    /// ledger that stays there was rolled back.
    Rollback,
    /// The hash tiles are not those of the checkpoint.
    Tile,
    /// A bundle of entries is not what the hash tiles say.
    Bundle,
    /// An entry is under the checkpoint and yet not valid: its form, signature or chain.
    Entry,
    /// A file that the checkpoint needs is not served.
    Missing,
    /// The whole copy did not pass verification.
    Verification,
}

impl AlarmKind {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Handover => "handover",
            Self::Fork => "fork",
            Self::Rollback => "rollback",
            Self::Tile => "tile",
            Self::Bundle => "bundle",
            Self::Entry => "entry",
            Self::Missing => "missing",
            Self::Verification => "verification",
        }
    }
}

/// A contradiction, with where its evidence was saved: both notes, the file that was served, and the
/// handovers that join the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Its kind.
    pub kind: AlarmKind,
    /// What contradicts what.
    pub detail: String,
    /// The directory with the evidence; `None` when it could not be saved.
    pub saved: Option<PathBuf>,
}

/// Old entries that are no longer served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// Entries below this index may be absent from the copy; what the copy has of them it keeps.
    pub before: u64,
    /// Whether an entry of the ledger itself says that they were pruned. Without one, somebody
    /// withholds them.
    pub recorded: bool,
}

/// What one round found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorReport {
    /// The checkpoint of the copy after this round.
    pub checkpoint: Option<Checkpoint>,
    /// Entries under the copy's checkpoint before this round.
    pub size_before: u64,
    /// Files that were fetched and stored.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Whether the copy was also verified as a whole.
    pub verified: bool,
    /// Old entries that the copy lacks, if any.
    pub pruned: Option<Pruned>,
    /// Handovers of keys that this round took in, oldest first.
    pub learned: Vec<Handover>,
    /// What contradicts what was seen before. The copy stays at its last good checkpoint.
    pub alarm: Option<Alarm>,
}

impl MirrorReport {
    /// Entries under the copy's checkpoint.
    pub fn size(&self) -> u64 {
        self.checkpoint.as_ref().map_or(0, |c| c.size)
    }
}

impl fmt::Display for MirrorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} entries, {} of them new",
            self.size(),
            self.size() - self.size_before
        )?;
        write!(f, "; fetched {} files, {} bytes", self.files, self.bytes)?;
        if self.verified {
            write!(f, "; the whole copy verifies")?;
        }
        if let Some(Pruned { before, recorded }) = self.pruned {
            let why = if recorded {
                "pruned, as an entry says"
            } else {
                "not served, and no entry says that they were pruned"
            };
            write!(f, "; entries below {before} are {why}")?;
        }
        for handover in &self.learned {
            let (old, new) = (handover.old_key().id_hex(), handover.new_key());
            let index = handover.index();
            write!(f, "; with entry {index} the key {old} handed over to {new}")?;
        }
        if let Some(alarm) = &self.alarm {
            write!(f, "\nALARM {}: {}", alarm.kind.name(), alarm.detail)?;
            if let Some(saved) = &alarm.saved {
                write!(f, "\nevidence: {}", saved.display())?;
            }
        }
        Ok(())
    }
}

/// A mirror with its copy open. Blocks and runs its own small runtime, so use it from a thread that
/// may block (not from a task).
#[derive(Debug)]
pub struct Mirror {
    settings: MirrorSettings,
    source: Source,
    home: Home,
    /// Where each chain stands at the end of the copy; `None` until it is read from the copy.
    chains: Option<Chains>,
    runtime: Option<Runtime>,
}

impl Mirror {
    /// Opens or creates the mirror's directory. Nothing is fetched yet.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub fn open(settings: MirrorSettings) -> Result<Self, MirrorError> {
        let home = Home::open(&settings.dir, &settings.key)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("mirror")
            .enable_all()
            .build()
            .map_err(MirrorError::Runtime)?;
        let source = {
            let _entered = runtime.enter();
            Source::new(&settings)?
        };
        Ok(Self {
            settings,
            source,
            home,
            chains: None,
            runtime: Some(runtime),
        })
    }

    /// Fetches what is new, verifies it and stores it. An interrupted round loses nothing that was
    /// stored; the next one goes on from there.
    ///
    /// # Errors
    /// [`MirrorError`] when nothing was found out; a contradiction is an alarm in the report.
    pub fn round(&mut self) -> Result<MirrorReport, MirrorError> {
        let never = CancellationToken::new();
        self.round_until(&never)
            .unwrap_or_else(|| Err(MirrorError::Runtime(io::ErrorKind::Interrupted.into())))
    }

    /// A round that ends early, with `None`, when `stop` is cancelled.
    fn round_until(
        &mut self,
        stop: &CancellationToken,
    ) -> Option<Result<MirrorReport, MirrorError>> {
        let runtime = self.runtime.take()?;
        let outcome = runtime.block_on(stop.run_until_cancelled(self.run_round()));
        self.runtime = Some(runtime);
        outcome
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        // Waiting for its threads here would be forbidden inside another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// One round: opens the mirror, fetches, verifies, stores.
///
/// # Errors
/// [`MirrorError`].
pub fn mirror(settings: MirrorSettings) -> Result<MirrorReport, MirrorError> {
    Mirror::open(settings)?.round()
}

/// Rounds with `interval` between them until `stop` is cancelled, which also interrupts a round.
/// Each outcome is shown to `seen`; neither an error nor an alarm ends the watch.
///
/// # Errors
/// [`MirrorError`] when the mirror cannot be opened.
pub fn follow(
    settings: MirrorSettings,
    interval: Duration,
    stop: &CancellationToken,
    seen: &mut dyn FnMut(&Result<MirrorReport, MirrorError>),
) -> Result<(), MirrorError> {
    let mut mirror = Mirror::open(settings)?;
    while let Some(outcome) = mirror.round_until(stop) {
        seen(&outcome);
        let Some(runtime) = &mirror.runtime else {
            break;
        };
        let pause = runtime
            .block_on(async { stop.run_until_cancelled(tokio::time::sleep(interval)).await });
        if pause.is_none() {
            break;
        }
    }
    Ok(())
}
