//! Salted commitments to content.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// 32 secret bytes that make a commitment to a short text unguessable. Destroying the salt makes
/// the commitment meaningless while every proof over the record still verifies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt([u8; 32]);

impl Salt {
    /// Wraps 32 uniformly random (or HMAC-derived) bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salt(..)")
    }
}

/// `sha256:` and the lower-case hex of SHA-256(salt ‖ content).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Commitment(String);

impl Commitment {
    /// The textual form, `sha256:<64 hex digits>`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Commits to the concatenation of `parts` under `salt`.
pub fn commit<'a>(salt: &Salt, parts: impl IntoIterator<Item = &'a [u8]>) -> Commitment {
    let mut committer = Committer::new(salt);
    for part in parts {
        committer.update(part);
    }
    committer.finish()
}

/// Commits to content that arrives piece by piece.
#[derive(Debug, Clone)]
pub struct Committer {
    hash: Sha256,
    bytes: u64,
}

impl Committer {
    /// Starts a commitment under `salt`.
    pub fn new(salt: &Salt) -> Self {
        let mut hash = Sha256::new();
        hash.update(salt.0);
        Self { hash, bytes: 0 }
    }

    /// Adds content.
    pub fn update(&mut self, part: &[u8]) {
        self.hash.update(part);
        self.bytes = self.bytes.saturating_add(part.len() as u64);
    }

    /// Bytes of content so far.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The commitment to all content added.
    pub fn finish(self) -> Commitment {
        Commitment(format!("sha256:{}", hex::encode(self.hash.finalize())))
    }
}
