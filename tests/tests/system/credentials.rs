//! A caller's credential goes to the configured upstream and nowhere else.

use std::path::Path;

use countersign_tests::client::Client;
use countersign_tests::gateway::{Gateway, Setup};
use countersign_tests::ledger;
use countersign_tests::raw::{Naive, say};

const CHAT: &str = "/v1/chat/completions";
const BODY: &str = r#"{"model":"plain","messages":[{"role":"user","content":"Hello there"}],"api_base":"http://127.0.0.1:9/","base_url":"http://127.0.0.1:9/"}"#;
/// In every place where a caller may put a credential, and in what the upstream answers.
const CANARY: &str = "canary-7f3b9d24e1-credential";

/// Every file below `folder` that holds the canary.
fn sinks(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sinks(&path, found);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            let canary = CANARY.as_bytes();
            if bytes.windows(canary.len()).any(|window| window == canary) {
                found.push(path.display().to_string());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_is_in_no_record_log_metric_or_error() {
    let head =
        "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\nx-request-id: req_1\r\n";
    let said = format!(
        r#"{{"error":{{"message":"Incorrect API key provided: {CANARY}","code":"invalid_api_key"}}}}"#
    );
    let upstream = Naive::start(head, &said).await;
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let gateway = Gateway::start(Setup::Upstream(&upstream.url()), &data).await;
    let bearer = format!("Bearer {CANARY}");
    let cookie = format!("session={CANARY}");
    let places: [(&str, &[(&str, &str)]); 6] = [
        (CHAT, &[("authorization", &bearer)]),
        ("/v1/messages", &[("x-api-key", CANARY)]),
        (CHAT, &[("api-key", CANARY)]),
        (&format!("{CHAT}?key={CANARY}"), &[]),
        (CHAT, &[("cookie", &cookie)]),
        (CHAT, &[("x-goog-api-key", CANARY)]),
    ];
    for (path, headers) in places {
        let body = BODY.as_bytes().to_vec();
        let answer = Client::new()
            .post_bytes(&gateway.url(path), body, headers)
            .await
            .unwrap();
        // The vendor's answer is the caller's own business and passes.
        assert_eq!(
            (answer.status, answer.text()),
            (401, said.clone()),
            "{path}"
        );
    }
    let broken = BODY.replace("Hello there", CANARY).replace('}', "");
    let answer = Client::new()
        .post_bytes(
            &gateway.url(CHAT),
            broken.into(),
            &[("authorization", &bearer)],
        )
        .await
        .unwrap();
    assert_eq!(answer.status, 400);
    assert!(!answer.text().contains(CANARY), "{}", answer.text());
    let in_body = BODY.replace("Hello there", CANARY).into_bytes();
    let sent = Client::new()
        .post_bytes(&gateway.url(CHAT), in_body, &[])
        .await;
    assert_eq!(sent.unwrap().status, 401);
    assert_eq!(
        upstream.raw().matches(CANARY).count(),
        7,
        "each was passed on once"
    );

    for page in ["/metrics", "/records?limit=500", "/healthz"] {
        let url = format!("http://{}{page}", gateway.admin_port);
        let told = Client::new().get(&url).await.unwrap();
        assert!(!told.text().contains(CANARY), "{page}");
    }
    gateway.stop().await;
    let mut found = Vec::new();
    sinks(root.path(), &mut found);
    assert_eq!(found, Vec::<String>::new());
    let records = ledger::records(&data);
    let principals = records
        .iter()
        .filter(|r| r["principal"].is_string())
        .count();
    assert!(
        principals >= 10,
        "only {principals} records name a principal"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_and_no_redirect_changes_where_the_credential_goes() {
    let answer = r#"{"error":{"message":"moved"}}"#;
    let elsewhere = Naive::start(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n",
        answer,
    )
    .await;
    let location = format!("location: {}/v1/chat/completions\r\n", elsewhere.url());
    let head =
        format!("HTTP/1.1 307 Temporary Redirect\r\ncontent-type: application/json\r\n{location}");
    let upstream = Naive::start(&head, answer).await;
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let gateway = Gateway::start(Setup::Upstream(&upstream.url()), &data).await;
    let other = elsewhere.address;
    let tricks = [
        format!("POST {CHAT} HTTP/1.1\r\nHost: {other}\r\n"),
        format!("POST http://{other}{CHAT} HTTP/1.1\r\nHost: {other}\r\n"),
        format!("POST //{other}{CHAT} HTTP/1.1\r\nHost: a\r\n"),
        format!("POST /@{other}{CHAT} HTTP/1.1\r\nHost: a\r\n"),
        format!(
            "POST {CHAT} HTTP/1.1\r\nHost: a\r\nX-Forwarded-Host: {other}\r\nForwarded: host={other}\r\n"
        ),
        format!(
            "POST {CHAT} HTTP/1.1\r\nHost: a\r\nX-Original-URL: http://{other}/\r\nX-Upstream: {other}\r\n"
        ),
    ];
    for trick in &tricks {
        let length = BODY.len();
        let request = format!(
            "{trick}Content-Type: application/json\r\nAuthorization: Bearer {CANARY}\r\nContent-Length: {length}\r\n\r\n{BODY}"
        );
        let heard = say(gateway.data_port, request.as_bytes()).await;
        assert_eq!(heard.statuses(), [307], "{trick}: {}", heard.text());
        assert!(
            heard.text().contains(&location),
            "the redirect is the caller's to follow"
        );
    }
    assert_eq!(elsewhere.seen(), Vec::<String>::new());
    let hosts = upstream
        .seen()
        .into_iter()
        .filter(|head| head.contains(&format!("host: {}", upstream.address)));
    assert_eq!(
        hosts.count(),
        tricks.len(),
        "the upstream's own name is asked for"
    );
    gateway.stop().await;
}
