//! Reading documents: what is refused, where the fault is said to be, and what the digest covers.
#![expect(clippy::expect_used, reason = "a broken fixture must fail the test")]

use countersign_policy::{Facts, On, Policy, PolicyErrors, TAXONOMY};
use countersign_record::{Effect, Score, Severity, Side};

fn parse(text: &str) -> Result<Policy, PolicyErrors> {
    let labels: Vec<String> = TAXONOMY.iter().map(|label| (*label).to_owned()).collect();
    Policy::parse(text, "p.yaml", &labels)
}

fn faults(text: &str) -> Vec<String> {
    let errors = parse(text).expect_err("the document is faulty");
    errors.to_string().lines().map(str::to_owned).collect()
}

fn with_rule(rule: &str) -> String {
    format!(
        "id: p\nversion: '1'\ntitle: T\nrules:\n  - {}\n",
        rule.replace('\n', "\n    ")
    )
}

fn with_when(when: &str) -> String {
    with_rule(&format!(
        "id: r\ntitle: R\non: output\neffect: deny\nwhen: {when}"
    ))
}

#[test]
fn a_whole_rule_is_read() {
    let policy = parse(
        "id: hr\nversion: '2026-11'\ntitle: Hiring\nthresholds: { hate: 0.25 }\nrules:\n\
         - id: a\n  title: A\n  on: both\n  when: signals.hate.score > 0.5\n  effect: transform\n  \
         redact: [hate, pii.*]\n  severity: critical\n  basis: [X, Y]\n  message: M\n  \
         on_error: escalate\n",
    )
    .expect("a sound document");
    assert_eq!(
        (policy.reference().id.as_str(), policy.title()),
        ("hr", "Hiring")
    );
    assert_eq!(policy.threshold("hate"), Score::from_ppm(250_000).ok());
    assert_eq!(policy.threshold("violence"), None);
    let rule = &policy.rules()[0];
    assert_eq!(
        (rule.id.as_str(), rule.title.as_str(), rule.on),
        ("a", "A", On::Both)
    );
    assert_eq!(
        (rule.effect, rule.on_error),
        (Effect::Transform, Effect::Escalate)
    );
    assert_eq!((rule.severity, rule.basis.len()), (Severity::Critical, 2));
    assert_eq!(rule.redact, ["hate", "pii.*"]);
}

#[test]
fn every_fault_is_reported_at_once_at_its_place() {
    let found = faults(
        "id: p\nversion: 1\ntitle: T\ncolour: red\nrules:\n  - id: a\n    title: A\n    on: up\n    \
         effect: deny\n    whenn: 'true'\n",
    );
    assert_eq!(
        found,
        [
            "p.yaml:2:10: `version` must be text, not a number: put it in quotes",
            "p.yaml:4:1: unknown key `colour` in the policy; there are: id, version, title, \
             thresholds, rules",
            "p.yaml:6:5: a rule has no `when`",
            "p.yaml:8:9: `on` cannot be `up`; there are: input, output, both",
            "p.yaml:10:5: unknown key `whenn` in a rule; there are: id, title, on, when, effect, \
             redact, severity, basis, message, on_error, tests",
        ]
    );
}

#[test]
fn faults_of_several_conditions_are_reported_together() {
    let rule = |id: &str, when: &str| {
        format!("  - {{ id: {id}, title: R, on: input, effect: deny, when: '{when}' }}\n")
    };
    let text = format!(
        "id: p\nversion: '1'\ntitle: T\nrules:\n{}{}",
        rule("a", "signals.nope.present"),
        rule("b", "frobnicate(tags)")
    );
    let found = faults(&text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("p.yaml:5:") && found[0].contains("unknown label `nope`"));
    assert!(found[1].starts_with("p.yaml:6:") && found[1].contains("`frobnicate`"));
}

