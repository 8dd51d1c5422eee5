use std::collections::BTreeMap;

use super::*;
use crate::{
    Body, Complaint, ComplaintStatus, Effect, Erasure, ErasureResult, ExchangeId, GroupRef,
    HumanReview, Incident, IncidentCategory, IncidentStage, Outcome, OutcomeValue, Reconciliation,
    Record, RecordId, ReviewVerdict, Truth, canonical_bytes,
};

fn id() -> ExchangeId {
    ExchangeId::new(uuid::Uuid::from_u128(7))
}

fn sha() -> String {
    format!("sha256:{}", "0a".repeat(32))
}

fn outcome() -> Outcome {
    Outcome {
        exchange: id(),
        kind: "selection".to_owned(),
        value: OutcomeValue::Selected(true),
        adverse: None,
        decided_at: "2026-11-24T08:00:00Z".to_owned(),
        source: "ats".to_owned(),
        late: false,
        subject: None,
        group: Some(GroupRef {
            file: sha(),
            row: sha(),
        }),
        supersedes: None,
    }
}

fn incident() -> Incident {
    Incident {
        incident: "INC-7".to_owned(),
        stage: IncidentStage::Opened,
        category: IncidentCategory::Death,
        aware_at: "2026-11-24T08:00:00Z".to_owned(),
        link_at: None,
        stage_at: "2026-11-24T09:00:00.5Z".to_owned(),
        zone: "Europe/Berlin".to_owned(),
        states: vec!["DE".to_owned()],
        exchanges: vec![id()],
        persons: None,
        description: None,
        hold: None,
    }
}

#[test]
fn an_outcome_record_has_these_bytes_and_is_read_again() {
    let body = Body::Outcome(outcome());
    body.validate().unwrap();
    let ts = "2026-01-02T03:04:05.000000006Z".to_owned();
    let record = Record::new(RecordId::new(uuid::Uuid::from_u128(1)), ts, body);
    let bytes = canonical_bytes(&record).unwrap();
    assert_eq!(Record::from_entry(&bytes).unwrap(), record);
    let expected = format!(
        r#"{{"decided_at":"2026-11-24T08:00:00Z","exchange":"00000000-0000-0000-0000-000000000007","group":{{"file":"{sha}","row":"{sha}"}},"id":"00000000-0000-0000-0000-000000000001","kind":"selection","late":false,"source":"ats","ts":"2026-01-02T03:04:05.000000006Z","type":"outcome","v":"countersign/record/v1","value":{{"selected":true}}}}"#,
        sha = sha()
    );
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
}

#[test]
fn free_text_and_addresses_are_no_codes_and_no_references() {
    for text in ["", "a b", "A", "ä", "a@b", "line\n", &"a".repeat(65)] {
        assert!(code("m", text).is_err(), "{text:?}");
    }
    for text in ["", "Jane Doe", "jane@example.com", "=1+1", &"a".repeat(129)] {
        assert!(reference("m", text).is_err(), "{text:?}");
    }
    assert!(code("m", "pii.email").is_ok() && reference("m", "INC-2026/07#3").is_ok());
}

#[test]
fn instants_are_utc_and_decimals_are_bounded() {
    for text in ["2026-11-24T08:00:00Z", "2026-11-24T08:00:00.123456789Z"] {
        assert!(instant("m", text).is_ok(), "{text}");
    }
    for text in [
        "2026-11-24",
        "2026-11-24T08:00:00",
        "2026-11-24T08:00:00+01:00",
        "2026-11-24T08:00:00.Z",
        "2026-11-24T08:00:00.1234567890Z",
        "2026-11-24t08:00:00Z",
        "ä026-11-24T08:00:00Z",
    ] {
        assert!(instant("m", text).is_err(), "{text}");
    }
    for text in ["0", "-3.5", "0.734", "123456789012.123456789"] {
        assert!(decimal("m", text).is_ok(), "{text}");
    }
    for text in [
        "",
        ".5",
        "5.",
        "1e3",
        "NaN",
        "+1",
        "1234567890123",
        "0.1234567890",
    ] {
        assert!(decimal("m", text).is_err(), "{text}");
    }
}

