//! The tests a document carries: facts, and what they must lead to.

use countersign_record::{Effect, Score, Side};

use crate::document::{EFFECTS, Reader};
use crate::node::{Kind, Node, Placed};
use crate::{Facts, SignalFact};

/// One test of a rule.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) facts: Facts,
    /// Signals given by score alone: present when the policy's threshold says so.
    pub(crate) by_score: Vec<String>,
    pub(crate) expect: Expect,
}

/// What a test expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// The rule matches.
    Fires,
    /// The rule neither matches nor errs.
    Quiet,
    /// The rule's condition cannot be evaluated.
    Errors,
    /// The whole policy decides this.
    Effect(Effect),
}

const SIDES: &[(&str, Side)] = &[("input", Side::Input), ("output", Side::Output)];
const FACTS: &[&str] = &[
    "side",
    "dialect",
    "model",
    "route",
    "principal",
    "tags",
    "metadata",
    "signals",
    "not_evaluated",
    "sizes",
    "usage",
];

/// Reads a test; its facts are about `side` unless they say otherwise.
pub(crate) fn read_case(reader: &mut Reader<'_>, node: &Node, side: Side) -> Option<Case> {
    let members = reader.members(node, "a test", &["name", "facts", "expect"]);
    let name = members
        .get("name")
        .and_then(|node| reader.text(node, "`name`"));
    let mut facts = Facts::new(side);
    let mut by_score = Vec::new();
    if let Some(node) = members.get("facts") {
        read_facts(reader, node, &mut facts, &mut by_score);
    }
    let expect = members
        .get("expect")
        .and_then(|node| read_expect(reader, node));
    for key in ["name", "expect"] {
        if members.get(key).is_none() {
            reader.fault(node.at, format!("a test has no `{key}`"));
        }
    }
    Some(Case {
        name: name?.text,
        facts,
        by_score,
        expect: expect?,
    })
}

fn read_expect(reader: &mut Reader<'_>, node: &Node) -> Option<Expect> {
    let effects = EFFECTS
        .iter()
        .map(|(word, effect)| (*word, Expect::Effect(*effect)));
    let outcomes = [
        ("fires", Expect::Fires),
        ("quiet", Expect::Quiet),
        ("errors", Expect::Errors),
    ];
    let known: Vec<(&str, Expect)> = outcomes.into_iter().chain(effects).collect();
    reader.word(node, "`expect`", &known)
}

fn read_facts(reader: &mut Reader<'_>, node: &Node, facts: &mut Facts, by_score: &mut Vec<String>) {
    let members = reader.members(node, "`facts`", FACTS);
    if let Some(side) = members
        .get("side")
        .and_then(|n| reader.word(n, "`side`", SIDES))
    {
        facts.side = side;
    }
    for (key, place) in [
        ("dialect", &mut facts.dialect),
        ("model", &mut facts.model),
        ("route", &mut facts.route),
    ] {
        if let Some(placed) = members.get(key).and_then(|n| reader.text(n, key)) {
            *place = placed.text;
        }
    }
    facts.principal = members
        .get("principal")
        .and_then(|n| reader.text(n, "`principal`"))
        .map(|p| p.text);
    if let Some(node) = members.get("tags") {
        facts.tags = plain(reader.texts(node, "`tags`"));
    }
    if let Some(node) = members.get("not_evaluated") {
        facts.not_evaluated = plain(reader.texts(node, "`not_evaluated`"));
    }
    if let Some(node) = members.get("metadata") {
        for (key, value) in reader.entries(node, "`metadata`") {
            if let Some(value) = reader.text(value, "a metadata value") {
                facts.metadata.insert(key.text.clone(), value.text);
            }
        }
    }
    if let Some(node) = members.get("signals") {
        for (label, value) in reader.entries(node, "`signals`") {
            read_signal(reader, label, value, facts, by_score);
        }
    }
    if let Some(node) = members.get("sizes") {
        let sizes = reader.members(node, "`sizes`", &["bytes", "channels"]);
        facts.sizes.bytes = count(reader, sizes.get("bytes"), u64::MAX);
        let channels = count(reader, sizes.get("channels"), u64::from(u32::MAX));
        facts.sizes.channels = u32::try_from(channels).unwrap_or(u32::MAX);
    }
    if let Some(node) = members.get("usage") {
        let usage = reader.members(node, "`usage`", &["input_tokens", "output_tokens"]);
        facts.usage.input_tokens = count(reader, usage.get("input_tokens"), u64::MAX);
        facts.usage.output_tokens = count(reader, usage.get("output_tokens"), u64::MAX);
    }
}

fn plain(placed: Vec<Placed>) -> Vec<String> {
    placed.into_iter().map(|placed| placed.text).collect()
}

fn count(reader: &mut Reader<'_>, node: Option<&Node>, max: u64) -> u64 {
    let Some(node) = node else { return 0 };
    match node.kind {
        Kind::Int(n) if u64::try_from(n).is_ok_and(|n| n <= max) => n.unsigned_abs(),
        _ => {
            reader.fault(
                node.at,
                "a count must be a whole number that is not negative",
            );
            0
        }
    }
}

/// A signal is `true` or `false` (the verdict), a number (the score), or a map of both.
fn read_signal(
    reader: &mut Reader<'_>,
    label: &Placed,
    node: &Node,
    facts: &mut Facts,
    by_score: &mut Vec<String>,
) {
    if !reader.vocabulary.labels.contains(&label.text) {
        reader.fault(label.at, format!("unknown label `{}`", label.text));
        return;
    }
    let verdict = |present| SignalFact {
        score: if present { Score::MAX } else { Score::ZERO },
        present,
    };
    let fact = match &node.kind {
        Kind::Bool(present) => Some(verdict(*present)),
        Kind::Int(_) | Kind::Float(_) => {
            by_score.push(label.text.clone());
            reader.score(node, "a score").map(|score| SignalFact {
                score,
                present: false,
            })
        }
        Kind::Map(_) => {
            let members = reader.members(node, "a signal", &["score", "present"]);
            let score = members
                .get("score")
                .and_then(|n| reader.score(n, "a score"));
            let present = members
                .get("present")
                .and_then(|node| reader.flag(node, "`present`"));
            if present.is_none() {
                by_score.push(label.text.clone());
            }
            let base = verdict(present.unwrap_or_default());
            Some(SignalFact {
                score: score.unwrap_or(base.score),
                ..base
            })
        }
        _ => {
            reader.fault(
                node.at,
                "a signal must be true, false, a score, or a map of both",
            );
            None
        }
    };
    if let Some(fact) = fact {
        facts.signals.insert(label.text.clone(), fact);
    }
}
