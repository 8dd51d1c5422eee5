//! What became of each exchange, and which were passed on without a full evaluation.

use std::collections::{BTreeMap, BTreeSet};

use countersign_record::{Action, Body, DecisionBody, ExchangeId, Side};

use crate::{
    extract::{Extract, Placed},
    query::Query,
};

/// How an exchange stands at the end of the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Both,
    BlockedAtInput,
    RefusedAtInput,
    ClosedAtInput,
    Unknown,
    Open,
    OutputOnly,
}

impl Outcome {
    pub(crate) const ALL: [Self; 7] = [
        Self::Both,
        Self::BlockedAtInput,
        Self::RefusedAtInput,
        Self::ClosedAtInput,
        Self::Unknown,
        Self::Open,
        Self::OutputOnly,
    ];

    /// The metric's name and what it means.
    pub(crate) const fn named(self) -> (&'static str, &'static str) {
        match self {
            Self::Both => ("exchange.both_sides", "Input and output recorded"),
            Self::BlockedAtInput => ("exchange.blocked_at_input", "Input only: blocked by policy"),
            Self::RefusedAtInput => (
                "exchange.refused_at_input",
                "Input only: refused because not evaluated",
            ),
            Self::ClosedAtInput => (
                "exchange.closed_at_input",
                "Input only: nothing was passed on (fault or caller left)",
            ),
            Self::Unknown => (
                "exchange.unknown",
                "Input only: passed on, outcome unknown (named in a gap record)",
            ),
            Self::Open => (
                "exchange.open",
                "Input only: passed on, no output record up to the last entry",
            ),
            Self::OutputOnly => ("exchange.output_only", "Output only: no input record"),
        }
    }
}

/// One exchange of the period, named by its first record.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) exchange: ExchangeId,
    pub(crate) first: u64,
    pub(crate) outcome: Outcome,
    /// More than one record of a side.
    pub(crate) repeated: bool,
}

#[derive(Default)]
struct Sides<'a> {
    first: Option<&'a Placed>,
    input: Vec<&'a DecisionBody>,
    output: usize,
}

/// The exchanges whose first record lies in the period, in order of that record. Later records
/// are looked for in the whole range, so that a period's end makes no exchange look open.
pub(crate) fn exchanges(extract: &Extract, query: &Query) -> Vec<Seen> {
    let mut sides: BTreeMap<ExchangeId, Sides<'_>> = BTreeMap::new();
    let mut lost: BTreeSet<ExchangeId> = BTreeSet::new();
    for placed in &extract.records {
        match &placed.record.body {
            Body::Decision(body) => {
                let seen = sides.entry(body.exchange).or_default();
                seen.first.get_or_insert(placed);
                match body.side {
                    Side::Input => seen.input.push(body),
                    Side::Output => seen.output += 1,
                }
            }
            Body::Gap(gap) => lost.extend(&gap.exchanges),
            _ => {}
        }
    }
    let mut seen: Vec<Seen> = sides
        .into_iter()
        .filter_map(|(exchange, sides)| {
            let first = sides.first.filter(|placed| query.selects(placed))?;
            Some(Seen {
                exchange,
                first: first.index,
                outcome: outcome(&sides, lost.contains(&exchange)),
                repeated: sides.input.len() > 1 || sides.output > 1,
            })
        })
        .collect();
    seen.sort_unstable_by_key(|seen| seen.first);
    seen
}

fn outcome(sides: &Sides<'_>, lost: bool) -> Outcome {
    match (sides.input.last(), sides.output) {
        (Some(_), 1..) => Outcome::Both,
        (None, _) => Outcome::OutputOnly,
        (Some(input), 0) => match input.action {
            Action::Blocked => Outcome::BlockedAtInput,
            Action::RefusedNotEvaluated => Outcome::RefusedAtInput,
            Action::Closed => Outcome::ClosedAtInput,
            Action::Forwarded | Action::Redacted if lost => Outcome::Unknown,
            Action::Forwarded | Action::Redacted => Outcome::Open,
        },
    }
}

/// Whether something was passed on.
pub(crate) fn passed_on(body: &DecisionBody) -> bool {
    matches!(body.action, Action::Forwarded | Action::Redacted)
}

/// The detectors that did not answer, each with its reason.
pub(crate) fn not_evaluated(body: &DecisionBody) -> impl Iterator<Item = (&str, &str)> {
    body.detectors
        .iter()
        .filter_map(|run| Some((run.detector.id.as_str(), run.evaluation.reason()?)))
}

/// Passed on although some detector did not answer or none ran.
pub(crate) fn is_fail_open(body: &DecisionBody) -> bool {
    passed_on(body) && (body.detectors.is_empty() || not_evaluated(body).next().is_some())
}

/// Neighbouring decision records that were all passed on without a full evaluation.
#[derive(Debug)]
pub(crate) struct FailOpen {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) records: Vec<u64>,
    pub(crate) exchanges: BTreeSet<ExchangeId>,
    pub(crate) reasons: BTreeSet<String>,
}

/// The fail-open periods of the period asked for.
pub(crate) fn fail_open(extract: &Extract, query: &Query) -> Vec<FailOpen> {
    let mut periods: Vec<FailOpen> = Vec::new();
    let mut running = false;
    for (placed, body) in extract.decisions(query) {
        let open = is_fail_open(body);
        if open && !running {
            periods.push(FailOpen {
                from: placed.record.ts.clone(),
                to: String::new(),
                records: Vec::new(),
                exchanges: BTreeSet::new(),
                reasons: BTreeSet::new(),
            });
        }
        if let Some(period) = periods.last_mut().filter(|_| open) {
            period.to.clone_from(&placed.record.ts);
            period.records.push(placed.index);
            period.exchanges.insert(body.exchange);
            let reasons = not_evaluated(body).map(|(id, reason)| format!("{id}: {reason}"));
            period.reasons.extend(reasons);
            if body.detectors.is_empty() {
                period.reasons.insert("no detector ran".to_owned());
            }
        }
        running = open;
    }
    periods
}
