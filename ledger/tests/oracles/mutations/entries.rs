//! Entries that their tree covers and that are wrong all the same. The thief has the key and signs
//! whatever the name does not exclude; only a reader of entries can tell.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{Mutation, Scene, unseen};
use crate::forge::{self, Hand};

/// The entry that is changed, and where it ends up.
const AT: usize = 263;
const PLACE: &str = "entry 263";

/// Signs a change, links everything behind it anew, and rewrites the ledger.
fn edit(scene: &Scene, change: impl FnOnce(&mut Value)) {
    scene.rewrite(&forge::edited(&scene.hand, &scene.entries, AT, change));
}

/// Replaces the bytes of the last entry, without signing or linking anything.
fn last(scene: &Scene, change: impl FnOnce(&mut Value)) {
    let mut entries = scene.entries.clone();
    let mut entry: Value = serde_json::from_slice(&entries[269]).unwrap();
    change(&mut entry);
    entries[269] = serde_json_canonicalizer::to_vec(&entry).unwrap();
    scene.rewrite(&entries);
}

/// Replaces the last entry by a text that means the same.
fn text(scene: &Scene, from: &str, to: &str) {
    let mut entries = scene.entries.clone();
    let whole = String::from_utf8(entries[269].clone()).unwrap();
    let changed = whole.replacen(from, to, 1);
    assert_ne!(whole, changed);
    entries[269] = changed.into_bytes();
    scene.rewrite(&entries);
}

/// The order of the group, little-endian: added to `s` it leaves the equation as it was.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

fn with_larger_s(signature: &Value) -> Value {
    let mut bytes = STANDARD.decode(signature.as_str().unwrap()).unwrap();
    let mut carry = 0;
    for (byte, add) in bytes[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = u8::try_from(sum & 0xff).unwrap();
        carry = sum >> 8;
    }
    STANDARD.encode(bytes).into()
}

pub(super) const CHANGES: &[Mutation] = &[
    unseen("a member changed", "entry 269", |s| {
        last(s, |e| e["n"] = 7.into());
    }),
    unseen("a member added", "entry 269", |s| {
        last(s, |e| e["more"] = 7.into());
    }),
    unseen("a signature of zeros", "entry 269", |s| {
        let zeros = STANDARD.encode([0; 64]);
        last(s, |e| e["attestation"]["signatures"] = json!([zeros]));
    }),
    unseen("the signature of the entry before", "entry 269", |s| {
        let before: Value = serde_json::from_slice(&s.entries[268]).unwrap();
        let signatures = before["attestation"]["signatures"].clone();
        last(s, |e| e["attestation"]["signatures"] = signatures);
    }),
    unseen("a signature whose s is not reduced", "entry 269", |s| {
        last(s, |e| {
            let signature = &mut e["attestation"]["signatures"][0];
            *signature = with_larger_s(signature);
        });
    }),
    unseen("a signature of 63 bytes", "entry 269", |s| {
        let short = STANDARD.encode([1; 63]);
        last(s, |e| e["attestation"]["signatures"] = json!([short]));
    }),
    unseen("another key", "entry 269", |s| {
        let stranger = Hand::new(9, s.hand.name.name());
        let mut entries = s.entries.clone();
        entries[269] = stranger.entry(269, Some(&entries[268]), &json!({}));
        s.rewrite(&entries);
    }),
    unseen("another key under the log's id", "entry 269", |s| {
        let mut stranger = Hand::new(9, s.hand.name.name());
        stranger.name = s.hand.name.clone();
        let mut entries = s.entries.clone();
        entries[269] = stranger.entry(269, Some(&entries[268]), &json!({}));
        s.rewrite(&entries);
    }),
    unseen("another authority", PLACE, |s| {
        edit(s, |e| {
            e["attestation"]["authority_uid"] = "example.com/other".into();
        });
    }),
    unseen("another key id", PLACE, |s| {
        edit(s, |e| e["attestation"]["key_uid"] = "00000000".into());
    }),
    unseen("a position left out", PLACE, |s| {
        edit(s, |e| e["seq"] = 264.into());
    }),
    unseen("a position twice", PLACE, |s| {
        edit(s, |e| e["seq"] = 262.into());
    }),
    unseen("another entry before", PLACE, |s| {
        let other = forge::link(&s.entries[AT - 2]);
        edit(s, |e| e["prev"] = other.into());
    }),
    unseen("a chain that begins in its middle", PLACE, |s| {
        edit(s, |e| {
            e["chain_uid"] = "01890a5d-ac96-774b-bcce-b302099a8058".into();
        });
    }),
    unseen("a chain that begins anew", PLACE, |s| {
        edit(s, |e| {
            e["seq"] = 0.into();
            e["prev"] = "0".repeat(64).into();
        });
    }),
    unseen("an entry removed from the middle", PLACE, |s| {
        let mut entries = s.entries.clone();
        entries.remove(AT);
        s.rewrite(&entries);
    }),
    unseen("two entries swapped", PLACE, |s| {
        let mut entries = s.entries.clone();
        entries.swap(AT, AT + 1);
        s.rewrite(&entries);
    }),
    unseen("an entry twice", "entry 264", |s| {
        let mut entries = s.entries.clone();
        entries.insert(AT, entries[AT].clone());
        s.rewrite(&entries);
    }),
];

