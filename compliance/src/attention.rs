//! What a reader should not overlook, said in words.

use countersign_record::{DecisionBody, Effect, Mode};

use crate::{
    document::Block,
    exchanges::{Outcome, Seen, is_fail_open, passed_on},
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

type Candidate = (Vec<u64>, &'static str);

fn candidates(summary: &Summary<'_>) -> Vec<Candidate> {
    let breaks = summary
        .extract
        .chains
        .values()
        .flat_map(|chain| chain.breaks.clone());
    let mut found = vec![
        (
            breaks.collect(),
            "A chain's sequence numbers do not continue here",
        ),
        (
            summary.gaps().map(|(placed, _)| placed.index).collect(),
            "Records may be missing, as gap records say",
        ),
    ];
    found.extend(about_decisions(summary));
    found.extend(about_exchanges(summary));
    let unread = summary.extract.unread.iter().map(|(index, _)| *index);
    found.push((
        unread.collect(),
        "Entries that this version cannot read and does not count",
    ));
    found
}

fn about_decisions(summary: &Summary<'_>) -> [Candidate; 5] {
    let denied_yet_passed = |body: &DecisionBody, mode: Mode| {
        body.decision.effect == Effect::Deny && body.mode == mode && passed_on(body)
    };
    [
        (
            summary.decisions_where(is_fail_open),
            "Passed on though some detector gave no answer",
        ),
        (
            summary.decisions_where(|body| denied_yet_passed(body, Mode::Observe)),
            "Passed on in observe mode against a decision to deny",
        ),
        (
            summary.decisions_where(|body| denied_yet_passed(body, Mode::Enforce)),
            "Passed on in enforce mode against a decision to deny",
        ),
        (
            summary.decisions_where(|b| b.delivery.as_ref().is_some_and(|d| d.exposed_bytes > 0)),
            "Part of an answer was released before the verdict that would have withheld it",
        ),
        (
            summary.decisions_where(|body| passed_on(body) && !body.coverage.unscanned.is_empty()),
            "Passed on with parts that no detector can read",
        ),
    ]
}

fn about_exchanges(summary: &Summary<'_>) -> [Candidate; 4] {
    let firsts = |keep: &dyn Fn(&Seen) -> bool| {
        let kept = summary.exchanges.iter().filter(|seen| keep(seen));
        kept.map(|seen| seen.first).collect::<Vec<u64>>()
    };
    [
        (
            firsts(&|seen| seen.outcome == Outcome::Unknown),
            "Exchanges with an unknown outcome (first records)",
        ),
        (
            firsts(&|seen| seen.outcome == Outcome::Open),
            "Exchanges passed on without an output record (first records)",
        ),
        (
            firsts(&|seen| seen.outcome == Outcome::OutputOnly),
            "Exchanges without an input record (first records)",
        ),
        (
            firsts(&|seen| seen.repeated),
            "Exchanges with several records of one side",
        ),
    ]
}
