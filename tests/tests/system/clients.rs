//! The vendors' own clients against the gateway, with real servers as its upstreams.
//!
//! Every client goes through every case. What each saw must obey the laws of `clients/laws.rs`,
//! and all of it together must be what `docs/clients.md` says.

mod equipment;
mod laws;
mod matrix;
mod table;
mod upstreams;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use countersign_tests::gateway::{Gateway, Setup};
use countersign_tests::{Seeded, ledger, program};
use equipment::Equipment;
use laws::Check;
use matrix::{CASES, CLIENTS, Client, Peer};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Clients at work at a time: most of their time they wait before a retry.
const AT_A_TIME: usize = 2;
/// Longest run of one client.
const CLIENT_MAX: Duration = Duration::from_mins(5);

/// The gateways of the matrix: one in front of each kind of upstream.
struct Fronts {
    gateways: Vec<(Peer, Gateway, PathBuf)>,
}

impl Fronts {
    async fn start(root: &Path, upstreams: &[(Peer, String)]) -> Self {
        let mut gateways = Vec::new();
        for (number, (peer, url)) in upstreams.iter().enumerate() {
            let config = root.join(format!("front-{number}.yaml"));
            let data = root.join(format!("front-{number}"));
            std::fs::write(&config, config_of(*peer, url)).unwrap();
            let gateway = Gateway::start(Setup::Config(&config), &data).await;
            gateways.push((*peer, gateway, data));
        }
        Self { gateways }
    }

    fn url(&self, peer: Peer) -> Option<String> {
        let front = self.gateways.iter().find(|(p, ..)| *p == peer);
        front.map(|(_, gateway, _)| gateway.url(""))
    }

    /// Stops every gateway, verifies its ledger, and gives the records of each model: side, action.
    async fn records(self) -> BTreeMap<String, Vec<(String, String)>> {
        let mut by_model: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for (_peer, gateway, data) in self.gateways {
            gateway.stop().await;
            ledger::verify_by_binary(&data).expect_code(0);
            for record in ledger::records(&data) {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                if record["type"] == "decision" {
                    let model = by_model
                        .entry(text(&record["model"]["requested"]))
                        .or_default();
                    model.push((text(&record["side"]), text(&record["action"])));
                }
            }
        }
        by_model
    }
}

fn config_of(peer: Peer, url: &str) -> String {
    let folder = program::repository().join("tests/clients");
    let route = |path: &str, policy: &str| {
        format!(
            "  - {{ match: {{ path: \"{path}\" }}, upstream: {{ url: \"{url}\" }}, policy: {policy} }}\n"
        )
    };
    let curtailed = route("/curtailed/*", "curtailed");
    let routes = curtailed + &route("/*", "clients");
    let policies =
        ["policy.yaml", "curtailed.yaml"].map(|name| folder.join(name).display().to_string());
    // No detector answers within no time at all.
    let limits = if peer == Peer::LlMockUnevaluated {
        "limits: { judge_ms_max: 0 }\n"
    } else {
        ""
    };
    format!(
        "routes:\n{routes}policies: [ {} ]\n{limits}",
        policies.join(", ")
    )
}

/// Runs a client through its cases; gives what it saw, by case.
async fn run(mut command: Command, order: Value) -> BTreeMap<String, Value> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(order.to_string().as_bytes()).await.unwrap();
    drop(input);
    let output = tokio::time::timeout(CLIENT_MAX, child.wait_with_output()).await;
    let ended = program::Finished::from(output.unwrap().unwrap());
    ended.expect_code(0);
    let lines = ended
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .map(|line| {
            (
                line["case"].as_str().unwrap().to_owned(),
                line["saw"].clone(),
            )
        })
        .collect()
}

