//! The shipped policy, through the public API.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a broken fixture must fail the test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use countersign_policy::{DEFAULT_POLICY, Facts, Policy, SignalFact, TAXONOMY};
use countersign_record::{Effect, RuleOutcome, Score, Side};
use proptest::prelude::*;

fn labels() -> Vec<String> {
    TAXONOMY.iter().map(|label| (*label).to_owned()).collect()
}

fn shipped() -> &'static Policy {
    static SHIPPED: LazyLock<Policy> = LazyLock::new(|| {
        Policy::parse(DEFAULT_POLICY, "default.yaml", &labels()).unwrap_or_else(|e| panic!("{e}"))
    });
    &SHIPPED
}

fn with(side: Side, present: &[&str]) -> Facts {
    let fact = SignalFact {
        score: Score::MAX,
        present: true,
    };
    let signals = present
        .iter()
        .map(|label| ((*label).to_owned(), fact))
        .collect();
    Facts {
        signals,
        ..Facts::new(side)
    }
}

#[test]
fn its_own_tests_pass_and_cover_every_rule_both_ways() {
    let policy = shipped();
    let results = policy.run_tests();
    let failed: Vec<_> = results.iter().filter(|result| !result.passed).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    for rule in policy.rules() {
        let of_rule: Vec<_> = results
            .iter()
            .filter(|result| result.rule == rule.id)
            .collect();
        let quiet = of_rule
            .iter()
            .filter(|r| r.detail.starts_with("expected Quiet"))
            .count();
        assert!(quiet >= 1, "{} has no quiet test", rule.id);
        assert!(of_rule.len() > quiet, "{} has no firing test", rule.id);
    }
}

#[test]
fn every_label_of_the_taxonomy_does_something_on_some_side() {
    let policy = shipped();
    for label in TAXONOMY {
        let effects =
            [Side::Input, Side::Output].map(|side| policy.evaluate(&with(side, &[label])).effect);
        assert!(
            effects.iter().any(|effect| *effect != Effect::Permit),
            "{label}"
        );
    }
}

#[test]
fn nothing_found_is_permitted_and_names_no_rule() {
    for side in [Side::Input, Side::Output] {
        let decision = shipped().evaluate(&Facts::new(side));
        assert_eq!(decision.effect, Effect::Permit);
        assert!(decision.rules.is_empty() && decision.message.is_none());
    }
}

#[test]
fn a_cry_for_help_is_escalated_and_an_instruction_is_denied() {
    let policy = shipped();
    let effect = |side| policy.evaluate(&with(side, &["self_harm"])).effect;
    assert_eq!(effect(Side::Input), Effect::Escalate);
    assert_eq!(effect(Side::Output), Effect::Deny);
}

#[test]
fn personal_data_and_secrets_are_redacted_on_both_sides() {
    let policy = shipped();
    for side in [Side::Input, Side::Output] {
        let decision = policy.evaluate(&with(side, &["pii.email", "secret.jwt"]));
        assert_eq!(decision.effect, Effect::Transform);
        assert_eq!(decision.redact, ["pii.*", "secret.*"]);
        assert!(policy.redacts(&decision, "pii.iban"));
        assert!(policy.redacts(&decision, "secret.private_key"));
        assert!(!policy.redacts(&decision, "hate"));
        assert!(!policy.redacts(&decision, "piihole"));
    }
}

#[test]
fn an_escalation_keeps_its_redactions() {
    let policy = shipped();
    let decision = policy.evaluate(&with(Side::Input, &["self_harm", "pii.phone"]));
    assert_eq!(decision.effect, Effect::Escalate);
    assert!(policy.redacts(&decision, "pii.phone"));
}

#[test]
fn a_denial_says_why_in_the_first_denying_rules_words() {
    let decision = shipped().evaluate(&with(Side::Input, &["jailbreak", "unsafe", "pii.ip"]));
    assert_eq!(decision.effect, Effect::Deny);
    let ids: Vec<&str> = decision.rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(ids, ["prompt-attack", "unsafe", "personal-data"]);
    assert!(
        decision
            .message
            .is_some_and(|message| message.contains("override"))
    );
}

