//! An independent implementation of the same specifications, in Python: `aics-tlog` and
//! `aics-witness`. `COUNTERSIGN_WITNESS_PYTHON` names an interpreter that has both.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_ledger::witness::{Policy, WitnessError, append};
use countersign_ledger_remote::mirror::{MirrorSettings, mirror};
use serde_json::{Value, json};

use crate::{
    common::{Log, ORIGIN, forge::Forge, log_key, server::Server, skip},
    witnesses::{ask, client, start, url, witness_key},
};

/// The interpreter, or a loud skip.
fn python(test: &str) -> Option<PathBuf> {
    let found = std::env::var_os("COUNTERSIGN_WITNESS_PYTHON").map(PathBuf::from);
    if found.is_none() {
        let lack = "no COUNTERSIGN_WITNESS_PYTHON (Python 3.12 with aics-witness and aics-tlog)";
        skip(test, lack);
    }
    found
}

fn run<S: AsRef<OsStr>>(python: &Path, module: &str, arguments: &[S]) -> Output {
    Command::new(python)
        .args(["-m", module])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}

/// A running witness of theirs. It is ended with the value.
struct Theirs {
    child: Child,
    url: String,
    key: String,
}

impl Theirs {
    fn start(python: &Path, dir: &Path) -> Self {
        let config = dir.join("witness.json");
        let config = config.to_str().unwrap();
        let log = log_key().1.to_string();
        for arguments in [
            vec!["init", "-c", config, "--name", "witness.example/theirs"],
            vec!["add-log", "-c", config, "--origin", ORIGIN, "--vkey", &log],
        ] {
            let output = run(python, "aics_witness", &arguments);
            assert!(output.status.success(), "{}", text(&output));
        }
        let mut child = Command::new(python)
            .args(["-m", "aics_witness", "serve", "-c", config])
            .args(["--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut address, mut key) = (String::new(), String::new());
        for line in BufReader::new(child.stderr.as_mut().unwrap()).lines() {
            let line = line.unwrap();
            let word = |after: &str| {
                let rest = line.split_once(after)?.1;
                rest.split(' ').next().map(str::to_owned)
            };
            key = word("witness vkey ").unwrap_or(key);
            if let Some(found) = word("listening on ") {
                address = found;
                break;
            }
        }
        assert!(!address.is_empty() && !key.is_empty());
        Self {
            child,
            url: address,
            key,
        }
    }

    fn policy(&self) -> Policy {
        let (log, key, url) = (log_key().1, &self.key, &self.url);
        let text = format!("log {log}\nwitness theirs {key} {url}\nquorum theirs\n");
        text.parse().unwrap()
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _ended = self.child.wait();
    }
}

#[tokio::test]
async fn their_witness_cosigns_what_our_client_submits_and_refuses_rollback_and_fork() {
    let name = "their_witness_cosigns_what_our_client_submits_and_refuses_rollback_and_fork";
    let Some(python) = python(name) else { return };
    let dir = tempfile::tempdir().unwrap();
    let theirs = Theirs::start(&python, dir.path());
    let log = Log::new(700, 700);
    let mut asking = client(theirs.policy());
    for size in [0, 1, 2, 255, 256, 300, 300, 700] {
        let (back, lines) = ask(asking, &log, size).await;
        asking = back;
        let merged = append(&log.note(size), &lines.unwrap()).unwrap();
        assert_eq!(theirs.policy().open(&merged).unwrap().size, size);
    }
    let (_, refusal) = ask(asking, &log, 600).await;
    let Err(WitnessError::Conflict(why)) = refusal else {
        panic!("{refusal:?}")
    };
    assert!(why.contains("signature over size 700"), "{why}");
    for (fork, size) in [(3, 700), (699, 900)] {
        // Nothing is remembered: the witness alone knows.
        let (_, refusal) = ask(client(theirs.policy()), &Log::new(size, fork), size).await;
        let Err(WitnessError::Conflict(why)) = refusal else {
            panic!("{refusal:?}")
        };
        assert!(why.contains("size 700 with another root"), "{why}");
    }
}

#[tokio::test]
async fn their_client_is_cosigned_by_our_witness_and_reads_its_refusals() {
    let name = "their_client_is_cosigned_by_our_witness_and_reads_its_refusals";
    let Some(python) = python(name) else { return };
    let dir = tempfile::tempdir().unwrap();
    let ours = start(dir.path(), 1).await;
    let (log, fork) = (Log::new(700, 700), Log::new(900, 100));
    let asked = |log: &Log, size: u64, olds: &[u64]| {
        let proof = |old: &u64| {
            let path = log.proof(*old, size);
            let path: Vec<_> = path.iter().map(|hash| STANDARD.encode(hash)).collect();
            (old.to_string(), json!(path))
        };
        let proofs: serde_json::Map<String, Value> = olds.iter().map(proof).collect();
        json!({"note": log.note(size), "proofs": proofs}).to_string()
    };
    let asks = [
        asked(&log, 0, &[0]),
        asked(&log, 10, &[0]),
        asked(&log, 256, &[10]),
        asked(&log, 256, &[256]),
        asked(&log, 700, &[256]),
        asked(&log, 600, &[0, 256]),
        asked(&fork, 700, &[700]),
        asked(&fork, 900, &[700]),
    ];
    let (url, key) = (url(&ours), witness_key(1).1.to_string());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/remote/feed.py");
    let output = tokio::task::spawn_blocking(move || {
        let mut child = Command::new(python)
            .args([script, &url, &key])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input
            .write_all((asks.join("\n") + "\n").as_bytes())
            .unwrap();
        drop(input);
        child.wait_with_output().unwrap()
    })
    .await
    .unwrap();
    let answers: Vec<Value> = String::from_utf8(output.stdout.clone())
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), 8, "{}", text(&output));
    for answer in &answers[..5] {
        assert!(answer["lines"].is_string(), "{answers:?}");
    }
    let refusals = [
        json!({"ahead": 700}),
        json!({"rejected": 422}),
        json!({"rejected": 422}),
    ];
    assert_eq!(answers[5..], refusals);
}

