//! The pump: upstream bytes in, released bytes out, one record before the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use countersign_record::{Delivery, Finish, Side};
use countersign_wire::{
    Dialect, Frame, Refusal, RefusalKind, SseDecoder, SseEvent, StreamReader, decision_comment,
};
use http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::{mpsc, oneshot};

use super::Opening;
use super::transcript::{Stride, Transcript};
use crate::body::BoxError;
use crate::evidence::{Finding, Observed, effect_name};
use crate::exchange::{Exchange, Gateway, evidence_fault, plain_name};
use crate::judge::{Circumstances, Disposition, Judgement};
use crate::refusal::{Fault, policy_header};
use crate::release::action_of;
use crate::route::StreamMode;

/// New text that is not yet a stride is judged after this long all the same.
const STRIDE_PATIENCE: Duration = Duration::from_millis(150);

/// Why the pump stops before the stream's own end.
enum Stop {
    /// The judgement withholds.
    Withheld(Box<Judgement>),
    /// The upstream failed; the caller is told.
    Upstream(Fault, Finish),
    /// The caller left.
    ClientGone,
}

pub(super) struct Pump {
    gateway: Arc<Gateway>,
    exchange: Exchange,
    status: StatusCode,
    decoder: SseDecoder,
    reader: StreamReader,
    transcript: Transcript,
    observed: Observed,
    last: Option<Judgement>,
    sender: mpsc::Sender<Result<Bytes, BoxError>>,
    opening: Option<oneshot::Sender<Opening>>,
    began: Instant,
}

impl Pump {
    pub(super) fn new(
        gateway: Arc<Gateway>,
        exchange: Exchange,
        status: StatusCode,
        towards_caller: (
            mpsc::Sender<Result<Bytes, BoxError>>,
            oneshot::Sender<Opening>,
        ),
    ) -> Self {
        let wire = &gateway.limits.wire;
        Self {
            decoder: SseDecoder::new(wire.event_bytes_max),
            reader: StreamReader::new(exchange.dialect, wire),
            transcript: Transcript::new(),
            observed: gateway.evidence.observe(),
            last: None,
            sender: towards_caller.0,
            opening: Some(towards_caller.1),
            began: Instant::now(),
            gateway,
            exchange,
            status,
        }
    }

    /// Pumps to the end, whatever end it is, and records it.
    pub(super) async fn run(mut self, body: Incoming) {
        let ended = self.pump(body).await;
        match ended {
            Ok(()) => self.finish().await,
            Err(stop) => self.stop(stop).await,
        }
    }

