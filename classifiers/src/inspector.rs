//! All detectors over one side of an exchange.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_record::{DetectorRef, DetectorRun, Evaluation, Score};
use tokio::task::JoinSet;

use crate::{Detector, Inspection, LabelScore, LabelledSpan};

/// How long past the deadline a detector may take to say that the time is over. It keeps what was
/// found until then; after it the answer is dropped.
const GRACE: Duration = Duration::from_millis(100);

/// Runs detectors side by side.
#[derive(Debug)]
pub struct Inspector {
    detectors: Vec<Arc<dyn Detector>>,
}

/// What all detectors say of one side of an exchange.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Assessment {
    /// One run per detector, in the order in which the inspector has them.
    pub runs: Vec<DetectorRun>,
    /// Every label of every detector.
    pub labels: Vec<LabelScore>,
    /// Places at or above a label's own block threshold, by channel and position.
    pub spans: Vec<LabelledSpan>,
}

impl Inspector {
    /// An inspector over these detectors. Without any, every text is assessed as empty.
    pub fn new(detectors: Vec<Arc<dyn Detector>>) -> Self {
        Self { detectors }
    }

    /// Which detectors, in order.
    pub fn detectors(&self) -> Vec<DetectorRef> {
        self.detectors.iter().map(|d| d.describe()).collect()
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
        let mut running = JoinSet::new();
        let mut index_of = HashMap::new();
        for (index, detector) in self.detectors.iter().enumerate() {
            let task = running.spawn(detector.inspect(Arc::clone(&texts), deadline));
            index_of.insert(task.id(), index);
        }
        let mut answers: Vec<Option<Result<Inspection, Evaluation>>> =
            self.detectors.iter().map(|_| None).collect();
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
        let mut assessment = Assessment::default();
        for (detector, answer) in self.detectors.iter().zip(answers) {
            assessment.add(match answer.unwrap_or(Err(Evaluation::TimedOut)) {
                Ok(inspection) => inspection,
                Err(evaluation) => unanswered(detector.as_ref(), evaluation, began.elapsed()),
            });
        }
        assessment.spans.sort_by_key(|s| (s.channel, s.span));
        assessment
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
