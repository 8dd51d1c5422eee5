//! A digest of the rows of each write. sled takes some damage for the torn end of its log and opens
//! with rows missing; a look-up would then be wrong, and nobody would know.

use sha2::{Digest, Sha256};
use sled::{Db, IVec};

use crate::{packed, spans};

/// First byte of the key of every write's digest.
const SUM: u8 = 4;

/// Where a write's digest lies.
pub(crate) fn key(write: u64) -> Vec<u8> {
    let mut key = vec![SUM];
    key.extend_from_slice(&write.to_be_bytes());
    key
}

/// The digest of the fragments of a write, in the order of their keys, and of its spans.
pub(crate) fn of<'a>(
    fragments: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    spans: &[u8],
) -> [u8; 32] {
    let mut digest = Sha256::new();
    for (key, rows) in fragments {
        digest.update((key.len() as u64).to_be_bytes());
        digest.update(key);
        digest.update((rows.len() as u64).to_be_bytes());
        digest.update(rows);
    }
    digest.chain_update(spans).finalize().into()
}

/// Whether every write is there as it was made, and no other. Reads every row.
pub(crate) fn hold(db: &Db, writes: u64) -> sled::Result<bool> {
    let beyond = packed::prefix(writes.saturating_add(1))..vec![packed::FRAGMENT + 1];
    if db.range(beyond).next().is_some() {
        return Ok(false);
    }
    for write in 1..=writes {
        let rows: Vec<(IVec, IVec)> = db
            .scan_prefix(packed::prefix(write))
            .collect::<sled::Result<_>>()?;
        let spans = db.get(spans::key(write))?.unwrap_or_default();
        let found = of(rows.iter().map(|(k, v)| (&**k, &**v)), &spans);
        if db.get(key(write))?.is_none_or(|sum| *sum != found) {
            return Ok(false);
        }
    }
    Ok(true)
}
