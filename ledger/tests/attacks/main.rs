//! Attacks on a ledger, by what the attacker has and what the auditor holds, beside a plain log
//! and a bare hash chain. What comes of them must be what `docs/attacks.md` says.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../common.rs"]
mod common;

mod attack;
mod controls;
mod cosigner;
mod edits;
mod exports;
mod forge;
mod history;
mod keys;
mod parts;
mod random;
mod table;
mod world;

use std::{fs, path::Path, process::Command, sync::Mutex, thread};

use attack::{Attack, Row};
use countersign_ledger::{
    entry,
    verify::{FaultKind, verify},
};
use table::Section;
use world::{Knowledge, WITNESSED, World, world};

/// Threads that share the work of a test.
const THREADS: usize = 2;

/// Title, remark on the whole, attacks.
type Part = (&'static str, &'static str, Vec<Attack>);

fn parts() -> Vec<Part> {
    vec![
        ("Entries", "", edits::edits()),
        (
            "Entries that the ledger's key did not sign",
            "",
            edits::unsigned(),
        ),
        (
            "Which entries, and in which order",
            "",
            edits::arrangements(),
        ),
        ("Signatures in other bytes", "", edits::signatures()),
        ("The same meaning in other bytes", "", edits::spellings()),
        ("Files", "", parts::files()),
        (
            "Parts of another ledger",
            "The other ledger is as close as can be: of the same name, under the same key, of the \
             same size.",
            parts::swaps(),
        ),
        ("Checkpoint and key files", "", parts::notes()),
        ("Cut tails", "", history::tails()),
        ("Old states and forks", "", history::rollbacks()),
        ("Times", "", history::times()),
        ("Another key", "", keys::others()),
        ("The stolen key", "", history::resignings()),
        ("The stolen key, in part", "", keys::stolen()),
        ("Statements of handover", "", keys::handovers()),
        ("Statements of pruning", "", keys::prunings()),
        (
            "A tile directory that was copied out",
            "The auditor is given `ledger/` alone.",
            exports::tiles(),
        ),
    ]
}

/// Runs every attack, several at a time.
fn sections(world: &World) -> Vec<Section> {
    let parts = parts();
    let work: Vec<(usize, usize, &Attack)> = parts
        .iter()
        .enumerate()
        .flat_map(|(part, (_, _, attacks))| {
            attacks
                .iter()
                .enumerate()
                .map(move |(place, attack)| (part, place, attack))
        })
        .collect();
    let rows: Mutex<Vec<(usize, usize, Row)>> = Mutex::default();
    in_threads(|thread| {
        for (part, place, attack) in work.iter().skip(thread).step_by(THREADS) {
            let row = attack.run(world);
            rows.lock().unwrap().push((*part, *place, row));
        }
    });
    let mut rows = rows.into_inner().unwrap();
    rows.sort_by_key(|(part, place, _)| (*part, *place));
    let mut sections: Vec<Section> = parts
        .into_iter()
        .map(|(title, about, _)| Section {
            title,
            about,
            rows: Vec::new(),
        })
        .collect();
    for (part, _, row) in rows {
        sections[part].rows.push(row);
    }
    sections.push(Section {
        title: "Receipts of a range",
        about: "The auditor asked for the receipts of entries 100 to 109 and checks each of them.",
        rows: exports::receipt_rows(world),
    });
    sections
}

fn in_threads(work: impl Fn(usize) + Sync) {
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let work = &work;
            scope.spawn(move || work(thread));
        }
    });
}

#[test]
fn every_attack_is_located_with_the_stated_knowledge_and_the_page_says_so() {
    let sections = sections(world());
    let page = table::page(&sections, random::MUTATIONS);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("attacks.md");
    fs::write(&target, &page).unwrap();
    for row in sections.iter().flat_map(|section| &section.rows) {
        row.holds();
    }
    let documented = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/attacks.md");
    assert!(
        fs::read_to_string(documented).unwrap() == page,
        "if the change is wanted, docs/attacks.md becomes {}",
        target.display()
    );
}

