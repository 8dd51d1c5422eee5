//! Builds records and makes them durable.

use std::sync::Arc;
use std::time::Instant;

use countersign_ledger::{AppendError, Ledger, Sequenced};
use countersign_record::{
    Action, Body, Commitment, Committer, Coverage, Decision, DecisionBody, Delivery, DetectorRun,
    Effect, ExchangeId, Passage, Record, RecordId, Salt, Side, Signal, Timeline, Unscanned, Usage,
    commit,
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tracing::Instrument;

use crate::clock::{new_record_id, now};
use crate::exchange::Exchange;
use crate::metrics::{DecisionLabels, GapLabels, Metrics};
use crate::open::{OpenExchanges, Place};
use crate::trace;

/// Most passages of a record: it must stay below the ledger's bound for an entry.
const PASSAGES_MAX: usize = 64;

/// The secret from which commitment salts are derived. Destroying it makes every commitment made
/// under it meaningless while all proofs still verify.
#[derive(Clone)]
pub struct SaltKey([u8; 32]);

impl std::fmt::Debug for SaltKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SaltKey(..)")
    }
}

impl SaltKey {
    /// Wraps 32 random bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The salt of one record: HMAC-SHA-256 under this key of a purpose and the record's id.
    pub fn of_record(&self, id: RecordId) -> Salt {
        self.derive(b"record", id.as_bytes())
    }

    /// Commits to a caller's credential: equal credentials give equal commitments.
    pub fn principal(&self, credential: &[u8]) -> Commitment {
        commit(&self.derive(b"principal", b""), [credential])
    }

    fn derive(&self, purpose: &[u8], of: &[u8]) -> Salt {
        // HMAC pads a short key with zeros to its block (RFC 2104 section 2).
        let mut block = [0; 64];
        block[..32].copy_from_slice(&self.0);
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
        mac.update(b"countersign/salt/v1\0");
        mac.update(purpose);
        mac.update(b"\0");
        mac.update(of);
        Salt::new(mac.finalize().into_bytes().into())
    }
}

/// Why a record could not be made durable. Nothing it speaks of may leave.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceFault {
    /// The ledger refused.
    #[error("the ledger refused the record: {0}")]
    Ledger(#[from] AppendError),
    /// The record could not be written down (a bug).
    #[error("the record has no canonical form: {0}")]
    Form(#[from] countersign_record::CanonicalError),
}

/// Writes records to the ledger.
#[derive(Debug, Clone)]
pub struct Evidence {
    ledger: Ledger,
    salts: SaltKey,
    metrics: Arc<Metrics>,
    open: Arc<OpenExchanges>,
}

/// The bytes and texts of one side, committed to under the salt of the record that will tell.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The record that will tell.
    pub record: RecordId,
    received: Committer,
    scanned: Committer,
    forwarded: Committer,
    channels: u32,
    judged: Vec<Passage>,
    unscanned: Vec<Unscanned>,
}

impl Observed {
    /// Adds bytes of body as received, after decoding.
    pub fn received(&mut self, bytes: &[u8]) {
        self.received.update(bytes);
    }

    /// Adds bytes of body as passed on.
    pub fn forwarded(&mut self, bytes: &[u8]) {
        self.forwarded.update(bytes);
    }

    /// Bytes passed on so far.
    pub fn forwarded_bytes(&self) -> u64 {
        self.forwarded.bytes()
    }

    /// Sets the text that detectors were given, one element per channel.
    pub fn scanned<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) {
        for text in texts {
            self.scanned.update(text.as_bytes());
            self.scanned.update(&[0]);
            self.channels = self.channels.saturating_add(1);
        }
    }

    /// Says which passages of the text the judgement rests on, when not on all of it.
    pub fn judged(&mut self, passages: impl IntoIterator<Item = Passage>) {
        self.judged.extend(passages.into_iter().take(PASSAGES_MAX));
    }

    /// Adds parts that no detector can read.
    pub fn unscanned(&mut self, parts: impl IntoIterator<Item = Unscanned>) {
        self.unscanned.extend(parts);
    }

    fn coverage(self) -> Coverage {
        let forwarded_bytes = self.forwarded.bytes();
        Coverage {
            received_bytes: self.received.bytes(),
            received: self.received.finish(),
            // The separators are no text.
            scanned_bytes: self
                .scanned
                .bytes()
                .saturating_sub(u64::from(self.channels)),
            scanned: self.scanned.finish(),
            channels: self.channels,
            forwarded_bytes,
            forwarded: (forwarded_bytes > 0).then(|| self.forwarded.finish()),
            judged: self.judged,
            unscanned: self.unscanned,
        }
    }
}

/// What is to be told about one side.
#[derive(Debug)]
pub struct Finding {
    /// Which side.
    pub side: Side,
    /// Which detectors ran.
    pub runs: Vec<DetectorRun>,
    /// What they found.
    pub signals: Vec<Signal>,
    /// What the policy decided.
    pub decision: Decision,
    /// What was done.
    pub action: Action,
    /// What left towards the caller.
    pub delivery: Option<Delivery>,
    /// Token usage.
    pub usage: Option<Usage>,
}

impl Finding {
    /// A side that was refused before the policy could be asked.
    pub fn unjudged(side: Side, code: &str, action: Action, delivery: Option<Delivery>) -> Self {
        let decision = Decision {
            effect: Effect::Deny,
            rules: Vec::new(),
            redact: Vec::new(),
            message: Some(code.to_owned()),
        };
        let (runs, signals, usage) = (Vec::new(), Vec::new(), None);
        Self {
            side,
            runs,
            signals,
            decision,
            action,
            delivery,
            usage,
        }
    }
}

