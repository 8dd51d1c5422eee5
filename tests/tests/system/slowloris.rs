//! Peers that send slowly, read slowly or only sit there: everybody else is still served.

use std::time::{Duration, Instant};

use countersign_tests::client::Client;
use countersign_tests::gateway::{Gateway, Setup};
use countersign_tests::raw::{listen, say};
use countersign_tests::stand_in::StandIn;
use countersign_tests::{ledger, machine};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const CHAT: &str = "/v1/chat/completions";
const SLOW: usize = 1000;

fn question() -> Value {
    json!({ "model": "plain", "messages": [{ "role": "user", "content": "Are you there?" }] })
}

fn setup(folder: &std::path::Path, upstream: &str, limits: &str) -> std::path::PathBuf {
    let file = folder.join("countersign.yaml");
    let text = format!(
        "routes:\n  - match: {{ path: \"/*\" }}\n    upstream: {{ url: \"{upstream}\", vendor: stand-in }}\n\
         limits: {{ {limits} }}\n"
    );
    std::fs::write(&file, text).unwrap();
    file
}

/// Healthy requests, each on a connection of its own; the longest time that one took.
async fn healthy(gateway: &Gateway, count: usize) -> Duration {
    let mut longest = Duration::ZERO;
    for _request in 0..count {
        let began = Instant::now();
        let answer = Client::new().post(&gateway.url(CHAT), &question()).await;
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        longest = longest.max(began.elapsed());
    }
    longest
}