#[test]
fn a_condition_is_checked_even_when_its_surroundings_are_faulty() {
    let found = faults("title: T\nrules:\n  - { title: R, on: up, effect: x, when: nope }\n");
    for message in [
        "no `id`",
        "no `version`",
        "`up`",
        "`x`",
        "unknown variable `nope`",
    ] {
        assert!(
            found.iter().any(|fault| fault.contains(message)),
            "{message}: {found:?}"
        );
    }
}

#[test]
fn a_fault_inside_a_condition_is_placed_in_every_scalar_style() {
    for (when, place) in [
        ("tags == [] && nope", "p.yaml:9:25"),
        ("'tags == [] && nope'", "p.yaml:9:26"),
        ("\"tags == [] && nope\"", "p.yaml:9:26"),
        ("|\n  tags == []\n    && nope", "p.yaml:11:12"),
        (">\n  tags == []\n  && nope", "p.yaml:11:10"),
        ("'\"\u{fc}\" == model && nope'", "p.yaml:9:28"),
    ] {
        let found = faults(&with_when(when));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with(&format!("{place}: unknown variable `nope`")),
            "{found:?}"
        );
    }
}

#[test]
fn what_a_condition_may_not_name_is_refused() {
    for (when, message) in [
        ("nope", "unknown variable `nope`"),
        ("signals.nope.present", "unknown label `nope`"),
        ("signals.pii.present", "unknown label `pii`"),
        ("signals.hate", "write `signals.hate.score`"),
        ("signals.hate.scores", "unknown label `hate.scores`"),
        ("'signals[\"hate\"].present'", "write `signals.LABEL.score`"),
        ("groups.nope.present", "write `groups.FAMILY.present`"),
        ("sizes.words > 1", "write `sizes.bytes`"),
        ("usage.tokens > 1", "write `usage.input_tokens`"),
        ("metadata.a.b", "have no members"),
        ("model.name", "`model` has no members"),
        ("now() > 1", "unknown function `now`"),
        ("model.matches(\"a\")", "unknown function `matches`"),
        (
            "timestamp(\"2026-01-01T00:00:00Z\") == 1",
            "unknown function `timestamp`",
        ),
        ("tags.all(side, true)", "hides a fact"),
        ("tags.map(t, t + t) == tags", "inside a loop"),
        ("has(signals.nope.score)", "unknown label `nope`"),
    ] {
        let found = faults(&with_when(when));
        assert!(
            found.iter().any(|fault| fault.contains(message)),
            "{when}: {found:?}"
        );
    }
}

#[test]
fn usage_is_refused_where_it_is_not_known_yet() {
    let text = with_when("usage.output_tokens > 10");
    assert!(parse(&text).is_ok());
    for side in ["input", "both"] {
        let found = faults(&text.replace("on: output", &format!("on: {side}")));
        assert!(found[0].contains("on the output side only"), "{found:?}");
    }
}

#[test]
fn at_most_two_loops_nest() {
    let two = "tags.exists(a, tags.exists(b, a == b))";
    assert!(parse(&with_when(two)).is_ok());
    let three = "tags.exists(a, tags.exists(b, tags.exists(c, a == c)))";
    assert!(faults(&with_when(three))[0].contains("loops are nested"));
    let chained = "tags.filter(a, true).filter(b, true).exists(c, true)";
    assert!(faults(&with_when(chained))[0].contains("loops are nested"));
}

#[test]
fn long_literals_are_refused() {
    let list = |n: usize| format!("1 in [{}]", vec!["1"; n].join(", "));
    assert!(parse(&with_when(&list(64))).is_ok());
    assert!(faults(&with_when(&list(65)))[0].contains("more than 64 items"));
}

#[test]
fn a_syntax_error_is_placed() {
    let found = faults(&with_when("signals.hate.present &&"));
    assert!(found[0].starts_with("p.yaml:9:") && found[0].contains("not a CEL condition"));
}

