//! The body of an `add-checkpoint` request.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::merkle::Hash;

/// Most hashes of a consistency proof.
pub const MAX_PROOF: usize = 63;
/// Most bytes of a request: a proof, and a note with some post-quantum signatures.
pub const MAX_REQUEST: usize = 256 * 1024;

/// Why bytes are not an `add-checkpoint` request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed add-checkpoint request: {0}")]
pub struct RequestError(&'static str);

/// A request to cosign a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the witness is believed to hold.
    pub old: u64,
    /// Consistency proof from `old` to the checkpoint's size.
    pub proof: Vec<Hash>,
    /// The checkpoint, a signed note.
    pub note: String,
}

impl AddCheckpoint {
    /// Reads a body; the note in it is not looked at.
    ///
    /// # Errors
    /// [`RequestError`] for anything but the exact format.
    pub fn parse(body: &[u8]) -> Result<Self, RequestError> {
        if body.len() > MAX_REQUEST {
            return Err(RequestError("too long"));
        }
        let text = std::str::from_utf8(body).map_err(|_| RequestError("not UTF-8"))?;
        let (head, note) = text
            .split_once("\n\n")
            .ok_or(RequestError("no empty line"))?;
        let mut lines = head.split('\n');
        let old = lines
            .next()
            .and_then(|line| line.strip_prefix("old "))
            .and_then(parse_size)
            .ok_or(RequestError("old size line"))?;
        let proof = lines
            .take(MAX_PROOF + 1)
            .map(parse_hash)
            .collect::<Option<Vec<_>>>()
            .ok_or(RequestError("proof line"))?;
        if proof.len() > MAX_PROOF {
            return Err(RequestError("too many proof lines"));
        }
        Ok(Self {
            old,
            proof,
            note: note.to_owned(),
        })
    }
}

/// The exact body.
impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        for hash in &self.proof {
            writeln!(f, "{}", STANDARD.encode(hash))?;
        }
        write!(f, "\n{}", self.note)
    }
}

/// A tree size in its one decimal spelling, at most 2^63 - 1.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    let size: u64 = text.parse().ok()?;
    (size.to_string() == text && i64::try_from(size).is_ok()).then_some(size)
}

fn parse_hash(line: &str) -> Option<Hash> {
    STANDARD.decode(line).ok()?.try_into().ok()
}
