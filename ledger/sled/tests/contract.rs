//! The sled index against the contract of its port.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use countersign_ledger::{Index, IndexRow, conformance::check_index};
use countersign_ledger_sled::{OpenError, SledIndex};

#[test]
fn the_sled_index_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let mut index = SledIndex::open(&dir.path().join("index")).unwrap();
    check_index(&mut index).unwrap();
}

#[test]
fn rows_survive_a_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let row = IndexRow {
        index: 7,
        member: "id".into(),
        value: "x".into(),
    };
    SledIndex::open(&path).unwrap().apply(&[row], 8).unwrap();
    let index = SledIndex::open(&path).unwrap();
    assert_eq!(index.applied().unwrap(), 8);
    assert_eq!(index.find("id", "x").unwrap(), [7]);
    assert!(index.quarantined().is_none());
}

#[test]
fn a_database_that_does_not_open_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("conf"), b"not a sled configuration").unwrap();
    std::fs::write(path.join("db"), vec![0xA5; 4096]).unwrap();
    let index = SledIndex::open(&path).unwrap();
    assert_eq!(index.applied().unwrap(), 0);
    let aside = index.quarantined().unwrap();
    assert!(aside.ends_with("index.quarantine.0"), "{}", aside.display());
    assert!(aside.join("conf").exists());
}

#[test]
fn a_database_in_use_is_refused_and_not_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let _open = SledIndex::open(&path).unwrap();
    let refused = SledIndex::open(&path).unwrap_err();
    assert!(matches!(refused, OpenError::InUse(_)), "{refused}");
    assert!(path.exists());
}

#[test]
fn an_index_that_failed_later_is_set_aside_on_request() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    drop(SledIndex::open(&path).unwrap());
    let mut index = SledIndex::open_anew(&path).unwrap();
    assert!(index.quarantined().unwrap().join("db").exists());
    check_index(&mut index).unwrap();
}

/// What sled does by itself after some damage: it opens, and a row is gone or strange.
fn opens_after(change: fn(&sled::Db)) -> SledIndex {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let row = |index| IndexRow {
        index,
        member: "id".into(),
        value: format!("{index}"),
    };
    let rows: Vec<IndexRow> = (0..9).map(row).collect();
    SledIndex::open(&path).unwrap().apply(&rows, 9).unwrap();
    // A dropped database is in use for a moment longer.
    let raw = std::iter::repeat_with(|| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        sled::open(&path).ok()
    });
    change(&raw.take(250).flatten().next().unwrap());
    SledIndex::open(&path).unwrap()
}

#[test]
fn an_index_that_lost_a_row_is_set_aside() {
    assert!(opens_after(|_| {}).quarantined().is_none());
    let index = opens_after(|db| drop(db.pop_max().unwrap()));
    assert!(index.quarantined().is_some());
    assert_eq!(index.applied().unwrap(), 0);
}

#[test]
fn an_index_with_a_row_that_was_never_applied_is_set_aside() {
    let index = opens_after(|db| drop(db.insert([1, 2, 3], &[]).unwrap()));
    assert!(index.quarantined().is_some());
}

#[test]
fn an_index_that_lost_its_sums_is_set_aside() {
    let index = opens_after(|db| drop(db.remove([0]).unwrap()));
    assert!(index.quarantined().is_some());
}
