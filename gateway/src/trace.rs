//! What an exchange leaves in traces and in the access log: names and attributes, never content.
//!
//! Spans are `tracing` spans of the target [`TARGET`]; whoever composes the gateway may export
//! them. Where nobody does they are never made. Names and attributes follow the OpenTelemetry
//! conventions for HTTP and generative AI; they are all in this module because the latter still
//! move.
//!
//! One exchange gives: a server span, in it `inspect input`, `record`, a client span for the
//! upstream, one `inspect output` (for a stream one per stride) and `record` once more.

use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use countersign_classifiers::LabelScore;
use countersign_record::{Action, ExchangeId, Finish, Score, Side, Signal, Usage, Verdict};
use countersign_wire::{Document, StreamReader};
use http::{Method, StatusCode, Uri, request};
use opentelemetry::{Array, KeyValue, StringValue, Value};
use tracing::{Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::evidence::{Finding, effect_name};
use crate::exchange::{Exchange, plain_name};
use crate::metrics::{Metrics, UNROUTED};
use crate::refusal::policy_header;
use crate::route::Route;

mod context;

pub(crate) use context::propagate;

/// The target of all spans; a subscriber that exports them lets this through, others do not.
pub const TARGET: &str = "countersign::trace";
/// The target of the access log: one line per exchange.
pub const ACCESS: &str = "countersign::access";

/// Decisions from mildest to most severe, as in the response header; none at first.
const DECISIONS: [&str; 6] = [
    "none",
    "permit",
    "transform",
    "escalate",
    "not-evaluated",
    "deny",
];

/// The spans of one exchange. Clones speak of the same exchange; it is over when the last of them
/// is dropped.
#[derive(Debug, Clone)]
pub struct Trace(Arc<Life>);

#[derive(Debug)]
struct Life {
    exchange: ExchangeId,
    route: Arc<Route>,
    dialect: &'static str,
    server: Span,
    upstream: Mutex<Upstream>,
    began: Instant,
    code: AtomicU16,
    decision: AtomicU8,
}

/// The client span, open from sending to the end of the answer.
#[derive(Debug)]
struct Upstream {
    span: Span,
    sent: Option<Instant>,
    heard: bool,
}

impl Trace {
    /// Begins the trace of an exchange, as a child of what the request's `traceparent` names.
    pub(crate) fn begin(
        exchange: ExchangeId,
        route: &Arc<Route>,
        dialect: &'static str,
        head: &request::Parts,
    ) -> Self {
        let upstream = Upstream {
            span: Span::none(),
            sent: None,
            heard: false,
        };
        Self(Arc::new(Life {
            exchange,
            route: Arc::clone(route),
            dialect,
            server: server_span(exchange, route, head),
            upstream: Mutex::new(upstream),
            began: Instant::now(),
            // What the caller gets when this exchange ends without an answer.
            code: AtomicU16::new(500),
            decision: AtomicU8::new(0),
        }))
    }

    /// The server span, for what runs on behalf of this exchange.
    pub(crate) fn span(&self) -> Span {
        self.0.server.clone()
    }

    /// The answer, or its beginning, goes to the caller with status `code`.
    pub(crate) fn answered(&self, code: u16) {
        self.0.code.store(code, Ordering::Relaxed);
        let server = &self.0.server;
        if server.is_disabled() {
            return;
        }
        server.set_attribute("http.response.status_code", i64::from(code));
        if code >= 500 {
            failed(server, code.to_string());
        }
    }

    /// A side was decided and acted on.
    pub(crate) fn decided(&self, finding: &Finding) {
        let decision = match finding.action {
            Action::RefusedNotEvaluated | Action::Closed => "not-evaluated",
            Action::Forwarded | Action::Redacted | Action::Blocked => {
                effect_name(finding.decision.effect)
            }
        };
        let rank = DECISIONS.iter().position(|d| *d == decision).unwrap_or(0);
        let rank = u8::try_from(rank).unwrap_or(u8::MAX);
        self.0.decision.fetch_max(rank, Ordering::Relaxed);
        let server = &self.0.server;
        server.set_attribute("countersign.decision", self.0.decision());
        if finding.side == Side::Output {
            let finish = finding.delivery.as_ref().map(|delivery| delivery.finish);
            self.upstream_ended(finish);
        }
    }

    /// A client span for sending `exchange` to its upstream.
    pub(crate) fn ask(&self, exchange: &Exchange, method: &Method) -> Span {
        if self.0.server.is_disabled() {
            return Span::none();
        }
        let span = client_span(&self.0.server, exchange, method);
        let mut upstream = self.upstream();
        upstream.sent = Some(Instant::now());
        upstream.span = span.clone();
        span
    }

    /// The upstream's head arrived.
    pub(crate) fn head_arrived(&self, status: StatusCode) {
        let upstream = self.upstream();
        let code = i64::from(status.as_u16());
        upstream
            .span
            .set_attribute("http.response.status_code", code);
        if status.is_client_error() || status.is_server_error() {
            failed(&upstream.span, status.as_u16().to_string());
        }
    }

    /// A piece of a stream arrived from the upstream; the first one is timed.
    pub(crate) fn chunk_arrived(&self) {
        let mut upstream = self.upstream();
        if let Some(sent) = upstream.sent
            && !std::mem::replace(&mut upstream.heard, true)
        {
            let seconds = sent.elapsed().as_secs_f64();
            let name = "gen_ai.response.time_to_first_chunk";
            upstream.span.set_attribute(name, seconds);
        }
    }

    /// All of the answer that there will be arrived from the upstream.
    pub(crate) fn heard(&self, served: Option<&str>, usage: Option<Usage>, finish: Option<&str>) {
        let upstream = self.upstream();
        let span = &upstream.span;
        if span.is_disabled() {
            return;
        }
        if let Some(model) = served {
            span.set_attribute("gen_ai.response.model", model.to_owned());
        }
        if let Some(usage) = usage {
            let count = |tokens| i64::try_from(tokens).unwrap_or(i64::MAX);
            span.set_attribute("gen_ai.usage.input_tokens", count(usage.input_tokens));
            span.set_attribute("gen_ai.usage.output_tokens", count(usage.output_tokens));
        }
        if let Some(finish) = finish {
            let reasons = vec![StringValue::from(plain_name(finish))];
            let name = "gen_ai.response.finish_reasons";
            span.set_attribute(name, Value::Array(Array::String(reasons)));
        }
        ends_now(span);
    }

    fn upstream_ended(&self, finish: Option<Finish>) {
        let Upstream { span, sent, heard } = &mut *self.upstream();
        (*sent, *heard) = (None, true);
        let span = std::mem::replace(span, Span::none());
        let fault = match finish {
            Some(Finish::UpstreamFault) => "upstream_fault",
            Some(Finish::UpstreamCut) => "upstream_cut",
            Some(Finish::ClientGone) => "client_gone",
            Some(Finish::Complete | Finish::Blocked) | None => return,
        };
        failed(&span, fault.to_owned());
        ends_now(&span);
    }

    fn upstream(&self) -> std::sync::MutexGuard<'_, Upstream> {
        self.0
            .upstream
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exchange {
    /// The upstream's head arrived.
    pub(crate) fn head_arrived(&mut self, metrics: &Metrics, status: StatusCode) {
        metrics.head_arrived(self, status);
        self.trace.head_arrived(status);
    }

    /// A plain answer arrived whole.
    pub(crate) fn answer_arrived(&mut self, answer: Option<&Document>) {
        self.upstream_took = self.upstream_began.map(|began| began.elapsed());
        let usage = answer.and_then(Document::usage);
        let finish = answer.and_then(Document::finish);
        let served = self.model.served.as_deref();
        self.trace.heard(served, usage, finish.as_deref());
    }

    /// As much of a stream arrived as will be told.
    pub(crate) fn stream_arrived(&self, stream: &StreamReader) {
        let served = self.model.served.as_deref();
        self.trace
            .heard(served, stream.usage(), stream.finish_reason());
    }
}

impl Life {
    fn decision(&self) -> &'static str {
        let rank = usize::from(self.decision.load(Ordering::Relaxed));
        DECISIONS.get(rank).copied().unwrap_or("deny")
    }
}

impl Drop for Life {
    /// The access log's line. It names no path and no model: both may hold text of the caller's.
    fn drop(&mut self) {
        let milliseconds = self.began.elapsed().as_secs_f64() * 1000.0;
        self.server.in_scope(|| {
            tracing::info!(
                target: ACCESS,
                exchange = %self.exchange,
                route = self.route.name,
                dialect = self.dialect,
                code = self.code.load(Ordering::Relaxed),
                effect = self.decision(),
                duration_ms = (milliseconds * 1000.0).round() / 1000.0,
                "exchange"
            );
        });
    }
}

/// Counts and logs a request that became no exchange: no route serves it, or there is no room.
pub(crate) fn unserved(metrics: &Metrics, dialect: &'static str, code: u16) {
    metrics.unserved(dialect, code);
    tracing::info!(target: ACCESS, route = UNROUTED, dialect, code, "not served");
}

fn server_span(exchange: ExchangeId, route: &Route, head: &request::Parts) -> Span {
    let span = info_span!(
        target: TARGET,
        parent: None,
        "exchange",
        otel.name = format!("{} {}", method_name(&head.method), route.name),
        otel.kind = "server",
        http.request.method = method_name(&head.method),
        http.route = route.pattern,
        countersign.exchange.id = %exchange,
        countersign.policy = policy_header(route.policy.reference()),
    );
    context::adopt(&span, &head.headers);
    span
}

fn client_span(server: &Span, exchange: &Exchange, method: &Method) -> Span {
    let operation = operation(exchange.dialect.name());
    let model = exchange.model.requested.as_deref();
    let name = match (operation, model) {
        (Some(operation), Some(model)) => format!("{operation} {model}"),
        (Some(operation), None) => operation.to_owned(),
        (None, _) => method_name(method).to_owned(),
    };
    let address = &exchange.route.upstream;
    info_span!(
        target: TARGET,
        parent: server,
        "upstream",
        otel.name = name,
        otel.kind = "client",
        http.request.method = method_name(method),
        gen_ai.operation.name = operation,
        gen_ai.provider.name = exchange.route.vendor,
        gen_ai.request.model = model,
        gen_ai.request.stream = exchange.stream,
        server.address = address.host(),
        server.port = i64::from(port(address)),
    )
}

/// The convention's name for what a dialect asks for; APIs without one have none.
fn operation(dialect: &str) -> Option<&'static str> {
    let named = [
        ("gemini", "generate_content"),
        ("embeddings", "embeddings"),
        ("completions", "text_completion"),
        ("generate", "text_completion"),
        ("chat", "chat"),
        ("messages", "chat"),
        ("responses", "chat"),
    ];
    let found = named.iter().find(|(part, _)| dialect.contains(part));
    found.map(|(_, operation)| *operation)
}

