use countersign_ledger::{SigningKey, VerifierKey};

use super::*;

fn recovery(clean_stop: bool) -> Recovery {
    let key = SigningKey::from_bytes(&[7; 32]).verifying_key();
    Recovery {
        entries: 5,
        torn_bytes: 0,
        clean_stop,
        key: VerifierKey::new("a", key).unwrap(),
    }
}

fn run(last: &str) -> LastRun {
    LastRun {
        last: Some(last.to_owned()),
        interval_s: Some(60),
        complete: true,
        ..LastRun::default()
    }
}

fn causes(clean_stop: bool, last: &LastRun) -> Vec<String> {
    let gaps = gaps(&recovery(clean_stop), last);
    gaps.into_iter().map(|gap| gap.cause).collect()
}

#[test]
fn a_crash_is_a_gap_from_the_last_record_that_names_what_was_open() {
    let open = vec![countersign_gateway::new_exchange_id()];
    let last = LastRun {
        open: open.clone(),
        complete: false,
        ..run("2026-01-01T00:00:00Z")
    };
    let found = gaps(&recovery(false), &last);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].cause, "unclean_stop");
    assert_eq!(found[0].from.as_deref(), Some("2026-01-01T00:00:00Z"));
    assert_eq!(found[0].exchanges, open);
    assert!(found[0].detail.ends_with("not looked for."));
}

#[test]
fn an_orderly_stop_is_no_gap_however_long_ago_it_was() {
    let last = LastRun {
        said_stop: true,
        ..run("2020-01-01T00:00:00Z")
    };
    assert!(causes(true, &last).is_empty());
}

#[test]
fn a_silence_that_was_not_announced_is_a_gap_after_two_intervals() {
    let ago = |seconds| Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
    assert_eq!(causes(true, &run(&ago(125).to_string())), ["silence"]);
    assert!(causes(true, &run(&ago(110).to_string())).is_empty());
}

#[test]
fn what_was_open_at_an_orderly_stop_is_named() {
    let last = LastRun {
        said_stop: true,
        open: vec![countersign_gateway::new_exchange_id()],
        ..run("2026-01-01T00:00:00Z")
    };
    assert_eq!(causes(true, &last), ["open_at_stop"]);
}

#[test]
fn a_change_says_what_it_replaces_and_what_is_gone_is_withdrawn() {
    let item = |subject, name: &str, digest: &str| Item {
        subject,
        name: name.to_owned(),
        digest: digest.to_owned(),
    };
    let old = [
        item("policy", "gone@1", "g"),
        item("policy", "kept@1", "k"),
        item("policy", "moved@1", "m1"),
    ];
    let before = old.iter().map(Item::entry).collect();
    let new = [
        item("policy", "kept@1", "k"),
        item("policy", "moved@2", "m2"),
        item("model", "new@1", "n"),
    ];
    let told: Vec<_> = changes(&before, &new, "operator:reload")
        .into_iter()
        .map(|c| (c.name, c.before, c.after, c.reason))
        .collect();
    let row = |name: &str, before: Option<&str>, after: &str, reason: &str| {
        let before = before.map(str::to_owned);
        (name.to_owned(), before, after.to_owned(), reason.to_owned())
    };
    let expected = [
        row("gone", Some("g"), "none", "withdrawn"),
        row("kept@1", Some("k"), "k", "unchanged"),
        row("moved@2", Some("m1"), "m2", "changed"),
        row("new@1", None, "n", "put in force"),
    ];
    assert_eq!(told, expected);
}
