//! A policy document's members, read from the tree with every fault collected.

use countersign_record::{Effect, Score, Severity};

use crate::PolicyError;
use crate::case::{Case, read_case};
use crate::node::{At, Kind, Node, Placed};
use crate::policy::On;
use crate::vocabulary::Vocabulary;

/// Rules a document may have.
const RULES_MAX: usize = 256;

/// A document whose conditions are not compiled yet.
pub(crate) struct Document {
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) title: String,
    pub(crate) thresholds: Vec<(String, Score)>,
    pub(crate) rules: Vec<RuleText>,
}

/// A rule as written.
pub(crate) struct RuleText {
    pub(crate) at: At,
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) on: On,
    pub(crate) when: Placed,
    pub(crate) effect: Effect,
    pub(crate) redact: Option<Vec<String>>,
    pub(crate) severity: Severity,
    pub(crate) basis: Vec<String>,
    pub(crate) message: Option<String>,
    pub(crate) on_error: Effect,
    pub(crate) cases: Vec<Case>,
}

pub(crate) const EFFECTS: &[(&str, Effect)] = &[
    ("permit", Effect::Permit),
    ("transform", Effect::Transform),
    ("escalate", Effect::Escalate),
    ("deny", Effect::Deny),
];
const EFFECTS_ON_ERROR: &[(&str, Effect)] = &[
    ("deny", Effect::Deny),
    ("escalate", Effect::Escalate),
    ("permit", Effect::Permit),
];
const SEVERITIES: &[(&str, Severity)] = &[
    ("info", Severity::Info),
    ("low", Severity::Low),
    ("medium", Severity::Medium),
    ("high", Severity::High),
    ("critical", Severity::Critical),
];
const SIDES: &[(&str, On)] = &[
    ("input", On::Input),
    ("output", On::Output),
    ("both", On::Both),
];

/// Collects faults while members are read.
pub(crate) struct Reader<'a> {
    pub(crate) vocabulary: &'a Vocabulary,
    pub(crate) errors: Vec<PolicyError>,
}

/// A map whose keys are all known.
pub(crate) struct Members<'n> {
    at: At,
    what: &'static str,
    entries: &'n [(Placed, Node)],
}

impl<'n> Members<'n> {
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries
            .iter()
            .find(|(name, _)| name.text == key)
            .map(|(_, node)| node)
    }
}

