//! Policies and their decisions.

use std::collections::{BTreeMap, BTreeSet};

use countersign_record::{
    Decision, Effect, PolicyRef, RuleMatch, RuleOutcome, Score, Severity, Side, canonical_bytes,
};
use sha2::{Digest, Sha256};

use crate::bind::bind;
use crate::case::{Case, Expect};
use crate::condition::{Condition, Unanswered};
use crate::document::{Document, Reader, RuleText, read_document};
use crate::locate::locate;
use crate::node::{At, Node, read};
use crate::vocabulary::{Vocabulary, matches};
use crate::{Facts, PolicyError, PolicyErrors};

/// Which sides a rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum On {
    /// What the caller sends.
    Input,
    /// What the model answers.
    Output,
    /// Both.
    Both,
}

impl On {
    /// Whether a rule on `self` looks at `side`.
    pub const fn covers(self, side: Side) -> bool {
        matches!(
            (self, side),
            (Self::Both, _) | (Self::Input, Side::Input) | (Self::Output, Side::Output)
        )
    }

    pub(crate) const fn first_side(self) -> Side {
        match self {
            Self::Input | Self::Both => Side::Input,
            Self::Output => Side::Output,
        }
    }
}

/// One rule of a policy.
#[derive(Debug)]
pub struct Rule {
    /// Id, unique in the document.
    pub id: String,
    /// What it is about, for people.
    pub title: String,
    /// Which sides it looks at.
    pub on: On,
    /// What it asks for when its condition holds.
    pub effect: Effect,
    /// What it asks for when its condition cannot be evaluated.
    pub on_error: Effect,
    /// How grave a match is.
    pub severity: Severity,
    /// Texts the operator refers to as the rule's basis.
    pub basis: Vec<String>,
    /// What the caller may be told when the rule denies.
    pub message: Option<String>,
    /// Labels, and families as `family.*`, that it redacts; empty unless it transforms.
    pub redact: Vec<String>,
    condition: Condition,
    cases: Vec<Case>,
}

/// A checked policy document, ready to decide.
#[derive(Debug)]
pub struct Policy {
    reference: PolicyRef,
    title: String,
    thresholds: BTreeMap<String, Score>,
    rules: Vec<Rule>,
    vocabulary: Vocabulary,
}

/// How one test inside a document went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// Id of the rule the test belongs to.
    pub rule: String,
    /// The test's name.
    pub name: String,
    /// Whether what it expects came about.
    pub passed: bool,
    /// What was expected and what came about, in one line.
    pub detail: String,
}

/// What a rule did, when anything.
struct Contribution<'a> {
    rule: &'a Rule,
    outcome: RuleOutcome,
    effect: Effect,
}

/// Stack for compiling conditions: four times what the deepest condition was seen to need.
const COMPILE_STACK_BYTES: usize = 32 * 1024 * 1024;
/// Told to the caller when a denial has no message of its own.
const MESSAGE: &str = "This was withheld by the operator's policy.";
/// Score from which a test's signal is present when the policy has no threshold for it.
const TEST_THRESHOLD_PPM: u32 = 500_000;

impl Policy {
    /// Reads and checks a document. `source_name` is used in messages only; `labels` is the
    /// taxonomy of the detectors in force.
    ///
    /// # Errors
    /// [`PolicyErrors`] with every fault found, each at its line and column.
    pub fn parse(text: &str, source_name: &str, labels: &[String]) -> Result<Self, PolicyErrors> {
        let vocabulary = Vocabulary::new(labels);
        let root = read(text).map_err(|error| PolicyErrors::new(source_name, vec![error]))?;
        let mut reader = Reader {
            vocabulary: &vocabulary,
            errors: Vec::new(),
        };
        let Document {
            id,
            version,
            title,
            thresholds,
            rules,
        } = read_document(&mut reader, &root);
        let mut errors = reader.errors;
        let (rules, found) = compile_all(text, rules, &vocabulary);
        errors.extend(found);
        let digest = digest(&root)
            .map_err(|error| errors.push(error))
            .unwrap_or_default();
        if !errors.is_empty() {
            return Err(PolicyErrors::new(source_name, errors));
        }
        let reference = PolicyRef {
            id,
            version,
            digest,
        };
        let thresholds = thresholds.into_iter().collect();
        Ok(Self {
            reference,
            title,
            thresholds,
            rules,
            vocabulary,
        })
    }

