//! The vocabulary of an AI decision record, and nothing else.
//!
//! A [`Record`] says what was decided about one side of one exchange, by which detectors, under
//! which policy, and what the gateway then did. It is pure data: this crate has no clock, no
//! randomness, no sockets and no floats. Scores are integers in parts per million; content is
//! present only as salted [`Commitment`]s.
//!
//! What is *not* here: the chain link and the signature of an entry (`countersign-ledger` adds
//! them around the canonical bytes), thresholds (they belong to the policy) and any text a person
//! or a model wrote.
//!
//! Start at [`Record`], then [`DecisionBody`].

mod body;
mod canonical;
mod commit;
mod decision;
mod evaluation;
mod event;
mod handling;
mod ids;
mod incident;
mod record;
mod reported;
mod score;
mod wellformed;

pub use canonical::{CanonicalError, canonical_bytes};
pub use commit::{Commitment, Committer, Salt, commit};
pub use decision::{Action, Decision, Effect, Mode, PolicyRef, RuleMatch, RuleOutcome, Severity};
pub use evaluation::{DetectorRef, DetectorRun, Evaluation, Signal, Span, Verdict};
pub use event::{
    Change, Clock, ClockEvent, Gap, Genesis, Heartbeat, InForce, Key, KeyEvent, Phase, Retention,
};
pub use handling::{
    AuthorityDisclosure, Erasure, ErasureResult, Export, Handed, Hold, HoldRelease,
};
pub use ids::{ExchangeId, RecordId};
pub use incident::{Complaint, ComplaintStatus, Incident, IncidentCategory, IncidentStage};
pub use record::{
    Body, Coverage, DecisionBody, Delivery, Finish, ModelRef, ParseError, Passage, Record, SCHEMA,
    Side, Timeline, Unscanned, Usage,
};
pub use reported::{
    AttributeMethod, DemographicImport, EvaluationReport, GroupRef, HumanReview, Outcome,
    OutcomeValue, Reconciliation, ReviewVerdict, Truth,
};
pub use score::{Score, ScoreError};
pub use wellformed::{EXCHANGES_MAX, Malformed};
