//! The life of one exchange, top to bottom.
//!
//! `bytes -> Exchange -> Window -> Signal -> Verdict -> Decision -> Action -> Record -> release`
//!
//! [`Gateway::exchange`] is the main flow of the product. Each step is one call; a step that fails
//! ends the exchange with a refusal in the caller's dialect, and the record says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use countersign_classifiers::PatternDetector;
use countersign_record::{
    Action, Commitment, ExchangeId, Finish, ModelRef, Side, Timeline, Unscanned,
};
use countersign_wire::{Dialect, Document, Extraction, RefusalKind, Scalar};
use http::{HeaderMap, Request, Response, StatusCode, request};

use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::body::{Body, BoxError};
use crate::caller;
use crate::clock::{new_exchange_id, now};
use crate::evidence::{Evidence, EvidenceFault, Finding, Observed, effect_name};
use crate::forward;
use crate::hygiene;
use crate::intake::{self, Content};
use crate::judge::{Circumstances, Disposition, Judge, Judgement};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::open::Place;
use crate::permit::Permitted;
use crate::quota::Admission;
use crate::refusal::{self, Fault};
use crate::route::Route;
use crate::shed::Shed;
use crate::trace::{self, Trace};
use crate::under_way::UnderWay;
use crate::upgrade::{self, Tunnels};
use crate::upstream::{Upstream, UpstreamFault};

/// Everything an exchange needs, made once at start.
#[derive(Debug)]
pub struct Gateway {
    /// Routes in order; replaced whole on reload.
    pub routes: arc_swap::ArcSwap<Vec<Arc<Route>>>,
    /// Detectors and policy.
    pub judge: Judge,
    /// The pattern detector once more, for what a stream must hold back.
    pub patterns: Arc<PatternDetector>,
    /// The way into the ledger.
    pub evidence: Evidence,
    /// The way to the upstreams.
    pub upstream: Upstream,
    /// Bounds.
    pub limits: Limits,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// What was turned away without being read.
    pub shed: Arc<Shed>,
    /// Upgraded connections.
    pub tunnels: Tunnels,
    /// What a drain waits for.
    pub under_way: UnderWay,
    /// Where receipts can be had, for the header; without trailing slash.
    pub receipts: Option<String>,
}

/// One request and its response, as far as it is known.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Its id.
    pub id: ExchangeId,
    /// The route that serves it.
    pub route: Arc<Route>,
    /// The dialect its caller speaks.
    pub dialect: Dialect,
    /// Method and path, for records.
    pub operation: String,
    /// Whether the response is a stream.
    pub stream: bool,
    /// The model asked and the model that answered.
    pub model: ModelRef,
    /// Commitment to the caller's credential.
    pub principal: Option<Commitment>,
    /// When things happened.
    pub times: Timeline,
    /// The vendor's own request id.
    pub vendor_request_id: Option<String>,
    /// The effect of the input side's decision, for the response header.
    pub input_effect: &'static str,
    /// Its spans and its line in the access log.
    pub trace: Trace,
    /// The caller's place among those served, and what its tokens are charged to.
    pub admission: Option<Arc<Admission>>,
    /// Its place among the open exchanges.
    pub(crate) place: Arc<Place>,
    pub(crate) began: Instant,
    pub(crate) upstream_began: Option<Instant>,
    pub(crate) upstream_took: Option<Duration>,
}

impl Gateway {
    /// Serves one request. Always answers, in the caller's dialect. `caller_gone` ends the wait for
    /// an upstream whose answer nobody would read.
    pub async fn exchange<B>(
        self: Arc<Self>,
        request: Request<B>,
        caller_gone: CancellationToken,
    ) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Into<BoxError>,
    {
        self.metrics.accepted.fetch_add(1, Ordering::Relaxed);
        let (head, body) = request.into_parts();
        let dialect = Dialect::of_path(head.uri.path());
        let Some(route) = self.route(head.uri.path()) else {
            let no_route = Fault::new(RefusalKind::NotFound, "No route serves this path.");
            let fault = hygiene::check(&head).err().unwrap_or(no_route);
            trace::unserved(&self.metrics, dialect.name(), fault.kind.status());
            return fault.response(dialect, new_exchange_id(), None);
        };
        let mut exchange = self.open(route, dialect, &head);
        self.metrics.open.inc();
        let span = exchange.trace.span();
        let response = match Arc::clone(&self)
            .carry(&mut exchange, (head, body), caller_gone)
            .instrument(span)
            .await
        {
            Ok(response) => response,
            Err(fault) => fault.response(
                dialect,
                exchange.id,
                Some(exchange.route.policy.reference()),
            ),
        };
        self.metrics.open.dec();
        self.metrics.answered(&exchange, response.status().as_u16());
        exchange.trace.answered(response.status().as_u16());
        self.sign_post(&exchange, response)
    }

