//! What is not in the ledger is told by it: idle hours, crashes, full disks, changes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use countersign_tests::client::Client;
use countersign_tests::gateway::{Gateway, Setup};
use countersign_tests::stand_in::StandIn;
use countersign_tests::{ledger, machine};
use serde_json::{Value, json};

use crate::bad_setup::SmallDisk;

const CHAT: &str = "/v1/chat/completions";

/// A configuration that beats every second, with a policy of its own in `policy.yaml`.
fn configure(folder: &Path, upstream: &str) -> PathBuf {
    write_policy(folder, "1");
    let file = folder.join("countersign.yaml");
    let text = format!(
        "routes:\n  - match: {{ path: \"/*\" }}\n    upstream: {{ url: \"{upstream}\", vendor: v }}\n    \
         policy: own\npolicies: [ policy.yaml ]\nledger: {{ heartbeat_s: 1 }}\n"
    );
    std::fs::write(&file, text).unwrap();
    file
}

fn write_policy(folder: &Path, version: &str) {
    let policy = format!(
        "id: own\nversion: \"{version}\"\ntitle: P\nrules:\n  - id: r\n    title: R\n    on: input\n    \
         when: groups.secret.present\n    effect: deny\n    severity: high\n    basis: [b]\n    \
         tests: [{{ name: quiet, facts: {{}}, expect: quiet }}, {{ name: fires, facts: {{ signals: \
         {{ secret.aws_access_key: true }} }}, expect: fires }}]\n"
    );
    std::fs::write(folder.join("policy.yaml"), policy).unwrap();
}

fn of_type<'a>(records: &'a [Value], name: &str) -> Vec<&'a Value> {
    let of_type = records.iter().filter(|record| record["type"] == name);
    of_type.collect()
}

