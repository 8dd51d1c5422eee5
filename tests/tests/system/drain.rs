//! SIGTERM while a stream runs: it finishes, nothing new begins, and the ledger is closed.

use std::time::Duration;

use countersign_tests::gateway::{Gateway, Setup};
use countersign_tests::ledger;
use countersign_tests::raw::listen;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const PACE: Duration = Duration::from_millis(150);

/// An upstream that streams the numbers to 20, slowly; its base URL.
async fn slow_stream() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _from)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = vec![0; 4096];
                let _request = socket.read(&mut buffer).await;
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
                let _sent = socket.write_all(head.as_bytes()).await;
                for number in 0..20 {
                    let chunk = json!({ "id": "1", "object": "chat.completion.chunk", "model": "m",
                        "choices": [{ "index": 0, "delta": { "content": format!("number {number}. ") },
                                      "finish_reason": null }] });
                    let _sent = socket
                        .write_all(format!("data: {chunk}\n\n").as_bytes())
                        .await;
                    tokio::time::sleep(PACE).await;
                }
                let last = json!({ "id": "1", "object": "chat.completion.chunk", "model": "m",
                    "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
                let end = format!("data: {last}\n\ndata: [DONE]\n\n");
                let _sent = socket.write_all(end.as_bytes()).await;
            });
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_runs_at_sigterm_finishes_and_nothing_new_begins() {
    let upstream = slow_stream().await;
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let gateway = Gateway::start(Setup::Upstream(&upstream), &data).await;
    let body = json!({ "model": "m", "stream": true,
        "messages": [{ "role": "user", "content": "Count." }] })
    .to_string();
    let length = body.len();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    let mut socket = TcpStream::connect(gateway.data_port).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut first = vec![0; 4096];
    let read = socket.read(&mut first).await.unwrap();
    assert!(String::from_utf8_lossy(&first[..read]).starts_with("HTTP/1.1 200"));

    gateway.signal("TERM").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let late = TcpStream::connect(gateway.data_port).await;
    assert!(late.is_err(), "a connection was accepted during the drain");
    let mut rest = String::from_utf8_lossy(&first[..read]).into_owned();
    loop {
        let heard = listen(&mut socket).await;
        rest += &heard.text();
        if heard.closed {
            break;
        }
    }
    assert!(
        rest.contains("number 19.") && rest.contains("[DONE]"),
        "{rest}"
    );
    // A second SIGTERM hurries nothing; the exit code is 0.
    gateway.stop().await;
    ledger::verify_by_binary(&data).expect_code(0);
    let decisions = ledger::decisions(&ledger::records(&data));
    let records = decisions.values().next().unwrap();
    assert_eq!(ledger::sides(records), ["input", "output"]);
    assert_eq!(records[1]["delivery"]["finish"], "complete");
}
