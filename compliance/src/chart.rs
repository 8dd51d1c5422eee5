//! What charts show: whole numbers in named series, before they are drawn.

use countersign_record::{Action, Effect, Side};
use jiff::Timestamp;

use crate::{
    extract::{Extract, Placed},
    indexes::Indexes,
    measure::{Tally, name_of},
    query::Query,
};

/// Most columns of a chart over time.
const MAX_BINS: i64 = 32;
/// Widths of a column in seconds, from which the first that fits is taken.
const WIDTHS: [i64; 13] = [
    1,
    5,
    15,
    60,
    300,
    900,
    3600,
    4 * 3600,
    12 * 3600,
    DAY,
    7 * DAY,
    28 * DAY,
    364 * DAY,
];
const DAY: i64 = 86_400;
/// Most labels shown as bars.
const TOP_LABELS: usize = 12;

/// How a chart is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Upright stacked columns along time.
    Columns,
    /// Lying stacked bars with names.
    Bars,
}

/// A chart.
#[derive(Debug, Clone)]
pub(crate) struct Chart {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// What a reader who cannot see it needs to know.
    pub(crate) description: String,
    pub(crate) shape: Shape,
    /// Heading of the groups, for the data table.
    pub(crate) axis: &'static str,
    /// Names; the drawing gives each `series-NAME` as its style class.
    pub(crate) series: Vec<String>,
    pub(crate) groups: Vec<Group>,
}

/// One column or bar.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) label: String,
    /// One number for each series.
    pub(crate) values: Vec<u64>,
    pub(crate) at: Indexes,
}

impl Group {
    pub(crate) fn total(&self) -> u64 {
        self.values.iter().sum()
    }
}

const EFFECTS: [Effect; 4] = [
    Effect::Permit,
    Effect::Transform,
    Effect::Escalate,
    Effect::Deny,
];
const ACTIONS: [Action; 5] = [
    Action::Forwarded,
    Action::Redacted,
    Action::Blocked,
    Action::RefusedNotEvaluated,
    Action::Closed,
];

/// Decisions over time by effect; `None` without decisions.
pub(crate) fn over_time(extract: &Extract, query: &Query) -> Option<Chart> {
    let seconds = || {
        extract
            .decisions(query)
            .map(|(placed, _)| placed.at.as_second())
    };
    let (first, last) = (seconds().min()?, seconds().max()?);
    let bins = |width: i64| last.div_euclid(width) - first.div_euclid(width) + 1;
    // Wider than the widest: one column, rather than a bound broken.
    let width = WIDTHS
        .into_iter()
        .find(|width| bins(*width) <= MAX_BINS)
        .unwrap_or(i64::MAX);
    let start = first.div_euclid(width);
    let mut groups: Vec<(Vec<u64>, Vec<u64>)> = Vec::new();
    for _ in 0..bins(width) {
        groups.push((vec![0; EFFECTS.len()], Vec::new()));
    }
    for (Placed { index, at, .. }, body) in extract.decisions(query) {
        let bin = usize::try_from(at.as_second().div_euclid(width) - start).unwrap_or_default();
        let series = EFFECTS
            .iter()
            .position(|effect| *effect == body.decision.effect);
        if let (Some((values, indexes)), Some(series)) = (groups.get_mut(bin), series) {
            values[series] += 1;
            indexes.push(*index);
        }
    }
    let one_day = first.div_euclid(DAY) == last.div_euclid(DAY);
    let groups: Vec<Group> = (start..)
        .zip(groups)
        .map(|(bin, (values, at))| Group {
            label: bin_label(bin.saturating_mul(width), width, one_day),
            values,
            at: Indexes::of(at),
        })
        .collect();
    let total: u64 = groups.iter().map(Group::total).sum();
    let day = bin_label(first, DAY, false);
    let on = if one_day {
        format!(", on {day}")
    } else {
        String::new()
    };
    Some(Chart {
        id: "chart-over-time",
        title: "Decisions over time, by effect",
        description: format!(
            "{total} decisions in {} columns of {} each{on} (UTC).",
            groups.len(),
            duration(width)
        ),
        shape: Shape::Columns,
        axis: "From (UTC)",
        series: EFFECTS.iter().map(name_of).collect(),
        groups,
    })
}

fn bin_label(second: i64, width: i64, one_day: bool) -> String {
    let Ok(at) = Timestamp::from_second(second) else {
        return second.to_string();
    };
    let form = match (width, one_day) {
        (DAY.., _) => "%Y-%m-%d",
        (60.., true) => "%H:%M",
        (_, true) => "%H:%M:%S",
        (60.., false) => "%m-%d %H:%M",
        (_, false) => "%m-%d %H:%M:%S",
    };
    at.strftime(form).to_string()
}

fn duration(seconds: i64) -> String {
    let (count, unit) = match seconds {
        DAY.. => (seconds / DAY, "day"),
        3600.. => (seconds / 3600, "hour"),
        60.. => (seconds / 60, "minute"),
        _ => (seconds, "second"),
    };
    if count == 1 {
        format!("1 {unit}")
    } else {
        format!("{count} {unit}s")
    }
}

/// Records in which a label was present, the most frequent labels; `None` without any.
pub(crate) fn labels(present: Tally) -> Option<Chart> {
    let groups: Vec<Group> = present
        .ranked(TOP_LABELS)
        .into_iter()
        .map(|(label, at)| Group {
            label,
            values: vec![at.len() as u64],
            at: Indexes::of(at),
        })
        .collect();
    let top = groups.first()?;
    Some(Chart {
        id: "chart-labels",
        title: "Labels present",
        description: format!(
            "Decision records in which a label reached its threshold. Most frequent: {}, {}.",
            top.label,
            top.total()
        ),
        shape: Shape::Bars,
        axis: "Label",
        series: vec!["records".to_owned()],
        groups,
    })
}

/// Actions by side; `None` without decisions.
pub(crate) fn actions(extract: &Extract, query: &Query) -> Option<Chart> {
    extract.decisions(query).next()?;
    let groups: Vec<Group> = [Side::Input, Side::Output]
        .into_iter()
        .map(|side| {
            let mut values = vec![0; ACTIONS.len()];
            let mut at = Vec::new();
            for (placed, body) in extract
                .decisions(query)
                .filter(|(_, body)| body.side == side)
            {
                if let Some(series) = ACTIONS.iter().position(|action| *action == body.action) {
                    values[series] += 1;
                    at.push(placed.index);
                }
            }
            Group {
                label: name_of(&side),
                values,
                at: Indexes::of(at),
            }
        })
        .collect();
    let sides: Vec<String> = groups
        .iter()
        .map(|group| format!("{} {}", group.total(), group.label))
        .collect();
    Some(Chart {
        id: "chart-actions",
        title: "Actions by side",
        description: format!("What was done in {} records.", sides.join(" and ")),
        shape: Shape::Bars,
        axis: "Side",
        series: ACTIONS.iter().map(name_of).collect(),
        groups,
    })
}
