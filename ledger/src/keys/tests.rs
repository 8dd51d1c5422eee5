mod files;
mod handover;
mod mldsa;
mod ring;
mod rotate;
mod verifier;

use ed25519_dalek::SigningKey;

use super::*;

const ORIGIN: &str = "example.com/log";

/// The key of a seed that everybody knows.
fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn name(seed: u8) -> VerifierKey {
    VerifierKey::new(ORIGIN, key(seed).verifying_key()).unwrap()
}

/// The handover from one seed to another.
fn handover(old: u8, new: u8, index: u64) -> Handover {
    Handover::make(ORIGIN, &key(old), &key(new), index).unwrap()
}

fn secret(text: &str) -> Passphrase {
    Passphrase::new(text.to_owned()).unwrap()
}