impl Reader<'_> {
    pub(crate) fn fault(&mut self, at: At, message: impl Into<String>) {
        self.errors.push(PolicyError::new(at, message));
    }

    /// The entries of a map; a fault when `node` is none.
    pub(crate) fn entries<'n>(&mut self, node: &'n Node, what: &str) -> &'n [(Placed, Node)] {
        if let Kind::Map(entries) = &node.kind {
            return entries;
        }
        self.fault(
            node.at,
            format!("{what} must be a map, not {}", node.describe()),
        );
        &[]
    }

    /// The items of a list; a fault when `node` is none.
    pub(crate) fn items<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        if let Kind::List(items) = &node.kind {
            return items;
        }
        self.fault(
            node.at,
            format!("{what} must be a list, not {}", node.describe()),
        );
        &[]
    }

    /// A map that may have the keys `known` and no other.
    pub(crate) fn members<'n>(
        &mut self,
        node: &'n Node,
        what: &'static str,
        known: &[&str],
    ) -> Members<'n> {
        let entries = self.entries(node, what);
        for (key, _) in entries
            .iter()
            .filter(|(key, _)| !known.contains(&key.text.as_str()))
        {
            let message = format!(
                "unknown key `{}` in {what}; there are: {}",
                key.text,
                known.join(", ")
            );
            self.fault(key.at, message);
        }
        Members {
            at: node.at,
            what,
            entries,
        }
    }

    fn required<'n>(&mut self, members: &Members<'n>, key: &str) -> Option<&'n Node> {
        let node = members.get(key);
        if node.is_none() && !members.entries.is_empty() {
            self.fault(members.at, format!("{} has no `{key}`", members.what));
        }
        node
    }

    /// Text that is not empty.
    pub(crate) fn text(&mut self, node: &Node, what: &str) -> Option<Placed> {
        match &node.kind {
            Kind::Text(text) if !text.trim().is_empty() => Some(Placed {
                text: text.trim().to_owned(),
                at: node.at,
            }),
            Kind::Text(_) => {
                self.fault(node.at, format!("{what} is empty"));
                None
            }
            Kind::Int(_) | Kind::Float(_) | Kind::Bool(_) => {
                let found = node.describe();
                self.fault(
                    node.at,
                    format!("{what} must be text, not {found}: put it in quotes"),
                );
                None
            }
            _ => {
                self.fault(
                    node.at,
                    format!("{what} must be text, not {}", node.describe()),
                );
                None
            }
        }
    }

    fn required_text(&mut self, members: &Members<'_>, key: &str) -> Option<Placed> {
        let node = self.required(members, key)?;
        self.text(node, &format!("`{key}`"))
    }

    pub(crate) fn texts(&mut self, node: &Node, what: &str) -> Vec<Placed> {
        let items = self.items(node, what);
        items
            .iter()
            .filter_map(|item| self.text(item, what))
            .collect()
    }

    /// One of the `known` words.
    pub(crate) fn word<T: Copy>(
        &mut self,
        node: &Node,
        what: &str,
        known: &[(&str, T)],
    ) -> Option<T> {
        let placed = self.text(node, what)?;
        let found = known.iter().find(|(word, _)| *word == placed.text);
        if found.is_none() {
            let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
            let message = format!(
                "{what} cannot be `{}`; there are: {}",
                placed.text,
                words.join(", ")
            );
            self.fault(node.at, message);
        }
        found.map(|(_, value)| *value)
    }

    /// True or false.
    pub(crate) fn flag(&mut self, node: &Node, what: &str) -> Option<bool> {
        if let Kind::Bool(value) = node.kind {
            return Some(value);
        }
        self.fault(
            node.at,
            format!("{what} must be true or false, not {}", node.describe()),
        );
        None
    }

    /// A number from 0.0 to 1.0, rounded to parts per million.
    pub(crate) fn score(&mut self, node: &Node, what: &str) -> Option<Score> {
        let number = match node.kind {
            Kind::Float(number) => number,
            Kind::Int(0) => 0.0,
            Kind::Int(1) => 1.0,
            _ => f64::NAN,
        };
        if !(0.0..=1.0).contains(&number) {
            self.fault(node.at, format!("{what} must be a number from 0.0 to 1.0"));
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the number was just checked to lie between 0 and 1"
        )]
        let ppm = (number * f64::from(Score::MAX.ppm())).round() as u32;
        Score::from_ppm(ppm).ok()
    }

    /// An identifier for machines.
    fn identifier(&mut self, members: &Members<'_>, key: &str) -> Option<Placed> {
        let placed = self.required_text(members, key)?;
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if placed.text.len() <= 64 && placed.text.chars().all(legal) {
            return Some(placed);
        }
        let message =
            format!("`{key}` may have at most 64 letters, digits, hyphens, underscores and dots");
        self.fault(placed.at, message);
        None
    }
}

/// Reads a document. A missing or faulty member is a fault in the reader and gets a stand-in here,
/// so that the rest, conditions included, is still checked; the document is refused either way.
pub(crate) fn read_document(reader: &mut Reader<'_>, root: &Node) -> Document {
    let keys = ["id", "version", "title", "thresholds", "rules"];
    let members = reader.members(root, "the policy", &keys);
    let id = reader.identifier(&members, "id");
    let version = reader.identifier(&members, "version");
    let title = reader.required_text(&members, "title");
    let thresholds = members
        .get("thresholds")
        .map(|node| read_thresholds(reader, node));
    let rules = reader
        .required(&members, "rules")
        .map(|node| read_rules(reader, node));
    let text = |placed: Option<Placed>| placed.map(|placed| placed.text).unwrap_or_default();
    Document {
        id: text(id),
        version: text(version),
        title: text(title),
        thresholds: thresholds.unwrap_or_default(),
        rules: rules.unwrap_or_default(),
    }
}

