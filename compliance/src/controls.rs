//! R17: tests of controls over the records, with their exceptions.
//!
//! A test reads a population of records and lists those that it takes exception to. It says
//! nothing about whether a control is suitable or required.

use countersign_record::{Body, Effect, Mode};

use crate::{
    document::{Block, Cell, Section, Table},
    exchanges::{Outcome, is_fail_open, passed_on},
    frame::{self, columns},
    human_oversight, incidents,
    indexes::Indexes,
    measure::{Breakdown, Metric},
    summary::{Summary, bodies},
};

/// One test and what it found.
struct Test {
    id: &'static str,
    what: &'static str,
    population: Vec<u64>,
    exceptions: Vec<u64>,
}

impl Test {
    const fn result(&self) -> &'static str {
        if self.population.is_empty() && self.exceptions.is_empty() {
            "insufficient data"
        } else if self.exceptions.is_empty() {
            "no exception"
        } else {
            "exceptions"
        }
    }
}

pub(crate) fn sections(summary: &Summary<'_>) -> Vec<Section> {
    let mut tests = about_decisions(summary);
    tests.extend(about_exchanges(summary));
    tests.extend(about_operation(summary));
    tests.extend(about_reports(summary));
    let metrics = |suffix: &str, of: &dyn Fn(&Test) -> Vec<u64>| {
        let metric = |test: &Test| {
            Metric::count(
                &format!("{}.{suffix}", test.id),
                test.what,
                "records",
                of(test),
            )
        };
        tests.iter().map(metric).collect::<Vec<Metric>>()
    };
    let mut excepted: Vec<u64> = tests
        .iter()
        .flat_map(|test| test.exceptions.clone())
        .collect();
    excepted.sort_unstable();
    excepted.dedup();
    let opening = vec![Metric::count(
        "excepted",
        "Records with an exception of some test",
        "records",
        excepted,
    )];
    let counted = |id, caption: &str, metrics| {
        Block::Breakdown(Breakdown {
            id,
            caption: caption.to_owned(),
            item: "Test",
            metrics,
            sums_to: None,
        })
    };
    vec![
        frame::opening(summary, opening, vec![Block::Table(results(&tests))]),
        Section::new(
            "test-counts",
            "Populations and exceptions",
            vec![
                counted(
                    "exceptions",
                    "Exceptions (a record can be one of several tests)",
                    metrics("exceptions", &|test| test.exceptions.clone()),
                ),
                counted(
                    "populations",
                    "Populations tested, all of them and no sample",
                    metrics("population", &|test| test.population.clone()),
                ),
                Block::Text(
                    "No sample was drawn: each test read its whole population. Whether a control \
                     is suitable, and what an exception means, is for the assessor."
                        .to_owned(),
                ),
            ],
        ),
    ]
}

fn results(tests: &[Test]) -> Table {
    let rows = tests.iter().map(|test| {
        vec![
            Cell::code(test.id),
            Cell::text(test.what),
            Cell::text(test.result()),
            Cell::Int(test.population.len() as u64),
            Cell::Int(test.exceptions.len() as u64),
            Cell::Indexes(Indexes::of(test.exceptions.clone())),
        ]
    });
    Table {
        id: "tests",
        caption: "Tests and their results".to_owned(),
        columns: columns(&[
            ("test", "Test"),
            ("what", "What was tested"),
            ("result", "Result"),
            ("population", "Records tested"),
            ("exceptions", "Exceptions"),
            ("indexes", "Indexes of exceptions"),
        ]),
        rows: rows.collect(),
        when_empty: "No test was made.",
    }
}

