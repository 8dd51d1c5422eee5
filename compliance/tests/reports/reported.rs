//! Records that people and other systems report, for the ledgers of these tests.

use std::collections::BTreeMap;

use countersign_record::{
    AuthorityDisclosure, Body, Change, Complaint, ComplaintStatus, Effect, Erasure, ErasureResult,
    EvaluationReport, Export, Handed, Hold, HoldRelease, HumanReview, Incident, IncidentCategory,
    IncidentStage, Key, KeyEvent, Outcome, OutcomeValue, Reconciliation, Record, Retention,
    ReviewVerdict, Truth,
};

use crate::common::{at, exchange, mixed, record};

pub(crate) fn sha(byte: u8) -> String {
    format!("sha256:{}", hex::encode([byte; 32]))
}

fn text(text: &str) -> String {
    text.to_owned()
}

pub(crate) fn review(number: u128, verdict: ReviewVerdict, seconds: u64) -> HumanReview {
    let wrong = verdict == ReviewVerdict::Disagreed;
    HumanReview {
        exchange: exchange(number),
        side: None,
        decision: None,
        verdict,
        labels: BTreeMap::from([(text("stereotype"), Truth::Absent)]),
        reviewer: text(if number.is_multiple_of(2) {
            "r-2"
        } else {
            "r-1"
        }),
        closed_at: at(5_000).to_string(),
        seconds,
        override_effect: wrong.then_some(Effect::Permit),
        override_reason: wrong.then(|| text("false_positive")),
    }
}

pub(crate) fn incident(reference: &str, stage: IncidentStage, second: i64) -> Incident {
    Incident {
        incident: text(reference),
        stage,
        category: IncidentCategory::Death,
        aware_at: text("2028-02-27T23:30:00Z"),
        link_at: None,
        stage_at: format!("2028-02-28T00:00:{second:02}Z"),
        zone: text("Europe/Berlin"),
        states: vec![text("DE")],
        exchanges: vec![exchange(7), exchange(777)],
        persons: Some(1),
        description: Some(sha(1)),
        hold: Some(format!("incident-{reference}")),
    }
}

pub(crate) fn change(subject: &str, before: Option<&str>, after: &str) -> Body {
    Body::Change(Change {
        subject: text(subject),
        name: format!("{subject}@1"),
        before: before.map(text),
        after: text(after),
        actor: text("operator:reload"),
        reason: text("changed"),
    })
}

pub(crate) fn complaint(reference: &str, status: ComplaintStatus) -> Body {
    Body::Complaint(Complaint {
        complaint: text(reference),
        exchange: Some(exchange(19)),
        category: text("wrongly_blocked"),
        channel: text("form"),
        status,
        status_at: at(5_100).to_string(),
    })
}

pub(crate) fn hold(id: &str) -> Body {
    Body::Hold(Hold {
        hold: text(id),
        cause: text("incident"),
        matter: text("INC-1"),
        exchanges: vec![exchange(7)],
        from: None,
        to: None,
        actor: text("intake"),
    })
}

fn outcome(number: u128, selected: bool) -> Body {
    Body::Outcome(Outcome {
        exchange: exchange(number),
        kind: text("selection"),
        value: OutcomeValue::Selected(selected),
        adverse: Some(!selected),
        decided_at: at(4_000).to_string(),
        source: text("ats"),
        late: false,
        subject: None,
        group: None,
        supersedes: None,
    })
}

fn erasure(request: &str, result: ErasureResult) -> Body {
    let done = result == ErasureResult::Done;
    Body::Erasure(Erasure {
        request: text(request),
        result,
        ground: text(if done { "gdpr-17-1" } else { "legal_claims" }),
        requested_at: at(4_000).to_string(),
        decided_at: at(4_500).to_string(),
        keys: if done {
            vec![text("dek-7")]
        } else {
            Vec::new()
        },
        pieces: if done { 3 } else { 0 },
        actor: text("dpo-1"),
    })
}

fn handed_out() -> [Body; 3] {
    [
        Body::Export(Export {
            bundle: sha(2),
            kind: text("evidence_bundle"),
            purpose: text("litigation"),
            recipient: text("counsel-1"),
            actor: text("op-3"),
            first: Some(0),
            last: Some(9),
        }),
        Body::DisclosureToAuthority(AuthorityDisclosure {
            request: text("msa-12"),
            authority: text("de-bnetza"),
            basis: text("eu-aia-21"),
            requested_at: at(4_000).to_string(),
            handed_over_at: Some(at(4_100).to_string()),
            items: vec![Handed {
                kind: text("log_extract"),
                digest: sha(3),
            }],
            confidential: true,
        }),
        Body::Evaluation(EvaluationReport {
            evaluation: text("rt-1"),
            kind: text("red_team"),
            report: sha(4),
            performed_at: at(100).to_string(),
            model: text("gpt-5"),
            system_prompt: None,
            evaluator: text("lab-1"),
            result: text("passed"),
        }),
    ]
}

fn reconciliation(missing_here: u64) -> Body {
    Body::Reconciliation(Reconciliation {
        vendor: text("openai"),
        from: at(0).to_string(),
        to: at(4_000).to_string(),
        vendor_count: 20 + missing_here,
        vendor_list: sha(5),
        our_count: 20,
        our_list: sha(6),
        matched: 20,
        missing_here,
        missing_there: 0,
    })
}

/// [`mixed`], and one or two of everything that is reported.
pub(crate) fn eventful() -> Vec<Record> {
    let mut bodies = vec![
        change("policy", None, &sha(7)),
        change("policy", Some(&sha(7)), &sha(7)),
        change("policy", Some(&sha(7)), &sha(8)),
        change("model", Some(&sha(9)), "none"),
        Body::Key(Key {
            event: KeyEvent::Created,
            before: None,
            after: text("example.com/ledger+1+A"),
            actor: text("start"),
            reason: text("new ledger"),
        }),
        Body::HumanReview(review(19, ReviewVerdict::Agreed, 4)),
        Body::HumanReview(review(19, ReviewVerdict::Disagreed, 61)),
        Body::HumanReview(review(778, ReviewVerdict::Agreed, 30)),
        outcome(19, false),
        outcome(999, true),
        complaint("c-1", ComplaintStatus::Received),
        complaint("c-1", ComplaintStatus::Upheld),
        complaint("c-2", ComplaintStatus::Received),
        hold("incident-INC-1"),
        hold("matter-9"),
        Body::HoldRelease(HoldRelease {
            hold: text("matter-9"),
            actor: text("dpo-1"),
            reason: text("settled"),
        }),
        erasure("dsr-1", ErasureResult::Done),
        erasure("dsr-2", ErasureResult::Refused),
        Body::Retention(Retention {
            before: 0,
            actor: text("operator:prune"),
            reason: text("records are kept for 400 days"),
        }),
        reconciliation(0),
        reconciliation(2),
        Body::Incident(incident("INC-1", IncidentStage::Opened, 1)),
        Body::Incident(incident("INC-1", IncidentStage::Initial, 30)),
        Body::Incident(Incident {
            hold: None,
            category: IncidentCategory::Undetermined,
            ..incident("INC-2", IncidentStage::Opened, 2)
        }),
    ];
    bodies.extend(handed_out());
    let mut records = mixed();
    let reported = (0u32..).zip(bodies).map(|(place, body)| {
        body.validate().unwrap();
        record(1000 + u128::from(place), 5_000 + i64::from(place), body)
    });
    records.extend(reported);
    records
}
