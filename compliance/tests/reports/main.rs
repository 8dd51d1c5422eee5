//! Reports over real, verified ledgers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod common;
mod every;
mod forms;
mod people;
mod reported;
mod totals;

use std::collections::BTreeMap;

use countersign_compliance::{Format, Query, Report, ReportType, report};
use countersign_ledger::VerifiedRange;
use serde_json::Value;

const KINDS: [ReportType; 2] = [ReportType::LogExtract, ReportType::Integrity];
const FORMATS: [Format; 3] = [Format::Json, Format::Csv, Format::Html];

fn make(range: &VerifiedRange, kind: ReportType) -> Report {
    report(range, kind, &query_for(kind)).unwrap()
}

/// Everything, or for a report about one exchange the one of [`common::exchange`] 19.
fn query_for(kind: ReportType) -> Query {
    Query {
        exchange: (kind == ReportType::IndividualDecision).then(|| common::exchange(19)),
        ..Query::default()
    }
}

fn json(report: &Report) -> Value {
    serde_json::from_slice(&report.json()).unwrap()
}

fn text(report: &Report, format: Format) -> String {
    String::from_utf8(report.render(format)).unwrap()
}

fn totals(report: &Report) -> BTreeMap<String, u64> {
    serde_json::from_value(json(report)["totals"].clone()).unwrap()
}

fn csv_rows(report: &Report) -> Vec<csv::StringRecord> {
    let bytes = report.csv();
    csv::Reader::from_reader(bytes.as_slice())
        .records()
        .map(Result::unwrap)
        .collect()
}

/// Every number that the page marks, by name.
fn marked(html: &str) -> BTreeMap<String, u64> {
    let marks = html.split("data-metric=\"").skip(1).map(|rest| {
        let (name, rest) = rest.split_once('"').unwrap();
        let value = rest
            .split_once("data-value=\"")
            .unwrap()
            .1
            .split_once('"')
            .unwrap()
            .0;
        let shown = rest.split_once('>').unwrap().1.split_once('<').unwrap().0;
        let shown: String = shown.chars().filter(char::is_ascii_digit).collect();
        assert_eq!(shown, value, "{name}");
        (
            name.replace("&#39;", "'").replace("&amp;", "&"),
            value.parse().unwrap(),
        )
    });
    marks.collect()
}
