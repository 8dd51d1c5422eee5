//! Reports over real, verified ledgers.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeMap;

use common::{Home, at, blocked, decided, decision, mixed, record, signal};
use countersign_compliance::{Format, Query, Report, ReportError, ReportType, report};
use countersign_ledger::VerifiedRange;
use countersign_record::{Action, Body, Effect, Record, Side, Verdict};
use serde_json::Value;

const KINDS: [ReportType; 2] = [ReportType::LogExtract, ReportType::Integrity];
const FORMATS: [Format; 3] = [Format::Json, Format::Csv, Format::Html];

fn make(range: &VerifiedRange, kind: ReportType) -> Report {
    report(range, kind, &Query::default()).unwrap()
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

#[test]
fn the_same_range_and_query_give_the_same_bytes() {
    let home = Home::holding(&mixed());
    for kind in KINDS {
        let (one, two) = (make(&home.range(), kind), make(&home.range(), kind));
        for format in FORMATS {
            assert_eq!(one.render(format), two.render(format));
        }
        assert_eq!((one.id(), one.file_stem()), (two.id(), two.file_stem()));
    }
}

#[test]
fn the_id_changes_with_type_query_and_range() {
    let home = Home::holding(&mixed());
    let range = home.range();
    let one = make(&range, ReportType::Integrity);
    let query = Query {
        from: Some(at(0)),
        to: None,
    };
    let other_query = report(&range, ReportType::Integrity, &query).unwrap();
    home.append(&[decided(900, 4000, decision(900, Side::Input))]);
    let longer = make(&home.range(), ReportType::Integrity);
    let extract = make(&range, ReportType::LogExtract);
    let ids = [&one, &extract, &other_query, &longer].map(Report::id);
    let different: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(different.len(), 4, "{ids:?}");
    assert!(one.id().starts_with("R15-"));
}

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
        .map(|(_, entry)| Record::from_entry(entry).unwrap())
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
fn an_empty_period_says_that_data_are_insufficient_and_counts_what_it_left_out() {
    let home = Home::holding(&mixed());
    let query = Query {
        from: Some(at(1_000_000)),
        to: None,
    };
    for kind in KINDS {
        let report = report(&home.range(), kind, &query).unwrap();
        let totals = totals(&report);
        assert_eq!((totals["decisions"], totals["entries.used"]), (0, 0));
        assert_eq!(totals["entries.outside_period"], totals["entries"]);
        let html = text(&report, Format::Html);
        assert!(html.contains("Insufficient data"));
        assert!(!html.contains("<svg"));
    }
}

#[test]
fn periods_side_by_side_add_up_to_the_whole() {
    let home = Home::holding(&mixed());
    let range = home.range();
    let part =
        |from, to| totals(&report(&range, ReportType::Integrity, &Query { from, to }).unwrap());
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
        from: None,
        to: Some(at(15)),
    };
    let totals = totals(&report(&home.range(), ReportType::Integrity, &query).unwrap());
    assert_eq!(
        (totals["exchange.both_sides"], totals["exchange.open"]),
        (1, 0)
    );
}

#[test]
fn a_period_that_ends_before_it_begins_is_refused() {
    let home = Home::holding(&mixed());
    let query = Query {
        from: Some(at(5)),
        to: Some(at(5)),
    };
    let refused = report(&home.range(), ReportType::Integrity, &query);
    assert!(matches!(refused, Err(ReportError::Period)));
}

#[test]
fn foreign_text_cannot_become_markup() {
    let attack = "<script>alert(1)</script>\"><img src=x onerror=y>&\u{202e}";
    let mut body = blocked(decision(1, Side::Output), attack);
    body.operation = attack.to_owned();
    body.model.served = Some(attack.to_owned());
    body.route = attack.to_owned();
    let home = Home::holding(&[decided(1, 10, body)]);
    for kind in KINDS {
        let html = text(&make(&home.range(), kind), Format::Html);
        assert!(!html.contains("<script") && !html.contains("<img"));
        assert!(!html.contains('\u{202e}'));
    }
    let html = text(&make(&home.range(), ReportType::LogExtract), Format::Html);
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

#[test]
fn csv_cells_that_look_like_formulas_are_neutralised_and_the_rest_survives() {
    for start in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"] {
        let mut body = decision(1, Side::Output);
        body.model.served = Some(start.to_owned());
        body.route = "a \"quoted\", route\nof two lines".to_owned();
        let home = Home::holding(&[decided(1, 10, body)]);
        let report = make(&home.range(), ReportType::LogExtract);
        let rows = csv_rows(&report);
        let cells: Vec<&str> = rows[0].iter().collect();
        assert!(cells.contains(&format!("'{start}").as_str()), "{cells:?}");
        assert!(cells.contains(&"a \"quoted\", route\nof two lines"));
        assert!(report.csv().ends_with(b"\r\n"));
    }
}

