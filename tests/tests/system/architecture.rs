//! The directions that the house is built on, checked from its own manifests and files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use countersign_tests::program::repository;
use serde_json::Value;

const LINES_MAX: usize = 500;

/// The crates of ours that each crate may name outside its tests.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("countersign-record", &[]),
    ("countersign-ledger", &[]),
    ("countersign-ledger-pkcs11", &["ledger"]),
    ("countersign-ledger-remote", &["ledger"]),
    ("countersign-ledger-cose", &["ledger"]),
    ("countersign-ledger-redb", &["ledger"]),
    ("countersign-ledger-sled", &["ledger"]),
    ("countersign-ledger-timestamp", &["ledger"]),
    ("countersign-wire", &["record"]),
    ("countersign-intake", &["record"]),
    ("countersign-policy", &["record"]),
    ("countersign-classifiers", &["record"]),
    ("countersign-classifiers-candle", &["classifiers", "record"]),
    ("countersign-compliance", &["record", "ledger"]),
    (
        "countersign-gateway",
        &["record", "wire", "policy", "classifiers", "ledger"],
    ),
    ("countersign-tests", &["ledger"]),
];

/// Who may name which foreign crate.
const NAMED_ONLY_BY: &[(&str, &str)] = &[
    ("cryptoki", "countersign-ledger-pkcs11"),
    ("sled", "countersign-ledger-sled"),
    ("candle-core", "countersign-classifiers-candle"),
    ("candle-nn", "countersign-classifiers-candle"),
    ("countersign-ledger-pkcs11", "countersign"),
    ("countersign-ledger-remote", "countersign"),
    ("redb", "countersign-ledger-redb"),
    ("sled", "countersign-ledger-sled"),
    ("candle-core", "countersign-classifiers-candle"),
    ("candle-nn", "countersign-classifiers-candle"),
    ("countersign-ledger-redb", "countersign"),
    ("countersign-ledger-sled", "countersign"),
    ("countersign-ledger-timestamp", "countersign"),
    ("x509-tsp", "countersign-ledger-timestamp"),
    ("countersign-classifiers-candle", "countersign"),
];

/// What pure crates must not name: sockets, runtimes and clocks.
const PURE: &[&str] = &[
    "countersign-record",
    "countersign-policy",
    "countersign-wire",
];
const IMPURE: &[&str] = &["tokio", "hyper", "jiff", "rustls", "redb", "sled"];

/// Normal and build dependencies of each workspace crate.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let arguments = [
        "metadata",
        "--format-version",
        "1",
        "--no-deps",
        "--offline",
    ];
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let output = command
        .args(arguments)
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let named = package["dependencies"].as_array().unwrap().iter();
            let named = named.filter(|dependency| dependency["kind"] != "dev");
            let named = named
                .map(|d| d["name"].as_str().unwrap().to_owned())
                .collect();
            (package["name"].as_str().unwrap().to_owned(), named)
        })
        .collect()
}

fn sources(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn crates_depend_inward_only() {
    let dependencies = dependencies();
    for (name, named) in &dependencies {
        let ours = named.iter().filter_map(|n| n.strip_prefix("countersign-"));
        let Some((_, allowed)) = MAY_NAME.iter().find(|(crate_name, _)| crate_name == name) else {
            assert_eq!(
                name, "countersign",
                "a new crate must be placed in the house"
            );
            continue;
        };
        for dependency in ours {
            assert!(
                allowed.contains(&dependency),
                "{name} must not name countersign-{dependency}"
            );
        }
    }
    assert_eq!(
        dependencies.len(),
        MAY_NAME.len() + 1,
        "a crate is gone: {dependencies:?}"
    );
}

#[test]
fn adapters_are_named_by_their_own_crate_and_the_binary_alone() {
    for (name, named) in dependencies() {
        for (foreign, owner) in NAMED_ONLY_BY {
            let may = name == *owner;
            assert!(
                may || !named.contains(*foreign),
                "{name} must not name {foreign}"
            );
        }
    }
}

#[test]
fn pure_crates_name_no_runtime_socket_or_clock() {
    let dependencies = dependencies();
    for pure in PURE {
        for impure in IMPURE {
            assert!(
                !dependencies[*pure].contains(*impure),
                "{pure} must not name {impure}"
            );
        }
    }
}

#[test]
fn no_source_file_is_longer_than_a_person_reads_at_once() {
    let files = sources(&repository());
    assert!(files.len() > 50, "hardly any source was found");
    for file in files {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", file.display());
    }
}

#[test]
fn the_main_flow_is_one_function_in_one_place() {
    let flow = fs::read_to_string(repository().join("gateway/src/exchange.rs")).unwrap();
    let steps = ["take_in(", ".judge(", ".permit(", ".send(", ".release("];
    let carry = flow.split("async fn carry").nth(1).unwrap_or_default();
    let mut from = 0;
    for step in steps {
        let at = carry[from..]
            .find(step)
            .unwrap_or_else(|| panic!("{step} is not in the flow"));
        from += at;
    }
}
