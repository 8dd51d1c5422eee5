//! One inspection on its way through the workers.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use countersign_record::{DetectorRef, DetectorRun, Evaluation, Score, Span};
use tokio::sync::oneshot;

use super::{failed, lock};
use crate::detector::micros;
use crate::{Backend, Inspection, LabelScore, LabelledSpan, ModelLabel, Window};

/// What a worker does next for a job.
pub(super) enum Step {
    /// Cut the texts into windows.
    Plan,
    /// Score these units.
    Score {
        plan: Arc<Plan>,
        batch: Range<usize>,
    },
}

/// The windows of an inspection. Windows with the same ids are one unit, scored once.
pub(super) struct Plan {
    units: Vec<Unit>,
}

struct Unit {
    window: Window,
    /// Channel and bytes of every place that reads so.
    places: Vec<(usize, Span)>,
}

impl Plan {
    pub(super) fn of(
        backend: &dyn Backend,
        job: &Job,
        windows_max: usize,
    ) -> Result<Self, Evaluation> {
        let mut units: Vec<Unit> = Vec::new();
        let mut known: HashMap<Vec<u32>, usize> = HashMap::new();
        for (channel, text) in job.texts.iter().enumerate() {
            if Instant::now() >= job.deadline {
                return Err(Evaluation::TimedOut);
            }
            let planned = backend.plan(text).map_err(failed)?;
            for window in planned {
                let place = (channel, window.span);
                let at = *known.entry(window.ids.clone()).or_insert(units.len());
                match units.get_mut(at) {
                    Some(unit) => unit.places.push(place),
                    None => units.push(Unit {
                        window,
                        places: vec![place],
                    }),
                }
            }
            if units.len() > windows_max {
                return Err(Evaluation::Skipped {
                    reason: "too_many_windows".to_owned(),
                });
            }
        }
        Ok(Self { units })
    }

    pub(super) fn windows(&self, batch: &Range<usize>) -> impl Iterator<Item = &Window> {
        self.units
            .get(batch.clone())
            .unwrap_or_default()
            .iter()
            .map(|unit| &unit.window)
    }
}

/// The texts of an inspection and how far it has come.
pub(super) struct Job {
    texts: Arc<[String]>,
    deadline: Instant,
    progress: Mutex<Progress>,
}

struct Progress {
    plan: Option<Arc<Plan>>,
    planning: bool,
    /// The first unit that no worker has taken.
    next: usize,
    /// Scores by unit.
    rows: Vec<Option<Vec<Score>>>,
    scored: usize,
    /// How it ended.
    outcome: Option<Evaluation>,
    /// Tells the inspection that it ended; gone once told, or once nobody waits.
    done: Option<oneshot::Sender<()>>,
}

impl Job {
    pub(super) fn new(texts: Arc<[String]>, deadline: Instant) -> (Self, oneshot::Receiver<()>) {
        let (done, receiver) = oneshot::channel();
        let progress = Progress {
            plan: None,
            planning: false,
            next: 0,
            rows: Vec::new(),
            scored: 0,
            outcome: None,
            done: Some(done),
        };
        (
            Self {
                texts,
                deadline,
                progress: Mutex::new(progress),
            },
            receiver,
        )
    }

    /// Takes the next step; `None` when there is none or the job has ended, which a passed deadline
    /// makes it do here.
    pub(super) fn next_step(&self, batch: usize) -> Option<Step> {
        let mut progress = lock(&self.progress);
        if progress.outcome.is_some() {
            return None;
        }
        if Instant::now() >= self.deadline {
            progress.end(Evaluation::TimedOut);
            return None;
        }
        let Some(plan) = progress.plan.clone() else {
            let first = !progress.planning;
            progress.planning = true;
            return first.then_some(Step::Plan);
        };
        let start = progress.next;
        let end = (start + batch).min(plan.units.len());
        progress.next = end;
        (start < end).then_some(Step::Score {
            plan,
            batch: start..end,
        })
    }

    /// Whether another worker could take a step now.
    pub(super) fn has_more_steps(&self) -> bool {
        let progress = lock(&self.progress);
        let untaken = |plan: &Arc<Plan>| progress.next < plan.units.len();
        progress.outcome.is_none() && progress.plan.as_ref().is_some_and(untaken)
    }

