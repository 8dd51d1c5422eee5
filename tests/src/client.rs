//! An HTTP/1.1 client that keeps the difference between a whole answer and a cut one.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// A pooling client.
#[derive(Debug, Clone)]
pub struct Client(hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>);

/// An answer read in full.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: hyper::HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// An answer as it arrived, whole or not.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: hyper::HeaderMap,
    /// Each piece, and when it came after the request was sent.
    pub pieces: Vec<(Duration, Bytes)>,
    /// Whether the body came to its own end.
    pub whole: bool,
}

impl Arrival {
    /// All bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let pieces = self.pieces.iter();
        pieces
            .flat_map(|(_, bytes)| bytes.iter().copied())
            .collect()
    }

    /// When `text` had come in full, if it did.
    pub fn time_of(&self, text: &str) -> Option<Duration> {
        let mut so_far = Vec::new();
        self.pieces.iter().find_map(|(at, bytes)| {
            so_far.extend_from_slice(bytes);
            String::from_utf8_lossy(&so_far)
                .contains(text)
                .then_some(*at)
        })
    }

    /// When the last piece came.
    pub fn ended(&self) -> Duration {
        self.pieces.last().map_or(Duration::ZERO, |(at, _)| *at)
    }
}

/// The answer did not arrive in full.
#[derive(Debug)]
pub struct Cut(pub String);

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl Client {
    /// A client with its own pool.
    pub fn new() -> Self {
        let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
        Self(client.build_http())
    }

    /// GET.
    ///
    /// # Errors
    /// [`Cut`] when no whole answer came.
    pub async fn get(&self, url: &str) -> Result<Answer, Cut> {
        let request = Request::builder().method(Method::GET).uri(url);
        self.send(request.body(Full::default()).unwrap()).await
    }

    /// POST of a JSON value.
    ///
    /// # Errors
    /// [`Cut`] when no whole answer came.
    pub async fn post(&self, url: &str, body: &Value) -> Result<Answer, Cut> {
        self.post_bytes(url, body.to_string().into_bytes(), &[])
            .await
    }

    /// POST of bytes that claim to be JSON, with further headers.
    ///
    /// # Errors
    /// [`Cut`] when no whole answer came.
    pub async fn post_bytes(
        &self,
        url: &str,
        body: Vec<u8>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Cut> {
        let mut request = Request::builder().method(Method::POST).uri(url);
        request = request.header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Full::new(body.into())).unwrap())
            .await
    }

    /// POST of a JSON value; the answer piece by piece, at most `pieces_max` of them, after which
    /// the caller leaves.
    ///
    /// # Errors
    /// [`Cut`] when not even a head came.
    pub async fn post_and_watch(
        &self,
        url: &str,
        body: &Value,
        pieces_max: usize,
    ) -> Result<Arrival, Cut> {
        let request = Request::builder().method(Method::POST).uri(url);
        let request = request.header("content-type", "application/json");
        let request = request.body(Full::new(body.to_string().into())).unwrap();
        let began = Instant::now();
        let cut = |e: hyper_util::client::legacy::Error| Cut(format!("{e:?}"));
        let (head, mut body) = self.0.request(request).await.map_err(cut)?.into_parts();
        let mut arrival = Arrival {
            status: head.status.as_u16(),
            headers: head.headers,
            pieces: Vec::new(),
            whole: false,
        };
        while arrival.pieces.len() < pieces_max {
            match body.frame().await {
                None => {
                    arrival.whole = true;
                    break;
                }
                Some(Err(_cut)) => break,
                Some(Ok(frame)) => {
                    let data = frame.into_data().unwrap_or_default();
                    arrival.pieces.push((began.elapsed(), data));
                }
            }
        }
        Ok(arrival)
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, Cut> {
        let response = self
            .0
            .request(request)
            .await
            .map_err(|e| Cut(format!("{e:?}")))?;
        let (head, body) = response.into_parts();
        let body = body
            .collect()
            .await
            .map_err(|e| Cut(format!("{e:?}")))?
            .to_bytes();
        Ok(Answer {
            status: StatusCode::as_u16(&head.status),
            headers: head.headers,
            body,
        })
    }
}

impl Answer {
    /// A header's text; empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; fails the test when it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("{error}: {}", self.text()),
        }
    }
}
