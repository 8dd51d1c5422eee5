//! Rebuildable ledger index in redb.
//!
//! One file, `rows.redb`, in the index's directory. It holds only what the ledger can rebuild, so
//! most commits are not synced ([`SYNC_EVERY`]). Every opening checks the checksum of every page;
//! a database that fails is set aside as `<dir>.quarantine.<n>` and an empty one takes its place.
//! Damage that happens to the file while it is open is noticed at the next opening only.

use std::{
    fs,
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
};

use countersign_ledger::{Index, IndexError, IndexRow, IndexStore, aside::set_aside};
use redb::{
    Builder, Database, DatabaseError, Durability, ReadableDatabase, TableDefinition, TableError,
};

/// Every so many batches one commit is synced ([`Durability::Immediate`]); those between
/// ([`Durability::None`]) reach the disk with it. A crash loses at most so many batches, which the
/// ledger then applies again, and the log, whose syncs callers wait for, has the disk for itself.
/// It is not zero syncs because redb reuses freed pages only after a synced commit.
pub const SYNC_EVERY: u32 = 64;
/// Cache in bytes. Look-ups are rare (receipts) and the system's page cache serves them, so a
/// small cache keeps the memory of a busy gateway flat.
const CACHE_BYTES: usize = 4 << 20;
/// The database, in the index's directory.
const FILE: &str = "rows.redb";
/// (member, value, index of the entry). Tuples keep names and values apart whatever they hold.
const ROWS: TableDefinition<'_, (&[u8], &[u8], u64), ()> = TableDefinition::new("rows");
/// The number of entries covered.
const APPLIED: TableDefinition<'_, (), u64> = TableDefinition::new("applied");

/// Why no index could be opened, not even an empty one.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the database open.
    #[error("{0} is in use by another process")]
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

/// An index in one redb database.
#[derive(Debug)]
pub struct RedbIndex {
    db: Database,
    unsynced: u32,
    quarantined: Option<PathBuf>,
}

impl RedbIndex {
    /// Opens the index in `dir`, or sets a broken one aside and starts an empty one. Reads the
    /// whole database.
    ///
    /// # Errors
    /// [`OpenError`] when not even an empty index can be had.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        match open_db(dir) {
            Ok(db) => Ok(Self::new(db, None)),
            Err(NotOpened::InUse) => Err(OpenError::InUse(dir.to_owned())),
            Err(NotOpened::Broken(_)) => Self::open_anew(dir),
        }
    }

    /// Sets whatever is in `dir` aside and starts an empty index: for an index that was opened
    /// and failed afterwards. It must have been dropped.
    ///
    /// # Errors
    /// [`OpenError`] when no empty index can be had.
    pub fn open_anew(dir: &Path) -> Result<Self, OpenError> {
        let aside = set_aside(dir).map_err(|source| OpenError::Quarantine {
            path: dir.to_owned(),
            source,
        })?;
        match open_db(dir) {
            Ok(db) => Ok(Self::new(db, Some(aside))),
            Err(NotOpened::InUse) => Err(OpenError::InUse(dir.to_owned())),
            Err(NotOpened::Broken(why)) => Err(OpenError::Create(why)),
        }
    }

    /// Where the broken database was put when this one was opened.
    pub fn quarantined(&self) -> Option<&Path> {
        self.quarantined.as_deref()
    }

    fn new(db: Database, quarantined: Option<PathBuf>) -> Self {
        Self {
            db,
            unsynced: 0,
            quarantined,
        }
    }
}

enum NotOpened {
    InUse,
    Broken(IndexError),
}

fn open_db(dir: &Path) -> Result<Database, NotOpened> {
    let broken = |error: IndexError| NotOpened::Broken(error);
    guarded(|| {
        fs::create_dir_all(dir).map_err(failed).map_err(broken)?;
        let opened = Builder::new()
            .set_cache_size(CACHE_BYTES)
            .set_check_integrity_on_open(true)
            .create(dir.join(FILE));
        let db = match opened {
            Err(DatabaseError::DatabaseAlreadyOpen) => return Err(NotOpened::InUse),
            opened => opened.map_err(failed).map_err(broken)?,
        };
        read_applied(&db).map_err(broken)?;
        Ok(db)
    })
    .unwrap_or_else(|panicked| Err(NotOpened::Broken(panicked)))
}

/// Damaged bytes may make a storage engine panic; to the ledger that is one more broken index.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, IndexError> {
    std::panic::catch_unwind(AssertUnwindSafe(work))
        .map_err(|_| IndexError("the database panicked".to_owned()))
}

fn failed(error: impl std::fmt::Display) -> IndexError {
    IndexError(error.to_string())
}

fn read_applied(db: &Database) -> Result<u64, IndexError> {
    let read = db.begin_read().map_err(failed)?;
    match read.open_table(APPLIED) {
        Ok(table) => Ok(table
            .get(())
            .map_err(failed)?
            .map_or(0, |mark| mark.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(0),
        Err(error) => Err(failed(error)),
    }
}

/// Keeps the ledger's index in a redb database at a path.
#[derive(Debug, Clone)]
pub struct RedbStore(pub PathBuf);

impl IndexStore for RedbStore {
    fn open(&mut self) -> Result<Box<dyn Index>, IndexError> {
        match RedbIndex::open(&self.0) {
            Ok(index) => Ok(Box::new(index)),
            Err(error) => Err(IndexError(error.to_string())),
        }
    }

    fn set_aside(&mut self) -> Result<(), IndexError> {
        match RedbIndex::open_anew(&self.0) {
            Ok(_) => Ok(()),
            Err(error) => Err(IndexError(error.to_string())),
        }
    }
}

impl Index for RedbIndex {
    fn applied(&self) -> Result<u64, IndexError> {
        guarded(|| read_applied(&self.db))?
    }

    fn apply(&mut self, rows: &[IndexRow], applied: u64) -> Result<(), IndexError> {
        let sync = self.unsynced + 1 >= SYNC_EVERY;
        guarded(|| {
            let mut write = self.db.begin_write().map_err(failed)?;
            if !sync {
                write.set_durability(Durability::None).map_err(failed)?;
            }
            {
                let mut table = write.open_table(ROWS).map_err(failed)?;
                for row in rows {
                    let key = (row.member.as_bytes(), row.value.as_bytes(), row.index);
                    table.insert(key, ()).map_err(failed)?;
                }
                let mut mark = write.open_table(APPLIED).map_err(failed)?;
                mark.insert((), applied).map_err(failed)?;
            }
            write.commit().map_err(failed)
        })??;
        self.unsynced = if sync { 0 } else { self.unsynced + 1 };
        Ok(())
    }

    fn find(&self, member: &str, value: &str) -> Result<Vec<u64>, IndexError> {
        let (member, value) = (member.as_bytes(), value.as_bytes());
        guarded(|| {
            let read = self.db.begin_read().map_err(failed)?;
            let table = match read.open_table(ROWS) {
                Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                table => table.map_err(failed)?,
            };
            let rows = (member, value, 0)..=(member, value, u64::MAX);
            table
                .range(rows)
                .map_err(failed)?
                .map(|row| row.map(|(key, _)| key.value().2).map_err(failed))
                .collect()
        })?
    }

    fn clear(&mut self) -> Result<(), IndexError> {
        guarded(|| {
            let write = self.db.begin_write().map_err(failed)?;
            write.delete_table(ROWS).map_err(failed)?;
            write.delete_table(APPLIED).map_err(failed)?;
            write.commit().map_err(failed)
        })?
    }
}
