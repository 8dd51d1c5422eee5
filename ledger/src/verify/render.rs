//! A verification as text for people and as JSON for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::{keys::VerifierKey, verify::Verification};

/// The verification as one JSON object.
pub fn to_json(found: &Verification) -> Value {
    let faults: Vec<Value> = found
        .faults
        .iter()
        .map(|f| json!({ "kind": f.kind.name(), "place": f.place, "detail": f.detail }))
        .collect();
    let chains: Vec<Value> = found
        .chains
        .iter()
        .map(|chain| {
            json!({
                "chain_uid": chain.uid,
                "first_seq": chain.first_seq,
                "last_seq": chain.last_seq,
                "head": hex::encode(chain.head),
            })
        })
        .collect();
    let keys: Vec<Value> = spans(found)
        .map(|(key, from, to)| json!({ "key": key.to_string(), "from": from, "to": to }))
        .collect();
    let checkpoint = found.checkpoint.as_ref().map(|checkpoint| {
        json!({
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "root": hex::encode(checkpoint.root),
        })
    });
    json!({
        "clean": found.is_clean(),
        "faults": faults,
        "omitted": found.omitted,
        "entries": found.entries,
        "pending": found.pending,
        "pruned": found.pruned,
        "files": found.files,
        "bytes": found.bytes,
        "key": found.key.as_ref().map(ToString::to_string),
        "keys": keys,
        "checkpoint": checkpoint,
        "chains": chains,
        "notes": found.notes,
    })
}

/// The keys that handovers join to the trusted one, each with the first and the last entry that it
/// attests; the newest key's last entry is open.
fn spans(found: &Verification) -> impl Iterator<Item = (&VerifierKey, u64, Option<u64>)> {
    found.ring.iter().flat_map(|ring| {
        ring.keys().iter().filter_map(|key| {
            let (from, to) = ring.in_force(&key.id())?;
            Some((key, from, to))
        })
    })
}

/// The verification as lines of text; the verdict comes first.
pub fn to_text(found: &Verification) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = render(found, &mut text);
    text
}

fn render(found: &Verification, text: &mut String) -> std::fmt::Result {
    if let Some(first) = found.faults.first() {
        writeln!(
            text,
            "FAULT: {} at {}: {}",
            first.kind, first.place, first.detail
        )?;
        for fault in &found.faults[1..] {
            writeln!(
                text,
                "  also: {} at {}: {}",
                fault.kind, fault.place, fault.detail
            )?;
        }
        if found.omitted > 0 {
            writeln!(text, "  and {} more", found.omitted)?;
        }
    } else {
        writeln!(text, "CLEAN: every byte follows from signed entries")?;
    }
    if let Some(checkpoint) = &found.checkpoint {
        writeln!(text, "origin   {}", checkpoint.origin)?;
        writeln!(text, "size     {}", checkpoint.size)?;
        writeln!(text, "root     {}", hex::encode(checkpoint.root))?;
    }
    let (entries, pending) = (found.entries, found.pending);
    write!(text, "entries  {entries} published, {pending} pending")?;
    match found.pruned {
        0 => writeln!(text)?,
        pruned => writeln!(text, ", {pruned} pruned")?,
    }
    writeln!(
        text,
        "read     {} files, {} bytes",
        found.files, found.bytes
    )?;
    // With one key there is nothing to tell that the reader has not brought along.
    if spans(found).nth(1).is_some() {
        for (key, from, to) in spans(found) {
            match to {
                Some(to) => writeln!(text, "key      {key} entries {from} to {to}")?,
                None => writeln!(text, "key      {key} entries {from} onwards")?,
            }
        }
    }
    for chain in &found.chains {
        let (first, last) = (chain.first_seq, chain.last_seq);
        let head = hex::encode(chain.head);
        writeln!(
            text,
            "chain    {} seq {first} to {last}, head {head}",
            chain.uid
        )?;
    }
    found
        .notes
        .iter()
        .try_for_each(|note| writeln!(text, "note     {note}"))
}
