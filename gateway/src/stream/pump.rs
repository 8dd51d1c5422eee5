//! The pump: upstream bytes in, released bytes out, one record before the end.
//!
//! [`Engine`] decides; the pump waits, asks the judge, sends and records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use countersign_record::{Action, Delivery, Finish, Side};
use countersign_wire::{Framing, Refusal, decision_comment};
use http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::oneshot;

use super::Opening;
use super::engine::{Engine, Step};
use super::outlet::{CallerGone, Outlet};
use super::stop::Stop;
use super::transcript::Stride;
use crate::evidence::{Finding, Observed, effect_name};
use crate::exchange::{Exchange, Gateway, evidence_fault, plain_name, reasons};
use crate::judge::{Circumstances, Disposition, Judgement};
use crate::refusal::{Fault, policy_header};
use crate::release::action_of;

/// Text that waits for its stride longer than this is looked at all the same.
const LOOK_AFTER: Duration = Duration::from_millis(150);

/// What came of waiting for the upstream.
enum Arrival {
    Bytes(Bytes),
    End,
    /// Nothing, but text has waited long enough for a look.
    Look,
}

/// What of the pieces in flight counts as delivered.
#[derive(Clone, Copy, PartialEq)]
enum Count {
    /// All: the connection stands.
    All,
    /// Those that the connection took before it broke.
    Taken,
}

pub(super) struct Pump {
    gateway: Arc<Gateway>,
    exchange: Exchange,
    status: StatusCode,
    framing: Framing,
    engine: Engine,
    observed: Observed,
    simmering: BTreeSet<String>,
    outlet: Outlet,
    opening: Option<oneshot::Sender<Opening>>,
    began: Instant,
    last_byte: Instant,
    /// Since when text waits for a judgement.
    waiting_since: Option<Instant>,
}

impl Pump {
    pub(super) fn new(
        gateway: Arc<Gateway>,
        exchange: Exchange,
        (status, framing): (StatusCode, Framing),
        (outlet, opening): (Outlet, oneshot::Sender<Opening>),
    ) -> Self {
        let (kind, mode) = ((exchange.dialect, framing), exchange.route.stream);
        let patterns = Arc::clone(&gateway.patterns);
        Self {
            engine: Engine::new(kind, mode, patterns, &gateway.limits),
            framing,
            observed: gateway.evidence.observe(),
            simmering: BTreeSet::new(),
            outlet,
            opening: Some(opening),
            began: Instant::now(),
            last_byte: Instant::now(),
            waiting_since: None,
            gateway,
            exchange,
            status,
        }
    }

    /// Pumps to the end, whatever end it is, and records it.
    pub(super) async fn run(mut self, body: Incoming) {
        match self.pump(body).await {
            Ok(()) => self.finish().await,
            Err(Stop::Withheld(stride, judgement)) => self.block(&stride, *judgement).await,
            Err(Stop::Upstream(fault, finish)) => self.fail(fault, finish).await,
            Err(Stop::CallerGone) => self.close().await,
        }
    }

    /// Reads until the terminal event (or, in dialects without one, until the end).
    async fn pump(&mut self, mut body: Incoming) -> Result<(), Stop> {
        let mut ended = false;
        loop {
            match self.engine.step()? {
                Step::Release(bytes) => self.send(bytes.into()).await?,
                Step::Judge(stride) => self.judge_stride(stride).await?,
                Step::Ended => return Ok(()),
                Step::Starved if ended && self.engine.is_whole() => return Ok(()),
                Step::Starved if ended => {
                    return Err(Stop::cut("it ended without its terminal marker"));
                }
                Step::Starved => match self.wait(&mut body).await? {
                    Arrival::Bytes(bytes) => {
                        self.observed.received(&bytes);
                        self.exchange.trace.chunk_arrived();
                        self.engine.feed(&bytes)?;
                    }
                    Arrival::Look => self.glance().await?,
                    Arrival::End => {
                        ended = true;
                        self.engine.feed_end()?;
                    }
                },
            }
        }
    }

    async fn wait(&mut self, body: &mut Incoming) -> Result<Arrival, Stop> {
        let limits = &self.gateway.limits;
        let idle = self.last_byte + limits.upstream_idle_max;
        let overlong = self.began + limits.stream_duration_max;
        self.waiting_since = match self.waiting_since {
            _ if !self.engine.waits_for_a_look() => None,
            since => since.or_else(|| Some(Instant::now())),
        };
        let look = self.waiting_since.map(|since| since + LOOK_AFTER);
        let first = look.unwrap_or(idle).min(idle).min(overlong);
        let next = tokio::select! {
            () = self.outlet.closed() => return Err(Stop::CallerGone),
            next = body.frame() => next,
            () = tokio::time::sleep_until(first.into()) => {
                return match first {
                    _ if first == overlong => Err(Stop::overlong()),
                    _ if first == idle => Err(Stop::idle()),
                    _ => Ok(Arrival::Look),
                };
            }
        };
        self.last_byte = Instant::now();
        match next {
            None => Ok(Arrival::End),
            Some(Err(error)) => Err(Stop::cut(&error.to_string())),
            Some(Ok(frame)) => Ok(Arrival::Bytes(frame.into_data().unwrap_or_default())),
        }
    }

