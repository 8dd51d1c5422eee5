//! Ledger keys: C2SP verifier keys, the key files of a data directory and their rotation.
//!
//! `docs/keys.md` tells the whole story.

mod files;
mod handover;
mod mldsa;
mod ring;
mod rotate;
mod sealed;

use std::{fmt, io, path::Path, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, SignatureError, VerifyingKey};
use sha2::{Digest, Sha256};

pub use self::{
    files::{change_passphrase, exist, init, init_from, load, verifier},
    handover::{Handover, HandoverError, handovers_from_text, handovers_to_text},
    mldsa::{MlDsaSigner, MlDsaVerifier, cosigned_message, init_mldsa, load_mldsa, mldsa_verifier},
    ring::{KeyRing, RingError},
    rotate::{
        discard_next, load_next, load_ring, pending_next, prepare_next, prepare_next_from,
        promote_next, recover,
    },
    sealed::Passphrase,
};

/// C2SP signature type of Ed25519.
const ED25519: u8 = 0x01;

/// Why keys could not be made, read or parsed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A key file could not be read or written.
    #[error("key file {path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
    /// Key files are already there; they are never overwritten.
    #[error("{0} already exists and is not overwritten")]
    Exists(String),
    /// The private key is not a PKCS#8 Ed25519 key.
    #[error("{0} is not a PKCS#8 Ed25519 private key")]
    NotAPrivateKey(String),
    /// Not a verifier key.
    #[error("not a C2SP verifier key: {0}")]
    Verifier(&'static str),
    /// The private and the public key files belong to different keys.
    #[error("{0} and the verifier key beside it belong to different keys")]
    Mismatch(String),
    /// The system gave no randomness.
    #[error("no randomness from the system")]
    Randomness,
    /// A passphrase is empty or too long.
    #[error("a passphrase has 1 to 1024 bytes")]
    Passphrase,
    /// A secret file can be read or changed by others than its owner.
    #[error("{path} has mode {mode:04o} and is open to others; run: chmod 600 {path}")]
    Exposed {
        /// The file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The private key is encrypted and there is no passphrase.
    #[error("{0} is encrypted and no passphrase was given")]
    Encrypted(String),
    /// There is a passphrase, but the private key lies open: either it was never encrypted or
    /// somebody put another file in its place.
    #[error("a passphrase was given, but {0} is not encrypted")]
    NotEncrypted(String),
    /// The passphrase is wrong, or the file is damaged.
    #[error("the passphrase does not open {0}")]
    WrongPassphrase(String),
    /// The file names a key derivation that we lack, or one that costs too much.
    #[error("{0} is encrypted in an unknown way or with excessive cost")]
    Derivation(String),
    /// A private key could not be encoded.
    #[error("a private key could not be encoded")]
    Sealing,
    /// There is a verifier key, but no private key: that lives elsewhere, as in an HSM.
    #[error("{0} does not exist; the private key lives elsewhere or is lost")]
    External(String),
    /// A change of the key files was interrupted; [`recover`] finishes or undoes it.
    #[error("{0} was left behind by an interrupted change of keys, which must be recovered first")]
    Interrupted(String),
    /// Another process changes the key files.
    #[error("another process is changing the keys under {0}")]
    Busy(String),
    /// No next key was prepared.
    #[error("no next key was prepared")]
    NoNext,
    /// The key, or its id, is in use already or was once.
    #[error("the key id {0} is or was in use; a rotation needs a fresh key")]
    Used(String),
    /// A handover is not from the current to the next key of this directory.
    #[error("the handover does not lead from the current key to the next one")]
    WrongHandover,
    /// A kept handover cannot be trusted.
    #[error("{path}: {source}")]
    Handover {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: HandoverError,
    },
    /// The kept handovers form no chain.
    #[error("kept handovers: {0}")]
    Ring(#[from] RingError),
}

/// A name and an Ed25519 public key: `name+hex8(id)+base64(0x01 || key)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    key: VerifyingKey,
}

impl VerifierKey {
    /// The verifier key of `key` under `name`.
    ///
    /// # Errors
    /// [`KeyError::Verifier`] when the name is empty or holds spaces or `+`.
    pub fn new(name: &str, key: VerifyingKey) -> Result<Self, KeyError> {
        if !valid_name(name) {
            return Err(KeyError::Verifier(
                "the name is empty or holds a space or a plus sign",
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            id: key_id(name, ED25519, key.as_bytes()),
            key,
        })
    }

    /// The name, which is also the origin of checkpoints.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key id: the first four bytes of `SHA-256(name || 0x0A || 0x01 || key)`.
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// The key id in lower-case hex.
    pub fn id_hex(&self) -> String {
        hex::encode(self.id)
    }

    /// The bare public key.
    pub fn public_key(&self) -> &VerifyingKey {
        &self.key
    }

    /// Checks a signature strictly (no small-order points, canonical encodings only).
    ///
    /// # Errors
    /// When it does not verify.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), SignatureError> {
        self.key.verify_strict(message, signature)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[ED25519], self.key.as_bytes().as_slice()].concat();
        write!(
            f,
            "{}+{}+{}",
            self.name,
            self.id_hex(),
            STANDARD.encode(key)
        )
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, rest) = text
            .split_once('+')
            .ok_or(KeyError::Verifier("no key id"))?;
        let (id, encoded) = rest.split_once('+').ok_or(KeyError::Verifier("no key"))?;
        let bytes = STANDARD
            .decode(encoded)
            .map_err(|_| KeyError::Verifier("base64"))?;
        let Some((&ED25519, key)) = bytes.split_first() else {
            return Err(KeyError::Verifier("not an Ed25519 key"));
        };
        let key = key
            .try_into()
            .map_err(|_| KeyError::Verifier("key length"))?;
        let key = VerifyingKey::from_bytes(key).map_err(|_| KeyError::Verifier("not a point"))?;
        let parsed = Self::new(name, key)?;
        if parsed.id_hex() == id {
            Ok(parsed)
        } else {
            Err(KeyError::Verifier("wrong key id"))
        }
    }
}

pub(crate) fn valid_name(name: &str) -> bool {
    !name.is_empty()
        && !name
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

/// The C2SP key id of a public key of the given signature type.
fn key_id(name: &str, kind: u8, key: &[u8]) -> [u8; 4] {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', kind])
        .chain_update(key)
        .finalize()
        .into();
    [digest[0], digest[1], digest[2], digest[3]]
}

fn io_error(path: &Path, source: io::Error) -> KeyError {
    KeyError::Io {
        path: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests;
