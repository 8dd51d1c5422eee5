//! Rotation of a data directory's key, safe against a crash between any two steps.
//!
//! 1. [`prepare_next`] makes `next.pem` and `next.vkey`.
//! 2. The ledger's owner makes a [`Handover`], appends it as an entry attested by the old key and
//!    publishes a checkpoint by the new one.
//! 3. [`promote_next`] keeps `retired/<id>.vkey` and `retired/<id>.handover`, destroys the old
//!    private key and makes the next pair the current one.
//!
//! The file `retired/<id of ledger.vkey>.handover` is the commit of the last step: while it is
//! there and `ledger.vkey` still names that key, the promotion is to be finished. The old private
//! key steps aside before `ledger.vkey` changes and the new one takes its place afterwards, so
//! `ledger.pem` always belongs to `ledger.vkey` or is missing.

use std::{fs, io, path::Path};

use ed25519_dalek::{SigningKey, VerifyingKey};

use super::{
    Handover, KeyError, KeyRing, Passphrase, VerifierKey, files,
    files::{Files, Reached, read_bounded},
    handover, io_error, ring,
};

/// The old private key on its way out.
const OLD: &str = "old.pem";
/// The pairs of key files.
const STEMS: [&str; 3] = ["ledger", "next", super::mldsa::STEM];

fn retired(id: &str, what: &str) -> String {
    format!("retired/{id}.{what}")
}

/// The parsed key of a file that may be missing.
fn parsed(files: &Files, name: &str) -> Result<Option<VerifierKey>, KeyError> {
    files.vkey(name)?.map(|text| text.parse()).transpose()
}

fn current(files: &Files) -> Result<VerifierKey, KeyError> {
    let missing = || io_error(&files.path("ledger.vkey"), io::ErrorKind::NotFound.into());
    parsed(files, "ledger.vkey")?.ok_or_else(missing)
}

/// Refuses while something half done lies about.
pub(super) fn refuse_interrupted(files: &Files) -> Result<(), KeyError> {
    let left = |name: &str| {
        Err(KeyError::Interrupted(
            files.path(name).display().to_string(),
        ))
    };
    for stem in STEMS {
        let part = format!("{stem}.pem.part");
        if files.has(&part) {
            return left(&part);
        }
    }
    if files.has(OLD) {
        return left(OLD);
    }
    if files.has("next.pem") && !files.has("next.vkey") {
        return left("next.pem");
    }
    match parsed(files, "ledger.vkey")? {
        Some(key) if files.has(&retired(&key.id_hex(), "handover")) => {
            left(&retired(&key.id_hex(), "handover"))
        }
        _ => Ok(()),
    }
}

/// Finishes or undoes what a crash interrupted, and does nothing otherwise. Needs no passphrase.
/// Call it before [`load`](super::load).
///
/// # Errors
/// [`KeyError::Busy`] when another process is at it; otherwise when a file cannot be written.
pub fn recover(dir: &Path) -> Result<(), KeyError> {
    let files = Files::new(dir);
    if !files.path("").is_dir() {
        return Ok(());
    }
    let _held = files.hold()?;
    settle(&files, &mut || Ok(()))
}

fn settle(files: &Files, reached: Reached<'_>) -> Result<(), KeyError> {
    for stem in STEMS {
        files.settle(stem, reached)?;
    }
    let Some(key) = parsed(files, "ledger.vkey")? else {
        return Ok(());
    };
    if files.has(&retired(&key.id_hex(), "handover")) {
        // A crash before this changed nothing but the record of what is to be done.
        if files.has("ledger.pem") {
            files.rename("ledger.pem", OLD)?;
            reached()?;
        }
        // A crash before this leaves no `ledger.pem`: nothing is signed until it is finished.
        files.rename("next.vkey", "ledger.vkey")?;
        reached()?;
    }
    if files.has("next.pem") && !files.has("next.vkey") {
        if files.has("ledger.pem") {
            let stray = files.path("next.pem").display().to_string();
            return Err(KeyError::Interrupted(stray));
        }
        files.rename("next.pem", "ledger.pem")?;
        reached()?;
    }
    // The old key lives until the new one is whole.
    files.destroy(OLD, reached)
}

/// The next key, if one was prepared.
///
/// # Errors
/// [`KeyError::Interrupted`] when [`recover`] comes first; otherwise when a file is malformed.
pub fn pending_next(dir: &Path) -> Result<Option<VerifierKey>, KeyError> {
    let files = Files::new(dir);
    refuse_interrupted(&files)?;
    parsed(&files, "next.vkey")
}

/// Reads the next key pair.
///
/// # Errors
/// [`KeyError::NoNext`] when none was prepared; otherwise as [`load`](super::load).
pub fn load_next(
    dir: &Path,
    passphrase: Option<&Passphrase>,
) -> Result<(SigningKey, VerifierKey), KeyError> {
    let verifier = pending_next(dir)?.ok_or(KeyError::NoNext)?;
    let key = Files::new(dir).private("next", passphrase, &verifier)?;
    Ok((key, verifier))
}

/// Makes the next key pair, or reads the one that was made before. Both files are durable when
/// this returns. The name is that of the current key.
///
/// # Errors
/// As [`load_next`]; otherwise when a file cannot be written.
pub fn prepare_next(
    dir: &Path,
    passphrase: Option<&Passphrase>,
) -> Result<(SigningKey, VerifierKey), KeyError> {
    prepare_reaching(dir, passphrase, &mut || Ok(()))
}

