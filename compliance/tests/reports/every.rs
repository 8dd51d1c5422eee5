//! What holds for every type of report.

use std::collections::BTreeSet;

use countersign_compliance::{Format, Query, ReportError, ReportType, report};
use serde_json::Value;

use crate::{
    FORMATS,
    common::{Home, at, exchange, heartbeat, mixed},
    json, make, marked, query_for,
    reported::eventful,
    text, totals,
};

fn blocks(report: &Value) -> Vec<Value> {
    let sections = report["sections"].as_array().unwrap();
    let content = sections
        .iter()
        .flat_map(|section| section["content"].as_array().unwrap());
    content.cloned().collect()
}

#[test]
fn every_report_has_the_same_bytes_on_two_runs_and_its_own_id() {
    let home = Home::holding(&eventful());
    let range = home.range();
    let mut ids = BTreeSet::new();
    for kind in ReportType::ALL {
        let (first, second) = (make(&range, kind), make(&home.range(), kind));
        for format in FORMATS {
            assert_eq!(first.render(format), second.render(format), "{kind}");
        }
        assert!(first.id().starts_with(&format!("{}-", kind.code())));
        assert!(ids.insert(first.id().to_owned()), "{kind}");
    }
}

#[test]
fn every_number_names_its_records_and_breakdowns_add_up() {
    let home = Home::holding(&eventful());
    for kind in ReportType::ALL {
        let report = make(&home.range(), kind);
        assert_eq!(
            totals(&report),
            marked(&text(&report, Format::Html)),
            "{kind}"
        );
        let value = json(&report);
        let mut adding = 0;
        for block in blocks(&value) {
            let metrics = block["metrics"].as_array().cloned().unwrap_or_default();
            for metric in &metrics {
                let none = metric["indexes"]["count"] == 0;
                assert_eq!(none, metric["value"] == 0, "{kind}: {metric}");
            }
            if let Some(total) = block["sums_to"].as_str() {
                let sum: u64 = metrics.iter().map(|m| m["value"].as_u64().unwrap()).sum();
                assert_eq!(
                    Some(sum),
                    value["totals"][total].as_u64(),
                    "{kind}: {}",
                    block["id"]
                );
                adding += 1;
            }
        }
        assert!(adding >= 2, "{kind}: {adding} breakdowns add up");
    }
}

#[test]
fn an_idle_ledger_and_an_empty_period_give_defined_results_in_every_type() {
    let (full, idle) = (
        Home::holding(&eventful()),
        Home::holding(&[heartbeat(1, 10, 0)]),
    );
    for kind in ReportType::ALL {
        let nothing = report(&idle.range(), kind, &query_for(kind)).unwrap();
        assert_eq!(totals(&nothing)["decisions"], 0, "{kind}");
        let later = Query {
            from: Some(at(1_000_000)),
            ..query_for(kind)
        };
        let later = report(&full.range(), kind, &later).unwrap();
        let counted = totals(&later);
        assert_eq!(
            (counted["decisions"], counted["entries.used"]),
            (0, 0),
            "{kind}"
        );
        assert_eq!(
            counted["entries.outside_period"], counted["entries"],
            "{kind}"
        );
        for page in [nothing, later] {
            let html = text(&page, Format::Html);
            assert!(
                html.contains("Insufficient data") && !html.contains("<svg"),
                "{kind}"
            );
            assert!(!html.contains("NaN"), "{kind}");
        }
    }
}

#[test]
fn every_report_prints_the_register_and_what_of_it_is_not_verified() {
    let home = Home::holding(&mixed());
    for kind in ReportType::ALL {
        let report = make(&home.range(), kind);
        let version = json(&report)["report"]["register"]
            .as_str()
            .unwrap()
            .to_owned();
        let html = text(&report, Format::Html);
        assert!(
            html.contains(&format!("Register version {version}.")),
            "{kind}"
        );
        assert!(
            html.contains("not verified against the text itself: eu-aia-12"),
            "{kind}"
        );
        let table = blocks(&json(&report))
            .into_iter()
            .find(|block| block["id"] == "obligations");
        assert!(
            !table.unwrap()["rows"].as_array().unwrap().is_empty(),
            "{kind}"
        );
    }
}

#[test]
fn no_report_states_a_conclusion_of_law() {
    let home = Home::holding(&eventful());
    for kind in ReportType::ALL {
        let html = text(&make(&home.range(), kind), Format::Html).to_lowercase();
        for claim in [
            "compliant",
            "complies",
            "in breach",
            "violat",
            "fulfils",
            "is lawful",
        ] {
            assert!(!html.contains(claim), "{kind}: {claim}");
        }
        assert!(html.contains("no legal opinion"), "{kind}");
    }
}

#[test]
fn pages_of_every_type_name_their_parts_and_hold_nothing_from_outside() {
    let home = Home::holding(&eventful());
    for kind in ReportType::ALL {
        let html = text(&make(&home.range(), kind), Format::Html);
        for forbidden in [
            "<script", "src=", "url(", "@import", "http://", "https://", "<th>",
        ] {
            assert!(!html.contains(forbidden), "{kind}: {forbidden}");
        }
        assert_eq!(
            html.matches("<table").count(),
            html.matches("<caption").count()
        );
        let ids: Vec<&str> = html
            .split(" id=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        let different: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), different.len(), "{kind}: an id is used twice");
    }
}

#[test]
fn a_selection_by_exchange_leaves_out_and_counts_what_does_not_name_it() {
    let home = Home::holding(&eventful());
    let query = Query {
        exchange: Some(exchange(7)),
        ..Query::default()
    };
    for kind in [
        ReportType::LogExtract,
        ReportType::Integrity,
        ReportType::OnePage,
    ] {
        let report = report(&home.range(), kind, &query).unwrap();
        let counted = totals(&report);
        assert_eq!(counted["decisions"], 2, "{kind}");
        let kept = counted["entries.used"] + counted["entries.other_exchange"];
        assert_eq!(kept, counted["entries"], "{kind}");
        assert!(
            text(&report, Format::Html).contains("--exchange 01970000-"),
            "{kind}"
        );
    }
}

#[test]
fn an_individual_decision_file_needs_an_exchange() {
    let home = Home::holding(&mixed());
    let refused = report(
        &home.range(),
        ReportType::IndividualDecision,
        &Query::default(),
    );
    assert!(matches!(refused, Err(ReportError::ExchangeNeeded)));
}

#[test]
fn every_type_is_read_by_name_and_number() {
    for kind in ReportType::ALL {
        for name in [kind.name().to_uppercase(), kind.code().to_lowercase()] {
            assert_eq!(name.parse(), Ok(kind));
        }
        let known = "R99".parse::<ReportType>().unwrap_err().to_string();
        assert!(
            known.contains(&format!("{} ({})", kind.name(), kind.code())),
            "{kind}"
        );
    }
}
