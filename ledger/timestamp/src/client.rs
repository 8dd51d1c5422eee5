//! Asks a time-stamping authority over HTTP (RFC 3161 section 3.4).

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use http::{Request as HttpRequest, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use rustls::ClientConfig;

use crate::chain::Roots;
use crate::error::StampError;
use crate::request::{Request, RequestError};
use crate::response::{RESPONSE_MAX, Response};
use crate::verify::Expected;

const QUERY: &str = "application/timestamp-query";
const REPLY: &str = "application/timestamp-reply";

/// Why no timestamp was had.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No request could be made.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The authority's address is none.
    #[error("{0} is no address of a time-stamping authority (http or https)")]
    Address(String),
    /// It could not be reached, or broke the protocol.
    #[error("the time-stamping authority could not be reached: {0}")]
    Unreachable(String),
    /// It did not answer in time.
    #[error("the time-stamping authority did not answer within {0:?}")]
    TimedOut(Duration),
    /// It answered with something else than 200.
    #[error("the time-stamping authority answered with status {0}")]
    Status(StatusCode),
    /// Its answer is of another media type.
    #[error("the time-stamping authority answered with something else than {REPLY}")]
    MediaType,
    /// Its answer is longer than any honest one.
    #[error("the time-stamping authority answered with more than {RESPONSE_MAX} bytes")]
    TooLong,
    /// Its answer proves nothing about the note.
    #[error(transparent)]
    Stamp(#[from] StampError),
}

/// Which authority is asked, and how.
#[derive(Debug, Clone)]
pub struct Authority {
    /// Its address, `http` or `https`. A token protects itself, so plain `http` is usual.
    pub url: Uri,
    /// Whose tokens are believed. Without roots only status, imprint and nonce are checked, and
    /// whether the token proves anything shows when it is verified later.
    pub roots: Option<Roots>,
    /// TLS of its own; the public authorities without it.
    pub tls: Option<ClientConfig>,
    /// Longest wait for an answer in full.
    pub time_max: Duration,
}

impl Authority {
    /// Default of `time_max`.
    pub const TIME_MAX: Duration = Duration::from_secs(20);

    /// An authority without roots, with public TLS and the default wait.
    pub fn at(url: Uri) -> Self {
        Self {
            url,
            roots: None,
            tls: None,
            time_max: Self::TIME_MAX,
        }
    }
}

/// A token that answers our request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The `TimeStampResp` in DER.
    pub der: Vec<u8>,
    /// The time in it: proven where roots are configured, else merely claimed.
    pub time: Timestamp,
}

/// Asks one authority. Redirects are not followed.
#[derive(Debug, Clone)]
pub struct TsaClient {
    authority: Authority,
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl TsaClient {
    /// A client of `authority`.
    ///
    /// # Errors
    /// [`ClientError::Address`] when its address names no host or neither `http` nor `https`.
    pub fn new(authority: Authority) -> Result<Self, ClientError> {
        let scheme = authority.url.scheme_str();
        if authority.url.host().is_none() || !matches!(scheme, Some("http" | "https")) {
            return Err(ClientError::Address(authority.url.to_string()));
        }
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        let builder = HttpsConnectorBuilder::new();
        let builder = match &authority.tls {
            Some(tls) => {
                let mut tls = tls.clone();
                // The builder sets the protocol itself, and panics where it is set already.
                tls.alpn_protocols.clear();
                builder.with_tls_config(tls)
            }
            None => builder.with_webpki_roots(),
        };
        let connector = builder.https_or_http().enable_http1().wrap_connector(tcp);
        // Requests are an hour apart; a connection kept that long would only be a stale one.
        let http = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(connector);
        Ok(Self { authority, http })
    }

    /// Has the complete bytes of `note` stamped. What comes back is granted, about this note and
    /// an answer to this request; with roots it is verified whole.
    ///
    /// # Errors
    /// [`ClientError`]; the wait is bounded by [`Authority::time_max`].
    pub async fn stamp(&self, note: &[u8]) -> Result<Reply, ClientError> {
        let request = Request::new(note)?;
        let limit = self.authority.time_max;
        let der = tokio::time::timeout(limit, self.ask(&request))
            .await
            .map_err(|_elapsed| ClientError::TimedOut(limit))??;
        let response = Response::parse(&der)?;
        response.answers(note, Some(request.nonce()))?;
        if let Some(roots) = &self.authority.roots {
            response.verify(roots, &Expected::default())?;
        }
        Ok(Reply {
            time: response.claimed_time(),
            der,
        })
    }

    async fn ask(&self, request: &Request) -> Result<Vec<u8>, ClientError> {
        let address = || ClientError::Address(self.authority.url.to_string());
        let request = HttpRequest::post(self.authority.url.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static(QUERY))
            .header(ACCEPT, HeaderValue::from_static(REPLY))
            .body(Full::from(request.der().to_vec()))
            .map_err(|_| address())?;
        let answer = self.http.request(request).await;
        let answer = answer.map_err(|error| ClientError::Unreachable(root_cause(&error)))?;
        if answer.status() != StatusCode::OK {
            return Err(ClientError::Status(answer.status()));
        }
        let media = answer.headers().get(CONTENT_TYPE);
        let media = media.and_then(|value| value.to_str().ok()).unwrap_or("");
        let media = media.split(';').next().unwrap_or("").trim();
        if !media.eq_ignore_ascii_case(REPLY) {
            return Err(ClientError::MediaType);
        }
        let body = Limited::new(answer.into_body(), RESPONSE_MAX);
        let body = body.collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                ClientError::TooLong
            } else {
                ClientError::Unreachable(root_cause(error.as_ref()))
            }
        })?;
        Ok(body.to_bytes().to_vec())
    }
}

/// The innermost error says what happened; the outer ones say only that something did.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
