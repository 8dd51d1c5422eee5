//! The key files of a data directory: `keys/ledger.pem` and `keys/ledger.vkey`.
//!
//! A pair is installed private key first, under a name that nobody reads (`.part`); the verifier
//! key is the commit; then the private key gets its name. [`recover`](super::recover) tells from
//! the names alone how far it came.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use ed25519_dalek::{
    SigningKey, VerifyingKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes},
};
use zeroize::Zeroizing;

use super::{KeyError, Passphrase, VerifierKey, io_error, sealed};
use crate::durable;

/// Called after each durable step; tests crash by returning an error.
pub(super) type Reached<'a> = &'a mut dyn FnMut() -> Result<(), KeyError>;

/// Most bytes of a verifier key file; the largest is of ML-DSA-44.
const MAX_VKEY: u64 = 4096;

/// Paths under `keys/`. Held together with the lock on them while they change.
#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
}

/// Held while key files change; released when dropped, and by the system at the latest.
#[derive(Debug)]
pub(super) struct Held(#[expect(dead_code, reason = "its drop unlocks")] fs::File);

impl Files {
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.join("keys"),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        // What cannot be looked at counts as there: then nothing is overwritten.
        self.path(name).try_exists().unwrap_or(true)
    }

    /// Makes the folder and takes its lock.
    pub(super) fn hold(&self) -> Result<Held, KeyError> {
        durable::create_dir(&self.dir).map_err(|e| io_error(&self.dir, e))?;
        let path = self.path("lock");
        let file = fs::File::create(&path).map_err(|e| io_error(&path, e))?;
        match file.try_lock() {
            Ok(()) => Ok(Held(file)),
            Err(fs::TryLockError::WouldBlock) => {
                Err(KeyError::Busy(self.dir.display().to_string()))
            }
            Err(fs::TryLockError::Error(source)) => Err(io_error(&path, source)),
        }
    }

    /// A public key file, or `None` when there is no such file.
    pub(super) fn vkey(&self, name: &str) -> Result<Option<String>, KeyError> {
        let path = self.path(name);
        match read_bounded(&path, MAX_VKEY) {
            Ok(text) => Ok(Some(text.trim_end_matches('\n').to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error(&path, error)),
        }
    }

    /// Replaces a public file durably.
    pub(super) fn publish(&self, name: &str, text: &str) -> Result<(), KeyError> {
        let (stage, target) = (self.path("stage"), self.path(name));
        durable::replace(&stage, &target, text.as_bytes()).map_err(|e| io_error(&target, e))
    }

    /// Renames within the folder, durably.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), KeyError> {
        let path = self.path(from);
        fs::rename(&path, self.path(to))
            .and_then(|()| durable::sync_dir(&self.dir))
            .map_err(|e| io_error(&path, e))
    }

    /// Removes a public file durably.
    pub(super) fn remove(&self, name: &str) -> Result<(), KeyError> {
        let path = self.path(name);
        fs::remove_file(&path)
            .and_then(|()| durable::sync_dir(&self.dir))
            .map_err(|e| io_error(&path, e))
    }

    /// Writes a private key under a name that is free.
    pub(super) fn write_private(&self, name: &str, pem: &str) -> Result<(), KeyError> {
        let path = self.path(name);
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        file.and_then(|mut file| {
            file.write_all(pem.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| durable::sync_dir(&self.dir))
        .map_err(|e| io_error(&path, e))
    }

    /// Overwrites and removes a private key, if it is there. The overwriting is best effort: disks
    /// and file systems that copy on write keep old blocks.
    pub(super) fn destroy(&self, name: &str, reached: Reached<'_>) -> Result<(), KeyError> {
        let path = self.path(name);
        let overwrite = || -> io::Result<()> {
            let mut file = fs::OpenOptions::new().write(true).open(&path)?;
            let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
            file.write_all(&vec![0; length.min(1 << 16)])?;
            file.sync_all()
        };
        match overwrite() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(|e| io_error(&path, e))?,
        }
        // A crash before this leaves zeros under the name, which recovery removes.
        reached()?;
        self.remove(name)?;
        reached()
    }

    /// Makes sure that there is room for a new pair.
    pub(super) fn begin(&self, stem: &str) -> Result<(), KeyError> {
        self.settle(stem, &mut || Ok(()))?;
        for name in [format!("{stem}.pem"), format!("{stem}.vkey")] {
            if self.has(&name) {
                return Err(KeyError::Exists(self.path(&name).display().to_string()));
            }
        }
        Ok(())
    }

    /// Puts a new pair in place, `stem` being `ledger`, `next` or `ledger-mldsa44`.
    pub(super) fn install(
        &self,
        stem: &str,
        pem: Option<&str>,
        verifier: &str,
        reached: Reached<'_>,
    ) -> Result<(), KeyError> {
        let part = format!("{stem}.pem.part");
        if let Some(pem) = pem {
            self.write_private(&part, pem)?;
            // A crash before the next step leaves a key that nobody knows; recovery destroys it.
            reached()?;
        }
        self.publish(&format!("{stem}.vkey"), &format!("{verifier}\n"))?;
        // A crash before the next step leaves the pair in place but for a name; recovery gives it.
        reached()?;
        if pem.is_some() {
            self.rename(&part, &format!("{stem}.pem"))?;
            reached()?;
        }
        Ok(())
    }

    /// Finishes or undoes an interrupted [`Files::install`].
    pub(super) fn settle(&self, stem: &str, reached: Reached<'_>) -> Result<(), KeyError> {
        let (part, pem) = (format!("{stem}.pem.part"), format!("{stem}.pem"));
        if !self.has(&part) {
            return Ok(());
        }
        if self.has(&format!("{stem}.vkey")) && !self.has(&pem) {
            self.rename(&part, &pem)?;
            return reached();
        }
        self.destroy(&part, reached)
    }

    /// The private key of a pair.
    pub(super) fn private(
        &self,
        stem: &str,
        passphrase: Option<&Passphrase>,
        verifier: &VerifierKey,
    ) -> Result<SigningKey, KeyError> {
        let path = self.path(&format!("{stem}.pem"));
        let name = || path.display().to_string();
        let document =
            sealed::open(&path, passphrase)?.ok_or_else(|| KeyError::External(name()))?;
        let key = SigningKey::from_pkcs8_der(document.as_bytes())
            .map_err(|_| KeyError::NotAPrivateKey(name()))?;
        if verifier.public_key() == &key.verifying_key() {
            Ok(key)
        } else {
            Err(KeyError::Mismatch(name()))
        }
    }
}

/// The whole text of a file, which is refused when it is longer than `most` bytes.
pub(super) fn read_bounded(path: &Path, most: u64) -> io::Result<String> {
    use io::Read;
    let mut text = String::new();
    fs::File::open(path)?
        .take(most + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > most {
        return Err(durable::invalid("too long"));
    }
    Ok(text)
}

/// A fresh key.
pub(super) fn generate() -> Result<SigningKey, KeyError> {
    let mut seed = Zeroizing::new([0u8; 32]);
    getrandom::fill(seed.as_mut()).map_err(|_| KeyError::Randomness)?;
    Ok(SigningKey::from_bytes(&seed))
}

/// The private key as PKCS#8 in PEM.
pub(super) fn pem(
    key: &SigningKey,
    passphrase: Option<&Passphrase>,
) -> Result<Zeroizing<String>, KeyError> {
    // Without the public half, which OpenSSL 3.0 does not read.
    let bytes = KeypairBytes {
        secret_key: key.to_bytes(),
        public_key: None,
    };
    let der = bytes.to_pkcs8_der().map_err(|_| KeyError::Sealing)?;
    sealed::seal(der.as_bytes(), passphrase)
}

/// Whether `dir` has a verifier key or a private key, so that [`load`] and not [`init`] is next.
pub fn exist(dir: &Path) -> bool {
    let files = Files::new(dir);
    files.has("ledger.vkey") || files.has("ledger.pem")
}

/// Makes a new key pair under `dir/keys`: `ledger.pem` (PKCS#8, mode 0600; encrypted when there is
/// a passphrase) and `ledger.vkey`. Both files are durable when this returns; after a crash
/// [`recover`](super::recover) finishes or undoes it.
///
/// # Errors
/// [`KeyError::Exists`] when either file is there; otherwise when a file cannot be written.
pub fn init(
    dir: &Path,
    origin: &str,
    passphrase: Option<&Passphrase>,
) -> Result<(SigningKey, VerifierKey), KeyError> {
    init_reaching(dir, origin, passphrase, &mut || Ok(()))
}

pub(super) fn init_reaching(
    dir: &Path,
    origin: &str,
    passphrase: Option<&Passphrase>,
    reached: Reached<'_>,
) -> Result<(SigningKey, VerifierKey), KeyError> {
    let key = generate()?;
    let verifier = VerifierKey::new(origin, key.verifying_key())?;
    let pem = pem(&key, passphrase)?;
    let files = Files::new(dir);
    let _held = files.hold()?;
    files.begin("ledger")?;
    files.install("ledger", Some(&pem), &verifier.to_string(), reached)?;
    Ok((key, verifier))
}

/// Records the public half of a key that lives elsewhere, as in an HSM: writes `ledger.vkey` alone.
///
/// # Errors
/// As [`init`].
pub fn init_from(dir: &Path, origin: &str, key: VerifyingKey) -> Result<VerifierKey, KeyError> {
    let verifier = VerifierKey::new(origin, key)?;
    let files = Files::new(dir);
    let _held = files.hold()?;
    files.begin("ledger")?;
    files.install("ledger", None, &verifier.to_string(), &mut || Ok(()))?;
    Ok(verifier)
}

/// The verifier key of `dir`, read from `ledger.vkey` alone.
///
/// # Errors
/// [`KeyError::Io`] or [`KeyError::Verifier`].
pub fn verifier(dir: &Path) -> Result<VerifierKey, KeyError> {
    let files = Files::new(dir);
    let missing = || io_error(&files.path("ledger.vkey"), io::ErrorKind::NotFound.into());
    files.vkey("ledger.vkey")?.ok_or_else(missing)?.parse()
}

/// Reads the key pair of `dir/keys` and checks that both files belong together.
///
/// # Errors
/// When a file is missing, malformed, open to others or encrypted under another passphrase, when
/// the two do not match, and [`KeyError::Interrupted`] when [`recover`](super::recover) comes
/// first. [`KeyError::External`] when there is a verifier key alone.
pub fn load(
    dir: &Path,
    passphrase: Option<&Passphrase>,
) -> Result<(SigningKey, VerifierKey), KeyError> {
    let files = Files::new(dir);
    super::rotate::refuse_interrupted(&files)?;
    let verifier = verifier(dir)?;
    let key = files.private("ledger", passphrase, &verifier)?;
    Ok((key, verifier))
}

/// Encrypts the private key of `dir` under another passphrase, or under none. A crash leaves the
/// old file or the new one.
///
/// # Errors
/// As [`load`]; otherwise when a file cannot be written.
pub fn change_passphrase(
    dir: &Path,
    old: Option<&Passphrase>,
    new: Option<&Passphrase>,
) -> Result<(), KeyError> {
    let files = Files::new(dir);
    let _held = files.hold()?;
    let (key, _) = load(dir, old)?;
    files.write_private("ledger.pem.part", &pem(&key, new)?)?;
    // A crash before the rename leaves both; recovery destroys the new one. The old file's blocks
    // are not overwritten, for the name must never be missing.
    files.rename("ledger.pem.part", "ledger.pem")
}
