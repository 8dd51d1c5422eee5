//! Receipts before COSE implementations that are not ours.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::{
    io::Write,
    process::{Command, Stdio},
};

use common::{Tree, key, leaf};
use serde_json::{Value, json};

const CHECK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracles/check.py");

/// Says that a test cannot run here. With `CI` set this fails the test.
#[allow(clippy::print_stderr, reason = "a skipped test must be seen")]
fn skip(test: &str, lack: &str) {
    let required = std::env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false");
    assert!(!required, "{test} must run here, but {lack}");
    eprintln!("SKIPPED {test}: {lack}");
    if let Some(path) = std::env::var_os("COUNTERSIGN_SKIPS") {
        let file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path);
        writeln!(file.unwrap(), "{test}: {lack}").unwrap();
    }
}

/// What the oracles say to each case; `None` where they are not installed.
fn judged(test: &str, cases: &[Value]) -> Option<Vec<String>> {
    let Some(python) = std::env::var_os("COUNTERSIGN_CLIENTS_PYTHON") else {
        skip(test, "COUNTERSIGN_CLIENTS_PYTHON is not set");
        return None;
    };
    let modules = Command::new(&python)
        .args(["-c", "import scitt_cose, pycose"])
        .output();
    if !modules.is_ok_and(|output| output.status.success()) {
        skip(test, "scitt-cose and pycose are not installed");
        return None;
    }
    let mut child = Command::new(&python)
        .arg(CHECK)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let lines: String = cases.iter().map(|case| format!("{case}\n")).collect();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let answers = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<String> = answers.lines().map(str::to_owned).collect();
    assert_eq!(answers.len(), cases.len());
    Some(answers)
}

fn included(tree: &Tree, index: u64, receipt: &[u8]) -> Value {
    case(tree, receipt, &leaf(index), &[])
}

fn case(tree: &Tree, receipt: &[u8], leaf: &[u8], old_root: &[u8]) -> Value {
    let root = tree.root_of(tree.size());
    let (key, _) = key();
    json!({
        "key": hex::encode(key.verifying_key().as_bytes()),
        "receipt": hex::encode(receipt),
        "leaf": hex::encode(leaf),
        "root": hex::encode(root),
        "old_root": hex::encode(old_root),
    })
}

#[test]
fn scitt_cose_and_pycose_accept_every_receipt() {
    let mut cases = Vec::new();
    for size in [1, 2, 3, 7, 8, 255, 256, 300] {
        let tree = Tree::new(size);
        for index in (0..size).step_by(1 + usize::try_from(size / 9).unwrap()) {
            cases.push(included(&tree, index, &tree.inclusion(index)));
            let old = index + 1;
            let root = tree.root_of(old);
            cases.push(case(&tree, &tree.consistency(old), b"", &root));
        }
    }
    let Some(answers) = judged("scitt_cose_and_pycose_accept_every_receipt", &cases) else {
        return;
    };
    for (answer, case) in answers.iter().zip(&cases) {
        assert_eq!(answer, "1 1 1", "{case}");
    }
}

#[test]
fn scitt_cose_refuses_what_we_refuse() {
    let tree = Tree::new(11);
    let receipt = tree.inclusion(6);
    let mut cases = vec![included(&tree, 5, &receipt)];
    // The signature, the path, the root's header: everything that it checks as we do.
    let path = receipt.len() - 64 - 3 - 4 * 34..receipt.len() - 64 - 3;
    let signature = receipt.len() - 64..receipt.len();
    for at in path.chain(signature).chain([5, 8, 12, 40]) {
        let mut changed = receipt.clone();
        changed[at] ^= 1;
        cases.push(included(&tree, 6, &changed));
    }
    let Some(answers) = judged("scitt_cose_refuses_what_we_refuse", &cases) else {
        return;
    };
    for (answer, case) in answers.iter().zip(&cases) {
        assert!(answer.starts_with('0'), "{answer}: {case}");
    }
}
