use std::fmt::Write;

use proptest::prelude::*;

use super::*;
use crate::keys::{Handover, KeyRing};

fn keys(count: u8) -> String {
    let mut text = format!("log {}\n", log_key(7).1);
    for seed in 1..=count {
        let (_, key) = witness_key(seed);
        writeln!(text, "witness w{seed} {key} http://127.0.0.1:{seed}/").unwrap();
    }
    text
}

fn cosigned(note: &str, seeds: &[u8]) -> String {
    let (text, _) = parts(note).unwrap();
    let sign = |seed: &u8| {
        let (signer, key) = witness_key(*seed);
        cosign(&key, &*signer, text, 1).unwrap()
    };
    append(note, &seeds.iter().map(sign).collect::<Vec<_>>()).unwrap()
}

#[test]
fn the_example_of_the_specification_counts_as_it_says() {
    let text = format!(
        "# two parties\n{}\n \tgroup X 2 w1\tw2 w3\ngroup Y any w4 w5\ngroup both all X Y\nquorum both\n",
        keys(5)
    );
    let policy: Policy = text.parse().unwrap();
    assert_eq!(policy.witnesses().len(), 5);
    assert_eq!(
        policy.witnesses()[2].url.as_deref(),
        Some("http://127.0.0.1:3/")
    );
    let note = Tree::new(5, 5).note(5, 7);
    for (seeds, enough) in [
        (&[1, 2, 4][..], true),
        (&[1, 3, 5], true),
        (&[1, 2, 3, 4, 5], true),
        (&[1, 2, 3], false),
        (&[1, 4, 5], false),
        (&[], false),
    ] {
        assert_eq!(
            policy.open(&cosigned(&note, seeds)).is_ok(),
            enough,
            "{seeds:?}"
        );
    }
    let by_another_log = cosigned(&Tree::new(5, 5).note(5, 8), &[1, 2, 4]);
    assert!(matches!(
        policy.open(&by_another_log),
        Err(NotWitnessed::Log(_))
    ));
}

#[test]
fn quorum_none_needs_nobody() {
    let policy: Policy = format!("log {}\nquorum none\n", log_key(7).1)
        .parse()
        .unwrap();
    assert!(policy.needs_none());
    assert_eq!(policy.open(&Tree::new(5, 5).note(5, 7)).unwrap().size, 5);
}

#[test]
fn one_key_of_a_log_stands_for_those_that_handovers_join_to_it() {
    let ((old, old_name), (new, new_name)) = (log_key(7), log_key(8));
    let handover = Handover::make(old_name.name(), &old, &new, 3).unwrap();
    let mut ring = KeyRing::trusting(old_name.clone());
    ring.learn(&handover).unwrap();
    let tree = Tree::new(5, 5);
    let quorum = keys(1).replace(&format!("log {old_name}\n"), "");
    for log in [Some(&old_name), Some(&new_name), None] {
        let log = log.map_or(String::new(), |log| format!("log {log}\n"));
        let policy: Policy = format!("{log}{quorum}quorum w1\n").parse().unwrap();
        for (size, seed, holds) in [(3, 7, true), (5, 8, true), (5, 7, false), (3, 8, false)] {
            let note = tree.note(size, seed);
            let witnessed = cosigned(&note, &[1]);
            assert_eq!(policy.open_with(&witnessed, &ring).is_ok(), holds);
            assert!(policy.open_with(&note, &ring).is_err(), "no quorum");
        }
    }
    // A policy for another log is not satisfied by this one's keys.
    let stranger = log_key(9).1;
    let policy: Policy = format!("log {stranger}\nquorum none\n").parse().unwrap();
    assert!(policy.open_with(&tree.note(5, 8), &ring).is_err());
}

#[test]
fn what_the_specification_forbids_is_refused_with_its_line() {
    let known = keys(3);
    let w1 = witness_key(1).1;
    for (line, text) in [
        (0, known.clone()),
        (5, format!("{known}quorum nobody")),
        (5, format!("{known}group none any w1\nquorum w1")),
        (5, format!("{known}group g 0 w1 w2\nquorum g")),
        (5, format!("{known}group g 3 w1 w2\nquorum g")),
        (5, format!("{known}group g 01 w1 w2\nquorum g")),
        (5, format!("{known}group g any\nquorum g")),
        (5, format!("{known}group g any w1 w1\nquorum g")),
        (
            6,
            format!("{known}group g any w1\ngroup h any w1\nquorum h"),
        ),
        (5, format!("{known}group g any g\nquorum g")),
        (5, format!("{known}group g any none\nquorum g")),
        (5, format!("{known}group w1 any w2\nquorum w1")),
        (6, format!("{known}quorum w1\nquorum w2")),
        (5, format!("{known}witness again {w1}\nquorum w1")),
        (5, format!("{known}log {}\nquorum w1", log_key(7).1)),
        (5, format!("{known}log {w1}\nquorum w1")),
        (5, format!("{known}whatever\nquorum w1")),
        (0, format!("{known}quorum w1\r\n")),
        (0, format!("{}quorum none", "#\n".repeat(40_000))),
    ] {
        let error = text.parse::<Policy>().unwrap_err();
        assert_eq!(error.line, line, "{text}: {error}");
    }
}

#[test]
fn more_than_32_witnesses_are_refused() {
    assert!(
        format!("{}quorum none\n", keys(33))
            .parse::<Policy>()
            .is_err()
    );
    assert!(
        format!("{}quorum none\n", keys(32))
            .parse::<Policy>()
            .is_ok()
    );
}

proptest! {
    #[test]
    fn a_threshold_group_is_satisfied_by_its_number_of_members_and_no_fewer(
        n in 1u8..10, k in 1u8..10, present in any::<u16>(),
    ) {
        prop_assume!(k <= n);
        let names: Vec<String> = (1..=n).map(|seed| format!("w{seed}")).collect();
        let text = format!("{}group g {k} {}\nquorum g\n", keys(n), names.join(" "));
        let policy: Policy = text.parse().unwrap();
        let signed = |index: usize| present >> index & 1 == 1;
        let count = (0..usize::from(n)).filter(|i| signed(*i)).count();
        prop_assert_eq!(policy.satisfied(&signed), count >= usize::from(k));
    }
}
