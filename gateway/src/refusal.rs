//! Every fault, in the caller's dialect. The one mapping from faults to HTTP.

use countersign_record::{Delivery, ExchangeId, Finish, PolicyRef};
use countersign_wire::{Dialect, Refusal, RefusalKind, refusal_body};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use crate::body::Body;
use crate::intake::IntakeFault;
use crate::judge::{Disposition, Judgement};

/// `x-countersign-exchange`: the exchange id.
pub const EXCHANGE: HeaderName = HeaderName::from_static("x-countersign-exchange");
/// `x-countersign-decision`: permit, transform, escalate, deny or not-evaluated.
pub const DECISION: HeaderName = HeaderName::from_static("x-countersign-decision");
/// `x-countersign-policy`: policy id @ short digest.
pub const POLICY: HeaderName = HeaderName::from_static("x-countersign-policy");
/// `x-countersign-receipt`: where the receipt can be had.
pub const RECEIPT: HeaderName = HeaderName::from_static("x-countersign-receipt");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Why an exchange ends without the upstream's answer.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The kind, which gives status and code.
    pub kind: RefusalKind,
    /// A sentence for the caller; never content.
    pub message: String,
    /// Headers besides the usual ones, for example when to try again.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Fault {
    /// A fault of `kind` with a sentence for the caller.
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            headers: Vec::new(),
        }
    }

    /// The refusal that a withholding judgement gives.
    pub fn withheld(judgement: &Judgement, exchange: ExchangeId) -> Self {
        if judgement.disposition == Disposition::NotEvaluated {
            let message = format!(
                "Withheld because a required check did not run. Reference {exchange}. \
                 Trying again later may help."
            );
            return Self::new(RefusalKind::NotEvaluated, message);
        }
        let rules = judgement.deciding_rules();
        let said = judgement
            .decision
            .message
            .as_deref()
            .unwrap_or("Withheld by policy.");
        let message = format!("{said} Rule {}. Reference {exchange}.", rules.join(", "));
        Self::new(RefusalKind::Blocked { rules }, message)
    }

    /// The fault of a request body.
    pub fn of_request(fault: &IntakeFault) -> Self {
        let kind = match fault {
            IntakeFault::TooLarge { .. } | IntakeFault::Bomb(_) => RefusalKind::TooLarge,
            IntakeFault::Encoding(_) => RefusalKind::Unsupported,
            IntakeFault::TimedOut(_)
            | IntakeFault::TooSlow(_)
            | IntakeFault::Broken(_)
            | IntakeFault::Corrupt { .. }
            | IntakeFault::Malformed(_) => RefusalKind::BadRequest,
        };
        Self::new(kind, format!("The request was not forwarded: {fault}."))
    }

    /// The fault of a response body.
    pub fn of_response(fault: &IntakeFault) -> Self {
        let kind = match fault {
            IntakeFault::TimedOut(_) | IntakeFault::TooSlow(_) => RefusalKind::UpstreamTimeout,
            IntakeFault::TooLarge { .. }
            | IntakeFault::Bomb(_)
            | IntakeFault::Encoding(_)
            | IntakeFault::Broken(_)
            | IntakeFault::Corrupt { .. }
            | IntakeFault::Malformed(_) => RefusalKind::UpstreamFault,
        };
        Self::new(
            kind,
            format!("The upstream's answer could not be used: {fault}."),
        )
    }

    /// The body in `dialect`.
    pub fn body(&self, dialect: Dialect, exchange: &str, policy: Option<&str>) -> Vec<u8> {
        let kind = self.kind.clone();
        refusal_body(
            dialect,
            &Refusal {
                kind,
                message: &self.message,
                exchange,
                policy,
            },
        )
    }

    /// The whole response in `dialect`.
    pub fn response(
        &self,
        dialect: Dialect,
        exchange: ExchangeId,
        policy: Option<&PolicyRef>,
    ) -> Response<Body> {
        let policy = policy.map(policy_header);
        let exchange = exchange.to_string();
        let body = self.body(dialect, &exchange, policy.as_deref());
        let mut response = Response::new(Body::whole(body));
        *response.status_mut() =
            StatusCode::from_u16(self.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(SHOULD_RETRY, HeaderValue::from_static(retry(&self.kind)));
        headers.extend(self.headers.iter().cloned());
        insert(headers, EXCHANGE, &exchange);
        insert(headers, DECISION, self.decision());
        if let Some(policy) = policy {
            insert(headers, POLICY, &policy);
        }
        response
    }

    /// What left towards the caller when this was all.
    pub(crate) fn delivery(&self, finish: Finish) -> Delivery {
        Delivery {
            status: self.kind.status(),
            released_bytes: 0,
            exposed_bytes: 0,
            finish,
        }
    }

    fn decision(&self) -> &'static str {
        match self.kind {
            RefusalKind::Blocked { .. } => "deny",
            _ => "not-evaluated",
        }
    }
}

/// Only faults that pass by themselves are worth a retry.
fn retry(kind: &RefusalKind) -> &'static str {
    match kind {
        RefusalKind::RateLimited | RefusalKind::Overloaded | RefusalKind::UpstreamTimeout => "true",
        _ => "false",
    }
}

/// `id@` and the first 12 hex digits of the digest.
pub fn policy_header(policy: &PolicyRef) -> String {
    let digest = policy
        .digest
        .strip_prefix("sha256:")
        .unwrap_or(&policy.digest);
    format!("{}@{}", policy.id, digest.get(..12).unwrap_or(digest))
}

/// Inserts a header whose value was made by this crate; an impossible value is left out.
pub fn insert(headers: &mut http::HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