fn any_side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Input), Just(Side::Output)]
}

/// Scores in ppm, present from a threshold of one half.
fn any_scores() -> impl Strategy<Value = BTreeMap<String, u32>> {
    let label = prop_oneof![
        4 => prop::sample::select(TAXONOMY).prop_map(str::to_owned),
        1 => "[a-z]{1,8}(\\.[a-z]{1,8})?",
    ];
    prop::collection::btree_map(label, 0..=1_000_000_u32, 0..12)
}

fn facts(side: Side, scores: impl IntoIterator<Item = (String, u32)>) -> Facts {
    let fact = |(label, ppm)| {
        let score = Score::from_ppm(ppm).expect("generated within bounds");
        (
            label,
            SignalFact {
                score,
                present: ppm >= 500_000,
            },
        )
    };
    Facts {
        signals: scores.into_iter().map(fact).collect(),
        ..Facts::new(side)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_decision_other_than_permit_names_a_rule_of_the_policy(
        side in any_side(), scores in any_scores(),
        texts in prop::collection::vec(".{0,20}", 4),
        reasons in prop::collection::vec(".{0,20}", 0..80),
        numbers in any::<(u64, u32, u64, u64)>(),
    ) {
        let policy = shipped();
        let mut facts = facts(side, scores);
        facts.model.clone_from(&texts[0]);
        facts.principal = Some(texts[1].clone());
        facts.tags = texts.clone();
        facts.metadata.insert(texts[2].clone(), texts[3].clone());
        facts.not_evaluated = reasons;
        facts.sizes.bytes = numbers.0;
        facts.sizes.channels = numbers.1;
        facts.usage.input_tokens = numbers.2;
        facts.usage.output_tokens = numbers.3;
        let decision = policy.evaluate(&facts);
        let strongest = decision.rules.iter().map(|rule| rule.effect).max();
        prop_assert_eq!(decision.effect, strongest.unwrap_or(Effect::Permit));
        let known: BTreeSet<&str> = policy.rules().iter().map(|rule| rule.id.as_str()).collect();
        prop_assert!(decision.rules.iter().all(|rule| known.contains(rule.id.as_str())));
        prop_assert_eq!(decision.effect == Effect::Deny, decision.message.is_some());
        if facts.not_evaluated.len() <= 64 {
            prop_assert!(decision.rules.iter().all(|r| r.outcome == RuleOutcome::Matched));
        } else {
            prop_assert_eq!(decision.effect, Effect::Deny);
        }
    }

    #[test]
    fn the_order_in_which_signals_arrive_does_not_matter(
        side in any_side(),
        (scores, shuffled) in any_scores().prop_flat_map(|scores| {
            let list: Vec<(String, u32)> = scores.into_iter().collect();
            (Just(list.clone()), Just(list).prop_shuffle())
        }),
    ) {
        let policy = shipped();
        let decision = policy.evaluate(&facts(side, scores));
        prop_assert_eq!(decision, policy.evaluate(&facts(side, shuffled)));
    }

    #[test]
    fn raising_a_score_never_makes_the_decision_milder(
        side in any_side(), scores in any_scores(),
        label in prop::sample::select(TAXONOMY), by in 0..=1_000_000_u32,
    ) {
        let policy = shipped();
        let before = policy.evaluate(&facts(side, scores.clone()));
        let mut raised = scores;
        let ppm = raised.entry(label.to_owned()).or_default();
        *ppm = (*ppm + by).min(1_000_000);
        let after = policy.evaluate(&facts(side, raised));
        prop_assert!(after.effect >= before.effect);
        prop_assert!(before.redact.iter().all(|pattern| after.redact.contains(pattern)));
    }
}
