//! The label sets of the metrics.

use prometheus_client::encoding::EncodeLabelSet;

/// Labels of `countersign_requests`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// Route name; `none` when no route served the request.
    pub route: String,
    /// Dialect name.
    pub dialect: &'static str,
    /// HTTP status sent to the caller.
    pub code: u16,
}

/// Labels of `countersign_decisions`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DecisionLabels {
    /// Input or output.
    pub side: &'static str,
    /// The decision's effect.
    pub effect: &'static str,
    /// What was done.
    pub action: &'static str,
}

/// Labels of `countersign_not_evaluated`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct NotEvaluatedLabels {
    /// Detector id; `all` for parts that no detector can read.
    pub detector: String,
    /// Why; `other` beyond [`super::REASONS_MAX`] reasons.
    pub reason: String,
}

/// Labels of the metrics that are told per model.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ModelLabels {
    /// Detector id, or the model asked for: `none` when the request names none, `other` when it
    /// names one that no upstream served or more than [`super::MODELS_MAX`] are known.
    pub model: String,
}

/// Labels of `countersign_tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TokenLabels {
    /// As in [`ModelLabels`].
    pub model: String,
    /// `input` or `output`.
    pub kind: &'static str,
}

/// Labels of `countersign_gap_records`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct GapLabels {
    /// Why something may be missing.
    pub cause: String,
}