#[test]
fn the_deepest_condition_that_is_allowed_parses_on_a_small_stack() {
    let deepest = [
        format!("{}true{}", "(".repeat(32), ")".repeat(32)),
        format!("{}true", "!".repeat(32)),
        format!("true{}", " == true".repeat(15)),
        format!("{}true", "true ? true : ".repeat(15)),
        format!("{}1{} == tags", "[".repeat(14), "]".repeat(14)),
        format!(
            "{}{}1{}{} == tags",
            "(".repeat(17),
            "[".repeat(14),
            "]".repeat(14),
            ")".repeat(17)
        ),
        format!("1{} == 1", " + 1".repeat(14)),
        format!("{}1{} == \"1\"", "string(".repeat(14), ")".repeat(14)),
        "tags.exists(a, tags.exists(b, a.startsWith(b)))".to_owned(),
        ["signals.hate.present"; 160].join(" || "),
        ["true"; 400].join(" && "),
    ];
    let answers = std::thread::Builder::new()
        .stack_size(1024 * 1024)
        .spawn(move || {
            for when in deepest {
                let policy = parse(&with_when(&format!("'{when}'"))).expect(&when);
                policy.evaluate(&Facts::new(Side::Output));
            }
        })
        .expect("a thread starts")
        .join();
    assert!(answers.is_ok());
}

#[test]
fn operators_nest_only_so_far() {
    for when in [
        format!("true{}", " == true".repeat(16)),
        format!("1{} == 1", " + 1".repeat(15)),
        format!("{}true", "true ? true : ".repeat(16)),
        format!("{}1{} == tags", "[".repeat(15), "]".repeat(15)),
    ] {
        let found = faults(&with_when(&format!("'{when}'")));
        assert!(
            found[0].contains("operators nest deeper than 16"),
            "{found:?}"
        );
    }
}

#[test]
fn hostile_documents_are_refused_without_harm() {
    let bomb = "id: &a [x, x]\nversion: &b [*a, *a]\ntitle: &c [*b, *b]\nrules: [*c, *c]\n";
    let hostile = [
        String::new(),
        "[".repeat(100_000),
        "- ".repeat(100_000),
        "a: ".repeat(1000),
        bomb.to_owned(),
        "x".repeat(300_000),
        "id: p\nid: q\n".to_owned(),
        "--- \na: 1\n---\nb: 2\n".to_owned(),
        "\u{0}".to_owned(),
        with_when(&format!("'{}'", "(".repeat(4000))),
        with_when(&format!("'{}'", "[".repeat(4000))),
        with_when(&format!("'{}1'", "-".repeat(4000))),
        with_when(&format!("'a{}'", ".a".repeat(2000))),
        with_when(&format!("'{}'", "a?".repeat(2000))),
        with_when(&format!("'{}'", "&&".repeat(2000))),
        with_when(&format!("'{}'", ",".repeat(4000))),
        with_when(&format!("'{}'", "1 ".repeat(2000))),
    ];
    for text in hostile {
        assert!(parse(&text).is_err(), "{text:.60}");
    }
}

#[test]
fn rules_that_contradict_themselves_are_refused() {
    let base = "id: r\ntitle: R\non: input\nwhen: side == 'input'\n";
    for (rest, message) in [
        ("effect: transform", "say what to redact"),
        ("effect: deny\nredact: [hate]", "`redact` belongs to rules"),
        ("effect: transform\nredact: []", "`redact` names nothing"),
        (
            "effect: transform\nredact: [nope.*]",
            "unknown label or family `nope.*`",
        ),
        (
            "effect: deny\non_error: transform",
            "`on_error` cannot be `transform`",
        ),
        (
            "effect: deny\nseverity: dire",
            "`severity` cannot be `dire`",
        ),
        (
            "effect: deny\ntests: [{ name: n, expect: maybe }]",
            "`expect` cannot be `maybe`",
        ),
        (
            "effect: deny\ntests: [{ name: n, facts: { signals: { nope: true } }, expect: fires }]",
            "unknown label `nope`",
        ),
        (
            "effect: deny\ntests: [{ name: n }]",
            "a test has no `expect`",
        ),
    ] {
        let found = faults(&with_rule(&format!("{base}{rest}")));
        assert!(
            found.iter().any(|fault| fault.contains(message)),
            "{rest}: {found:?}"
        );
    }
}

