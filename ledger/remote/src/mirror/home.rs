//! The mirror's directory: `copy/` (the tile directory), `alarm/`, `absent`, `lock`, `stage`.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use countersign_ledger::{Checkpoint, VerifierKey};
use sha2::{Digest, Sha256};

use super::{Alarm, AlarmKind, MirrorError, source::Piece};
use crate::durable::{self, Unsynced, read_optional};

/// Most alarms whose evidence is kept.
const ALARMS_MAX: usize = 1000;

/// The newest checkpoint of the copy.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) note: String,
    pub(super) checkpoint: Checkpoint,
}

#[derive(Debug)]
pub(super) struct Home {
    dir: PathBuf,
    pub(super) kept: Option<Kept>,
    /// Entries below this index may be absent from the copy.
    pub(super) absent: u64,
    unsynced: Unsynced,
    _lock: File,
}

impl Home {
    pub(super) fn open(dir: &Path, key: &VerifierKey) -> Result<Self, MirrorError> {
        let mut unsynced = Unsynced::default();
        unsynced
            .create_dir(&dir.join("copy"))
            .map_err(|source| io_error(dir, source))?;
        let path = dir.join("lock");
        let lock = durable::lock(&path).map_err(|source| io_error(&path, source))?;
        let mut home = Self {
            dir: dir.to_owned(),
            kept: None,
            absent: 0,
            unsynced,
            _lock: lock,
        };
        if let Some(bytes) = read(&home.checkpoint_path())? {
            let damaged = |reason: String| home.damaged(&home.checkpoint_path(), reason);
            let note = String::from_utf8(bytes).map_err(|_| damaged("not UTF-8".to_owned()))?;
            let checkpoint = Checkpoint::open(&note, key).map_err(|e| damaged(e.to_string()))?;
            home.kept = Some(Kept { note, checkpoint });
        }
        let path = dir.join("absent");
        if let Some(bytes) = read(&path)? {
            let text = String::from_utf8_lossy(&bytes);
            let number = text
                .strip_suffix('\n')
                .and_then(|digits| digits.parse().ok());
            home.absent = number.ok_or_else(|| home.damaged(&path, "not a number".to_owned()))?;
        }
        Ok(home)
    }

    /// The tile directory.
    pub(super) fn copy(&self) -> PathBuf {
        self.dir.join("copy")
    }

    /// Entries under the copy's checkpoint.
    pub(super) fn size(&self) -> u64 {
        self.kept.as_ref().map_or(0, |kept| kept.checkpoint.size)
    }

    pub(super) fn piece_path(&self, piece: Piece) -> PathBuf {
        self.copy().join(piece.path())
    }

    pub(super) fn piece(&self, piece: Piece) -> Result<Option<Vec<u8>>, MirrorError> {
        read(&self.piece_path(piece))
    }

    /// Stores a file of the copy; it is durable after [`Home::commit`].
    pub(super) fn store(&mut self, piece: Piece, bytes: &[u8]) -> Result<(), MirrorError> {
        let (stage, target) = (self.stage(), self.piece_path(piece));
        let stored = self.unsynced.put(&stage, &target, bytes);
        stored.map_err(|source| io_error(&target, source))
    }

    /// Takes over a file that an interrupted round left in the copy, its name perhaps not durable.
    pub(super) fn keep(&mut self, piece: Piece) {
        self.unsynced.note(&self.piece_path(piece));
    }

    /// Remembers that entries below `index` may be absent.
    pub(super) fn set_absent(&mut self, index: u64) -> Result<(), MirrorError> {
        let path = self.dir.join("absent");
        durable::replace(&self.stage(), &path, format!("{index}\n").as_bytes())
            .map_err(|source| io_error(&path, source))?;
        self.absent = index;
        Ok(())
    }

    /// Makes everything stored so far durable, then the checkpoint that covers it.
    pub(super) fn commit(&mut self, kept: Kept) -> Result<(), MirrorError> {
        let synced = self.unsynced.sync();
        synced.map_err(|source| io_error(&self.dir, source))?;
        // A crash before this leaves the older checkpoint, over files that are all there.
        let path = self.checkpoint_path();
        durable::replace(&self.stage(), &path, kept.note.as_bytes())
            .map_err(|source| io_error(&path, source))?;
        self.kept = Some(kept);
        Ok(())
    }

    /// Saves the evidence of an alarm: both notes, and the served file when there is one.
    pub(super) fn save_alarm(
        &self,
        (kind, detail): (AlarmKind, String),
        seen: &[u8],
        served: Option<&[u8]>,
    ) -> Alarm {
        let saved = self.try_save(kind, &detail, seen, served);
        if let Err(error) = &saved {
            tracing::warn!(%error, "the evidence of an alarm could not be saved");
        }
        Alarm {
            kind,
            detail,
            saved: saved.ok(),
        }
    }

    fn try_save(
        &self,
        kind: AlarmKind,
        detail: &str,
        seen: &[u8],
        served: Option<&[u8]>,
    ) -> io::Result<PathBuf> {
        let kept = self.kept.as_ref().map_or("", |kept| kept.note.as_str());
        let digest = Sha256::new()
            .chain_update(Sha256::digest(detail))
            .chain_update(Sha256::digest(kept))
            .chain_update(Sha256::digest(seen))
            .chain_update(Sha256::digest(served.unwrap_or_default()))
            .finalize();
        // The same contradiction, seen again, is the same alarm.
        let name = format!("{}-{}", kind.name(), &hex::encode(digest)[..16]);
        let all = self.dir.join("alarm");
        let dir = all.join(name);
        if dir.join("what.txt").exists() {
            return Ok(dir);
        }
        if fs::read_dir(&all).map_or(0, Iterator::count) >= ALARMS_MAX {
            return Err(io::Error::from(io::ErrorKind::QuotaExceeded));
        }
        let mut unsynced = Unsynced::default();
        let mut put =
            |name: &str, bytes: &[u8]| unsynced.put(&self.stage(), &dir.join(name), bytes);
        if !kept.is_empty() {
            put("kept.note", kept.as_bytes())?;
        }
        put("seen.note", seen)?;
        if let Some(served) = served {
            put("served.bin", served)?;
        }
        put(
            "what.txt",
            format!("{}: {detail}\n", kind.name()).as_bytes(),
        )?;
        unsynced.sync()?;
        Ok(dir)
    }

    pub(super) fn damaged(&self, path: &Path, reason: String) -> MirrorError {
        let path = path.strip_prefix(&self.dir).unwrap_or(path).to_owned();
        MirrorError::Damaged { path, reason }
    }

    fn checkpoint_path(&self) -> PathBuf {
        self.copy().join("checkpoint")
    }

    fn stage(&self) -> PathBuf {
        self.dir.join("stage")
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, MirrorError> {
    read_optional(path).map_err(|source| io_error(path, source))
}

fn io_error(path: &Path, source: io::Error) -> MirrorError {
    MirrorError::Io {
        path: path.to_owned(),
        source,
    }
}
