use std::{collections::BTreeMap, fs, path::PathBuf};

use walkdir::WalkDir;

use super::*;
use crate::{
    entry::Event,
    verify::made::{Made, name},
};

/// Every file of a directory with its content.
fn content(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    WalkDir::new(dir)
        .into_iter()
        .map(Result::unwrap)
        .filter(|item| item.file_type().is_file())
        .map(|item| (item.path().to_owned(), fs::read(item.path()).unwrap()))
        .collect()
}

fn hash_tiles(made: &Made) -> Vec<PathBuf> {
    let all = content(&made.file("ledger/tile"));
    let bundles = made.file("ledger/tile/entries");
    all.into_keys()
        .filter(|path| !path.starts_with(&bundles))
        .collect()
}

fn places(report: &Report, remedy: Remedy) -> Vec<&str> {
    let differences = report.differences.iter().filter(|d| d.remedy == remedy);
    differences.map(|d| d.fault.place.as_str()).collect()
}

/// Damages files, mends, and expects the bytes from before.
fn mends(
    made: &Made,
    before: &BTreeMap<PathBuf, Vec<u8>>,
    paths: &[&PathBuf],
    damage: &[fn(&Path)],
) {
    for (number, path) in paths.iter().enumerate() {
        damage[number % damage.len()](path);
    }
    let mended = repair(made.path(), &name(1)).unwrap();
    assert_eq!(mended.before.count(Remedy::Rebuild), paths.len());
    assert_eq!(mended.rebuilt, paths.len() as u64);
    assert!(mended.after.is_clean(), "{}", to_text(&mended.after));
    let after = content(made.path());
    assert!(after == *before, "not the bytes from before: {paths:?}");
}

#[test]
fn tiles_of_a_long_ledger_that_are_lost_or_changed_are_made_again_byte_for_byte() {
    let made = Made::holding(70_000);
    let before = content(made.path());
    let tiles = hash_tiles(&made);
    assert_eq!(tiles.len(), 274 + 2 + 1);
    let lose: fn(&Path) = |path| fs::remove_file(path).unwrap();
    let change: fn(&Path) = |path| {
        let mut bytes = fs::read(path).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 0x10;
        fs::write(path, bytes).unwrap();
    };
    let cut: fn(&Path) = |path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() - 5]).unwrap();
    };
    let all: Vec<&PathBuf> = tiles.iter().collect();
    mends(&made, &before, &all, &[lose]);
    mends(&made, &before, &all, &[change, cut]);
    // Alone, with all that could tell standing around it.
    let top = made.file("ledger/tile/2/000.p/1");
    mends(&made, &before, &[&top], &[lose]);
}

#[test]
fn leftovers_go_and_nothing_else_does() {
    let mut made = Made::by(1);
    for count in [250, 250, 100] {
        made.append(count);
        made.publish();
    }
    made.remove("wal/clean");
    made.write("wal/stage/7", b"half");
    let report = check(made.path(), &name(1)).unwrap();
    let stale = [
        "ledger/tile/entries/000.p/250",
        "ledger/tile/0/000.p/250",
        "ledger/tile/entries/001.p/244",
        "ledger/tile/0/001.p/244",
        "wal/stage/7",
    ];
    let mut found = places(&report, Remedy::Remove);
    found.sort_unstable();
    let mut expected = stale;
    expected.sort_unstable();
    assert_eq!(found, expected);
    let mut before = content(made.path());
    let mended = repair(made.path(), &name(1)).unwrap();
    assert_eq!((mended.rebuilt, mended.removed), (0, 5));
    assert!(mended.after.is_clean(), "{}", to_text(&mended.after));
    for name in stale {
        before.remove(&made.file(name)).unwrap();
    }
    assert_eq!(content(made.path()), before);
    assert!(!made.file("ledger/tile/0/000.p").exists());
}

#[test]
fn a_damaged_bundle_is_located_and_left_alone_while_tiles_beside_it_are_mended() {
    let made = Made::holding(1000);
    let offset: usize = made.entries[512..600].iter().map(|e| e.len() + 2).sum();
    made.flip(
        "ledger/tile/entries/002",
        offset + made.entries[600].len() - 1,
    );
    // Its length prefix says something else: the bundle cannot be split any more.
    let broken: usize = made.entries[256..270].iter().map(|e| e.len() + 2).sum();
    made.flip("ledger/tile/entries/001", broken + 1);
    made.remove("ledger/tile/0/000");
    made.flip("ledger/tile/1/000.p/3", 40);
    let bundles = content(&made.file("ledger/tile/entries"));
    let mended = repair(made.path(), &name(1)).unwrap();
    assert_eq!(mended.rebuilt, 2);
    let left = places(&mended.after, Remedy::None);
    assert_eq!(
        left[0],
        format!("ledger/tile/entries/001 entry 270 byte {broken}")
    );
    assert_eq!(
        left[1],
        format!("ledger/tile/entries/002 entry 600 byte {}", offset + 2)
    );
    // What follows from that entry is about its bundle too, and nothing is about another.
    let about = |place: &&str| place.starts_with("ledger/tile/entries/002 entry 60");
    assert!(left[2..].iter().all(about), "{left:?}");
    assert_eq!(content(&made.file("ledger/tile/entries")), bundles);
}

