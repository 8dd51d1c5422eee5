//! Every way a stream can end, in every dialect that streams: what the caller gets says what
//! happened, and the record says the same and counts the bytes that were delivered.

use countersign_tests::client::{Arrival, Client};
use countersign_tests::gateway::{Gateway, Setup};
use countersign_tests::stand_in::StandIn;
use countersign_tests::{ledger, program};
use serde_json::{Value, json};

const PATHS: [&str; 5] = [
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/messages",
    "/v1beta/models/MODEL:streamGenerateContent?alt=sse",
    "/api/chat",
];

/// A model of the stand-in, how its stream ends in the record, and whether the caller's connection
/// is broken off.
const ENDS: [(&str, &str, bool); 6] = [
    ("story", "complete", false),
    ("fault", "upstream_fault", false),
    ("key", "blocked", false),
    ("garbled", "upstream_fault", true),
    ("cut", "upstream_cut", true),
    ("silent", "upstream_cut", true),
];

fn question(path: &str, model: &str) -> Value {
    let messages = json!([{ "role": "user", "content": "Tell me a story." }]);
    match path {
        "/v1/responses" => json!({ "model": model, "input": "A story.", "stream": true }),
        path if path.contains("GenerateContent") => {
            json!({ "contents": [{ "role": "user", "parts": [{ "text": "A story." }] }] })
        }
        _ => json!({ "model": model, "max_tokens": 9, "messages": messages, "stream": true }),
    }
}

async fn ask(gateway: &Gateway, path: &str, model: &str, pieces: usize) -> Arrival {
    let url = gateway.url(&path.replace("MODEL", model));
    let asked = question(path, model);
    let client = Client::new();
    client.post_and_watch(&url, &asked, pieces).await.unwrap()
}

fn exchange(arrival: &Arrival) -> String {
    let id = arrival.headers.get("x-countersign-exchange").unwrap();
    id.to_str().unwrap().to_owned()
}

/// Whether bytes end in the dialect's words for a fault.
fn tells_of_a_fault(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let last = text.trim_end().lines().last().unwrap_or_default();
    last.contains("\"error\"") && last.contains("upstream")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_end_of_a_stream_is_told_to_the_caller_and_recorded_as_what_it_is() {
    let upstream = StandIn::start().await;
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let config = root.path().join("countersign.yaml");
    std::fs::write(
        &config,
        program::guarded(&upstream.url(), "limits: { upstream_idle_s_max: 1 }\n"),
    )
    .unwrap();
    let gateway = Gateway::start(Setup::Config(&config), &data).await;

    let mut told = Vec::new();
    for path in PATHS {
        for (model, finish, broken) in ENDS {
            let arrival = ask(&gateway, path, model, usize::MAX).await;
            let bytes = arrival.bytes();
            let what = format!("{path} {model}: {}", String::from_utf8_lossy(&bytes));
            if arrival.status == 200 {
                assert_eq!(arrival.whole, !broken, "{what}");
                assert_eq!(tells_of_a_fault(&bytes), broken, "{what}");
            } else {
                // Decided before the first byte left: a plain answer.
                assert!(arrival.status >= 400 && arrival.whole, "{what}");
            }
            assert!(!what.contains("AKIAQ3EG"), "{what}");
            told.push((
                exchange(&arrival),
                finish,
                arrival.status,
                bytes.len(),
                what,
            ));
        }
        let left = ask(&gateway, path, "long@200", 2).await;
        assert!(!left.whole, "the caller left in mid-stream");
        let what = format!("{path}, left");
        told.push((
            exchange(&left),
            "client_gone",
            200,
            left.bytes().len(),
            what,
        ));
    }
    gateway.stop().await;

    ledger::verify_by_binary(&data).expect_code(0);
    let decisions = ledger::decisions(&ledger::records(&data));
    for (exchange, finish, status, bytes, what) in told {
        let sides = &decisions[&exchange];
        assert_eq!(ledger::sides(sides), ["input", "output"], "{what}");
        let delivery = &sides[1]["delivery"];
        assert_eq!(delivery["finish"], finish, "{what}");
        let released = delivery["released_bytes"].as_u64().unwrap();
        match (finish, status) {
            ("client_gone", _) => assert!(released >= bytes as u64, "{what}: {delivery}"),
            (_, 200) => assert_eq!(released, bytes as u64, "{what}: {delivery}"),
            _ => assert_eq!(released, 0, "{what}: {delivery}"),
        }
    }
}
