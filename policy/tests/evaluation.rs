//! Deciding: how rules combine, what an evaluation error does, and every fact a rule can read.
#![expect(clippy::expect_used, reason = "a broken fixture must fail the test")]

use countersign_policy::{Facts, Policy, SignalFact, TAXONOMY};
use countersign_record::{Decision, Effect, RuleOutcome, Score, Side};

const RULE: &str = "  - { id: ID, title: R, on: both, effect: EFFECT, when: 'WHEN' }\n";

fn policy(rules: &[(&str, &str, &str)]) -> Policy {
    let rules: String = rules
        .iter()
        .map(|(id, effect, when)| {
            RULE.replace("ID", id)
                .replace("EFFECT", effect)
                .replace("WHEN", when)
        })
        .collect();
    let text = format!("id: p\nversion: '1'\ntitle: T\nrules:\n{rules}");
    let labels: Vec<String> = TAXONOMY.iter().map(|label| (*label).to_owned()).collect();
    Policy::parse(&text, "p.yaml", &labels).expect("a sound document")
}

fn decide(when: &str, facts: &Facts) -> Decision {
    policy(&[("r", "escalate", when)]).evaluate(facts)
}

fn present(labels: &[&str]) -> Facts {
    let mut facts = Facts::new(Side::Output);
    for label in labels {
        let fact = SignalFact {
            score: Score::MAX,
            present: true,
        };
        facts.signals.insert((*label).to_owned(), fact);
    }
    facts
}

#[test]
fn the_most_severe_effect_wins_and_every_match_is_recorded_in_document_order() {
    let rules = [
        ("a", "escalate", "signals.hate.present"),
        ("b", "deny", "signals.hate.present"),
        ("c", "permit", "signals.hate.present"),
        ("d", "transform", "signals.hate.present"),
        ("e", "deny", "signals.violence.present"),
    ];
    let decision = policy(&rules).evaluate(&present(&["hate"]));
    assert_eq!(decision.effect, Effect::Deny);
    let ids: Vec<&str> = decision.rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(ids, ["a", "b", "c", "d"]);
    let mut reversed = rules;
    reversed.reverse();
    let other = policy(&reversed).evaluate(&present(&["hate"]));
    assert_eq!(
        (other.effect, other.redact),
        (decision.effect, decision.redact)
    );
}

#[test]
fn a_matching_permit_overrules_nothing() {
    let rules = [("a", "permit", "true"), ("b", "deny", "true")];
    assert_eq!(policy(&rules).evaluate(&present(&[])).effect, Effect::Deny);
    let alone = policy(&rules[..1]).evaluate(&present(&[]));
    assert_eq!((alone.effect, alone.rules.len()), (Effect::Permit, 1));
}

#[test]
fn a_condition_that_cannot_be_evaluated_is_an_outcome_of_its_own() {
    for when in [
        "metadata[\"absent\"] == \"x\"",
        "metadata.absent == \"x\"",
        "tags[0] == \"x\"",
        "1 / size(tags) == 1",
        "model > 1",
        "signals.hate.score",
        "model",
        "sizes.bytes + 9223372036854775807 > 0",
    ] {
        let mut facts = present(&[]);
        facts.sizes.bytes = 1;
        let decision = decide(when, &facts);
        assert_eq!(decision.rules.len(), 1, "{when}");
        assert_eq!(decision.rules[0].outcome, RuleOutcome::Errored, "{when}");
        assert_eq!(decision.effect, Effect::Deny, "{when}");
        assert!(
            decision
                .message
                .is_some_and(|message| !message.contains("absent"))
        );
    }
}

#[test]
fn the_author_chooses_what_an_error_means() {
    for (on_error, effect) in [
        ("deny", Effect::Deny),
        ("escalate", Effect::Escalate),
        ("permit", Effect::Permit),
    ] {
        let text = format!(
            "id: p\nversion: '1'\ntitle: T\nrules:\n  - {{ id: r, title: R, on: input, \
             effect: transform, redact: [hate], when: 'tags[0] == model', on_error: {on_error} }}"
        );
        let labels = ["hate".to_owned()];
        let policy = Policy::parse(&text, "p.yaml", &labels).expect("a sound document");
        let decision = policy.evaluate(&Facts::new(Side::Input));
        assert_eq!(
            (decision.effect, decision.rules[0].effect),
            (effect, effect)
        );
        assert!(decision.redact.is_empty());
    }
}

#[test]
fn a_denial_by_error_does_not_speak_in_the_rules_words() {
    let text = "id: p\nversion: '1'\ntitle: T\nrules:\n  - { id: r, title: R, on: input, \
                effect: deny, message: You were rude., when: 'tags[0] == model' }";
    let policy = Policy::parse(text, "p.yaml", &[]).expect("a sound document");
    let failed = policy.evaluate(&Facts::new(Side::Input));
    assert!(
        failed
            .message
            .is_some_and(|message| !message.contains("rude"))
    );
    let tags = vec![String::new()];
    let matched = policy.evaluate(&Facts {
        tags,
        ..Facts::new(Side::Input)
    });
    assert_eq!(matched.message.as_deref(), Some("You were rude."));
}

