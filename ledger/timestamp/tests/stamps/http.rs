//! The authority behind HTTP on the loopback, honest or not.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use countersign_ledger_timestamp::{Request as TimeRequest, TsaClient};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::authority::Authority;

/// How the server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Honest,
    /// Refuses what is asked.
    Refusing,
    /// Answers a request of its own over the same note.
    Replaying,
    /// Answers with a page.
    Page,
    /// Answers 503.
    Busy,
    /// Answers with more than any token.
    Flooding,
    /// Never answers.
    Silent,
}

/// A running server; it ends with the runtime.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    manner: Arc<Mutex<Manner>>,
    asked: Arc<Mutex<usize>>,
}

impl Server {
    /// Serves `authority`; the note that [`Manner::Replaying`] stamps is `note`.
    pub(crate) async fn start(authority: Arc<Authority>, note: String) -> Self {
        Self::start_with(authority, note, None).await
    }

    /// The same over TLS, where there is an acceptor.
    pub(crate) async fn start_with(
        authority: Arc<Authority>,
        note: String,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            manner: Arc::new(Mutex::new(Manner::Honest)),
            asked: Arc::default(),
        };
        let serving = server.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (serving, authority, note) = (serving.clone(), authority.clone(), note.clone());
                let service = service_fn(move |request| {
                    let (serving, authority) = (serving.clone(), authority.clone());
                    let note = note.clone();
                    async move { serving.answer(&authority, &note, request).await }
                });
                // One after the other: the files of the authority are shared.
                let http = hyper::server::conn::http1::Builder::new();
                let _ = match &tls {
                    None => http.serve_connection(TokioIo::new(stream), service).await,
                    // A client that does not trust this server leaves.
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => http.serve_connection(TokioIo::new(stream), service).await,
                        Err(_) => continue,
                    },
                };
            }
        });
        server
    }

    pub(crate) fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }

    /// A client of this server.
    pub(crate) fn client(&self, roots: Option<&[u8]>) -> TsaClient {
        use countersign_ledger_timestamp::{Authority, Roots};
        let url = format!("http://{}/tsa", self.address).parse().unwrap();
        let authority = Authority {
            roots: roots.map(|pem| Roots::from_pem(pem).unwrap()),
            time_max: Duration::from_secs(5),
            ..Authority::at(url)
        };
        TsaClient::new(authority).unwrap()
    }

    async fn answer(
        &self,
        authority: &Authority,
        note: &str,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        *self.asked.lock().unwrap() += 1;
        assert_eq!(
            request.headers()["content-type"],
            "application/timestamp-query"
        );
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let manner = *self.manner.lock().unwrap();
        let mut status = StatusCode::OK;
        let mut media = "application/timestamp-reply";
        let body = match manner {
            Manner::Honest => authority.reply(&body),
            Manner::Refusing => authority.refuse(&body),
            Manner::Replaying => authority.reply(TimeRequest::new(note.as_bytes()).unwrap().der()),
            Manner::Page => {
                media = "text/html";
                authority.reply(&body)
            }
            Manner::Busy => {
                status = StatusCode::SERVICE_UNAVAILABLE;
                authority.reply(&body)
            }
            Manner::Flooding => vec![0x30; 1 << 20],
            Manner::Silent => std::future::pending().await,
        };
        let mut answer = Response::new(Full::from(body));
        *answer.status_mut() = status;
        answer
            .headers_mut()
            .insert("content-type", media.parse().unwrap());
        Ok(answer)
    }
}
