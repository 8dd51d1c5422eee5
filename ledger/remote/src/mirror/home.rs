//! The mirror's directory: `copy/` (the tile directory), `alarm/`, `handovers`, `absent`, `lock`,
//! `stage`.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use countersign_ledger::{
    Checkpoint, Note, VerifierKey,
    keys::{KeyRing, handovers_from_text, handovers_to_text},
    note::NoteError,
};
use sha2::{Digest, Sha256};

use super::{Alarm, MirrorError, round::Finding, scout::take_in, source::Piece};
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
    /// The note of that checkpoint while no known key signed it: the copy was kept by somebody who
    /// trusted another key of the ledger. Then `kept` is empty.
    pub(super) foreign: Option<String>,
    /// The trusted key and those that the handovers beside the copy join to it.
    pub(super) ring: KeyRing,
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
            foreign: None,
            ring: KeyRing::trusting(key.clone()),
            absent: 0,
            unsynced,
            _lock: lock,
        };
        home.read_handovers()?;
        home.read_checkpoint(key)?;
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

    fn read_handovers(&mut self) -> Result<(), MirrorError> {
        let path = self.handovers_path();
        let Some(bytes) = read(&path)? else {
            return Ok(());
        };
        let damaged = |reason: String| self.damaged(&path, reason);
        let text = String::from_utf8(bytes).map_err(|_| damaged("not UTF-8".to_owned()))?;
        let known = handovers_from_text(&text).map_err(|e| damaged(e.to_string()))?;
        let mut ring = self.ring.clone();
        let taken = take_in(&mut ring, known);
        taken.map_err(|contradiction| damaged(contradiction.detail))?;
        self.ring = ring;
        Ok(())
    }

    fn read_checkpoint(&mut self, key: &VerifierKey) -> Result<(), MirrorError> {
        let Some(bytes) = read(&self.checkpoint_path())? else {
            return Ok(());
        };
        let damaged = |reason: String| self.damaged(&self.checkpoint_path(), reason);
        let note = String::from_utf8(bytes).map_err(|_| damaged("not UTF-8".to_owned()))?;
        match Checkpoint::open_with(&note, &self.ring) {
            Ok(checkpoint) => self.kept = Some(Kept { note, checkpoint }),
            Err(NoteError::NotSigned(_)) if is_of(&note, key.name()) => self.foreign = Some(note),
            Err(error) => return Err(damaged(error.to_string())),
        }
        Ok(())
    }

    /// Opens the checkpoint that no known key signed with the keys of a larger ring, and keeps both.
    pub(super) fn recall(&mut self, note: String, ring: &KeyRing) -> Result<(), MirrorError> {
        let checkpoint = Checkpoint::open_with(&note, ring).map_err(|error| {
            let reason = format!("{error}; no handover that was found leads from there to its key");
            self.damaged(&self.checkpoint_path(), reason)
        })?;
        self.keep_ring(ring)?;
        self.kept = Some(Kept { note, checkpoint });
        self.foreign = None;
        Ok(())
    }

    /// Makes the handovers of a ring durable.
    fn keep_ring(&mut self, ring: &KeyRing) -> Result<(), MirrorError> {
        if *ring == self.ring {
            return Ok(());
        }
        let path = self.handovers_path();
        let text = handovers_to_text(ring.handovers());
        let text = text.map_err(|e| io_error(&path, io::Error::other(e)))?;
        // A crash before this loses what is found in the entries again.
        durable::replace(&self.stage(), &path, text.as_bytes())
            .map_err(|source| io_error(&path, source))?;
        self.ring = ring.clone();
        Ok(())
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

    /// Makes everything stored so far durable, then the handovers by which the checkpoint that
    /// covers it can be read again, then that checkpoint.
    pub(super) fn commit(&mut self, kept: Kept, ring: &KeyRing) -> Result<(), MirrorError> {
        let synced = self.unsynced.sync();
        synced.map_err(|source| io_error(&self.dir, source))?;
        self.keep_ring(ring)?;
        // A crash before this leaves the older checkpoint, over files that are all there.
        let path = self.checkpoint_path();
        durable::replace(&self.stage(), &path, kept.note.as_bytes())
            .map_err(|source| io_error(&path, source))?;
        self.kept = Some(kept);
        Ok(())
    }

    /// Saves the evidence of an alarm: both notes, the served file when there is one, and the
    /// handovers that join the notes' keys.
    pub(super) fn save_alarm(&self, finding: Finding, seen: &[u8], ring: &KeyRing) -> Alarm {
        let saved = self.try_save(&finding, seen, ring);
        if let Err(error) = &saved {
            tracing::warn!(%error, "the evidence of an alarm could not be saved");
        }
        Alarm {
            kind: finding.kind,
            detail: finding.detail,
            saved: saved.ok(),
        }
    }

    fn try_save(&self, finding: &Finding, seen: &[u8], ring: &KeyRing) -> io::Result<PathBuf> {
        let (kind, detail) = (finding.kind, &finding.detail);
        let served = finding.served.as_deref();
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
        if !ring.handovers().is_empty() {
            let text = handovers_to_text(ring.handovers()).map_err(io::Error::other)?;
            put("handovers", text.as_bytes())?;
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

    fn handovers_path(&self) -> PathBuf {
        self.dir.join("handovers")
    }

    fn stage(&self) -> PathBuf {
        self.dir.join("stage")
    }
}

/// Whether a signature line of the note bears the name of the ledger.
fn is_of(note: &str, name: &str) -> bool {
    Note::parse(note).is_ok_and(|note| note.signatures().iter().any(|line| line.name() == name))
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