pub(super) const FORMS: &[Mutation] = &[
    unseen("white space", "entry 269", |s| text(s, ",", ", ")),
    unseen("white space at the end", "entry 269", |s| {
        text(s, "]}", "]} ");
    }),
    unseen("members out of order", "entry 269", |s| {
        text(
            s,
            "\"exchange\":\"e\",\"id\":\"id-269\"",
            "\"id\":\"id-269\",\"exchange\":\"e\"",
        );
    }),
    unseen("an escape that is not needed", "entry 269", |s| {
        text(s, "\"exchange\":\"e\"", "\"exchange\":\"\\u0065\"");
    }),
    unseen("a member twice", "entry 269", |s| {
        text(
            s,
            "\"exchange\":\"e\"",
            "\"exchange\":\"e\",\"exchange\":\"e\"",
        );
    }),
    unseen("a number in another form", "entry 269", |s| {
        text(s, ":269", ":269.0");
    }),
    unseen("a number with an exponent", "entry 269", |s| {
        text(s, ":269", ":2.69e2");
    }),
    unseen("minus zero", "entry 269", |s| text(s, ":269", ":-0")),
    unseen("an array", "entry 269", |s| {
        let mut entries = s.entries.clone();
        entries[269] = b"[1]".to_vec();
        s.rewrite(&entries);
    }),
    unseen("bytes that are not UTF-8", "entry 269", |s| {
        let mut entries = s.entries.clone();
        let at = entries[269].len() - 160;
        entries[269][at] = 0xff;
        s.rewrite(&entries);
    }),
    unseen("no bytes", "entry 269", |s| {
        let mut entries = s.entries.clone();
        entries[269].clear();
        s.rewrite(&entries);
    }),
    unseen("a float, signed", PLACE, |s| {
        edit(s, |e| e["x"] = json!(0.5));
    }),
    unseen("an integer of 54 bits, signed", PLACE, |s| {
        edit(s, |e| e["x"] = json!(9_007_199_254_740_992_u64));
    }),
    unseen("65 levels, signed", PLACE, |s| {
        edit(s, |e| {
            e["x"] = (0..65).fold(json!([]), |inner, _| json!([inner]));
        });
    }),
    unseen("a chain that is no UUID, signed", PLACE, |s| {
        edit(s, |e| e["chain_uid"] = "chain".into());
    }),
    unseen("a UUID in capitals, signed", PLACE, |s| {
        edit(s, |e| {
            e["chain_uid"] = e["chain_uid"].as_str().unwrap().to_uppercase().into();
        });
    }),
    unseen("a position that is text, signed", PLACE, |s| {
        edit(s, |e| e["seq"] = "263".into());
    }),
    unseen("a position below zero, signed", PLACE, |s| {
        edit(s, |e| e["seq"] = json!(-1));
    }),
    unseen("a hash in capitals, signed", PLACE, |s| {
        edit(s, |e| {
            e["prev"] = e["prev"].as_str().unwrap().to_uppercase().into();
        });
    }),
    unseen("no link, signed", PLACE, |s| {
        edit(s, |e| drop(e.as_object_mut().unwrap().remove("prev")));
    }),
    unseen("another algorithm, signed", PLACE, |s| {
        edit(s, |e| e["attestation"]["algorithm_id"] = 98.into());
    }),
    unseen("another name of the algorithm, signed", PLACE, |s| {
        edit(s, |e| e["attestation"]["algorithm"] = "ed25519".into());
    }),
    unseen("another serialization, signed", PLACE, |s| {
        edit(s, |e| e["attestation"]["serialization_id"] = 1.into());
    }),
    unseen("a seventh member of the attestation, signed", PLACE, |s| {
        edit(s, |e| e["attestation"]["more"] = 1.into());
    }),
    unseen("two signatures", "entry 269", |s| {
        last(s, |e| {
            let one = e["attestation"]["signatures"][0].clone();
            e["attestation"]["signatures"] = json!([one, one]);
        });
    }),
    unseen("a signature with bits behind its end", "entry 269", |s| {
        text(s, "==\"]", "=A\"]");
    }),
    unseen("two sayings of the ledger, signed", PLACE, |s| {
        edit(s, |e| {
            e["ledger"] = json!({"pruned_before": 1, "handover": "x"});
        });
    }),
    unseen("an unknown saying of the ledger, signed", PLACE, |s| {
        edit(s, |e| e["ledger"] = json!({"more": 1}));
    }),
    unseen("a saying that is no object, signed", PLACE, |s| {
        edit(s, |e| e["ledger"] = 1.into());
    }),
    unseen("pruning before no index, signed", PLACE, |s| {
        edit(s, |e| e["ledger"] = json!({"pruned_before": -1}));
    }),
];
