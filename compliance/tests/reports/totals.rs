//! Numbers: they add up, and a recount gives the same.

use std::collections::BTreeMap;

use countersign_compliance::{Format, Query, ReportType, report};
use countersign_record::{Action, Body, Gap, Record, Side, Verdict};

use crate::{
    KINDS,
    common::{Home, at, decided, decision, mixed, record},
    json, make, marked, text, totals,
};

/// Counts of the records themselves, made without the crate under test.
fn recount(records: &[Record]) -> BTreeMap<String, u64> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut count = |name: &str, by: u64| *counts.entry(name.to_owned()).or_default() += by;
    count("entries", records.len() as u64);
    count("entries.used", records.len() as u64);
    let mut exchanges = std::collections::BTreeSet::new();
    for record in records {
        let kind = serde_json::to_value(record).unwrap()["type"]
            .as_str()
            .unwrap()
            .to_owned();
        count(&format!("records.{kind}"), 1);
        count("gaps", u64::from(kind == "gap"));
        let Body::Decision(body) = &record.body else {
            continue;
        };
        count("decisions", 1);
        count("exchanges", u64::from(exchanges.insert(body.exchange)));
        let spelt = |value: &dyn std::fmt::Debug| {
            let name = format!("{value:?}");
            let mut snake = String::new();
            for (place, c) in name.chars().enumerate() {
                if c.is_uppercase() && place > 0 {
                    snake.push('_');
                }
                snake.push(c.to_ascii_lowercase());
            }
            snake
        };
        count(&format!("side.{}", spelt(&body.side)), 1);
        count(&format!("effect.{}", spelt(&body.decision.effect)), 1);
        count(&format!("action.{}", spelt(&body.action)), 1);
        let withheld = matches!(body.action, Action::Blocked | Action::RefusedNotEvaluated);
        count("withheld", u64::from(withheld));
        let unanswered = body
            .detectors
            .iter()
            .filter(|run| run.evaluation.reason().is_some());
        let unanswered = unanswered.count() as u64;
        count("not_fully_evaluated", unanswered.min(1));
        let passed = matches!(body.action, Action::Forwarded | Action::Redacted);
        count("fail_open", if passed { unanswered.min(1) } else { 0 });
        for signal in body
            .signals
            .iter()
            .filter(|signal| signal.verdict == Verdict::Present)
        {
            count(&format!("label_present.{}", signal.label), 1);
        }
        count("bytes.received", body.coverage.received_bytes);
        if let Some(delivery) = &body.delivery {
            count("bytes.released", delivery.released_bytes);
            count("exposed", u64::from(delivery.exposed_bytes > 0));
        }
        count(
            "tokens.output",
            body.usage.map_or(0, |usage| usage.output_tokens),
        );
    }
    counts
}

#[test]
fn a_recount_of_the_exported_records_gives_every_total_and_every_marked_number() {
    let home = Home::holding(&mixed());
    let range = home.range();
    let exported: Vec<Record> = range
        .entries()
        .map(|entry| Record::from_entry(&entry.unwrap().1).unwrap())
        .collect();
    let recounted = recount(&exported);
    assert_eq!(recounted["fail_open"], 2);
    assert_eq!(recounted["exposed"], 1);
    for kind in KINDS {
        let report = make(&range, kind);
        let totals = totals(&report);
        assert_eq!(totals, marked(&text(&report, Format::Html)));
        for (name, value) in &recounted {
            let only_in_extract = ["label_present.", "bytes.", "tokens."];
            let expected = kind == ReportType::LogExtract
                || !only_in_extract
                    .iter()
                    .any(|prefix| name.starts_with(prefix));
            if expected {
                assert_eq!(totals.get(name), Some(value), "{name} in {kind}");
            }
        }
    }
}

#[test]
fn every_exchange_is_accounted_for_once() {
    let home = Home::holding(&mixed());
    let totals = totals(&make(&home.range(), ReportType::Integrity));
    let expected = [
        ("exchange.both_sides", 18),
        ("exchange.blocked_at_input", 3),
        ("exchange.refused_at_input", 1),
        ("exchange.closed_at_input", 0),
        ("exchange.unknown", 1),
        ("exchange.open", 1),
        ("exchange.output_only", 0),
    ];
    for (name, value) in expected {
        assert_eq!(totals[name], value, "{name}");
    }
    assert_eq!(
        expected.iter().map(|(_, value)| value).sum::<u64>(),
        totals["exchanges"]
    );
}

