//! `countersign demo`: everything in one command, and its report adds up.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use countersign_tests::{ledger, program};
use serde_json::Value;

/// The `data-metric` attributes of a page with the whole number each element shows.
fn metrics(page: &str) -> BTreeMap<String, u64> {
    let mut metrics = BTreeMap::new();
    for part in page.split("data-metric=\"").skip(1) {
        let (name, rest) = part.split_once('"').unwrap();
        let (_tag, rest) = rest.split_once('>').unwrap();
        let shown: String = rest
            .split('<')
            .next()
            .unwrap()
            .replace([',', ' ', '\u{202f}'], "");
        if let Ok(number) = shown.trim().parse() {
            metrics.insert(name.to_owned(), number);
        }
    }
    metrics
}

/// The rows of the record extract, as an auditor gets them.
fn exported(data: &Path, out: &Path) -> Vec<Value> {
    let (data, out_text) = (data.to_str().unwrap(), out.to_str().unwrap());
    let arguments = [
        "report",
        "log-extract",
        "--data",
        data,
        "--format",
        "json",
        "--out",
        out_text,
    ];
    program::run(arguments).expect_code(0);
    let files: Vec<_> = std::fs::read_dir(out)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let report: Value = serde_json::from_slice(&std::fs::read(&files[0]).unwrap()).unwrap();
    let blocks = report["sections"].as_array().unwrap().iter();
    let mut blocks = blocks.flat_map(|section| section["content"].as_array().unwrap());
    let table = blocks.find(|block| block["kind"] == "table" && block["id"] == "decisions");
    table.unwrap()["rows"].as_array().unwrap().clone()
}

fn count(records: &[Value], holds: impl Fn(&Value) -> bool) -> usize {
    records.iter().filter(|record| holds(record)).count()
}

#[test]
fn the_demo_holds_and_shows_every_kind_of_decision() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("demo");
    let demo = program::run(["demo", "--out", out.to_str().unwrap()]);
    demo.expect_code(0);
    let told = |line: &str| line.contains("tool call") && line.contains("yes");
    assert!(
        demo.out.lines().any(told),
        "no tool call held:\n{}",
        demo.out
    );
    let data = out.join("data");
    ledger::verify_by_binary(&data).expect_code(0);
    let records = ledger::records(&data);
    let did =
        |side: &str, action: &str| count(&records, |r| r["side"] == side && r["action"] == action);
    assert!(did("input", "forwarded") > 0, "no permitted request");
    assert!(
        did("input", "redacted") + did("output", "redacted") > 0,
        "nothing was transformed"
    );
    assert!(did("input", "blocked") > 0, "no denied request");
    let mid_stream = count(&records, |r| {
        let withheld = r["side"] == "output" && r["action"] == "blocked";
        withheld && r["stream"] == true && r["delivery"]["released_bytes"].as_u64() > Some(0)
    });
    assert!(mid_stream > 0, "no stream was denied after its first bytes");
}

#[test]
fn the_numbers_of_the_demo_report_equal_a_recount_of_the_exported_records() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("demo");
    program::run(["demo", "--out", out.to_str().unwrap()]).expect_code(0);
    let rows = exported(&out.join("data"), &root.path().join("extract"));
    let records = ledger::records(&out.join("data"));
    let decisions = records.iter().filter(|record| record["type"] == "decision");
    assert_eq!(
        rows.len(),
        decisions.count(),
        "the extract leaves records out"
    );

    let pages = std::fs::read_dir(out.join("reports"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let pages = pages.filter(|page| {
        page.extension()
            .is_some_and(|extension| extension == "html")
    });
    let mut recounted = BTreeSet::new();
    for page in pages {
        for (name, shown) in metrics(&std::fs::read_to_string(&page).unwrap()) {
            if let Some(number) = recount(&name, &rows) {
                assert_eq!(shown, number as u64, "{name} in {}", page.display());
                recounted.insert(name);
            }
        }
    }
    for name in [
        "decisions",
        "exchanges",
        "withheld",
        "side.input",
        "effect.deny",
        "action.blocked",
    ] {
        assert!(
            recounted.contains(name),
            "{name} is not in the report: {recounted:?}"
        );
    }
}

/// What a metric counts, from the exported rows alone.
fn recount(name: &str, rows: &[Value]) -> Option<usize> {
    let of = |column: &str, value: &str| Some(count(rows, |row| row[column] == value));
    match name.split_once('.') {
        Some((column @ ("side" | "effect" | "action" | "mode"), value)) => of(column, value),
        None if name == "decisions" => Some(rows.len()),
        None if name == "exchanges" => {
            let ids: BTreeSet<_> = rows
                .iter()
                .map(|row| row["exchange"].as_str().unwrap())
                .collect();
            Some(ids.len())
        }
        None if name == "withheld" => {
            Some(of("action", "blocked")? + of("action", "refused_not_evaluated")?)
        }
        _ => None,
    }
}