    /// The flow: take in, judge, record, forward, release.
    async fn carry<B>(
        self: Arc<Self>,
        exchange: &mut Exchange,
        request: (request::Parts, B),
        caller_gone: CancellationToken,
    ) -> Result<Response<Body>, Fault>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Into<BoxError>,
    {
        let (mut head, body) = request;
        let mut observed = self.evidence.observe();
        let content = match self.take_in(exchange, &head, body).await {
            Ok(content) => content,
            Err(fault) => return Err(self.refused(exchange, observed, fault).await),
        };
        exchange.describe(&head, &content);
        let texts = forward::scan_set(&content, &head);
        observed.received(&content.bytes());
        observed.scanned(texts.iter().map(String::as_str));
        observed.unscanned(content.unscanned());

        let circumstances = exchange.circumstances(Side::Input, &content);
        let judgement = self
            .judge
            .judge(
                &exchange.route,
                Arc::clone(&texts),
                &circumstances,
                &self.limits,
            )
            .await;
        exchange.input_effect = effect_name(judgement.decision.effect);

        let outgoing = match forward::outgoing(exchange, &head, &content, &judgement) {
            Ok(outgoing) => outgoing,
            Err(fault) => return Err(self.refused(exchange, observed, fault).await),
        };
        let permitted = self.permit(exchange, observed, judgement, outgoing).await?;

        exchange.times.upstream_sent = Some(now());
        exchange.upstream_began = Some(Instant::now());
        let span = exchange.trace.ask(exchange, &head.method);
        let answer = tokio::select! {
            answer = exchange.way(&self.upstream).send(permitted).instrument(span) => answer,
            () = caller_gone.cancelled() => return Err(self.caller_left(exchange).await),
        };
        match answer {
            Ok(answer) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
                self.tunnel(exchange, &mut head, answer).await
            }
            Ok(answer) => self.release(exchange, answer).await,
            Err(fault) => Err(self.upstream_failed(exchange, &fault).await),
        }
    }

    fn route(&self, path: &str) -> Option<Arc<Route>> {
        self.routes
            .load()
            .iter()
            .find(|route| route.matches(path))
            .map(Arc::clone)
    }

    fn open(&self, route: Arc<Route>, dialect: Dialect, head: &request::Parts) -> Exchange {
        let id = new_exchange_id();
        Exchange {
            id,
            trace: Trace::begin(id, &route, dialect.name(), head),
            dialect,
            operation: forward::operation(&route, dialect, head),
            stream: false,
            model: ModelRef {
                vendor: route.vendor.clone(),
                ..ModelRef::default()
            },
            principal: caller::principal(head, self.evidence.salts()),
            times: Timeline {
                received: now(),
                ..Timeline::default()
            },
            vendor_request_id: None,
            input_effect: "not-evaluated",
            admission: None,
            place: self.evidence.enter(id),
            began: Instant::now(),
            upstream_began: None,
            upstream_took: None,
            route,
        }
    }

    /// Admits the caller, then reads, decodes and parses the body.
    async fn take_in<B>(
        &self,
        exchange: &mut Exchange,
        head: &request::Parts,
        body: B,
    ) -> Result<Content, Fault>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Into<BoxError>,
    {
        hygiene::check(head)?;
        exchange.admit(head)?;
        if let Some(tunnel) = upgrade::wished(head, &exchange.route)? {
            return Ok(tunnel);
        }
        let limits = &self.limits;
        let bytes = intake::read_request(body, limits).await;
        let bytes = bytes.map_err(|fault| Fault::of_request(&fault))?;
        let bytes = intake::decode(bytes, &head.headers, limits).await;
        let bytes = bytes.map_err(|fault| Fault::of_request(&fault))?;
        let content = intake::parse(bytes, &head.headers, exchange.dialect, limits);
        content.map_err(|fault| Fault::of_request(&fault))
    }

    /// Records the input side; only a durable record of a passing judgement makes a permit.
    async fn permit(
        &self,
        exchange: &Exchange,
        mut observed: Observed,
        judgement: Judgement,
        outgoing: Request<Bytes>,
    ) -> Result<Permitted<Request<Bytes>>, Fault> {
        let withheld = (!judgement.passes()).then(|| Fault::withheld(&judgement, exchange.id));
        let (action, delivery) = match (&withheld, judgement.disposition) {
            (None, Disposition::Redact) => (Action::Redacted, None),
            (None, _) => (Action::Forwarded, None),
            (Some(fault), Disposition::NotEvaluated) => (
                Action::RefusedNotEvaluated,
                Some(fault.delivery(Finish::Blocked)),
            ),
            (Some(fault), _) => (Action::Blocked, Some(fault.delivery(Finish::Blocked))),
        };
        if withheld.is_none() {
            observed.forwarded(outgoing.body());
        }
        let passing = judgement.passing(outgoing);
        let finding = Finding {
            side: Side::Input,
            runs: judgement.runs,
            signals: judgement.signals,
            decision: judgement.decision,
            action,
            delivery,
            usage: None,
        };
        let durable = self.evidence.tell(exchange, observed, finding).await;
        let durable = durable.map_err(|fault| evidence_fault(&fault))?;
        match (passing, withheld) {
            (Ok(passing), None) => Ok(Permitted::after(&durable, passing)),
            (_, Some(fault)) => Err(fault),
            (Err(_), None) => Err(Fault::new(RefusalKind::Internal, "Withheld.")),
        }
    }

    /// Records a request that never came before the policy.
    async fn refused(&self, exchange: &Exchange, observed: Observed, fault: Fault) -> Fault {
        let delivery = fault.delivery(Finish::Blocked);
        let action = Action::RefusedNotEvaluated;
        let finding = Finding::unjudged(Side::Input, fault.kind.code(), action, Some(delivery));
        match self.evidence.tell(exchange, observed, finding).await {
            Ok(_durable) => fault,
            Err(missing) => evidence_fault(&missing),
        }
    }

    /// Records that the caller left before there was an answer.
    async fn caller_left(&self, exchange: &Exchange) -> Fault {
        let fault = Fault::new(RefusalKind::UpstreamTimeout, "The caller left.");
        self.closed(exchange, self.evidence.observe(), fault, Finish::ClientGone)
            .await
    }

    async fn upstream_failed(&self, exchange: &Exchange, fault: &UpstreamFault) -> Fault {
        let kind = match fault {
            UpstreamFault::TimedOut(_) => RefusalKind::UpstreamTimeout,
            UpstreamFault::Unreachable(_) | UpstreamFault::Target(_) | UpstreamFault::Switched => {
                RefusalKind::UpstreamFault
            }
        };
        let fault = Fault::new(kind, format!("{fault}."));
        self.closed(
            exchange,
            self.evidence.observe(),
            fault,
            Finish::UpstreamFault,
        )
        .await
    }

    /// Records that the output side ended without an answer to release.
    pub(crate) async fn closed(
        &self,
        exchange: &Exchange,
        observed: Observed,
        fault: Fault,
        finish: Finish,
    ) -> Fault {
        let delivery = fault.delivery(finish);
        let code = fault.kind.code();
        let finding = Finding::unjudged(Side::Output, code, Action::Closed, Some(delivery));
        match self.evidence.tell(exchange, observed, finding).await {
            Ok(_durable) => fault,
            Err(missing) => evidence_fault(&missing),
        }
    }

    /// Adds our headers to whatever goes back.
    fn sign_post(&self, exchange: &Exchange, mut response: Response<Body>) -> Response<Body> {
        let id = exchange.id.to_string();
        let headers = response.headers_mut();
        refusal::insert(headers, refusal::EXCHANGE, &id);
        let policy = refusal::policy_header(exchange.route.policy.reference());
        refusal::insert(headers, refusal::POLICY, &policy);
        if let Some(base) = &self.receipts {
            refusal::insert(headers, refusal::RECEIPT, &format!("{base}/receipts/{id}"));
        }
        response
    }
}

