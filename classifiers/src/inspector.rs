//! All detectors over one side of an exchange.
//!
//! Every text is read as it stands and in each of its [views](crate::view); what is found in a view
//! is named where it stands in the original.

mod expansion;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_record::{DetectorRef, DetectorRun, Evaluation, Score};
use tokio::task::JoinSet;

use self::expansion::Expansion;
use crate::view::{self, ViewLimits};
use crate::{Detector, Inspection, LabelScore, LabelledSpan};

/// How long past the deadline a detector may take to say that the time is over. It keeps what was
/// found until then; after it the answer is dropped.
const GRACE: Duration = Duration::from_millis(100);

/// What a detector said, or how it failed to.
type Answer = Result<Inspection, Evaluation>;

/// Runs detectors side by side.
#[derive(Debug)]
pub struct Inspector {
    detectors: Vec<Arc<dyn Detector>>,
    limits: ViewLimits,
}

/// What all detectors say of one side of an exchange.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Assessment {
    /// One run per detector, in the order in which the inspector has them; then, when there is any
    /// detector, one of `countersign-views`. Its windows are the views that were made beside the
    /// texts; when a bound kept some from being made it is `Skipped("views_limit")`.
    pub runs: Vec<DetectorRun>,
    /// Every label of every detector.
    pub labels: Vec<LabelScore>,
    /// Places at or above a label's own block threshold, by channel and position.
    pub spans: Vec<LabelledSpan>,
}

impl Inspector {
    /// An inspector over these detectors. Without any, every text is assessed as empty.
    pub fn new(detectors: Vec<Arc<dyn Detector>>) -> Self {
        Self::with_limits(detectors, ViewLimits::default())
    }

    /// Like [`Self::new`], with other bounds for the views.
    pub fn with_limits(detectors: Vec<Arc<dyn Detector>>, limits: ViewLimits) -> Self {
        Self { detectors, limits }
    }

    /// Which detectors, in order.
    pub fn detectors(&self) -> Vec<DetectorRef> {
        self.detectors.iter().map(|d| d.describe()).collect()
    }

    /// Which version of the views. It is none of the detectors, and scores no label.
    pub fn views(&self) -> DetectorRef {
        view::describe()
    }

    /// Every label that some detector scores, sorted, without duplicates.
    pub fn labels(&self) -> Vec<String> {
        let mut labels: Vec<String> = self.detectors.iter().flat_map(|d| d.labels()).collect();
        labels.sort();
        labels.dedup();
        labels
    }

    /// Runs every detector over `texts`, one element per channel, within `budget`.
    ///
    /// It always answers: a detector that panics is `Failed`, one that overstays is `TimedOut`.
    /// Needs a Tokio runtime with its timer on. Dropping the future stops the detectors.
    pub async fn inspect(&self, texts: Arc<[String]>, budget: Duration) -> Assessment {
        let began = Instant::now();
        let deadline = began + budget;
        if self.detectors.is_empty() {
            return Assessment::default();
        }
        let expansion = Expansion::of(texts, self.limits).await;
        let answers = self.ask(&expansion.texts, deadline).await;
        let mut assessment = Assessment::default();
        for (detector, answer) in self.detectors.iter().zip(answers) {
            let mut inspection = match answer.unwrap_or(Err(Evaluation::TimedOut)) {
                Ok(inspection) => inspection,
                Err(evaluation) => unanswered(detector.as_ref(), evaluation, began.elapsed()),
            };
            expansion.bring_home(&mut inspection);
            assessment.add(inspection);
        }
        assessment.runs.push(expansion.run);
        assessment.spans.sort_by_key(|s| (s.channel, s.span));
        assessment
    }

    /// What each detector says of `texts`, in order; `None` of one that overstays.
    async fn ask(&self, texts: &Arc<[String]>, deadline: Instant) -> Vec<Option<Answer>> {
        let mut running = JoinSet::new();
        let mut index_of = HashMap::new();
        for (index, detector) in self.detectors.iter().enumerate() {
            let task = running.spawn(detector.inspect(Arc::clone(texts), deadline));
            index_of.insert(task.id(), index);
        }
        let mut answers: Vec<Option<Answer>> = self.detectors.iter().map(|_| None).collect();
        let last_moment = tokio::time::Instant::from_std(deadline + GRACE);
        while let Ok(Some(ended)) =
            tokio::time::timeout_at(last_moment, running.join_next_with_id()).await
        {
            let (id, answer) = match ended {
                Ok((id, inspection)) => (id, Ok(inspection)),
                Err(error) => (
                    error.id(),
                    Err(Evaluation::Failed {
                        reason: "panicked".to_owned(),
                    }),
                ),
            };
            if let Some(slot) = index_of.get(&id).and_then(|index| answers.get_mut(*index)) {
                *slot = Some(answer);
            }
        }
        answers
    }
}

/// The thresholds of a detector that gave no answer are unknown; the highest ones claim nothing.
fn unanswered(detector: &dyn Detector, evaluation: Evaluation, elapsed: Duration) -> Inspection {
    let labels = detector
        .labels()
        .into_iter()
        .map(|label| (label, Score::MAX, Score::MAX));
    Inspection::without_findings(detector.describe(), labels, evaluation, elapsed)
}

impl Assessment {
    fn add(&mut self, inspection: Inspection) {
        self.runs.push(inspection.run);
        self.labels.extend(inspection.labels);
        self.spans.extend(inspection.spans);
    }

    /// Detectors that gave no full answer, each with the reason.
    pub fn not_evaluated(&self) -> Vec<(String, String)> {
        let reason = |run: &DetectorRun| {
            run.evaluation
                .reason()
                .map(|reason| (run.detector.id.clone(), reason.to_owned()))
        };
        self.runs.iter().filter_map(reason).collect()
    }

    /// The highest score of `label` by any detector; `None` when none scores it.
    pub fn score(&self, label: &str) -> Option<Score> {
        self.labels
            .iter()
            .filter(|l| l.label == label)
            .map(|l| l.score)
            .max()
    }
}
