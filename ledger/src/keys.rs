//! Ledger keys: C2SP verifier keys and the key files of a data directory.

use std::{
    fmt, fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    str::FromStr,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{
    Signature, SignatureError, SigningKey, VerifyingKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey, spki::der::pem::LineEnding},
};
use sha2::{Digest, Sha256};

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
    #[error("ledger.pem and ledger.vkey belong to different keys")]
    Mismatch,
    /// The system gave no randomness.
    #[error("no randomness from the system")]
    Randomness,
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
            id: key_id(name, &key),
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

fn key_id(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', ED25519])
        .chain_update(key.as_bytes())
        .finalize()
        .into();
    [digest[0], digest[1], digest[2], digest[3]]
}

/// Makes a new key pair under `dir/keys`: `ledger.pem` (PKCS#8, mode 0600) and `ledger.vkey`.
/// Both files are durable when this returns.
///
/// # Errors
/// [`KeyError::Exists`] when either file is there; otherwise when a file cannot be written.
pub fn init(dir: &Path, origin: &str) -> Result<(SigningKey, VerifierKey), KeyError> {
    let mut seed = [0u8; 32];
    getrandom::fill(&mut seed).map_err(|_| KeyError::Randomness)?;
    let key = SigningKey::from_bytes(&seed);
    let verifier = VerifierKey::new(origin, key.verifying_key())?;
    let keys = dir.join("keys");
    fs::create_dir_all(&keys).map_err(|source| io_error(&keys, source))?;
    let (private, public) = (keys.join("ledger.pem"), keys.join("ledger.vkey"));
    for path in [&private, &public] {
        if path.exists() {
            return Err(KeyError::Exists(path.display().to_string()));
        }
    }
    let pem = key
        .to_pkcs8_pem(LineEnding::LF)
        .map_err(|_| KeyError::NotAPrivateKey(private.display().to_string()))?;
    write_new(&private, pem.as_bytes(), 0o600)?;
    write_new(&public, format!("{verifier}\n").as_bytes(), 0o644)?;
    fs::File::open(&keys)
        .and_then(|d| d.sync_all())
        .map_err(|e| io_error(&keys, e))?;
    Ok((key, verifier))
}

/// Reads the key pair of `dir/keys` and checks that both files belong together.
///
/// # Errors
/// When a file is missing or malformed, or the two do not match.
pub fn load(dir: &Path) -> Result<(SigningKey, VerifierKey), KeyError> {
    let keys = dir.join("keys");
    let (private, public) = (keys.join("ledger.pem"), keys.join("ledger.vkey"));
    let pem = fs::read_to_string(&private).map_err(|e| io_error(&private, e))?;
    let key = SigningKey::from_pkcs8_pem(&pem)
        .map_err(|_| KeyError::NotAPrivateKey(private.display().to_string()))?;
    let text = fs::read_to_string(&public).map_err(|e| io_error(&public, e))?;
    let verifier: VerifierKey = text.trim_end_matches('\n').parse()?;
    if verifier.key == key.verifying_key() {
        Ok((key, verifier))
    } else {
        Err(KeyError::Mismatch)
    }
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), KeyError> {
    let open = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path);
    open.and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    })
    .map_err(|source| io_error(path, source))
}

fn io_error(path: &Path, source: io::Error) -> KeyError {
    KeyError::Io {
        path: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests;
