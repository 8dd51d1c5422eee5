//! Rebuildable ledger index in sled.
//!
//! sled holds only what the ledger can rebuild. A database that does not open is set aside as
//! `<dir>.quarantine.<n>` and an empty one takes its place; the ledger then fills it again.
//!
//! sled keeps memory for each page of a database, and with a key per row a page holds nine rows: a
//! busy gateway would grow as long as it runs. So rows wait in a tail of bounded size and go to the
//! database packed and many at a time, in pages of hundreds, and after that the cache
//! is swept. What a crash takes with the tail, the ledger applies again: the mark in the database
//! tells from where.

mod ballast;
mod packed;
mod spans;
mod sums;

use std::{
    cell::Cell,
    fs::{File, TryLockError},
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use countersign_ledger::{Index, IndexError, IndexRow, IndexStore, aside::set_aside};
use sled::{Batch, Config, Db, Mode};

use ballast::Ballast;
use packed::{Packed, Print};
use spans::Spans;

/// Rows in memory, of 24 bytes each, from which on they are written out.
const TAIL_ROWS: usize = 4096;
/// Most rows in memory while they cannot be written out; then more are refused.
const TAIL_ROWS_MAX: usize = 4 * TAIL_ROWS;
/// Look-ups of a fragment after which the cache is swept, if no rows are written out before.
const READS_MAX: u32 = 64;
/// Bytes of a piece of the file, and of each buffer in front of it. A page, of sixteen fragments at
/// most, takes less than the quarter that sled wants it to.
const SEGMENT_BYTES: usize = 128 << 10;
/// Cache in bytes, the least that sled takes; look-ups are rare.
const CACHE_BYTES: u64 = 256;
/// Longest wait for whoever has the database open, and the time between two looks.
const FREE_WAIT: Duration = Duration::from_secs(5);
const FREE_POLL: Duration = Duration::from_millis(5);
/// Key of the mark: `u64_be entries covered || u64_be writes so far`. Fragment keys begin with 1.
const MARK: &[u8] = b"\x02mark";

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
    ballast: Ballast,
    /// Fragments read since the cache was swept.
    reads: Cell<u32>,
    /// What the database says of itself.
    written: Mark,
    /// Rows that the database does not have yet.
    tail: Vec<Packed>,
    /// The spans of the tail.
    spans: Spans,
    /// Entries that the database and the tail cover.
    applied: u64,
    quarantined: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    applied: u64,
    writes: u64,
}

impl SledIndex {
    /// Opens the index in `dir`, or sets a broken one aside and starts an empty one.
    ///
    /// # Errors
    /// [`OpenError`] when not even an empty index can be had.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        wait_until_free(dir)?;
        match Self::try_open(dir) {
            Ok(index) => Ok(index),
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
        let mut index = Self::try_open(dir).map_err(OpenError::Create)?;
        index.quarantined = Some(aside);
        Ok(index)
    }

    fn try_open(dir: &Path) -> Result<Self, IndexError> {
        // What is written out is flushed by hand; there is no thread to do it.
        let config = Config::new()
            .path(dir)
            .mode(Mode::HighThroughput)
            .cache_capacity(CACHE_BYTES)
            .segment_size(SEGMENT_BYTES)
            .flush_every_ms(None);
        let open = || {
            let db = config.open().map_err(failed)?;
            let ballast = Ballast::load(&db).map_err(failed)?;
            let written = read_mark(&db)?;
            if !sums::hold(&db, written.writes).map_err(failed)? {
                return Err(IndexError("rows are missing or changed".to_owned()));
            }
            ballast.sweep().map_err(failed)?;
            Ok((db, ballast, written))
        };
        // sled is known to panic on some damaged files; to the ledger that is one more broken index.
        let (db, ballast, written) = std::panic::catch_unwind(AssertUnwindSafe(open))
            .unwrap_or_else(|_| Err(IndexError("the database panicked".to_owned())))?;
        Ok(Self {
            db,
            ballast,
            reads: Cell::new(0),
            written,
            tail: Vec::with_capacity(TAIL_ROWS),
            spans: Spans::default(),
            applied: written.applied,
            quarantined: None,
        })
    }

    /// Where the broken database was put when this one was opened.
    pub fn quarantined(&self) -> Option<&Path> {
        self.quarantined.as_deref()
    }