fn read_thresholds(reader: &mut Reader<'_>, node: &Node) -> Vec<(String, Score)> {
    let mut thresholds = Vec::new();
    for (label, node) in reader.entries(node, "`thresholds`") {
        if !reader.vocabulary.labels.contains(&label.text) {
            reader.fault(label.at, format!("unknown label `{}`", label.text));
        }
        if let Some(score) = reader.score(node, "a threshold") {
            thresholds.push((label.text.clone(), score));
        }
    }
    thresholds
}

fn read_rules(reader: &mut Reader<'_>, node: &Node) -> Vec<RuleText> {
    let items = reader.items(node, "`rules`");
    if items.len() > RULES_MAX {
        reader.fault(node.at, format!("there are more than {RULES_MAX} rules"));
        return Vec::new();
    }
    let mut rules: Vec<RuleText> = Vec::new();
    for item in items {
        let Some(rule) = read_rule(reader, item) else {
            continue;
        };
        if !rule.id.is_empty() && rules.iter().any(|other| other.id == rule.id) {
            reader.fault(rule.at, format!("there are two rules `{}`", rule.id));
        }
        rules.push(rule);
    }
    rules
}

/// Reads a rule; `None` when it has no condition to check.
fn read_rule(reader: &mut Reader<'_>, node: &Node) -> Option<RuleText> {
    let keys = [
        "id", "title", "on", "when", "effect", "redact", "severity", "basis", "message",
        "on_error", "tests",
    ];
    let members = reader.members(node, "a rule", &keys);
    let id = reader.identifier(&members, "id");
    let title = reader.required_text(&members, "title");
    let on = reader
        .required(&members, "on")
        .and_then(|n| reader.word(n, "`on`", SIDES));
    let when = reader.required_text(&members, "when");
    let effect = reader
        .required(&members, "effect")
        .and_then(|n| reader.word(n, "`effect`", EFFECTS));
    let redact = members
        .get("redact")
        .map(|node| read_redact(reader, node, effect));
    let severity = members
        .get("severity")
        .map(|n| reader.word(n, "`severity`", SEVERITIES));
    let basis = members.get("basis").map(|n| reader.texts(n, "`basis`"));
    let message = members.get("message").map(|n| reader.text(n, "`message`"));
    let on_error = members
        .get("on_error")
        .map(|n| reader.word(n, "`on_error`", EFFECTS_ON_ERROR));
    let default_side = on.map(On::first_side);
    let mut cases = Vec::new();
    if let (Some(tests), Some(side)) = (members.get("tests"), default_side) {
        for item in reader.items(tests, "`tests`") {
            cases.extend(read_case(reader, item, side));
        }
    }
    let text = |placed: Option<Placed>| placed.map(|placed| placed.text);
    Some(RuleText {
        at: node.at,
        id: text(id).unwrap_or_default(),
        title: text(title).unwrap_or_default(),
        // The side on which every fact is known, so that a faulty `on` brings no second fault.
        on: on.unwrap_or(On::Output),
        when: when?,
        effect: effect.unwrap_or(Effect::Deny),
        redact,
        severity: severity.flatten().unwrap_or_default(),
        basis: basis
            .unwrap_or_default()
            .into_iter()
            .map(|placed| placed.text)
            .collect(),
        message: text(message.flatten()),
        on_error: on_error.flatten().unwrap_or(Effect::Deny),
        cases,
    })
}

fn read_redact(reader: &mut Reader<'_>, node: &Node, effect: Option<Effect>) -> Vec<String> {
    if effect.is_some_and(|effect| effect != Effect::Transform) {
        reader.fault(
            node.at,
            "`redact` belongs to rules whose effect is transform",
        );
    }
    let patterns = reader.texts(node, "`redact`");
    if patterns.is_empty() {
        reader.fault(node.at, "`redact` names nothing");
    }
    for pattern in &patterns {
        if !reader.vocabulary.knows_pattern(&pattern.text) {
            reader.fault(
                pattern.at,
                format!("unknown label or family `{}`", pattern.text),
            );
        }
    }
    patterns.into_iter().map(|placed| placed.text).collect()
}
