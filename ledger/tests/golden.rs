//! The bytes that strangers' verifiers depend on, and the worked example of the specification.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_ledger::{
    Checkpoint, Note, Signer, SigningKey, VerifierKey,
    entry::{self, Event, Link},
    merkle::leaf_hash,
};
use serde_json::json;

const ENTRY: &[u8] = include_bytes!("golden/entry.json");
const NEW_SEED: [u8; 32] = [8; 32];
const SPECIFICATION: &str = include_str!("../../docs/ledger-format.md");

fn signer() -> (SigningKey, VerifierKey) {
    let key = SigningKey::from_bytes(&[7; 32]);
    let name = VerifierKey::new("example.com/ledger", key.verifying_key()).unwrap();
    (key, name)
}

fn sealed() -> Vec<u8> {
    let (key, name) = signer();
    let members = json!({"id": "a1", "note": "caf\u{e9}", "count": 3});
    let chain_uid = "01890a5d-ac96-774b-bcce-b302099a8057".to_owned();
    let link = Link {
        chain_uid,
        seq: 0,
        prev: [0; 32],
    };
    entry::seal(members.as_object().unwrap(), &link, &name, &key).unwrap()
}

#[test]
fn a_sealed_entry_is_byte_for_byte_the_golden_one() {
    assert_eq!(
        String::from_utf8(sealed()).unwrap(),
        std::str::from_utf8(ENTRY).unwrap()
    );
}

#[test]
fn the_worked_example_of_the_specification_is_true() {
    let (key, name) = signer();
    let entry = sealed();
    let leaf = leaf_hash(&entry);
    let checkpoint = Checkpoint {
        origin: name.name().to_owned(),
        size: 1,
        root: leaf,
    };
    let note = Note::sign(checkpoint.to_string(), &name, &key)
        .unwrap()
        .to_string();
    let length = u32::try_from(entry.len()).unwrap();
    let index = 0u64.to_be_bytes();
    let sum = crc32c::crc32c(&[&length.to_be_bytes()[..], &index, &entry].concat());
    let frame = [&length.to_be_bytes()[..], &index, &sum.to_be_bytes()].concat();
    let bundle = u16::try_from(entry.len()).unwrap().to_be_bytes();
    for value in [
        hex::encode([7; 32]),
        hex::encode(key.verifying_key().as_bytes()),
        name.to_string(),
        String::from_utf8(entry.clone()).unwrap(),
        format!("{} bytes", entry.len()),
        hex::encode(leaf),
        note,
        hex::encode(frame),
        hex::encode(bundle),
    ] {
        assert!(
            SPECIFICATION.contains(&value),
            "the specification lacks:\n{value}"
        );
    }
}

/// A note under two signatures.
fn signed_by_both(text: &str, keys: [(&SigningKey, &VerifierKey); 2]) -> String {
    let notes = keys.map(|(key, name)| Note::sign(text.to_owned(), name, key).unwrap());
    let [first, second] = notes.map(|note| note.to_string());
    format!("{first}{}", second.rsplit_once("\n\n").unwrap().1)
}

#[test]
fn the_worked_handover_of_the_specification_is_true() {
    let (old, old_name) = signer();
    let new = SigningKey::from_bytes(&NEW_SEED);
    let new_name = VerifierKey::new("example.com/ledger", new.verifying_key()).unwrap();
    let text = format!("countersign/handover/v1\nexample.com/ledger\n{old_name}\n{new_name}\n1\n");
    let statement = signed_by_both(&text, [(&old, &old_name), (&new, &new_name)]);
    let prev = hex::encode(entry::parse(&sealed()).unwrap().next().prev);
    let mut carrier = json!({
        "attestation": {
            "algorithm": "Ed25519", "algorithm_id": 99, "authority_uid": "example.com/ledger",
            "key_uid": old_name.id_hex(), "serialization_id": 2,
        },
        "chain_uid": "01890a5d-ac96-774b-bcce-b302099a8057",
        "ledger": { "handover": statement },
        "prev": prev,
        "seq": 1,
    });
    let canonical = |value: &serde_json::Value| serde_json_canonicalizer::to_vec(value).unwrap();
    let message = [entry::DOMAIN, &canonical(&carrier)].concat();
    let signature = Signer::sign(&old, &message).unwrap().to_bytes();
    carrier["attestation"]["signatures"] = json!([STANDARD.encode(signature)]);
    let carrier = canonical(&carrier);
    let read = entry::open(&carrier, &old_name).unwrap();
    assert_eq!(read.event, Some(Event::Handover(statement.clone())));
    assert!(entry::open(&carrier, &new_name).is_err());
    for value in [
        hex::encode(NEW_SEED),
        new_name.to_string(),
        statement,
        prev,
        String::from_utf8(carrier.clone()).unwrap(),
        format!("{} bytes", carrier.len()),
        hex::encode(leaf_hash(&carrier)),
    ] {
        assert!(
            SPECIFICATION.contains(&value),
            "the specification lacks:\n{value}"
        );
    }
}
