//! The tokens of a data directory: `anchors/<size>.note` and `anchors/<size>.tsr`.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use countersign_ledger::note::NoteError;
use countersign_ledger::{Checkpoint, VerifierKey};

use crate::chain::Roots;
use crate::error::StampError;
use crate::response::RESPONSE_MAX;
use crate::verify::{Expected, Stamp, verify};

/// Most bytes of a stamped note; the ledger's own limit for a note.
pub const NOTE_MAX: usize = 1 << 20;

/// Why tokens could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or directory failed.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file is longer than any honest one.
    #[error("{path} is longer than {limit} bytes")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: usize,
    },
    /// This size has its token; the first one is the one that counts.
    #[error("the checkpoint of {0} entries has its timestamp already")]
    Exists(u64),
}

/// What is wrong with one stored token.
#[derive(Debug, thiserror::Error)]
pub enum AnchorFault {
    /// One of the two files cannot be read; one that is not there among it.
    #[error(transparent)]
    Unreadable(#[from] StoreError),
    /// The note is no checkpoint under the ledger's key.
    #[error("the stamped note is no checkpoint of this ledger: {0}")]
    Note(#[from] NoteError),
    /// The note is of another size than its name says.
    #[error("the stamped note is of size {0}, not of the size it is stored under")]
    Size(u64),
    /// The token does not verify.
    #[error(transparent)]
    Stamp(#[from] StampError),
}

/// One stored token and the note that it stamps, as they stand on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// Entries under the checkpoint, as the file name has it.
    pub size: u64,
    /// The checkpoint note, exactly as it was stamped.
    pub note: Vec<u8>,
    /// The `TimeStampResp` in DER.
    pub response: Vec<u8>,
}

/// What verification says of one stored token.
#[derive(Debug)]
pub struct Checked {
    /// The size it is stored under.
    pub size: u64,
    /// The checkpoint and what the token proves about it, or what is wrong. Whether the checkpoint
    /// fits the ledger that is there is for the ledger's verifier to say.
    pub result: Result<(Checkpoint, Stamp), AnchorFault>,
}

/// The folder of tokens of one data directory. One process writes to it.
#[derive(Debug, Clone)]
pub struct Anchors {
    dir: PathBuf,
}

impl Anchors {
    /// The tokens under the data directory `data`; nothing needs to be there yet.
    pub fn of(data: &Path) -> Self {
        Self {
            dir: data.join("anchors"),
        }
    }

    /// Stores a token with the exact note that it stamps. Both are durable when this returns.
    ///
    /// # Errors
    /// [`StoreError`]. A failure half-way leaves a note without a token, which counts as absent
    /// and is replaced by the next attempt.
    pub fn write(&self, anchor: &Anchor) -> Result<(), StoreError> {
        if self.response(anchor.size).exists() {
            return Err(StoreError::Exists(anchor.size));
        }
        // The note goes first, so that no token is ever there without the note it stamps.
        self.replace(&self.note(anchor.size), &anchor.note)?;
        self.replace(&self.response(anchor.size), &anchor.response)
    }

    /// The sizes that have a token, ascending.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the folder is there and cannot be read.
    pub fn sizes(&self) -> Result<Vec<u64>, StoreError> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(failed(&self.dir, source)),
        };
        let mut sizes = BTreeSet::new();
        for entry in entries {
            let name = entry.map_err(|e| failed(&self.dir, e))?.file_name();
            sizes.extend(name.to_str().and_then(size_of));
        }
        Ok(sizes.into_iter().collect())
    }

    /// Reads the token of one size.
    ///
    /// # Errors
    /// [`StoreError`], also when either file is not there.
    pub fn read(&self, size: u64) -> Result<Anchor, StoreError> {
        Ok(Anchor {
            size,
            note: read(&self.note(size), NOTE_MAX)?,
            response: read(&self.response(size), RESPONSE_MAX)?,
        })
    }

    /// All tokens, ascending by size, one in memory at a time.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the folder cannot be read; each token may fail by itself.
    pub fn list(&self) -> Result<impl Iterator<Item = Result<Anchor, StoreError>>, StoreError> {
        let sizes = self.sizes()?;
        Ok(sizes.into_iter().map(|size| self.read(size)))
    }

    fn note(&self, size: u64) -> PathBuf {
        self.dir.join(format!("{size}.note"))
    }

    fn response(&self, size: u64) -> PathBuf {
        self.dir.join(format!("{size}.tsr"))
    }

    fn replace(&self, target: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let stage = self.dir.join("stage");
        create_dir(&self.dir).map_err(|e| failed(&self.dir, e))?;
        let written = File::create(&stage).and_then(|mut file| {
            file.write_all(bytes)?;
            // A crash before this leaves the stage file, which the next write replaces.
            file.sync_all()
        });
        written.map_err(|e| failed(&stage, e))?;
        // A crash before the rename leaves what was there; before the sync it may come back.
        fs::rename(&stage, target)
            .and_then(|()| sync(&self.dir))
            .map_err(|e| failed(target, e))
    }
}

/// Checks every token under the data directory `data`: its note opens under the ledger's `key`
/// and has the size of its name, and the token verifies against the note.
///
/// # Errors
/// [`StoreError::Io`] when the folder cannot be read; what is wrong with single tokens is told
/// per token.
pub fn verify_all(
    data: &Path,
    roots: &Roots,
    key: &VerifierKey,
) -> Result<Vec<Checked>, StoreError> {
    verify_all_with(data, roots, |note| Checkpoint::open(note, key))
}

/// [`verify_all`] for a ledger whose checkpoints are opened in another way than under one key.
///
/// # Errors
/// As [`verify_all`].
pub fn verify_all_with(
    data: &Path,
    roots: &Roots,
    open: impl Fn(&str) -> Result<Checkpoint, NoteError>,
) -> Result<Vec<Checked>, StoreError> {
    let anchors = Anchors::of(data);
    let sizes = anchors.sizes()?;
    let check = |size| {
        let anchor = anchors.read(size)?;
        let note = std::str::from_utf8(&anchor.note);
        let note = note.map_err(|_| NoteError::Malformed("not UTF-8"))?;
        let checkpoint = open(note)?;
        if checkpoint.size != size {
            return Err(AnchorFault::Size(checkpoint.size));
        }
        let stamp = verify(&anchor.response, &anchor.note, roots, &Expected::default())?;
        Ok((checkpoint, stamp))
    };
    let checked = sizes.into_iter().map(|size| Checked {
        size,
        result: check(size),
    });
    Ok(checked.collect())
}

/// The size in the name of a token; only the exact spelling counts.
fn size_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".tsr")?;
    let size: u64 = digits.parse().ok()?;
    (size.to_string() == digits).then_some(size)
}

fn read(path: &Path, limit: usize) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut bytes))
        .map_err(|e| failed(path, e))?;
    if bytes.len() > limit {
        let path = path.to_owned();
        return Err(StoreError::TooLong { path, limit });
    }
    Ok(bytes)
}

/// Makes the folder, durable in its parent.
fn create_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    fs::create_dir(dir)?;
    dir.parent().map_or(Ok(()), sync)
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn failed(path: &Path, source: io::Error) -> StoreError {
    let path = path.to_owned();
    StoreError::Io { path, source }
}

#[cfg(test)]
mod tests;
