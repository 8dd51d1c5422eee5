//! Several detectors over one side: side by side, and never without an answer.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_classifiers::{Detector, Inspection, Inspector, PatternDetector};
use countersign_record::{DetectorRef, Evaluation, Score};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Manner {
    AnswersAfter(Duration),
    Panics,
}

#[derive(Debug)]
struct Scripted {
    id: &'static str,
    manner: Manner,
}

impl Detector for Scripted {
    fn describe(&self) -> DetectorRef {
        DetectorRef {
            id: self.id.to_owned(),
            version: "1".to_owned(),
            digest: "none".to_owned(),
        }
    }

    fn labels(&self) -> Vec<String> {
        vec!["toxicity".to_owned(), self.id.to_owned()]
    }

    fn inspect(
        &self,
        _texts: Arc<[String]>,
        _deadline: Instant,
    ) -> Pin<Box<dyn Future<Output = Inspection> + Send>> {
        let (detector, manner, labels) = (self.describe(), self.manner, self.labels());
        Box::pin(async move {
            let Manner::AnswersAfter(pause) = manner else {
                panic!("as scripted")
            };
            tokio::time::sleep(pause).await;
            let labels = labels
                .into_iter()
                .map(|label| (label, Score::ZERO, Score::MAX));
            Inspection::without_findings(detector, labels, Evaluation::Scored, pause)
        })
    }
}

fn scripted(id: &'static str, manner: Manner) -> Arc<dyn Detector> {
    Arc::new(Scripted { id, manner })
}

fn after(ms: u64) -> Manner {
    Manner::AnswersAfter(Duration::from_millis(ms))
}

fn texts() -> Arc<[String]> {
    Arc::new(["call me: a@b.example".to_owned()])
}

#[tokio::test]
async fn detectors_run_side_by_side_and_answer_in_order() {
    let detectors = ["a", "b", "c", "d"].map(|id| scripted(id, after(400)));
    let inspector = Inspector::new(detectors.to_vec());
    let began = Instant::now();
    let assessment = inspector.inspect(texts(), Duration::from_secs(30)).await;
    assert!(
        began.elapsed() < Duration::from_millis(1500),
        "{:?}",
        began.elapsed()
    );
    let ids: Vec<_> = assessment
        .runs
        .iter()
        .map(|run| run.detector.id.as_str())
        .collect();
    assert_eq!(ids, ["a", "b", "c", "d", "countersign-views"]);
    assert_eq!(assessment.not_evaluated(), []);
}

#[tokio::test]
async fn a_detector_that_overstays_is_timed_out_and_the_others_count() {
    let inspector = Inspector::new(vec![
        scripted("slow", after(60_000)),
        Arc::new(PatternDetector::new()),
        scripted("broken", Manner::Panics),
    ]);
    let assessment = inspector.inspect(texts(), Duration::from_millis(300)).await;
    let reasons = [("slow", "timed_out"), ("broken", "panicked")];
    let expected = reasons.map(|(id, reason)| (id.to_owned(), reason.to_owned()));
    assert_eq!(assessment.not_evaluated(), expected);
    assert_eq!(assessment.score("pii.email"), Some(Score::MAX));
    assert_eq!(assessment.score("slow"), Some(Score::ZERO));
    assert_eq!(assessment.score("unheard_of"), None);
    assert_eq!(assessment.spans.len(), 1);
}

#[tokio::test]
async fn labels_are_listed_once() {
    let inspector = Inspector::new(vec![scripted("a", after(0)), scripted("b", after(0))]);
    assert_eq!(inspector.labels(), ["a", "b", "toxicity"]);
    assert_eq!(inspector.detectors().len(), 2);
}

#[tokio::test]
async fn without_detectors_an_assessment_is_empty() {
    let assessment = Inspector::new(Vec::new())
        .inspect(texts(), Duration::from_secs(1))
        .await;
    assert!(assessment.runs.is_empty() && assessment.labels.is_empty());
}