    /// Moves the tail and the mark into the database.
    fn write_out(&mut self) -> Result<(), IndexError> {
        let mark = Mark {
            applied: self.applied,
            writes: self.written.writes + 1,
        };
        let mut batch = Batch::default();
        self.tail.sort_unstable();
        let fragments = packed::fragments(&self.tail, mark.writes);
        let spans = self.spans.to_bytes();
        let parts = fragments.iter().map(|(k, v)| (k.as_slice(), v.as_slice()));
        let sum = sums::of(parts, &spans);
        batch.insert(sums::key(mark.writes), sum.as_slice());
        batch.insert(spans::key(mark.writes), spans);
        for (key, rows) in fragments {
            batch.insert(key, rows);
        }
        batch.insert(MARK, mark.to_bytes().as_slice());
        self.db.apply_batch(batch).map_err(failed)?;
        self.db.flush().map_err(failed)?;
        self.written = mark;
        self.tail.clear();
        self.tail.shrink_to(TAIL_ROWS);
        self.spans = Spans::default();
        Ok(())
    }

    fn sweep(&self) -> Result<(), IndexError> {
        self.reads.set(0);
        self.ballast.sweep().map_err(failed)
    }

    /// Writes the tail out if it is long enough.
    fn settle(&mut self) -> Result<(), IndexError> {
        if self.tail.len() >= TAIL_ROWS {
            self.write_out()?;
            self.sweep()?;
        }
        Ok(())
    }

    /// The entries that a write names under a fingerprint.
    fn entries(&self, write: u64, print: Print) -> Result<Vec<u64>, IndexError> {
        let keys = Print::LEAST.key(write)..=print.key(write);
        let Some(last) = self.db.range(keys).next_back() else {
            return Ok(Vec::new());
        };
        let (_, fragment) = last.map_err(failed)?;
        self.reads.set(self.reads.get() + 1);
        packed::entries(&fragment, print).ok_or_else(malformed)
    }
}

impl Drop for SledIndex {
    fn drop(&mut self) {
        if self.applied != self.written.applied || !self.tail.is_empty() {
            // Without this the next start applies again what the tail held.
            let _ = self.write_out();
        }
    }
}

impl Mark {
    fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.applied) << 64 | u128::from(self.writes)).to_be_bytes()
    }

    fn from_bytes(bytes: [u8; 16]) -> Self {
        let both = u128::from_be_bytes(bytes);
        Self {
            applied: (both >> 64) as u64,
            writes: both as u64,
        }
    }
}

/// sled holds a database's lock for a moment after it was dropped; a database that is in use is
/// not a broken one.
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

/// The mark of a database that has one or is empty.
fn read_mark(db: &Db) -> Result<Mark, IndexError> {
    match db.get(MARK).map_err(failed)? {
        None if db.is_empty() => Ok(Mark::default()),
        None => Err(IndexError("the mark is missing".to_owned())),
        Some(bytes) => bytes
            .as_ref()
            .try_into()
            .map(Mark::from_bytes)
            .map_err(|_| malformed()),
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what errors are mapped with"
)]
fn failed(error: sled::Error) -> IndexError {
    IndexError(error.to_string())
}

fn malformed() -> IndexError {
    IndexError("the database is malformed".to_owned())
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
        Ok(self.applied)
    }

    fn apply(&mut self, rows: &[IndexRow], applied: u64) -> Result<(), IndexError> {
        if let Err(error) = self.settle()
            && self.tail.len() + rows.len() > TAIL_ROWS_MAX
        {
            return Err(error);
        }
        for row in rows {
            self.tail.push(row.into());
            self.spans.widen(row);
        }
        self.applied = applied;
        Ok(())
    }

    fn find(&self, member: &str, value: &str) -> Result<Vec<u64>, IndexError> {
        let print = Print::of(member, value);
        let mut found: Vec<u64> = packed::matches(&self.tail, print).collect();
        for item in self.db.scan_prefix(spans::PREFIX) {
            let (key, bytes) = item.map_err(failed)?;
            let held = spans::hold(&bytes, member, value).ok_or_else(malformed)?;
            if held {
                let write = spans::write(&key).ok_or_else(malformed)?;
                found.extend(self.entries(write, print)?);
            }
        }
        if self.reads.get() >= READS_MAX {
            self.sweep()?;
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    fn clear(&mut self) -> Result<(), IndexError> {
        // The mark first: rows without one are set aside when a crash leaves some.
        self.db.remove(MARK).map_err(failed)?;
        self.db.clear().map_err(failed)?;
        self.tail.clear();
        self.spans = Spans::default();
        self.applied = 0;
        self.written = Mark::default();
        Ok(())
    }
}
