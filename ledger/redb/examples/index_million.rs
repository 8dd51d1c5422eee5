//! Measures one adapter at one million entries of two rows each:
//! `cargo run --release -p countersign-ledger-redb --example index_million -- redb|sled [entries of a batch]`.
#![allow(clippy::print_stdout, reason = "it is a program for people")]
#![allow(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on has failed"
)]

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use countersign_ledger::{Index, IndexRow};
use countersign_ledger_redb::RedbIndex;
use countersign_ledger_sled::SledIndex;

const ENTRIES: u64 = 1_000_000;
const LOOKS: u64 = 20_000;

/// Scattered 64 bits (splitmix64's finisher).
fn scattered(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// As long as a UUID in text and, as one of version 7, ascending in its first half.
fn uuid(salt: u64, number: u64) -> String {
    let low = scattered(number ^ salt << 40);
    let hex = format!("{:016x}{low:016x}", (0x019a_0000_0000 + number) << 16);
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-")
}

fn rows(at: u64) -> [IndexRow; 2] {
    let row = |member: &str, value| IndexRow {
        index: at,
        member: member.to_owned(),
        value,
    };
    [row("id", uuid(1, at)), row("exchange", uuid(2, at / 2))]
}

fn resident_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024
}

fn size_mib(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).unwrap().map(|e| e.unwrap());
    let sizes = entries
        .map(|e| e.metadata().unwrap())
        .filter(fs::Metadata::is_file);
    sizes.map(|m| m.len()).sum::<u64>() >> 20
}

fn median(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

fn measure(dir: &Path, batch: u64, open: fn(&Path) -> Box<dyn Index>) {
    println!("{} MiB resident before", resident_mib());
    let started = Instant::now();
    let mut index = open(dir);
    for from in (0..ENTRIES).step_by(usize::try_from(batch).unwrap()) {
        let rows: Vec<IndexRow> = (from..(from + batch).min(ENTRIES)).flat_map(rows).collect();
        index.apply(&rows, (from + batch).min(ENTRIES)).unwrap();
    }
    println!(
        "  filled in {:?}, {} MiB resident",
        started.elapsed(),
        resident_mib()
    );
    let started = Instant::now();
    drop(index);
    println!(
        "  closed in {:?}, {} MiB on disk",
        started.elapsed(),
        size_mib(dir)
    );
    for _ in 0..3 {
        let started = Instant::now();
        let index = open(dir);
        let opened = started.elapsed();
        let mut times = Vec::new();
        for look in 0..LOOKS {
            let at = scattered(look) % ENTRIES;
            let [id, exchange] = rows(at);
            let row = if look % 2 == 0 { id } else { exchange };
            let started = Instant::now();
            let found = index.find(&row.member, &row.value).unwrap();
            times.push(started.elapsed());
            assert!(found.contains(&at));
        }
        assert_eq!(index.applied().unwrap(), ENTRIES);
        let (half, most) = median(times);
        println!(
            "  opened in {opened:?}, find {half:?} (median) {most:?} (99 %), {} MiB resident",
            resident_mib()
        );
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let adapter = arguments.next().unwrap_or_default();
    // What a busy gateway publishes in a second.
    let batch = arguments.next().map_or(10_000, |n| n.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("index");
    match adapter.as_str() {
        "redb" => measure(&dir, batch, |dir| Box::new(RedbIndex::open(dir).unwrap())),
        "sled" => measure(&dir, batch, |dir| Box::new(SledIndex::open(dir).unwrap())),
        _ => println!("redb or sled?"),
    }
}
