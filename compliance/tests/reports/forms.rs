//! Forms: JSON, CSV and pages.

use countersign_compliance::{Format, Query, Report, ReportError, ReportType, report};
use countersign_ledger::{Checkpoint, VerifierKey};
use countersign_record::{Effect, Mode, Record, Side, Verdict};

use crate::{
    FORMATS, KINDS,
    common::{Home, at, blocked, decided, decision, heartbeat, mixed, signal},
    csv_rows, json, make, text, totals,
};

/// Rows of the decision records, which come before the obligation register.
fn decision_rows(html: &str) -> usize {
    let (before, _) = html.split_once("id=\"obligations\"").unwrap();
    before.matches("<tbody class=\"entry\">").count()
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
        ..Query::default()
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

#[test]
fn an_empty_period_says_that_data_are_insufficient_and_counts_what_it_left_out() {
    let home = Home::holding(&mixed());
    let query = Query {
        from: Some(at(1_000_000)),
        ..Query::default()
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
fn a_period_that_ends_before_it_begins_is_refused() {
    let home = Home::holding(&mixed());
    let query = Query {
        from: Some(at(5)),
        to: Some(at(5)),
        ..Query::default()
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
    assert_eq!(decision_rows(&html) as u64, decisions);
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
fn a_denial_passed_on_in_observe_mode_is_noted() {
    let mut body = decision(1, Side::Input);
    body.mode = Mode::Observe;
    body.decision.effect = Effect::Deny;
    body.signals = vec![signal("weapons", Verdict::Present)];
    let home = Home::holding(&[decided(1, 10, body)]);
    let html = text(&make(&home.range(), ReportType::LogExtract), Format::Html);
    assert!(html.contains("observe mode against a decision to deny: 1 record, index 0."));
}

#[test]
fn a_long_table_is_cut_on_the_page_and_whole_in_csv() {
    let records: Vec<Record> = (0..510)
        .map(|number| decided(number, 10, decision(number, Side::Input)))
        .collect();
    let report = make(&Home::holding(&records).range(), ReportType::LogExtract);
    let html = text(&report, Format::Html);
    assert_eq!(decision_rows(&html), 500);
    assert!(html.contains("the first 500 of 510"));
    assert_eq!(csv_rows(&report).len(), 510);
}

#[test]
fn a_ledger_without_decisions_still_gives_a_certificate() {
    let home = Home::holding(&[heartbeat(1, 10, 0), heartbeat(2, 70, 0)]);
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
        "R99"
            .parse::<ReportType>()
            .unwrap_err()
            .to_string()
            .contains("log-extract")
    );
    assert!("docx".parse::<Format>().is_err());
}

#[test]
fn the_printed_checkpoint_and_key_open_the_range_that_was_reported() {
    let home = Home::holding(&mixed());
    for kind in KINDS {
        let ledger = json(&make(&home.range(), kind))["ledger"].clone();
        let key: VerifierKey = ledger["verifier_key"].as_str().unwrap().parse().unwrap();
        assert_eq!(&key, home.key());
        let opened = Checkpoint::open(ledger["checkpoint"].as_str().unwrap(), &key).unwrap();
        assert_eq!(&opened, home.range().checkpoint());
        assert_eq!(ledger["size"], opened.size);
    }
}