    pub(super) fn planned(&self, plan: Plan) {
        let mut progress = lock(&self.progress);
        progress.rows = plan.units.iter().map(|_| None).collect();
        if plan.units.is_empty() {
            progress.end(Evaluation::Scored);
        }
        progress.plan = Some(Arc::new(plan));
    }

    pub(super) fn scored(&self, batch: &Range<usize>, rows: Vec<Vec<Score>>) {
        let mut progress = lock(&self.progress);
        if progress.outcome.is_some() {
            return;
        }
        for (unit, row) in batch.clone().zip(rows) {
            if let Some(slot) = progress.rows.get_mut(unit) {
                *slot = Some(row);
                progress.scored += 1;
            }
        }
        if progress.scored == progress.rows.len() {
            progress.end(Evaluation::Scored);
        }
    }

    pub(super) fn finish(&self, evaluation: Evaluation) {
        lock(&self.progress).end(evaluation);
    }

    /// Nobody waits any more: workers take no further step.
    pub(super) fn abandon(&self) {
        lock(&self.progress).end(Evaluation::Skipped {
            reason: "cancelled".to_owned(),
        });
    }

    /// What is known by now. A job that has not ended has run out of time.
    pub(super) fn inspection(
        &self,
        detector: DetectorRef,
        labels: &[ModelLabel],
        elapsed: Duration,
    ) -> Inspection {
        let mut progress = lock(&self.progress);
        let evaluation = progress.outcome.clone().unwrap_or(Evaluation::TimedOut);
        progress.end(Evaluation::TimedOut);
        let scored: Vec<(&Unit, &[Score])> = match &progress.plan {
            Some(plan) => {
                let rows = progress.rows.iter().map(|row| row.as_deref());
                plan.units
                    .iter()
                    .zip(rows)
                    .filter_map(|(u, row)| Some((u, row?)))
                    .collect()
            }
            None => Vec::new(),
        };
        let windows: usize = scored.iter().map(|(unit, _)| unit.places.len()).sum();
        let mut spans = Vec::new();
        let mut scores = Vec::new();
        for (column, label) in labels.iter().enumerate() {
            let (score, hits) = read_column(label, column, &scored, &detector.id);
            scores.push(score);
            spans.extend(hits);
        }
        let run = DetectorRun {
            detector,
            evaluation,
            windows: count(windows),
            elapsed_us: micros(elapsed),
        };
        Inspection {
            run,
            labels: scores,
            spans,
        }
    }
}

impl Progress {
    fn end(&mut self, evaluation: Evaluation) {
        if self.outcome.is_none() {
            self.outcome = Some(evaluation);
        }
        if let Some(done) = self.done.take() {
            // The receiver may be gone: then nobody wants to know.
            done.send(()).unwrap_or_default();
        }
    }
}

fn read_column(
    label: &ModelLabel,
    column: usize,
    scored: &[(&Unit, &[Score])],
    detector: &str,
) -> (LabelScore, Vec<LabelledSpan>) {
    let mut highest = Score::ZERO;
    let mut hits = Vec::new();
    for (unit, row) in scored {
        let score = row.get(column).copied().unwrap_or_default();
        highest = highest.max(score);
        if score >= label.block {
            hits.extend(unit.places.iter().map(|(channel, span)| LabelledSpan {
                label: label.name.clone(),
                channel: *channel,
                span: *span,
                score,
                detector: detector.to_owned(),
            }));
        }
    }
    let score = LabelScore {
        label: label.name.clone(),
        score: highest,
        flag: label.flag,
        block: label.block,
        hits: count(hits.len()),
        detector: detector.to_owned(),
    };
    (score, narrowest(hits))
}

/// Drops every span that holds another one: a window around a sentence says no more than the
/// sentence does.
fn narrowest(mut spans: Vec<LabelledSpan>) -> Vec<LabelledSpan> {
    spans.sort_by_key(|s| (s.channel, std::cmp::Reverse(s.span.start), s.span.end));
    let mut channel = usize::MAX;
    let mut first_end = usize::MAX;
    spans.retain(|s| {
        if s.channel != channel {
            (channel, first_end) = (s.channel, usize::MAX);
        }
        let holds_another = first_end <= s.span.end;
        first_end = first_end.min(s.span.end);
        !holds_another
    });
    spans.sort_by_key(|s| (s.channel, s.span));
    spans
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