#[test]
fn items_of_a_breakdown_add_up_and_each_number_names_its_records() {
    let home = Home::holding(&mixed());
    for kind in KINDS {
        let report = json(&make(&home.range(), kind));
        let mut checked = 0;
        let sections = report["sections"].as_array().unwrap();
        for block in sections
            .iter()
            .flat_map(|section| section["content"].as_array().unwrap())
        {
            let metrics = block["metrics"].as_array().cloned().unwrap_or_default();
            if let Some(total) = block["sums_to"].as_str() {
                let sum: u64 = metrics
                    .iter()
                    .map(|metric| metric["value"].as_u64().unwrap())
                    .sum();
                assert_eq!(
                    sum,
                    report["totals"][total].as_u64().unwrap(),
                    "{}",
                    block["id"]
                );
                checked += 1;
            }
            for metric in metrics {
                let empty = metric["indexes"]["count"] == 0;
                assert_eq!(empty, metric["value"] == 0, "{metric}");
            }
        }
        assert!(checked >= 6, "{checked} breakdowns add up");
    }
}

#[test]
fn the_order_of_records_does_not_change_the_totals() {
    let records = mixed();
    let mut other = records.clone();
    other.reverse();
    other.swap(3, 11);
    for kind in KINDS {
        let one = totals(&make(&Home::holding(&records).range(), kind));
        let two = totals(&make(&Home::holding(&other).range(), kind));
        assert_eq!(one, two);
    }
}

#[test]
fn periods_side_by_side_add_up_to_the_whole() {
    let home = Home::holding(&mixed());
    let range = home.range();
    let part = |from, to| {
        totals(
            &report(
                &range,
                ReportType::Integrity,
                &Query {
                    from,
                    to,
                    ..Query::default()
                },
            )
            .unwrap(),
        )
    };
    let (middle, whole) = (Some(at(632)), part(None, None));
    let (first, second) = (part(None, middle), part(middle, None));
    for name in [
        "decisions",
        "exchanges",
        "entries.used",
        "action.blocked",
        "exchange.open",
    ] {
        assert_eq!(first[name] + second[name], whole[name], "{name}");
        assert!(
            name == "exchange.open" || first[name] > 0 && second[name] > 0,
            "{name}"
        );
    }
}

#[test]
fn an_exchange_that_crosses_the_end_of_the_period_is_not_called_open() {
    let home = Home::holding(&[
        decided(1, 10, decision(1, Side::Input)),
        decided(2, 20, decision(1, Side::Output)),
    ]);
    let query = Query {
        to: Some(at(15)),
        ..Query::default()
    };
    let totals = totals(&report(&home.range(), ReportType::Integrity, &query).unwrap());
    assert_eq!(
        (totals["exchange.both_sides"], totals["exchange.open"]),
        (1, 0)
    );
}

#[test]
fn an_entry_of_another_schema_is_left_out_and_counted() {
    let mut foreign = decided(2, 20, decision(2, Side::Input));
    foreign.v = "countersign/record/v99".to_owned();
    let mut timeless = decided(3, 20, decision(3, Side::Input));
    timeless.ts = "yesterday".to_owned();
    let home = Home::holding(&[decided(1, 10, decision(1, Side::Input)), foreign, timeless]);
    let totals = totals(&make(&home.range(), ReportType::Integrity));
    let names = [
        "entries",
        "entries.used",
        "entries.other_schema",
        "entries.unreadable_time",
    ];
    assert_eq!(names.map(|name| totals[name]), [3, 1, 1, 1]);
}

#[test]
fn more_kinds_of_label_than_a_page_holds_are_counted_together_and_still_add_up() {
    let records: Vec<Record> = (0..130)
        .map(|number| {
            let mut body = decision(number, Side::Input);
            body.model.requested = Some(format!("model-{number:03}"));
            decided(number, 10, body)
        })
        .collect();
    let home = Home::holding(&records);
    let totals = totals(&make(&home.range(), ReportType::LogExtract));
    let models: Vec<_> = totals
        .iter()
        .filter(|(name, _)| name.starts_with("model."))
        .collect();
    assert_eq!(models.len(), 101);
    assert_eq!(models.iter().map(|(_, value)| **value).sum::<u64>(), 130);
    assert_eq!(totals["model.30 others, counted together"], 30);
}

#[test]
fn gaps_about_the_period_are_listed_even_when_recorded_after_it() {
    let gap = Gap {
        cause: "evidence_unavailable".to_owned(),
        from: Some(at(5).to_string()),
        to: at(8).to_string(),
        detail: "The disk was full.".to_owned(),
        ..Gap::default()
    };
    let home = Home::holding(&[record(1, 500, Body::Gap(gap))]);
    let within = |from, to| {
        let query = Query {
            from: Some(at(from)),
            to: Some(at(to)),
            ..Query::default()
        };
        totals(&report(&home.range(), ReportType::Integrity, &query).unwrap())["gaps"]
    };
    assert_eq!(
        (within(0, 6), within(8, 20), within(9, 20), within(0, 5)),
        (1, 1, 0, 0)
    );
}
