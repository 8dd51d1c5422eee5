//! TLS on both listeners and towards upstreams, with certificates made on the spot.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use countersign_tests::certificates::{Authority, Identity, connect, shown};
use countersign_tests::client::Client;
use countersign_tests::gateway::{Gateway, Setup};
use countersign_tests::stand_in::StandIn;
use countersign_tests::{ledger, machine};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;

const CHAT: &str = "/v1/chat/completions";
const BODY: &str = r#"{"model":"plain","messages":[{"role":"user","content":"Hello there"}]}"#;

fn request(key: &str) -> Request<Full<Bytes>> {
    Request::post(format!("https://localhost{CHAT}"))
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("authorization", key)
        .body(Full::from(BODY))
        .unwrap()
}

type Sender = http1::SendRequest<Full<Bytes>>;

async fn http_1(stream: TlsStream<TcpStream>) -> Sender {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// One request over HTTP/1.1; its status, or what went wrong.
async fn ask(gateway: &Gateway, config: ClientConfig, key: &str) -> Result<u16, String> {
    let told = |e: &dyn std::fmt::Display| e.to_string();
    let stream = connect(gateway.data_port, config)
        .await
        .map_err(|e| told(&e))?;
    let answer = http_1(stream).await.send_request(request(key)).await;
    answer.map(|a| a.status().as_u16()).map_err(|e| told(&e))
}

async fn start(folder: &Path, upstream: &str, rest: &str) -> Gateway {
    let config = folder.join("countersign.yaml");
    let text = format!("routes:\n  - match: {{ path: \"/*\" }}\n    upstream: {upstream}\n{rest}");
    std::fs::write(&config, text).unwrap();
    Gateway::start(Setup::Config(&config), &folder.join("data")).await
}

fn plain(upstream: &StandIn) -> String {
    format!("{{ url: \"{}\", vendor: stand-in }}", upstream.url())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_protocols_are_served_over_tls_and_nothing_in_the_clear() {
    let upstream = StandIn::start().await;
    let root = tempfile::tempdir().unwrap();
    let authority = Authority::new(root.path(), "ca");
    authority.sign(root.path(), "server");
    let tls = "{ cert: server.cert.pem, key: server.key.pem, min: \"1.3\" }";
    let rest = format!("listen_tls: {tls}\nadmin_tls: {tls}\n");
    let gateway = start(root.path(), &plain(&upstream), &rest).await;

    let client = authority.client(None, "http/1.1");
    assert_eq!(ask(&gateway, client.clone(), "x").await, Ok(200));
    let stream = connect(gateway.data_port, authority.client(None, "h2"))
        .await
        .unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    for _request in 0..3 {
        let answer = sender.send_request(request("x")).await.unwrap();
        assert_eq!(answer.status(), 200);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&body).contains("Paris"));
    }
    let stream = connect(gateway.admin_port, client).await.unwrap();
    let ready = Request::get("/readyz")
        .header("host", "a")
        .body(Full::default())
        .unwrap();
    let answer = http_1(stream).await.send_request(ready).await.unwrap();
    assert_eq!(answer.status(), 200);

    let old = authority.client_of_tls12();
    let refused = ask(&gateway, old, "x").await.unwrap_err();
    assert!(refused.contains("ProtocolVersion"), "{refused}");
    let clear = Client::new().get(&gateway.url(CHAT)).await;
    assert!(clear.is_err(), "{clear:?}");
    openssl_agrees(&gateway, &authority);
    assert_eq!(upstream.seen().len(), 4);
    gateway.stop().await;
}

/// A second implementation sees the same.
fn openssl_agrees(gateway: &Gateway, authority: &Authority) {
    let address = gateway.data_port.to_string();
    let mut openssl = std::process::Command::new("openssl");
    openssl.args([
        "s_client",
        "-connect",
        &address,
        "-servername",
        "localhost",
        "-alpn",
        "h2",
        "-CAfile",
    ]);
    let Ok(said) = openssl
        .arg(&authority.file)
        .stdin(std::process::Stdio::null())
        .output()
    else {
        machine::skip("TLS as openssl sees it", "there is no openssl");
        return;
    };
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("ALPN protocol: h2"), "{said}");
    assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_certificate_is_asked_for_and_is_the_principal() {
    let upstream = StandIn::start().await;
    let root = tempfile::tempdir().unwrap();
    let authority = Authority::new(root.path(), "ca");
    authority.sign(root.path(), "server");
    let client = authority.sign(root.path(), "client");
    let stranger = Authority::new(root.path(), "other").sign(root.path(), "stranger");
    let rest = "listen_tls: { cert: server.cert.pem, key: server.key.pem, client_ca: ca.pem }\n";
    let gateway = start(root.path(), &plain(&upstream), rest).await;
    for (who, key) in [(None, "x"), (Some(&stranger), "x")] {
        let refused = ask(&gateway, authority.client(who, "http/1.1"), key).await;
        assert!(refused.is_err(), "{refused:?}");
    }
    for key in ["one", "two"] {
        let config = authority.client(Some(&client), "http/1.1");
        assert_eq!(ask(&gateway, config, key).await, Ok(200));
    }
    gateway.stop().await;
    let decisions = ledger::decisions(&ledger::records(&root.path().join("data")));
    let mut principals: Vec<_> = decisions
        .values()
        .map(|r| r[0]["principal"].to_string())
        .collect();
    assert_eq!(principals.len(), 2);
    principals.dedup();
    assert_eq!(principals.len(), 1, "the key in the header is not who asks");
}

