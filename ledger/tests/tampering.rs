//! Every change to a ledger's files is a fault, and its place is named.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::{fs, path::Path, process::Command, time::Duration};

use common::{Home, append};
use countersign_ledger::verify::{FaultKind, Verification, to_json, to_text, verify};

/// `SplitMix64`: the same positions in every run.
struct Positions(u64);

impl Positions {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }
}

/// A ledger with a full tile, two generations of partial tiles, a log and a clean stop.
async fn closed() -> Home {
    let mut home = Home::new();
    home.settings.publish_every = Duration::from_hours(1);
    let (ledger, _) = home.open();
    append(&ledger, 0..260).await;
    ledger.close().await.unwrap();
    drop(ledger);
    let (ledger, _) = home.open();
    append(&ledger, 260..270).await;
    ledger.close().await.unwrap();
    assert_eq!(check(&home).faults, []);
    home
}

fn check(home: &Home) -> Verification {
    verify(home.path(), &home.name, None).unwrap()
}

fn files(home: &Home) -> Vec<String> {
    let mut names = Vec::new();
    for part in ["ledger", "wal", "guard"] {
        walk(home.path(), &home.path().join(part), &mut names);
    }
    names.push("keys/ledger.vkey".to_owned());
    names
}

fn walk(root: &Path, dir: &Path, names: &mut Vec<String>) {
    for item in fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            walk(root, &path, names);
        } else if fs::metadata(&path).unwrap().len() > 0 {
            names.push(
                path.strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned(),
            );
        }
    }
}

fn names_file(found: &Verification, name: &str) -> bool {
    found
        .faults
        .iter()
        .any(|fault| fault.place.starts_with(name))
}

#[tokio::test]
async fn one_flipped_bit_anywhere_is_a_fault_that_names_its_file() {
    let home = closed().await;
    let mut positions = Positions(1);
    let names = files(&home);
    assert!(
        names.iter().any(|name| name.starts_with("wal/0")),
        "{names:?}"
    );
    for round in 0..200 {
        let name = &names[round % names.len()];
        let path = home.path().join(name);
        let whole = fs::read(&path).unwrap();
        let at = positions.below(whole.len());
        let mut changed = whole.clone();
        changed[at] ^= 1 << positions.below(8);
        fs::write(&path, &changed).unwrap();
        let found = check(&home);
        assert!(
            names_file(&found, name),
            "{name} byte {at}: {:?}",
            found.faults
        );
        fs::write(&path, &whole).unwrap();
    }
    assert_eq!(check(&home).faults, []);
}

#[tokio::test]
async fn every_file_that_is_cut_short_or_removed_is_named() {
    let home = closed().await;
    for name in files(&home) {
        let path = home.path().join(&name);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let found = check(&home);
        assert!(names_file(&found, &name), "{name} cut: {:?}", found.faults);
        fs::remove_file(&path).unwrap();
        let found = check(&home);
        // Segments of published entries, older partial tiles, the clock and the marker may be absent.
        let optional = name.starts_with("wal/") || name == "guard/clock" || superseded(&name);
        assert!(
            optional || names_file(&found, &name),
            "{name} gone: {:?}",
            found.faults
        );
        fs::write(&path, &whole).unwrap();
    }
    assert_eq!(check(&home).faults, []);
}

fn superseded(name: &str) -> bool {
    name.contains(".p/") && name.ends_with("/4")
}

#[tokio::test]
async fn a_file_that_no_entry_accounts_for_is_a_fault() {
    let home = closed().await;
    for name in [
        "ledger/readme",
        "ledger/tile/0/002",
        "ledger/tile/0/001.p/99",
        "ledger/tile/entries/0",
        "wal/0.wal",
        "guard/other",
    ] {
        let path = home.path().join(name);
        fs::write(&path, b"x").unwrap();
        let found = check(&home);
        assert_eq!(found.faults.len(), 1, "{name}: {:?}", found.faults);
        assert_eq!(found.faults[0].kind, FaultKind::UnexpectedFile);
        assert_eq!(found.faults[0].place, name);
        fs::remove_file(&path).unwrap();
    }
}

fn bundle(home: &Home) -> (std::path::PathBuf, Vec<Vec<u8>>) {
    let path = home.path().join("ledger/tile/entries/001.p/14");
    let bytes = fs::read(&path).unwrap();
    let (mut rest, mut entries) = (bytes.as_slice(), Vec::new());
    while let Some((length, tail)) = rest.split_first_chunk::<2>() {
        let (entry, tail) = tail.split_at(u16::from_be_bytes(*length).into());
        entries.push(entry.to_vec());
        rest = tail;
    }
    (path, entries)
}

