//! Hostile and broken traffic: a typed refusal in the caller's dialect, a record, and a clean
//! ledger afterwards. `docs/bad-input.md` is this table in words.

use std::io::Write as _;
use std::time::Duration;

use countersign_tests::client::{Answer, Client};
use countersign_tests::gateway::{Gateway, Setup, free_port};
use countersign_tests::ledger;
use countersign_tests::stand_in::StandIn;
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const MIB: usize = 1 << 20;

struct Case {
    name: &'static str,
    body: Vec<u8>,
    headers: Vec<(&'static str, &'static str)>,
    status: u16,
}

fn case(name: &'static str, body: impl Into<Vec<u8>>, status: u16) -> Case {
    Case {
        name,
        body: body.into(),
        headers: Vec::new(),
        status,
    }
}

fn gzip_of_zeros(bytes: usize) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![b'0'; MIB];
    for _mib in 0..bytes / MIB {
        encoder.write_all(&zeros).unwrap();
    }
    encoder.finish().unwrap()
}

fn question(model: &str, text: &str) -> Value {
    json!({ "model": model, "max_tokens": 50, "messages": [{ "role": "user", "content": text }] })
}

fn cases() -> Vec<Case> {
    let mut invalid_utf8 = question("plain", "X").to_string().into_bytes();
    let x = invalid_utf8.iter().position(|byte| *byte == b'X').unwrap();
    invalid_utf8[x] = 0xff;
    let with = |content: &str| format!(r#"{{"model":"plain","messages":[{content}]}}"#);
    let large = question("plain", &"a".repeat(40 * MIB)).to_string();
    let mut cases = vec![
        case("malformed JSON", with("{"), 400),
        case(
            "trailing bytes",
            format!("{} x", question("plain", "hi")),
            400,
        ),
        case(
            "duplicate keys",
            with(r#"{"role":"user","content":"a","content":"b"}"#),
            400,
        ),
        case(
            "lone surrogate",
            with(r#"{"role":"user","content":"\ud800"}"#),
            400,
        ),
        case("invalid UTF-8", invalid_utf8, 400),
        case("40 MiB", large, 413),
        case("gzip bomb", gzip_of_zeros(512 * MIB), 413),
        case("gzip that is none", "no gzip", 400),
        case("unknown encoding", "whatever", 415),
    ];
    for case in &mut cases {
        match case.name {
            "gzip bomb" | "gzip that is none" => case.headers.push(("content-encoding", "gzip")),
            "unknown encoding" => case.headers.push(("content-encoding", "x-rot13")),
            _ => {}
        }
    }
    cases
}

#[track_caller]
fn expect_dialect(path: &str, name: &str, answer: &Answer) {
    let body = answer.json();
    let message = if path == MESSAGES {
        assert_eq!(body["type"], "error", "{name}: {body}");
        assert!(body["error"]["type"].is_string(), "{name}: {body}");
        &body["error"]["message"]
    } else {
        assert!(body["error"]["type"].is_string(), "{name}: {body}");
        assert!(body["error"]["code"].is_string(), "{name}: {body}");
        &body["error"]["message"]
    };
    assert!(
        message.as_str().is_some_and(|m| m.len() > 10),
        "{name} is not explained: {body}"
    );
    assert!(
        !answer.header("x-countersign-exchange").is_empty(),
        "{name} has no exchange id"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_requests_are_refused_in_the_callers_dialect_and_recorded() {
    let upstream = StandIn::start().await;
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let gateway = Gateway::start(Setup::Upstream(&upstream.url()), &data).await;
    let mut expected = Vec::new();
    for case in cases() {
        for path in [CHAT, MESSAGES] {
            // A refused large body may close the connection, so each case has its own.
            let client = Client::new();
            let sent = client
                .post_bytes(&gateway.url(path), case.body.clone(), &case.headers)
                .await;
            let answer = sent.unwrap_or_else(|cut| panic!("{} on {path}: {cut:?}", case.name));
            assert_eq!(
                answer.status,
                case.status,
                "{} on {path}: {}",
                case.name,
                answer.text()
            );
            expect_dialect(path, case.name, &answer);
            expected.push((
                case.name,
                answer.header("x-countersign-exchange").to_owned(),
            ));
        }
    }
    assert_eq!(
        upstream.seen(),
        Vec::<Value>::new(),
        "something broken was forwarded"
    );
    gateway.stop().await;

    ledger::verify_by_binary(&data).expect_code(0);
    let decisions = ledger::decisions(&ledger::records(&data));
    for (name, exchange) in expected {
        let records = decisions
            .get(&exchange)
            .unwrap_or_else(|| panic!("{name} left no record"));
        assert_eq!(ledger::sides(records), ["input"], "{name}");
        assert_eq!(records[0]["coverage"]["forwarded_bytes"], 0, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_upstream_is_a_502_in_the_callers_dialect_and_both_sides_are_recorded() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let nobody = format!("http://{}", free_port());
    let gateway = Gateway::start(Setup::Upstream(&nobody), &data).await;
    let mut exchanges = Vec::new();
    for path in [CHAT, MESSAGES] {
        let asked = question("plain", "Is anybody there?");
        let answer = Client::new()
            .post(&gateway.url(path), &asked)
            .await
            .unwrap();
        assert_eq!(answer.status, 502, "{}", answer.text());
        expect_dialect(path, "missing upstream", &answer);
        exchanges.push(answer.header("x-countersign-exchange").to_owned());
    }
    gateway.stop().await;
    ledger::verify_by_binary(&data).expect_code(0);
    let decisions = ledger::decisions(&ledger::records(&data));
    for exchange in exchanges {
        let records = &decisions[&exchange];
        assert_eq!(ledger::sides(records), ["input", "output"]);
        assert_eq!(records[1]["delivery"]["finish"], "upstream_fault");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_cut_by_the_upstream_never_looks_complete() {
    let upstream = StandIn::start().await;
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let gateway = Gateway::start(Setup::Upstream(&upstream.url()), &data).await;
    for path in [CHAT, MESSAGES] {
        let mut asked = question("cut", "Tell me a story.");
        asked["stream"] = true.into();
        // A broken connection is told apart from a whole answer by every client.
        if let Ok(answer) = Client::new().post(&gateway.url(path), &asked).await {
            let text = answer.text();
            assert!(
                text.contains("\"error\""),
                "the cut is not told on {path}: {text}"
            );
            assert!(!text.contains(r#""finish_reason":"stop""#), "{text}");
            assert!(!text.contains(r#""stop_reason":"end_turn""#), "{text}");
        }
    }
    gateway.stop().await;
    ledger::verify_by_binary(&data).expect_code(0);
    let decisions = ledger::decisions(&ledger::records(&data));
    assert_eq!(decisions.len(), 2);
    for records in decisions.values() {
        assert_eq!(ledger::sides(records), ["input", "output"]);
        assert_eq!(
            records[1]["delivery"]["finish"], "upstream_cut",
            "{}",
            records[1]
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_leaves_a_hanging_upstream_leaves_a_closed_exchange() {
    let upstream = StandIn::start().await;
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let gateway = Gateway::start(Setup::Upstream(&upstream.url()), &data).await;
    let (client, url) = (Client::new(), gateway.url(CHAT));
    let asked = question("hang", "Will you ever answer?");
    let call = tokio::spawn(async move { client.post(&url, &asked).await.is_ok() });
    while upstream.seen().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    call.abort();
    assert!(call.await.is_err_and(|e| e.is_cancelled()));
    // Others are served meanwhile.
    let asked = question("plain", "And you?");
    let answer = Client::new()
        .post(&gateway.url(CHAT), &asked)
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    gateway.stop().await;
    ledger::verify_by_binary(&data).expect_code(0);
    let decisions = ledger::decisions(&ledger::records(&data));
    assert_eq!(decisions.len(), 2);
    for records in decisions.values() {
        assert_eq!(ledger::sides(records), ["input", "output"], "{records:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_upstream_is_a_504_within_the_routes_limit() {
    let upstream = StandIn::start().await;
    let root = tempfile::tempdir().unwrap();
    let (data, config) = (
        root.path().join("data"),
        root.path().join("countersign.yaml"),
    );
    let text = format!(
        "routes:\n  - match: {{ path: \"/*\" }}\n    upstream: {{ url: \"{}\", vendor: stand-in }}\n\
         limits: {{ upstream_head_s_max: 1 }}\n",
        upstream.url()
    );
    std::fs::write(&config, text).unwrap();
    let gateway = Gateway::start(Setup::Config(&config), &data).await;
    let mut exchanges = Vec::new();
    for path in [CHAT, MESSAGES] {
        let asked = question("hang", "Will you ever answer?");
        let answer = Client::new()
            .post(&gateway.url(path), &asked)
            .await
            .unwrap();
        assert_eq!(answer.status, 504, "{}", answer.text());
        expect_dialect(path, "hanging upstream", &answer);
        exchanges.push(answer.header("x-countersign-exchange").to_owned());
    }
    gateway.stop().await;
    ledger::verify_by_binary(&data).expect_code(0);
    let decisions = ledger::decisions(&ledger::records(&data));
    for exchange in exchanges {
        let records = &decisions[&exchange];
        assert_eq!(ledger::sides(records), ["input", "output"]);
        assert_eq!(records[1]["delivery"]["finish"], "upstream_fault");
    }
}
