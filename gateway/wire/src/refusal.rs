//! What a caller is told in place of an answer, in the caller's dialect.

use serde_json::{Map, Value, json};

use crate::{Dialect, Framing};

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusalKind {
    /// The policy withholds it.
    Blocked {
        /// Ids of the rules that decided.
        rules: Vec<String>,
    },
    /// The request is not what the dialect asks for.
    BadRequest,
    /// No route serves the path.
    NotFound,
    /// A body is larger than the limit.
    TooLarge,
    /// A media type, encoding or protocol that cannot be checked.
    Unsupported,
    /// The caller sends too much.
    RateLimited,
    /// The upstream failed or cannot be understood.
    UpstreamFault,
    /// The upstream did not answer in time.
    UpstreamTimeout,
    /// A required check did not run.
    NotEvaluated,
    /// The decision could not be recorded.
    EvidenceUnavailable,
    /// Too much is in flight.
    Overloaded,
    /// A fault of the gateway's own.
    Internal,
}

impl RefusalKind {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Blocked { .. } | Self::BadRequest => 400,
            Self::NotFound => 404,
            Self::TooLarge => 413,
            Self::Unsupported => 415,
            Self::RateLimited => 429,
            Self::Internal => 500,
            Self::UpstreamFault => 502,
            Self::NotEvaluated | Self::EvidenceUnavailable | Self::Overloaded => 503,
            Self::UpstreamTimeout => 504,
        }
    }

    /// The stable code that programs read.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Blocked { .. } => "content_filter",
            Self::BadRequest => "bad_request",
            Self::NotFound => "not_found",
            Self::TooLarge => "too_large",
            Self::Unsupported => "unsupported",
            Self::RateLimited => "rate_limited",
            Self::UpstreamFault => "upstream_fault",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::NotEvaluated => "not_evaluated",
            Self::EvidenceUnavailable => "evidence_unavailable",
            Self::Overloaded => "overloaded",
            Self::Internal => "internal",
        }
    }

    fn google_status(&self) -> &'static str {
        match self.status() {
            404 => "NOT_FOUND",
            429 => "RESOURCE_EXHAUSTED",
            400..=499 => "INVALID_ARGUMENT",
            500 => "INTERNAL",
            504 => "DEADLINE_EXCEEDED",
            _ => "UNAVAILABLE",
        }
    }

    fn openai_type(&self) -> &'static str {
        match self.status() {
            429 => "rate_limit_error",
            400..=499 => "invalid_request_error",
            _ => "server_error",
        }
    }

    fn anthropic_type(&self) -> &'static str {
        match self {
            Self::Blocked { .. } | Self::BadRequest | Self::Unsupported => "invalid_request_error",
            Self::NotFound => "not_found_error",
            Self::TooLarge => "request_too_large",
            Self::RateLimited => "rate_limit_error",
            Self::Overloaded => "overloaded_error",
            Self::UpstreamTimeout => "timeout_error",
            Self::UpstreamFault
            | Self::NotEvaluated
            | Self::EvidenceUnavailable
            | Self::Internal => "api_error",
        }
    }

    fn rules(&self) -> &[String] {
        if let Self::Blocked { rules } = self {
            rules
        } else {
            &[]
        }
    }
}

/// What the caller is told.
#[derive(Debug, Clone)]
pub struct Refusal<'a> {
    /// Why there is no answer.
    pub kind: RefusalKind,
    /// A sentence for people; never content.
    pub message: &'a str,
    /// The exchange id.
    pub exchange: &'a str,
    /// The policy's id and short digest, when a policy was asked.
    pub policy: Option<&'a str>,
}

/// The body of the refusal: the error envelope of the dialect; `OpenAI`'s for unknown ones.
pub fn refusal_body(dialect: Dialect, refusal: &Refusal<'_>) -> Vec<u8> {
    let body = match dialect {
        Dialect::AnthropicMessages | Dialect::AnthropicCountTokens | Dialect::AnthropicBatches => {
            json!({
                "type": "error",
                "error": { "type": refusal.kind.anthropic_type(), "message": refusal.message },
                "request_id": refusal.exchange,
            })
        }
        Dialect::Gemini => google_error(refusal),
        Dialect::OllamaChat | Dialect::OllamaGenerate | Dialect::KserveV1 | Dialect::KserveV2 => {
            json!({
                "error": refusal.message,
                "code": refusal.kind.code(),
                "exchange": refusal.exchange,
                "policy": refusal.policy,
                "rules": refusal.kind.rules(),
            })
        }
        Dialect::OpenAiChat
        | Dialect::OpenAiResponses
        | Dialect::OpenAiCompletions
        | Dialect::OpenAiEmbeddings
        | Dialect::OpenAiModerations
        | Dialect::Raw => json!({
            "error": {
                "message": refusal.message,
                "type": refusal.kind.openai_type(),
                "param": null,
                "code": refusal.kind.code(),
                "innererror": inner_error(refusal),
            },
        }),
    };
    body.to_string().into_bytes()
}

/// Google's error envelope. Metadata of an `ErrorInfo` are strings.
fn google_error(refusal: &Refusal<'_>) -> Value {
    let metadata = json!({
        "exchange": refusal.exchange,
        "policy": refusal.policy.unwrap_or_default(),
        "rules": refusal.kind.rules().join(","),
    });
    json!({
        "error": {
            "code": refusal.kind.status(),
            "message": refusal.message,
            "status": refusal.kind.google_status(),
            "details": [{
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": refusal.kind.code().to_ascii_uppercase(),
                "domain": "countersign",
                "metadata": metadata,
            }],
        },
    })
}

/// Azure's inner error, which existing handlers of filtered answers read.
fn inner_error(refusal: &Refusal<'_>) -> Value {
    let RefusalKind::Blocked { rules } = &refusal.kind else {
        return json!({ "code": refusal.kind.code(), "exchange": refusal.exchange });
    };
    let filtered = json!({ "filtered": true, "detected": true });
    let results: Map<String, Value> = rules
        .iter()
        .map(|rule| (rule.clone(), filtered.clone()))
        .collect();
    json!({
        "code": "PolicyViolation",
        "exchange": refusal.exchange,
        "policy": refusal.policy,
        "rules": rules,
        "content_filter_result": results,
    })
}

/// What frames of our own say about their reason.
pub(crate) fn reference(refusal: &Refusal<'_>) -> Value {
    json!({
        "code": refusal.kind.code(),
        "exchange": refusal.exchange,
        "policy": refusal.policy,
        "rules": refusal.kind.rules(),
    })
}

/// The comment that names the exchange and its decision on a stream. Clients skip comments, but
/// for Gemini's, which takes one for an answer: its streams, and a framing without comments, get
/// no bytes.
pub fn decision_comment(
    dialect: Dialect,
    framing: Framing,
    exchange: &str,
    decision: &str,
) -> Vec<u8> {
    if framing == Framing::Lines || dialect == Dialect::Gemini {
        return Vec::new();
    }
    let plain = |text: &str| text.replace(char::is_control, "");
    format!(
        ": countersign exchange={} decision={}\n\n",
        plain(exchange),
        plain(decision)
    )
    .into_bytes()
}
