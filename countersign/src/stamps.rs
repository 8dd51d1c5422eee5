//! The time stamps of a data directory. What was stamped is one more older checkpoint that the
//! ledger must extend.

use std::path::Path;

use countersign_ledger::verify::{Fault, FaultKind, Verification};
use countersign_ledger::{Checkpoint, Note, Verifier};
use countersign_ledger_timestamp::{Anchors, verify_all_with};

use crate::exit::{BAD_DATA, fail};

/// What the tokens say.
#[derive(Debug, Default)]
pub(crate) struct Stamped {
    notes: Vec<String>,
    faults: Vec<Fault>,
}

/// Checks every token under `data`, and has `verifier` demand what was stamped.
pub(crate) fn check(
    data: &Path,
    roots: &Path,
    mut verifier: Verifier,
) -> anyhow::Result<(Verifier, Stamped)> {
    let bad = |e: &dyn std::fmt::Display| fail(BAD_DATA, e.to_string());
    let roots = crate::ledger::read_roots(roots)?;
    // Who signed the note is for the verifier to say: it knows the keys of each time.
    let open = |note: &str| Checkpoint::parse(Note::parse(note)?.text());
    let mut stamped = Stamped::default();
    for checked in verify_all_with(data, &roots, open).map_err(|e| bad(&e))? {
        let place = format!("anchors/{}.tsr", checked.size);
        match checked.result {
            Ok((checkpoint, stamp)) => {
                let (size, time) = (checkpoint.size, stamp.time);
                let told = format!("{place}: the first {size} entries existed at {time}");
                stamped.notes.push(told);
                let anchor = Anchors::of(data).read(size).map_err(|e| bad(&e))?;
                let note = String::from_utf8_lossy(&anchor.note).into_owned();
                let place = format!("anchors/{size}.note");
                verifier = verifier.since_note(&place, &note).map_err(|e| bad(&e))?;
            }
            Err(error) => stamped.faults.push(Fault {
                kind: FaultKind::Timestamp,
                place,
                detail: error.to_string(),
            }),
        }
    }
    Ok((verifier, stamped))
}

impl Stamped {
    /// Adds what the tokens say to what was found.
    pub(crate) fn tell(self, found: &mut Verification) {
        found.notes.extend(self.notes);
        found.faults.extend(self.faults);
    }
}
