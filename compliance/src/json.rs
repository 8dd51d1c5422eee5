//! The whole report for programs.

use serde_json::{Map, Value, json};

use crate::{
    chart::Chart,
    document::{Block, Cell, Table, metrics},
    indexes::Indexes,
    measure::{Breakdown, Metric},
    provenance::GENERATOR,
    report::Report,
};

/// Schema id of the JSON form.
const SCHEMA: &str = "countersign/report/v1";
/// Most index ranges listed for one number; the count is always whole.
const RANGES: usize = 1000;

pub(crate) fn render(report: &Report) -> Vec<u8> {
    let header = &report.header;
    let source = &header.source;
    let totals: Map<String, Value> = metrics(&report.sections)
        .map(|metric| (metric.name.clone(), metric.value.into()))
        .collect();
    let sections: Vec<Value> = report
        .sections
        .iter()
        .map(|section| {
            let content: Vec<Value> = section.blocks.iter().map(block).collect();
            json!({ "id": section.id, "title": section.title, "content": content })
        })
        .collect();
    let value = json!({
        "schema": SCHEMA,
        "report": {
            "id": header.id,
            "inputs_digest": format!("sha256:{}", header.digest),
            "type": header.kind.name(),
            "code": header.kind.code(),
            "title": header.kind.title(),
            "generator": GENERATOR,
            "register": header.register,
        },
        "filter": header.query.canonical(),
        "period": {
            "text": header.period(),
            "time_zone": "UTC",
            "first_record": header.first_time,
            "last_record": header.last_time,
        },
        "entries": {
            "used": header.used.count(),
            "first_index": header.used.first(),
            "last_index": header.used.last(),
        },
        "ledger": {
            "origin": source.origin,
            "verifier_key": source.verifier_key,
            "key_id": source.key_id,
            "size": source.size,
            "root": source.root,
            "checkpoint": source.note,
        },
        "totals": totals,
        "sections": sections,
    });
    // A value without maps of odd keys always prints; the newline ends the file.
    let mut bytes = serde_json::to_vec_pretty(&value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

fn block(block: &Block) -> Value {
    match block {
        Block::Text(text) => json!({ "kind": "text", "text": text }),
        Block::Facts(intro, facts) => {
            let facts: Map<String, Value> = facts
                .iter()
                .map(|(term, value)| ((*term).to_owned(), cell(value)))
                .collect();
            json!({ "kind": "facts", "text": intro, "facts": facts })
        }
        Block::Notes(title, notes) => json!({ "kind": "notes", "title": title, "notes": notes }),
        Block::Headline(metrics) => {
            let metrics: Vec<Value> = metrics.iter().map(metric).collect();
            json!({ "kind": "headline", "metrics": metrics })
        }
        Block::Breakdown(breakdown) => breakdown_value(breakdown),
        Block::Table(table) => table_value(table),
        Block::Chart(chart) => chart_value(chart),
        Block::Verbatim(id, title, text) => {
            json!({ "kind": "verbatim", "id": id, "title": title, "text": text })
        }
    }
}

fn breakdown_value(breakdown: &Breakdown) -> Value {
    let metrics: Vec<Value> = breakdown.metrics.iter().map(metric).collect();
    json!({
        "kind": "breakdown",
        "id": breakdown.id,
        "caption": breakdown.caption,
        "sums_to": breakdown.sums_to,
        "metrics": metrics,
    })
}

fn metric(metric: &Metric) -> Value {
    json!({
        "name": metric.name,
        "label": metric.label,
        "value": metric.value,
        "unit": metric.unit,
        "indexes": indexes(&metric.at),
    })
}

fn indexes(at: &Indexes) -> Value {
    let (ranges, omitted) = at.shown(RANGES);
    json!({ "count": at.count(), "ranges": ranges, "omitted": omitted })
}

fn table_value(table: &Table) -> Value {
    let rows: Vec<Value> = table
        .rows
        .iter()
        .map(|row| {
            let members = table.columns.iter().zip(row);
            members
                .map(|(column, value)| (column.key.to_owned(), cell(value)))
                .collect::<Map<_, _>>()
        })
        .map(Value::Object)
        .collect();
    json!({
        "kind": "table",
        "id": table.id,
        "caption": table.caption,
        "count": table.rows.len(),
        "rows": rows,
        "when_empty": table.when_empty,
    })
}

fn chart_value(chart: &Chart) -> Value {
    let groups: Vec<Value> = chart
        .groups
        .iter()
        .map(|group| {
            json!({ "label": group.label, "values": group.values, "indexes": indexes(&group.at) })
        })
        .collect();
    json!({
        "kind": "chart",
        "id": chart.id,
        "title": chart.title,
        "description": chart.description,
        "series": chart.series,
        "groups": groups,
    })
}

fn cell(cell: &Cell) -> Value {
    match cell {
        Cell::Empty => Value::Null,
        Cell::Int(number) => (*number).into(),
        Cell::Flag(flag) => (*flag).into(),
        Cell::Text(text) | Cell::Code(text) | Cell::Time(text) => text.as_str().into(),
        Cell::List(items) => items.as_slice().into(),
        Cell::Indexes(at) => indexes(at),
    }
}
