//! Rebuildable ledger index in sled.
//!
//! sled holds only what the ledger can rebuild. A database that does not open is set aside as
//! `<dir>.quarantine.<n>` and an empty one takes its place; the ledger then fills it again.

use std::{
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
};

use countersign_ledger::{Index, IndexError, IndexRow, aside::set_aside};
use sled::{Batch, Config, Db, Mode};

/// sled's own fsync runs in this rhythm, in milliseconds.
const FLUSH_MS: u64 = 200;
/// Cache in bytes; sled may take several times as much memory. Look-ups are rare (receipts), so a
/// small cache keeps the memory of a busy gateway flat.
const CACHE_BYTES: u64 = 1 << 20;
/// Key of the applied mark. Row keys begin with 1.
const APPLIED: &[u8] = &[0];

/// Why no index could be opened, not even an empty one.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The broken database could not be set aside.
    #[error("{path} cannot be set aside: {source}")]
    Quarantine {
        /// The database directory.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A fresh database could not be created.
    #[error("a fresh index cannot be created: {0}")]
    Create(sled::Error),
}

/// An index in one sled database.
#[derive(Debug)]
pub struct SledIndex {
    db: Db,
    quarantined: Option<PathBuf>,
}

impl SledIndex {
    /// Opens the index in `dir`, or sets a broken one aside and starts an empty one.
    ///
    /// # Errors
    /// [`OpenError`] when not even an empty index can be had.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        if let Ok(db) = open_db(dir)
            && read_applied(&db).is_ok()
        {
            return Ok(Self {
                db,
                quarantined: None,
            });
        }
        let aside = set_aside(dir).map_err(|source| OpenError::Quarantine {
            path: dir.to_owned(),
            source,
        })?;
        let db = open_db(dir).map_err(OpenError::Create)?;
        Ok(Self {
            db,
            quarantined: Some(aside),
        })
    }

    /// Where the broken database was put when this one was opened.
    pub fn quarantined(&self) -> Option<&Path> {
        self.quarantined.as_deref()
    }
}

fn open_db(dir: &Path) -> sled::Result<Db> {
    let config = Config::new()
        .path(dir)
        .mode(Mode::HighThroughput)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(Some(FLUSH_MS));
    // sled is known to panic on some damaged files; to the ledger that is one more broken index.
    std::panic::catch_unwind(AssertUnwindSafe(|| config.open()))
        .unwrap_or_else(|_| Err(sled::Error::Unsupported("the database panicked".to_owned())))
}

fn read_applied(db: &Db) -> Result<u64, IndexError> {
    match db.get(APPLIED).map_err(|error| failed(&error))? {
        None => Ok(0),
        Some(bytes) => bytes
            .as_ref()
            .try_into()
            .map(u64::from_be_bytes)
            .map_err(|_| IndexError("the applied mark is malformed".to_owned())),
    }
}

fn failed(error: &sled::Error) -> IndexError {
    IndexError(error.to_string())
}

/// `1 || u32_be length of member || member || u32_be length of value || value`: lengths keep
/// neighbours apart whatever bytes they hold.
fn prefix(member: &str, value: &str) -> Vec<u8> {
    let mut key = vec![1];
    for part in [member, value] {
        key.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        key.extend_from_slice(part.as_bytes());
    }
    key
}

impl Index for SledIndex {
    fn applied(&self) -> Result<u64, IndexError> {
        read_applied(&self.db)
    }

    fn apply(&mut self, rows: &[IndexRow], applied: u64) -> Result<(), IndexError> {
        let mut batch = Batch::default();
        for row in rows {
            let mut key = prefix(&row.member, &row.value);
            key.extend_from_slice(&row.index.to_be_bytes());
            batch.insert(key, &[]);
        }
        batch.insert(APPLIED, &applied.to_be_bytes());
        self.db.apply_batch(batch).map_err(|error| failed(&error))
    }

    fn find(&self, member: &str, value: &str) -> Result<Vec<u64>, IndexError> {
        let prefix = prefix(member, value);
        let mut found = Vec::new();
        for key in self.db.scan_prefix(&prefix).keys() {
            let key = key.map_err(|error| failed(&error))?;
            if let Some(index) = key
                .get(prefix.len()..)
                .and_then(|rest| rest.try_into().ok())
            {
                found.push(u64::from_be_bytes(index));
            }
        }
        Ok(found)
    }

    fn clear(&mut self) -> Result<(), IndexError> {
        self.db.clear().map_err(|error| failed(&error))
    }
}
