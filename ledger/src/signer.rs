//! Port: whoever holds the private key of the ledger.

use std::fmt;

use ed25519_dalek::{Signature, SigningKey, VerifyingKey};

/// The signer gave no signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("signer: {0}")]
pub struct SignerError(pub String);

/// Signs with an Ed25519 key (RFC 8032) that may live outside of this process.
///
/// Contract, checked by [`crate::conformance::check_signer`]:
/// * [`Signer::public_key`] never changes;
/// * a signature verifies strictly under that key (pure Ed25519, no pre-hash, no context);
/// * signing may block, for at most seconds, and may be called from several threads at once;
/// * after an error nothing is known about the key; a later call may succeed.
pub trait Signer: Send + Sync + fmt::Debug {
    /// The public half.
    fn public_key(&self) -> VerifyingKey;

    /// Signs `message` as it is.
    ///
    /// # Errors
    /// [`SignerError`] when no signature could be had.
    fn sign(&self, message: &[u8]) -> Result<Signature, SignerError>;
}

/// The key in this process's memory.
impl Signer for SigningKey {
    fn public_key(&self) -> VerifyingKey {
        self.verifying_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, SignerError> {
        Ok(ed25519_dalek::Signer::sign(self, message))
    }
}