fn port(address: &Uri) -> u16 {
    let https = address.scheme_str() == Some("https");
    address.port_u16().unwrap_or(if https { 443 } else { 80 })
}

/// Methods that anybody knows; a caller may send any word.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}

/// A span is exported as ending when it was left for the last time, not when it is dropped.
fn ends_now(span: &Span) {
    span.in_scope(|| ());
}

fn failed(span: &Span, kind: String) {
    span.set_attribute("error.type", kind);
    span.set_status(opentelemetry::trace::Status::error(""));
}

/// The span of one look of the detectors and the policy at a side.
pub(crate) fn inspect(side: Side) -> Span {
    match side {
        Side::Input => info_span!(target: TARGET, "inspect input"),
        Side::Output => info_span!(target: TARGET, "inspect output"),
    }
}

/// The span of making a record durable.
pub(crate) fn record() -> Span {
    info_span!(target: TARGET, "record")
}

/// Tells the current span of every label that draws attention.
pub(crate) fn evaluated(labels: &[LabelScore], signals: &[Signal]) {
    let span = Span::current();
    if span.is_disabled() {
        return;
    }
    let flagged = |l: &&LabelScore| l.score > Score::ZERO && l.score >= l.flag;
    for found in labels.iter().filter(flagged) {
        let same = |s: &&Signal| s.label == found.label && s.detector == found.detector;
        let verdict = match signals.iter().find(same).map(|signal| signal.verdict) {
            Some(Verdict::Present) => "present",
            Some(Verdict::Absent) => "absent",
            Some(Verdict::Undetermined) | None => "undetermined",
        };
        let score = f64::from(found.score.ppm()) / f64::from(Score::MAX.ppm());
        let attributes = vec![
            KeyValue::new("gen_ai.evaluation.name", found.label.clone()),
            KeyValue::new("gen_ai.evaluation.score.value", score),
            KeyValue::new("gen_ai.evaluation.score.label", verdict),
        ];
        span.add_event("gen_ai.evaluation.result", attributes);
    }
}

#[cfg(test)]
mod tests;
