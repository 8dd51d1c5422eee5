//! The sled index against the contract of its port.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use countersign_ledger::{Index, IndexRow, MemoryIndex, conformance::check_index};
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

/// Rows of many entries: ids, values that neighbours share, and three that are everywhere.
fn mixed(entries: std::ops::Range<u64>) -> Vec<IndexRow> {
    let row = |index, member: &str, value: String| IndexRow {
        index,
        member: member.to_owned(),
        value,
    };
    entries
        .flat_map(|index| {
            let odd = index.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            [
                row(index, "id", format!("{odd:016x}")),
                row(index, "exchange", format!("{:08x}", index / 3)),
                row(index, "kind", format!("{}", odd % 3)),
            ]
        })
        .collect()
}

#[test]
fn what_is_found_does_not_depend_on_what_was_written_out_when() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let mut plain = MemoryIndex::default();
    let mut index = SledIndex::open(&path).unwrap();
    let mut applied = 0;
    for (number, entries) in [900, 1, 1400, 2000, 64, 1900].into_iter().enumerate() {
        let rows = mixed(applied..applied + entries);
        applied += entries;
        index.apply(&rows, applied).unwrap();
        plain.apply(&rows, applied).unwrap();
        if number == 2 {
            drop(index);
            index = SledIndex::open(&path).unwrap();
        }
    }
    assert!(index.quarantined().is_none());
    assert_eq!(index.applied().unwrap(), applied);
    let asked = mixed(0..applied + 9).into_iter().step_by(41);
    for IndexRow { member, value, .. } in asked {
        let expected = plain.find(&member, &value).unwrap();
        assert_eq!(
            index.find(&member, &value).unwrap(),
            expected,
            "{member} {value}"
        );
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_crash_takes_no_row_that_the_mark_covers() {
    let dir = tempfile::tempdir().unwrap();
    let mut index = SledIndex::open(&dir.path().join("index")).unwrap();
    for first in (0..5000).step_by(100) {
        index
            .apply(&mixed(first..first + 100), first + 100)
            .unwrap();
    }
    let crashed = dir.path().join("crashed");
    copy(&dir.path().join("index"), &crashed);
    let mut index = SledIndex::open(&crashed).unwrap();
    let mark = index.applied().unwrap();
    assert!((1..5000).contains(&mark), "the mark is {mark}");
    for IndexRow {
        index: at,
        member,
        value,
    } in mixed(0..mark).into_iter().step_by(97)
    {
        let found = index.find(&member, &value).unwrap();
        assert!(found.contains(&at), "{member} {value} of {at}");
        assert!(found.iter().all(|found| *found < mark));
    }
    index.apply(&mixed(mark..5000), 5000).unwrap();
    for row in mixed(0..5000).into_iter().step_by(97) {
        assert!(
            index
                .find(&row.member, &row.value)
                .unwrap()
                .contains(&row.index)
        );
    }
}

#[test]
fn rows_of_another_form_are_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let old = sled::open(&path).unwrap();
    old.insert([0], &[0; 8]).unwrap();
    old.insert(b"\x01old", &[]).unwrap();
    drop(old);
    let index = SledIndex::open(&path).unwrap();
    assert_eq!(index.applied().unwrap(), 0);
    assert!(index.quarantined().is_some());
}

#[test]
fn a_cleared_index_takes_rows_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let mut index = SledIndex::open(&path).unwrap();
    index.apply(&mixed(0..3000), 3000).unwrap();
    index.apply(&mixed(3000..3001), 3001).unwrap();
    index.clear().unwrap();
    let id = mixed(7..8).swap_remove(0);
    assert!(index.find(&id.member, &id.value).unwrap().is_empty());
    index.apply(&mixed(0..3000), 3000).unwrap();
    drop(index);
    let index = SledIndex::open(&path).unwrap();
    assert_eq!(index.applied().unwrap(), 3000);
    assert_eq!(index.find(&id.member, &id.value).unwrap(), [7]);
}

#[test]
fn an_index_that_lost_a_row_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let row = |index: u64| IndexRow {
        index,
        member: "id".into(),
        value: format!("value {index}"),
    };
    let rows: Vec<IndexRow> = (0..1000).map(row).collect();
    SledIndex::open(&path).unwrap().apply(&rows, 1000).unwrap();
    assert!(SledIndex::open(&path).unwrap().quarantined().is_none());
    {
        // In segments as the index made them: sled opens no database in others.
        let config = sled::Config::new().path(&path).segment_size(128 << 10);
        let db = config.open().unwrap();
        let fragment = db.scan_prefix([1]).next().unwrap().unwrap().0;
        db.remove(fragment).unwrap();
        db.flush().unwrap();
    }
    let index = SledIndex::open(&path).unwrap();
    assert!(index.quarantined().is_some());
    assert_eq!(index.applied().unwrap(), 0);
}

#[test]
fn a_database_in_use_is_refused_and_not_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let _held = SledIndex::open(&path).unwrap();
    assert!(matches!(SledIndex::open(&path), Err(OpenError::InUse(_))));
}