/// Runs every client that can run here.
#[expect(
    clippy::print_stderr,
    reason = "the time of each client belongs into the output"
)]
async fn observe(
    equipment: &Equipment,
    key: &str,
    fronts: &Fronts,
) -> Vec<(&'static Client, BTreeMap<String, Value>)> {
    let (turns, mut running) = (Arc::new(Semaphore::new(AT_A_TIME)), JoinSet::new());
    for client in CLIENTS {
        let Some(command) = equipment.command(client) else {
            continue;
        };
        let order = matrix::order(client, key, |peer| fronts.url(peer));
        let turns = Arc::clone(&turns);
        running.spawn(async move {
            let _turn = turns.acquire().await.unwrap();
            let began = std::time::Instant::now();
            let saw = run(command, order).await;
            eprintln!(
                "clients: {} took {:.1} s",
                client.name,
                began.elapsed().as_secs_f64()
            );
            (client, saw)
        });
    }
    running.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_sees_what_the_policy_decided() {
    let Some(equipment) = Equipment::found() else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let mut seeded = Seeded::announced("clients");
    let key = format!("sk-{:016x}{:016x}", seeded.number(), seeded.number());
    let (litellm, llmock) = tokio::join!(
        upstreams::litellm(&equipment.litellm_python, root.path(), &key),
        upstreams::llmock(&equipment.python, root.path()),
    );
    let mut model = None;
    if let Some((server, weights)) = &equipment.model {
        model = Some(upstreams::model(server, weights, root.path()).await);
    }
    let mut upstreams = vec![
        (Peer::LiteLlm, litellm.url.clone()),
        (Peer::LlMock, llmock.url.clone()),
        (Peer::LlMockUnevaluated, llmock.url.clone()),
    ];
    upstreams.extend(model.as_ref().map(|model| (Peer::Model, model.url.clone())));
    let fronts = Fronts::start(root.path(), &upstreams).await;
    let saw = observe(&equipment, &key, &fronts).await;
    let journal = upstreams::journal(&llmock).await;
    let checks = checks(saw, &fronts.records().await, &journal);
    judge(&checks, equipment.is_whole());
}

/// Joins what was seen, recorded and received.
fn checks(
    saw: Vec<(&'static Client, BTreeMap<String, Value>)>,
    records: &BTreeMap<String, Vec<(String, String)>>,
    journal: &[Value],
) -> Vec<Check> {
    let mut checks = Vec::new();
    for (client, mut saw) in saw {
        for case in CASES {
            let Some(saw) = saw.remove(case.name) else {
                continue;
            };
            let model = matrix::model(case, client);
            let mocked = matches!(
                case.peer(client.dialect),
                Some(Peer::LlMock | Peer::LlMockUnevaluated)
            );
            let arrived = journal.iter().filter(|r| r["model"] == model.as_str());
            let arrived = arrived.map(|r| {
                (
                    r["started_at"].as_f64().unwrap(),
                    r["ended_at"].as_f64().unwrap(),
                )
            });
            checks.push(Check {
                client,
                case,
                saw,
                records: records.get(&model).cloned().unwrap_or_default(),
                arrived: mocked.then(|| arrived.collect()),
            });
        }
    }
    checks
}

/// Prints what was seen, asserts the laws, and compares the page.
#[expect(clippy::print_stderr, reason = "what was seen belongs into the output")]
fn judge(checks: &[Check], whole: bool) {
    for check in checks {
        eprintln!("{} {} {}", check.client.name, check.case.name, check.saw);
    }
    let page = table::page(checks);
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("clients.md");
    std::fs::write(&target, &page).unwrap();
    for check in checks {
        check.holds();
    }
    let documented = documented();
    let hint = format!(
        "if the change is wanted, docs/clients.md becomes {}",
        target.display()
    );
    // A machine that lacks something leaves rows out, or cells.
    let comparable = |line: &&str| whole || !line.contains("| - |");
    let new: Vec<&str> = page
        .lines()
        .filter(|line| !documented.contains(line))
        .filter(comparable)
        .collect();
    assert_eq!(new, Vec::<&str>::new(), "{hint}");
    assert!(
        !whole || page == documented,
        "docs/clients.md says more than was seen: {hint}"
    );
}

fn documented() -> String {
    std::fs::read_to_string(program::repository().join("docs/clients.md")).unwrap()
}

#[test]
fn the_page_has_a_row_for_every_client_in_every_section() {
    let rows = table::rows_of(&documented());
    let sections = table::sections();
    for client in CLIENTS {
        let order = matrix::order(client, "", |_| Some(String::new()));
        let asked = |case: &str| {
            order["checks"]
                .as_array()
                .unwrap()
                .iter()
                .any(|c| c["case"] == case)
        };
        for (number, cases) in (1..).zip(&sections) {
            let due = cases.iter().any(|case| asked(case));
            let there = rows.contains(&(number, client.name.to_owned()));
            assert_eq!(there, due, "{} in section {number}", client.name);
        }
    }
    let known = |name: &String| CLIENTS.iter().any(|c| c.name == name);
    assert_eq!(
        rows.iter().find(|(_, name)| !known(name)),
        None,
        "a row of no client"
    );
}
