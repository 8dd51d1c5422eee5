//! What people and other systems report about decisions: what came of them, what a person thought
//! of them, what was measured. What went wrong is in `incident`.
//!
//! Nothing here was seen by the gateway. A record says that it was reported, when and by which
//! source, and not that it is true. `docs/records.md` says what the absence of each means.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Effect, ExchangeId, RecordId, Side,
    wellformed::{
        ITEMS_MAX, Malformed, code, decimal, digest, ensure, in_order, instant, optional, reference,
    },
};

/// What came of an exchange for a person, as the deployer reports it; may come late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The exchange that had a part in it.
    pub exchange: ExchangeId,
    /// A code for what was decided, for example `selection` or `credit_line`.
    pub kind: String,
    /// The result.
    pub value: OutcomeValue,
    /// Whether it was adverse to the person; absent when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adverse: Option<bool>,
    /// When the deployer decided (RFC 3339, UTC).
    pub decided_at: String,
    /// A code for the system or file that it comes from.
    pub source: String,
    /// True when it was reported long after it was decided.
    #[serde(default)]
    pub late: bool,
    /// Salted commitment to the person, so that several outcomes of one person can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Where the person's group attributes are, never what they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupRef>,
    /// The record of an earlier outcome that this one replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<RecordId>,
}

/// The result of an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeValue {
    /// Moved forward, or not.
    Selected(bool),
    /// A score, as decimal text.
    Score(String),
    /// A class, as a code.
    Class(String),
}

/// A row of a demographic file that is not in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRef {
    /// The file's commitment, as its `demographic_import` record states it.
    pub file: String,
    /// Salted commitment to the row.
    pub row: String,
}

impl Outcome {
    /// # Errors
    /// [`Malformed`] names the member that is no code, instant, digest or decimal.
    pub fn validate(&self) -> Result<(), Malformed> {
        code("kind", &self.kind)?;
        match &self.value {
            OutcomeValue::Selected(_) => {}
            OutcomeValue::Score(score) => decimal("value.score", score)?,
            OutcomeValue::Class(class) => code("value.class", class)?,
        }
        instant("decided_at", &self.decided_at)?;
        code("source", &self.source)?;
        optional(digest, "subject", self.subject.as_deref())?;
        let group = self.group.as_ref();
        optional(digest, "group.file", group.map(|group| group.file.as_str()))?;
        optional(digest, "group.row", group.map(|group| group.row.as_str()))
    }
}

/// What a reviewer made of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewVerdict {
    /// The decision stands.
    Agreed,
    /// The decision was wrong.
    Disagreed,
    /// The reviewer could not tell.
    Undecided,
    /// The reviewer stopped the system.
    Stopped,
}

/// Whether a label was true of the content, by a person's reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    /// It was.
    Present,
    /// It was not.
    Absent,
    /// The reviewer could not tell.
    Unclear,
}

/// A person looked at a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HumanReview {
    /// The exchange reviewed.
    pub exchange: ExchangeId,
    /// The side reviewed; absent when both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// The decision record reviewed, when one is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<RecordId>,
    /// What the reviewer made of it.
    pub verdict: ReviewVerdict,
    /// The truth of labels, by label.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, Truth>,
    /// A pseudonym.
    pub reviewer: String,
    /// When the review ended (RFC 3339, UTC).
    pub closed_at: String,
    /// Seconds spent on it.
    pub seconds: u64,
    /// The effect that the reviewer put in place of the decision's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_effect: Option<Effect>,
    /// A code for why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_reason: Option<String>,
}

