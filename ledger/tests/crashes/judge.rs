//! Whether a ledger kept what it promised.

use std::collections::BTreeSet;

use countersign_ledger::{
    Checkpoint, Note, ReadError, VerifierKey,
    entry::{self, Event, Link},
    keys::Handover,
    merkle::{Hash, leaf_hash, range_root},
    receipt,
    verify::verify,
};
use serde_json::Value;

use crate::{machine::Files, script::Run};

/// A folder in memory where the machine has that: thousands of copies are made.
fn folder() -> std::io::Result<tempfile::TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())
}

/// Asks the verifier about what lies on the machine.
pub(crate) fn verified(run: &Run) -> Result<(), String> {
    let inside = run.machine.inside();
    let files = &inside.files;
    let root = &run.machine.root;
    // A verifier has nothing to hold on to before the first publication, and does not follow events.
    if run.events || files.node(&root.join("ledger/checkpoint")).is_none() {
        return Ok(());
    }
    let copy = folder().map_err(|error| error.to_string())?;
    files.dump(root, copy.path());
    drop(inside);
    let keys = copy.path().join("keys");
    std::fs::create_dir(&keys).unwrap();
    std::fs::write(keys.join("ledger.vkey"), format!("{}\n", run.name(0))).unwrap();
    let found = verify(copy.path(), &run.name(0), None).map_err(|error| error.to_string())?;
    match found.faults.first() {
        None => Ok(()),
        Some(fault) => Err(format!("the verifier calls a crash tampering: {fault:?}")),
    }
}

/// Asks the open ledger for everything from `from` on, and compares it with what was promised.
pub(crate) async fn kept(run: &Run, from: u64) -> Result<(), String> {
    let entries = entries(run, from)?;
    let leaves = leaves(run, from, &entries)?;
    continuous(run, &entries)?;
    one_history(run, &leaves)?;
    guarded(run)?;
    found(run).await?;
    receipts(run)
}

fn entries(run: &Run, from: u64) -> Result<Vec<(u64, Vec<u8>)>, String> {
    let size = run.ledger().head().size;
    let mut entries = Vec::new();
    for index in from..size {
        match run.ledger().read(index).map_err(|e| e.to_string())? {
            Some(bytes) => entries.push((index, bytes)),
            None if index < run.pruned => {}
            None => return Err(format!("entry {index} of {size} is gone")),
        }
    }
    Ok(entries)
}

/// The leaf of every entry; those before `from` as they were promised.
fn leaves(run: &Run, from: u64, entries: &[(u64, Vec<u8>)]) -> Result<Vec<Hash>, String> {
    let size = run.ledger().head().size;
    let mut leaves: Vec<Option<Hash>> = vec![None; size as usize];
    for (index, bytes) in entries {
        leaves[*index as usize] = Some(leaf_hash(bytes));
    }
    for (index, promised) in run.promised() {
        match leaves.get_mut(index as usize) {
            None => return Err(format!("entry {index} was acknowledged and is gone")),
            Some(Some(found)) if *found != promised => {
                return Err(format!("entry {index} is another than was acknowledged"));
            }
            Some(slot) => *slot = Some(promised),
        }
    }
    let leaves = (0..).zip(leaves).map(|(index, leaf)| {
        leaf.or_else(|| left_of_pruned(run, index))
            .ok_or_else(|| format!("entry {index} is not there to be hashed, from {from}"))
    });
    leaves.collect()
}

/// The hash in a full tile, of an entry that was never acknowledged and is pruned. Whether it is
/// right shows in the roots.
fn left_of_pruned(run: &Run, index: u64) -> Option<Hash> {
    let inside = run.machine.inside();
    let name = format!("ledger/tile/0/{:03}", index / 256);
    let file = inside.files.file(&run.machine.root.join(name)).ok()??;
    let (hashes, _) = inside.files.content(file).as_chunks::<32>();
    hashes.get((index % 256) as usize).copied()
}

