//! R2: volumes, rates, reviews, complaints and changes, beside the period before.

use std::collections::BTreeMap;

use countersign_record::{Evaluation, ReviewVerdict, Verdict};

use crate::{
    attention, change_access,
    document::{Block, Cell, Section, Table},
    extract::Extract,
    frame::{self, columns},
    incidents,
    indexes::Indexes,
    interval::wilson,
    inventory,
    measure::{Metric, Tally, name_of},
    query::Query,
    summary::{Summary, bodies},
};

/// A label of one detector: where it was present, and how often it could have been.
#[derive(Debug, Default)]
struct Rate {
    present: Vec<u64>,
    evaluated: u64,
}

/// Rates by label and detector. A label counts as evaluated where its detector answered, since
/// detectors of patterns record only what is present.
fn rates<'a>(extract: &'a Extract, query: &'a Query) -> BTreeMap<(&'a str, &'a str), Rate> {
    let mut rates: BTreeMap<(&str, &str), Rate> = BTreeMap::new();
    let mut answered: BTreeMap<&str, u64> = BTreeMap::new();
    for (placed, body) in extract.decisions(query) {
        for run in &body.detectors {
            if run.evaluation == Evaluation::Scored {
                *answered.entry(&run.detector.id).or_default() += 1;
            }
        }
        for signal in &body.signals {
            let key = (signal.label.as_str(), signal.detector.as_str());
            let rate = rates.entry(key).or_default();
            let scored = body.detectors.iter().any(|run| {
                run.detector.id == signal.detector && run.evaluation == Evaluation::Scored
            });
            if signal.verdict == Verdict::Present {
                rate.present.push(placed.index);
                // Found before the detector stopped: it counts on both sides of the share.
                rate.evaluated += u64::from(!scored);
            }
        }
    }
    for ((_, detector), rate) in &mut rates {
        rate.evaluated += answered.get(detector).copied().unwrap_or(0);
    }
    rates
}

fn rate_table(summary: &Summary<'_>) -> Table {
    let now = rates(summary.extract, summary.query);
    let before = summary.query.before();
    let earlier = before
        .as_ref()
        .map(|query| rates(summary.extract, query))
        .unwrap_or_default();
    let share = |rate: &Rate| wilson(rate.present.len() as u64, rate.evaluated);
    let rows = now.into_iter().map(|(key, rate)| {
        let shown = share(&rate);
        let (rate_now, interval) = shown.map_or(
            (Cell::text("insufficient data"), Cell::Empty),
            |(rate, interval)| (Cell::Text(rate), Cell::Text(interval)),
        );
        let was = match (before, earlier.get(&key)) {
            (None, _) => Cell::text("no period before: the query has no beginning or no end"),
            (Some(_), None) => Cell::text("label not seen"),
            (Some(_), Some(rate)) => Cell::text(format!(
                "{} of {}{}",
                rate.present.len(),
                rate.evaluated,
                share(rate)
                    .map(|(rate, _)| format!(" ({rate})"))
                    .unwrap_or_default()
            )),
        };
        let (label, detector) = key;
        vec![
            Cell::text(label),
            Cell::text(detector),
            Cell::Int(rate.present.len() as u64),
            Cell::Int(rate.evaluated),
            rate_now,
            interval,
            was,
            Cell::Indexes(Indexes::of(rate.present)),
        ]
    });
    Table {
        id: "label-rates",
        caption: "Share of evaluated decision records in which a label was present, with the 95 % \
                  Wilson interval, beside the period of the same length before"
            .to_owned(),
        columns: columns(&[
            ("label", "Label"),
            ("detector", "Detector"),
            ("present", "Present"),
            ("evaluated", "Evaluated"),
            ("share", "Share"),
            ("interval", "Interval"),
            ("before", "Period before"),
            ("indexes", "Indexes where present"),
        ]),
        rows: rows.collect(),
        when_empty: "Insufficient data: no decision record of the period holds a signal.",
    }
}

/// Complaints by how their last record of the period states them.
fn complaints(summary: &Summary<'_>) -> Tally {
    let mut last = BTreeMap::new();
    for (placed, complaint) in bodies!(summary, Complaint) {
        last.insert(&complaint.complaint, (placed.index, complaint.status));
    }
    let mut tally = Tally::showing(&["received", "upheld", "rejected", "withdrawn"]);
    for (index, status) in last.into_values() {
        tally.add(name_of(&status), index);
    }
    tally
}

fn metrics(summary: &Summary<'_>) -> Vec<Metric> {
    let mut metrics = summary.headline();
    metrics.retain(|metric| !matches!(metric.name.as_str(), "entries" | "decisions"));
    let reviews = bodies!(summary, HumanReview);
    let at = |keep: &dyn Fn(&countersign_record::HumanReview) -> bool| {
        let kept = reviews.iter().filter(|(_, review)| keep(review));
        kept.map(|(placed, _)| placed.index).collect::<Vec<u64>>()
    };
    let references = |tally: Tally| {
        tally
            .ranked(usize::MAX)
            .into_iter()
            .flat_map(|(_, at)| at)
            .collect::<Vec<u64>>()
    };
    metrics.extend([
        Metric::count("reviews", "Human reviews", "records", at(&|_| true)),
        Metric::count(
            "reviews_disagreed",
            "Reviews that disagreed",
            "records",
            at(&|review| review.verdict == ReviewVerdict::Disagreed),
        ),
        Metric::count(
            "overrides",
            "Decisions overridden",
            "records",
            at(&|review| review.override_effect.is_some()),
        ),
        Metric::count(
            "complaints",
            "Complaints",
            "complaints",
            references(complaints(summary)),
        ),
        Metric::count(
            "changes",
            "Changes",
            "records",
            change_access::changes(summary)
                .iter()
                .map(|(placed, _)| placed.index)
                .collect(),
        ),
    ]);
    metrics
}

pub(crate) fn sections(summary: &Summary<'_>) -> Vec<Section> {
    let mut more = vec![attention::points(summary)];
    if !summary.decisions_where(|_| true).is_empty() {
        more.extend(summary.charts());
    }
    vec![
        frame::opening(summary, metrics(summary), more),
        Section::new(
            "volumes",
            "Volumes",
            vec![
                summary.by_effect(),
                summary.by_action(),
                summary.by_model(),
                summary.by_rule(),
                summary.by_outcome(),
            ],
        ),
        Section::new(
            "rates",
            "Rates",
            vec![
                Block::Table(rate_table(summary)),
                summary.by_label(Verdict::Present),
                summary.by_label(Verdict::Undetermined),
                summary.by_detector_fault(),
                Block::Text(
                    "A declared level of accuracy is not in the ledger, so none is compared. A \
                     share says how often a detector scored over its threshold, not how often it \
                     was right."
                        .to_owned(),
                ),
            ],
        ),
        Section::new(
            "people",
            "Complaints and incidents",
            vec![
                frame::counts(
                    "complaint_status",
                    ("Complaints by their last status of the period", "Status"),
                    "complaints",
                    complaints(summary),
                    Some("complaints"),
                ),
                Block::Table(incidents::table(&incidents::cases(summary))),
            ],
        ),
        Section::new(
            "modifications",
            "Changes and evaluations",
            vec![
                Block::Table(change_access::table(summary)),
                Block::Table(inventory::evaluations(summary)),
            ],
        ),
    ]
}