#[tokio::test]
async fn their_verifier_accepts_our_cosignatures_and_no_changed_ones() {
    let name = "their_verifier_accepts_our_cosignatures_and_no_changed_ones";
    let Some(python) = python(name) else { return };
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let one = start(dirs[0].path(), 1).await;
    let two = start(dirs[1].path(), 2).await;
    let policy = crate::witnesses::policy(&[(1, url(&one)), (2, url(&two))], "all");
    let log = Log::new(40, 40);
    let (_, lines) = ask(client(policy), &log, 40).await;
    let lines = lines.unwrap();
    let merged = append(&log.note(40), &lines).unwrap();
    let file = dirs[0].path().join("note");
    let (log, first, second) = (
        log_key().1.to_string(),
        witness_key(1).1.to_string(),
        witness_key(2).1.to_string(),
    );
    let accepted = |note: &str| {
        fs::write(&file, note).unwrap();
        let output = run(
            &python,
            "aics_tlog",
            &[
                "verify-checkpoint",
                "--note",
                file.to_str().unwrap(),
                "--log-key",
                &log,
                "--witness-key",
                &first,
                "--witness-key",
                &second,
                "--quorum",
                "2",
                "--max-age",
                "60",
            ],
        );
        (output.status.success(), text(&output))
    };
    let (good, said) = accepted(&merged);
    assert!(good, "{said}");
    let without = merged.replace(&format!("{}\n", lines[1]), "");
    assert!(!accepted(&without).0);
    let changed = merged.replace("\n40\n", "\n41\n");
    assert!(!accepted(&changed).0);
}

#[test]
fn their_verifier_accepts_a_mirrors_copy_and_its_growth() {
    let name = "their_verifier_accepts_a_mirrors_copy_and_its_growth";
    let Some(python) = python(name) else { return };
    let root = tempfile::tempdir().unwrap();
    let served = root.path().join("served");
    let server = Server::start(&served);
    let home = root.path().join("mirror");
    let copy = home.join("copy");
    let key = log_key().1;
    let mut forge = Forge::to(600);
    for size in [600, 1000] {
        forge.grow(size);
        forge.write(&served);
        let report = mirror(MirrorSettings::new(&server.url(), &home, key.clone())).unwrap();
        assert_eq!((report.size(), report.alarm), (size, None));
        let older = root.path().join(format!("{size}.note"));
        fs::copy(copy.join("checkpoint"), older).unwrap();
        let entry = root.path().join("entry");
        fs::write(&entry, &forge.entries[517]).unwrap();
        let (log, tiles) = (key.to_string(), copy.to_str().unwrap().to_owned());
        let entry = entry.to_str().unwrap().to_owned();
        let older = root.path().join("600.note").to_str().unwrap().to_owned();
        for arguments in [
            vec!["verify-checkpoint"],
            vec!["verify-inclusion", "--index", "517", "--leaf", &entry],
            vec!["verify-consistency", "--old-checkpoint", &older],
        ] {
            let known = ["--tiles", &tiles, "--log-key", &log];
            let output = run(
                &python,
                "aics_tlog",
                &[arguments.as_slice(), &known].concat(),
            );
            assert!(output.status.success(), "{arguments:?}: {}", text(&output));
        }
    }
}
