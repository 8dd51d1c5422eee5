//! Websockets: refused, unless the route passes them, and then their records say what that means.

use countersign_tests::client::Client;
use countersign_tests::gateway::{Gateway, Setup};
use countersign_tests::ledger;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::{Error, Message};

/// A websocket server that says everything again; its address.
async fn echo() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _from)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(mut socket) = tokio_tungstenite::accept_async(socket).await else {
                    return;
                };
                while let Some(Ok(message)) = socket.next().await {
                    if message.is_text() && socket.send(message).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

async fn gateway(upgrades: &str) -> (Gateway, tempfile::TempDir) {
    let upstream = echo().await;
    let root = tempfile::tempdir().unwrap();
    let config = root.path().join("countersign.yaml");
    let text = format!(
        "routes:\n  - match: {{ path: \"/v1/realtime*\" }}\n    \
         upstream: {{ url: \"http://{upstream}\", vendor: echo }}\n    {upgrades}\n"
    );
    std::fs::write(&config, text).unwrap();
    let gateway = Gateway::start(Setup::Config(&config), &root.path().join("data")).await;
    (gateway, root)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_passes_where_the_route_says_so_and_is_recorded_as_not_evaluated() {
    let (gateway, root) = gateway("upgrades: pass_unevaluated").await;
    let data = root.path().join("data");
    let socket = TcpStream::connect(gateway.data_port).await.unwrap();
    let url = format!("ws://{}/v1/realtime?model=m", gateway.data_port);
    let (mut socket, answer) = tokio_tungstenite::client_async(url, socket).await.unwrap();
    assert_eq!(answer.headers()["x-countersign-decision"], "not-evaluated");
    for number in 0..100 {
        let text = format!("{number} {}", "a".repeat(1000));
        socket.send(Message::text(text.clone())).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text));
    }
    socket.close(None).await.unwrap();
    while socket.next().await.is_some() {}
    drop(socket);
    gateway.stop().await;

    ledger::verify_by_binary(&data).expect_code(0);
    let decisions = ledger::decisions(&ledger::records(&data));
    let records = decisions.values().next().unwrap();
    assert_eq!(ledger::sides(records), ["input", "output"]);
    let part = |record: &Value, number: usize| record["coverage"]["unscanned"][number].clone();
    for record in records {
        assert_eq!(part(record, 0)["reason"], "upgrade");
        assert_eq!(part(record, 0)["kind"], "websocket");
    }
    assert_eq!(records[1]["delivery"]["status"], 101);
    let back = records[1]["delivery"]["released_bytes"].as_u64().unwrap();
    let sent: u64 = part(&records[1], 1)["kind"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((100_000..110_000).contains(&back), "{back} bytes came back");
    // The caller's frames are masked, which takes four bytes each.
    assert!((100_000..110_000).contains(&sent), "{sent} bytes were sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_is_refused_by_default_and_an_open_one_ends_with_the_drain() {
    let (refusing, refusing_root) = gateway("").await;
    let socket = TcpStream::connect(refusing.data_port).await.unwrap();
    let url = format!("ws://{}/v1/realtime", refusing.data_port);
    match tokio_tungstenite::client_async(url, socket).await {
        Err(Error::Http(answer)) => assert_eq!(answer.status(), 415),
        other => panic!("{other:?}"),
    }
    refusing.stop().await;
    let data = refusing_root.path().join("data");
    let decisions = ledger::decisions(&ledger::records(&data));
    assert_eq!(ledger::sides(decisions.values().next().unwrap()), ["input"]);

    let (passing, root) = gateway("upgrades: pass_unevaluated").await;
    let socket = TcpStream::connect(passing.data_port).await.unwrap();
    let url = format!("ws://{}/v1/realtime", passing.data_port);
    let (mut socket, _answer) = tokio_tungstenite::client_async(url, socket).await.unwrap();
    socket.send(Message::text("Hello")).await.unwrap();
    assert!(socket.next().await.unwrap().is_ok());
    passing.stop().await;
    let data = root.path().join("data");
    ledger::verify_by_binary(&data).expect_code(0);
    let decisions = ledger::decisions(&ledger::records(&data));
    let records = decisions.values().next().unwrap();
    assert_eq!(ledger::sides(records), ["input", "output"]);
    assert_eq!(records[1]["delivery"]["finish"], "blocked");
}

/// A server that answers whatever it is asked with a switch of protocols; its address.
async fn switcher() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _from)) = listener.accept().await {
            let mut head = [0; 4096];
            let _asked = socket.read(&mut head).await;
            let answer = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\
                upgrade: websocket\r\n\r\nunread";
            let _sent = socket.write_all(answer.as_bytes()).await;
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_switches_protocols_unasked_opens_no_tunnel() {
    let upstream = switcher().await;
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let url = format!("http://{upstream}");
    let gateway = Gateway::start(Setup::Upstream(&url), &data).await;
    let asked = json!({ "model": "m", "messages": [{ "role": "user", "content": "Hello?" }] });
    let path = gateway.url("/v1/chat/completions");
    let answer = Client::new().post(&path, &asked).await.unwrap();
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert!(!answer.text().contains("unread"), "{}", answer.text());
    gateway.stop().await;
    ledger::verify_by_binary(&data).expect_code(0);
    let records = ledger::decisions(&ledger::records(&data));
    for sides in records.values() {
        assert_eq!(sides[1]["delivery"]["finish"], "upstream_fault");
    }
}