fn about_decisions(summary: &Summary<'_>) -> Vec<Test> {
    let test = |id, what, exceptions| Test {
        id,
        what,
        population: summary.decisions_where(|_| true),
        exceptions,
    };
    let denied = summary.decisions_where(|body| {
        body.decision.effect == Effect::Deny && body.mode == Mode::Enforce && passed_on(body)
    });
    vec![
        test(
            "evaluated",
            "What was passed on had been evaluated by every detector",
            summary.decisions_where(is_fail_open),
        ),
        test(
            "enforced",
            "What an enforced policy denied was not passed on",
            denied,
        ),
        test(
            "enforcing",
            "The policy was enforced, not only observing",
            summary.decisions_where(|body| body.mode == Mode::Observe),
        ),
        test(
            "no_exposure",
            "Nothing was released before the verdict that would have withheld it",
            summary.decisions_where(|b| b.delivery.as_ref().is_some_and(|d| d.exposed_bytes > 0)),
        ),
        test(
            "readable",
            "What was passed on had no part that no detector can read",
            summary.decisions_where(|body| passed_on(body) && !body.coverage.unscanned.is_empty()),
        ),
        Test {
            id: "reviewed",
            what: "Where the policy asked for a person, a review is recorded",
            population: summary.decisions_where(|body| body.decision.effect == Effect::Escalate),
            exceptions: human_oversight::unreviewed(summary),
        },
    ]
}

fn about_exchanges(summary: &Summary<'_>) -> Vec<Test> {
    let seen = || summary.exchanges.iter();
    let lost = |outcome| {
        matches!(
            outcome,
            Outcome::Unknown | Outcome::Open | Outcome::OutputOnly
        )
    };
    vec![Test {
        id: "accounted",
        what: "Every exchange has the records of both sides, or one that says why not",
        population: seen().map(|seen| seen.first).collect(),
        exceptions: seen()
            .filter(|seen| lost(seen.outcome))
            .map(|seen| seen.first)
            .collect(),
    }]
}

fn about_operation(summary: &Summary<'_>) -> Vec<Test> {
    let within = || summary.extract.within(summary.query);
    let of = |keep: fn(&Body) -> bool| {
        let kept = within().filter(|placed| keep(&placed.record.body));
        kept.map(|placed| placed.index).collect::<Vec<u64>>()
    };
    let all: Vec<u64> = within().map(|placed| placed.index).collect();
    let chains = summary.extract.chains.values();
    let broken = chains.flat_map(|chain| chain.breaks.clone());
    let broken: Vec<u64> = broken.filter(|index| all.contains(index)).collect();
    let unnamed = |body: &Body| matches!(body, Body::Change(change) if change.actor.is_empty() || change.reason.is_empty());
    vec![
        Test {
            id: "continuous",
            what: "Sequence numbers of each chain continue without a gap",
            population: all.clone(),
            exceptions: broken,
        },
        Test {
            id: "no_gap",
            what: "No gap record says that records may be missing",
            population: all.clone(),
            exceptions: summary.gaps().map(|(placed, _)| placed.index).collect(),
        },
        Test {
            id: "clock",
            what: "The clock was not set and did not stand still",
            population: all,
            exceptions: of(|body| matches!(body, Body::Clock(_))),
        },
        Test {
            id: "attributed",
            what: "Every change names an actor and a reason",
            population: of(|body| matches!(body, Body::Change(_))),
            exceptions: of(unnamed),
        },
    ]
}

fn about_reports(summary: &Summary<'_>) -> Vec<Test> {
    let cases = incidents::cases(summary);
    let last = |keep: &dyn Fn(&incidents::Case<'_>) -> bool| {
        let kept = cases.iter().filter(|case| keep(case));
        kept.map(|case| case.last().0.index).collect::<Vec<u64>>()
    };
    let compared = bodies!(summary, Reconciliation);
    let differing = compared
        .iter()
        .filter(|(_, r)| r.missing_here > 0 || r.missing_there > 0);
    vec![
        Test {
            id: "held",
            what: "Every open incident names a hold",
            population: last(&|case| case.is_open()),
            exceptions: last(&|case| case.is_open() && case.last().1.hold.is_none()),
        },
        Test {
            id: "reconciled",
            what: "Comparisons with vendors' lists found nothing missing on either side",
            population: compared.iter().map(|(placed, _)| placed.index).collect(),
            exceptions: differing.map(|(placed, _)| placed.index).collect(),
        },
    ]
}
