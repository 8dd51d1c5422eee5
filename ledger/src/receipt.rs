//! Receipts: C2SP tlog-proof texts, and their offline verification.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    entry::{self, EntryError},
    keys::{
        Handover, HandoverError, KeyRing, RingError, VerifierKey, handovers_from_text,
        handovers_to_text,
    },
    merkle::{Hash, leaf_hash, verify_inclusion},
    note::{Checkpoint, NoteError},
};

const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// How an `extra` line begins that holds handovers.
const HANDOVERS: &str = "countersign/handover/v1\n";

/// Why a receipt proves nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
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
    /// A handover that it carries is none.
    #[error(transparent)]
    Handover(#[from] HandoverError),
    /// The handovers that it carries do not join its keys to the reader's.
    #[error("handovers: {0}")]
    Keys(#[from] RingError),
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

pub(crate) fn print(index: u64, path: &[Hash], checkpoint: &str, handovers: &[Handover]) -> String {
    let mut text = format!("{HEADER}\n");
    // A ring never holds more statements than a text takes.
    if let Ok(statements) = handovers_to_text(handovers)
        && !statements.is_empty()
    {
        let _ = writeln!(text, "extra {}", STANDARD.encode(statements));
    }
    let _ = writeln!(text, "index {index}");
    for hash in path {
        let _ = writeln!(text, "{}", STANDARD.encode(hash));
    }
    let _ = write!(text, "\n{checkpoint}");
    text
}

/// Checks that `entry` is in the log of `key` as `receipt` says, without any other file. `key` is
/// any one key of the log: the receipt carries the handovers that join it to those that signed.
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
    let mut ring = KeyRing::trusting(key.clone());
    let mut line = lines.next().ok_or(malformed("no index"))?;
    if let Some(extra) = line.strip_prefix("extra ") {
        ring.learn_all(&statements(extra)?)?;
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
    let checkpoint = Checkpoint::open_with(note, &ring)?;
    let place = entry::open(entry, ring.entry_key(index))?.link;
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

/// The handovers in an `extra` line; other uses of that line are none of ours.
fn statements(extra: &str) -> Result<Vec<Handover>, ReceiptError> {
    let bytes = STANDARD
        .decode(extra)
        .map_err(|_| ReceiptError::Malformed("extra"))?;
    match String::from_utf8(bytes) {
        Ok(text) if text.starts_with(HANDOVERS) => Ok(handovers_from_text(&text)?),
        _ => Ok(Vec::new()),
    }
}