#[test]
fn every_fact_can_be_read() {
    let mut facts = present(&["pii.email", "hate"]);
    facts.signals.insert(
        "toxicity".to_owned(),
        SignalFact {
            score: Score::from_ppm(250_000).expect("a score"),
            present: false,
        },
    );
    facts.dialect = "openai.chat".to_owned();
    facts.model = "gpt-5".to_owned();
    facts.route = "hr".to_owned();
    facts.principal = Some("alice".to_owned());
    facts.tags = vec!["a".to_owned(), "b".to_owned()];
    facts.metadata.insert("team".to_owned(), "legal".to_owned());
    facts.not_evaluated = vec!["timed_out".to_owned()];
    facts.sizes.bytes = 42;
    facts.sizes.channels = 3;
    for when in [
        "signals.hate.present && signals.hate.score == 1.0",
        "signals.toxicity.score == 0.25 && !signals.toxicity.present",
        "signals.pii.email.present && !signals.pii.card.present",
        "signals.violence.score == 0.0",
        "groups.pii.present && !groups.secret.present",
        "not_evaluated && \"timed_out\" in not_evaluated_reasons",
        "side == \"output\" && dialect == \"openai.chat\"",
        "model.startsWith(\"gpt-\") && model.endsWith(\"5\") && model.contains(\"t-\")",
        "route == \"hr\" && principal == \"alice\"",
        "\"b\" in tags && size(tags) == 2 && tags.exists(t, t == \"a\")",
        "has(metadata.team) && metadata.team == \"legal\" && metadata[\"team\"] == \"legal\"",
        "!has(metadata.absent) && !(\"absent\" in metadata)",
        "metadata.all(k, metadata[k] != \"\")",
        "sizes.bytes == 42 && sizes.channels == 3 && sizes.bytes > 41",
    ] {
        let decision = decide(when, &facts);
        let outcomes: Vec<RuleOutcome> = decision.rules.iter().map(|rule| rule.outcome).collect();
        assert_eq!(outcomes, [RuleOutcome::Matched], "{when}");
    }
}

#[test]
fn a_missing_principal_is_empty_text() {
    assert_eq!(decide("principal == \"\"", &present(&[])).rules.len(), 1);
}

#[test]
fn token_usage_can_be_read_on_the_output_side() {
    let text = "id: p\nversion: '1'\ntitle: T\nrules:\n  - { id: r, title: R, on: output, \
                effect: deny, when: 'usage.input_tokens == 7 && usage.output_tokens > 8' }";
    let policy = Policy::parse(text, "p.yaml", &[]).expect("a sound document");
    let mut facts = Facts::new(Side::Output);
    facts.usage.input_tokens = 7;
    facts.usage.output_tokens = u64::MAX;
    assert_eq!(policy.evaluate(&facts).effect, Effect::Deny);
}

#[test]
fn a_rule_looks_only_at_its_sides() {
    for (on, input, output) in [("input", 1, 0), ("output", 0, 1), ("both", 1, 1)] {
        let text = format!(
            "id: p\nversion: '1'\ntitle: T\nrules:\n  - {{ id: r, title: R, on: {on}, \
             effect: deny, when: 'true' }}"
        );
        let policy = Policy::parse(&text, "p.yaml", &[]).expect("a sound document");
        let count = |side| policy.evaluate(&Facts::new(side)).rules.len();
        assert_eq!(
            (count(Side::Input), count(Side::Output)),
            (input, output),
            "{on}"
        );
    }
}

#[test]
fn a_transform_redacts_what_its_condition_reads_unless_told_otherwise() {
    let when = "signals.pii.email.present || groups.secret.present";
    let policy = policy(&[("r", "transform", when)]);
    let decision = policy.evaluate(&present(&["pii.email"]));
    assert_eq!(decision.redact, ["pii.email", "secret.*"]);
    for (label, expected) in [
        ("pii.email", true),
        ("pii.card", false),
        ("secret.jwt", true),
    ] {
        assert_eq!(policy.redacts(&decision, label), expected, "{label}");
    }
}

#[test]
fn a_label_newer_than_the_taxonomy_still_counts_for_its_family() {
    let decision = decide("groups.secret.present", &present(&["secret.brand_new"]));
    assert_eq!(decision.effect, Effect::Escalate);
}

#[test]
fn facts_beyond_their_bounds_fail_closed() {
    let mut many = present(&[]);
    many.tags = vec![String::new(); 65];
    let mut long = present(&[]);
    long.metadata.insert("k".to_owned(), "x".repeat(4097));
    for facts in [many, long] {
        let decision = decide("false", &facts);
        assert_eq!(decision.rules[0].outcome, RuleOutcome::Errored);
        assert_eq!(decision.effect, Effect::Deny);
    }
}

#[test]
fn policies_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    shared(&policy(&[("r", "deny", "true")]));
}

#[test]
fn a_label_outside_the_shipped_taxonomy_can_be_declared() {
    let labels = ["acme.internal".to_owned()];
    let text = "id: p\nversion: '1'\ntitle: T\nrules:\n  - { id: r, title: R, on: output, \
                effect: deny, when: signals.acme.internal.present && groups.acme.present }";
    assert!(Policy::parse(text, "p.yaml", &[]).is_err());
    let policy = Policy::parse(text, "p.yaml", &labels).expect("the label is known");
    let mut facts = Facts::new(Side::Output);
    let fact = SignalFact {
        score: Score::MAX,
        present: true,
    };
    facts.signals.insert("acme.internal".to_owned(), fact);
    assert_eq!(policy.evaluate(&facts).effect, Effect::Deny);
}
