//! A real process on a real disk, killed at any moment.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
    time::Duration,
};

use countersign_ledger::{
    Ledger, Opening, Recovery, Settings, SigningKey, VerifierKey, keys, merkle::leaf_hash,
    verify::verify,
};
use serde_json::{Map, Value, json};

use crate::{chance::Chance, script::ORIGIN, setting};

/// Cycles unless the environment says otherwise.
const CYCLES: u64 = 200;
/// Cycles on one directory before another is begun.
const TOGETHER: u64 = 20;
/// Names the directory to the process that is to be killed, which is this test once more.
const VICTIM: &str = "COUNTERSIGN_KILL_DIRECTORY";
/// No process takes this long to its first entry.
const LONG: Duration = Duration::from_secs(60);
/// Appends at once.
const WRITERS: u64 = 8;

fn open(dir: &Path) -> (Ledger, Recovery) {
    let (key, _): (SigningKey, _) = keys::load(dir, None).unwrap();
    let mut settings = Settings::new(dir, ORIGIN);
    settings.publish_every = Duration::from_millis(10);
    settings.index_members = vec!["id".into()];
    settings.min_free_bytes = 0;
    Opening::new(settings, Arc::new(key)).open().unwrap()
}

fn members(writer: u64, number: u64) -> Map<String, Value> {
    let id = format!("{}-{writer}-{number}", std::process::id());
    let Value::Object(members) = json!({ "id": id, "exchange": "e" }) else {
        unreachable!("the literal is an object")
    };
    members
}

/// Appends for ever, and tells of each entry once it is acknowledged.
fn be_killed(dir: &Path) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_time().build().unwrap();
    runtime.block_on(async {
        let (ledger, _) = open(dir);
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let ledger = ledger.clone();
            writers.spawn(async move {
                for number in 0.. {
                    let place = ledger.append(members(writer, number)).await.unwrap();
                    let line = format!("{} {}\n", place.index, hex::encode(place.leaf_hash));
                    // One write for a line: none is cut in two.
                    std::io::stderr().write_all(line.as_bytes()).unwrap();
                }
            });
        }
        writers.join_all().await;
    });
}

/// The victim does not outlive the test that started it.
struct Victim(Child);

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Kills a process a while after its start, or after its first entry; gives what it had
/// acknowledged.
fn kill_one(dir: &Path, after: Duration, at_work: bool) -> BTreeMap<u64, String> {
    let me: PathBuf = std::env::current_exe().unwrap();
    let mut command = Command::new(me);
    command
        .args([
            "--exact",
            "killed::killed_processes_keep_what_they_acknowledged",
        ])
        .arg("--nocapture")
        .env(VICTIM, dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut victim = Victim(command.spawn().unwrap());
    let lines = BufReader::new(victim.0.stderr.take().unwrap()).lines();
    let (begun, first) = mpsc::sync_channel(1);
    let reader = std::thread::spawn(move || {
        let mut told = BTreeMap::new();
        for line in lines {
            let line = line.unwrap();
            let _ = begun.try_send(());
            let (index, hash) = line.split_once(' ').unwrap();
            if hash.len() == 64 {
                let index = index.parse().unwrap_or_else(|_| panic!("{line}"));
                assert_eq!(told.insert(index, hash.to_owned()), None, "{line}");
            } else {
                assert_eq!(hash.len(), 64, "the victim says: {line}");
            }
        }
        told
    });
    if at_work {
        first.recv_timeout(LONG).unwrap();
    }
    std::thread::sleep(after);
    drop(victim);
    reader.join().unwrap()
}

/// Everything that was acknowledged since the directory was begun is there.
fn check(dir: &Path, name: &VerifierKey, told: &BTreeMap<u64, String>) -> Recovery {
    let faults = verify(dir, name, None).map(|found| found.faults);
    // A ledger that was killed before its first file is no ledger yet.
    let faults = if told.is_empty() {
        faults.unwrap_or_default()
    } else {
        faults.unwrap()
    };
    let unpublished = !dir.join("ledger/checkpoint").exists();
    assert!(
        faults.is_empty() || unpublished,
        "before it is opened: {faults:?}"
    );
    let (ledger, recovery) = open(dir);
    for (index, hash) in told {
        let bytes = ledger.read(*index).unwrap().unwrap();
        assert_eq!(hex::encode(leaf_hash(&bytes)), *hash, "entry {index}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(ledger.close()).unwrap();
    drop(ledger);
    let found = verify(dir, name, None).unwrap();
    assert_eq!(found.faults, [], "after a clean stop");
    assert_eq!(found.entries, recovery.entries);
    recovery
}

#[test]
fn killed_processes_keep_what_they_acknowledged() {
    if let Some(dir) = std::env::var_os(VICTIM) {
        return be_killed(Path::new(&dir));
    }
    let seed = setting("COUNTERSIGN_SEED", 1);
    let cycles = setting("COUNTERSIGN_KILL_CYCLES", CYCLES);
    let mut chance = Chance::new(seed);
    let (mut acknowledged, mut idle, mut torn) = (0, 0, 0);
    for first in (0..cycles).step_by(TOGETHER as usize) {
        let dir = tempfile::tempdir().unwrap();
        let (_, name) = keys::init(dir.path(), ORIGIN, None).unwrap();
        let mut told = BTreeMap::new();
        for cycle in first..cycles.min(first + TOGETHER) {
            let after = Duration::from_millis(5 + chance.below(146));
            // One in four is killed while it opens, or wherever it is by then.
            let fresh = kill_one(dir.path(), after, !chance.one_in(4));
            acknowledged += fresh.len();
            idle += u64::from(fresh.is_empty());
            let known = told.len();
            told.extend(fresh.clone());
            assert_eq!(told.len(), known + fresh.len(), "an index was given twice");
            let recovery = check(dir.path(), &name, &told);
            torn += u64::from(recovery.torn_bytes > 0);
            assert!(recovery.entries >= told.len() as u64, "in cycle {cycle}");
        }
    }
    println!(
        "seed {seed}: {cycles} processes killed, {acknowledged} entries acknowledged, {torn} torn \
         tails, {idle} processes killed before their first entry"
    );
    assert!(idle < cycles, "no process got as far as its first entry");
}