fn write_bundle(path: &Path, entries: &[Vec<u8>]) {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend_from_slice(&u16::try_from(entry.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn two_entries_that_changed_places_break_the_chain() {
    let home = closed().await;
    let (path, mut entries) = bundle(&home);
    entries.swap(2, 3);
    write_bundle(&path, &entries);
    let found = check(&home);
    assert_eq!(found.faults[0].kind, FaultKind::Chain);
    assert!(
        found.faults[0].place.contains("001.p/14 entry 258 "),
        "{:?}",
        found.faults[0]
    );
}

#[tokio::test]
async fn a_tail_that_was_dropped_is_missed() {
    let home = closed().await;
    let (path, entries) = bundle(&home);
    write_bundle(&path, &entries[..13]);
    let found = check(&home);
    assert_eq!(found.faults[0].kind, FaultKind::Bundle);
    assert!(found.faults[0].place.ends_with("001.p/14"));
}

#[tokio::test]
async fn the_tile_directory_alone_verifies_and_a_fault_in_it_is_found() {
    let home = closed().await;
    let tiles = home.path().join("ledger");
    let found = verify(&tiles, &home.name, None).unwrap();
    assert_eq!(
        (found.faults.as_slice(), found.entries),
        ([].as_slice(), 270)
    );
    let path = tiles.join("tile/1/000.p/1");
    fs::write(&path, [0; 32]).unwrap();
    let found = verify(&tiles, &home.name, None).unwrap();
    assert_eq!(found.faults[0].kind, FaultKind::Tile);
    assert!(to_text(&found).starts_with("FAULT: tile at tile/1/000.p/1 byte 0"));
    assert_eq!(to_json(&found)["faults"][0]["kind"], "tile");
}

fn run(args: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_countersign-verify"))
        .args(args)
        .output();
    let output = output.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(text).unwrap(),
    )
}

#[tokio::test]
async fn the_verifier_tells_clean_fault_usage_and_unreadable_apart() {
    let home = closed().await;
    let key = home.name.to_string();
    let dir = home.path().to_str().unwrap();
    let (code, text) = run(&[dir, "--key", &key]);
    assert_eq!((code, text.starts_with("CLEAN")), (0, true), "{text}");
    let key_file = home.path().join("keys/ledger.vkey");
    let since = home.path().join("guard/checkpoint");
    let (key_file, since) = (key_file.to_str().unwrap(), since.to_str().unwrap());
    let (code, text) = run(&[dir, "--key", key_file, "--since", since, "--format", "json"]);
    assert_eq!(code, 0, "{text}");
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&answer["clean"], &answer["entries"]),
        (&true.into(), &270.into())
    );
    assert_eq!(run(&[dir]).0, 2);
    assert_eq!(run(&[dir, "--key", "nothing"]).0, 2);
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(run(&[empty.path().to_str().unwrap(), "--key", &key]).0, 65);
    fs::write(home.path().join("guard/checkpoint"), "x").unwrap();
    assert_eq!(run(&[dir, "--key", &key]).0, 1);
}

#[tokio::test]
async fn the_verifier_checks_receipts() {
    let home = closed().await;
    let (ledger, _) = home.open();
    let out = tempfile::tempdir().unwrap();
    let (proof, entry) = (
        out.path().join("r.tlog-proof"),
        out.path().join("r.entry.json"),
    );
    fs::write(&proof, ledger.receipt(259).unwrap().unwrap()).unwrap();
    fs::write(&entry, ledger.read(259).unwrap().unwrap()).unwrap();
    let key = home.name.to_string();
    let (proof, entry_name) = (proof.to_str().unwrap(), entry.to_str().unwrap());
    let args = ["receipt", proof, "--entry", entry_name, "--key", &key];
    let (code, text) = run(&args);
    assert_eq!(code, 0, "{text}");
    let found_beside = ["receipt", proof, "--key", &key];
    assert_eq!(run(&found_beside).0, 0);
    fs::write(&entry, ledger.read(258).unwrap().unwrap()).unwrap();
    assert_eq!(run(&args).0, 1);
    assert_eq!(
        run(&["receipt", proof, "--entry", "/nonexistent", "--key", &key]).0,
        65
    );
}
