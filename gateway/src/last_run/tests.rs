use std::cell::Cell;

use countersign_record::{
    Coverage, Decision, Effect, Gap, InForce, Mode, ModelRef, PolicyRef, RecordId, Timeline, commit,
};

use super::*;

fn id(number: u128) -> ExchangeId {
    ExchangeId::new(uuid::Uuid::from_u128(number))
}

fn decided(exchange: u128, side: Side, action: Action) -> Body {
    let none = commit(&countersign_record::Salt::new([0; 32]), [b"".as_slice()]);
    Body::Decision(Box::new(DecisionBody {
        exchange: id(exchange),
        side,
        route: String::new(),
        dialect: String::new(),
        operation: String::new(),
        stream: false,
        model: ModelRef::default(),
        principal: None,
        times: Timeline::default(),
        coverage: Coverage {
            received_bytes: 0,
            received: none.clone(),
            scanned_bytes: 0,
            scanned: none,
            channels: 0,
            forwarded_bytes: 0,
            forwarded: None,
            judged: Vec::new(),
            unscanned: Vec::new(),
        },
        detectors: Vec::new(),
        signals: Vec::new(),
        policy: PolicyRef {
            id: String::new(),
            version: String::new(),
            digest: String::new(),
        },
        mode: Mode::Enforce,
        decision: Decision {
            effect: Effect::Permit,
            rules: Vec::new(),
            redact: Vec::new(),
            message: None,
        },
        action,
        delivery: None,
        usage: None,
        vendor_request_id: None,
        software_version: "0.9".to_owned(),
    }))
}

fn input(exchange: u128) -> Body {
    decided(exchange, Side::Input, Action::Forwarded)
}

fn output(exchange: u128) -> Body {
    decided(exchange, Side::Output, Action::Forwarded)
}

fn beat(phase: Phase, closed_before: u64, in_force: Option<InForce>) -> Body {
    Body::Heartbeat(Heartbeat {
        phase,
        closed_before,
        interval_s: 60,
        in_force,
        ..Heartbeat::default()
    })
}

fn change(name: &str, after: &str) -> Body {
    Body::Change(Change {
        subject: "policy".to_owned(),
        name: name.to_owned(),
        before: None,
        after: after.to_owned(),
        actor: "start".to_owned(),
        reason: "put in force".to_owned(),
    })
}

/// What is read of these entries, and how many reads it took.
fn read(bodies: Vec<Body>) -> (LastRun, u64) {
    let entries: Vec<Vec<u8>> = (0..)
        .zip(bodies)
        .map(|(number, body)| {
            let ts = format!("2026-01-01T00:00:{number:02}Z");
            let record = Record::new(RecordId::new(uuid::Uuid::nil()), ts, body);
            countersign_record::canonical_bytes(&record).unwrap()
        })
        .collect();
    let reads = Cell::new(0);
    let run = LastRun::read(entries.len() as u64, |index| {
        reads.set(reads.get() + 1);
        Ok::<_, ()>(entries.get(usize::try_from(index).unwrap()).cloned())
    });
    (run.unwrap(), reads.get())
}

#[test]
fn inputs_that_were_passed_on_without_an_output_are_open_in_their_order() {
    let blocked = decided(4, Side::Input, Action::Blocked);
    let (run, _) = read(vec![input(1), input(2), output(1), input(3), blocked]);
    assert_eq!(run.open, [id(2), id(3)]);
    assert!(run.complete && !run.said_stop);
    assert_eq!(run.last.as_deref(), Some("2026-01-01T00:00:04Z"));
}

#[test]
fn the_walk_ends_where_the_last_heartbeat_says_that_everything_is_closed() {
    let mut bodies: Vec<Body> = (1..=20).flat_map(|n| [input(n), output(n)]).collect();
    bodies.push(input(50));
    bodies.push(beat(Phase::Serving, 40, None));
    bodies.push(input(51));
    let (run, reads) = read(bodies);
    assert_eq!(run.open, [id(50), id(51)]);
    assert_eq!(reads, 3);
    assert!(run.complete);
}

#[test]
fn a_heartbeat_that_vouches_for_nothing_does_not_end_the_walk() {
    let (run, reads) = read(vec![input(1), beat(Phase::Serving, 0, None), input(2)]);
    assert_eq!(run.open, [id(1), id(2)]);
    assert_eq!(reads, 3);
}

#[test]
fn what_a_gap_has_named_is_closed_also_when_the_start_that_wrote_it_crashed() {
    let gap = Body::Gap(Gap {
        exchanges: vec![id(1)],
        ..Gap::default()
    });
    let (run, _) = read(vec![input(1), input(2), gap, input(3)]);
    assert_eq!(run.open, [id(2), id(3)]);
}

#[test]
fn only_a_stop_after_which_nothing_was_served_is_an_orderly_end() {
    let stop = || beat(Phase::Stop, 1, None);
    assert!(read(vec![input(1), stop()]).0.said_stop);
    assert!(!read(vec![input(1), stop(), input(2)]).0.said_stop);
    // The key of a stopped gateway was rotated, for example.
    assert!(read(vec![input(1), stop(), change("a", "1")]).0.said_stop);
    assert!(
        !read(vec![input(1), beat(Phase::Serving, 1, None)])
            .0
            .said_stop
    );
    assert_eq!(read(vec![input(1), stop()]).0.interval_s, Some(60));
}

#[test]
fn what_was_in_force_is_found_through_the_heartbeat_and_overtaken_by_what_came_after() {
    let told = Some(InForce { first: 0, last: 3 });
    let mut bodies = vec![
        change("a@8", "1"),
        input(1),
        change("b", "1"),
        change("c", "1"),
    ];
    bodies.push(change("x", "outside of what the heartbeat names"));
    bodies.push(output(1));
    bodies.push(beat(Phase::Serving, 6, told));
    bodies.push(change("a@9", "2"));
    bodies.push(change("b", "none"));
    // Older software announced no version; its decisions tell it.
    bodies.push(input(2));
    let (run, _) = read(bodies);
    let name = |name: &str| ("policy".to_owned(), name.to_owned());
    let software = ("software".to_owned(), "countersign".to_owned());
    let expected = [
        (software, "0.9".to_owned()),
        (name("a"), "2".to_owned()),
        (name("c"), "1".to_owned()),
    ];
    assert_eq!(run.in_force, expected.into());
}

#[test]
fn a_walk_that_meets_pruned_entries_says_that_it_is_not_complete() {
    let run = LastRun::read(5, |_index| Ok::<_, ()>(None)).unwrap();
    assert!(!run.complete);
}
