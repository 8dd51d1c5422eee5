//! R21: one page for management.

use std::collections::BTreeMap;

use countersign_record::ComplaintStatus;

use crate::{
    attention,
    document::{Block, Cell, Section, Table},
    erasure,
    extract::Placed,
    frame::{self, columns},
    incidents,
    measure::Metric,
    summary::{Summary, bodies},
};

pub(crate) fn sections(summary: &Summary<'_>) -> Vec<Section> {
    let cases = incidents::cases(summary);
    let open = cases.iter().filter(|case| case.is_open());
    let open: Vec<u64> = open.map(|case| case.last().0.index).collect();
    let mut complaints = BTreeMap::new();
    for (placed, complaint) in bodies!(summary, Complaint) {
        complaints.insert(&complaint.complaint, (placed.index, complaint.status));
    }
    let unanswered = complaints
        .into_values()
        .filter(|(_, status)| *status == ComplaintStatus::Received);
    let holds = erasure::standing(summary.extract).into_values();
    let holds = holds.filter(|(placed, _)| summary.query.names(placed));
    let mut metrics = summary.headline();
    metrics.retain(|metric| !matches!(metric.name.as_str(), "entries" | "decisions"));
    metrics.extend([
        Metric::count("incidents_open", "Incidents open", "incidents", open),
        Metric::count(
            "complaints_open",
            "Complaints without an answer recorded",
            "complaints",
            unanswered.map(|(index, _)| index).collect(),
        ),
        Metric::count(
            "holds_standing",
            "Holds that stand at the last entry, whenever placed",
            "holds",
            holds.map(|(placed, _)| placed.index).collect(),
        ),
        Metric::count(
            "reviews",
            "Human reviews",
            "records",
            bodies!(summary, HumanReview)
                .iter()
                .map(|(placed, _)| placed.index)
                .collect(),
        ),
    ]);
    let mut more = vec![attention::points(summary)];
    if !summary.decisions_where(|_| true).is_empty() {
        more.extend(summary.charts());
    }
    vec![
        frame::opening(summary, metrics, more),
        Section::new(
            "at-a-glance",
            "What was decided, and what is open",
            vec![
                summary.by_action(),
                summary.by_effect(),
                summary.by_outcome(),
                Block::Table(incidents::table(&cases)),
                Block::Table(reconciliations(summary)),
            ],
        ),
    ]
}

/// Comparisons with vendors' lists.
pub(crate) fn reconciliations(summary: &Summary<'_>) -> Table {
    let row = |(placed, done): (&Placed, &countersign_record::Reconciliation)| {
        vec![
            Cell::Int(placed.index),
            Cell::text(&done.vendor),
            Cell::Time(done.from.clone()),
            Cell::Time(done.to.clone()),
            Cell::Int(done.vendor_count),
            Cell::Int(done.our_count),
            Cell::Int(done.matched),
            Cell::Int(done.missing_here),
            Cell::Int(done.missing_there),
        ]
    };
    Table {
        id: "reconciliations",
        caption: "Comparisons with vendors' lists of requests, as reported".to_owned(),
        columns: columns(&[
            ("index", "Index"),
            ("vendor", "Vendor"),
            ("from", "From"),
            ("to", "To"),
            ("vendor_count", "On the vendor's list"),
            ("our_count", "Recorded here"),
            ("matched", "On both"),
            ("missing_here", "Not recorded here"),
            ("missing_there", "Not on the vendor's list"),
        ]),
        rows: bodies!(summary, Reconciliation)
            .into_iter()
            .map(row)
            .collect(),
        when_empty: "No comparison with a vendor's list was reported in the period.",
    }
}
