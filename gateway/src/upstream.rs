//! Sends what was permitted, and nothing else.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, EXPECT, HOST, HeaderName,
    HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;

use crate::limits::Limits;
use crate::permit::Permitted;

/// Why the upstream gave no response head.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamFault {
    /// It could not be reached, or broke the protocol.
    #[error("the upstream could not be reached: {0}")]
    Unreachable(String),
    /// It switched to another protocol, which nobody had asked for.
    #[error("the upstream switched protocols without being asked")]
    Switched,
    /// It did not answer in time.
    #[error("the upstream did not answer within {0:?}")]
    TimedOut(Duration),
    /// The request's target makes no valid address under the route's upstream.
    #[error("the request target is not valid: {0}")]
    Target(String),
}

type Pooled = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// How often an HTTP/2 upstream must show that it is there while something is open.
const HTTP2_PING_EVERY: Duration = Duration::from_secs(30);

/// Pooled clients over HTTP/1.1 and HTTP/2, TLS by rustls. Clones share the pool.
///
/// A request is sent again only if it was queued on a pooled connection that turned out to be
/// closed before the first byte of the request was written (hyper gives it back unsent); whatever
/// may have been read by the upstream is never repeated. Redirects are answers and not followed.
#[derive(Debug, Clone)]
pub struct Upstream {
    client: Pooled,
    /// For requests to upgrade, which HTTP/1.1 alone knows.
    upgrading: Pooled,
    head_max: Duration,
}

/// What is special about an upstream.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Its own TLS; the public authorities and no client certificate without it.
    pub tls: Option<ClientConfig>,
    /// Whether it speaks HTTP/2 without being asked, also in the clear.
    pub http2: bool,
}

impl Upstream {
    /// A client with the bounds of `limits`, for upstreams with nothing special about them.
    pub fn new(limits: &Limits) -> Self {
        Self::with(limits, &Access::default())
    }

    /// A client with the bounds of `limits`.
    pub fn with(limits: &Limits, access: &Access) -> Self {
        let builder = || {
            let mut builder = Client::builder(TokioExecutor::new());
            builder
                .pool_timer(TokioTimer::new())
                .timer(TokioTimer::new())
                .pool_idle_timeout(limits.upstream_pool_idle_max)
                .pool_max_idle_per_host(limits.upstream_pool_max)
                .http2_keep_alive_interval(HTTP2_PING_EVERY)
                .http2_keep_alive_timeout(HTTP2_PING_EVERY);
            builder
        };
        let client = builder()
            .http2_only(access.http2)
            .build(connector(limits, access, true));
        let upgrading = builder().build(connector(limits, access, false));
        Self {
            client,
            upgrading,
            head_max: limits.upstream_head_max,
        }
    }

    /// Sends a permitted request and waits for the response's head.
    ///
    /// # Errors
    /// [`UpstreamFault`] when no head arrives.
    pub async fn send(
        &self,
        request: Permitted<Request<Bytes>>,
    ) -> Result<Response<Incoming>, UpstreamFault> {
        let mut request = request.into_inner().map(Full::new);
        crate::trace::propagate(request.headers_mut());
        let asks_to_switch = request.headers().contains_key(UPGRADE);
        let client = if asks_to_switch {
            &self.upgrading
        } else {
            &self.client
        };
        match tokio::time::timeout(self.head_max, client.request(request)).await {
            // A tunnel that no decision permitted must not open.
            Ok(Ok(response))
                if response.status() == StatusCode::SWITCHING_PROTOCOLS && !asks_to_switch =>
            {
                Err(UpstreamFault::Switched)
            }
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(UpstreamFault::Unreachable(root_cause(&error))),
            Err(_elapsed) => Err(UpstreamFault::TimedOut(self.head_max)),
        }
    }
}

fn connector(limits: &Limits, access: &Access, http2: bool) -> HttpsConnector<HttpConnector> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(limits.upstream_connect_max));
    let builder = hyper_rustls::HttpsConnectorBuilder::new();
    let builder = match &access.tls {
        Some(tls) => builder.with_tls_config(tls.clone()),
        None => builder.with_webpki_roots(),
    };
    let builder = builder.https_or_http();
    match (http2, access.http2) {
        (true, true) => builder.enable_http2().wrap_connector(tcp),
        (true, false) => builder.enable_all_versions().wrap_connector(tcp),
        (false, _) => builder.enable_http1().wrap_connector(tcp),
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

/// The upstream's address for a request target: the route's base path, then the target.
///
/// # Errors
/// [`UpstreamFault::Target`] when the two make no valid URI.
pub fn address(base: &Uri, target: &Uri) -> Result<Uri, UpstreamFault> {
    let prefix = base.path().trim_end_matches('/');
    let path = target.path();
    // A base URL that already ends in the API version, as the SDKs' do, must not double it.
    let version = prefix.rsplit('/').next().unwrap_or_default();
    let path = match path.strip_prefix('/').and_then(|p| p.strip_prefix(version)) {
        Some(rest) if !version.is_empty() && rest.starts_with('/') => rest,
        _ => path,
    };
    let query = target.query().map(|q| format!("?{q}")).unwrap_or_default();
    let mut parts = base.clone().into_parts();
    let joined = format!("{prefix}{path}{query}");
    parts.path_and_query = Some(
        joined
            .parse()
            .map_err(|e| UpstreamFault::Target(format!("{e}")))?,
    );
    Uri::from_parts(parts).map_err(|e| UpstreamFault::Target(e.to_string()))
}

/// The headers without those that end at this hop (RFC 9110 section 7.6.1), framing that is made
/// anew, and our own.
pub fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        if !is_hop_by_hop(name) && !named.contains(name) {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    // `alt-svc` would lead the caller's next request past the gateway.
    const OTHERS: [&str; 3] = ["alt-svc", "http2-settings", "keep-alive"];
    [
        CONNECTION,
        CONTENT_LENGTH,
        CONTENT_ENCODING,
        EXPECT,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ]
    .contains(name)
        || OTHERS.contains(&name.as_str())
        || name.as_str().starts_with("proxy-")
        || name.as_str().starts_with("x-countersign-")
}

/// Headers for the upstream: end-to-end ones, and a wish for an answer without encoding.
pub fn request_headers(headers: &HeaderMap) -> HeaderMap {
    let mut kept = end_to_end(headers);
    kept.remove(HOST);
    kept.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    kept
}
