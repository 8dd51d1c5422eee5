//! R1: one row for each decision record, with counts and a field guide.

use countersign_record::{DecisionBody, Verdict};

use self::columns::COLUMNS;
use crate::{
    attention,
    document::{Block, Cell, Column, Section, Table},
    exchanges::not_evaluated,
    extract::Placed,
    frame,
    measure::{Breakdown, Metric, name_of},
    provenance::{Header, how_to_verify, limits},
    register::Register,
    summary::{INSUFFICIENT, Summary, policy_name},
};

mod columns;

pub(crate) fn sections(
    header: &Header,
    summary: &Summary<'_>,
    register: &Register,
) -> Vec<Section> {
    let mut first = vec![
        Block::Headline(summary.headline()),
        attention::points(summary),
    ];
    first.extend(summary.charts());
    vec![
        Section::new("summary", "Summary", first),
        Section::new(
            "counts",
            "Counts",
            vec![
                summary.by_effect(),
                summary.by_action(),
                summary.by_side(),
                summary.by_mode(),
                summary.by_finish(),
                summary.by_label(Verdict::Present),
                summary.by_label(Verdict::Undetermined),
                summary.by_rule(),
                summary.by_detector_fault(),
                summary.by_policy(),
                summary.by_model(),
                summary.by_outcome(),
                amounts(summary),
            ],
        ),
        Section::new(
            "records",
            "Decision records",
            vec![Block::Table(table(summary))],
        ),
        Section::new("gaps", "Gaps", vec![summary.gap_list()]),
        Section::new(
            "exclusions-section",
            "Exclusions",
            vec![summary.exclusions(), summary.by_type()],
        ),
        Section::new("guide", "Field guide", vec![Block::Table(guide())]),
        frame::basis(header, register),
        limits(header.kind),
        how_to_verify(header),
    ]
}

