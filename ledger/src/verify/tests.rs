use std::fs;

use serde_json::json;

use super::{
    made::{Made, ORIGIN, name},
    *,
};
use crate::{entry::Event, receipt};

mod keys;
mod pruning;

fn check(made: &Made, seed: u8) -> Verification {
    Verifier::new(&name(seed)).verify(made.path()).unwrap()
}

fn kinds(found: &Verification) -> Vec<(FaultKind, &str)> {
    let faults = found.faults.iter();
    faults
        .map(|fault| (fault.kind, fault.place.as_str()))
        .collect()
}

#[test]
fn faults_come_in_the_same_order_whatever_the_number_of_threads() {
    let made = Made::holding(5000);
    for bundle in [1, 4, 9, 17] {
        made.flip(&format!("ledger/tile/entries/{bundle:03}"), 5000);
        made.flip(&format!("ledger/tile/0/{:03}", bundle + 1), 77);
    }
    made.remove("ledger/tile/entries/012");
    made.write("ledger/tile/entries/015", b"\x00\x09short");
    let one = Verifier::new(&name(1))
        .threads(1)
        .verify(made.path())
        .unwrap();
    let places: Vec<&str> = one
        .faults
        .iter()
        .map(|fault| fault.place.as_str())
        .collect();
    assert!(
        places[0].starts_with("ledger/tile/entries/001 entry "),
        "{places:?}"
    );
    assert!(places.len() > 10, "{places:?}");
    for threads in [2, 3, 8] {
        let more = Verifier::new(&name(1))
            .threads(threads)
            .verify(made.path())
            .unwrap();
        assert_eq!(more.faults, one.faults);
        assert_eq!((more.bytes, more.files), (one.bytes, one.files));
    }
}

#[test]
fn a_bad_signature_among_good_ones_is_found_at_its_entry() {
    let mut made = Made::holding(0);
    made.append(700);
    // Another entry's signature: well-formed, and not of this message.
    let signature = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let at = text.find("\"signatures\":[\"").unwrap() + 15;
        (at, text[at..at + 88].to_owned())
    };
    made.publish();
    let path = "ledger/tile/entries/001";
    let mut bundle = fs::read(made.file(path)).unwrap();
    let (_, other) = signature(&made.entries[3]);
    let offset: usize = made.entries[256..300]
        .iter()
        .map(|e| e.len() + 2)
        .sum::<usize>()
        + 2;
    let (at, _) = signature(&made.entries[300]);
    bundle[offset + at..offset + at + 88].copy_from_slice(other.as_bytes());
    made.write(path, &bundle);
    let found = check(&made, 1);
    let place = format!("{path} entry 300 byte {offset}");
    assert_eq!(kinds(&found)[0], (FaultKind::Signature, place.as_str()));
    let signatures = found
        .faults
        .iter()
        .filter(|f| f.kind == FaultKind::Signature);
    assert_eq!(signatures.count(), 1);
}

#[test]
fn several_older_checkpoints_are_demanded_one_by_one() {
    let mut made = Made::by(1);
    made.append(100);
    let first = made.checkpoint();
    made.append(200);
    let second = made.checkpoint();
    made.append(10);
    made.publish();
    let verifier = Verifier::new(&name(1));
    let both = verifier.clone().since_note("one", &first).unwrap();
    let both = both.since_note("two", &second).unwrap();
    assert_eq!(both.verify(made.path()).unwrap().faults, []);
    // The same size by the same key, of another history.
    let mut fork = Made::by(1);
    fork.append(99);
    fork.say(&Event::PrunedBefore(0));
    let forked = both.since_note("three", &fork.checkpoint()).unwrap();
    let found = forked.verify(made.path()).unwrap();
    assert_eq!(kinds(&found), [(FaultKind::Rollback, "three")]);
    let found = verifier
        .clone()
        .since_note("four", &Made::holding(311).checkpoint())
        .unwrap();
    let found = found.verify(made.path()).unwrap();
    assert_eq!(kinds(&found), [(FaultKind::Rollback, "four")]);
    assert!(matches!(
        verifier.since_note("five", "x"),
        Err(Unreadable::Since { .. })
    ));
}

#[test]
fn the_clock_beside_the_guard_must_be_a_time() {
    let made = Made::holding(3);
    assert_eq!(check(&made, 1).faults, []);
    made.write("guard/clock", b"yesterday\n");
    assert_eq!(kinds(&check(&made, 1)), [(FaultKind::Guard, "guard/clock")]);
}

#[test]
fn what_a_crash_left_in_the_stage_is_a_note_and_after_a_clean_stop_a_fault() {
    let made = Made::holding(3);
    made.write("wal/stage/0", b"half");
    made.write("wal/stage/1", b"");
    let expected = ["wal/stage/0", "wal/stage/1"].map(|n| (FaultKind::UnexpectedFile, n));
    assert_eq!(kinds(&check(&made, 1)), expected);
    made.remove("wal/clean");
    let found = check(&made, 1);
    assert_eq!(found.faults, []);
    assert!(
        found.notes.iter().any(|n| n.contains("wal/stage/0")),
        "{:?}",
        found.notes
    );
}

