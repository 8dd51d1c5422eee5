//! Facts as the variables of a condition.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cel::objects::Key;
use cel::{Context, Value};
use countersign_record::{Score, Side};

use crate::Facts;
use crate::condition::ENVIRONMENT;
use crate::vocabulary::{Vocabulary, in_family};

/// Binds every fact. Every known label is bound, with score 0 and absent unless given.
pub(crate) fn bind(facts: &Facts, vocabulary: &Vocabulary) -> Context<'static, 'static> {
    let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
    let side = match facts.side {
        Side::Input => "input",
        Side::Output => "output",
    };
    let metadata: HashMap<String, String> = facts.metadata.clone().into_iter().collect();
    let sizes = [
        ("bytes", facts.sizes.bytes),
        ("channels", u64::from(facts.sizes.channels)),
    ];
    let usage = [
        ("input_tokens", facts.usage.input_tokens),
        ("output_tokens", facts.usage.output_tokens),
    ];
    context.add_variable_from_value("signals", signals(facts, vocabulary));
    context.add_variable_from_value("groups", groups(facts, vocabulary));
    context.add_variable_from_value("not_evaluated", !facts.not_evaluated.is_empty());
    context.add_variable_from_value("not_evaluated_reasons", facts.not_evaluated.clone());
    context.add_variable_from_value("side", side);
    context.add_variable_from_value("dialect", facts.dialect.as_str());
    context.add_variable_from_value("model", facts.model.as_str());
    context.add_variable_from_value("route", facts.route.as_str());
    context.add_variable_from_value("principal", facts.principal.as_deref().unwrap_or_default());
    context.add_variable_from_value("tags", facts.tags.clone());
    context.add_variable_from_value("metadata", metadata);
    context.add_variable_from_value("sizes", counts(sizes));
    context.add_variable_from_value("usage", counts(usage));
    context
}

fn groups(facts: &Facts, vocabulary: &Vocabulary) -> HashMap<Key, Value> {
    // Counts given labels that the taxonomy does not know, so that a newer detector is not missed.
    let present = |family: &str| {
        facts
            .signals
            .iter()
            .any(|(label, fact)| fact.present && in_family(family, label))
    };
    let group = |family: &String| {
        let members = HashMap::from([(Key::from("present"), Value::Bool(present(family)))]);
        (Key::from(family.as_str()), Value::from(members))
    };
    vocabulary.families.iter().map(group).collect()
}

/// Dotted labels as nested maps.
#[derive(Default)]
struct Branch<'a> {
    members: HashMap<Key, Value>,
    children: BTreeMap<&'a str, Self>,
}

impl Branch<'_> {
    fn into_value(mut self) -> Value {
        for (name, child) in self.children {
            self.members.insert(Key::from(name), child.into_value());
        }
        Value::from(self.members)
    }
}

fn signals(facts: &Facts, vocabulary: &Vocabulary) -> Value {
    let mut root = Branch::default();
    for label in &vocabulary.labels {
        let fact = facts.signals.get(label).copied().unwrap_or_default();
        let mut branch = &mut root;
        for segment in label.split('.') {
            branch = branch.children.entry(segment).or_default();
        }
        branch
            .members
            .insert(Key::from("score"), Value::Float(fraction(fact.score)));
        branch
            .members
            .insert(Key::from("present"), Value::Bool(fact.present));
    }
    root.into_value()
}

fn fraction(score: Score) -> f64 {
    f64::from(score.ppm()) / f64::from(Score::MAX.ppm())
}

/// Counts as signed integers, because a CEL literal is one.
fn counts<const N: usize>(members: [(&'static str, u64); N]) -> HashMap<Key, Value> {
    let count = |(name, n): (&'static str, u64)| {
        (
            Key::from(name),
            Value::Int(i64::try_from(n).unwrap_or(i64::MAX)),
        )
    };
    members.into_iter().map(count).collect()
}
