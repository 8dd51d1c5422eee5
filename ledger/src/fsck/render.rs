//! A report as text for people and as JSON for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{Remedy, Report};

/// The report as one JSON object.
pub fn to_json(report: &Report) -> Value {
    let differences: Vec<Value> = report
        .differences
        .iter()
        .map(|difference| {
            let fault = &difference.fault;
            json!({
                "kind": fault.kind.name(),
                "place": fault.place,
                "detail": fault.detail,
                "remedy": difference.remedy.name(),
            })
        })
        .collect();
    json!({
        "clean": report.is_clean(),
        "proven_size": report.proven,
        "entries": report.entries,
        "pending": report.pending,
        "pruned": report.pruned,
        "rebuild": report.count(Remedy::Rebuild),
        "remove": report.count(Remedy::Remove),
        "beyond_repair": report.count(Remedy::None),
        "omitted": report.omitted,
        "differences": differences,
        "notes": report.notes,
    })
}

/// The report as lines of text; the verdict comes first.
pub fn to_text(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = render(report, &mut text);
    text
}

fn render(report: &Report, text: &mut String) -> std::fmt::Result {
    if report.is_clean() {
        writeln!(text, "CLEAN: every file is what the entries make it")?;
    } else {
        writeln!(
            text,
            "DIFFERENCES: {} can be rebuilt, {} removed, {} are beyond repair, {} not listed",
            report.count(Remedy::Rebuild),
            report.count(Remedy::Remove),
            report.count(Remedy::None),
            report.omitted
        )?;
    }
    for difference in &report.differences {
        let fault = &difference.fault;
        let (remedy, kind) = (difference.remedy.name(), fault.kind);
        writeln!(
            text,
            "  {remedy:8} {kind} at {}: {}",
            fault.place, fault.detail
        )?;
    }
    match report.proven {
        Some(size) => writeln!(
            text,
            "proven   the entries lead to the root signed at size {size}"
        )?,
        None => writeln!(text, "proven   no: nothing can be mended without a guess")?,
    }
    writeln!(
        text,
        "entries  {} published, {} pending",
        report.entries, report.pending
    )?;
    report
        .notes
        .iter()
        .try_for_each(|note| writeln!(text, "note     {note}"))
}
