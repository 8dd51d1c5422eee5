//! Timestamps against the real thing: `openssl ts` as the authority and as a second verifier,
//! and Python's `rfc3161-client` as a third.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod accepted;
mod anchored;
mod asked;
mod authority;
mod by_hand;
mod http;
mod refused;

use countersign_ledger::{Checkpoint, Note, SigningKey, VerifierKey};

/// The key that the stamped checkpoints are signed with.
fn ledger_key() -> (SigningKey, VerifierKey) {
    let key = SigningKey::from_bytes(&[7; 32]);
    let verifier = VerifierKey::new("stamped.example", key.verifying_key()).unwrap();
    (key, verifier)
}

/// The checkpoint note of a ledger of `size` entries.
fn note(size: u64) -> String {
    let (key, verifier) = ledger_key();
    let checkpoint = Checkpoint {
        origin: verifier.name().to_owned(),
        size,
        root: [size as u8; 32],
    };
    Note::sign(checkpoint.to_string(), &verifier, &key)
        .unwrap()
        .to_string()
}