/// A record of now, with an id of its own, for entries that are appended by other means.
pub fn record_of(body: Body) -> Record {
    Record::new(new_record_id(), now(), body)
}

impl Evidence {
    /// Writes to `ledger`, salting with `salts`.
    pub fn new(ledger: Ledger, salts: SaltKey, metrics: Arc<Metrics>) -> Self {
        Self {
            ledger,
            salts,
            metrics,
            open: Arc::default(),
        }
    }

    /// The ledger written to.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The exchanges that are open, and what the ledger is owed about others.
    pub fn open(&self) -> &OpenExchanges {
        &self.open
    }

    /// A place among the open exchanges, to be held until the last record of `exchange`.
    pub(crate) fn enter(&self, exchange: ExchangeId) -> Arc<Place> {
        self.open.enter(exchange, self.ledger.head().size)
    }

    /// The salt key.
    pub fn salts(&self) -> &SaltKey {
        &self.salts
    }

    /// Starts the observation of one side.
    pub fn observe(&self) -> Observed {
        let record = new_record_id();
        let salt = self.salts.of_record(record);
        let committer = Committer::new(&salt);
        Observed {
            record,
            received: committer.clone(),
            scanned: committer.clone(),
            forwarded: committer,
            channels: 0,
            judged: Vec::new(),
            unscanned: Vec::new(),
        }
    }

    /// Records what was decided and done on one side of `exchange`. Durable when it returns.
    ///
    /// # Errors
    /// [`EvidenceFault`] when the record is not known to be durable.
    pub async fn tell(
        &self,
        exchange: &Exchange,
        observed: Observed,
        finding: Finding,
    ) -> Result<Sequenced, EvidenceFault> {
        self.count(exchange, &observed, &finding);
        exchange.trace.decided(&finding);
        // What a record says was used is what the caller is charged.
        if let (Some(usage), Some(admission)) = (finding.usage, &exchange.admission) {
            admission.charge(usage.input_tokens.saturating_add(usage.output_tokens));
        }
        let (side, action) = (finding.side, finding.action);
        let id = observed.record;
        let body = DecisionBody {
            exchange: exchange.id,
            side: finding.side,
            route: exchange.route.name.clone(),
            dialect: exchange.dialect.name().to_owned(),
            operation: exchange.operation.clone(),
            stream: exchange.stream,
            model: exchange.model.clone(),
            principal: exchange.principal.clone(),
            times: Timeline {
                decided: now(),
                ..exchange.times.clone()
            },
            coverage: observed.coverage(),
            detectors: finding.runs,
            signals: finding.signals,
            policy: exchange.route.policy.reference().clone(),
            mode: exchange.route.mode(),
            decision: finding.decision,
            action: finding.action,
            delivery: finding.delivery,
            usage: finding.usage,
            vendor_request_id: exchange.vendor_request_id.clone(),
            software_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let append = self.append(id, Body::Decision(Box::new(body)));
        let told = append.instrument(trace::record()).await;
        match &told {
            Ok(_durable) => exchange.place.recorded(side, action),
            Err(error) => {
                exchange.place.refused();
                tracing::error!(exchange = %exchange.id, %error, "no record, no release");
            }
        }
        told
    }

    /// Records anything else: genesis, changes, heartbeats, gaps. Durable when it returns. What the
    /// ledger refuses is remembered, and a gap record tells of it later.
    ///
    /// # Errors
    /// [`EvidenceFault`] when the record is not known to be durable.
    pub async fn note(&self, body: Body) -> Result<Sequenced, EvidenceFault> {
        let noted = self.try_note(body).await;
        noted.inspect_err(|_error| self.open.refused_a_note())
    }

    /// The same, where a refusal is known already.
    pub(crate) async fn try_note(&self, body: Body) -> Result<Sequenced, EvidenceFault> {
        let gap = match &body {
            Body::Gap(gap) => Some(GapLabels {
                cause: gap.cause.clone(),
            }),
            _ => None,
        };
        let sequenced = self.append(new_record_id(), body).await?;
        if let Some(labels) = gap {
            self.metrics.gaps.get_or_create(&labels).inc();
        }
        Ok(sequenced)
    }

    async fn append(&self, id: RecordId, body: Body) -> Result<Sequenced, EvidenceFault> {
        let record = Record::new(id, now(), body).to_object()?;
        let began = Instant::now();
        let sequenced = self.ledger.append(record).await?;
        self.metrics.append.observe(began.elapsed().as_secs_f64());
        Ok(sequenced)
    }

    fn count(&self, exchange: &Exchange, observed: &Observed, finding: &Finding) {
        let labels = DecisionLabels {
            side: side_name(finding.side),
            effect: effect_name(finding.decision.effect),
            action: action_name(finding.action),
        };
        self.metrics.decisions.get_or_create(&labels).inc();
        finding.runs.iter().for_each(|run| self.metrics.ran(run));
        let unread = observed.unscanned.iter();
        unread.for_each(|part| self.metrics.unread(part));
        if let Some(usage) = finding.usage {
            self.metrics.used(exchange, usage);
        }
    }
}

fn side_name(side: Side) -> &'static str {
    match side {
        Side::Input => "input",
        Side::Output => "output",
    }
}

/// The effect as in headers and metrics.
pub fn effect_name(effect: Effect) -> &'static str {
    match effect {
        Effect::Permit => "permit",
        Effect::Transform => "transform",
        Effect::Escalate => "escalate",
        Effect::Deny => "deny",
    }
}

fn action_name(action: Action) -> &'static str {
    match action {
        Action::Forwarded => "forwarded",
        Action::Redacted => "redacted",
        Action::Blocked => "blocked",
        Action::RefusedNotEvaluated => "refused_not_evaluated",
        Action::Closed => "closed",
    }
}
