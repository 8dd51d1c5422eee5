//! R6: who reviewed what, how long, and what was overridden.

use std::collections::{BTreeMap, BTreeSet};

use countersign_record::{Body, Effect, ExchangeId, HumanReview, ReviewVerdict};

use crate::{
    document::{Block, Cell, Section, Table},
    extract::Placed,
    frame::{self, columns},
    indexes::Indexes,
    measure::{Metric, Tally, name_of},
    summary::{Summary, bodies},
};

/// Reviews shorter than this are counted apart. It is a number to look at, not a judgement.
const SHORT_S: u64 = 10;

type Reviews<'a> = Vec<(&'a Placed, &'a HumanReview)>;

/// Decision records of the period that asked for a review and whose exchange has none in the whole
/// range.
pub(crate) fn unreviewed(summary: &Summary<'_>) -> Vec<u64> {
    let reviewed = reviewed(summary);
    let asked = summary.extract.decisions(summary.query);
    asked
        .filter(|(_, body)| body.decision.effect == Effect::Escalate)
        .filter(|(_, body)| !reviewed.contains(&body.exchange))
        .map(|(placed, _)| placed.index)
        .collect()
}

fn reviewed(summary: &Summary<'_>) -> BTreeSet<ExchangeId> {
    let bodies = summary
        .extract
        .records
        .iter()
        .map(|placed| &placed.record.body);
    bodies
        .filter_map(|body| match body {
            Body::HumanReview(review) => Some(review.exchange),
            _ => None,
        })
        .collect()
}

/// Reviews of exchanges that no decision record of the range names.
fn unknown(summary: &Summary<'_>, reviews: &Reviews<'_>) -> Vec<u64> {
    let known = summary.known_exchanges();
    let strangers = reviews
        .iter()
        .filter(|(_, review)| !known.contains(&review.exchange));
    strangers.map(|(placed, _)| placed.index).collect()
}

fn metrics(summary: &Summary<'_>, reviews: &Reviews<'_>) -> Vec<Metric> {
    let at = |keep: &dyn Fn(&HumanReview) -> bool| {
        let kept = reviews.iter().filter(|(_, review)| keep(review));
        kept.map(|(placed, _)| placed.index).collect::<Vec<u64>>()
    };
    let escalated = summary.decisions_where(|body| body.decision.effect == Effect::Escalate);
    let records = "records";
    vec![
        Metric::count("reviews", "Human reviews", records, at(&|_| true)),
        Metric::count(
            "overrides",
            "With an override",
            records,
            at(&|r| r.override_effect.is_some()),
        ),
        Metric::count(
            "reviews_short",
            "Shorter than 10 seconds",
            records,
            at(&|review| review.seconds < SHORT_S),
        ),
        Metric::count(
            "escalated",
            "Decisions that asked for review",
            records,
            escalated,
        ),
        Metric::count(
            "escalated_unreviewed",
            "Of these, without a review recorded",
            records,
            unreviewed(summary),
        ),
        Metric::count(
            "reviews_unknown_exchange",
            "Reviews of exchanges without a decision record",
            records,
            unknown(summary, reviews),
        ),
    ]
}

pub(crate) fn sections(summary: &Summary<'_>) -> Vec<Section> {
    let reviews = bodies!(summary, HumanReview);
    let mut verdicts = Tally::showing(&["agreed", "disagreed", "undecided", "stopped"]);
    let mut reasons = Tally::default();
    for (placed, review) in &reviews {
        verdicts.add(name_of(&review.verdict), placed.index);
        if let Some(reason) = &review.override_reason {
            reasons.add(reason, placed.index);
        }
    }
    vec![
        frame::opening(summary, metrics(summary, &reviews), Vec::new()),
        Section::new(
            "reviews-section",
            "Reviews",
            vec![
                frame::counts(
                    "review_verdict",
                    ("Reviews by verdict", "Verdict"),
                    "records",
                    verdicts,
                    Some("reviews"),
                ),
                frame::counts(
                    "override_reason",
                    ("Overrides by the reason stated", "Reason"),
                    "records",
                    reasons,
                    Some("overrides"),
                ),
                Block::Table(reviewers(&reviews)),
                Block::Text(
                    "Short times and constant agreement may have good reasons. They are printed \
                     because a reader may want to ask."
                        .to_owned(),
                ),
                Block::Table(contradictions(&reviews)),
            ],
        ),
        Section::new(
            "all-reviews",
            "Every review",
            vec![Block::Table(table(&reviews))],
        ),
    ]
}

