//! Rebuildable ledger index in sled.
//!
//! sled holds only what the ledger can rebuild. A database that does not open is set aside as
//! `<dir>.quarantine.<n>` and an empty one takes its place; the ledger then fills it again.
//!
//! sled takes some damage for the torn end of its log and opens with rows missing. So the number
//! and digest of all rows are written with each batch, and each opening reads every row.

mod sums;

use std::{
    collections::BTreeSet,
    fs::{File, TryLockError},
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use countersign_ledger::{Index, IndexError, IndexRow, IndexStore, aside::set_aside};
use sled::{Batch, Config, Db, Mode};
use sums::Sums;

/// sled's own fsync runs in this rhythm, in milliseconds.
const FLUSH_MS: u64 = 200;
/// Cache in bytes; sled may take several times as much memory. Look-ups are rare (receipts), so a
/// small cache keeps the memory of a busy gateway flat.
const CACHE_BYTES: u64 = 1 << 20;
/// Longest wait for whoever has the database open, and the time between two looks.
const FREE_WAIT: Duration = Duration::from_secs(5);
const FREE_POLL: Duration = Duration::from_millis(5);
/// Key of the sums. Row keys begin with 1.
const SUMS: &[u8] = &[0];

/// Why no index could be opened, not even an empty one.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the database open.
    #[error("{0} is in use")]
    InUse(PathBuf),
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
    Create(IndexError),
}

/// An index in one sled database.
#[derive(Debug)]
pub struct SledIndex {
    db: Db,
    sums: Sums,
    quarantined: Option<PathBuf>,
}

impl SledIndex {
    /// Opens the index in `dir`, or sets a broken one aside and starts an empty one. Reads every
    /// row.
    ///
    /// # Errors
    /// [`OpenError`] when not even an empty index can be had.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        wait_until_free(dir)?;
        match open_db(dir) {
            Ok((db, sums)) => Ok(Self {
                db,
                sums,
                quarantined: None,
            }),
            Err(_) => Self::open_anew(dir),
        }
    }

    /// Sets whatever is in `dir` aside and starts an empty index: for an index that was opened
    /// and failed afterwards. It must have been dropped.
    ///
    /// # Errors
    /// [`OpenError`] when no empty index can be had.
    pub fn open_anew(dir: &Path) -> Result<Self, OpenError> {
        wait_until_free(dir)?;
        let aside = set_aside(dir).map_err(|source| OpenError::Quarantine {
            path: dir.to_owned(),
            source,
        })?;
        let (db, sums) = open_db(dir).map_err(OpenError::Create)?;
        Ok(Self {
            db,
            sums,
            quarantined: Some(aside),
        })
    }

    /// Where the broken database was put when this one was opened.
    pub fn quarantined(&self) -> Option<&Path> {
        self.quarantined.as_deref()
    }
}

/// sled's threads hold a database's lock for a moment after it was dropped; a database that is in
/// use is not a broken one.
fn wait_until_free(dir: &Path) -> Result<(), OpenError> {
    // A file that cannot be opened is for sled to complain about.
    let Ok(file) = File::open(dir.join("db")) else {
        return Ok(());
    };
    let until = Instant::now() + FREE_WAIT;
    while let Err(TryLockError::WouldBlock) = file.try_lock() {
        if Instant::now() >= until {
            return Err(OpenError::InUse(dir.to_owned()));
        }
        std::thread::sleep(FREE_POLL);
    }
    Ok(())
}

fn open_db(dir: &Path) -> Result<(Db, Sums), IndexError> {
    let config = Config::new()
        .path(dir)
        .mode(Mode::HighThroughput)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(Some(FLUSH_MS));
    guarded(|| {
        let db = config.open().map_err(|error| failed(&error))?;
        let sums = check(&db)?;
        Ok((db, sums))
    })
}

/// sled is known to panic on some damaged files; to the ledger that is one more broken index.
fn guarded<T>(work: impl FnOnce() -> Result<T, IndexError>) -> Result<T, IndexError> {
    std::panic::catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(IndexError("the database panicked".to_owned())))
}

/// Reads every row and compares them with the sums that were written with the last of them.
fn check(db: &Db) -> Result<Sums, IndexError> {
    let mut rows = Sums::default();
    let mut kept = Sums::default();
    for row in db.iter() {
        let (key, value) = row.map_err(|error| failed(&error))?;
        if key == SUMS {
            kept = Sums::from_bytes(&value)
                .ok_or_else(|| IndexError("the sums are malformed".to_owned()))?;
        } else {
            rows.add(&key);
        }
    }
    if (rows.rows, rows.digest) == (kept.rows, kept.digest) {
        Ok(kept)
    } else {
        Err(IndexError("rows are missing or strange".to_owned()))
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

/// Keeps the ledger's index in a sled database at a path.
#[derive(Debug, Clone)]
pub struct SledStore(pub PathBuf);

impl IndexStore for SledStore {
    fn open(&mut self) -> Result<Box<dyn Index>, IndexError> {
        match SledIndex::open(&self.0) {
            Ok(index) => Ok(Box::new(index)),
            Err(error) => Err(IndexError(error.to_string())),
        }
    }

    fn set_aside(&mut self) -> Result<(), IndexError> {
        match SledIndex::open_anew(&self.0) {
            Ok(_) => Ok(()),
            Err(error) => Err(IndexError(error.to_string())),
        }
    }
}

impl Index for SledIndex {
    fn applied(&self) -> Result<u64, IndexError> {
        Ok(self.sums.applied)
    }

    fn apply(&mut self, rows: &[IndexRow], applied: u64) -> Result<(), IndexError> {
        guarded(|| {
            let mut sums = self.sums;
            sums.applied = applied;
            let mut batch = Batch::default();
            let mut keys = BTreeSet::new();
            for row in rows {
                let mut key = prefix(&row.member, &row.value);
                key.extend_from_slice(&row.index.to_be_bytes());
                // Rows above all others are new; only the rest costs a look.
                let seen = row.index <= self.sums.highest
                    && self.db.contains_key(&key).map_err(|e| failed(&e))?;
                sums.highest = sums.highest.max(row.index);
                if !seen && keys.insert(key.clone()) {
                    sums.add(&key);
                    batch.insert(key, &[]);
                }
            }
            batch.insert(SUMS, &sums.to_bytes()[..]);
            self.db.apply_batch(batch).map_err(|e| failed(&e))?;
            self.sums = sums;
            Ok(())
        })
    }

    fn find(&self, member: &str, value: &str) -> Result<Vec<u64>, IndexError> {
        guarded(|| {
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
        })
    }

    fn clear(&mut self) -> Result<(), IndexError> {
        guarded(|| {
            self.db.clear().map_err(|error| failed(&error))?;
            self.sums = Sums::default();
            Ok(())
        })
    }
}
