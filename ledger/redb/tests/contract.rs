//! The redb index against the contract of its port.

use countersign_ledger::{Index, IndexRow, conformance::check_index};
use countersign_ledger_redb::{OpenError, RedbIndex, SYNC_EVERY};

fn row(index: u64) -> IndexRow {
    IndexRow {
        index,
        member: "id".into(),
        value: format!("x{index}"),
    }
}

#[test]
fn the_redb_index_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let mut index = RedbIndex::open(&dir.path().join("index")).unwrap();
    check_index(&mut index).unwrap();
}

#[test]
fn rows_survive_a_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    RedbIndex::open(&path).unwrap().apply(&[row(7)], 8).unwrap();
    let index = RedbIndex::open(&path).unwrap();
    assert_eq!(index.applied().unwrap(), 8);
    assert_eq!(index.find("id", "x7").unwrap(), [7]);
    assert!(index.quarantined().is_none());
}

#[test]
fn a_crash_loses_no_more_batches_than_one_sync_covers() {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("index"), dir.path().join("copy"));
    let mut index = RedbIndex::open(&path).unwrap();
    let batches = u64::from(SYNC_EVERY) * 3 / 2;
    for at in 0..batches {
        index.apply(&[row(at)], at + 1).unwrap();
    }
    // What a process that is killed here leaves behind.
    std::fs::create_dir(&copy).unwrap();
    std::fs::copy(path.join("rows.redb"), copy.join("rows.redb")).unwrap();
    let mut after = RedbIndex::open(&copy).unwrap();
    assert!(after.quarantined().is_none());
    let applied = after.applied().unwrap();
    assert!(
        applied + u64::from(SYNC_EVERY) > batches,
        "{applied} of {batches}"
    );
    for at in 0..batches {
        let found = after.find("id", &row(at).value).unwrap();
        let expected = if at < applied { vec![at] } else { vec![] };
        assert_eq!(found, expected, "entry {at}, {applied} applied");
    }
    for at in applied..batches {
        after.apply(&[row(at)], at + 1).unwrap();
    }
    assert_eq!(after.find("id", "x0").unwrap(), [0]);
    let last = batches - 1;
    assert_eq!(after.find("id", &row(last).value).unwrap(), [last]);
}

#[test]
fn a_database_that_does_not_open_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("rows.redb"), vec![0xA5; 4096]).unwrap();
    let index = RedbIndex::open(&path).unwrap();
    assert_eq!(index.applied().unwrap(), 0);
    let aside = index.quarantined().unwrap();
    assert!(aside.ends_with("index.quarantine.0"), "{}", aside.display());
    assert!(aside.join("rows.redb").exists());
}

#[test]
fn an_index_that_failed_later_is_set_aside_on_request() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    RedbIndex::open(&path).unwrap().apply(&[row(7)], 8).unwrap();
    let mut index = RedbIndex::open_anew(&path).unwrap();
    assert_eq!(index.applied().unwrap(), 0);
    assert!(index.quarantined().unwrap().join("rows.redb").exists());
    check_index(&mut index).unwrap();
}

#[test]
fn a_database_in_use_is_refused_and_not_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let _open = RedbIndex::open(&path).unwrap();
    let refused = RedbIndex::open(&path).unwrap_err();
    assert!(matches!(refused, OpenError::InUse(_)), "{refused}");
    assert!(path.exists());
}
