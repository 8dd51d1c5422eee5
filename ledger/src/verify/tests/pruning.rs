use super::*;

/// 1,000 entries; one says that bundles before 512 may go.
fn permitted() -> Made {
    let mut made = Made::by(1);
    made.append(600);
    made.say(&Event::PrunedBefore(512));
    made.append(399);
    made.publish();
    made
}

#[test]
fn permitted_bundles_may_be_absent_and_the_report_counts_their_entries() {
    let made = permitted();
    let before = check(&made, 1).into_range().unwrap();
    let receipts = [0, 300, 999].map(|index| (index, before.receipt(index).unwrap()));
    made.remove("ledger/tile/entries/000");
    let found = check(&made, 1);
    assert_eq!(found.faults, []);
    assert_eq!((found.entries, found.pruned), (744, 256));
    made.remove("ledger/tile/entries/001");
    let found = check(&made, 1);
    assert_eq!(found.faults, []);
    assert_eq!((found.entries, found.pruned), (488, 512));
    assert!(to_text(&found).contains("488 published, 0 pending, 512 pruned"));
    assert!(
        found.notes.iter().any(|n| n.contains("cannot be checked")),
        "{:?}",
        found.notes
    );
    assert_eq!(
        (found.chains[0].first_seq, found.chains[0].last_seq),
        (512, 999)
    );
    let range = found.into_range().unwrap();
    let read: Vec<u64> = range.entries().map(|entry| entry.unwrap().0).collect();
    assert_eq!(read, (512..1000).collect::<Vec<u64>>());
    assert_eq!(range.entry(3).unwrap(), None);
    for (index, text) in receipts {
        assert_eq!(range.receipt(index).unwrap(), text);
        let entry = &made.entries[usize::try_from(index).unwrap()];
        receipt::verify(&text, entry, &name(1)).unwrap();
    }
}

#[test]
fn a_bundle_that_goes_on_past_what_is_permitted_is_missing() {
    let made = permitted();
    made.remove("ledger/tile/entries/001");
    made.remove("ledger/tile/entries/002");
    let found = check(&made, 1);
    // With the bundle the entry is gone that permits anything.
    let missing = ["001", "002"].map(|n| format!("ledger/tile/entries/{n}"));
    let missing = [0, 1].map(|n: usize| (FaultKind::MissingFile, missing[n].as_str()));
    assert_eq!(kinds(&found), missing);
    let made = permitted();
    made.remove("ledger/tile/entries/003.p/232");
    let found = check(&made, 1);
    let place = "ledger/tile/entries/003.p/232";
    assert_eq!(kinds(&found), [(FaultKind::MissingFile, place)]);
}

#[test]
fn a_permission_in_an_entry_that_is_not_signed_permits_nothing() {
    let mut made = Made::by(1);
    made.append(600);
    made.sign_by(2);
    made.say(&Event::PrunedBefore(512));
    made.sign_by(1);
    made.append(399);
    made.publish();
    made.remove("ledger/tile/entries/000");
    let found = check(&made, 1);
    assert_eq!(
        kinds(&found)[0],
        (FaultKind::MissingFile, "ledger/tile/entries/000")
    );
    assert_eq!(found.faults[1].kind, FaultKind::Authority);
}

#[test]
fn the_hashes_of_pruned_entries_are_still_checked() {
    let made = permitted();
    made.remove("ledger/tile/entries/000");
    made.flip("ledger/tile/0/000", 100);
    let found = check(&made, 1);
    assert_eq!(kinds(&found)[0], (FaultKind::Tile, "ledger/tile/0/000"));
    assert!(
        found
            .faults
            .iter()
            .any(|fault| fault.kind == FaultKind::Root)
    );
    made.remove("ledger/tile/0/000");
    assert_eq!(
        kinds(&check(&made, 1))[0],
        (FaultKind::MissingFile, "ledger/tile/0/000")
    );
}

#[test]
fn the_chain_behind_pruned_entries_is_followed_from_the_first_kept_one() {
    let made = permitted();
    made.remove("ledger/tile/entries/000");
    let path = made.file("ledger/tile/entries/001");
    let bundle = fs::read(&path).unwrap();
    let first = made.entries[256].len() + 2;
    let second = made.entries[257].len() + 2;
    let swapped = [
        &bundle[first..first + second],
        &bundle[..first],
        &bundle[first + second..],
    ];
    fs::write(&path, swapped.concat()).unwrap();
    let found = check(&made, 1);
    assert_eq!(found.faults[0].kind, FaultKind::Chain);
    assert!(
        found.faults[0].place.contains("entry 257 "),
        "{:?}",
        found.faults[0]
    );
}
