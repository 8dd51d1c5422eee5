//! One changed byte anywhere below `ledger/` is found, and its file is named.

use std::fs;
use std::path::{Path, PathBuf};

use countersign_tests::{Seeded, ledger, program};

const FLIPS: u64 = 200;

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[test]
fn a_flipped_byte_anywhere_in_the_ledger_is_found_and_its_file_named() {
    let mut seeded = Seeded::announced("tamper");
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("demo");
    program::run(["demo", "--out", out.to_str().unwrap()]).expect_code(0);
    let data = out.join("data");
    ledger::verify_by_binary(&data).expect_code(0);

    let files = files_below(&data.join("ledger"));
    let sizes: Vec<u64> = files
        .iter()
        .map(|file| fs::metadata(file).unwrap().len())
        .collect();
    let total: u64 = sizes.iter().sum();
    assert!(
        total > 0 && files.len() > 2,
        "there is hardly a ledger: {files:?}"
    );
    for _flip in 0..FLIPS {
        let mut position = seeded.below(total);
        let mut at = 0;
        while position >= sizes[at] {
            position -= sizes[at];
            at += 1;
        }
        let (file, offset) = (&files[at], usize::try_from(position).unwrap());
        let before = fs::read(file).unwrap();
        let mut after = before.clone();
        after[offset] ^= u8::try_from(1 + seeded.below(255)).unwrap();
        fs::write(file, &after).unwrap();

        let verified = ledger::verify_by_binary(&data);
        fs::write(file, &before).unwrap();
        let name = file
            .strip_prefix(data.join("ledger"))
            .unwrap()
            .display()
            .to_string();
        let place = format!("{name}, byte {offset}");
        assert_eq!(
            verified.code,
            1,
            "{place} went unseen:\n{}",
            verified.said()
        );
        assert!(
            verified.out.contains(&name),
            "{place} is not named:\n{}",
            verified.said()
        );
    }
    ledger::verify_by_binary(&data).expect_code(0);
}
