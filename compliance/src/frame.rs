//! What the parts of every report are made of.

use crate::{
    document::{Block, Cell, Column, Section, Table},
    measure::{Breakdown, Metric, Tally},
    provenance::{Header, how_to_verify, limits},
    register::{Obligation, Register},
    summary::{INSUFFICIENT, Summary},
};

/// The first section: the numbers that a reader looks for first, then `more`.
pub(crate) fn opening(summary: &Summary<'_>, metrics: Vec<Metric>, more: Vec<Block>) -> Section {
    let mut headline = summary.headline();
    headline.retain(|metric| matches!(metric.name.as_str(), "entries" | "decisions"));
    headline.extend(metrics);
    let mut blocks = vec![Block::Headline(headline)];
    if summary.decisions_where(|_| true).is_empty() {
        blocks.push(Block::Text(INSUFFICIENT.to_owned()));
    }
    blocks.extend(more);
    Section::new("summary", "Summary", blocks)
}

/// The sections that every report ends with.
pub(crate) fn closing(header: &Header, summary: &Summary<'_>, register: &Register) -> Vec<Section> {
    vec![
        Section::new("gaps", "Gaps", vec![summary.gap_list()]),
        Section::new(
            "exclusions-section",
            "Exclusions",
            vec![summary.exclusions(), summary.by_type()],
        ),
        basis(header, register),
        limits(header.kind),
        how_to_verify(header),
    ]
}

/// What the register says about this type of report.
pub(crate) fn basis(header: &Header, register: &Register) -> Section {
    let row = |entry: &Obligation| {
        let applies = entry.applies.iter();
        let deadlines = entry.deadlines.iter();
        vec![
            Cell::code(&entry.id),
            Cell::text(&entry.citation),
            Cell::text(entry.status.words()),
            Cell::List(applies.map(|a| format!("{}: {}", a.from, a.what)).collect()),
            Cell::option(entry.retention.as_ref(), |floor| {
                Cell::text(format!("{} from: {}", floor.words(), floor.anchor))
            }),
            Cell::List(
                deadlines
                    .map(|d| format!("{} days: {}", d.days, d.of))
                    .collect(),
            ),
            Cell::text(entry.confidence.words()),
            Cell::text(&entry.title),
            Cell::text(&entry.says),
            Cell::text(format!("{} (checked {})", entry.source, entry.last_checked)),
        ]
    };
    let mut columns = columns(&[
        ("id", "Entry"),
        ("citation", "Citation"),
        ("status", "Status"),
        ("applies", "Applies from"),
        ("retention", "Kept at least"),
        ("deadlines", "Deadlines named"),
        ("checked", "Verification"),
        ("title", "About"),
        ("says", "What the source says, in short"),
        ("source", "Source"),
    ]);
    for column in columns.iter_mut().skip(7) {
        column.main = false;
    }
    let open = format!(
        "Entries of the whole register that are not verified against the text itself: {}.",
        register.not_verified().join(", ")
    );
    Section::new(
        "basis",
        "Obligation register",
        vec![
            Block::Text(format!(
                "Register version {}. It notes what instruments say of themselves and how well \
                 that was checked. Whether any of them applies to a system is not decided here.",
                register.version
            )),
            Block::Table(Table {
                id: "obligations",
                caption: "Entries that this type of report was made with in mind".to_owned(),
                columns,
                rows: register.of(header.kind.code()).map(row).collect(),
                when_empty: "No entry of the register names this type of report.",
            }),
            Block::Notes("", vec![open]),
        ],
    )
}

pub(crate) fn columns(named: &[(&'static str, &'static str)]) -> Vec<Column> {
    let named = named.iter();
    named.map(|(key, label)| Column::main(key, label)).collect()
}

/// Counts of `tally`, named `id.key`, that add up to the metric `sums_to`.
pub(crate) fn counts(
    id: &'static str,
    (caption, item): (&str, &'static str),
    unit: &'static str,
    tally: Tally,
    sums_to: Option<&'static str>,
) -> Block {
    Block::Breakdown(Breakdown {
        id,
        caption: caption.to_owned(),
        item,
        metrics: tally.metrics(id, unit),
        sums_to,
    })
}