    async fn glance(&mut self) -> Result<(), Stop> {
        self.waiting_since = None;
        let Some(glance) = self.engine.glance() else {
            return Ok(());
        };
        // A look in between is no stride of its own: what simmers in it does not add up.
        let judgement = self.judge(&glance, BTreeSet::new()).await;
        self.accept(&glance, judgement)
    }

    async fn judge_stride(&mut self, stride: Stride) -> Result<(), Stop> {
        self.waiting_since = None;
        let simmering = std::mem::take(&mut self.simmering);
        let judgement = self.judge(&stride, simmering).await;
        self.simmering.clone_from(&judgement.simmering);
        self.accept(&stride, judgement)
    }

    fn accept(&mut self, stride: &Stride, judgement: Judgement) -> Result<(), Stop> {
        if !judgement.passes() {
            return Err(Stop::Withheld(stride.clone(), Box::new(judgement)));
        }
        self.engine
            .judged(stride, judgement.edits(), judgement.wary);
        Ok(())
    }

    async fn judge(&self, stride: &Stride, simmering: BTreeSet<String>) -> Judgement {
        let principal = self.exchange.principal.as_ref();
        let circumstances = Circumstances {
            side: Side::Output,
            dialect: self.exchange.dialect.name(),
            model: self.exchange.model.requested.clone().unwrap_or_default(),
            principal: principal.map(|p| p.as_str().to_owned()),
            bytes: stride.texts.iter().map(|t| t.len() as u64).sum(),
            usage: self.engine.reader().usage().unwrap_or_default(),
            metadata: BTreeMap::new(),
            unread: reasons(self.engine.unscanned()),
            simmering,
        };
        let (gateway, route) = (&self.gateway, &self.exchange.route);
        let texts = Arc::clone(&stride.texts);
        let judge = &gateway.judge;
        judge
            .judge(route, texts, &circumstances, &gateway.limits)
            .await
    }

    async fn send(&mut self, piece: Bytes) -> Result<(), CallerGone> {
        self.open();
        self.outlet.send(piece).await?;
        self.count_delivered(Count::Taken);
        Ok(())
    }

    fn open(&mut self) {
        if let Some(opening) = self.opening.take() {
            let held = self.began.elapsed().as_secs_f64();
            self.gateway.metrics.hold.observe(held);
            // The receiver is gone only when the caller is; the next send finds that out.
            drop(opening.send(Opening::Begin));
        }
    }

    fn count_delivered(&mut self, count: Count) {
        let mut pieces = self.outlet.taken();
        if count == Count::All {
            pieces.extend(self.outlet.untaken());
        }
        for piece in pieces {
            self.observed.forwarded(&piece);
        }
    }

    /// The stream's own end: a last look at the whole text, the record, then the last bytes.
    async fn finish(&mut self) {
        let whole = self.engine.whole();
        let judgement = self.judge(&whole, BTreeSet::new()).await;
        if !judgement.passes() {
            return self.block(&whole, judgement).await;
        }
        self.engine.judged(&whole, judgement.edits(), false);
        let (before, terminal) = self.engine.drain();
        let effect = effect_name(judgement.decision.effect);
        let comment = self.comment(effect);
        let last = [before, comment, terminal].concat();
        self.count_delivered(Count::All);
        self.observed.forwarded(&last);
        let finish = if self.engine.ended_in_error() {
            Finish::UpstreamFault
        } else {
            Finish::Complete
        };
        let status = self.status.as_u16();
        match self.tell(judgement, (status, finish, 0)).await {
            Ok(()) => {
                self.open();
                // Whether the caller still takes it cannot be known once it is recorded.
                drop(self.outlet.send(last.into()).await);
            }
            Err(missing) => self.abort(&missing, Vec::new()).await,
        }
    }

    /// Ends the stream with well-formed block frames of the caller's dialect; before the first
    /// byte, with a plain refusal.
    async fn block(&mut self, stride: &Stride, judgement: Judgement) {
        let fault = Fault::withheld(&judgement, self.exchange.id);
        self.count_delivered(Count::All);
        let exposed = if judgement.places.is_empty() {
            self.observed.forwarded_bytes()
        } else {
            self.engine.exposed(stride, &judgement.places)
        };
        self.gateway.metrics.exposure.inc_by(exposed);
        let began = self.opening.is_none();
        let (frames, status) = if began {
            (self.block_frames(&fault), self.status.as_u16())
        } else {
            (Vec::new(), fault.kind.status())
        };
        self.observed.forwarded(&frames);
        self.observed.judged(stride.passages());
        let told = self.tell(judgement, (status, Finish::Blocked, exposed));
        if let Err(missing) = told.await {
            return self.abort(&missing, Vec::new()).await;
        }
        match self.opening.take() {
            Some(opening) => drop(opening.send(Opening::Refuse(fault))),
            None => drop(self.outlet.send(frames.into()).await),
        }
    }