#[test]
fn what_does_not_lead_to_the_signed_root_is_refused_and_untouched() {
    let forged = |made: &Made| {
        // The bundle and its only witness are both changed.
        made.flip("ledger/tile/entries/000", 100);
        made.flip("ledger/tile/0/000", 5);
    };
    let unsigned = |made: &Made| made.flip("ledger/checkpoint", 30);
    let headless = |made: &Made| made.remove("ledger/checkpoint");
    let other_guard = |made: &Made| {
        let mut other = Made::by(1);
        other.append(3);
        made.write("guard/checkpoint", other.checkpoint().as_bytes());
        made.flip("ledger/tile/entries/000", 100);
        made.remove("ledger/tile/0/000");
    };
    let cases: [&dyn Fn(&Made); 4] = [&forged, &unsigned, &headless, &other_guard];
    for (number, damage) in cases.into_iter().enumerate() {
        let made = Made::holding(1000);
        made.remove("ledger/tile/0/002");
        damage(&made);
        let before = content(made.path());
        let refused = repair(made.path(), &name(1)).unwrap_err();
        let FsckError::NotProven(report) = refused else {
            panic!("case {number}: {refused}")
        };
        assert!(
            report.count(Remedy::None) > 1,
            "case {number}: {}",
            to_text(&report)
        );
        assert_eq!(content(made.path()), before, "case {number}");
    }
}

#[test]
fn tiles_of_the_guards_size_are_made_again_for_the_publication_that_a_crash_cut_short() {
    let mut made = Made::holding(300);
    let older = fs::read(made.file("ledger/checkpoint")).unwrap();
    made.append(20);
    let mut segment = Vec::new();
    for (index, entry) in (0..).zip(&made.entries).skip(300) {
        crate::wal::frame(&mut segment, index, entry);
    }
    made.publish();
    made.write("ledger/checkpoint", &older);
    made.write("wal/000000000000012c.wal", &segment);
    made.remove("wal/clean");
    assert!(check(made.path(), &name(1)).unwrap().is_clean());
    let before = content(made.path());
    made.flip("ledger/tile/0/001.p/64", 50);
    made.remove("ledger/tile/1/000.p/1");
    made.remove("ledger/tile/0/001.p/44");
    let mended = repair(made.path(), &name(1)).unwrap();
    assert_eq!(mended.rebuilt, 3);
    assert!(mended.after.is_clean(), "{}", to_text(&mended.after));
    assert_eq!(content(made.path()), before);
}

#[test]
fn upper_tiles_above_pruned_entries_are_made_again_and_their_leaves_cannot_be() {
    let mut made = Made::by(1);
    made.append(600);
    made.say(&Event::PrunedBefore(512));
    made.append(399);
    made.publish();
    made.remove("ledger/tile/entries/000");
    made.remove("ledger/tile/entries/001");
    let before = content(made.path());
    made.flip("ledger/tile/1/000.p/3", 7);
    let mended = repair(made.path(), &name(1)).unwrap();
    assert_eq!((mended.rebuilt, mended.after.pruned), (1, 512));
    assert!(mended.after.is_clean(), "{}", to_text(&mended.after));
    assert_eq!(content(made.path()), before);
    made.flip("ledger/tile/0/000", 7);
    assert!(matches!(
        repair(made.path(), &name(1)),
        Err(FsckError::NotProven(_))
    ));
}

#[test]
fn nothing_is_mended_while_a_writer_holds_the_ledger() {
    let made = Made::holding(300);
    made.remove("ledger/tile/0/000");
    let lock = fs::File::options()
        .write(true)
        .open(made.file("wal/lock"))
        .unwrap();
    lock.try_lock().unwrap();
    assert!(matches!(
        repair(made.path(), &name(1)),
        Err(FsckError::Locked(_))
    ));
    assert!(!made.file("ledger/tile/0/000").exists());
    drop(lock);
    assert_eq!(repair(made.path(), &name(1)).unwrap().rebuilt, 1);
    let tiles = made.file("ledger");
    assert!(matches!(
        check(&tiles, &name(1)),
        Err(FsckError::NotADataDirectory(_))
    ));
}

#[test]
fn a_report_is_told_as_text_and_as_json() {
    let made = Made::holding(300);
    made.remove("ledger/tile/0/000");
    let report = check(made.path(), &name(1)).unwrap();
    assert!(to_text(&report).starts_with("DIFFERENCES: 1 can be rebuilt, 0 removed, 0 are"));
    let json = to_json(&report);
    assert_eq!(
        (&json["proven_size"], &json["rebuild"]),
        (&300.into(), &1.into())
    );
    assert_eq!(json["differences"][0]["remedy"], "rebuild");
    repair(made.path(), &name(1)).unwrap();
    assert!(to_text(&check(made.path(), &name(1)).unwrap()).starts_with("CLEAN"));
}