async fn sockets(gateway: &Gateway, count: usize, first: &[u8]) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for _socket in 0..count {
        let mut socket = TcpStream::connect(gateway.data_port).await.unwrap();
        socket.write_all(first).await.unwrap();
        open.push(socket);
    }
    open
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_slow_heads_leave_healthy_requests_served() {
    if machine::open_files_max() < 2 * SLOW as u64 {
        machine::skip("slowloris", "a process may not open enough files");
        return;
    }
    let upstream = StandIn::start().await;
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    // Fewer places than slow peers: the healthy ones need the places of the silent ones.
    let limits = "connections_max: 600, connections_per_address_max: 500, head_read_s_max: 5";
    let config = setup(root.path(), &upstream.url(), limits);
    let gateway = Gateway::start(Setup::Config(&config), &data).await;
    let alone = healthy(&gateway, 5).await;
    let mut slow = sockets(
        &gateway,
        SLOW,
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n",
    )
    .await;
    let began = Instant::now();
    let mut longest = Duration::ZERO;
    while began.elapsed() < Duration::from_secs(8) {
        for socket in &mut slow {
            // Ended ones do not matter.
            let _sent = socket.try_write(b"X: y\r\n");
        }
        longest = longest.max(healthy(&gateway, 5).await);
    }
    println!("longest healthy request: {alone:?} alone, {longest:?} beside {SLOW} slow peers");
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    // By now every slow one has had more than its time.
    for mut socket in slow.drain(..).take(20) {
        assert!(
            listen(&mut socket).await.closed,
            "a slow head is still waited for"
        );
    }
    gateway.stop().await;
    ledger::verify_by_binary(&data).expect_code(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_bodies_are_refused_and_recorded_and_idle_connections_end() {
    let upstream = StandIn::start().await;
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let limits = "body_grace_s: 1, body_bytes_per_s_min: 100, keep_alive_s_max: 1";
    let config = setup(root.path(), &upstream.url(), limits);
    let gateway = Gateway::start(Setup::Config(&config), &data).await;
    let head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n{";
    let mut slow = sockets(&gateway, 200, head).await;
    let drip = async {
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            for socket in &slow {
                let _sent = socket.try_write(b" ");
            }
        }
    };
    tokio::select! {
        () = drip => {}
        longest = healthy(&gateway, 20) => assert!(longest < Duration::from_secs(5), "{longest:?}"),
    }
    let mut exchanges = Vec::new();
    for socket in &mut slow {
        let heard = listen(socket).await;
        assert_eq!(heard.statuses(), [400], "{}", heard.text());
        assert!(
            heard.text().contains("slower than 100 bytes per second"),
            "{}",
            heard.text()
        );
        exchanges.extend(heard.header("x-countersign-exchange"));
    }
    // A served connection is kept for a second, not longer.
    let body = question().to_string();
    let length = body.len();
    let request = format!(
        "POST {CHAT} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let mut kept = TcpStream::connect(gateway.data_port).await.unwrap();
    kept.write_all(request.as_bytes()).await.unwrap();
    assert!(!listen(&mut kept).await.closed);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(listen(&mut kept).await.closed);
    gateway.stop().await;
    ledger::verify_by_binary(&data).expect_code(0);
    let decisions = ledger::decisions(&ledger::records(&data));
    assert_eq!(exchanges.len(), 200);
    for exchange in exchanges {
        assert_eq!(ledger::sides(&decisions[&exchange]), ["input"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_never_reads_is_given_up() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let filler = "word ".repeat(1 << 20);
    let answer = json!({ "choices": [{ "message": { "content": filler } }] }).to_string();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n";
    let upstream = countersign_tests::raw::Naive::start(head, &answer).await;
    let file = root.path().join("countersign.yaml");
    let text = format!(
        "routes:\n  - match: {{ path: \"/*\" }}\n    upstream: {{ url: \"{}\", vendor: stand-in }}\n    \
         on_unreadable: pass\nlimits: {{ write_stall_s_max: 1 }}\n",
        upstream.url()
    );
    std::fs::write(&file, text).unwrap();
    let gateway = Gateway::start(Setup::Config(&file), &data).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut socket = socket.connect(gateway.data_port).await.unwrap();
    socket
        .write_all(b"GET /v1/x HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let heard = listen(&mut socket).await;
    assert!(heard.closed, "the stalled connection is still open");
    assert!(heard.bytes.len() < answer.len(), "everything was delivered");
    gateway.stop().await;
    ledger::verify_by_binary(&data).expect_code(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shed_is_told_to_the_ledger_in_sum() {
    let upstream = StandIn::start().await;
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let config = setup(root.path(), &upstream.url(), "exchanges_max: 2");
    let gateway = Gateway::start(Setup::Config(&config), &data).await;
    let hanging = json!({ "model": "hang", "messages": [{ "role": "user", "content": "Hello?" }] });
    let calls: Vec<_> = (0..2)
        .map(|_call| {
            let (url, asked) = (gateway.url(CHAT), hanging.clone());
            tokio::spawn(async move { Client::new().post(&url, &asked).await.is_ok() })
        })
        .collect();
    while upstream.seen().len() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for path in [CHAT, "/v1/messages"] {
        for _request in 0..50 {
            let answer = Client::new()
                .post(&gateway.url(path), &question())
                .await
                .unwrap();
            assert_eq!(answer.status, 503, "{}", answer.text());
            assert_eq!(answer.header("retry-after"), "1");
            assert!(answer.text().contains("overloaded"), "{}", answer.text());
        }
    }
    // One with flawed framing is shed like any other.
    let heard = say(gateway.data_port, b"GET /\r\n\r\n").await;
    assert_eq!(heard.statuses(), [503]);
    for call in &calls {
        call.abort();
    }
    gateway.stop().await;
    ledger::verify_by_binary(&data).expect_code(0);
    let records = ledger::records(&data);
    let told = records
        .iter()
        .filter(|r| r["type"] == "gap" && r["cause"] == "overloaded");
    let told: Vec<_> = told.collect();
    let count = |gap: &&Value| {
        let detail = gap["detail"].as_str().unwrap();
        detail.split(' ').next().unwrap().parse::<u32>().unwrap()
    };
    assert_eq!(told.iter().map(count).sum::<u32>(), 101);
    assert!(told.len() < 40, "{} records for 101 refusals", told.len());
}
