use ed25519_dalek::SigningKey;
use serde_json::{Map, Value, json};

use super::*;

fn signer() -> (SigningKey, VerifierKey) {
    let key = SigningKey::from_bytes(&[7; 32]);
    let name = VerifierKey::new("example.com/log", key.verifying_key()).unwrap();
    (key, name)
}

fn link() -> Link {
    let chain_uid = "01890a5d-ac96-774b-bcce-b302099a8057".to_owned();
    Link {
        chain_uid,
        seq: 3,
        prev: [0xab; 32],
    }
}

fn sealed(value: Value) -> Result<Vec<u8>, EntryError> {
    let (key, name) = signer();
    let Value::Object(members) = value else {
        panic!("an object is needed")
    };
    seal(&members, &link(), &name, &key)
}

#[test]
fn a_sealed_entry_opens_with_its_link() {
    let bytes = sealed(json!({"id": "a", "n": -5, "deep": {"z": [true, null], "a": "\u{e9}"}}));
    assert_eq!(open(&bytes.unwrap(), &signer().1).unwrap().link, link());
}

#[test]
fn every_changed_byte_is_noticed() {
    let bytes = sealed(json!({"id": "a", "text": "some words"})).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(open(&changed, &signer().1).is_err(), "byte {at}");
    }
}

#[test]
fn floats_large_integers_and_reserved_members_are_refused() {
    assert_eq!(sealed(json!({"x": [1.5]})), Err(EntryError::Number));
    assert_eq!(
        sealed(json!({"x": 9_007_199_254_740_992_u64})),
        Err(EntryError::Number)
    );
    for name in RESERVED {
        let mut members = Map::new();
        members.insert(name.to_owned(), Value::Null);
        assert_eq!(
            sealed(Value::Object(members)),
            Err(EntryError::Reserved(name))
        );
    }
}

#[test]
fn the_longest_entry_is_65535_bytes() {
    let overhead = sealed(json!({"x": ""})).unwrap().len();
    let fits = sealed(json!({"x": "a".repeat(MAX_ENTRY - overhead)})).unwrap();
    assert_eq!(fits.len(), MAX_ENTRY);
    let long = sealed(json!({"x": "a".repeat(MAX_ENTRY - overhead + 1)}));
    assert_eq!(long, Err(EntryError::TooLarge(MAX_ENTRY + 1)));
}

#[test]
fn other_spellings_of_the_same_object_are_refused() {
    let bytes = sealed(json!({"id": "a"})).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    for other in [
        text.replacen('{', "{ ", 1),
        text.replacen("\"id\":\"a\"", "\"id\":\"\\u0061\"", 1),
        text.replacen("\"id\":\"a\"", "\"id\":\"a\",\"id\":\"a\"", 1),
        format!("{text}\n"),
    ] {
        let refused = parse(other.as_bytes()).unwrap_err();
        assert_eq!(refused, EntryError::NotCanonical, "{other}");
    }
}

#[test]
fn an_entry_of_another_key_names_that_key() {
    let key = SigningKey::from_bytes(&[8; 32]);
    let name = VerifierKey::new("example.com/log", key.verifying_key()).unwrap();
    let bytes = seal(&Map::new(), &link(), &name, &key).unwrap();
    let error = open(&bytes, &signer().1).unwrap_err();
    assert!(matches!(error, EntryError::Authority { key, .. } if key == name.id_hex()));
}

#[test]
fn an_entry_is_what_parsing_and_printing_canonically_make_it() {
    let bytes = sealed(json!({"A": 1, "b": "x", "cz": null, "m": [], "r": {}, "z": "\u{e9}"}));
    let bytes = bytes.unwrap();
    let map: Map<String, Value> = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(serde_json_canonicalizer::to_vec(&map).unwrap(), bytes);
    assert_eq!(
        sealed(json!({})).map(|bytes| parse(&bytes).is_ok()),
        Ok(true)
    );
}

#[test]
fn members_may_come_in_any_order() {
    let (key, name) = signer();
    let sorted = json!({"": 0, "A": 1, "b": 2, "cz": 3, "m": 4, "r": 5, "z": 6, "\u{1f600}": 7, "\u{ffff}": 8});
    let Value::Object(sorted) = sorted else {
        unreachable!("the literal is an object")
    };
    let backwards: Map<String, Value> = sorted.clone().into_iter().rev().collect();
    let event = Event::PrunedBefore(1);
    for members in [sorted, backwards] {
        let bytes = seal(&members, &link(), &name, &key).unwrap();
        assert_eq!(open(&bytes, &name).unwrap().event, None);
        let draft = Draft::with_event(members, &event).unwrap();
        let bytes = draft.link(&link(), &name).unwrap().sign(&key).unwrap();
        assert_eq!(open(&bytes, &name).unwrap().event, Some(event.clone()));
    }
}

#[test]
fn the_next_link_is_the_hash_of_what_was_signed() {
    let bytes = sealed(json!({"id": "a"})).unwrap();
    let mut map: Map<String, Value> = serde_json::from_slice(&bytes).unwrap();
    let attestation = map.get_mut("attestation").unwrap().as_object_mut().unwrap();
    attestation.remove("signatures").unwrap();
    let message = [DOMAIN, &serde_json_canonicalizer::to_vec(&map).unwrap()].concat();
    let expected: Hash = <sha2::Sha256 as sha2::Digest>::digest(&message).into();
    assert_eq!(parse(&bytes).unwrap().next().prev, expected);
}

#[test]
fn what_the_ledger_says_itself_is_read_back() {
    let (key, name) = signer();
    for event in [Event::Handover("a\nb".to_owned()), Event::PrunedBefore(512)] {
        let draft = Draft::with_event(Map::new(), &event).unwrap();
        let bytes = draft.link(&link(), &name).unwrap().sign(&key).unwrap();
        assert_eq!(open(&bytes, &name).unwrap().event, Some(event));
    }
}
