//! HTTP/2 rapid reset: a caller that opens streams and takes them back at once costs the others
//! little, and what it had served is recorded.

use std::time::{Duration, Instant};

use bytes::Bytes;
use countersign_tests::client::Client;
use countersign_tests::gateway::{Gateway, Setup};
use countersign_tests::ledger;
use countersign_tests::stand_in::StandIn;
use http_body_util::Full;
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;

/// Streams that are opened and reset, each at once.
const RESETS: usize = 3000;
/// Longest wait of somebody else on a busy machine.
const OTHERS_WAIT_MAX: Duration = Duration::from_secs(10);

/// Opens streams and resets them until there were enough or the gateway ends the connection; says
/// how many it took.
async fn reset_rapidly(address: std::net::SocketAddr) -> usize {
    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket));
    let (mut sender, connection) = handshake.await.unwrap();
    let driving = tokio::spawn(connection);
    let body = json!({ "model": "plain", "messages": [{ "role": "user", "content": "Why?" }] });
    for count in 0..RESETS {
        if sender.ready().await.is_err() {
            driving.abort();
            return count;
        }
        let request = Request::post(format!("http://{address}/v1/chat/completions"))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_string())))
            .unwrap();
        let answer = sender.send_request(request);
        // The stream is on its way when its future has been asked once; dropping it is a reset.
        drop(tokio::time::timeout(Duration::from_micros(50), answer).await);
    }
    driving.abort();
    RESETS
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_are_reset_at_once_leave_others_served_and_the_ledger_whole() {
    let upstream = StandIn::start().await;
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let gateway = Gateway::start(Setup::Upstream(&upstream.url()), &data).await;
    let before = gateway.resident_mib();
    let attack = tokio::spawn(reset_rapidly(gateway.data_port));
    let url = gateway.url("/v1/chat/completions");
    let asked = json!({ "model": "plain", "messages": [{ "role": "user", "content": "Hello?" }] });
    let mut longest = Duration::ZERO;
    for _ in 0..10 {
        let began = Instant::now();
        let answer = Client::new().post(&url, &asked).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        longest = longest.max(began.elapsed());
    }
    let resets = attack.await.unwrap();
    let grown = gateway.resident_mib() - before;
    println!("{resets} resets; others waited {longest:?} at most; memory grew by {grown:.1} MiB");
    assert!(resets < RESETS, "the gateway ends such a connection");
    assert!(longest < OTHERS_WAIT_MAX, "others waited {longest:?}");
    assert!(grown < 64.0, "memory grew by {grown} MiB");
    gateway.stop().await;
    ledger::verify_by_binary(&data).expect_code(0);
    // Whatever was forwarded for a stream that was taken back is closed by a record.
    for (exchange, sides) in ledger::decisions(&ledger::records(&data)) {
        let forwarded = sides[0]["action"] == "forwarded";
        assert_eq!(
            sides.len(),
            if forwarded { 2 } else { 1 },
            "exchange {exchange}"
        );
    }
}
