//! The port through which text is read.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_record::{DetectorRef, DetectorRun, Evaluation, Score, Span};

/// Where a label was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledSpan {
    /// Label of the taxonomy.
    pub label: String,
    /// Index of the channel, the position in the texts given to the detector.
    pub channel: usize,
    /// Byte range in that channel's text, on character boundaries.
    pub span: Span,
    /// The score of this place.
    pub score: Score,
    /// Id of the detector that found it.
    pub detector: String,
}

/// One label's score over all windows of all channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelScore {
    /// Label of the taxonomy.
    pub label: String,
    /// The highest score of any window; zero when nothing was read.
    pub score: Score,
    /// The detector's own threshold for drawing attention.
    pub flag: Score,
    /// The detector's own threshold for blocking; a policy may set another.
    pub block: Score,
    /// Windows, or places, that reached `block`.
    pub hits: u32,
    /// Id of the detector that scored it.
    pub detector: String,
}

/// What one detector says of one side of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The detector, and whether it answered.
    pub run: DetectorRun,
    /// Every label of the detector, once, in its own order.
    pub labels: Vec<LabelScore>,
    /// Places at or above a label's block threshold.
    pub spans: Vec<LabelledSpan>,
}

/// Something that reads texts and scores labels.
///
/// # Contract
/// - **Success**: `run.evaluation` is `Scored`; every byte of every text was read.
/// - **Failure** is a value: `Failed { reason }` when the detector broke, with a short reason that
///   holds no content. An inspection never panics and never returns an error.
/// - **Not evaluated**: `TimedOut` when `deadline` came first, `Skipped { reason }` when the
///   detector did not start or declined (`overloaded`, `too_many_windows`, `stopped`). In these
///   cases and on failure `labels` still lists every label and holds what was seen until then, so
///   that a finding made before the deadline is not lost; a low score then means nothing.
/// - **Ordering**: one text per channel; spans name the channel by its position.
/// - **Determinism**: the same texts give the same labels and spans whatever runs beside them.
/// - **Cancellation**: dropping the future gives up the rest of the work; it may be dropped at any
///   await point.
/// - **Durability**: none; a detector keeps no text once its future is gone.
pub trait Detector: Send + Sync + Debug {
    /// Which detector, exactly.
    fn describe(&self) -> DetectorRef;

    /// The labels it scores, without duplicates.
    fn labels(&self) -> Vec<String>;

    /// Reads `texts`, one element per channel, and answers by `deadline` or a moment after.
    fn inspect(
        &self,
        texts: Arc<[String]>,
        deadline: Instant,
    ) -> Pin<Box<dyn Future<Output = Inspection> + Send>>;
}

impl Inspection {
    /// An inspection without any finding: every label at zero.
    ///
    /// `labels` are labels with their flag and block thresholds.
    pub fn without_findings(
        detector: DetectorRef,
        labels: impl IntoIterator<Item = (String, Score, Score)>,
        evaluation: Evaluation,
        elapsed: Duration,
    ) -> Self {
        let labels = labels
            .into_iter()
            .map(|(label, flag, block)| LabelScore {
                label,
                score: Score::ZERO,
                flag,
                block,
                hits: 0,
                detector: detector.id.clone(),
            })
            .collect();
        let run = DetectorRun {
            detector,
            evaluation,
            windows: 0,
            elapsed_us: micros(elapsed),
        };
        Self {
            run,
            labels,
            spans: Vec::new(),
        }
    }
}

pub(crate) fn micros(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
}
