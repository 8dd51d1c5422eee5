//! Numbers, each with the indexes it was counted from.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::indexes::Indexes;

/// Most items of one breakdown; the rest are counted together as one.
pub(crate) const MAX_ITEMS: usize = 100;

/// One number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Metric {
    /// Stable name, unique in a report.
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) value: u64,
    pub(crate) unit: &'static str,
    pub(crate) at: Indexes,
}

impl Metric {
    /// Counts `at`, repeats included.
    pub(crate) fn count(name: &str, label: &str, unit: &'static str, at: Vec<u64>) -> Self {
        Self::amount(name, label, unit, (at.len() as u64, at))
    }

    /// A sum or an extreme over the records `at`.
    pub(crate) fn amount(
        name: &str,
        label: &str,
        unit: &'static str,
        (value, at): (u64, Vec<u64>),
    ) -> Self {
        let (name, label) = (name.to_owned(), label.to_owned());
        Self {
            name,
            label,
            value,
            unit,
            at: Indexes::of(at),
        }
    }
}

/// One number taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Breakdown {
    pub(crate) id: &'static str,
    pub(crate) caption: String,
    /// Heading of the first column.
    pub(crate) item: &'static str,
    pub(crate) metrics: Vec<Metric>,
    /// The metric that the items add up to; `None` when a record can count under several.
    pub(crate) sums_to: Option<&'static str>,
}

/// Indexes by key.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<String, Vec<u64>>);

impl Tally {
    /// A tally that shows `keys` even when nothing is counted under them.
    pub(crate) fn showing<T: Serialize>(keys: &[T]) -> Self {
        Self(keys.iter().map(|key| (name_of(key), Vec::new())).collect())
    }

    pub(crate) fn add(&mut self, key: impl Into<String>, index: u64) {
        self.0.entry(key.into()).or_default().push(index);
    }

    /// The items, most frequent first, then by key; at most `max` and one for the rest.
    pub(crate) fn ranked(self, max: usize) -> Vec<(String, Vec<u64>)> {
        let mut items: Vec<_> = self.0.into_iter().collect();
        items.sort_by_key(|(_, at)| std::cmp::Reverse(at.len()));
        if items.len() > max {
            let rest = items.split_off(max);
            let label = format!("{} others, counted together", rest.len());
            items.push((label, rest.into_iter().flat_map(|(_, at)| at).collect()));
        }
        items
    }

    /// The items as metrics `prefix.key`.
    pub(crate) fn metrics(self, prefix: &str, unit: &'static str) -> Vec<Metric> {
        let items = self.ranked(MAX_ITEMS);
        items
            .into_iter()
            .map(|(key, at)| Metric::count(&format!("{prefix}.{key}"), &key, unit, at))
            .collect()
    }
}

/// The name of a unit variant as the record spells it.
pub(crate) fn name_of<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => name,
        _ => "unnamed".to_owned(),
    }
}