#[test]
fn the_extract_has_one_row_for_each_decision_record_in_every_form() {
    let home = Home::holding(&mixed());
    let report = make(&home.range(), ReportType::LogExtract);
    let decisions = totals(&report)["decisions"];
    assert_eq!(csv_rows(&report).len() as u64, decisions);
    let html = text(&report, Format::Html);
    assert_eq!(
        html.matches("<tbody class=\"entry\">").count() as u64,
        decisions
    );
    let json = json(&report);
    let sections = json["sections"].as_array().unwrap();
    let blocks = sections
        .iter()
        .flat_map(|section| section["content"].as_array().unwrap());
    let table = blocks
        .into_iter()
        .find(|block| block["id"] == "decisions")
        .unwrap();
    let row = &table["rows"][0];
    assert_eq!(table["rows"].as_array().unwrap().len() as u64, decisions);
    assert_eq!(
        (&row["index"], &row["policy"]),
        (&1.into(), &"default@5c0ffee1".into())
    );
    assert_eq!(
        table["rows"][4]["labels_present"],
        serde_json::json!(["jailbreak"])
    );
}

#[test]
fn pages_stand_alone_and_name_their_parts() {
    let home = Home::holding(&mixed());
    for kind in KINDS {
        let report = make(&home.range(), kind);
        let html = text(&report, Format::Html);
        assert!(html.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"));
        for forbidden in [
            "<script", "src=", "url(", "@import", "http://", "https://", "<link",
        ] {
            assert!(!html.contains(forbidden), "{forbidden}");
        }
        assert_eq!(html.matches("<svg").count(), 3);
        assert_eq!(
            html.matches("<svg").count(),
            html.matches("<desc id=").count()
        );
        assert_eq!(
            html.matches("<th>").count(),
            0,
            "every header cell has a scope"
        );
        assert_eq!(
            html.matches("<table").count(),
            html.matches("<caption").count()
        );
        assert_eq!(html.matches("<h1>").count(), 1);
        for needed in [
            report.id(),
            "Time zone",
            "countersign-verify",
            "gap-list",
            "Root hash",
        ] {
            assert!(html.contains(needed), "{needed}");
        }
    }
}

#[test]
fn points_to_note_tell_of_gaps_fail_open_and_lost_exchanges() {
    let home = Home::holding(&mixed());
    let html = text(&make(&home.range(), ReportType::Integrity), Format::Html);
    for needed in [
        "unclean_stop",
        "countersign-minilm: timed_out",
        "unknown outcome",
    ] {
        assert!(html.contains(needed), "{needed}");
    }
    let clean = Home::holding(&[
        decided(1, 10, decision(1, Side::Input)),
        decided(2, 20, decision(1, Side::Output)),
    ]);
    let html = text(&make(&clean.range(), ReportType::Integrity), Format::Html);
    assert!(html.contains("found a point to note"));
    assert!(html.contains("No gap record was made in the period or about it."));
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
fn a_denial_passed_on_in_observe_mode_is_noted() {
    let mut body = decision(1, Side::Input);
    body.mode = countersign_record::Mode::Observe;
    body.decision.effect = Effect::Deny;
    body.signals = vec![signal("weapons", Verdict::Present)];
    let home = Home::holding(&[decided(1, 10, body)]);
    let html = text(&make(&home.range(), ReportType::LogExtract), Format::Html);
    assert!(html.contains("observe mode against a decision to deny: 1 record, index 0."));
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
fn a_long_table_is_cut_on_the_page_and_whole_in_csv() {
    let records: Vec<Record> = (0..510)
        .map(|number| decided(number, 10, decision(number, Side::Input)))
        .collect();
    let report = make(&Home::holding(&records).range(), ReportType::LogExtract);
    let html = text(&report, Format::Html);
    assert_eq!(html.matches("<tbody class=\"entry\">").count(), 500);
    assert!(html.contains("the first 500 of 510"));
    assert_eq!(csv_rows(&report).len(), 510);
}

#[test]
fn a_ledger_without_decisions_still_gives_a_certificate() {
    let home = Home::holding(&[common::heartbeat(1, 10, 0), common::heartbeat(2, 70, 0)]);
    let report = make(&home.range(), ReportType::Integrity);
    assert!(text(&report, Format::Html).contains("Insufficient data"));
    let json = json(&report);
    assert_eq!(json["entries"]["used"], 2);
    assert!(
        json.to_string()
            .contains("\"longest_between_heartbeats_ms\":60000")
    );
}

#[test]
fn types_and_formats_are_read_by_name_and_number() {
    for name in ["R1", "r1", "log-extract"] {
        assert_eq!(name.parse(), Ok(ReportType::LogExtract));
    }
    for name in ["R15", "r15", "Integrity"] {
        assert_eq!(name.parse(), Ok(ReportType::Integrity));
    }
    assert_eq!("html".parse(), Ok(Format::Html));
    assert!(
        "R2".parse::<ReportType>()
            .unwrap_err()
            .to_string()
            .contains("log-extract")
    );
    assert!("docx".parse::<Format>().is_err());
}

#[test]
fn gaps_about_the_period_are_listed_even_when_recorded_after_it() {
    let gap = countersign_record::Gap {
        cause: "evidence_unavailable".to_owned(),
        from: Some(at(5).to_string()),
        to: at(8).to_string(),
        detail: "The disk was full.".to_owned(),
        exchanges: Vec::new(),
    };
    let home = Home::holding(&[record(1, 500, Body::Gap(gap))]);
    let within = |from, to| {
        let query = Query {
            from: Some(at(from)),
            to: Some(at(to)),
        };
        totals(&report(&home.range(), ReportType::Integrity, &query).unwrap())["gaps"]
    };
    assert_eq!(
        (within(0, 6), within(8, 20), within(9, 20), within(0, 5)),
        (1, 1, 0, 0)
    );
}
