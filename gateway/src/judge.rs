//! Detectors, then policy: what a text holds, and what follows from it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_classifiers::{Assessment, Inspector, LabelScore, LabelledSpan};
use countersign_policy::{Facts, SignalFact, Sizes};
use countersign_record::{
    Decision, DetectorRun, Effect, Evaluation, Mode, Score, Side, Signal, Span, Usage, Verdict,
};
use countersign_wire::Edit;
use tracing::Instrument;

use crate::intake::UPGRADE_REASON;
use crate::limits::Limits;
use crate::route::{FailMode, Route, Unreadable};
use crate::trace;

/// Runs the detectors and asks the policy.
#[derive(Debug, Clone)]
pub struct Judge {
    inspector: Arc<Inspector>,
}

/// What is known of a side besides its text.
#[derive(Debug, Clone)]
pub struct Circumstances {
    /// Which side.
    pub side: Side,
    /// Dialect name.
    pub dialect: &'static str,
    /// The model asked for, or empty.
    pub model: String,
    /// Commitment to the caller's credential.
    pub principal: Option<String>,
    /// Body bytes of this side.
    pub bytes: u64,
    /// Token usage so far.
    pub usage: Usage,
    /// What the route reads out of the body for the policy.
    pub metadata: BTreeMap<String, String>,
    /// Reasons for which parts could not be read at all, for example `media_type`.
    pub unread: Vec<String>,
    /// Labels that simmered in the stride before; empty but on streams.
    pub simmering: BTreeSet<String>,
}

/// What must happen to a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Passes as it is.
    Pass,
    /// Passes with spans redacted.
    Redact,
    /// Is withheld by the policy.
    Block,
    /// Is withheld because it was not evaluated and the route fails closed.
    NotEvaluated,
}

/// One side, judged.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// The policy's decision.
    pub decision: Decision,
    /// What must happen.
    pub disposition: Disposition,
    /// Which detectors ran, and whether they answered.
    pub runs: Vec<DetectorRun>,
    /// What they found.
    pub signals: Vec<Signal>,
    /// Where, for the labels that the decision redacts.
    pub redactions: Vec<LabelledSpan>,
    /// Places that the labels present rest on: the index of a text and a span in it.
    pub places: Vec<(usize, Span)>,
    /// Labels close to their threshold, whether past it or not. One that simmers in two strides of
    /// a stream in succession is present: a text that stays just below is no harmless one.
    pub simmering: BTreeSet<String>,
    /// Whether some label drew attention without being present.
    pub wary: bool,
}

/// A value that a judgement lets pass. Made only by [`Judgement::passing`].
#[derive(Debug)]
pub struct Passing<T>(T);

impl<T> Passing<T> {
    pub(crate) fn into_inner(self) -> T {
        self.0
    }
}

impl Judge {
    /// A judge over these detectors.
    pub fn new(inspector: Arc<Inspector>) -> Self {
        Self { inspector }
    }

    /// The detectors in use.
    pub fn inspector(&self) -> &Inspector {
        &self.inspector
    }

    /// Judges `texts`, one element per channel.
    pub async fn judge(
        &self,
        route: &Route,
        texts: Arc<[String]>,
        circumstances: &Circumstances,
        limits: &Limits,
    ) -> Judgement {
        let span = trace::inspect(circumstances.side);
        let assessment = self
            .inspector
            .inspect(Arc::clone(&texts), limits.judge_budget)
            .instrument(span.clone())
            .await;
        span.in_scope(|| weigh(route, assessment, circumstances, texts.len()))
    }
}

/// Applies the policy of `route` to what the detectors said.
pub fn weigh(
    route: &Route,
    assessment: Assessment,
    circumstances: &Circumstances,
    channels: usize,
) -> Judgement {
    let signals = signals(route, &assessment, &circumstances.simmering);
    trace::evaluated(&assessment.labels, &signals);
    let simmering = simmering(route, &assessment);
    let wary = is_wary(&assessment, &signals);
    let mut not_evaluated: Vec<String> = assessment
        .not_evaluated()
        .into_iter()
        .map(|(_detector, reason)| reason)
        .collect();
    // A route that passes unreadable parts, or upgrades, has said so; the policy still sees the fact.
    let said_so = |reason: &String| reason == UPGRADE_REASON;
    let unread_counts =
        route.on_unreadable == Unreadable::Refuse && !circumstances.unread.iter().all(said_so);
    let fails = !not_evaluated.is_empty() || unread_counts;
    not_evaluated.extend(circumstances.unread.iter().cloned());
    let facts = facts(route, &signals, &not_evaluated, circumstances, channels);
    let decision = route.policy.evaluate(&facts);
    let disposition = dispose(route, circumstances.side, &decision, fails);
    let places = places(&signals, &assessment.spans);
    let redactions = redactions(route, &decision, assessment.spans);
    Judgement {
        decision,
        disposition,
        runs: assessment.runs,
        signals,
        redactions,
        places,
        simmering,
        wary,
    }
}

/// The score from which a label is present on `route`.
fn threshold(route: &Route, label: &LabelScore) -> Score {
    route.policy.threshold(&label.label).unwrap_or(label.block)
}

/// The score from which a label simmers: three quarters of the way from drawing attention to being
/// present.
fn simmers_from(route: &Route, label: &LabelScore) -> Score {
    let threshold = threshold(route, label);
    let gap = threshold.ppm().saturating_sub(label.flag.ppm());
    Score::from_ppm(threshold.ppm() - gap / 4).unwrap_or(threshold)
}

