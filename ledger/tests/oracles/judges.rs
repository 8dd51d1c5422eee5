//! One ledger before three verifiers.

use std::{fs, path::Path, process::Command};

use countersign_ledger::{
    VerifierKey,
    verify::{self, Verifier},
};

use crate::equipment::Equipment;

/// What a verifier says: nothing, or the faults that it sees.
pub(crate) type Verdict = Result<(), String>;

/// Our own verifier.
pub(crate) fn ours(target: &Path, key: &VerifierKey, since: Option<&Path>) -> Verdict {
    let mut verifier = Verifier::new(key);
    if let Some(since) = since {
        let note = fs::read_to_string(since).unwrap();
        let asked = verifier.since_note("--since", &note);
        verifier = asked.map_err(|e| e.to_string())?;
    }
    let found = verifier.verify(target).map_err(|e| e.to_string())?;
    if found.is_clean() {
        Ok(())
    } else {
        Err(verify::to_text(&found))
    }
}

/// The Python script. It tells a fault from a directory that it cannot read.
pub(crate) fn python(
    with: &Equipment,
    target: &Path,
    key: &VerifierKey,
    since: Option<&Path>,
) -> Verdict {
    let mut command = with.python();
    command.arg(target).arg("--key").arg(key.to_string());
    if let Some(since) = since {
        command.arg("--since").arg(since);
    }
    run(&mut command)
}

/// The Go program; it reads tile directories alone.
pub(crate) fn go(
    with: &Equipment,
    tiles: &Path,
    key: &VerifierKey,
    since: Option<&Path>,
) -> Verdict {
    let mut command = with.go();
    command.arg(tiles).arg("-key").arg(key.to_string());
    if let Some(since) = since {
        command.arg("-since").arg(since);
    }
    run(&mut command)
}

/// Ours and Python, which know what entries say; both must agree.
pub(crate) fn readers(
    with: &Equipment,
    target: &Path,
    key: &VerifierKey,
    since: Option<&Path>,
) -> Verdict {
    let ours = ours(target, key, since);
    let python = python(with, target, key, since);
    let agreed = ours.is_ok() == python.is_ok();
    assert!(agreed, "ours says {ours:?}, Python says {python:?}");
    python
}

/// Runs a verifier whose exit code is 0 or 1; anything else is a broken verifier, not a verdict.
pub(crate) fn run(command: &mut Command) -> Verdict {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let code = output.status.code();
    let broken = said.contains("Traceback") || said.contains("panic:");
    let judged = matches!(code, Some(0 | 1)) && !broken;
    assert!(judged, "{command:?} ended with {code:?}: {said}");
    if code == Some(0) { Ok(()) } else { Err(said) }
}
