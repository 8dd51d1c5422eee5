//! Broken files and a broken disk: the right exit code, a sentence that says where, nothing lost.

use std::path::Path;
use std::process::Command;

use countersign_tests::client::Client;
use countersign_tests::gateway::{Gateway, Setup};
use countersign_tests::stand_in::StandIn;
use countersign_tests::{ledger, machine, program};
use serde_json::json;

const BAD_CONFIGURATION: i32 = 78;
const BAD_DATA: i32 = 65;
const CHAT: &str = "/v1/chat/completions";

async fn filled(data: &Path) {
    let upstream = StandIn::start().await;
    let gateway = Gateway::start(Setup::Upstream(&upstream.url()), data).await;
    for number in 0..5 {
        let asked = json!({ "model": "plain",
            "messages": [{ "role": "user", "content": format!("Question {number}") }] });
        let answer = Client::new()
            .post(&gateway.url(CHAT), &asked)
            .await
            .unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    gateway.stop().await;
}

fn check(folder: &Path, config: &str, policy: &str) -> program::Finished {
    std::fs::write(folder.join("countersign.yaml"), config).unwrap();
    std::fs::write(folder.join("policy.yaml"), policy).unwrap();
    let file = folder.join("countersign.yaml");
    program::run(["config", "check", "--config", file.to_str().unwrap()])
}

#[test]
fn bad_yaml_unknown_keys_and_bad_conditions_are_refused_with_their_place() {
    let root = tempfile::tempdir().unwrap();
    let policy = "id: p\nversion: \"1\"\ntitle: P\nrules:\n  - id: r\n    title: R\n    on: input\n    \
                  when: groups.secret.present\n    effect: deny\n    severity: high\n    basis: [b]\n    \
                  tests: [{ name: quiet, facts: {}, expect: quiet }, { name: fires, facts: { signals: \
                  { secret.aws_access_key: true } }, expect: fires }]\n";
    let config = format!(
        "routes:\n  - match: {{ path: \"/*\" }}\n    upstream: {{ url: \"http://127.0.0.1:1\", \
         vendor: v }}\n    policy: p\npolicies: [ {} ]\n",
        root.path().join("policy.yaml").display()
    );
    check(root.path(), &config, policy).expect_code(0);

    let bad_cel = policy.replace("groups.secret.present\n", "groups.secret.present &&\n");
    let unknown_label = policy.replace("groups.secret.present\n", "signals.nonsense.present\n");
    let unknown_key = config.replace("    policy: p\n", "    policy: p\n    polcy: q\n");
    let cases = [
        (
            "bad YAML",
            "routes: [\n".to_owned(),
            policy.to_owned(),
            "line",
        ),
        ("an unknown key", unknown_key, policy.to_owned(), "polcy"),
        ("a bad condition", config.clone(), bad_cel, "policy.yaml"),
        (
            "an unknown label",
            config.clone(),
            unknown_label,
            "nonsense",
        ),
        (
            "a policy of bad YAML",
            config,
            "id: [\n".to_owned(),
            "policy.yaml",
        ),
    ];
    for (name, config, policy, told) in cases {
        let checked = check(root.path(), &config, &policy);
        assert_eq!(
            checked.code,
            BAD_CONFIGURATION,
            "{name}: {}",
            checked.said()
        );
        assert!(
            checked.said().contains(told),
            "{name} does not say {told}: {}",
            checked.said()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_under_a_wrong_key_is_a_fault_and_no_ledger_is_unreadable() {
    let root = tempfile::tempdir().unwrap();
    let (data, other) = (root.path().join("data"), root.path().join("other"));
    filled(&data).await;
    filled(&other).await;
    ledger::verify_by_binary(&data).expect_code(0);
    let verify =
        |target: &Path, key: &str| program::run(["verify", target.to_str().unwrap(), "--key", key]);
    verify(&data, &ledger::key(&other)).expect_code(1);
    verify(&root.path().join("nowhere"), &ledger::key(&data)).expect_code(BAD_DATA);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_refuses_a_corrupt_ledger_instead_of_building_on_it() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    filled(&data).await;
    let checkpoint = data.join("ledger/checkpoint");
    let sound = std::fs::read(&checkpoint).unwrap();
    let mut corrupt = sound.clone();
    let middle = corrupt.len() / 2;
    corrupt[middle] ^= 1;
    std::fs::write(&checkpoint, corrupt).unwrap();
    let refused = program::run([
        "serve",
        "--upstream",
        "http://127.0.0.1:1",
        "--data",
        data.to_str().unwrap(),
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
    ]);
    refused.expect_code(BAD_DATA);
    assert!(refused.said().contains("checkpoint"), "{}", refused.said());
    std::fs::write(&checkpoint, sound).unwrap();
    ledger::verify_by_binary(&data).expect_code(0);
}

/// A small file system of its own; unmounted when dropped.
pub(crate) struct SmallDisk(pub(crate) std::path::PathBuf);

impl SmallDisk {
    pub(crate) fn mount(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let options = format!("size={size}");
        let arguments = ["-t", "tmpfs", "-o", options.as_str(), "tmpfs"];
        let mounted = Command::new("mount").args(arguments).arg(at).output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then(|| Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazy, because a failed test may leave a process inside.
        let _unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_traffic_and_loses_no_record_that_was_answered() {
    let root = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(&root.path().join("disk"), "256m") else {
        machine::skip("full disk", "mounting a small tmpfs is not permitted");
        return;
    };
    let data = disk.0.join("data");
    let upstream = StandIn::start().await;
    let gateway = Gateway::start(Setup::Upstream(&upstream.url()), &data).await;
    // Nearly all of the space goes to something else; the ledger meets the end by itself.
    let ballast = Command::new("dd")
        .arg("if=/dev/zero")
        .arg("bs=4k")
        .arg(format!("of={}", disk.0.join("ballast").display()))
        .output()
        .unwrap();
    assert!(!ballast.status.success(), "the disk is not full");
    let client = Client::new();
    let mut answered = Vec::new();
    let mut refused = 0;
    for number in 0..400 {
        let asked = json!({ "model": "plain",
            "messages": [{ "role": "user", "content": format!("Question {number}") }] });
        let answer = client.post(&gateway.url(CHAT), &asked).await.unwrap();
        match answer.status {
            200 => answered.push(answer.header("x-countersign-exchange").to_owned()),
            503 => {
                assert_eq!(answer.json()["error"]["code"], "evidence_unavailable");
                refused += 1;
            }
            other => panic!("status {other}: {}", answer.text()),
        }
        if refused >= 3 {
            break;
        }
    }
    assert!(refused >= 3, "the full disk was never noticed");
    let asked = upstream.seen().len();
    assert!(
        asked <= answered.len() + 1,
        "{asked} forwarded, {} answered",
        answered.len()
    );

    gateway.kill().await;
    std::fs::remove_file(disk.0.join("ballast")).unwrap();
    Gateway::start(Setup::Upstream(&upstream.url()), &data)
        .await
        .stop()
        .await;
    ledger::verify_by_binary(&data).expect_code(0);
    let decisions = ledger::decisions(&ledger::records(&data));
    for exchange in answered {
        assert_eq!(ledger::sides(&decisions[&exchange]), ["input", "output"]);
    }
}