    fn block_frames(&self, fault: &Fault) -> Vec<u8> {
        let end = self.own_frames(fault, |refusal| self.engine.block_frames(refusal));
        [self.comment("deny"), end].concat()
    }

    fn comment(&self, decision: &str) -> Vec<u8> {
        let exchange = self.exchange.id.to_string();
        decision_comment(self.exchange.dialect, self.framing, &exchange, decision)
    }

    fn fault_frames(&self, fault: &Fault) -> Vec<u8> {
        self.own_frames(fault, |refusal| self.engine.fault_frames(refusal))
    }

    /// Frames of ours in the dialect, about `fault`.
    fn own_frames(&self, fault: &Fault, of: impl Fn(&Refusal<'_>) -> Vec<u8>) -> Vec<u8> {
        let exchange = self.exchange.id.to_string();
        let policy = policy_header(self.exchange.route.policy.reference());
        of(&Refusal {
            kind: fault.kind.clone(),
            message: &fault.message,
            exchange: &exchange,
            policy: Some(&policy),
        })
    }

    /// Records a stream that the upstream did not end, and tells the caller.
    async fn fail(&mut self, fault: Fault, finish: Finish) {
        self.count_delivered(Count::All);
        let began = self.opening.is_none();
        let (frame, status) = if began {
            (self.fault_frames(&fault), self.status.as_u16())
        } else {
            (Vec::new(), fault.kind.status())
        };
        self.observed.forwarded(&frame);
        let observed = self.observation();
        let delivery = Delivery {
            status,
            released_bytes: observed.forwarded_bytes(),
            exposed_bytes: 0,
            finish,
        };
        let code = fault.kind.code();
        let finding = Finding::unjudged(Side::Output, code, Action::Closed, Some(delivery));
        let evidence = &self.gateway.evidence;
        match evidence.tell(&self.exchange, observed, finding).await {
            Ok(_durable) => self.abort(&fault, frame).await,
            Err(missing) => self.abort(&evidence_fault(&missing), Vec::new()).await,
        }
    }

    /// Records what a caller who left had been given.
    async fn close(&mut self) {
        self.count_delivered(Count::Taken);
        let whole = self.engine.whole();
        let judgement = self.judge(&whole, BTreeSet::new()).await;
        let delivery = (self.status.as_u16(), Finish::ClientGone, 0);
        if let Err(fault) = self.tell(judgement, delivery).await {
            let (exchange, fault) = (self.exchange.id, fault.message);
            tracing::error!(%exchange, fault, "a left exchange has no record");
        }
    }

    /// Sends `frame`, which says what happened, and breaks the connection, so that no client takes
    /// what it has for an answer. Before the first byte, a plain refusal.
    async fn abort(&mut self, fault: &Fault, frame: Vec<u8>) {
        if let Some(opening) = self.opening.take() {
            drop(opening.send(Opening::Refuse(fault.clone())));
            return;
        }
        if self.outlet.send(frame.into()).await.is_ok() {
            self.outlet.break_off(fault.message.clone()).await;
        }
    }

    async fn tell(
        &mut self,
        judgement: Judgement,
        (status, finish, exposed_bytes): (u16, Finish, u64),
    ) -> Result<(), Fault> {
        let observed = self.observation();
        let delivery = Delivery {
            status,
            released_bytes: observed.forwarded_bytes(),
            exposed_bytes,
            finish,
        };
        let disposition = match judgement.disposition {
            Disposition::Pass if self.engine.is_edited() => Disposition::Redact,
            other => other,
        };
        let finding = Finding {
            side: Side::Output,
            runs: judgement.runs,
            signals: judgement.signals,
            decision: judgement.decision,
            action: action_of(disposition),
            delivery: Some(delivery),
            usage: self.engine.reader().usage(),
        };
        let evidence = &self.gateway.evidence;
        let told = evidence.tell(&self.exchange, observed, finding).await;
        told.map(drop).map_err(|fault| evidence_fault(&fault))
    }

    fn observation(&mut self) -> Observed {
        self.exchange.model.served = self.engine.reader().served_model().map(plain_name);
        self.exchange.stream_arrived(self.engine.reader());
        let mut observed = self.observed.clone();
        observed.unscanned(self.engine.unscanned().iter().cloned());
        observed.scanned(self.engine.whole().texts.iter().map(String::as_str));
        observed
    }
}
