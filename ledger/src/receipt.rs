//! Receipts: C2SP tlog-proof texts, and their offline verification.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    entry::{self, EntryError},
    keys::VerifierKey,
    merkle::{Hash, Nodes, inclusion_proof, leaf_hash, verify_inclusion},
    note::{Checkpoint, NoteError},
};

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Why a receipt proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Not a tlog-proof.
    #[error("malformed receipt: {0}")]
    Malformed(&'static str),
    /// Its checkpoint cannot be trusted.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] NoteError),
    /// The entry cannot be trusted.
    #[error("entry: {0}")]
    Entry(#[from] EntryError),
    /// The path does not lead from the entry to the root.
    #[error("the entry is not under the checkpoint's root at index {0}")]
    NotIncluded(u64),
}

/// What a receipt proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Included {
    /// Index of the entry.
    pub index: u64,
    /// Leaf hash of the entry.
    pub leaf_hash: Hash,
    /// The checkpoint that covers it.
    pub checkpoint: Checkpoint,
    /// Place in its writer's chain.
    pub link: entry::Link,
}

pub(crate) fn print<N: Nodes>(
    nodes: &mut N,
    index: u64,
    size: u64,
    checkpoint: &str,
) -> Result<String, N::Error> {
    let mut text = format!("{HEADER}\nindex {index}\n");
    for hash in inclusion_proof(nodes, index, size)? {
        let _ = writeln!(text, "{}", STANDARD.encode(hash));
    }
    let _ = write!(text, "\n{checkpoint}");
    Ok(text)
}

/// Checks that `entry` is in the log of `key` as `receipt` says, without any other file.
///
/// # Errors
/// [`ReceiptError`] naming what does not hold.
pub fn verify(receipt: &str, entry: &[u8], key: &VerifierKey) -> Result<Included, ReceiptError> {
    let malformed = ReceiptError::Malformed;
    let (proof, note) = receipt
        .split_once("\n\n")
        .ok_or(malformed("no blank line"))?;
    let mut lines = proof.split('\n');
    if lines.next() != Some(HEADER) {
        return Err(malformed("not a tlog-proof"));
    }
    let mut line = lines.next().ok_or(malformed("no index"))?;
    if let Some(extra) = line.strip_prefix("extra ") {
        STANDARD.decode(extra).map_err(|_| malformed("extra"))?;
        line = lines.next().ok_or(malformed("no index"))?;
    }
    let digits = line.strip_prefix("index ").ok_or(malformed("no index"))?;
    let index: u64 = digits.parse().map_err(|_| malformed("index"))?;
    if index.to_string() != digits {
        return Err(malformed("index"));
    }
    let mut path = Vec::new();
    for line in lines {
        let hash = STANDARD.decode(line).map_err(|_| malformed("hash"))?;
        path.push(Hash::try_from(hash).map_err(|_| malformed("hash"))?);
    }
    let checkpoint = Checkpoint::open(note, key)?;
    let place = entry::open(entry, key)?.link;
    let leaf_hash = leaf_hash(entry);
    if verify_inclusion(&leaf_hash, index, checkpoint.size, &path, &checkpoint.root) {
        Ok(Included {
            index,
            leaf_hash,
            checkpoint,
            link: place,
        })
    } else {
        Err(ReceiptError::NotIncluded(index))
    }
}
