//! The record: one signed fact of the ledger, before it is linked and signed.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Action, AuthorityDisclosure, CanonicalError, Change, Clock, Commitment, Complaint, Decision,
    DemographicImport, DetectorRun, Erasure, EvaluationReport, ExchangeId, Export, Gap, Genesis,
    Heartbeat, Hold, HoldRelease, HumanReview, Incident, Key, Mode, Outcome, PolicyRef,
    Reconciliation, RecordId, Retention, Signal, canonical_bytes,
};

/// Schema id, inside the hashed bytes.
pub const SCHEMA: &str = "countersign/record/v1";

/// One record. Serialises to a flat JSON object: `v`, `id`, `ts`, `type`, then the body's members.
///
/// Timestamps are RFC 3339 UTC text with nanoseconds, written by the caller, because this crate
/// has no clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Always [`SCHEMA`].
    pub v: String,
    /// This record's id.
    pub id: RecordId,
    /// When it was made (RFC 3339, UTC, nanoseconds).
    pub ts: String,
    /// What it says.
    #[serde(flatten)]
    pub body: Body,
}

/// What a record says, by type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Body {
    /// The first record of a chain.
    Genesis(Genesis),
    /// A decision about one side of one exchange.
    Decision(Box<DecisionBody>),
    /// Something that shapes decisions was put in force or changed.
    Change(Change),
    /// The gateway lives, also when idle.
    Heartbeat(Heartbeat),
    /// Something may be missing, and why.
    Gap(Gap),
    /// A key began to sign.
    Key(Key),
    /// The clock jumped, or time passed in which nothing ran.
    Clock(Clock),
    /// Entries need not be kept any more.
    Retention(Retention),
    /// What came of an exchange for a person.
    Outcome(Outcome),
    /// A person looked at a decision.
    HumanReview(HumanReview),
    /// Something went wrong.
    Incident(Incident),
    /// A report of an evaluation was registered.
    Evaluation(EvaluationReport),
    /// The vendor's list of requests was compared with the records.
    Reconciliation(Reconciliation),
    /// Somebody complained.
    Complaint(Complaint),
    /// A file of group attributes exists.
    DemographicImport(DemographicImport),
    /// Records must be kept.
    Hold(Hold),
    /// A hold ended.
    HoldRelease(HoldRelease),
    /// Content was erased, or the request refused.
    Erasure(Erasure),
    /// A bundle or report left the house.
    Export(Export),
    /// An authority asked for something.
    DisclosureToAuthority(AuthorityDisclosure),
}

/// A side of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// What the caller sent.
    Input,
    /// What the model answered.
    Output,
}

/// A decision about one side of one exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionBody {
    /// Links the two sides.
    pub exchange: ExchangeId,
    /// Input or output.
    pub side: Side,
    /// Name of the route that matched.
    pub route: String,
    /// Dialect spoken, for example `openai.chat`, `anthropic.messages`, `raw`.
    pub dialect: String,
    /// HTTP method and path without query, for example `POST /v1/chat/completions`.
    pub operation: String,
    /// True when the response is a stream.
    pub stream: bool,
    /// The model asked and the model that answered.
    pub model: ModelRef,
    /// Commitment to the caller's credential, when there was one: equal credentials give equal
    /// values within one ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Commitment>,
    /// When things happened.
    pub times: Timeline,
    /// What was read, what was passed on.
    pub coverage: Coverage,
    /// Which detectors ran, and whether they answered.
    pub detectors: Vec<DetectorRun>,
    /// What they found, sorted by label: every pattern label that is present and every model label.
    pub signals: Vec<Signal>,
    /// Which policy decided.
    pub policy: PolicyRef,
    /// Enforce or observe.
    pub mode: Mode,
    /// What it decided.
    pub decision: Decision,
    /// What the gateway did.
    pub action: Action,
    /// What left the gateway (output side, and input side when refused).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// Token usage as the vendor reported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The vendor's own request id, when it sent one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_request_id: Option<String>,
    /// Version of the software that made the record.
    pub software_version: String,
}

