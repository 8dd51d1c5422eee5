//! Rows as they lie in the database: a fingerprint of member and value beside the entry's index,
//! sorted, and cut into fragments.

use countersign_ledger::IndexRow;
use sha2::{Digest, Sha256};

/// Bytes of a packed row.
const ROW: usize = 24;
/// Bytes of it that are the fingerprint.
const PRINT: usize = 16;
/// Rows of a fragment, unless more of them share a fingerprint. Small enough to be read for one
/// row, large enough that a database has few pages.
const FRAGMENT_ROWS: usize = 64;
/// First byte of every fragment's key.
pub(crate) const FRAGMENT: u8 = 1;

/// The first 16 bytes of SHA-256 of `u32_be length of member || member || value`: two that differ
/// collide as rarely as random UUIDs do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Print([u8; PRINT]);

impl Print {
    /// The least of all.
    pub(crate) const LEAST: Self = Self([0; PRINT]);

    pub(crate) fn of(member: &str, value: &str) -> Self {
        let length = u32::try_from(member.len()).unwrap_or(u32::MAX);
        let digest: [u8; 32] = Sha256::new()
            .chain_update(length.to_be_bytes())
            .chain_update(member)
            .chain_update(value)
            .finalize()
            .into();
        let mut print = [0; PRINT];
        print.copy_from_slice(&digest[..PRINT]);
        Self(print)
    }

    /// The key of the fragment, of a write, that begins with this fingerprint.
    pub(crate) fn key(self, write: u64) -> Vec<u8> {
        let mut key = prefix(write);
        key.extend_from_slice(&self.0);
        key
    }
}

/// What the keys of all fragments of a write begin with.
pub(crate) fn prefix(write: u64) -> Vec<u8> {
    let mut key = vec![FRAGMENT];
    key.extend_from_slice(&write.to_be_bytes());
    key
}

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Packed {
    print: Print,
    index: u64,
}

impl From<&IndexRow> for Packed {
    fn from(row: &IndexRow) -> Self {
        Self {
            print: Print::of(&row.member, &row.value),
            index: row.index,
        }
    }
}

/// The entries that unsorted rows name under a fingerprint.
pub(crate) fn matches(rows: &[Packed], print: Print) -> impl Iterator<Item = u64> {
    let wanted = move |row: &&Packed| row.print == print;
    rows.iter().filter(wanted).map(|row| row.index)
}

/// Cuts the sorted rows of a write into fragments, key and value each; rows with one fingerprint
/// stay together.
pub(crate) fn fragments(rows: &[Packed], write: u64) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut fragments: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for same in rows.chunk_by(|a, b| a.print == b.print) {
        let full = |(_, bytes): &(_, Vec<u8>)| bytes.len() >= FRAGMENT_ROWS * ROW;
        if fragments.last().is_none_or(full) {
            let bytes = Vec::with_capacity(FRAGMENT_ROWS * ROW);
            fragments.push((same[0].print.key(write), bytes));
        }
        if let Some((_, bytes)) = fragments.last_mut() {
            for row in same {
                bytes.extend_from_slice(&row.print.0);
                bytes.extend_from_slice(&row.index.to_be_bytes());
            }
        }
    }
    fragments
}

/// The entries that a fragment names under a fingerprint; `None` when it is malformed.
pub(crate) fn entries(fragment: &[u8], print: Print) -> Option<Vec<u64>> {
    let (rows, []) = fragment.as_chunks::<ROW>() else {
        return None;
    };
    let first = rows.partition_point(|row| row[..PRINT] < print.0[..]);
    let same = rows[first..]
        .iter()
        .take_while(|row| row[..PRINT] == print.0);
    same.map(|row| row[PRINT..].try_into().ok().map(u64::from_be_bytes))
        .collect()
}
