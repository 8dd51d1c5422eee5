//! Whatever is thrown at it, a document is refused or decides.

use std::time::{Duration, Instant};

use countersign_policy::{Facts, Policy, TAXONOMY};
use countersign_record::{Effect, Side};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

const TOKENS: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "?",
    "&&",
    "||",
    "!",
    "-",
    "+",
    "*",
    "/",
    "%",
    "<",
    ">=",
    "==",
    "!=",
    " in ",
    ".",
    "0",
    "1",
    "0.5",
    "9223372036854775807",
    "1u",
    "\"a\"",
    "\"\"",
    "true",
    "false",
    "null",
    "tags",
    "metadata",
    "metadata.a",
    "side",
    "model",
    "not_evaluated",
    "signals.hate.score",
    "signals.hate.present",
    "groups.pii.present",
    "sizes.bytes",
    "size(",
    "int(",
    "double(",
    "string(",
    "has(",
    ".exists(t, ",
    ".all(t, ",
    ".map(t, ",
    ".filter(t, ",
    ".contains(",
    ".startsWith(",
    "t",
    "nope",
];

fn parse(when: &str) -> Option<Policy> {
    let quoted = when.replace('\'', "''");
    let text = format!(
        "id: p\nversion: '1'\ntitle: T\nrules:\n  - {{ id: r, title: R, on: both, \
         effect: escalate, when: '{quoted}' }}"
    );
    let labels: Vec<String> = TAXONOMY.iter().map(|label| (*label).to_owned()).collect();
    Policy::parse(&text, "p.yaml", &labels).ok()
}

fn expression() -> impl Strategy<Value = String> {
    let number = prop::sample::select(&["0", "1", "sizes.bytes", "size(tags)"][..]);
    let comparison = prop::sample::select(&["==", "<", ">=", "!=", "+", "/", "%"][..]);
    let leaf = prop_oneof![
        prop::sample::select(
            &[
                "true",
                "not_evaluated",
                "signals.hate.present",
                "model",
                "tags",
                "metadata.a"
            ][..]
        )
        .prop_map(str::to_owned),
        (number.clone(), comparison, number).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
    ];
    leaf.prop_recursive(5, 24, 3, |inner| {
        prop_oneof![
            (
                inner.clone(),
                prop::sample::select(&["&&", "||", "==", "in"][..]),
                inner.clone()
            )
                .prop_map(|(a, op, b)| format!("({a}) {op} ({b})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            inner.clone().prop_map(|a| format!("tags.exists(t, {a})")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(a, b, c)| format!("({a}) ? ({b}) : ({c})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_text_is_refused_or_read(text in "\\PC{0,200}") {
        let refused = Policy::parse(&text, "p.yaml", &[]).err();
        prop_assert!(refused.is_some_and(|errors| errors.errors.iter().all(|e| e.line >= 1)));
    }

    #[test]
    fn any_row_of_tokens_is_refused_or_decides(
        tokens in prop::collection::vec(prop::sample::select(TOKENS), 1..16)
    ) {
        if let Some(policy) = parse(&tokens.concat()) {
            let decision = policy.evaluate(&Facts::new(Side::Input));
            prop_assert_eq!(decision.effect == Effect::Permit, decision.rules.is_empty());
        }
    }

    #[test]
    fn any_sound_condition_decides_the_same_twice(
        when in expression(), tags in prop::collection::vec("[a-c]{0,2}", 0..4)
    ) {
        if let Some(policy) = parse(&when) {
            let facts = Facts { tags, ..Facts::new(Side::Output) };
            let decision = policy.evaluate(&facts);
            prop_assert_eq!(&decision, &policy.evaluate(&facts));
            prop_assert_eq!(decision.effect == Effect::Permit, decision.rules.is_empty());
        }
    }
}

#[test]
fn most_generated_conditions_are_sound_so_the_properties_mean_something() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let sound = (0..100).filter(|_| {
        let tree = expression()
            .new_tree(&mut runner)
            .expect("a strategy without filters");
        parse(&tree.current()).is_some()
    });
    assert!(sound.count() >= 50);
}

#[test]
fn the_costliest_loops_within_the_bounds_end_in_time() {
    let pair = "tags.all(a, tags.all(b, a == b))";
    let when = [pair; 100].join(" && ");
    let policy = parse(&when).expect("within the bounds");
    let tags = vec!["x".repeat(64); 64];
    let facts = Facts {
        tags,
        ..Facts::new(Side::Input)
    };
    let start = Instant::now();
    assert_eq!(policy.evaluate(&facts).effect, Effect::Escalate);
    let took = start.elapsed();
    assert!(took < Duration::from_mins(1), "{took:?}");
}

#[test]
fn the_example_of_the_manual_passes_its_own_tests() {
    let manual = include_str!("../../docs/policy.md");
    let example = manual
        .split("```yaml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let labels: Vec<String> = TAXONOMY.iter().map(|label| (*label).to_owned()).collect();
    let policy = Policy::parse(example.expect("an example"), "policy.md", &labels)
        .expect("a sound document");
    let results = policy.run_tests();
    assert_eq!(results.len(), 6);
    assert!(results.iter().all(|result| result.passed), "{results:#?}");
}