    /// Id, version and digest. The digest covers the parsed document, so white space, comments
    /// and the order of keys do not change it.
    pub const fn reference(&self) -> &PolicyRef {
        &self.reference
    }

    /// What the policy is about, for people.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The rules, in document order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The policy's own block threshold for `label`; `None` leaves the detector's.
    pub fn threshold(&self, label: &str) -> Option<Score> {
        self.thresholds.get(label).copied()
    }

    /// Decides about one side of an exchange. Always answers: a condition that cannot be
    /// evaluated, and any rule over facts beyond their bounds, contributes
    /// [`RuleOutcome::Errored`] with the rule's `on_error` effect.
    pub fn evaluate(&self, facts: &Facts) -> Decision {
        let contributions = self.contributions(facts);
        let effect = contributions
            .iter()
            .map(|c| c.effect)
            .max()
            .unwrap_or_default();
        let transforms = contributions
            .iter()
            .filter(|c| c.effect == Effect::Transform);
        let redact: BTreeSet<&String> = transforms.flat_map(|c| &c.rule.redact).collect();
        Decision {
            effect,
            redact: redact.into_iter().cloned().collect(),
            message: (effect == Effect::Deny).then(|| message(&contributions)),
            rules: contributions
                .iter()
                .map(|c| RuleMatch {
                    id: c.rule.id.clone(),
                    outcome: c.outcome,
                    effect: c.effect,
                    severity: c.rule.severity,
                })
                .collect(),
        }
    }

    /// Whether `decision` redacts spans of `label`, by name or by family.
    pub fn redacts(&self, decision: &Decision, label: &str) -> bool {
        decision
            .redact
            .iter()
            .any(|pattern| matches(pattern, label))
    }

    /// Runs every test inside the document, in document order.
    pub fn run_tests(&self) -> Vec<TestResult> {
        let cases = self
            .rules
            .iter()
            .flat_map(|rule| rule.cases.iter().map(move |c| (rule, c)));
        cases
            .map(|(rule, case)| self.run_test(rule, case))
            .collect()
    }

    fn contributions(&self, facts: &Facts) -> Vec<Contribution<'_>> {
        let context = facts.within_bounds().then(|| bind(facts, &self.vocabulary));
        let answer = |rule: &Rule| match &context {
            Some(context) => rule.condition.holds(context),
            None => Err(Unanswered("the facts exceed their bounds".to_owned())),
        };
        let applicable = self.rules.iter().filter(|rule| rule.on.covers(facts.side));
        let contribution = |rule| match answer(rule) {
            Ok(false) => None,
            Ok(true) => Some(Contribution {
                rule,
                outcome: RuleOutcome::Matched,
                effect: rule.effect,
            }),
            Err(_) => Some(Contribution {
                rule,
                outcome: RuleOutcome::Errored,
                effect: rule.on_error,
            }),
        };
        applicable.filter_map(contribution).collect()
    }

    fn run_test(&self, rule: &Rule, case: &Case) -> TestResult {
        let mut facts = case.facts.clone();
        for (label, fact) in &mut facts.signals {
            if case.by_score.contains(label) {
                let threshold = self.threshold(label).map_or(TEST_THRESHOLD_PPM, Score::ppm);
                fact.present = fact.score.ppm() >= threshold;
            }
        }
        let contributions = self.contributions(&facts);
        let outcome = contributions
            .iter()
            .find(|c| c.rule.id == rule.id)
            .map(|c| c.outcome);
        let effect = contributions
            .iter()
            .map(|c| c.effect)
            .max()
            .unwrap_or_default();
        let passed = match case.expect {
            Expect::Fires => outcome == Some(RuleOutcome::Matched),
            Expect::Errors => outcome == Some(RuleOutcome::Errored),
            Expect::Quiet => outcome.is_none(),
            Expect::Effect(expected) => effect == expected,
        };
        let happened = match outcome {
            Some(RuleOutcome::Matched) => "the rule fired",
            Some(RuleOutcome::Errored) => "the rule's condition could not be evaluated",
            None => "the rule was quiet",
        };
        let detail = format!(
            "expected {:?}; {happened}, the policy gave {effect:?}",
            case.expect
        );
        TestResult {
            rule: rule.id.clone(),
            name: case.name.clone(),
            passed,
            detail,
        }
    }
}

