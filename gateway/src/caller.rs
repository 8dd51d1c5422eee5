//! Who asks: the client certificate, else the credential, else the address.

use std::sync::Arc;

use countersign_record::Commitment;
use http::header::{AUTHORIZATION, HeaderMap};
use http::request;

use crate::connection::Peer;
use crate::evidence::SaltKey;
use crate::exchange::Exchange;
use crate::refusal::Fault;
use crate::upstream::Upstream;

/// Headers that carry a credential, in the order in which they count.
const CREDENTIALS: [&str; 3] = ["x-api-key", "api-key", "x-goog-api-key"];

/// Commits to whoever is known to ask: the client certificate where there is one, else the
/// credential in a header or, as Gemini's clients send it, in the query.
pub fn principal(head: &request::Parts, salts: &SaltKey) -> Option<Commitment> {
    let peer = head.extensions.get::<Peer>();
    if let Some(certificate) = peer.and_then(|peer| peer.certificate) {
        return Some(salts.principal(&certificate));
    }
    let credential = in_headers(&head.headers).or_else(|| in_query(head.uri.query()?));
    credential.map(|credential| salts.principal(credential))
}

fn in_headers(headers: &HeaderMap) -> Option<&[u8]> {
    let others = CREDENTIALS.iter().filter_map(|name| headers.get(*name));
    let first = headers.get(AUTHORIZATION).into_iter().chain(others).next();
    first.map(http::HeaderValue::as_bytes)
}

fn in_query(query: &str) -> Option<&[u8]> {
    let pairs = query.split('&');
    let mut keys = pairs.filter_map(|pair| pair.strip_prefix("key="));
    keys.next().map(str::as_bytes)
}

/// What limits count by: the principal, else the address. Never the credential itself.
pub fn account(principal: Option<&Commitment>, head: &request::Parts) -> String {
    match (principal, head.extensions.get::<Peer>()) {
        (Some(principal), _) => principal.as_str().to_owned(),
        (None, Some(peer)) => format!("address {}", peer.address.ip()),
        (None, None) => "unknown".to_owned(),
    }
}

impl Exchange {
    /// Takes the caller's place among those served, or says when there is one.
    pub(crate) fn admit(&mut self, head: &request::Parts) -> Result<(), Fault> {
        let account = account(self.principal.as_ref(), head);
        let admission = self.route.quota.check(&account);
        self.admission = Some(Arc::new(admission.map_err(|retry| retry.fault())?));
        Ok(())
    }

    /// The way to the route's upstream.
    pub(crate) fn way<'a>(&'a self, common: &'a Upstream) -> &'a Upstream {
        self.route.way.as_ref().unwrap_or(common)
    }
}