#[test]
fn partial_tiles_of_every_earlier_size_are_compared() {
    let mut made = Made::by(1);
    for _ in 0..3 {
        made.append(250);
        made.publish();
    }
    assert_eq!(check(&made, 1).faults, []);
    for file in [
        "tile/0/000.p/250",
        "tile/entries/001.p/244",
        "tile/1/000.p/1",
    ] {
        let name = format!("ledger/{file}");
        made.flip(&name, 20);
        let found = check(&made, 1);
        assert_eq!(found.faults.len(), 1, "{:?}", found.faults);
        assert!(
            found.faults[0].place.starts_with(&name),
            "{:?}",
            found.faults
        );
        made.flip(&name, 20);
    }
}

#[test]
fn a_verified_range_notices_what_changes_after_it_was_verified() {
    let made = Made::holding(700);
    let range = check(&made, 1).into_range().unwrap();
    let read: Vec<Vec<u8>> = range.entries().map(|entry| entry.unwrap().1).collect();
    assert_eq!(read, made.entries);
    assert_eq!(range.entry(699).unwrap().as_ref(), made.entries.last());
    assert!(matches!(range.entry(700), Err(RangeError::OutOfRange(700))));
    made.flip("ledger/tile/entries/001", 9);
    let changed: Vec<_> = range.entries().filter_map(Result::err).collect();
    assert!(matches!(changed.as_slice(), [RangeError::Changed(name)] if name.ends_with("/001")));
    assert_eq!(
        range.entries().count(),
        257,
        "nothing comes after the error"
    );
    made.remove("ledger/tile/entries/001");
    assert!(matches!(range.entry(256), Err(RangeError::Changed(_))));
    made.flip("ledger/tile/0/000", 9);
    assert!(matches!(range.receipt(1), Err(RangeError::Changed(_))));
    assert!(range.receipt(600).is_ok());
}

#[test]
fn a_verified_range_is_still_read_when_the_ledger_has_grown() {
    let mut made = Made::holding(300);
    let range = check(&made, 1).into_range().unwrap();
    made.append(40);
    made.publish();
    for name in ["entries/001.p/44", "0/001.p/44"] {
        made.remove(&format!("ledger/tile/{name}"));
    }
    assert_eq!(range.entries().map(Result::unwrap).count(), 300);
    let text = range.receipt(299).unwrap();
    let found = receipt::verify(&text, &made.entries[299], &name(1)).unwrap();
    assert_eq!((found.index, found.checkpoint.size), (299, 300));
}

#[test]
fn receipts_of_a_range_verify_for_every_place_in_the_tree() {
    let made = Made::holding(1000);
    let range = check(&made, 1).into_range().unwrap();
    assert_eq!(range.origin(), ORIGIN);
    for index in [0, 1, 255, 256, 511, 767, 768, 999] {
        let text = range.receipt(index).unwrap();
        let entry = &made.entries[usize::try_from(index).unwrap()];
        assert_eq!(
            receipt::verify(&text, entry, &name(1)).unwrap().index,
            index
        );
    }
}

/// Signs everything with the signature that the key of order one accepts for everything.
#[derive(Debug)]
struct Trivial(ed25519_dalek::VerifyingKey);

impl crate::signer::Signer for Trivial {
    fn public_key(&self) -> ed25519_dalek::VerifyingKey {
        self.0
    }

    fn sign(&self, _: &[u8]) -> Result<ed25519_dalek::Signature, crate::SignerError> {
        let mut bytes = [0; 64];
        bytes[0] = 1;
        Ok(ed25519_dalek::Signature::from_bytes(&bytes))
    }
}

#[test]
fn a_key_of_small_order_that_a_batch_would_accept_verifies_nothing() {
    let mut point = [0; 32];
    point[0] = 1;
    let signer = Trivial(ed25519_dalek::VerifyingKey::from_bytes(&point).unwrap());
    let weak = VerifierKey::new(ORIGIN, signer.0).unwrap();
    let link = crate::entry::Link {
        chain_uid: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
        seq: 0,
        prev: [0; 32],
    };
    let entry = crate::entry::seal(&serde_json::Map::new(), &link, &weak, &signer).unwrap();
    let (message, signature) = crate::entry::parse(&entry)
        .unwrap()
        .attested(&weak)
        .unwrap();
    let batch = ed25519_dalek::verify_batch(&[&message], &[signature], &[signer.0]);
    assert!(batch.is_ok(), "the case is void unless a batch accepts it");
    let span = bundle::Span {
        first: 0,
        entries: vec![entry.as_slice()],
    };
    let checked = bundle::check(&[span], &KeyRing::trusting(weak)).remove(0);
    assert_eq!(checked.faults[0].1, FaultKind::Signature);
}
