//! Reports over what people report, counted by hand.

use countersign_compliance::{Format, Query, Report, ReportType, report};
use countersign_record::{Body, IncidentStage, Record};
use serde_json::Value;

use crate::{
    common::{Home, at, exchange, heartbeat, mixed, record},
    csv_rows, json, make,
    reported::{change, eventful, hold, incident},
    text, totals,
};

fn table(report: &Report, id: &str) -> Vec<Value> {
    let value = json(report);
    let sections = value["sections"].as_array().unwrap().clone();
    let content = sections
        .iter()
        .flat_map(|section| section["content"].as_array().unwrap());
    let found = content.into_iter().find(|block| block["id"] == id);
    found.unwrap()["rows"].as_array().unwrap().clone()
}

fn counts<const N: usize>(report: &Report, names: [&str; N]) -> [u64; N] {
    let totals = totals(report);
    names.map(|name| totals.get(name).copied().expect(name))
}

#[test]
fn changes_and_what_left_the_house_are_listed() {
    let report = make(
        &Home::holding(&eventful()).range(),
        ReportType::ChangeAccess,
    );
    let names = [
        "changes",
        "confirmations",
        "key_events",
        "exports",
        "disclosures",
    ];
    assert_eq!(counts(&report, names), [3, 1, 1, 1, 1]);
    let subjects = ["change_subject.policy", "change_subject.model"];
    assert_eq!(counts(&report, subjects), [2, 1]);
    assert_eq!(csv_rows(&report).len(), 3);
    assert_eq!(table(&report, "changes")[2]["after"], "none");
    let handed = &table(&report, "disclosures")[0];
    assert_eq!(
        (&handed["authority"], &handed["confidential"]),
        (&"de-bnetza".into(), &true.into())
    );
}

#[test]
fn the_inventory_lists_models_by_role_and_counts_every_record() {
    let mut records = mixed();
    let other = records
        .iter_mut()
        .find_map(|record| match &mut record.body {
            Body::Decision(body) if body.model.served.is_some() => Some(body),
            _ => None,
        });
    other.unwrap().model.served = None;
    let report = make(&Home::holding(&records).range(), ReportType::Inventory);
    let models = table(&report, "models");
    let sum: u64 = models
        .iter()
        .map(|row| row["records"].as_u64().unwrap())
        .sum();
    let [decisions, differs, unnamed] =
        counts(&report, ["decisions", "model_differs", "model_not_named"]);
    assert_eq!((sum, unnamed), (decisions, 1));
    let answered: Vec<&Value> = models
        .iter()
        .filter(|row| row["role"] == "answered")
        .map(|row| &row["model"])
        .collect();
    assert_eq!(answered, ["gpt-5-2026-08-07", "not named"]);
    assert_eq!(differs, 17);
    assert_eq!(table(&report, "policies")[0]["policy"], "default@5c0ffee1");
}

#[test]
fn erasures_holds_and_retention_stand_as_their_last_record_says() {
    let report = make(&Home::holding(&eventful()).range(), ReportType::Erasure);
    let names = [
        "erasures",
        "erased_pieces",
        "holds",
        "holds_standing",
        "retention_events",
    ];
    assert_eq!(counts(&report, names), [2, 3, 2, 1, 1]);
    let states: Vec<Value> = table(&report, "holds")
        .iter()
        .map(|row| row["state"].clone())
        .collect();
    assert_eq!(states, ["stands", "released"]);
    let mut again = eventful();
    again.push(record(2000, 6_000, hold("matter-9")));
    let report = make(&Home::holding(&again).range(), ReportType::Erasure);
    assert_eq!(counts(&report, ["holds", "holds_standing"]), [3, 2]);
}

#[test]
fn rates_have_intervals_and_the_period_before_beside_them() {
    let home = Home::holding(&mixed());
    let whole = make(&home.range(), ReportType::PostMarket);
    let rows = table(&whole, "label-rates");
    let jailbreak = rows.iter().find(|row| row["label"] == "jailbreak").unwrap();
    assert_eq!(
        (&jailbreak["present"], &jailbreak["indexes"]["count"]),
        (&2.into(), &2.into())
    );
    let scored = countersign_scored(&home);
    assert_eq!(jailbreak["evaluated"], scored);
    assert!(
        jailbreak["before"]
            .as_str()
            .unwrap()
            .starts_with("no period before")
    );
    let query = Query {
        from: Some(at(500)),
        to: Some(at(1_000)),
        ..Query::default()
    };
    let part = report(&home.range(), ReportType::PostMarket, &query).unwrap();
    let rows = table(&part, "label-rates");
    let jailbreak = rows.iter().find(|row| row["label"] == "jailbreak").unwrap();
    assert_eq!(jailbreak["present"], 1);
    let before = jailbreak["before"].as_str().unwrap();
    assert!(before.starts_with("1 of "), "{before}");
}

/// Decision records in which the encoder answered, counted from the entries.
fn countersign_scored(home: &Home) -> u64 {
    let range = home.range();
    let entries = range.entries().map(|entry| entry.unwrap().1);
    let decisions = entries.filter_map(|bytes| match Record::from_entry(&bytes).unwrap().body {
        Body::Decision(body) => Some(body),
        _ => None,
    });
    let scored = decisions.filter(|body| {
        let mut runs = body.detectors.iter();
        runs.any(|run| run.detector.id == "countersign-minilm" && run.evaluation.reason().is_none())
    });
    scored.count() as u64
}

#[test]
fn complaints_count_once_by_their_last_status() {
    let report = make(&Home::holding(&eventful()).range(), ReportType::PostMarket);
    let names = [
        "complaints",
        "complaint_status.upheld",
        "complaint_status.received",
    ];
    assert_eq!(counts(&report, names), [2, 1, 1]);
    let one_page = make(&Home::holding(&eventful()).range(), ReportType::OnePage);
    let names = [
        "complaints_open",
        "incidents_open",
        "holds_standing",
        "reviews",
    ];
    assert_eq!(counts(&one_page, names), [1, 2, 1, 3]);
}