/// One chain without gaps, each entry signed by the key whose turn it is, no identifier twice.
fn continuous(run: &Run, entries: &[(u64, Vec<u8>)]) -> Result<(), String> {
    let mut expected: Option<Link> = None;
    let mut key: Option<VerifierKey> = None;
    let mut ids = BTreeSet::new();
    for (index, bytes) in entries {
        let reading = entry::parse(bytes).map_err(|error| format!("entry {index}: {error}"))?;
        let by = (0..run.keys.len())
            .map(|number| run.name(number))
            .find(|name| reading.key_uid() == Some(&name.id_hex()))
            .ok_or_else(|| format!("entry {index} is by an unknown key"))?;
        // The same bytes have the same signature.
        if run.verified.lock().unwrap().insert(leaf_hash(bytes)) {
            entry::open(bytes, &by).map_err(|error| format!("entry {index}: {error}"))?;
        }
        if key.is_some_and(|key| key != by) {
            return Err(format!("entry {index} is not by the key whose turn it is"));
        }
        let wrong = match &expected {
            Some(expected) => reading.link != *expected,
            None => reading.link.seq != *index || (*index == 0 && reading.link.prev != [0; 32]),
        };
        if wrong {
            return Err(format!("entry {index} does not continue the chain"));
        }
        expected = Some(reading.next());
        key = Some(match &reading.event {
            Some(Event::Handover(text)) => {
                let handover = Handover::parse(text).map_err(|error| error.to_string())?;
                if handover.index() != *index {
                    return Err(format!("entry {index} carries another one's handover"));
                }
                handover.new_key().clone()
            }
            _ => by,
        });
        let members: Value = serde_json::from_slice(bytes).unwrap();
        if !ids.insert(members["id"].to_string()) {
            return Err(format!("entry {index} is there twice"));
        }
    }
    Ok(())
}

/// Every checkpoint that was ever signed is a head of this one tree.
fn one_history(run: &Run, leaves: &[Hash]) -> Result<(), String> {
    let mut signed = run.signed.lock().unwrap().clone();
    signed.sort_by_key(|checkpoint| (checkpoint.size, checkpoint.root));
    signed.dedup();
    for Checkpoint { size, root, .. } in signed {
        if size > leaves.len() as u64 {
            return Err(format!(
                "a checkpoint of {size} entries was signed that are gone"
            ));
        }
        let mut nodes = leaves;
        if range_root(&mut nodes, 0, size) != Ok(root) {
            return Err(format!(
                "the checkpoint of {size} entries is of another history"
            ));
        }
    }
    Ok(())
}

/// The checkpoint in a file of the machine.
fn head(files: &Files, run: &Run, name: &str) -> Option<Checkpoint> {
    let file = files.file(&run.machine.root.join(name)).ok()??;
    let text = std::str::from_utf8(files.content(file)).ok()?;
    Checkpoint::parse(Note::parse(text).ok()?.text()).ok()
}

/// Neither guard nor checkpoint is older than what somebody heard.
pub(crate) fn guarded(run: &Run) -> Result<(), String> {
    // All at one instant: the publisher is at work.
    let inside = run.machine.inside();
    let size = |name| head(&inside.files, run, name).map_or(0, |checkpoint| checkpoint.size);
    let mut names = vec!["guard/checkpoint", "ledger/checkpoint"];
    if run.second_guard {
        names.push("second/checkpoint");
    }
    for name in &names {
        if size(name) < run.shown {
            let (shown, size) = (run.shown, size(name));
            return Err(format!("{name} fell back from {shown} to {size} entries"));
        }
    }
    if size("guard/checkpoint") < size("ledger/checkpoint") {
        return Err("the guard is behind the checkpoint".to_owned());
    }
    Ok(())
}

async fn found(run: &Run) -> Result<(), String> {
    for known in run.acknowledged.iter().rev().step_by(5).take(4) {
        if known.place.index < run.pruned {
            continue;
        }
        let found = loop {
            match run.ledger().find("id", &known.id) {
                Err(ReadError::IndexBehind { .. }) => tokio::task::yield_now().await,
                other => break other.map_err(|error| error.to_string())?,
            }
        };
        if found != [known.place.index] {
            return Err(format!("{} is found at {found:?}", known.id));
        }
    }
    Ok(())
}

/// Receipts of entries by the key that signed the checkpoint verify; those of others need a ring.
fn receipts(run: &Run) -> Result<(), String> {
    let published = run.ledger().head().published.map_or(0, |info| info.size);
    let some = [0, published / 2, published.saturating_sub(1)];
    for index in BTreeSet::from(some) {
        if index < run.pruned || index >= published {
            continue;
        }
        let (entry, text) = (run.ledger().read(index), run.ledger().receipt(index));
        let (Ok(Some(entry)), Ok(Some(text))) = (entry, text) else {
            return Err(format!("entry {index} has no receipt"));
        };
        let (_, note) = text.split_once("\n\n").ok_or("a receipt without a note")?;
        let name = (0..run.keys.len())
            .map(|key| run.name(key))
            .find(|name| Checkpoint::open(note, name).is_ok())
            .ok_or("a receipt's checkpoint is by none of the keys")?;
        let reading = entry::parse(&entry).map_err(|error| error.to_string())?;
        if reading.key_uid() != Some(&name.id_hex()) {
            continue;
        }
        let included = receipt::verify(&text, &entry, &name);
        let included = included.map_err(|error| format!("receipt of {index}: {error}"))?;
        if included.index != index {
            return Err(format!("the receipt of {index} is of {}", included.index));
        }
    }
    Ok(())
}