/// The message of the first rule that denies and has one; matched rules before errored ones, whose
/// message would claim something nobody found.
fn message(contributions: &[Contribution<'_>]) -> String {
    let denies =
        |c: &&Contribution<'_>| c.effect == Effect::Deny && c.outcome == RuleOutcome::Matched;
    let own = contributions
        .iter()
        .filter(denies)
        .find_map(|c| c.rule.message.clone());
    own.unwrap_or_else(|| MESSAGE.to_owned())
}

fn digest(root: &Node) -> Result<String, PolicyError> {
    let bytes = canonical_bytes(&root.to_json())
        .map_err(|error| PolicyError::new(At::START, format!("no canonical form: {error}")))?;
    Ok(format!("sha256:{}", hex::encode(Sha256::digest(&bytes))))
}

/// Compiles every rule on a thread of its own: the CEL parser takes up to 256 KiB of stack for
/// each bracket in an unoptimised build, more than the caller's thread may have.
fn compile_all(
    document: &str,
    texts: Vec<RuleText>,
    vocabulary: &Vocabulary,
) -> (Vec<Rule>, Vec<PolicyError>) {
    let work = || {
        let (mut rules, mut errors) = (Vec::new(), Vec::new());
        for text in texts {
            match compile(document, text, vocabulary) {
                Ok(rule) => rules.push(rule),
                Err(found) => errors.extend(found),
            }
        }
        (rules, errors)
    };
    let compiled = std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(COMPILE_STACK_BYTES);
        builder.spawn_scoped(scope, work).ok()?.join().ok()
    });
    compiled.unwrap_or_else(|| {
        let message = "the conditions could not be compiled: no thread to do it on";
        (Vec::new(), vec![PolicyError::new(At::START, message)])
    })
}

fn compile(
    document: &str,
    text: RuleText,
    vocabulary: &Vocabulary,
) -> Result<Rule, Vec<PolicyError>> {
    let RuleText { when, .. } = &text;
    let condition = Condition::compile(&when.text, vocabulary, text.on).map_err(|findings| {
        let error = |finding: crate::prescan::Finding| {
            let at = locate(document, when.at, &when.text, finding.offset);
            PolicyError::new(at, finding.message)
        };
        findings.into_iter().map(error).collect::<Vec<_>>()
    })?;
    let redact = match (text.effect, text.redact) {
        (Effect::Transform, Some(patterns)) => patterns,
        (Effect::Transform, None) => condition.reads.iter().cloned().collect(),
        _ => Vec::new(),
    };
    if text.effect == Effect::Transform && redact.is_empty() {
        let message = "this rule transforms but reads no label: say what to redact";
        return Err(vec![PolicyError::new(text.at, message)]);
    }
    Ok(Rule {
        id: text.id,
        title: text.title,
        on: text.on,
        effect: text.effect,
        on_error: text.on_error,
        severity: text.severity,
        basis: text.basis,
        message: text.message,
        redact,
        condition,
        cases: text.cases,
    })
}
