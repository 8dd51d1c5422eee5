//! One table for spreadsheets: RFC 4180, with formulas neutralised.

use crate::{
    document::{Block, Cell, Table, metrics},
    report::Report,
};

/// Most index ranges in one cell.
const RANGES: usize = 256;

pub(crate) fn render(report: &Report) -> Vec<u8> {
    let rows = match report.csv_table.and_then(|id| table(report, id)) {
        Some(table) => table_rows(table),
        None => metric_rows(report),
    };
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .flexible(true)
        .from_writer(Vec::new());
    for row in rows {
        // Writing to memory cannot fail, and rows may differ in length.
        let _ = writer.write_record(row.iter().map(|cell| neutral(cell)));
    }
    writer.into_inner().unwrap_or_default()
}

fn table<'a>(report: &'a Report, id: &str) -> Option<&'a Table> {
    report
        .sections
        .iter()
        .flat_map(|section| &section.blocks)
        .find_map(|block| match block {
            Block::Table(table) if table.id == id => Some(table),
            _ => None,
        })
}

fn table_rows(table: &Table) -> Vec<Vec<String>> {
    let head = table
        .columns
        .iter()
        .map(|column| column.key.to_owned())
        .collect();
    let rows = table.rows.iter().map(|row| row.iter().map(text).collect());
    std::iter::once(head).chain(rows).collect()
}

fn metric_rows(report: &Report) -> Vec<Vec<String>> {
    let head = ["metric", "label", "value", "unit", "indexes"];
    let rows = metrics(&report.sections).map(|metric| {
        vec![
            metric.name.clone(),
            metric.label.clone(),
            metric.value.to_string(),
            metric.unit.to_owned(),
            metric.at.line(RANGES),
        ]
    });
    std::iter::once(head.map(str::to_owned).to_vec())
        .chain(rows)
        .collect()
}

fn text(cell: &Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Int(number) => number.to_string(),
        Cell::Flag(flag) => flag.to_string(),
        Cell::Text(text) | Cell::Code(text) | Cell::Time(text) => text.clone(),
        Cell::List(items) => items.join("; "),
        Cell::Indexes(at) => at.line(RANGES),
    }
}

/// `cell` with an apostrophe in front when a spreadsheet might take it for a formula.
pub(crate) fn neutral(cell: &str) -> String {
    match cell.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n') => format!("'{cell}"),
        _ => cell.to_owned(),
    }
}
