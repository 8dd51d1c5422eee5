//! What of a request is read, and what of it goes on: the same.

use std::sync::Arc;

use bytes::Bytes;
use countersign_wire::{Dialect, RefusalKind};
use http::uri::PathAndQuery;
use http::{Request, request};

use crate::exchange::Exchange;
use crate::intake::Content;
use crate::judge::Judgement;
use crate::refusal::Fault;
use crate::route::{Route, Unreadable};
use crate::{upgrade, upstream};

/// Paths without a word of the caller's: those that the vendors' clients ask for.
const STANDARD_PATHS: [&str; 12] = [
    "/v1/chat/completions",
    "/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/moderations",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/messages/batches",
    "/v1/models",
    "/api/chat",
    "/api/generate",
];

/// Names in a query whose value is the caller's credential; it is passed on like the header that
/// it stands for, and is no text to judge.
const CREDENTIAL_PARAMETER: &str = "key=";

/// Method and path for records. A path that a caller can write in may hold content; a record
/// holds none, so the route's pattern stands for it.
pub(crate) fn operation(route: &Route, dialect: Dialect, head: &request::Parts) -> String {
    let path = head.uri.path();
    let known = STANDARD_PATHS.contains(&path) && !dialect.path_is_open();
    let path = if known { path } else { &route.pattern };
    let path: String = path.chars().take(200).collect();
    format!("{} {path}", head.method)
}

/// Every text of the request that goes on: each channel of the body, then the request target where
/// it holds anything of the caller's.
pub(crate) fn scan_set(content: &Content, head: &request::Parts) -> Arc<[String]> {
    let mut texts = content
        .document()
        .map(|d| d.texts().to_vec())
        .unwrap_or_default();
    let target = head.uri.path_and_query();
    let standard = |target: &PathAndQuery| STANDARD_PATHS.contains(&target.as_str());
    texts.extend(target.filter(|t| !standard(t)).map(readable));
    texts.into()
}

/// The target without the value of a credential in its query.
fn readable(target: &PathAndQuery) -> String {
    let Some(query) = target.query() else {
        return target.path().to_owned();
    };
    let pairs = query.split('&').map(|pair| {
        if pair.starts_with(CREDENTIAL_PARAMETER) {
            CREDENTIAL_PARAMETER
        } else {
            pair
        }
    });
    let pairs: Vec<&str> = pairs.collect();
    format!("{}?{}", target.path(), pairs.join("&"))
}

/// The request as it will go on: re-addressed, hop-by-hop headers gone, redactions made.
pub(crate) fn outgoing(
    exchange: &Exchange,
    head: &request::Parts,
    content: &Content,
    judgement: &Judgement,
) -> Result<Request<Bytes>, Fault> {
    if let Content::Opaque { media_type, .. } = content
        && exchange.route.on_unreadable == Unreadable::Refuse
    {
        let message = format!("Bodies of type {media_type} cannot be checked on this route.");
        return Err(Fault::new(RefusalKind::Unsupported, message));
    }
    let body = redacted(content, judgement)?;
    let uri = upstream::address(&exchange.route.upstream, &head.uri)
        .map_err(|fault| Fault::new(RefusalKind::BadRequest, fault.to_string()))?;
    let mut request = Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = upstream::request_headers(&head.headers);
    if matches!(content, Content::Tunnel { .. }) {
        upgrade::pass_on_wish(request.headers_mut());
    }
    Ok(request)
}

fn redacted(content: &Content, judgement: &Judgement) -> Result<Bytes, Fault> {
    let edits = judgement.edits();
    if edits.is_empty() {
        return Ok(content.bytes());
    }
    match content.document() {
        Some(document) if edits.iter().all(|e| e.channel < document.texts().len()) => {
            Ok(document.redacted(&edits).into())
        }
        _ => {
            let message = "The request target holds text that must not be passed on.";
            Err(Fault::new(
                RefusalKind::Blocked {
                    rules: judgement.deciding_rules(),
                },
                message,
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(target: &str) -> request::Parts {
        let request = Request::post(target).body(()).unwrap();
        request.into_parts().0
    }

    fn scanned(target: &str) -> Vec<String> {
        scan_set(&Content::Empty, &head(target)).to_vec()
    }

    #[test]
    fn what_a_caller_writes_into_the_target_is_read() {
        assert!(scanned("/v1/chat/completions").is_empty());
        assert_eq!(
            scanned("/secret-AKIA/v1/chat/completions"),
            ["/secret-AKIA/v1/chat/completions"]
        );
        assert_eq!(
            scanned("/v1/messages?beta=true"),
            ["/v1/messages?beta=true"]
        );
        assert_eq!(scanned("/anything"), ["/anything"]);
    }

    #[test]
    fn a_credential_in_the_query_is_no_text() {
        assert_eq!(
            scanned("/v1beta/models/m:generateContent?alt=sse&key=AIzaX"),
            ["/v1beta/models/m:generateContent?alt=sse&key="]
        );
        assert_eq!(scanned("/x?monkey=AIzaX"), ["/x?monkey=AIzaX"]);
    }
}