#[test]
fn a_refusal_names_the_member() {
    let named = |body: Body| body.validate().unwrap_err().member;
    let group = |group: &str| {
        let mut body = outcome();
        body.group.as_mut().unwrap().row = group.to_owned();
        Body::Outcome(body)
    };
    assert_eq!(named(group("female")), "group.row");
    let mut early = incident();
    early.stage_at = "2026-11-24T07:59:59Z".to_owned();
    assert_eq!(named(Body::Incident(early)), "stage_at");
    let mut many = incident();
    many.exchanges = vec![id(); EXCHANGES_MAX + 1];
    assert_eq!(named(Body::Incident(many)), "exchanges");
    let mut nowhere = incident();
    nowhere.zone = "Berlin, Germany".to_owned();
    assert_eq!(named(Body::Incident(nowhere)), "zone");
}

#[test]
fn an_override_without_a_reason_is_refused() {
    let mut review = HumanReview {
        exchange: id(),
        side: None,
        decision: None,
        verdict: ReviewVerdict::Disagreed,
        labels: BTreeMap::from([("toxicity".to_owned(), Truth::Absent)]),
        reviewer: "r-17".to_owned(),
        closed_at: "2026-11-24T08:00:00Z".to_owned(),
        seconds: 41,
        override_effect: Some(Effect::Permit),
        override_reason: None,
    };
    assert_eq!(review.validate().unwrap_err().member, "override_reason");
    review.override_reason = Some("false_positive".to_owned());
    assert_eq!(review.validate(), Ok(()));
    review.seconds = 31 * 86_400;
    assert_eq!(review.validate().unwrap_err().member, "seconds");
}

#[test]
fn counts_of_a_reconciliation_must_add_up() {
    let mut body = Reconciliation {
        vendor: "openai".to_owned(),
        from: "2026-11-01T00:00:00Z".to_owned(),
        to: "2026-12-01T00:00:00Z".to_owned(),
        vendor_count: 10,
        vendor_list: sha(),
        our_count: 9,
        our_list: sha(),
        matched: 8,
        missing_here: 2,
        missing_there: 1,
    };
    assert_eq!(body.validate(), Ok(()));
    body.missing_here = 1;
    assert_eq!(body.validate().unwrap_err().member, "missing_here");
    body.missing_here = 2;
    body.missing_there = u64::MAX;
    assert_eq!(body.validate().unwrap_err().member, "missing_there");
}

#[test]
fn a_refused_erasure_destroyed_nothing() {
    let mut body = Erasure {
        request: "dsr-4".to_owned(),
        result: ErasureResult::Refused,
        ground: "legal_claims".to_owned(),
        requested_at: "2026-11-01T00:00:00Z".to_owned(),
        decided_at: "2026-11-02T00:00:00Z".to_owned(),
        keys: Vec::new(),
        pieces: 0,
        actor: "dpo-1".to_owned(),
    };
    assert_eq!(body.validate(), Ok(()));
    body.pieces = 1;
    assert_eq!(body.validate().unwrap_err().member, "result");
}

#[test]
fn a_body_names_the_exchanges_it_is_about_and_its_type() {
    let complaint = |exchange| {
        Body::Complaint(Complaint {
            complaint: "c-1".to_owned(),
            exchange,
            category: "wrongly_blocked".to_owned(),
            channel: "form".to_owned(),
            status: ComplaintStatus::Received,
            status_at: "2026-11-24T08:00:00Z".to_owned(),
        })
    };
    assert_eq!(complaint(Some(id())).exchanges(), [id()]);
    assert_eq!(complaint(None).exchanges(), []);
    assert_eq!(Body::Incident(incident()).exchanges(), [id()]);
    for body in [
        complaint(None),
        Body::Incident(incident()),
        Body::Outcome(outcome()),
    ] {
        let written = serde_json::to_value(&body).unwrap();
        assert_eq!(written["type"], body.kind());
    }
}
