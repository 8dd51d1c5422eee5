//! What a growing index costs in memory. Alone in its binary: it measures the process.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use countersign_ledger::{Index, IndexRow};
use countersign_ledger_sled::SledIndex;

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse().unwrap()
}

/// The rows of a record whose id is as random as ids are, and ascends as they do.
fn rows(index: u64) -> [IndexRow; 2] {
    [("id", index), ("exchange", index / 2)].map(|(member, of)| IndexRow {
        index,
        member: member.to_owned(),
        value: format!(
            "01a20e4e-{of:08x}-76a3-{:016x}",
            of.wrapping_mul(0x9E37_79B9_7F4A_7C15)
        ),
    })
}

#[test]
fn memory_stays_flat_while_the_index_grows() {
    const BATCH: u64 = 32;
    let dir = tempfile::tempdir().unwrap();
    let mut index = SledIndex::open(&dir.path().join("index")).unwrap();
    let mut grow = |entries: std::ops::Range<u64>| {
        for first in entries.step_by(BATCH as usize) {
            let fresh: Vec<_> = (first..first + BATCH).flat_map(rows).collect();
            index.apply(&fresh, first + BATCH).unwrap();
        }
        resident_kib()
    };
    let early = grow(0..8_192);
    let late = grow(8_192..40_960);
    println!("{early} KiB, then {late} KiB");
    assert!(late < early + 1024, "grew from {early} to {late} KiB");
    for entry in [0, 4_095, 20_001, 40_959] {
        let [id, _] = rows(entry);
        assert_eq!(index.find("id", &id.value).unwrap(), [entry]);
    }
}
