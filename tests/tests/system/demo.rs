//! `countersign demo`: everything in one command, and its report adds up.

use std::collections::BTreeMap;
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
    let file = files
        .iter()
        .find(|file| file.extension().is_some_and(|e| e == "json"))
        .unwrap();
    let extract: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let records = extract.get("records").unwrap_or(&extract);
    records
        .as_array()
        .unwrap_or_else(|| panic!("no records in {}", file.display()))
        .clone()
}

fn count(records: &[Value], holds: impl Fn(&Value) -> bool) -> usize {
    records.iter().filter(|record| holds(record)).count()
}

#[test]
fn the_demo_holds_and_shows_every_kind_of_decision() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("demo");
    program::run(["demo", "--out", out.to_str().unwrap()]).expect_code(0);
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
    let records = exported(&out.join("data"), &root.path().join("extract"));
    let direct = ledger::records(&out.join("data"));
    let decided = |records: &[Value]| count(records, |r| r["type"] == "decision");
    assert_eq!(
        decided(&records),
        decided(&direct),
        "the extract leaves records out"
    );

    let mut seen = BTreeMap::new();
    for entry in std::fs::read_dir(out.join("reports")).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "html")
        {
            seen.extend(metrics(&std::fs::read_to_string(&path).unwrap()));
        }
    }
    let recount = |name: &str| recounted(name, &records);
    let checked: Vec<_> = seen
        .iter()
        .filter_map(|(n, v)| Some((n, *v, recount(n)?)))
        .collect();
    assert!(
        checked.len() >= 4,
        "hardly a number can be recounted: {seen:?}"
    );
    for (name, shown, recounted) in checked {
        assert_eq!(shown, recounted, "{name}");
    }
}

/// What a metric counts, from the records alone.
fn recounted(name: &str, records: &[Value]) -> Option<u64> {
    let decision = |r: &Value| r["type"] == "decision";
    let parts: Vec<&str> = name.split('.').collect();
    let number = match parts.as_slice() {
        ["records", "total"] => records.len(),
        ["decisions", "total"] => count(records, decision),
        ["decisions", side @ ("input" | "output")] => count(records, |r| r["side"] == *side),
        ["decisions", "effect", effect] => count(records, |r| r["decision"]["effect"] == *effect),
        ["decisions", side, effect] => count(records, |r| {
            r["side"] == *side && r["decision"]["effect"] == *effect
        }),
        ["actions", action] => count(records, |r| r["action"] == *action),
        ["gaps", "total"] => count(records, |r| r["type"] == "gap"),
        _ => return None,
    };
    Some(number as u64)
}