impl HumanReview {
    /// # Errors
    /// [`Malformed`] names the member; an override without a reason is one, and a review of more
    /// than 30 days.
    pub fn validate(&self) -> Result<(), Malformed> {
        ensure(
            self.labels.len() <= ITEMS_MAX,
            "labels",
            "must be at most 100",
        )?;
        for label in self.labels.keys() {
            code("labels", label)?;
        }
        reference("reviewer", &self.reviewer)?;
        instant("closed_at", &self.closed_at)?;
        ensure(
            self.seconds <= 30 * 86_400,
            "seconds",
            "must be at most 30 days",
        )?;
        ensure(
            self.override_effect.is_some() == self.override_reason.is_some(),
            "override_reason",
            "an override has an effect and a reason, or there is none",
        )?;
        optional(code, "override_reason", self.override_reason.as_deref())
    }
}

/// A report of an evaluation, red team or measurement, was registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluationReport {
    /// The reporter's own reference.
    pub evaluation: String,
    /// A code, for example `red_team` or `measurement`.
    pub kind: String,
    /// `sha256:` of the report's file.
    pub report: String,
    /// When it was performed (RFC 3339, UTC).
    pub performed_at: String,
    /// The model evaluated, as decision records name it.
    pub model: String,
    /// Commitment to the system prompt in use, when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// Who performed it, by a pseudonym.
    pub evaluator: String,
    /// A code for the result that the report states, for example `passed`.
    pub result: String,
}

impl EvaluationReport {
    /// # Errors
    /// [`Malformed`] names the member.
    pub fn validate(&self) -> Result<(), Malformed> {
        reference("evaluation", &self.evaluation)?;
        code("kind", &self.kind)?;
        digest("report", &self.report)?;
        instant("performed_at", &self.performed_at)?;
        reference("model", &self.model)?;
        optional(digest, "system_prompt", self.system_prompt.as_deref())?;
        reference("evaluator", &self.evaluator)?;
        code("result", &self.result)
    }
}

/// The vendor's list of requests was compared with the records here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciliation {
    /// The vendor, as decision records name it.
    pub vendor: String,
    /// From when (RFC 3339, UTC).
    pub from: String,
    /// Until when.
    pub to: String,
    /// Requests in the vendor's list.
    pub vendor_count: u64,
    /// `sha256:` of the vendor's list.
    pub vendor_list: String,
    /// Requests recorded here.
    pub our_count: u64,
    /// `sha256:` of the list of ids recorded here.
    pub our_list: String,
    /// Requests on both lists.
    pub matched: u64,
    /// Requests of the vendor's that are not recorded here.
    pub missing_here: u64,
    /// Requests recorded here that the vendor does not list.
    pub missing_there: u64,
}

impl Reconciliation {
    /// # Errors
    /// [`Malformed`] names the member; counts that do not add up are one.
    pub fn validate(&self) -> Result<(), Malformed> {
        code("vendor", &self.vendor)?;
        instant("from", &self.from)?;
        instant("to", &self.to)?;
        in_order("to", &self.from, &self.to)?;
        digest("vendor_list", &self.vendor_list)?;
        digest("our_list", &self.our_list)?;
        let adds = |missing: u64, count| self.matched.checked_add(missing) == Some(count);
        ensure(
            adds(self.missing_here, self.vendor_count),
            "missing_here",
            "matched and missing_here must add up to vendor_count",
        )?;
        ensure(
            adds(self.missing_there, self.our_count),
            "missing_there",
            "matched and missing_there must add up to our_count",
        )
    }
}

/// How group attributes were come by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributeMethod {
    /// The persons said so.
    SelfReported,
    /// They stand in the deployer's records.
    Administrative,
    /// Somebody guessed.
    Inferred,
}

/// A file of group attributes exists outside the ledger. No value of it is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemographicImport {
    /// Salted commitment to the file.
    pub file: String,
    /// A code for where it comes from.
    pub source: String,
    /// How the attributes were come by.
    pub method: AttributeMethod,
    /// Rows of the file.
    pub rows: u64,
}

impl DemographicImport {
    /// # Errors
    /// [`Malformed`] names the member.
    pub fn validate(&self) -> Result<(), Malformed> {
        digest("file", &self.file)?;
        code("source", &self.source)
    }
}
