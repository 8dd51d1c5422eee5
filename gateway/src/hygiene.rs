//! What a request's head may say. Framing itself is judged in [`crate::framing`]; these are the
//! heads that are well-formed and still mean different things to different readers.

use countersign_wire::RefusalKind;
use http::header::{CONNECTION, EXPECT, HOST, TE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Version, request};

use crate::connection::Peer;
use crate::framing::Flaw;
use crate::refusal::Fault;

/// Headers that a `Connection` header must not take away from a request: they say who asks, what
/// is asked, or where the body ends.
const NEVER_NOMINATED: &[&str] = &[
    "accept",
    "anthropic-version",
    "api-key",
    "authorization",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "traceparent",
    "transfer-encoding",
    "x-api-key",
    "x-goog-api-key",
];

/// Names that some servers read as another header's, because they take `_` for `-`.
const NEVER_WITH_UNDERSCORE: &[&str] = &[
    "api-key",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "transfer-encoding",
    "upgrade",
    "x-api-key",
    "x-goog-api-key",
];

/// Refuses a head that two readers could read as two requests.
///
/// # Errors
/// [`Fault`] with the sentence for the caller.
pub fn check(head: &request::Parts) -> Result<(), Fault> {
    judge(head).map_err(|mut fault| {
        // Whoever sends such a head may have sent more behind it.
        if head.version != Version::HTTP_2 {
            let close = HeaderValue::from_static("close");
            fault.headers.push((CONNECTION, close));
        }
        fault
    })
}

fn judge(head: &request::Parts) -> Result<(), Fault> {
    let flaw = head.extensions.get::<Peer>().and_then(|peer| peer.flaw);
    if let Some(flaw) = flaw {
        let kind = match flaw {
            Flaw::HeadTooLarge => RefusalKind::TooLarge,
            _ => RefusalKind::BadRequest,
        };
        return Err(Fault::new(
            kind,
            format!("The request was not read: {flaw}."),
        ));
    }
    method(&head.method)?;
    host(head)?;
    path(head.uri.path())?;
    coding(head)?;
    nominated(&head.headers)?;
    names(&head.headers)?;
    expectation(&head.headers)
}

fn refuse<T>(why: impl std::fmt::Display) -> Result<T, Fault> {
    let message = format!("The request was not forwarded: {why}.");
    Err(Fault::new(RefusalKind::BadRequest, message))
}

/// TRACE would echo credentials, CONNECT would open a tunnel.
fn method(method: &Method) -> Result<(), Fault> {
    if *method == Method::TRACE || *method == Method::CONNECT {
        return refuse(format_args!("the method {method} is not served"));
    }
    Ok(())
}

/// One name for the server asked, and the same one everywhere.
fn host(head: &request::Parts) -> Result<(), Fault> {
    let mut named = head.headers.get_all(HOST).iter();
    let (first, second) = (named.next(), named.next());
    if second.is_some() {
        return refuse("it has several Host headers");
    }
    let authority = head.uri.authority().map(http::uri::Authority::as_str);
    match (first, authority) {
        (Some(host), Some(authority))
            if !host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()) =>
        {
            refuse("its target and its Host header name different servers")
        }
        (None, None) if head.version == Version::HTTP_11 => refuse("it has no Host header"),
        _ => Ok(()),
    }
}

/// A path with dot segments would be matched to a route as one thing and served as another.
fn path(path: &str) -> Result<(), Fault> {
    let lowered = path.to_ascii_lowercase();
    // An encoded slash or backslash separates segments for some readers.
    let plain = lowered
        .replace("%2e", ".")
        .replace("%2f", "/")
        .replace("%5c", "/")
        .replace('\\', "/");
    let dots = |segment: &str| {
        let name = segment.split(';').next().unwrap_or_default();
        name == "." || name == ".."
    };
    if plain.split('/').any(dots) {
        return refuse("its path holds dot segments");
    }
    Ok(())
}

/// What of the transfer coding is left to see once hyper has read it.
fn coding(head: &request::Parts) -> Result<(), Fault> {
    let codings: Vec<_> = head.headers.get_all(TRANSFER_ENCODING).iter().collect();
    let sane = match codings.as_slice() {
        [] => true,
        [one] => {
            head.version == Version::HTTP_11 && one.as_bytes().eq_ignore_ascii_case(b"chunked")
        }
        _ => false,
    };
    if !sane {
        return refuse("its transfer encoding is not chunked alone");
    }
    let trailers = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"trailers");
    if head.version == Version::HTTP_2 && !head.headers.get_all(TE).iter().all(trailers) {
        return refuse("its TE header is not trailers");
    }
    Ok(())
}

fn nominated(headers: &HeaderMap) -> Result<(), Fault> {
    for value in headers.get_all(CONNECTION) {
        let Ok(text) = value.to_str() else {
            return refuse("its Connection header is not plain text");
        };
        for name in text.split(',').map(|name| name.trim().to_ascii_lowercase()) {
            if NEVER_NOMINATED.contains(&name.as_str()) {
                return refuse(format_args!("its Connection header takes away {name}"));
            }
        }
    }
    Ok(())
}

fn names(headers: &HeaderMap) -> Result<(), Fault> {
    for name in headers.keys().map(http::HeaderName::as_str) {
        if name.contains('_') {
            let read_as = name.replace('_', "-");
            if NEVER_WITH_UNDERSCORE.contains(&read_as.as_str()) {
                return refuse(format_args!(
                    "some servers read its header {name} as {read_as}"
                ));
            }
        }
    }
    Ok(())
}

fn expectation(headers: &HeaderMap) -> Result<(), Fault> {
    let met = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if headers.get_all(EXPECT).iter().all(met) {
        Ok(())
    } else {
        refuse("its expectation cannot be met")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(build: impl FnOnce(request::Builder) -> request::Builder) -> bool {
        let request = build(http::Request::builder().uri("/v1/x"));
        check(&request.body(()).unwrap().into_parts().0).is_ok()
    }

    #[test]
    fn ordinary_heads_pass() {
        assert!(verdict(|r| r
            .header("host", "a")
            .header("connection", "keep-alive, te")));
        assert!(verdict(|r| r.header("host", "a").uri("http://a/v1/x")));
        assert!(verdict(|r| r
            .header("host", "a")
            .uri("/v1/files/a..b/.../c.json?x=../..")));
        assert!(verdict(|r| r.header("host", "a").header("x_trace_id", "1")));
        assert!(verdict(|r| r
            .header("host", "a")
            .header("expect", "100-Continue")));
        assert!(verdict(|r| r.version(Version::HTTP_10)));
    }

    #[test]
    fn heads_with_two_meanings_are_refused() {
        assert!(!verdict(|r| r));
        assert!(!verdict(|r| r.header("host", "a").header("host", "a")));
        assert!(!verdict(|r| r.header("host", "a").uri("http://b/v1/x")));
        for path in [
            "/v1/../x",
            "/v1/%2E%2e/x",
            "/v1/..;a=b/x",
            "/v1/..%2fx",
            "/v1/..%5Cx",
            "/.",
        ] {
            assert!(!verdict(|r| r.header("host", "a").uri(path)), "{path}");
        }
        for (name, value) in [
            ("connection", "close, Authorization"),
            ("transfer_encoding", "chunked"),
            ("expect", "200-ok"),
            ("transfer-encoding", "chunked, identity"),
        ] {
            assert!(
                !verdict(|r| r.header("host", "a").header(name, value)),
                "{name}: {value}"
            );
        }
        for method in [Method::TRACE, Method::CONNECT] {
            assert!(!verdict(|r| r.header("host", "a").method(method)));
        }
    }
}
