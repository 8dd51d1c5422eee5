//! What the policy decided, and what the gateway did about it.

use serde::{Deserialize, Serialize};

/// What a rule asks for, from mildest to most severe. The most severe of all matching rules wins.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing stands against it.
    #[default]
    Permit,
    /// Permit after the marked spans are redacted.
    Transform,
    /// Permit, and mark for human review.
    Escalate,
    /// Withhold.
    Deny,
}

/// How grave a matching rule is, for people; it does not decide anything.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For information.
    Info,
    /// Low.
    Low,
    /// Medium.
    #[default]
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

/// Whether decisions are acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The action follows the decision.
    #[default]
    Enforce,
    /// Decisions are recorded; everything passes.
    Observe,
}

/// How a rule came to be in a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleOutcome {
    /// Its condition held.
    Matched,
    /// Its condition could not be evaluated; `on_error` gave the effect.
    Errored,
}

/// One rule that contributed to a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleMatch {
    /// The rule's id in the policy document.
    pub id: String,
    /// Matched, or errored.
    pub outcome: RuleOutcome,
    /// The effect it asked for.
    pub effect: Effect,
    /// How grave it is.
    pub severity: Severity,
}

/// Which policy, exactly.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PolicyRef {
    /// The document's id.
    pub id: String,
    /// The document's version.
    pub version: String,
    /// `sha256:<hex>` of the document's canonical form.
    pub digest: String,
}

/// The policy's answer for one side of an exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The most severe effect among `rules`; permit when there is none.
    pub effect: Effect,
    /// Every rule that matched or errored, in document order.
    pub rules: Vec<RuleMatch>,
    /// Labels whose spans a transform redacts; sorted. Empty unless some rule asked for a transform.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redact: Vec<String>,
    /// What the caller may be told when denied; never holds content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What the gateway did. Differs from the decision's effect in observe mode and on faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Passed on unchanged.
    Forwarded,
    /// Passed on with spans redacted.
    Redacted,
    /// Withheld: the caller got a refusal.
    Blocked,
    /// Withheld because it could not be evaluated and the route fails closed.
    RefusedNotEvaluated,
    /// Nothing to pass on: the upstream failed, was cut, or the caller left.
    Closed,
}
