//! What a reader should not overlook, said in words.

use countersign_record::{Action, Effect, Mode};

use crate::{
    document::Block,
    exchanges::{Outcome, is_fail_open, passed_on},
    indexes::Indexes,
    summary::Summary,
};

/// Most index ranges in one sentence.
const RANGES: usize = 8;

/// The points to note, or that these checks found none.
pub(crate) fn points(summary: &Summary<'_>) -> Block {
    let found: Vec<String> = candidates(summary)
        .into_iter()
        .filter(|(at, _)| !at.is_empty())
        .map(|(at, what)| {
            let records = Indexes::of(at);
            let count = records.count();
            let noun = if count == 1 { "record" } else { "records" };
            format!("{what}: {count} {noun}, index {}.", records.line(RANGES))
        })
        .collect();
    if found.is_empty() {
        let none = "None of the checks of this report found a point to note.".to_owned();
        return Block::Notes("Points to note", vec![none]);
    }
    Block::Notes("Points to note", found)
}

fn candidates(summary: &Summary<'_>) -> Vec<(Vec<u64>, &'static str)> {
    let decisions = |keep: &dyn Fn(&countersign_record::DecisionBody) -> bool| {
        let kept = summary
            .extract
            .decisions(summary.query)
            .filter(|(_, body)| keep(body));
        kept.map(|(placed, _)| placed.index).collect::<Vec<u64>>()
    };
    let standing = |outcome: Outcome| {
        let seen = summary
            .exchanges
            .iter()
            .filter(|seen| seen.outcome == outcome);
        seen.map(|seen| seen.first).collect::<Vec<u64>>()
    };
    let repeated = summary.exchanges.iter().filter(|seen| seen.repeated);
    let breaks = summary
        .extract
        .chains
        .values()
        .flat_map(|chain| chain.breaks.clone());
    vec![
        (
            breaks.collect(),
            "A chain's sequence numbers do not continue here",
        ),
        (
            summary.gaps().map(|(placed, _)| placed.index).collect(),
            "Records may be missing, as gap records say",
        ),
        (
            decisions(&is_fail_open),
            "Passed on though some detector gave no answer",
        ),
        (
            decisions(&|body| {
                body.decision.effect == Effect::Deny
                    && body.mode == Mode::Observe
                    && passed_on(body)
            }),
            "Passed on in observe mode against a decision to deny",
        ),
        (
            decisions(&|body| {
                body.decision.effect == Effect::Deny
                    && body.mode == Mode::Enforce
                    && matches!(body.action, Action::Forwarded | Action::Redacted)
            }),
            "Passed on in enforce mode against a decision to deny",
        ),
        (
            decisions(&|body| body.delivery.as_ref().is_some_and(|d| d.exposed_bytes > 0)),
            "Part of an answer was released before the verdict that would have withheld it",
        ),
        (
            decisions(&|body| passed_on(body) && !body.coverage.unscanned.is_empty()),
            "Passed on with parts that no detector can read",
        ),
        (
            standing(Outcome::Unknown),
            "Exchanges with an unknown outcome (first records)",
        ),
        (
            standing(Outcome::Open),
            "Exchanges passed on without an output record (first records)",
        ),
        (
            standing(Outcome::OutputOnly),
            "Exchanges without an input record (first records)",
        ),
        (
            repeated.map(|seen| seen.first).collect(),
            "Exchanges with several records of one side",
        ),
        (
            summary
                .extract
                .unread
                .iter()
                .map(|(index, _)| *index)
                .collect(),
            "Entries that this version cannot read and does not count",
        ),
    ]
}