impl Exchange {
    /// Takes from the request what records say of it.
    fn describe(&mut self, head: &request::Parts, content: &Content) {
        let path = head.uri.path();
        let document = content.document();
        let model = document.and_then(Document::model);
        self.model.requested = model.or(Dialect::model_of_path(path)).map(plain_name);
        self.stream =
            Dialect::path_asks_for_stream(path) || document.is_some_and(Document::wants_stream);
    }

    /// What the policy is told besides signals.
    pub(crate) fn circumstances(&self, side: Side, content: &Content) -> Circumstances {
        let document = content.document();
        Circumstances {
            side,
            dialect: self.dialect.name(),
            model: self.model.requested.clone().unwrap_or_default(),
            principal: self.principal.as_ref().map(|p| p.as_str().to_owned()),
            bytes: content.bytes().len() as u64,
            usage: document.and_then(Document::usage).unwrap_or_default(),
            metadata: document
                .map(|document| extracted(self.route.extract.of(side), document))
                .unwrap_or_default(),
            unread: reasons(&content.unscanned()),
            simmering: BTreeSet::new(),
        }
    }
}

fn extracted(extraction: &Extraction, document: &Document) -> BTreeMap<String, String> {
    let values = extraction.of(document).into_iter();
    let text = |value| match value {
        Scalar::Text(text) | Scalar::Number(text) => text,
        Scalar::Bool(value) => value.to_string(),
    };
    values
        .map(|(name, value)| (name.to_owned(), text(value)))
        .collect()
}

/// The record could not be made durable, so nothing may leave. Why is logged and not told.
pub(crate) fn evidence_fault(_logged: &EvidenceFault) -> Fault {
    let message = "The decision could not be recorded, so nothing was passed on. Try again later.";
    Fault::new(RefusalKind::EvidenceUnavailable, message)
}

/// Why the parts that no detector read were not read.
pub(crate) fn reasons(unscanned: &[Unscanned]) -> Vec<String> {
    unscanned.iter().map(|part| part.reason.clone()).collect()
}

/// A name fit for a record: names are identifiers, not content.
pub(crate) fn plain_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._:/@-".contains(c);
    if !name.is_empty() && name.len() <= 128 && name.chars().all(plain) {
        name.to_owned()
    } else {
        "(irregular)".to_owned()
    }
}

/// The vendor's request id, under any of its usual names.
pub(crate) fn vendor_request_id(headers: &HeaderMap) -> Option<String> {
    let value = headers
        .get("x-request-id")
        .or_else(|| headers.get("request-id"))?;
    value.to_str().ok().map(plain_name)
}