fn asked(model: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": "Question?" }] })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_gateway_beats_and_an_orderly_stop_leaves_no_gap() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let config = configure(root.path(), "http://127.0.0.1:1");
    for _run in 0..2 {
        let gateway = Gateway::start(Setup::Config(&config), &data).await;
        tokio::time::sleep(Duration::from_millis(3500)).await;
        gateway.stop().await;
        // Longer than two intervals: the stop was announced.
        tokio::time::sleep(Duration::from_millis(2500)).await;
    }
    ledger::verify_by_binary(&data).expect_code(0);
    let records = ledger::records(&data);
    assert_eq!(records[0]["type"], "genesis");
    assert_eq!(records[0]["verifier"], ledger::key(&data));
    let beats = of_type(&records, "heartbeat");
    let phases: Vec<&str> = beats.iter().map(|b| b["phase"].as_str().unwrap()).collect();
    for run in phases.split_inclusive(|phase| *phase == "stop") {
        assert_eq!(
            (run[0], run[run.len() - 1]),
            ("start", "stop"),
            "{phases:?}"
        );
        assert!((4..=6).contains(&run.len()), "{phases:?}");
    }
    assert_eq!(phases.iter().filter(|phase| **phase == "stop").count(), 2);
    assert!(beats.iter().all(|b| b["open"] == 0 && b["interval_s"] == 1));
    assert_eq!(of_type(&records, "gap"), Vec::<&Value>::new());
    assert_eq!(of_type(&records, "clock"), Vec::<&Value>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_is_followed_by_a_gap_that_names_each_open_exchange_once() {
    let upstream = StandIn::start().await;
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let config = configure(root.path(), &upstream.url());
    for run in 1..=2 {
        let gateway = Gateway::start(Setup::Config(&config), &data).await;
        let url = gateway.url(CHAT);
        let whole = Client::new().post(&url, &asked("plain")).await.unwrap();
        assert_eq!(whole.status, 200, "{}", whole.text());
        let hanging = asked("hang");
        let open = tokio::spawn(async move { Client::new().post(&url, &hanging).await.map(drop) });
        while upstream.seen().len() < 2 * run {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // A heartbeat lies between the exchange and the crash.
        tokio::time::sleep(Duration::from_millis(1200)).await;
        gateway.kill().await;
        open.abort();
    }
    Gateway::start(Setup::Config(&config), &data)
        .await
        .stop()
        .await;

    ledger::verify_by_binary(&data).expect_code(0);
    let records = ledger::records(&data);
    let named: Vec<&str> = of_type(&records, "gap")
        .into_iter()
        .flat_map(|gap| gap["exchanges"].as_array().unwrap())
        .map(|exchange| exchange.as_str().unwrap())
        .collect();
    let decisions = ledger::decisions(&records);
    let open = decisions
        .iter()
        .filter(|(_, records)| ledger::sides(records) == ["input"]);
    let mut open: Vec<&str> = open.map(|(exchange, _)| exchange.as_str()).collect();
    // The ids are in the order of time.
    open.sort_unstable();
    assert_eq!((named.len(), named), (2, open));

    for (at, gap) in records.iter().enumerate() {
        if gap["type"] == "gap" {
            assert_eq!(gap["cause"], "unclean_stop");
            assert_eq!(gap["from"], records[at - 1]["ts"], "from the last record");
            assert!(gap["from"].as_str() < gap["to"].as_str());
            assert!(gap["to"].as_str() <= gap["ts"].as_str());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_and_a_restart_tell_what_has_changed_and_what_has_not() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let config = configure(root.path(), "http://127.0.0.1:1");
    let gateway = Gateway::start(Setup::Config(&config), &data).await;
    write_policy(root.path(), "2");
    gateway.signal("HUP").await;
    let told = |log: &str| log.contains("reloaded");
    let began = Instant::now();
    while !std::fs::read_to_string(Gateway::log(&data)).is_ok_and(|log| told(&log)) {
        assert!(began.elapsed() < Duration::from_secs(20), "never reloaded");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    gateway.stop().await;
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text + "limits: { drain_s_max: 5 }\n").unwrap();
    Gateway::start(Setup::Config(&config), &data)
        .await
        .stop()
        .await;

    ledger::verify_by_binary(&data).expect_code(0);
    let records = ledger::records(&data);
    let changes = of_type(&records, "change");
    let of = |subject: &str| -> Vec<(&str, &str, bool)> {
        let of = changes.iter().filter(|change| change["subject"] == subject);
        of.map(|change| {
            let text = |member: &str| change[member].as_str().unwrap();
            let same = change["before"] == change["after"];
            (text("actor"), text("reason"), same)
        })
        .collect()
    };
    assert_eq!(
        of("policy"),
        [
            ("start", "put in force", false),
            ("operator:reload", "changed", false),
            ("start", "unchanged", true)
        ]
    );
    assert_eq!(
        of("config"),
        [
            ("start", "put in force", false),
            ("operator:reload", "unchanged", true),
            ("start", "changed", false)
        ]
    );
    assert_eq!(of("software")[2], ("start", "unchanged", true));
    let policies = changes
        .iter()
        .filter(|change| change["subject"] == "policy");
    let names: Vec<&Value> = policies.map(|change| &change["name"]).collect();
    assert_eq!(names, ["own@1", "own@2", "own@2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_full_disk_refused_is_counted_once_there_is_room_again() {
    let root = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(&root.path().join("disk"), "256m") else {
        machine::skip("full disk", "mounting a small tmpfs is not permitted");
        return;
    };
    let data = disk.0.join("data");
    let upstream = StandIn::start().await;
    let config = configure(root.path(), &upstream.url());
    let gateway = Gateway::start(Setup::Config(&config), &data).await;
    let ballast = disk.0.join("ballast");
    let filled = Command::new("dd")
        .args(["if=/dev/zero", "bs=64k"])
        .arg(format!("of={}", ballast.display()))
        .output()
        .unwrap();
    assert!(!filled.status.success(), "the disk is not full");
    let (client, url) = (Client::new(), gateway.url(CHAT));
    let mut refused = 0;
    while refused < 5 {
        let answer = client.post(&url, &asked("plain")).await.unwrap();
        refused += u64::from(answer.status == 503);
    }
    std::fs::remove_file(&ballast).unwrap();
    let began = Instant::now();
    while client.post(&url, &asked("plain")).await.unwrap().status != 200 {
        refused += 1;
        assert!(began.elapsed() < Duration::from_secs(20), "never recovered");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    gateway.stop().await;

    ledger::verify_by_binary(&data).expect_code(0);
    let records = ledger::records(&data);
    let gaps = of_type(&records, "gap");
    let counted: u64 = gaps
        .iter()
        .inspect(|gap| assert_eq!(gap["cause"], "evidence_unavailable"))
        .map(|gap| gap["count"].as_u64().unwrap())
        .sum();
    assert_eq!(counted, refused, "{gaps:?}");
    assert!(
        gaps.iter()
            .all(|gap| gap["from"].as_str() < gap["to"].as_str())
    );
}