#[test]
fn random_mutations_of_every_structure_are_located_with_the_key_alone() {
    let clock = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let given = std::env::var("COUNTERSIGN_SEED").ok();
    let given = given.and_then(|seed| seed.parse().ok());
    let seed: u64 = given.unwrap_or(clock.as_secs());
    println!("COUNTERSIGN_SEED={seed}");
    let world = world();
    in_threads(|thread| {
        for number in (thread..random::MUTATIONS).step_by(THREADS) {
            random::round(world, number, seed);
        }
    });
}

#[test]
fn honest_ledgers_are_clean_to_every_auditor() {
    let world = world();
    for knowledge in Knowledge::ALL {
        let since = world.since(knowledge);
        let found = verify(world.home.path(), world.name(), since.as_ref()).unwrap();
        assert_eq!(found.faults, [], "{knowledge:?}");
        assert_eq!((found.entries, found.pending), (WITNESSED, 20));
    }
    for other in [&world.twin, &world.fork] {
        let found = verify(other.path(), world.name(), None).unwrap();
        assert_eq!(found.faults, []);
    }
    let note = fs::read_to_string(world.home.path().join("ledger/checkpoint")).unwrap();
    assert_eq!(world.cosigner.policy().open(&note).unwrap().size, WITNESSED);
}

#[test]
fn two_auditors_who_were_shown_two_views_find_out_by_comparing_checkpoints() {
    let world = world();
    let (one, other) = (world.home.path(), world.fork.path());
    let seen_by_one = world.since(Knowledge::Witness);
    let found = verify(other, world.name(), seen_by_one.as_ref()).unwrap();
    assert_eq!(attack::place(&found.faults[0]), attack::HISTORY);
    let seen_by_other = verify(other, world.name(), None).unwrap().checkpoint;
    let found = verify(one, world.name(), seen_by_other.as_ref()).unwrap();
    assert_eq!(attack::place(&found.faults[0]), attack::HISTORY);
}

#[test]
fn whoever_holds_a_pending_entry_can_show_that_it_was_cut() {
    let world = world();
    let dir = world.copy();
    let mut entries = forge::Entries::read(dir.path());
    let held = entries.pending.split_off(15).remove(0);
    entries.write(dir.path());
    let held = entry::open(&held, world.name()).unwrap().link;
    let found = verify(dir.path(), world.name(), None).unwrap();
    assert_eq!(found.faults, []);
    let chain = found
        .chains
        .iter()
        .find(|chain| chain.uid == held.chain_uid);
    assert!(chain.unwrap().last_seq < held.seq, "{chain:?}");
}

#[test]
fn the_verifier_as_a_program_finds_what_the_library_finds() {
    let world = world();
    let dir = world.copy();
    let key = world.name().to_string();
    let since = world.state(world::OLDER).join("ledger/checkpoint");
    let program = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign-verify"));
        command.arg(dir.path()).args(["--key", &key, "--since"]);
        let output = command.arg(&since).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (
            output.status.code(),
            text.lines().next().unwrap().to_owned(),
        )
    };
    let library = || {
        let since = world.since(Knowledge::Older);
        verify(dir.path(), world.name(), since.as_ref())
            .unwrap()
            .faults
    };
    let (code, verdict) = program();
    assert_eq!((code, library()), (Some(0), Vec::new()));
    assert!(verdict.starts_with("CLEAN"), "{verdict}");
    let mut entries = forge::Entries::read(dir.path());
    entries.published[100] = forge::edited(&entries.published[100]);
    entries.seal_again(100, (&world.key, world.name()));
    entries.write(dir.path());
    entries.sign(dir.path(), (&world.key, world.name()));
    let (code, verdict) = program();
    let fault = library().remove(0);
    assert_eq!((code, fault.kind), (Some(1), FaultKind::Rollback));
    // The program names the file that it was given, the library the argument.
    assert!(verdict.starts_with("FAULT: rollback at "), "{verdict}");
    assert!(verdict.ends_with(&fault.detail), "{verdict}");
}
