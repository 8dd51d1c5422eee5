//! A small HTTP client: whole bodies with a size and a time limit, no redirects.

use std::{io::Read, time::Duration};

use bytes::Bytes;
use http::{
    Method, Request, Uri,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE},
};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

pub use rustls::ClientConfig as TlsConfig;

/// Most idle connections kept per host.
const IDLE_MAX: usize = 8;
/// How long an idle connection is kept.
const IDLE_FOR: Duration = Duration::from_secs(30);

/// Why a request got no whole answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// Not an `http://` or `https://` address.
    #[error("{0} is not an http or https address")]
    Url(String),
    /// The other side could not be reached, or broke the protocol.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// No whole answer in time.
    #[error("no whole answer within {0:?}")]
    TimedOut(Duration),
    /// The body is larger than the bound, in bytes.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The body is compressed in a way that was not offered, or badly.
    #[error("the answer's encoding cannot be read")]
    Encoding,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

/// What one request may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) time: Duration,
    pub(crate) bytes: usize,
}

/// The client; clones share connections.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Http {
    /// A client; without `tls` it trusts the public authorities.
    pub(crate) fn new(tls: Option<&TlsConfig>, connect_max: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect_max));
        let builder = HttpsConnectorBuilder::new();
        let builder = match tls {
            Some(tls) => builder.with_tls_config(tls.clone()),
            None => builder.with_webpki_roots(),
        };
        let connector = builder.https_or_http().enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_FOR)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(connector);
        Self { client }
    }

    pub(crate) async fn get(&self, url: &str, bounds: Bounds) -> Result<Reply, HttpError> {
        self.send(Method::GET, url, Bytes::new(), bounds).await
    }

    pub(crate) async fn post(
        &self,
        url: &str,
        body: Bytes,
        bounds: Bounds,
    ) -> Result<Reply, HttpError> {
        self.send(Method::POST, url, body, bounds).await
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        body: Bytes,
        bounds: Bounds,
    ) -> Result<Reply, HttpError> {
        let uri: Uri = url.parse().map_err(|_| HttpError::Url(url.to_owned()))?;
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(ACCEPT_ENCODING, "gzip, identity")
            .body(Full::new(body))
            .map_err(|_| HttpError::Url(url.to_owned()))?;
        tokio::time::timeout(bounds.time, self.exchange(request, bounds.bytes))
            .await
            .unwrap_or(Err(HttpError::TimedOut(bounds.time)))
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        most: usize,
    ) -> Result<Reply, HttpError> {
        let unreachable = |error: &(dyn std::error::Error + 'static)| {
            HttpError::Unreachable(innermost(error).to_string())
        };
        let response = self.client.request(request).await;
        let (head, body) = response.map_err(|e| unreachable(&e))?.into_parts();
        let text = |name| {
            let value = head.headers.get(name);
            value.and_then(|v| v.to_str().ok()).unwrap_or_default()
        };
        let content_type = text(CONTENT_TYPE).to_owned();
        // What does not compress grows a little by being compressed.
        let arriving = Limited::new(body, most + most / 64 + 1024);
        let body = match arriving.collect().await {
            Ok(body) => body.to_bytes().to_vec(),
            Err(error) if error.is::<LengthLimitError>() => return Err(HttpError::TooLarge(most)),
            Err(error) => return Err(unreachable(&*error)),
        };
        let body = match text(CONTENT_ENCODING) {
            "" | "identity" if body.len() > most => return Err(HttpError::TooLarge(most)),
            "" | "identity" => body,
            "gzip" => inflate(&body, most)?,
            _ => return Err(HttpError::Encoding),
        };
        Ok(Reply {
            status: head.status.as_u16(),
            content_type,
            body,
        })
    }
}

/// Unpacks gzip, at most `most` bytes.
fn inflate(packed: &[u8], most: usize) -> Result<Vec<u8>, HttpError> {
    let mut plain = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(packed).take(most as u64 + 1);
    reader
        .read_to_end(&mut plain)
        .map_err(|_| HttpError::Encoding)?;
    if plain.len() > most {
        Err(HttpError::TooLarge(most))
    } else {
        Ok(plain)
    }
}

/// The innermost error says what happened; the outer ones say only that something did.
fn innermost<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a dyn std::error::Error {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause
}

/// An address without its last slash, when it is one.
pub(crate) fn base_url(url: &str) -> Result<String, HttpError> {
    let refused = || HttpError::Url(url.to_owned());
    let uri: Uri = url.parse().map_err(|_| refused())?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    if known && uri.host().is_some() && uri.query().is_none() {
        Ok(url.trim_end_matches('/').to_owned())
    } else {
        Err(refused())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_unpacks_to_more_than_the_bound_is_refused() {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(&vec![0; 1 << 20]).unwrap();
        let packed = packer.finish().unwrap();
        assert_eq!(inflate(&packed, 1 << 20).unwrap().len(), 1 << 20);
        let refusal = inflate(&packed, (1 << 20) - 1);
        assert_eq!(refusal, Err(HttpError::TooLarge((1 << 20) - 1)));
        assert_eq!(inflate(&packed[..99], 1 << 20), Err(HttpError::Encoding));
    }

    #[test]
    fn only_http_addresses_without_a_query_are_bases() {
        assert_eq!(base_url("http://h:1/p/").unwrap(), "http://h:1/p");
        for bad in ["ftp://h/", "/p", "h:1", "http://h/?q=1", "not a url"] {
            assert!(base_url(bad).is_err(), "{bad}");
        }
    }
}