/// The middle of sorted times, the lower of two.
fn median(mut seconds: Vec<u64>) -> Option<u64> {
    seconds.sort_unstable();
    seconds.get(seconds.len().checked_sub(1)? / 2).copied()
}

fn reviewers(reviews: &Reviews<'_>) -> Table {
    let mut by_name: BTreeMap<&str, Reviews<'_>> = BTreeMap::new();
    for (placed, review) in reviews {
        by_name
            .entry(&review.reviewer)
            .or_default()
            .push((placed, review));
    }
    let rows = by_name.into_iter().map(|(name, own)| {
        let count = |keep: &dyn Fn(&HumanReview) -> bool| {
            Cell::Int(own.iter().filter(|(_, review)| keep(review)).count() as u64)
        };
        vec![
            Cell::text(name),
            count(&|_| true),
            count(&|review| review.verdict == ReviewVerdict::Agreed),
            count(&|review| review.override_effect.is_some()),
            count(&|review| review.seconds < SHORT_S),
            Cell::option(
                median(own.iter().map(|(_, r)| r.seconds).collect()),
                Cell::Int,
            ),
            Cell::Indexes(Indexes::of(
                own.iter().map(|(placed, _)| placed.index).collect(),
            )),
        ]
    });
    Table {
        id: "reviewers",
        caption: "Reviewers, by pseudonym".to_owned(),
        columns: columns(&[
            ("reviewer", "Reviewer"),
            ("reviews", "Reviews"),
            ("agreed", "Agreed"),
            ("overrides", "Overrides"),
            ("short", "Shorter than 10 s"),
            ("median_s", "Median time (s, lower of two)"),
            ("indexes", "Indexes"),
        ]),
        rows: rows.collect(),
        when_empty: "Insufficient data: no human review was reported in the period.",
    }
}

fn contradictions(reviews: &Reviews<'_>) -> Table {
    let mut by_exchange: BTreeMap<ExchangeId, Reviews<'_>> = BTreeMap::new();
    for (placed, review) in reviews {
        by_exchange
            .entry(review.exchange)
            .or_default()
            .push((placed, review));
    }
    let differ = by_exchange.into_iter().filter_map(|(exchange, own)| {
        let verdicts: BTreeSet<_> = own.iter().map(|(_, review)| review.verdict).collect();
        (verdicts.len() > 1).then(|| {
            vec![
                Cell::code(exchange.to_string()),
                Cell::List(verdicts.iter().map(name_of).collect()),
                Cell::Indexes(Indexes::of(
                    own.iter().map(|(placed, _)| placed.index).collect(),
                )),
            ]
        })
    });
    Table {
        id: "contradictions",
        caption: "Exchanges with reviews of different verdicts".to_owned(),
        columns: columns(&[
            ("exchange", "Exchange"),
            ("verdicts", "Verdicts"),
            ("indexes", "Indexes"),
        ]),
        rows: differ.collect(),
        when_empty: "No exchange has reviews of different verdicts in the period.",
    }
}

/// One row for each review.
pub(crate) fn table(reviews: &Reviews<'_>) -> Table {
    let rows = reviews.iter().map(|(placed, review)| {
        let labels = review.labels.iter();
        vec![
            Cell::Int(placed.index),
            Cell::Time(review.closed_at.clone()),
            Cell::code(review.exchange.to_string()),
            Cell::text(&review.reviewer),
            Cell::text(name_of(&review.verdict)),
            Cell::Int(review.seconds),
            Cell::option(review.override_effect, |effect| {
                Cell::Text(name_of(&effect))
            }),
            Cell::option(review.override_reason.as_ref(), Cell::text),
            Cell::List(
                labels
                    .map(|(label, truth)| format!("{label}: {}", name_of(truth)))
                    .collect(),
            ),
        ]
    });
    Table {
        id: "reviews",
        caption: "Reviews in order of index".to_owned(),
        columns: columns(&[
            ("index", "Index"),
            ("closed", "Ended"),
            ("exchange", "Exchange"),
            ("reviewer", "Reviewer"),
            ("verdict", "Verdict"),
            ("seconds", "Seconds"),
            ("override", "Override to"),
            ("reason", "Reason"),
            ("labels", "Labels, by the reviewer"),
        ]),
        rows: rows.collect(),
        when_empty: "No human review was reported in the period.",
    }
}