#[test]
fn reviews_are_counted_by_verdict_and_strangers_and_contradictions_are_named() {
    let report = make(
        &Home::holding(&eventful()).range(),
        ReportType::HumanOversight,
    );
    let names = [
        "reviews",
        "overrides",
        "reviews_short",
        "escalated",
        "escalated_unreviewed",
        "reviews_unknown_exchange",
    ];
    assert_eq!(counts(&report, names), [3, 1, 1, 1, 0, 1]);
    assert_eq!(
        counts(&report, ["review_verdict.agreed", "review_verdict.stopped"]),
        [2, 0]
    );
    let reviewers = table(&report, "reviewers");
    assert_eq!(
        (&reviewers[0]["reviewer"], &reviewers[0]["median_s"]),
        (&"r-1".into(), &4.into())
    );
    assert_eq!(
        table(&report, "contradictions")[0]["exchange"],
        exchange(19).to_string()
    );
    let unreviewed = make(&Home::holding(&mixed()).range(), ReportType::HumanOversight);
    assert_eq!(
        counts(&unreviewed, ["reviews", "escalated_unreviewed"]),
        [0, 1]
    );
}

#[test]
fn an_individual_file_tells_what_was_asked_found_and_done() {
    let home = Home::holding(&eventful());
    let file = make(&home.range(), ReportType::IndividualDecision);
    let names = ["decisions", "reviews", "outcomes", "complaints"];
    assert_eq!(counts(&file, names), [2, 2, 1, 3]);
    let html = text(&file, Format::Html);
    for needed in [
        "The policy asked that a person look at it.",
        "93.00 %",
        "not selected",
        "r-1",
    ] {
        assert!(html.contains(needed), "{needed}");
    }
    let query = Query {
        exchange: Some(exchange(12_345)),
        ..Query::default()
    };
    let stranger = report(&home.range(), ReportType::IndividualDecision, &query).unwrap();
    assert_eq!(counts(&stranger, ["decisions", "entries.used"]), [0, 0]);
    assert!(text(&stranger, Format::Html).contains("No decision record of the period names"));
}

#[test]
fn an_incident_has_its_term_its_versions_and_the_changes_after_awareness() {
    let mut records = vec![
        record(1, 10, change("policy", None, "sha256:one")),
        record(2, 20, change("policy", Some("sha256:one"), "sha256:two")),
    ];
    let mut told = incident("INC-9", IncidentStage::Opened, 1);
    told.aware_at = at(15).to_string();
    told.stage_at = at(15).to_string();
    records.push(record(3, 30, Body::Incident(told.clone())));
    let report = make(
        &Home::holding(&records).range(),
        ReportType::SeriousIncident,
    );
    let names = [
        "incidents",
        "incidents_open",
        "incidents_unreported",
        "changes_after_awareness",
    ];
    assert_eq!(counts(&report, names), [1, 1, 1, 1]);
    assert_eq!(table(&report, "in-force")[0]["digest"], "sha256:one");
    assert_eq!(table(&report, "changed-after")[0]["index"], 1);
    // 2026-11-24 in Berlin and ten days.
    assert_eq!(
        table(&report, "incidents")[0]["due"],
        "2026-12-04 (10 days)"
    );
    told.stage = IncidentStage::Initial;
    told.stage_at = at(18).to_string();
    records.push(record(4, 40, Body::Incident(told)));
    let report = make(
        &Home::holding(&records).range(),
        ReportType::SeriousIncident,
    );
    assert_eq!(counts(&report, names), [1, 1, 0, 0]);
}

#[test]
fn incidents_name_their_exchanges_and_say_which_have_no_record() {
    let report = make(
        &Home::holding(&eventful()).range(),
        ReportType::SeriousIncident,
    );
    assert_eq!(counts(&report, ["incidents", "incidents_held"]), [2, 1]);
    let rows = table(&report, "incident-exchanges");
    let done: Vec<String> = rows.iter().map(|row| row["done"].to_string()).collect();
    assert!(done[0].contains("output: blocked"), "{done:?}");
    assert!(done[1].contains("no decision record names it"), "{done:?}");
    let due: Vec<Value> = table(&report, "incidents")
        .iter()
        .map(|r| r["due"].clone())
        .collect();
    assert_eq!(due[0], "2028-03-09 (10 days)");
    let all = "category not known: 2 days 2028-03-01, 10 days 2028-03-09, 15 days 2028-03-14";
    assert_eq!(due[1], all);
}

#[test]
fn control_tests_list_their_exceptions_and_say_when_there_is_nothing_to_test() {
    let full = make(&Home::holding(&eventful()).range(), ReportType::Controls);
    let names = [
        "evaluated.exceptions",
        "enforced.exceptions",
        "no_exposure.exceptions",
        "accounted.exceptions",
        "reviewed.exceptions",
        "no_gap.exceptions",
        "held.exceptions",
        "reconciled.exceptions",
    ];
    assert_eq!(counts(&full, names), [2, 0, 1, 2, 0, 1, 1, 1]);
    let late = heartbeat(1, 9_000, 0);
    let quiet = report(
        &Home::holding(&[late]).range(),
        ReportType::Controls,
        &Query {
            to: Some(at(5)),
            ..Query::default()
        },
    )
    .unwrap();
    let results: Vec<Value> = table(&quiet, "tests")
        .iter()
        .map(|row| row["result"].clone())
        .collect();
    assert!(
        results.iter().all(|result| result == "insufficient data"),
        "{results:?}"
    );
}