#[test]
fn two_rules_may_not_share_an_id() {
    let rule = "  - { id: r, title: R, on: input, when: not_evaluated, effect: deny }\n";
    let text = format!("id: p\nversion: '1'\ntitle: T\nrules:\n{rule}{rule}");
    assert_eq!(faults(&text), ["p.yaml:6:5: there are two rules `r`"]);
}

#[test]
fn thresholds_must_be_scores_of_known_labels() {
    let text = with_when("not_evaluated");
    for (thresholds, message) in [
        ("{ nope: 0.5 }", "unknown label `nope`"),
        ("{ hate: 1.5 }", "from 0.0 to 1.0"),
        ("{ hate: -0.1 }", "from 0.0 to 1.0"),
        ("{ hate: .nan }", ""),
        ("{ hate: high }", "from 0.0 to 1.0"),
    ] {
        let found = faults(&format!("thresholds: {thresholds}\n{text}"));
        assert!(found[0].contains(message), "{found:?}");
    }
}

#[test]
fn the_digest_covers_meaning_and_not_layout() {
    let plain = with_when("signals.hate.present");
    let digest = |text: &str| {
        parse(text)
            .expect("a sound document")
            .reference()
            .digest
            .clone()
    };
    let same = [
        format!("# a comment\n\n{plain}"),
        plain.replace("title: T", "title:   \"T\""),
        with_when("|\n  signals.hate.present\n"),
        with_rule("when: signals.hate.present\neffect: deny\non: output\ntitle: R\nid: r"),
    ];
    for text in same {
        assert_eq!(digest(&plain), digest(&text), "{text}");
    }
    for text in [
        plain.replace("hate", "violence"),
        plain.replace("deny", "escalate"),
        plain.replace("title: T", "title: U"),
        format!("thresholds: {{ hate: 0.5 }}\n{plain}"),
    ] {
        assert_ne!(digest(&plain), digest(&text), "{text}");
    }
    assert!(digest(&plain).starts_with("sha256:") && digest(&plain).len() == 71);
}

#[test]
fn a_test_inside_a_document_can_fail() {
    let policy = parse(&with_rule(
        "id: r\ntitle: R\non: input\nwhen: signals.hate.present\neffect: escalate\n\
         tests:\n  - { name: right, facts: { signals: { hate: 0.9 } }, expect: fires }\n  \
         - { name: wrong, facts: { signals: { hate: 0.9 } }, expect: deny }\n  \
         - { name: below, facts: { signals: { hate: 0.4 } }, expect: quiet }",
    ))
    .expect("a sound document");
    let passed: Vec<(String, bool)> = policy
        .run_tests()
        .into_iter()
        .map(|result| (result.name, result.passed))
        .collect();
    let expected = [("right", true), ("wrong", false), ("below", true)];
    assert_eq!(
        passed,
        expected.map(|(name, passed)| (name.to_owned(), passed))
    );
}

#[test]
fn a_test_given_a_score_alone_uses_the_policys_threshold() {
    let text = with_rule(
        "id: r\ntitle: R\non: input\nwhen: signals.hate.present\neffect: deny\n\
         tests: [{ name: low, facts: { signals: { hate: 0.3 } }, expect: fires }]",
    );
    let passes = |text: &str| parse(text).expect("a sound document").run_tests()[0].passed;
    assert!(!passes(&text));
    assert!(passes(&format!("thresholds: {{ hate: 0.2 }}\n{text}")));
}