async fn until_shown(gateway: &Gateway, authority: &Authority, other_than: &[u8]) -> Vec<u8> {
    let began = Instant::now();
    loop {
        let stream = connect(gateway.data_port, authority.client(None, "http/1.1"))
            .await
            .unwrap();
        let certificate = shown(&stream);
        if certificate != other_than {
            return certificate;
        }
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "the certificate was not replaced"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_replaced_while_serving_and_a_bad_one_is_not() {
    let upstream = StandIn::start().await;
    let root = tempfile::tempdir().unwrap();
    let authority = Authority::new(root.path(), "ca");
    let server = authority.sign(root.path(), "server");
    let rest = "listen_tls: { cert: server.cert.pem, key: server.key.pem }\n";
    let gateway = start(root.path(), &plain(&upstream), rest).await;
    let client = || authority.client(None, "http/1.1");
    let stream = connect(gateway.data_port, client()).await.unwrap();
    let first = shown(&stream);
    let mut open = http_1(stream).await;
    let answer = open.send_request(request("x")).await.unwrap();
    answer.into_body().collect().await.unwrap();

    authority.sign(root.path(), "server");
    let second = until_shown(&gateway, &authority, &first).await;
    open.ready().await.unwrap();
    let answer = open.send_request(request("x")).await.unwrap();
    assert_eq!(
        answer.status(),
        200,
        "the open connection did not outlive the change"
    );

    std::fs::write(&server.cert, "no certificate").unwrap();
    gateway.signal("HUP").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let stream = connect(gateway.data_port, client()).await.unwrap();
    assert_eq!(shown(&stream), second, "a bad file was put in force");
    let log = std::fs::read_to_string(root.path().join("data.serve.log")).unwrap();
    assert!(
        log.contains("not reloaded") && log.contains("server.cert.pem"),
        "{log}"
    );

    // On SIGHUP at once, without waiting for the next look at the files.
    authority.sign(root.path(), "server");
    gateway.signal("HUP").await;
    until_shown(&gateway, &authority, &second).await;
    gateway.stop().await;
}

/// Answers everything over `serve`, saying which version it was asked in.
async fn upstream(tls: Option<rustls::ServerConfig>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = tls.map(|config| tokio_rustls::TlsAcceptor::from(Arc::new(config)));
    let answer = |request: Request<hyper::body::Incoming>| async move {
        let said = format!(r#"{{"version":"{:?}"}}"#, request.version());
        let answer = Response::builder().header("content-type", "application/json");
        Ok::<_, Infallible>(answer.body(Full::<Bytes>::from(said)).unwrap())
    };
    tokio::spawn(async move {
        while let Ok((socket, _from)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Some(acceptor) = acceptor {
                    if let Ok(stream) = acceptor.accept(socket).await {
                        let http =
                            hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                        let _ended = http
                            .serve_connection(TokioIo::new(stream), service_fn(answer))
                            .await;
                    }
                } else {
                    let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    let _ended = http
                        .serve_connection(TokioIo::new(socket), service_fn(answer))
                        .await;
                }
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_upstream_is_reached_over_its_own_tls_and_over_http_2() {
    let root = tempfile::tempdir().unwrap();
    let authority = Authority::new(root.path(), "ca");
    let server: Identity = authority.sign(root.path(), "server");
    authority.sign(root.path(), "client");
    let mut config = authority.server(&server);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let port = upstream(Some(config)).await;
    let clear = upstream(None).await;
    let url = format!("url: \"https://localhost:{port}\"");
    let cases = [
        (
            format!(
                "{{ {url}, ca: ca.pem, client_cert: client.cert.pem, client_key: client.key.pem }}"
            ),
            200,
        ),
        (format!("{{ {url}, ca: ca.pem }}"), 502),
        (format!("{{ {url} }}"), 502),
        (
            format!("{{ url: \"http://localhost:{clear}\", http2: true }}"),
            200,
        ),
    ];
    for (number, (way, status)) in cases.into_iter().enumerate() {
        let folder = root.path().join(number.to_string());
        std::fs::create_dir(&folder).unwrap();
        for file in ["ca.pem", "client.cert.pem", "client.key.pem"] {
            std::fs::copy(root.path().join(file), folder.join(file)).unwrap();
        }
        let gateway = start(&folder, &way, "").await;
        let sent = Client::new()
            .post_bytes(&gateway.url(CHAT), BODY.into(), &[])
            .await;
        let answer = sent.unwrap();
        assert_eq!(answer.status, status, "{way}: {}", answer.text());
        if status == 200 {
            assert!(
                answer.text().contains("HTTP/2.0"),
                "{way}: {}",
                answer.text()
            );
        }
        gateway.stop().await;
    }
}