fn amounts(summary: &Summary<'_>) -> Block {
    type Amount = fn(&DecisionBody) -> Option<u64>;
    let amounts: [(&str, &str, &'static str, Amount); 7] = [
        ("bytes.received", "Body bytes received", "bytes", |b| {
            Some(b.coverage.received_bytes)
        }),
        (
            "bytes.scanned",
            "Text bytes given to detectors",
            "bytes",
            |b| Some(b.coverage.scanned_bytes),
        ),
        ("bytes.forwarded", "Body bytes passed on", "bytes", |b| {
            Some(b.coverage.forwarded_bytes)
        }),
        (
            "bytes.released",
            "Body bytes released to callers",
            "bytes",
            |b| Some(b.delivery.as_ref()?.released_bytes),
        ),
        (
            "bytes.exposed",
            "Body bytes released before the verdict",
            "bytes",
            |b| Some(b.delivery.as_ref()?.exposed_bytes),
        ),
        (
            "tokens.input",
            "Input tokens, as vendors reported them",
            "tokens",
            |b| Some(b.usage?.input_tokens),
        ),
        (
            "tokens.output",
            "Output tokens, as vendors reported them",
            "tokens",
            |b| Some(b.usage?.output_tokens),
        ),
    ];
    let metrics = amounts.into_iter().map(|(name, label, unit, amount)| {
        let mut sum = 0u64;
        let mut at = Vec::new();
        for (placed, body) in summary.extract.decisions(summary.query) {
            if let Some(amount) = amount(body).filter(|amount| *amount > 0) {
                sum = sum.saturating_add(amount);
                at.push(placed.index);
            }
        }
        Metric::amount(name, label, unit, (sum, at))
    });
    Block::Breakdown(Breakdown {
        id: "amounts",
        caption: "Amounts over all decision records".to_owned(),
        item: "Amount",
        metrics: metrics.collect(),
        sums_to: None,
    })
}

fn table(summary: &Summary<'_>) -> Table {
    let rows = summary
        .extract
        .decisions(summary.query)
        .map(|(placed, body)| row(placed, body));
    Table {
        id: "decisions",
        caption: "One row for each decision record, in order of index".to_owned(),
        columns: COLUMNS.to_vec(),
        rows: rows.collect(),
        when_empty: INSUFFICIENT,
    }
}

fn row(placed: &Placed, body: &DecisionBody) -> Vec<Cell> {
    let labels = |verdict: Verdict| {
        let kept = body
            .signals
            .iter()
            .filter(|signal| signal.verdict == verdict);
        Cell::List(kept.map(|signal| signal.label.clone()).collect())
    };
    let time = |at: &Option<String>| Cell::option(at.clone(), Cell::Time);
    let text = |text: &Option<String>| Cell::option(text.clone(), Cell::Text);
    let delivery = body.delivery.as_ref();
    let number = |number: Option<u64>| Cell::option(number, Cell::Int);
    let not_evaluated = not_evaluated(body).map(|(id, reason)| format!("{id}: {reason}"));
    vec![
        Cell::Int(placed.index),
        Cell::Time(body.times.decided.clone()),
        Cell::text(name_of(&body.side)),
        Cell::text(name_of(&body.decision.effect)),
        Cell::text(name_of(&body.action)),
        labels(Verdict::Present),
        Cell::List(not_evaluated.collect()),
        text(&body.model.served),
        Cell::code(placed.record.id.to_string()),
        Cell::code(body.exchange.to_string()),
        Cell::Time(placed.record.ts.clone()),
        Cell::Time(body.times.received.clone()),
        time(&body.times.upstream_sent),
        time(&body.times.first_byte),
        Cell::text(&body.route),
        Cell::text(&body.operation),
        Cell::text(&body.dialect),
        Cell::text(&body.model.vendor),
        text(&body.model.requested),
        Cell::Flag(body.stream),
        Cell::option(body.principal.as_ref(), |principal| {
            Cell::code(principal.as_str())
        }),
        Cell::code(policy_name(&body.policy)),
        Cell::text(&body.policy.version),
        Cell::text(name_of(&body.mode)),
        Cell::List(rules(body)),
        labels(Verdict::Undetermined),
        Cell::List(detectors(body)),
        Cell::Int(body.coverage.received_bytes),
        Cell::Int(body.coverage.scanned_bytes),
        Cell::List(unscanned(body)),
        number(delivery.map(|delivery| u64::from(delivery.status))),
        Cell::option(delivery, |delivery| Cell::text(name_of(&delivery.finish))),
        number(delivery.map(|delivery| delivery.released_bytes)),
        number(delivery.map(|delivery| delivery.exposed_bytes)),
        Cell::option(body.usage, |usage| {
            Cell::text(format!("{} / {}", usage.input_tokens, usage.output_tokens))
        }),
        text(&body.vendor_request_id),
    ]
}

fn rules(body: &DecisionBody) -> Vec<String> {
    let rules = body.decision.rules.iter();
    rules
        .map(|r| format!("{} ({}: {})", r.id, name_of(&r.outcome), name_of(&r.effect)))
        .collect()
}

fn detectors(body: &DecisionBody) -> Vec<String> {
    let runs = body.detectors.iter();
    runs.map(|run| format!("{} {}", run.detector.id, run.detector.version))
        .collect()
}

fn unscanned(body: &DecisionBody) -> Vec<String> {
    let parts = body.coverage.unscanned.iter();
    parts
        .map(|part| format!("{} ({})", part.kind, part.reason))
        .collect()
}

fn guide() -> Table {
    let rows = COLUMNS.iter().map(|column| {
        vec![
            Cell::code(column.key),
            Cell::text(column.label),
            Cell::text(column.meaning),
        ]
    });
    Table {
        id: "field-guide",
        caption: "The columns of the decision records".to_owned(),
        columns: vec![
            Column::main("column", "Column"),
            Column::main("label", "Heading"),
            Column::main("meaning", "Meaning"),
        ],
        rows: rows.collect(),
        when_empty: "",
    }
}