/// Which model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ModelRef {
    /// The API company, from the configuration.
    pub vendor: String,
    /// What the caller asked for; absent when the request names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<String>,
    /// What the response says answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served: Option<String>,
}

/// RFC 3339 UTC instants with nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Timeline {
    /// The request's head arrived.
    pub received: String,
    /// The request left for the upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_sent: Option<String>,
    /// The response's first byte arrived from the upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte: Option<String>,
    /// This side was decided.
    pub decided: String,
}

/// Scan-set and forward-set of one side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Bytes of body as received, after decoding.
    pub received_bytes: u64,
    /// Commitment to the body as received, after decoding.
    pub received: Commitment,
    /// Bytes of text that detectors were given.
    pub scanned_bytes: u64,
    /// Commitment to that text: every channel's text in channel order, each followed by a 0 byte.
    pub scanned: Commitment,
    /// Channels that text came from.
    pub channels: u32,
    /// Bytes of body passed on; 0 when nothing was.
    pub forwarded_bytes: u64,
    /// Commitment to the bytes passed on; absent when nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarded: Option<Commitment>,
    /// Which passages of that text the detectors of this record were given, when not all of it: a
    /// stream that is withheld midway is so by a judgement of its newest text. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub judged: Vec<Passage>,
    /// Parts of the body that no detector can read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unscanned: Vec<Unscanned>,
}

/// A passage of one channel's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// Index of the channel, in the order in which [`Coverage::scanned`] commits to channels.
    pub channel: u32,
    /// First byte.
    pub start: u64,
    /// The byte after the last.
    pub end: u64,
}

/// A part that no detector can read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unscanned {
    /// Why, for example `media_type`.
    pub reason: String,
    /// What it was, for example `image/png`.
    pub kind: String,
}

/// What left the gateway towards the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// HTTP status sent to the caller.
    pub status: u16,
    /// Body bytes released when this record was made.
    pub released_bytes: u64,
    /// Body bytes released before the verdict that would have withheld them.
    pub exposed_bytes: u64,
    /// How it ended.
    pub finish: Finish,
}

/// How a side ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// Whole.
    Complete,
    /// Ended by a block frame or a block answer.
    Blocked,
    /// The upstream could not be reached, timed out or broke its protocol.
    UpstreamFault,
    /// The upstream's stream ended without its terminal marker.
    UpstreamCut,
    /// The caller left.
    ClientGone,
}

/// Token usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
}

/// Why bytes are no record.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// Not JSON, or not of this shape.
    #[error("not a record: {0}")]
    Shape(#[from] serde_json::Error),
    /// A schema this version does not know.
    #[error("unknown record schema {0:?}")]
    Schema(String),
}

impl Record {
    /// Makes a record of the current schema.
    pub fn new(id: RecordId, ts: String, body: Body) -> Self {
        Self {
            v: SCHEMA.to_owned(),
            id,
            ts,
            body,
        }
    }

    /// The record as a JSON object, ready for the ledger to link and sign.
    ///
    /// # Errors
    /// [`CanonicalError`] when a member is no integer or string (a bug in the caller).
    pub fn to_object(&self) -> Result<Map<String, Value>, CanonicalError> {
        let bytes = canonical_bytes(self)?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// Reads a record from an entry's bytes; the ledger's own members are ignored.
    ///
    /// # Errors
    /// [`ParseError`] when the bytes are not a record of schema [`SCHEMA`].
    pub fn from_entry(entry: &[u8]) -> Result<Self, ParseError> {
        let value: Value = serde_json::from_slice(entry)?;
        match value.get("v").and_then(Value::as_str) {
            Some(SCHEMA) => Ok(serde_json::from_value(value)?),
            other => Err(ParseError::Schema(other.unwrap_or_default().to_owned())),
        }
    }
}
