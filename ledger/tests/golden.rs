//! The bytes that strangers' verifiers depend on, and the worked example of the specification.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use countersign_ledger::{
    Checkpoint, Note, SigningKey, VerifierKey,
    entry::{self, Link},
    merkle::leaf_hash,
};
use serde_json::json;

const ENTRY: &[u8] = include_bytes!("golden/entry.json");
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
