//! The labels a document may name, and their families.

use std::collections::BTreeSet;

/// Families that exist whatever the taxonomy holds.
const FAMILIES: [&str; 2] = ["pii", "secret"];

/// Known labels and families.
#[derive(Debug, Clone)]
pub(crate) struct Vocabulary {
    pub(crate) labels: BTreeSet<String>,
    pub(crate) families: BTreeSet<String>,
}

impl Vocabulary {
    pub(crate) fn new(labels: &[String]) -> Self {
        let families = labels
            .iter()
            .filter_map(|label| Some(label.split_once('.')?.0));
        Self {
            families: families.chain(FAMILIES).map(str::to_owned).collect(),
            labels: labels.iter().cloned().collect(),
        }
    }

    /// Whether `pattern` names a label, or a family as `family.*`.
    pub(crate) fn knows_pattern(&self, pattern: &str) -> bool {
        match pattern.strip_suffix(".*") {
            Some(family) => self.families.contains(family),
            None => self.labels.contains(pattern),
        }
    }
}

/// Whether `label` is `pattern`, or belongs to the family when `pattern` is `family.*`.
pub(crate) fn matches(pattern: &str, label: &str) -> bool {
    match pattern.strip_suffix(".*") {
        Some(family) => in_family(family, label),
        None => pattern == label,
    }
}

/// Whether `label` is `family.something`.
pub(crate) fn in_family(family: &str, label: &str) -> bool {
    label
        .strip_prefix(family)
        .is_some_and(|rest| rest.starts_with('.'))
}
