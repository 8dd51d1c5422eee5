//! The sled index against the contract of its port.

use countersign_ledger::{Index, IndexRow, conformance::check_index};
use countersign_ledger_sled::SledIndex;

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
