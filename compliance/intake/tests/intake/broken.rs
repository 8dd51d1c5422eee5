//! Rows that are refused, each with its line.

use std::io::Cursor;

use countersign_intake::{Fault, Form, Kind, Known, Limits, Problem, Received, read};
use proptest::prelude::*;

use crate::{ID, outcome, received, taken};

fn first(kind: Kind, form: Form, text: &str) -> Fault {
    let batch = taken(kind, form, text);
    assert_eq!(batch.bodies, [], "{text}");
    batch.faults.into_iter().next().unwrap()
}

#[test]
fn a_misspelt_member_is_named_and_not_dropped() {
    let row = outcome("2026-11-23T08:00:00Z", true).replacen('{', r#"{"selcted":1,"#, 1);
    let fault = first(Kind::Outcome, Form::JsonLines, &row);
    assert_eq!(fault.problem, Problem::Unknown("selcted".to_owned()));
    let csv = format!(
        "exchange,kind,value.selected,decided_at,source,group.sex\n{ID},selection,yes,2026-11-23T08:00:00Z,ats,female\n"
    );
    let fault = first(Kind::Outcome, Form::Csv, &csv);
    assert_eq!(fault.line, 2);
    assert!(!fault.to_string().contains("female"), "{fault}");
}

#[test]
fn a_demographic_value_cannot_be_told_and_is_not_repeated() {
    let row = outcome("2026-11-23T08:00:00Z", true).replacen(
        '{',
        r#"{"group":{"file":"female","row":"asian"},"#,
        1,
    );
    let fault = first(Kind::Outcome, Form::JsonLines, &row).to_string();
    assert!(fault.contains("group.file: must be sha256:"), "{fault}");
    assert!(!fault.contains("female"), "{fault}");
    let row = outcome("2026-11-23T08:00:00Z", true)
        .replace(r#""selected":true"#, r#""selected":"female""#);
    let fault = first(Kind::Outcome, Form::JsonLines, &row).to_string();
    assert!(
        fault.contains("expected a boolean") && !fault.contains("female"),
        "{fault}"
    );
    let review = r#"{"verdict":"Jane Doe"}"#;
    let fault = first(Kind::HumanReview, Form::JsonLines, review).to_string();
    assert!(!fault.contains("Jane"), "{fault}");
}

#[test]
fn times_that_are_none_or_lie_ahead_are_refused() {
    for (time, problem) in [
        (
            "2026-02-30T08:00:00Z",
            Problem::Time("decided_at".to_owned()),
        ),
        ("yesterday", Problem::Time("decided_at".to_owned())),
        (
            "2026-11-24T08:05:01Z",
            Problem::Future("decided_at".to_owned()),
        ),
    ] {
        let fault = first(Kind::Outcome, Form::JsonLines, &outcome(time, true));
        assert_eq!(fault.problem, problem, "{time}");
    }
    let soon = outcome("2026-11-24T08:05:00Z", true);
    assert!(taken(Kind::Outcome, Form::JsonLines, &soon).is_clean());
}

#[test]
fn faults_name_their_lines_and_the_rest_is_still_read() {
    let good = outcome("2026-11-23T08:00:00Z", true);
    let text = format!("{good}\nnot json\n\n[1]\n{good}\n");
    let batch = taken(Kind::Outcome, Form::JsonLines, &text);
    let lines: Vec<u64> = batch.faults.iter().map(|fault| fault.line).collect();
    assert_eq!(
        (lines, batch.rows, batch.duplicates),
        (vec![2, 4], 4, vec![5])
    );
    let csv = "exchange,kind\n\"a\nb\",x\nonly one cell\n";
    let batch = taken(Kind::Outcome, Form::Csv, csv);
    let lines: Vec<u64> = batch.faults.iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [2, 4]);
    assert!(
        batch.faults[1]
            .to_string()
            .contains("1 cells under a header of 2")
    );
}

#[test]
fn columns_that_occur_twice_are_refused() {
    let csv = "kind,kind\na,b\n";
    assert!(matches!(
        first(Kind::Outcome, Form::Csv, csv).problem,
        Problem::Twice(_)
    ));
    let csv = "value,value.selected\na,true\n";
    assert!(matches!(
        first(Kind::Outcome, Form::Csv, csv).problem,
        Problem::Twice(_)
    ));
}

#[test]
fn rows_bytes_and_faults_have_bounds() {
    let received = Received {
        limits: Limits {
            rows_max: 2,
            row_bytes_max: 400,
            faults_max: 3,
        },
        ..received()
    };
    let read = |form, text: &str| {
        read(
            Kind::Outcome,
            form,
            Cursor::new(text),
            &received,
            &mut Known::new(),
        )
        .faults
    };
    let good = outcome("2026-11-23T08:00:00Z", true) + "\n";
    assert_eq!(
        read(Form::JsonLines, &good.repeat(3))[0].problem,
        Problem::TooMany(2)
    );
    let long = format!("{{\"kind\":\"{}\"}}\n", "a".repeat(400));
    assert_eq!(
        read(Form::JsonLines, &long)[0].problem,
        Problem::TooLong(400)
    );
    let endless = format!("kind\n\"{}", "a".repeat(100_000));
    assert_eq!(read(Form::Csv, &endless)[0].problem, Problem::TooLong(400));
    let long = format!("kind,source\n{},x\n", "a".repeat(500));
    assert_eq!(read(Form::Csv, &long)[0].problem, Problem::TooLong(400));
    assert_eq!(read(Form::JsonLines, &"[]\n".repeat(9)).len(), 3);
}

#[test]
fn bytes_that_are_no_text_are_refused_in_both_forms() {
    let batch = |form| {
        let bytes: &[u8] = b"kind\n\xff\xfe\n";
        read(Kind::Outcome, form, bytes, &received(), &mut Known::new()).faults
    };
    assert!(
        batch(Form::JsonLines)
            .iter()
            .any(|fault| fault.problem == Problem::Utf8)
    );
    assert_eq!(batch(Form::Csv)[0].problem, Problem::Utf8);
}

#[test]
fn an_empty_file_is_a_clean_batch_of_nothing() {
    for form in [Form::JsonLines, Form::Csv] {
        let batch = taken(Kind::Complaint, form, "");
        assert!(batch.is_clean() && batch.bodies.is_empty() && batch.rows == 0);
    }
}

proptest! {
    #[test]
    fn whatever_comes_out_is_well_formed(bytes in prop::collection::vec(any::<u8>(), 0..400), place in 0usize..12) {
        for form in [Form::JsonLines, Form::Csv] {
            let batch = read(Kind::ALL[place], form, bytes.as_slice(), &received(), &mut Known::new());
            for body in batch.bodies {
                prop_assert!(body.validate().is_ok());
            }
        }
    }
}
