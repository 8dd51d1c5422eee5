//! Releases an answer: whole ones here, streams in [`crate::stream`].

use std::sync::Arc;

use bytes::Bytes;
use countersign_record::{Action, Delivery, Finish, Side};
use countersign_wire::{Framing, RefusalKind};
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, Response, response};
use hyper::body::Incoming;

use crate::body::Body;
use crate::clock::now;
use crate::evidence::{Finding, Observed, effect_name};
use crate::exchange::{Exchange, Gateway, evidence_fault, plain_name, vendor_request_id};
use crate::intake::{self, Content, IntakeFault};
use crate::judge::{Disposition, Judgement};
use crate::refusal::{self, Fault};
use crate::route::Unreadable;
use crate::upstream;

impl Gateway {
    /// Releases what the upstream answered, once it is judged and recorded.
    pub(crate) async fn release(
        self: Arc<Self>,
        exchange: &mut Exchange,
        answer: Response<Incoming>,
    ) -> Result<Response<Body>, Fault> {
        exchange.times.first_byte = Some(now());
        exchange.head_arrived(&self.metrics, answer.status());
        exchange.vendor_request_id = vendor_request_id(answer.headers());
        let (head, body) = answer.into_parts();
        let framing = Framing::of_media_type(&intake::media_type(&head.headers));
        exchange.stream = framing.is_some();
        let Some(framing) = framing else {
            return self.release_whole(exchange, head, body).await;
        };
        if head.headers.contains_key(CONTENT_ENCODING) {
            let fault = Fault::new(
                RefusalKind::UpstreamFault,
                "The upstream sent an encoded event stream although none was asked for.",
            );
            return Err(self
                .closed(
                    exchange,
                    self.evidence.observe(),
                    fault,
                    Finish::UpstreamFault,
                )
                .await);
        }
        crate::stream::release(self, exchange, (head, framing), body).await
    }

    async fn release_whole(
        &self,
        exchange: &mut Exchange,
        head: response::Parts,
        body: Incoming,
    ) -> Result<Response<Body>, Fault> {
        let mut observed = self.evidence.observe();
        let content = match self.take_back(exchange, &head.headers, body).await {
            Ok(content) => content,
            Err(fault) => {
                let fault = Fault::of_response(&fault);
                return Err(self
                    .closed(exchange, observed, fault, Finish::UpstreamFault)
                    .await);
            }
        };
        if let Content::Opaque { media_type, .. } = &content
            && exchange.route.on_unreadable == Unreadable::Refuse
        {
            let message =
                format!("An answer of type {media_type} cannot be checked on this route.");
            let fault = Fault::new(RefusalKind::NotEvaluated, message);
            observed.received(&content.bytes());
            observed.unscanned(content.unscanned());
            return Err(self
                .closed(exchange, observed, fault, Finish::Blocked)
                .await);
        }
        exchange.model.served = content.document().and_then(|d| d.model().map(plain_name));
        exchange.answer_arrived(content.document());
        let texts: Arc<[String]> = content
            .document()
            .map(|d| d.texts().to_vec())
            .unwrap_or_default()
            .into();
        observed.received(&content.bytes());
        observed.scanned(texts.iter().map(String::as_str));
        observed.unscanned(content.unscanned());
        let circumstances = exchange.circumstances(Side::Output, &content);
        let judgement = self
            .judge
            .judge(&exchange.route, texts, &circumstances, &self.limits)
            .await;
        self.settle(exchange, observed, judgement, (head, content))
            .await
    }

    async fn take_back(
        &self,
        exchange: &Exchange,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<Content, IntakeFault> {
        let bytes = intake::read(body, &self.limits, self.limits.upstream_idle_max).await?;
        let bytes = intake::decode(bytes, headers, &self.limits).await?;
        intake::parse(bytes, headers, exchange.dialect, &self.limits)
    }

    /// Records the output side, then releases, redacts or blocks.
    async fn settle(
        &self,
        exchange: &Exchange,
        mut observed: Observed,
        judgement: Judgement,
        answer: (response::Parts, Content),
    ) -> Result<Response<Body>, Fault> {
        let (head, content) = answer;
        let withheld = (!judgement.passes()).then(|| Fault::withheld(&judgement, exchange.id));
        let body: Bytes = match content.document() {
            Some(document) if judgement.disposition == Disposition::Redact => {
                document.redacted(&judgement.edits()).into()
            }
            _ => content.bytes(),
        };
        let released = if withheld.is_some() {
            0
        } else {
            body.len() as u64
        };
        if withheld.is_none() {
            observed.forwarded(&body);
        }
        let status = withheld
            .as_ref()
            .map_or(head.status.as_u16(), |f| f.kind.status());
        let finish = if withheld.is_some() {
            Finish::Blocked
        } else {
            Finish::Complete
        };
        let effect = effect_name(judgement.decision.effect);
        let finding = Finding {
            side: Side::Output,
            action: action_of(judgement.disposition),
            runs: judgement.runs,
            signals: judgement.signals,
            decision: judgement.decision,
            delivery: Some(Delivery {
                status,
                released_bytes: released,
                exposed_bytes: 0,
                finish,
            }),
            usage: content
                .document()
                .and_then(countersign_wire::Document::usage),
        };
        let durable = self.evidence.tell(exchange, observed, finding).await;
        durable.map_err(|fault| evidence_fault(&fault))?;
        match withheld {
            Some(fault) => Err(fault),
            None => Ok(answer_with(
                &head,
                Body::whole(body),
                exchange.more_severe(effect),
            )),
        }
    }
}

/// The action that carries a disposition out.
pub(crate) fn action_of(disposition: Disposition) -> Action {
    match disposition {
        Disposition::Pass => Action::Forwarded,
        Disposition::Redact => Action::Redacted,
        Disposition::Block => Action::Blocked,
        Disposition::NotEvaluated => Action::RefusedNotEvaluated,
    }
}

/// The upstream's head, end-to-end headers only, with our decision.
pub(crate) fn answer_with(
    head: &response::Parts,
    body: Body,
    decision: &'static str,
) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = upstream::end_to_end(&head.headers);
    refusal::insert(response.headers_mut(), refusal::DECISION, decision);
    response
}

impl Exchange {
    /// The more severe of the input side's effect and `output`.
    fn more_severe(&self, output: &'static str) -> &'static str {
        const ORDER: [&str; 5] = ["permit", "transform", "escalate", "not-evaluated", "deny"];
        let rank = |name: &str| ORDER.iter().position(|o| *o == name).unwrap_or(0);
        if rank(self.input_effect) > rank(output) {
            self.input_effect
        } else {
            output
        }
    }
}
