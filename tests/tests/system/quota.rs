//! What one principal may use, and what the vendor says of its own limits.

use std::path::{Path, PathBuf};

use countersign_tests::client::{Answer, Client};
use countersign_tests::gateway::{Gateway, Setup};
use countersign_tests::ledger;
use countersign_tests::raw::Naive;
use countersign_tests::stand_in::StandIn;
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";

fn question(model: &str) -> Value {
    json!({ "model": model, "max_tokens": 50, "messages": [{ "role": "user", "content": "Why?" }] })
}

fn setup(folder: &Path, upstream: &str, per_principal: &str) -> PathBuf {
    let file = folder.join("countersign.yaml");
    let text = format!(
        "routes:\n  - match: {{ path: \"/*\" }}\n    upstream: {{ url: \"{upstream}\", vendor: stand-in }}\n\
         limits: {{ per_principal: {{ {per_principal} }} }}\n"
    );
    std::fs::write(&file, text).unwrap();
    file
}

async fn ask(gateway: &Gateway, path: &str, key: &str, model: &str) -> Answer {
    let body = question(model).to_string().into_bytes();
    let authorization = format!("Bearer {key}");
    let headers: &[(&str, &str)] = match key {
        "" => &[],
        _ => &[("authorization", &authorization)],
    };
    let sent = Client::new()
        .post_bytes(&gateway.url(path), body, headers)
        .await;
    sent.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_principal_beyond_its_requests_gets_a_429_in_its_dialect_and_others_are_served() {
    let upstream = StandIn::start().await;
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let config = setup(root.path(), &upstream.url(), "requests_per_minute: 3");
    let gateway = Gateway::start(Setup::Config(&config), &data).await;
    for _request in 0..3 {
        assert_eq!(ask(&gateway, CHAT, "one", "plain").await.status, 200);
    }
    let mut exchanges = Vec::new();
    for path in [CHAT, MESSAGES] {
        let answer = ask(&gateway, path, "one", "plain").await;
        assert_eq!(answer.status, 429, "{}", answer.text());
        assert_eq!(answer.header("x-ratelimit-limit-requests"), "3");
        assert_eq!(answer.header("x-ratelimit-remaining-requests"), "0");
        assert!(answer.header("x-ratelimit-reset-requests").ends_with('s'));
        let after: u32 = answer.header("retry-after").parse().unwrap();
        assert!((1..=20).contains(&after), "{after}");
        assert_eq!(answer.json()["error"]["type"], "rate_limit_error");
        exchanges.push(answer.header("x-countersign-exchange").to_owned());
    }
    assert_eq!(ask(&gateway, CHAT, "two", "plain").await.status, 200);
    for expected in [200, 200, 200, 429] {
        // Without a credential the address counts.
        assert_eq!(ask(&gateway, CHAT, "", "plain").await.status, expected);
    }
    assert_eq!(upstream.seen().len(), 7);
    gateway.stop().await;
    ledger::verify_by_binary(&data).expect_code(0);
    let decisions = ledger::decisions(&ledger::records(&data));
    for exchange in exchanges {
        let records = &decisions[&exchange];
        assert_eq!(ledger::sides(records), ["input"]);
        assert_eq!(records[0]["delivery"]["status"], 429);
        assert!(records[0]["principal"].is_string());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_charged_as_the_vendor_reports_them_and_places_are_given_back() {
    let upstream = StandIn::start().await;
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let limits = "tokens_per_minute: 1, concurrent: 1";
    let config = setup(root.path(), &upstream.url(), limits);
    let gateway = Gateway::start(Setup::Config(&config), &data).await;
    let first = ask(&gateway, CHAT, "one", "plain").await;
    assert_eq!(first.status, 200);
    let usage = &first.json()["usage"];
    assert!(
        usage["total_tokens"].as_u64().is_some_and(|n| n > 1),
        "{usage}"
    );
    let second = ask(&gateway, CHAT, "one", "plain").await;
    assert_eq!(second.status, 429, "{}", second.text());
    assert_eq!(second.header("x-ratelimit-limit-tokens"), "1");
    assert_eq!(second.header("x-ratelimit-remaining-tokens"), "0");
    assert!(
        second.text().contains("tokens per minute"),
        "{}",
        second.text()
    );

    let (url, body) = (gateway.url(CHAT), question("hang").to_string().into_bytes());
    let hanging = tokio::spawn(async move {
        let headers = [("authorization", "Bearer two")];
        Client::new().post_bytes(&url, body, &headers).await.is_ok()
    });
    while upstream.seen().len() < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let beside = ask(&gateway, CHAT, "two", "plain").await;
    assert_eq!(beside.status, 429, "{}", beside.text());
    assert!(
        beside.text().contains("requests at once"),
        "{}",
        beside.text()
    );
    hanging.abort();
    for _attempt in 0..100 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        if ask(&gateway, CHAT, "two", "plain").await.status == 200 {
            gateway.stop().await;
            return;
        }
    }
    panic!("the place was not given back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_vendors_own_429_and_its_headers_pass_untouched() {
    const HEADERS: &[(&str, &str)] = &[
        ("retry-after", "17"),
        ("x-ratelimit-limit-requests", "10000"),
        ("x-ratelimit-remaining-tokens", "0"),
        ("x-ratelimit-reset-tokens", "6m0s"),
        ("anthropic-ratelimit-requests-reset", "2030-01-01T00:00:00Z"),
        ("x-request-id", "req_vendor"),
        ("set-cookie", "a=b; Path=/; Secure"),
    ];
    const BODY: &str = r#"{"error":{"message":"Rate limit reached","type":"tokens","code":"rate_limit_exceeded"}}"#;
    let mut head =
        "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\n".to_owned();
    for (name, value) in HEADERS {
        head.push_str(&[name, ": ", value, "\r\n"].concat());
    }
    // What must not pass: a way around the gateway, and what only we may say.
    head +=
        "alt-svc: h3=\":443\"\r\nx-countersign-decision: permit\r\nproxy-authenticate: Basic\r\n";
    let upstream = Naive::start(&head, BODY).await;
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let config = setup(root.path(), &upstream.url(), "requests_per_minute: 100");
    let gateway = Gateway::start(Setup::Config(&config), &data).await;
    let answer = ask(&gateway, CHAT, "one", "plain").await;
    assert_eq!((answer.status, answer.text().as_str()), (429, BODY));
    for (name, value) in HEADERS {
        assert_eq!(answer.header(name), *value, "{name}");
    }
    assert_eq!(
        answer
            .headers
            .get_all("x-countersign-decision")
            .iter()
            .count(),
        1
    );
    assert!(answer.headers.get("alt-svc").is_none());
    assert!(answer.headers.get("proxy-authenticate").is_none());
    gateway.stop().await;
}
