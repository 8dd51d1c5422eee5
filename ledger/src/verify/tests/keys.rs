use super::*;

/// 300 entries by key 1, 300 by key 2, 100 by key 3; with the checkpoints at each end.
fn rotated() -> (Made, [String; 2]) {
    let mut made = Made::by(1);
    made.append(300);
    let first = made.checkpoint();
    made.hand_over(2);
    made.append(299);
    let second = made.checkpoint();
    made.hand_over(3);
    made.append(99);
    made.publish();
    (made, [first, second])
}

#[test]
fn any_one_key_of_a_rotated_ledger_verifies_all_of_it() {
    let (made, older) = rotated();
    for seed in [1, 2, 3] {
        let mut verifier = Verifier::new(&name(seed));
        for note in &older {
            verifier = verifier.since_note("older", note).unwrap();
        }
        let found = verifier.verify(made.path()).unwrap();
        assert_eq!(found.faults, [], "with key {seed}");
        assert_eq!(found.entries, 700);
        let range = found.into_range().unwrap();
        let places = [1, 2, 3].map(|seed| range.ring().in_force(&name(seed).id()).unwrap());
        assert_eq!(places, [(0, Some(300)), (301, Some(600)), (601, None)]);
        // The tile directory alone says as much.
        let tiles = verifier.verify(&made.file("ledger")).unwrap();
        assert_eq!(tiles.faults, []);
    }
    let found = check(&made, 4);
    assert_eq!(found.faults[0].kind, FaultKind::Checkpoint);
    assert!(
        found
            .faults
            .iter()
            .any(|fault| fault.kind == FaultKind::Authority)
    );
}

#[test]
fn a_report_says_which_entries_each_key_attests_when_there_was_a_rotation() {
    let (made, _) = rotated();
    for seed in [1, 3] {
        let found = check(&made, seed);
        let printed = to_text(&found);
        let told: Vec<&str> = printed
            .lines()
            .filter(|line| line.starts_with("key "))
            .collect();
        let spans = ["0 to 300", "301 to 600", "601 onwards"];
        let due: Vec<String> = [1, 2, 3]
            .iter()
            .zip(spans)
            .map(|(seed, span)| format!("key      {} entries {span}", name(*seed)))
            .collect();
        assert_eq!(told, due);
        let keys = [(1, 0, Some(300)), (2, 301, Some(600)), (3, 601, None)].map(
            |(seed, from, to)| json!({ "key": name(seed).to_string(), "from": from, "to": to }),
        );
        assert_eq!(to_json(&found)["keys"], json!(keys));
    }
    let made = Made::holding(3);
    let found = check(&made, 1);
    assert!(!to_text(&found).contains("\nkey "));
    let only = json!([{ "key": name(1).to_string(), "from": 0, "to": null }]);
    assert_eq!(to_json(&found)["keys"], only);
}

#[test]
fn the_old_key_signs_no_entry_and_no_checkpoint_after_its_handover() {
    let mut made = Made::by(1);
    made.append(10);
    made.hand_over(2);
    made.append(5);
    made.sign_by(1);
    made.append(1);
    made.sign_by(2);
    made.publish();
    for seed in [1, 2] {
        let found = check(&made, seed);
        assert_eq!(found.faults.len(), 1, "{:?}", found.faults);
        assert_eq!(found.faults[0].kind, FaultKind::Authority);
        assert!(
            found.faults[0].place.contains("entry 16 "),
            "{:?}",
            found.faults
        );
    }
    made.sign_by(1);
    made.publish();
    made.write("keys/ledger.vkey", format!("{}\n", name(2)).as_bytes());
    for seed in [1, 2] {
        let heads = [
            FaultKind::Checkpoint,
            FaultKind::Authority,
            FaultKind::Guard,
        ];
        let found = check(&made, seed);
        assert_eq!(
            found.faults.iter().map(|f| f.kind).collect::<Vec<_>>(),
            heads
        );
    }
}

#[test]
fn the_new_key_signs_no_entry_before_its_handover() {
    let mut made = Made::by(1);
    made.append(10);
    made.sign_by(2);
    made.append(1);
    made.sign_by(1);
    made.hand_over(2);
    made.append(5);
    made.publish();
    for seed in [1, 2] {
        let found = check(&made, seed);
        assert_eq!(found.faults.len(), 1, "{:?}", found.faults);
        assert!(
            found.faults[0].place.contains("entry 10 "),
            "{:?}",
            found.faults
        );
    }
}

#[test]
fn a_statement_in_another_entry_than_it_names_is_a_fault() {
    let mut made = Made::by(1);
    made.append(10);
    let early = made.statement(2);
    made.append(1);
    made.say(&Event::Handover(early.to_string()));
    made.append(5);
    made.publish();
    let found = check(&made, 1);
    assert_eq!(found.faults.len(), 1, "{:?}", found.faults);
    assert_eq!(found.faults[0].kind, FaultKind::Handover);
    assert!(
        found.faults[0].place.contains("entry 11 "),
        "{:?}",
        found.faults
    );
}

#[test]
fn a_handover_to_the_newest_key_may_still_be_in_the_log_alone() {
    let mut made = Made::by(1);
    made.append(10);
    made.publish();
    made.remove("wal/clean");
    made.hand_over(2);
    made.append(3);
    let mut segment = Vec::new();
    for (index, entry) in (0..).zip(&made.entries).skip(8) {
        crate::wal::frame(&mut segment, index, entry);
    }
    made.write("wal/0000000000000008.wal", &segment);
    made.write("keys/ledger.vkey", format!("{}\n", name(2)).as_bytes());
    for seed in [1, 2] {
        let found = check(&made, seed);
        assert_eq!(found.faults, [], "with key {seed}");
        assert_eq!((found.entries, found.pending), (10, 4));
    }
}

#[test]
fn bytes_of_a_caller_that_look_like_a_handover_are_none() {
    let mut made = Made::by(1);
    made.append(10);
    let statement = made.statement(2).to_string();
    let members = serde_json::json!({ "x": { "ledger": { "handover": statement } } });
    made.append_members(members.as_object().unwrap());
    made.append(5);
    made.publish();
    assert_eq!(check(&made, 1).faults, []);
    assert_eq!(check(&made, 2).faults[0].kind, FaultKind::Checkpoint);
}
