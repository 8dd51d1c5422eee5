use super::*;
use crate::{Body, Record, RecordId, canonical_bytes};

fn written(body: Body) -> String {
    let record = Record::new(
        RecordId::new(uuid::Uuid::from_u128(1)),
        "2026-01-02T03:04:05.000000006Z".to_owned(),
        body,
    );
    let bytes = canonical_bytes(&record).unwrap();
    assert_eq!(Record::from_entry(&bytes).unwrap(), record);
    String::from_utf8(bytes).unwrap()
}

const FRAME: &str = r#""id":"00000000-0000-0000-0000-000000000001""#;
const END: &str = r#""v":"countersign/record/v1"}"#;
const TS: &str = r#""ts":"2026-01-02T03:04:05.000000006Z""#;

#[test]
fn a_key_record_has_these_bytes() {
    let key = Key {
        event: KeyEvent::Handover,
        before: Some("a+1+A".to_owned()),
        after: "a+2+B".to_owned(),
        actor: "operator:rotate".to_owned(),
        reason: "yearly".to_owned(),
    };
    let told = written(Body::Key(key));
    let expected = format!(
        r#"{{"actor":"operator:rotate","after":"a+2+B","before":"a+1+A","event":"handover",{FRAME},"reason":"yearly",{TS},"type":"key",{END}"#
    );
    assert_eq!(told, expected);
}

#[test]
fn a_clock_record_has_these_bytes() {
    let clock = Clock {
        event: ClockEvent::Step,
        offset_ns: -Clock::OFFSET_MAX,
        before: "b".to_owned(),
        after: "a".to_owned(),
        elapsed_us: 1_000_000,
    };
    let told = written(Body::Clock(clock));
    let expected = format!(
        r#"{{"after":"a","before":"b","elapsed_us":1000000,"event":"step",{FRAME},"offset_ns":-9007199254740991,{TS},"type":"clock",{END}"#
    );
    assert_eq!(told, expected);
}

#[test]
fn a_retention_record_has_these_bytes() {
    let retention = Retention {
        before: 512,
        actor: "operator:prune".to_owned(),
        reason: "kept for a year".to_owned(),
    };
    let told = written(Body::Retention(retention));
    let expected = format!(
        r#"{{"actor":"operator:prune","before":512,{FRAME},"reason":"kept for a year",{TS},"type":"retention",{END}"#
    );
    assert_eq!(told, expected);
}

#[test]
fn a_heartbeat_has_these_bytes() {
    let heartbeat = Heartbeat {
        exchanges: 7,
        open: 1,
        phase: Phase::Stop,
        uptime_s: 61,
        interval_s: 60,
        entries: 20,
        checkpoint: Some(19),
        closed_before: 18,
        in_force: Some(InForce { first: 1, last: 5 }),
    };
    let told = written(Body::Heartbeat(heartbeat));
    let expected = format!(
        r#"{{"checkpoint":19,"closed_before":18,"entries":20,"exchanges":7,{FRAME},"in_force":{{"first":1,"last":5}},"interval_s":60,"open":1,"phase":"stop",{TS},"type":"heartbeat","uptime_s":61,{END}"#
    );
    assert_eq!(told, expected);
}

#[test]
fn records_of_older_software_are_still_read() {
    let read = |text: String| Record::from_entry(text.as_bytes()).unwrap().body;
    let heartbeat = format!(r#"{{"exchanges":3,{FRAME},"open":2,{TS},"type":"heartbeat",{END}"#);
    let expected = Heartbeat {
        exchanges: 3,
        open: 2,
        ..Heartbeat::default()
    };
    assert_eq!(read(heartbeat), Body::Heartbeat(expected));
    let genesis = format!(
        r#"{{{FRAME},"software":"countersign","software_version":"0.1.0",{TS},"type":"genesis",{END}"#
    );
    let expected = Genesis {
        software: "countersign".to_owned(),
        software_version: "0.1.0".to_owned(),
        ..Genesis::default()
    };
    assert_eq!(read(genesis), Body::Genesis(expected));
}

#[test]
fn a_gap_of_too_many_exchanges_becomes_several_that_each_fit() {
    let id = |number| ExchangeId::new(uuid::Uuid::from_u128(number));
    let gap = Gap {
        cause: "unclean_stop".to_owned(),
        detail: "d".repeat(400),
        count: Some(9),
        exchanges: (0..3001).map(id).collect(),
        ..Gap::default()
    };
    let parts = gap.clone().in_parts();
    let named: Vec<_> = parts
        .iter()
        .flat_map(|part| part.exchanges.clone())
        .collect();
    assert_eq!(named, gap.exchanges);
    assert_eq!(
        parts.iter().map(|part| part.count).collect::<Vec<_>>(),
        [Some(9), None, None]
    );
    for part in parts {
        // The ledger's own members take less than 600 bytes.
        assert!(written(Body::Gap(part)).len() < 65_535 - 600);
    }
    let none = Gap {
        exchanges: Vec::new(),
        ..gap
    };
    assert_eq!(none.clone().in_parts(), [none]);
}