fn simmering(route: &Route, assessment: &Assessment) -> BTreeSet<String> {
    let labels = assessment.labels.iter();
    let simmer = labels.filter(|label| label.score >= simmers_from(route, label));
    simmer.map(|label| label.label.clone()).collect()
}

fn is_wary(assessment: &Assessment, signals: &[Signal]) -> bool {
    let present = |label: &LabelScore| {
        signals
            .iter()
            .any(|s| s.label == label.label && s.verdict == Verdict::Present)
    };
    assessment
        .labels
        .iter()
        .any(|label| label.score >= label.flag && !present(label))
}

fn places(signals: &[Signal], spans: &[LabelledSpan]) -> Vec<(usize, Span)> {
    let present = |span: &&LabelledSpan| {
        signals
            .iter()
            .any(|s| s.label == span.label && s.verdict == Verdict::Present)
    };
    let found = spans.iter().filter(present);
    found.map(|span| (span.channel, span.span)).collect()
}

fn redactions(route: &Route, decision: &Decision, spans: Vec<LabelledSpan>) -> Vec<LabelledSpan> {
    if decision.redact.is_empty() {
        return Vec::new();
    }
    spans
        .into_iter()
        .filter(|span| route.policy.redacts(decision, &span.label))
        .collect()
}

fn signals(route: &Route, assessment: &Assessment, simmered: &BTreeSet<String>) -> Vec<Signal> {
    let unanswered: Vec<&str> = assessment
        .runs
        .iter()
        .filter(|run| run.evaluation != Evaluation::Scored)
        .map(|run| run.detector.id.as_str())
        .collect();
    let mut signals: Vec<Signal> = assessment
        .labels
        .iter()
        .map(|label| {
            let threshold = if simmered.contains(&label.label) {
                simmers_from(route, label)
            } else {
                threshold(route, label)
            };
            let verdict = if label.score >= threshold {
                Verdict::Present
            } else if unanswered.contains(&label.detector.as_str()) {
                Verdict::Undetermined
            } else {
                Verdict::Absent
            };
            Signal {
                label: label.label.clone(),
                score_ppm: label.score,
                threshold_ppm: threshold,
                verdict,
                detector: label.detector.clone(),
                hits: label.hits,
            }
        })
        .collect();
    signals.sort_by(|a, b| a.label.cmp(&b.label));
    signals
}

fn facts(
    route: &Route,
    signals: &[Signal],
    not_evaluated: &[String],
    circumstances: &Circumstances,
    channels: usize,
) -> Facts {
    let signals: BTreeMap<String, SignalFact> = signals
        .iter()
        .map(|s| {
            let present = s.verdict == Verdict::Present;
            (
                s.label.clone(),
                SignalFact {
                    score: s.score_ppm,
                    present,
                },
            )
        })
        .collect();
    Facts {
        side: circumstances.side,
        dialect: circumstances.dialect.to_owned(),
        model: circumstances.model.clone(),
        route: route.name.clone(),
        principal: circumstances.principal.clone(),
        tags: Vec::new(),
        metadata: circumstances.metadata.clone(),
        signals,
        not_evaluated: not_evaluated.to_vec(),
        sizes: Sizes {
            bytes: circumstances.bytes,
            channels: u32::try_from(channels).unwrap_or(u32::MAX),
        },
        usage: circumstances.usage,
    }
}

/// A deny of the policy outranks the fail mode; observe mode outranks both.
fn dispose(route: &Route, side: Side, decision: &Decision, not_evaluated: bool) -> Disposition {
    if route.mode() == Mode::Observe {
        return Disposition::Pass;
    }
    match decision.effect {
        Effect::Deny => Disposition::Block,
        Effect::Permit | Effect::Transform | Effect::Escalate
            if not_evaluated && route.on_not_evaluated.of(side) == FailMode::Deny =>
        {
            Disposition::NotEvaluated
        }
        Effect::Permit | Effect::Transform | Effect::Escalate => {
            if decision.redact.is_empty() {
                Disposition::Pass
            } else {
                Disposition::Redact
            }
        }
    }
}

impl Judgement {
    /// Whether this side may pass.
    pub fn passes(&self) -> bool {
        matches!(self.disposition, Disposition::Pass | Disposition::Redact)
    }

    /// Lets `value` pass when the disposition says so, and gives it back otherwise.
    ///
    /// # Errors
    /// `value` itself, when it must be withheld.
    pub fn passing<T>(&self, value: T) -> Result<Passing<T>, T> {
        if self.passes() {
            Ok(Passing(value))
        } else {
            Err(value)
        }
    }

    /// Ids of the rules that asked for the decision's effect.
    pub fn deciding_rules(&self) -> Vec<String> {
        let effect = self.decision.effect;
        self.decision
            .rules
            .iter()
            .filter(|r| r.effect == effect)
            .map(|r| r.id.clone())
            .collect()
    }

    /// The edits that a redaction makes.
    pub fn edits(&self) -> Vec<Edit> {
        if self.disposition != Disposition::Redact {
            return Vec::new();
        }
        self.redactions
            .iter()
            .map(|found| Edit {
                channel: found.channel,
                span: found.span,
                replacement: format!("[redacted:{}]", found.label),
            })
            .collect()
    }
}
