//! Port: a rebuildable index from member values to entry indices.

use std::collections::BTreeMap;

/// One row: the entry at `index` has `value` as its top-level string member `member`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexRow {
    /// Index of the entry in the ledger.
    pub index: u64,
    /// Name of the member.
    pub member: String,
    /// Its value.
    pub value: String,
}

/// The index store failed; the ledger itself is unaffected.
#[derive(Debug, thiserror::Error)]
#[error("index: {0}")]
pub struct IndexError(pub String);

/// A secondary index that may be lost at any time: the ledger rebuilds it from its entries.
///
/// Contract, checked by [`crate::conformance::check_index`]:
/// * rows and the applied mark become visible together;
/// * applying the same rows twice changes nothing;
/// * [`Index::find`] answers in ascending order without duplicates;
/// * names and values are arbitrary strings, also with NUL or empty, and never run into each other;
/// * after a crash the mark may be older than what was applied, never newer than the rows.
pub trait Index: Send {
    /// The number of entries that the index covers.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn applied(&self) -> Result<u64, IndexError>;

    /// Adds `rows` and sets the number of entries covered. Need not be durable on return.
    ///
    /// # Errors
    /// When the store cannot be written; nothing of the call is visible then.
    fn apply(&mut self, rows: &[IndexRow], applied: u64) -> Result<(), IndexError>;

    /// The indices of the entries whose `member` is `value`, ascending.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn find(&self, member: &str, value: &str) -> Result<Vec<u64>, IndexError>;

    /// Forgets everything; [`Index::applied`] is zero afterwards.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn clear(&mut self) -> Result<(), IndexError>;
}

/// Where an index is kept.
pub trait IndexStore: Send {
    /// Opens the index; a new or empty one covers nothing.
    ///
    /// # Errors
    /// When it cannot be opened; [`IndexStore::set_aside`] is called before the next try.
    fn open(&mut self) -> Result<Box<dyn Index>, IndexError>;

    /// Puts the index, which is closed, out of the way, so that the next open finds none.
    ///
    /// # Errors
    /// When that is not possible; the next open is tried all the same.
    fn set_aside(&mut self) -> Result<(), IndexError>;
}

/// Keeps no index between two runs.
#[derive(Debug, Default, Clone, Copy)]
pub struct InMemory;

impl IndexStore for InMemory {
    fn open(&mut self) -> Result<Box<dyn Index>, IndexError> {
        Ok(Box::new(MemoryIndex::default()))
    }

    fn set_aside(&mut self) -> Result<(), IndexError> {
        Ok(())
    }
}

/// The index in memory: rebuilt at each start, for tests and small ledgers.
#[derive(Debug, Default)]
pub struct MemoryIndex {
    rows: BTreeMap<(String, String), Vec<u64>>,
    applied: u64,
}

impl Index for MemoryIndex {
    fn applied(&self) -> Result<u64, IndexError> {
        Ok(self.applied)
    }

    fn apply(&mut self, rows: &[IndexRow], applied: u64) -> Result<(), IndexError> {
        for row in rows {
            let found = self
                .rows
                .entry((row.member.clone(), row.value.clone()))
                .or_default();
            if let Err(place) = found.binary_search(&row.index) {
                found.insert(place, row.index);
            }
        }
        self.applied = applied;
        Ok(())
    }

    fn find(&self, member: &str, value: &str) -> Result<Vec<u64>, IndexError> {
        let key = (member.to_owned(), value.to_owned());
        Ok(self.rows.get(&key).cloned().unwrap_or_default())
    }

    fn clear(&mut self) -> Result<(), IndexError> {
        *self = Self::default();
        Ok(())
    }
}
