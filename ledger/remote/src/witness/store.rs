//! What a witness remembers, in a directory.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use countersign_ledger::witness::{Store, WitnessKey};
use sha2::{Digest, Sha256};

use super::path_name;
use crate::durable::{self, read_optional};

/// Most requests kept as evidence per log.
const EVIDENCE_MAX: usize = 100;
/// Most bytes of a stored note.
const NOTE_MAX: u64 = 1 << 20;

/// Why a witness's directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no state: it was never created, or it is lost. A witness that lost its state must
    /// not go on under its key, for it might sign a history that contradicts what it signed before.
    #[error("{0} holds no witness's state; a witness that lost its state must be given a new key")]
    NoState(PathBuf),
    /// State is there already.
    #[error("{0} holds a witness's state already")]
    Exists(PathBuf),
    /// The state is another witness's.
    #[error("{dir} is the state of {found}")]
    OtherWitness {
        /// The directory.
        dir: PathBuf,
        /// The key that it belongs to.
        found: String,
    },
    /// The directory cannot be read or written, or another process uses it.
    #[error("{path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// The state of one witness: `witness.vkey`, `logs/<hex>/checkpoint`, `evidence/<hex>/…`.
/// Locked for as long as it is open.
#[derive(Debug)]
pub struct FileStore {
    dir: PathBuf,
    _lock: File,
}

impl FileStore {
    /// Creates the state of a witness that has never signed. Durable when it returns.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when state is there already.
    pub fn create(dir: &Path, key: &WitnessKey) -> Result<Self, StoreError> {
        let identity = dir.join("witness.vkey");
        if identity.exists() {
            return Err(StoreError::Exists(dir.to_owned()));
        }
        let mut unsynced = durable::Unsynced::default();
        unsynced
            .create_dir(&dir.join("logs"))
            .and_then(|()| {
                let text = format!("{key}\n");
                unsynced.put(&dir.join("stage"), &identity, text.as_bytes())
            })
            .and_then(|()| unsynced.sync())
            .map_err(|source| io_error(&identity, source))?;
        Self::open(dir, key)
    }

    /// Opens the state of the witness with `key`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(dir: &Path, key: &WitnessKey) -> Result<Self, StoreError> {
        let identity = dir.join("witness.vkey");
        let found = read_optional(&identity).map_err(|source| io_error(&identity, source))?;
        let found = found.ok_or_else(|| StoreError::NoState(dir.to_owned()))?;
        if found != format!("{key}\n").as_bytes() {
            return Err(StoreError::OtherWitness {
                dir: dir.to_owned(),
                found: String::from_utf8_lossy(&found).trim_end().to_owned(),
            });
        }
        let path = dir.join("lock");
        let lock = durable::lock(&path).map_err(|source| io_error(&path, source))?;
        Ok(Self {
            dir: dir.to_owned(),
            _lock: lock,
        })
    }

    fn checkpoint(&self, origin: &str) -> PathBuf {
        let log = self.dir.join("logs").join(path_name(origin));
        log.join("checkpoint")
    }
}

impl Store for FileStore {
    fn latest(&self, origin: &str) -> io::Result<Option<String>> {
        let path = self.checkpoint(origin);
        match fs::metadata(&path) {
            Ok(about) if about.len() > NOTE_MAX => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "too large"))
            }
            Ok(_) => fs::read_to_string(&path).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn replace(&mut self, origin: &str, note: &str) -> io::Result<()> {
        let target = self.checkpoint(origin);
        durable::replace(&self.dir.join("stage"), &target, note.as_bytes())
    }

    fn keep_evidence(&mut self, origin: &str, request: &str) {
        let dir = self.dir.join("evidence").join(path_name(origin));
        let kept = fs::read_dir(&dir).map_or(0, Iterator::count);
        let name = hex::encode(Sha256::digest(request));
        let target = dir.join(format!("{name}.request"));
        if target.exists() {
            return;
        }
        if kept >= EVIDENCE_MAX {
            tracing::warn!(
                origin,
                "a log contradicts itself again; the evidence is full"
            );
            return;
        }
        let stored = durable::replace(&self.dir.join("stage"), &target, request.as_bytes());
        let place = target.display();
        match stored {
            Ok(()) => tracing::warn!(origin, %place, "a log contradicts itself"),
            Err(error) => tracing::warn!(origin, %error, "evidence could not be kept"),
        }
    }
}

fn io_error(path: &Path, source: io::Error) -> StoreError {
    StoreError::Io {
        path: path.to_owned(),
        source,
    }
}
