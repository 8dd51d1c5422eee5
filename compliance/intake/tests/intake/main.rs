//! Rows to records.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::Cursor;

use countersign_intake::{Batch, Form, Kind, Known, Limits, Problem, Received, read};
use countersign_record::{Body, OutcomeValue, Truth};

mod broken;

const ID: &str = "01970000-0000-7000-8000-000000000001";

fn received() -> Received {
    Received {
        at: "2026-11-24T08:00:00Z".parse().unwrap(),
        late_after_days: 30,
        limits: Limits::default(),
    }
}

fn taken(kind: Kind, form: Form, text: &str) -> Batch {
    read(
        kind,
        form,
        Cursor::new(text),
        &received(),
        &mut Known::new(),
    )
}

fn outcome(decided: &str, selected: bool) -> String {
    format!(
        r#"{{"exchange":"{ID}","kind":"selection","value":{{"selected":{selected}}},"decided_at":"{decided}","source":"ats"}}"#
    )
}

#[test]
fn an_outcome_reads_the_same_from_json_and_from_csv() {
    let json = taken(
        Kind::Outcome,
        Form::JsonLines,
        &outcome("2026-11-23T09:00:00+01:00", true),
    );
    let csv = format!(
        "exchange,kind,value.selected,decided_at,source,adverse\n{ID},selection,yes,2026-11-23T08:00:00Z,ats,\n"
    );
    let csv = taken(Kind::Outcome, Form::Csv, &csv);
    assert_eq!((&json.faults, &csv.faults), (&vec![], &vec![]));
    assert_eq!(json.bodies, csv.bodies);
    let Body::Outcome(outcome) = &json.bodies[0] else {
        unreachable!("an outcome was read");
    };
    assert_eq!(outcome.value, OutcomeValue::Selected(true));
    assert_eq!(outcome.decided_at, "2026-11-23T08:00:00Z");
    assert_eq!(
        (outcome.late, json.unknown_exchanges.as_slice()),
        (false, &[1][..])
    );
}

#[test]
fn an_outcome_is_late_after_thirty_days_unless_its_row_says() {
    let late = |text: &str| {
        let batch = taken(Kind::Outcome, Form::JsonLines, text);
        matches!(&batch.bodies[0], Body::Outcome(outcome) if outcome.late)
    };
    assert!(!late(&outcome("2026-10-25T08:00:00Z", true)));
    assert!(late(&outcome("2026-10-25T07:59:59Z", true)));
    let said = outcome("2020-01-01T00:00:00Z", true).replace('{', r#"{"late":false,"#);
    assert!(!late(&said.replacen(
        r#""value":{"late":false,"#,
        r#""value":{"#,
        1
    )));
}

#[test]
fn a_review_takes_the_truth_of_labels_by_column() {
    let csv = format!(
        "exchange,verdict,reviewer,closed_at,seconds,labels.pii.email,labels.toxicity\n\
         {ID},agreed,r-1,2026-11-24T07:00:00Z,31,present,\n"
    );
    let batch = taken(Kind::HumanReview, Form::Csv, &csv);
    assert_eq!(batch.faults, []);
    let Body::HumanReview(review) = &batch.bodies[0] else {
        unreachable!("a review was read");
    };
    assert_eq!(review.labels.get("pii.email"), Some(&Truth::Present));
    assert_eq!(review.labels.len(), 1);
}

#[test]
fn an_incident_that_opens_without_a_hold_gets_one_before_it() {
    let row = |more: &str| {
        format!(
            r#"{{"incident":"INC-1","stage":"opened","category":"death","aware_at":"2026-11-24T07:00:00Z","stage_at":"2026-11-24T07:00:00Z","zone":"Europe/Berlin","exchanges":["{ID}"]{more}}}"#
        )
    };
    let batch = taken(Kind::Incident, Form::JsonLines, &row(""));
    let [Body::Hold(hold), Body::Incident(incident)] = batch.bodies.as_slice() else {
        unreachable!("{batch:?}");
    };
    assert_eq!(hold.hold, "incident-INC-1");
    assert_eq!(incident.hold.as_ref(), Some(&hold.hold));
    assert_eq!(hold.exchanges, incident.exchanges);
    let own = taken(
        Kind::Incident,
        Form::JsonLines,
        &row(r#","hold":"matter-3""#),
    );
    assert_eq!(own.bodies.len(), 1);
}

#[test]
fn a_file_taken_in_twice_adds_nothing_and_says_so() {
    let mut known = Known::new();
    let text = format!(
        "{}\n\n{}\n",
        outcome("2026-11-23T08:00:00Z", true),
        outcome("2026-11-23T08:00:00Z", true)
    );
    let first = read(
        Kind::Outcome,
        Form::JsonLines,
        Cursor::new(&text),
        &received(),
        &mut known,
    );
    assert_eq!(
        (first.bodies.len(), first.duplicates.as_slice()),
        (1, &[3][..])
    );
    let mut ledger = Known::new();
    first.bodies.iter().for_each(|body| ledger.learn(body));
    let again = read(
        Kind::Outcome,
        Form::JsonLines,
        Cursor::new(&text),
        &received(),
        &mut ledger,
    );
    assert_eq!(
        (again.bodies.len(), again.duplicates.as_slice()),
        (0, &[1, 3][..])
    );
}

#[test]
fn another_result_of_the_same_outcome_contradicts_unless_it_supersedes() {
    let first = outcome("2026-11-23T08:00:00Z", true);
    let other = outcome("2026-11-23T08:00:00Z", false);
    let batch = taken(
        Kind::Outcome,
        Form::JsonLines,
        &format!("{first}\n{other}\n"),
    );
    assert_eq!(batch.faults[0].line, 2);
    assert_eq!(batch.faults[0].problem, Problem::Contradiction);
    assert!(!batch.is_clean());
    let correction = other.replacen('{', &format!(r#"{{"supersedes":"{ID}","#), 1);
    let batch = taken(
        Kind::Outcome,
        Form::JsonLines,
        &format!("{first}\n{correction}\n"),
    );
    assert_eq!((batch.faults.len(), batch.bodies.len()), (0, 2));
}

#[test]
fn every_kind_has_a_name_that_is_read() {
    for kind in Kind::ALL {
        assert_eq!(kind.name().replace('_', "-").parse(), Ok(kind));
    }
    assert!("genesis".parse::<Kind>().is_err());
    assert_eq!(Form::of_extension("CSV"), Ok(Form::Csv));
    assert!(Form::of_extension("xlsx").is_err());
}
