//! What detectors say: signals, and whether they could be obtained at all.

use serde::{Deserialize, Serialize};

use crate::Score;

/// A half-open byte range `start..end` within one channel's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// One label's score, the highest over all windows of all channels of a side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// Label of the taxonomy, for example `toxicity` or `secret.aws_access_key`.
    pub label: String,
    /// The score in parts per million.
    pub score_ppm: Score,
    /// The block threshold in force, in parts per million: at or above it the verdict is present.
    pub threshold_ppm: Score,
    /// The verdict that follows from score and threshold.
    pub verdict: Verdict,
    /// Id of the detector that scored it.
    pub detector: String,
    /// Number of windows that reached the threshold.
    pub hits: u32,
}

/// A label's verdict for one side of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The score reached the threshold.
    Present,
    /// The score stayed under the threshold everywhere.
    Absent,
    /// Not all of the text could be evaluated, and what was stayed under the threshold.
    Undetermined,
}

/// Whether a detector's answer was obtained. Anything but `Scored` is *not evaluated*, which is
/// never a pass.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Evaluation {
    /// Every window was scored.
    Scored,
    /// The deadline passed first.
    TimedOut,
    /// The detector reported an error.
    Failed {
        /// A short, content-free reason.
        reason: String,
    },
    /// The detector was not run.
    Skipped {
        /// A short, content-free reason, for example `overloaded` or `media_type`.
        reason: String,
    },
}

impl Evaluation {
    /// The reason used in metrics and in the policy fact `not_evaluated`; `None` when scored.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Scored => None,
            Self::TimedOut => Some("timed_out"),
            Self::Failed { reason } | Self::Skipped { reason } => Some(reason),
        }
    }
}

/// Which detector, exactly.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DetectorRef {
    /// Stable id, for example `countersign-minilm`.
    pub id: String,
    /// Version of the artefact.
    pub version: String,
    /// `sha256:<hex>` over everything that determines its scores (weights, tokenizer, calibration,
    /// patterns).
    pub digest: String,
}

/// One detector's work on one side of an exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetectorRun {
    /// Which detector.
    #[serde(flatten)]
    pub detector: DetectorRef,
    /// Whether it answered.
    #[serde(flatten)]
    pub evaluation: Evaluation,
    /// Windows it read.
    pub windows: u32,
    /// Time it took, in microseconds.
    pub elapsed_us: u64,
}