    /// Reads until the terminal marker (or, in dialects without one, until the end).
    async fn pump(&mut self, body: Incoming) -> Result<(), Stop> {
        let mut body = body;
        let limits = self.gateway.limits.clone();
        let mut last_byte = Instant::now();
        while !self.reader.saw_terminal() {
            if self.began.elapsed() > limits.stream_duration_max {
                return Err(Stop::overlong());
            }
            let wait = if self.transcript.unjudged() > 0 {
                STRIDE_PATIENCE
            } else {
                limits.upstream_idle_max
            };
            let next = tokio::select! {
                () = self.sender.closed() => return Err(Stop::ClientGone),
                next = tokio::time::timeout(wait, body.frame()) => next,
            };
            match next {
                Err(_quiet) if last_byte.elapsed() >= limits.upstream_idle_max => {
                    return Err(Stop::idle());
                }
                Err(_quiet) => self.judge_stride().await?,
                Ok(None) => return self.upstream_ended(),
                Ok(Some(Err(error))) => return Err(Stop::cut(&error.to_string())),
                Ok(Some(Ok(frame))) => {
                    last_byte = Instant::now();
                    if let Ok(data) = frame.into_data() {
                        self.take_in(&data).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn take_in(&mut self, data: &[u8]) -> Result<(), Stop> {
        self.observed.received(data);
        self.exchange.trace.chunk_arrived();
        let events = self
            .decoder
            .push(data)
            .map_err(|e| Stop::garbled(&e.to_string()))?;
        for event in events {
            self.read(event)?;
        }
        if self.transcript.held_bytes() > self.gateway.limits.stream_held_bytes_max {
            return Err(Stop::garbled("more was held back than the limit allows"));
        }
        if matches!(
            self.exchange.route.stream,
            StreamMode::Optimistic | StreamMode::Observe
        ) {
            while let Some(frame) = self.transcript.pop_unjudged() {
                self.send(&frame.bytes()).await?;
                self.reader.released(&frame);
            }
        }
        if self.transcript.is_due() && !self.reader.saw_terminal() {
            self.judge_stride().await?;
        }
        Ok(())
    }

    fn read(&mut self, event: SseEvent) -> Result<(), Stop> {
        let frame: Frame = self
            .reader
            .read(event)
            .map_err(|e| Stop::garbled(&e.to_string()))?;
        self.transcript.take_in(frame);
        Ok(())
    }

    /// Whether an end without a terminal marker is an end.
    fn upstream_ended(&mut self) -> Result<(), Stop> {
        let decoder = std::mem::replace(&mut self.decoder, SseDecoder::new(0));
        if let Some(event) = decoder
            .finish()
            .map_err(|e| Stop::garbled(&e.to_string()))?
        {
            self.read(event)?;
        }
        if self.reader.saw_terminal() || self.exchange.dialect == Dialect::Raw {
            Ok(())
        } else {
            Err(Stop::cut("it ended without its terminal marker"))
        }
    }

    async fn judge_stride(&mut self) -> Result<(), Stop> {
        if self.exchange.route.stream == StreamMode::Buffer {
            self.transcript.judged([]);
            return Ok(());
        }
        let stride = self.transcript.next_stride();
        let judgement = self.judge(&stride).await;
        if !judgement.passes() {
            return Err(Stop::Withheld(Box::new(judgement)));
        }
        self.accept(&stride, judgement);
        let patterns = Arc::clone(&self.gateway.patterns);
        for (frame, bytes) in self.transcript.releasable(|text| patterns.live_from(text)) {
            self.send(&bytes).await?;
            self.reader.released(&frame);
        }
        Ok(())
    }

    fn accept(&mut self, stride: &Stride, judgement: Judgement) {
        let edits = judgement
            .edits()
            .into_iter()
            .filter_map(|edit| stride.locate(edit));
        self.transcript.judged(edits.collect::<Vec<_>>());
        self.last = Some(judgement);
    }

    async fn judge(&self, stride: &Stride) -> Judgement {
        let circumstances = Circumstances {
            side: Side::Output,
            dialect: self.exchange.dialect.name(),
            model: self.exchange.model.requested.clone().unwrap_or_default(),
            principal: self
                .exchange
                .principal
                .as_ref()
                .map(|p| p.as_str().to_owned()),
            bytes: stride.texts.iter().map(|t| t.len() as u64).sum(),
            usage: self.reader.usage().unwrap_or_default(),
            unread: Vec::new(),
        };
        let (gateway, route) = (&self.gateway, &self.exchange.route);
        gateway
            .judge
            .judge(
                route,
                Arc::clone(&stride.texts),
                &circumstances,
                &gateway.limits,
            )
            .await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.open();
        self.observed.forwarded(bytes);
        let piece = Bytes::copy_from_slice(bytes);
        self.sender
            .send(Ok(piece))
            .await
            .map_err(|_closed| Stop::ClientGone)
    }

    fn open(&mut self) {
        if let Some(opening) = self.opening.take() {
            self.gateway
                .metrics
                .hold
                .observe(self.began.elapsed().as_secs_f64());
            // The receiver is gone only when the caller is; the next send finds that out.
            drop(opening.send(Opening::Begin));
        }
    }

    /// The stream's own end: a last look at the whole text, the record, then the last bytes.
    async fn finish(&mut self) {
        let judgement = self.last_look().await;
        if !judgement.passes() {
            return self.stop(Stop::Withheld(Box::new(judgement))).await;
        }
        let (before, terminal) = self.transcript.drain();
        let effect = effect_name(judgement.decision.effect);
        let comment = decision_comment(&self.exchange.id.to_string(), effect);
        let last = [before, comment, terminal].concat();
        self.observed.forwarded(&last);
        if let Err(fault) = self.tell(judgement, Finish::Complete, None).await {
            return self.abort(&fault).await;
        }
        self.open();
        drop(self.sender.send(Ok(last.into())).await);
    }

    async fn last_look(&mut self) -> Judgement {
        if self.transcript.judged_at_once()
            && let Some(last) = self.last.take()
            && self.exchange.route.stream != StreamMode::Buffer
        {
            return last;
        }
        let whole = self.transcript.whole();
        let judgement = self.judge(&whole).await;
        let edits: Vec<_> = judgement
            .edits()
            .into_iter()
            .filter_map(|edit| whole.locate(edit))
            .collect();
        self.transcript.judged(edits);
        judgement
    }

    async fn stop(&mut self, stop: Stop) {
        match stop {
            Stop::Withheld(judgement) => self.block(*judgement).await,
            Stop::Upstream(fault, finish) => {
                let told = self.tell_unended(finish, &fault).await;
                self.abort(&told.err().unwrap_or(fault)).await;
            }
            Stop::ClientGone => {
                let judgement = self.last_look().await;
                if let Err(fault) = self.tell(judgement, Finish::ClientGone, None).await {
                    tracing::error!(exchange = %self.exchange.id, fault = fault.message, "a left exchange has no record");
                }
            }
        }
    }

    /// Ends the stream with well-formed block frames of the caller's dialect.
    async fn block(&mut self, judgement: Judgement) {
        let fault = Fault::withheld(&judgement, self.exchange.id);
        let began = self.opening.is_none();
        let exposed = self.observed.forwarded_bytes();
        self.gateway.metrics.exposure.inc_by(exposed);
        let frames = if began {
            self.block_frames(&fault)
        } else {
            Vec::new()
        };
        self.observed.forwarded(&frames);
        let status = if began {
            self.status.as_u16()
        } else {
            fault.kind.status()
        };
        let finish = Finish::Blocked;
        let delivery = Delivery {
            status,
            exposed_bytes: exposed,
            released_bytes: 0,
            finish,
        };
        if let Err(missing) = self.tell(judgement, finish, Some(delivery)).await {
            return self.abort(&missing).await;
        }
        match self.opening.take() {
            Some(opening) => drop(opening.send(Opening::Refuse(fault))),
            None => drop(self.sender.send(Ok(frames.into())).await),
        }
    }

    fn block_frames(&self, fault: &Fault) -> Vec<u8> {
        let exchange = self.exchange.id.to_string();
        let policy = policy_header(self.exchange.route.policy.reference());
        let kind = fault.kind.clone();
        let (message, policy) = (fault.message.as_str(), Some(policy.as_str()));
        let refusal = Refusal {
            kind,
            message,
            exchange: &exchange,
            policy,
        };
        let mut frames = decision_comment(&exchange, "deny");
        frames.extend(self.reader.block_frames(&refusal));
        frames
    }

    /// Tells the caller of a fault and ends the connection, so that no client takes it for an end.
    async fn abort(&mut self, fault: &Fault) {
        if let Some(opening) = self.opening.take() {
            drop(opening.send(Opening::Refuse(fault.clone())));
            return;
        }
        let exchange = self.exchange.id.to_string();
        let body = fault.body(self.exchange.dialect, &exchange, None);
        let event: &[u8] = match self.exchange.dialect {
            Dialect::AnthropicMessages => b"event: error\ndata: ",
            Dialect::OpenAiChat | Dialect::Raw => b"data: ",
        };
        let frame = [event, &body, b"\n\n"].concat();
        drop(self.sender.send(Ok(frame.into())).await);
        let cut: BoxError = fault.message.clone().into();
        drop(self.sender.send(Err(cut)).await);
    }

    async fn tell(
        &mut self,
        judgement: Judgement,
        finish: Finish,
        delivery: Option<Delivery>,
    ) -> Result<(), Fault> {
        let observed = self.observation();
        let released = observed.forwarded_bytes();
        let plain = Delivery {
            status: self.status.as_u16(),
            released_bytes: 0,
            exposed_bytes: 0,
            finish,
        };
        let delivery = Delivery {
            released_bytes: released,
            ..delivery.unwrap_or(plain)
        };
        let disposition = match judgement.disposition {
            Disposition::Pass if self.transcript.is_edited() => Disposition::Redact,
            other => other,
        };
        let finding = Finding {
            side: Side::Output,
            runs: judgement.runs,
            signals: judgement.signals,
            decision: judgement.decision,
            action: action_of(disposition),
            delivery: Some(delivery),
            usage: self.reader.usage(),
        };
        let told = self
            .gateway
            .evidence
            .tell(&self.exchange, observed, finding)
            .await;
        told.map(drop).map_err(|fault| evidence_fault(&fault))
    }

    /// Records a stream that the upstream did not end.
    async fn tell_unended(&mut self, finish: Finish, fault: &Fault) -> Result<(), Fault> {
        let observed = self.observation();
        let released_bytes = observed.forwarded_bytes();
        let status = if self.opening.is_none() {
            self.status.as_u16()
        } else {
            fault.kind.status()
        };
        let delivery = Delivery {
            status,
            released_bytes,
            exposed_bytes: 0,
            finish,
        };
        let code = fault.kind.code();
        let action = countersign_record::Action::Closed;
        let finding = Finding::unjudged(Side::Output, code, action, Some(delivery));
        let told = self
            .gateway
            .evidence
            .tell(&self.exchange, observed, finding)
            .await;
        told.map(drop).map_err(|fault| evidence_fault(&fault))
    }

    fn observation(&mut self) -> Observed {
        self.exchange.model.served = self.reader.served_model().map(plain_name);
        self.exchange.stream_arrived(&self.reader);
        let mut observed = self.observed.clone();
        observed.scanned(self.transcript.whole().texts.iter().map(String::as_str));
        observed
    }
}

impl Stop {
    fn cut(what: &str) -> Self {
        let message = format!("The upstream's stream was cut: {what}.");
        Self::Upstream(
            Fault::new(RefusalKind::UpstreamFault, message),
            Finish::UpstreamCut,
        )
    }

    fn garbled(what: &str) -> Self {
        let message = format!("The upstream's stream could not be read: {what}.");
        Self::Upstream(
            Fault::new(RefusalKind::UpstreamFault, message),
            Finish::UpstreamFault,
        )
    }

    fn idle() -> Self {
        let message = "The upstream's stream fell silent.";
        Self::Upstream(
            Fault::new(RefusalKind::UpstreamTimeout, message),
            Finish::UpstreamCut,
        )
    }

    fn overlong() -> Self {
        let message = "The stream lasted longer than the limit.";
        Self::Upstream(
            Fault::new(RefusalKind::UpstreamTimeout, message),
            Finish::UpstreamCut,
        )
    }
}