pub(super) fn prepare_reaching(
    dir: &Path,
    passphrase: Option<&Passphrase>,
    reached: Reached<'_>,
) -> Result<(SigningKey, VerifierKey), KeyError> {
    let files = Files::new(dir);
    let _held = files.hold()?;
    settle(&files, reached)?;
    if files.has("next.vkey") {
        return load_next(dir, passphrase);
    }
    let key = files::generate()?;
    let verifier = VerifierKey::new(current(&files)?.name(), key.verifying_key())?;
    refuse_used(&files, &verifier)?;
    let pem = files::pem(&key, passphrase)?;
    files.install("next", Some(&pem), &verifier.to_string(), reached)?;
    Ok((key, verifier))
}

/// Records the next key when it lives elsewhere, as in an HSM. The same key again changes nothing.
///
/// # Errors
/// [`KeyError::Exists`] when another next key is prepared, [`KeyError::Used`] when the key was
/// used before; otherwise when a file cannot be written.
pub fn prepare_next_from(dir: &Path, key: VerifyingKey) -> Result<VerifierKey, KeyError> {
    let files = Files::new(dir);
    let _held = files.hold()?;
    settle(&files, &mut || Ok(()))?;
    let verifier = VerifierKey::new(current(&files)?.name(), key)?;
    match parsed(&files, "next.vkey")? {
        Some(found) if found == verifier && !files.has("next.pem") => Ok(verifier),
        Some(_) => Err(KeyError::Exists(
            files.path("next.vkey").display().to_string(),
        )),
        None => {
            refuse_used(&files, &verifier)?;
            files.install("next", None, &verifier.to_string(), &mut || Ok(()))?;
            Ok(verifier)
        }
    }
}

fn refuse_used(files: &Files, next: &VerifierKey) -> Result<(), KeyError> {
    let id = next.id_hex();
    if current(files)?.id() == next.id() || files.has(&retired(&id, "vkey")) {
        return Err(KeyError::Used(id));
    }
    Ok(())
}

/// Gives up a prepared next key, of which no handover was written. Without one it does nothing.
///
/// # Errors
/// When a file cannot be changed.
pub fn discard_next(dir: &Path) -> Result<(), KeyError> {
    discard_reaching(dir, &mut || Ok(()))
}

pub(super) fn discard_reaching(dir: &Path, reached: Reached<'_>) -> Result<(), KeyError> {
    let files = Files::new(dir);
    let _held = files.hold()?;
    settle(&files, reached)?;
    if !files.has("next.vkey") {
        return Ok(());
    }
    if files.has("next.pem") {
        // A crash before the next step: recovery brings the pair back.
        files.rename("next.pem", "next.pem.part")?;
        reached()?;
    }
    files.remove("next.vkey")?;
    // A crash before the next step: recovery destroys what is left.
    reached()?;
    files.destroy("next.pem.part", reached)
}

/// Makes the next key the current one, keeps the old verifier key with the handover and destroys
/// the old private key. Call it when the entry that carries `handover` is durable and published.
/// Done once, it does nothing more. After a crash it is finished by [`recover`], or by calling it
/// again.
///
/// # Errors
/// [`KeyError::WrongHandover`] when the handover does not lead from the current key to the next;
/// otherwise when a file cannot be written.
pub fn promote_next(dir: &Path, handover: &Handover) -> Result<(), KeyError> {
    promote_reaching(dir, handover, &mut || Ok(()))
}

pub(super) fn promote_reaching(
    dir: &Path,
    handover: &Handover,
    reached: Reached<'_>,
) -> Result<(), KeyError> {
    let files = Files::new(dir);
    let _held = files.hold()?;
    settle(&files, reached)?;
    let current = current(&files)?;
    if &current == handover.new_key() {
        return Ok(());
    }
    let next = parsed(&files, "next.vkey")?.ok_or(KeyError::NoNext)?;
    if &current != handover.old_key() || &next != handover.new_key() {
        return Err(KeyError::WrongHandover);
    }
    let id = current.id_hex();
    files.publish(&retired(&id, "vkey"), &format!("{current}\n"))?;
    // A crash before the next step: the old key is still the current one.
    reached()?;
    files.publish(&retired(&id, "handover"), &handover.to_string())?;
    // From here on there is no way back.
    reached()?;
    settle(&files, reached)
}

/// The current key and those before it, from `ledger.vkey` and the handovers that were kept. Every
/// handover is verified; trust in the whole is trust in `ledger.vkey`.
///
/// # Errors
/// When a file is missing or malformed, or the handovers form no chain.
pub fn load_ring(dir: &Path) -> Result<KeyRing, KeyError> {
    let files = Files::new(dir);
    let mut ring = KeyRing::trusting(current(&files)?);
    ring.learn_all(&kept(&files)?)?;
    Ok(ring)
}

fn kept(files: &Files) -> Result<Vec<Handover>, KeyError> {
    let folder = files.path("retired");
    let mut found = Vec::new();
    let listing = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        other => other.map_err(|e| io_error(&folder, e))?,
    };
    for item in listing {
        let path = item.map_err(|e| io_error(&folder, e))?.path();
        if path.extension().is_none_or(|end| end != "handover") {
            continue;
        }
        if found.len() == ring::MAX_HANDOVERS {
            return Err(KeyError::Ring(super::RingError::Full));
        }
        let text =
            read_bounded(&path, handover::MAX_STATEMENT as u64).map_err(|e| io_error(&path, e))?;
        found.push(Handover::parse(&text).map_err(|source| KeyError::Handover {
            path: path.display().to_string(),
            source,
        })?);
    }
    Ok(found)
}
