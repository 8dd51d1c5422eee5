//! Private keys at rest: PKCS#8 in PEM, as it is or encrypted under a passphrase.

use std::{fmt, fs, io::Read, path::Path};

use pkcs8::{
    EncryptedPrivateKeyInfoRef, LineEnding, SecretDocument,
    der::asn1::OctetStringRef,
    pkcs5::{
        EncryptionScheme,
        pbes2::{Kdf, Parameters},
    },
};
use zeroize::Zeroizing;

use super::KeyError;

/// Iterations of PBKDF2-HMAC-SHA256 in the files that we write.
const ITERATIONS: u32 = 600_000;
/// Most iterations and most bytes of memory that a file we read may ask for.
const MAX_ITERATIONS: u32 = 20_000_000;
const MAX_SCRYPT_MEMORY: u64 = 1 << 30;
/// Most bytes of a key file or a passphrase file.
const MAX_FILE: u64 = 64 << 10;
/// Most bytes of a passphrase.
const MAX_PASSPHRASE: usize = 1024;

const PLAIN: &str = "PRIVATE KEY";
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";

/// The secret under which private key files are encrypted, or the PIN of an HSM. Wiped from memory when dropped.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// A passphrase of 1 to 1,024 bytes.
    ///
    /// # Errors
    /// [`KeyError::Passphrase`] when it is empty or longer.
    pub fn new(text: String) -> Result<Self, KeyError> {
        let text = Zeroizing::new(text);
        if text.is_empty() || text.len() > MAX_PASSPHRASE {
            return Err(KeyError::Passphrase);
        }
        Ok(Self(text))
    }

    /// The first line of a file, without its line ending. The file may be readable by its owner
    /// alone, or by its group when root owns it.
    ///
    /// # Errors
    /// [`KeyError::Io`], [`KeyError::Exposed`] or [`KeyError::Passphrase`].
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let text = read_secret(path)?;
        Self::new(text.lines().next().unwrap_or_default().to_owned())
    }

    /// The secret itself, for the one call that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

/// The text of a secret file, which nobody else may read: mode 0600 or less, or 0640 when root
/// owns it (so are secrets mounted into containers).
pub(super) fn read_secret(path: &Path) -> Result<Zeroizing<String>, KeyError> {
    use std::os::unix::fs::MetadataExt;
    let io = |source| super::io_error(path, source);
    let file = fs::File::open(path).map_err(io)?;
    let found = file.metadata().map_err(io)?;
    let others = if found.uid() == 0 { 0o037 } else { 0o077 };
    if found.mode() & others != 0 {
        return Err(KeyError::Exposed {
            path: path.display().to_string(),
            mode: found.mode() & 0o777,
        });
    }
    // Reserved at once: a buffer that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(MAX_FILE as usize));
    file.take(MAX_FILE).read_to_string(&mut text).map_err(io)?;
    Ok(text)
}

/// PEM of a PKCS#8 document, encrypted when there is a passphrase: PBES2 with PBKDF2-HMAC-SHA256
/// and AES-256-CBC, which every tool can read.
pub(super) fn seal(
    der: &[u8],
    passphrase: Option<&Passphrase>,
) -> Result<Zeroizing<String>, KeyError> {
    let Some(passphrase) = passphrase else {
        let document = SecretDocument::try_from(der).map_err(|_| KeyError::Sealing)?;
        return document
            .to_pem(PLAIN, LineEnding::LF)
            .map_err(|_| KeyError::Sealing);
    };
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    getrandom::fill(&mut salt).map_err(|_| KeyError::Randomness)?;
    getrandom::fill(&mut iv).map_err(|_| KeyError::Randomness)?;
    let parameters = Parameters::generate_pbkdf2_sha256_aes256cbc(ITERATIONS, &salt, iv)
        .map_err(|_| KeyError::Sealing)?;
    let encrypted = parameters
        .encrypt(passphrase.0.as_bytes(), der)
        .map_err(|_| KeyError::Sealing)?;
    let info = EncryptedPrivateKeyInfoRef {
        encryption_algorithm: parameters.into(),
        encrypted_data: OctetStringRef::new(&encrypted).map_err(|_| KeyError::Sealing)?,
    };
    SecretDocument::try_from(&info)
        .and_then(|document| Ok(document.to_pem(ENCRYPTED, LineEnding::LF)?))
        .map_err(|_| KeyError::Sealing)
}

/// Reads a PKCS#8 file and decrypts it; `None` when there is no such file.
pub(super) fn open(
    path: &Path,
    passphrase: Option<&Passphrase>,
) -> Result<Option<SecretDocument>, KeyError> {
    let name = || path.display().to_string();
    let pem = match read_secret(path) {
        Err(KeyError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Ok(None);
        }
        other => other?,
    };
    let (label, document) =
        SecretDocument::from_pem(&pem).map_err(|_| KeyError::NotAPrivateKey(name()))?;
    match (label, passphrase) {
        (PLAIN, None) => Ok(Some(document)),
        (PLAIN, Some(_)) => Err(KeyError::NotEncrypted(name())),
        (ENCRYPTED, None) => Err(KeyError::Encrypted(name())),
        (ENCRYPTED, Some(passphrase)) => {
            let info = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes())
                .map_err(|_| KeyError::NotAPrivateKey(name()))?;
            if !affordable(&info.encryption_algorithm) {
                return Err(KeyError::Derivation(name()));
            }
            // A wrong passphrase shows as bad padding, or rarely as something that is no PKCS#8.
            info.decrypt(passphrase.0.as_bytes())
                .map(Some)
                .map_err(|_| KeyError::WrongPassphrase(name()))
        }
        _ => Err(KeyError::NotAPrivateKey(name())),
    }
}

fn affordable(scheme: &EncryptionScheme) -> bool {
    match scheme.pbes2().map(|parameters| &parameters.kdf) {
        Some(Kdf::Pbkdf2(found)) => found.iteration_count <= MAX_ITERATIONS,
        Some(Kdf::Scrypt(found)) => {
            let blocks = u64::from(found.block_size) * u64::from(found.parallelization);
            let memory = blocks
                .checked_mul(128)
                .and_then(|bytes| bytes.checked_mul(found.cost_parameter));
            memory.is_some_and(|bytes| bytes <= MAX_SCRYPT_MEMORY)
        }
        _ => false,
    }
}
