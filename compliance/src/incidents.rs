//! How incidents stand: their records put together by reference.

use std::collections::BTreeMap;

use countersign_record::{Body, Incident, IncidentStage};

use crate::{
    deadline,
    document::{Cell, Table},
    extract::Placed,
    frame::columns,
    indexes::Indexes,
    measure::name_of,
    summary::Summary,
};

/// All records of one incident, in order of index.
#[derive(Debug)]
pub(crate) struct Case<'a> {
    pub(crate) reference: &'a str,
    pub(crate) records: Vec<(&'a Placed, &'a Incident)>,
}

impl<'a> Case<'a> {
    pub(crate) fn first(&self) -> (&'a Placed, &'a Incident) {
        self.records[0]
    }

    /// The record that states how it stands.
    pub(crate) fn last(&self) -> (&'a Placed, &'a Incident) {
        self.records[self.records.len() - 1]
    }

    pub(crate) fn is_open(&self) -> bool {
        self.last().1.stage != IncidentStage::Closed
    }

    pub(crate) fn at(&self) -> Vec<u64> {
        self.records
            .iter()
            .map(|(placed, _)| placed.index)
            .collect()
    }

    /// Whether a report went out, and the record that says so.
    pub(crate) fn reported(&self) -> Option<(&'a Placed, &'a Incident)> {
        let out = |stage| {
            matches!(
                stage,
                IncidentStage::Initial | IncidentStage::FollowUp | IncidentStage::Final
            )
        };
        self.records
            .iter()
            .find(|(_, incident)| out(incident.stage))
            .copied()
    }
}

/// The incidents that some record of the period is about, each with its records of the whole
/// range.
pub(crate) fn cases<'a>(summary: &Summary<'a>) -> Vec<Case<'a>> {
    let mut cases: BTreeMap<&str, Case<'a>> = BTreeMap::new();
    let mut asked = std::collections::BTreeSet::new();
    for placed in &summary.extract.records {
        let Body::Incident(incident) = &placed.record.body else {
            continue;
        };
        if summary.query.selects(placed) {
            asked.insert(incident.incident.as_str());
        }
        let case = cases.entry(&incident.incident).or_insert_with(|| Case {
            reference: &incident.incident,
            records: Vec::new(),
        });
        case.records.push((placed, incident));
    }
    cases
        .into_values()
        .filter(|case| asked.contains(case.reference))
        .collect()
}

/// When the term for the category that was reported ends, in words.
pub(crate) fn due(incident: &Incident) -> String {
    let date = |days| {
        deadline::due(&incident.aware_at, &incident.zone, days).map_or_else(
            || "not calculated: unknown time zone".to_owned(),
            |day| day.to_string(),
        )
    };
    match deadline::days(incident.category) {
        Some(days) => format!("{} ({days} days)", date(days)),
        None => format!(
            "category not known: 2 days {}, 10 days {}, 15 days {}",
            date(2),
            date(10),
            date(15)
        ),
    }
}

/// One row for each incident.
pub(crate) fn table(cases: &[Case<'_>]) -> Table {
    let rows = cases.iter().map(|case| {
        let (_, incident) = case.last();
        vec![
            Cell::text(case.reference),
            Cell::text(name_of(&incident.category)),
            Cell::text(name_of(&incident.stage)),
            Cell::Time(incident.aware_at.clone()),
            Cell::text(&incident.zone),
            Cell::text(due(incident)),
            Cell::option(case.reported(), |(_, incident)| {
                Cell::Time(incident.stage_at.clone())
            }),
            Cell::option(incident.hold.as_ref(), Cell::text),
            Cell::Indexes(Indexes::of(case.at())),
        ]
    });
    Table {
        id: "incidents",
        caption: "Incidents that a record of the period is about, as their last record states"
            .to_owned(),
        columns: columns(&[
            ("incident", "Incident"),
            ("category", "Category reported"),
            ("stage", "Stage"),
            ("aware", "Aware"),
            ("zone", "Time zone"),
            ("due", "Last day by the register's entry eu-aia-73"),
            ("reported", "First report recorded"),
            ("hold", "Hold"),
            ("indexes", "Indexes"),
        ]),
        rows: rows.collect(),
        when_empty: "No incident was reported in the period.",
    }
}
