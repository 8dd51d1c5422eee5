//! R3: each incident with its deadlines, what was in force, and what is kept.

use std::collections::{BTreeMap, BTreeSet};

use countersign_record::{Body, Change, Incident};
use jiff::Timestamp;

use crate::{
    change_access::is_change,
    document::{Block, Cell, Section, Table},
    erasure,
    extract::Placed,
    frame::{self, columns},
    incidents::{self, Case, due},
    indexes::Indexes,
    measure::{Metric, Tally, name_of},
    summary::Summary,
};

pub(crate) fn sections(summary: &Summary<'_>) -> Vec<Section> {
    let cases = incidents::cases(summary);
    let mut stages = Tally::default();
    for case in &cases {
        stages.add(name_of(&case.last().1.stage), case.last().0.index);
    }
    let stage = ("Incidents by stage", "Stage");
    let list =
        vec![
        frame::counts("incident_stage", stage, "incidents", stages, Some("incidents")),
        Block::Table(incidents::table(&cases)),
        Block::Text(
            "Dates are a calculation: calendar days from the time of awareness that was reported, \
             in the time zone that was reported, the day of awareness not counted, weekends and \
             holidays not regarded. Which term applies is for the reporter to decide."
                .to_owned(),
        ),
        Block::Table(stage_table(&cases)),
    ];
    let implicated = vec![
        Block::Table(exchanges(summary, &cases)),
        Block::Table(in_force(summary, &cases)),
        Block::Table(changed_after(summary, &cases)),
    ];
    vec![
        frame::opening(summary, metrics(summary, &cases), Vec::new()),
        Section::new("incident-list", "Incidents", list),
        Section::new(
            "data-fields",
            "Data for the report",
            vec![Block::Table(fields(&cases))],
        ),
        Section::new("implicated", "Exchanges and versions", implicated),
    ]
}

fn metrics(summary: &Summary<'_>, cases: &[Case<'_>]) -> Vec<Metric> {
    let standing = erasure::standing(summary.extract);
    let held = |case: &Case<'_>| {
        let hold = case.last().1.hold.as_deref();
        hold.is_some_and(|hold| standing.contains_key(hold))
    };
    let count = |name, label, keep: &dyn Fn(&Case<'_>) -> bool| {
        let kept = cases.iter().filter(|case| keep(case));
        let at = kept.map(|case| case.last().0.index).collect();
        Metric::count(name, label, "incidents", at)
    };
    let changed = cases.iter().flat_map(|case| later_changes(summary, case));
    let changed: BTreeSet<u64> = changed.map(|(placed, _)| placed.index).collect();
    vec![
        count("incidents", "Incidents", &|_| true),
        count("incidents_open", "Of these, open", &|case| case.is_open()),
        count(
            "incidents_unreported",
            "Without a report to an authority recorded",
            &|case| case.reported().is_none(),
        ),
        count("incidents_held", "With a hold that stands", &held),
        Metric::count(
            "changes_after_awareness",
            "Changes after awareness, before the first report or the end",
            "records",
            changed.into_iter().collect(),
        ),
    ]
}

fn stage_table(cases: &[Case<'_>]) -> Table {
    let all = cases.iter().flat_map(|case| &case.records);
    let rows = all.map(|(placed, incident)| {
        vec![
            Cell::Int(placed.index),
            Cell::text(&incident.incident),
            Cell::text(name_of(&incident.stage)),
            Cell::Time(incident.stage_at.clone()),
            Cell::text(name_of(&incident.category)),
            Cell::Time(placed.record.ts.clone()),
        ]
    });
    Table {
        id: "incident-stages",
        caption: "Every record of these incidents".to_owned(),
        columns: columns(&[
            ("index", "Index"),
            ("incident", "Incident"),
            ("stage", "Stage"),
            ("at", "Reached"),
            ("category", "Category reported"),
            ("recorded", "Recorded"),
        ]),
        rows: rows.collect(),
        when_empty: "No incident was reported in the period.",
    }
}

/// What an authority's form may ask for: from the records, or left to the reporter.
fn fields(cases: &[Case<'_>]) -> Table {
    const MISSING: &str = "not in the records: the reporter adds it";
    let rows = cases.iter().flat_map(|case| {
        let (_, incident) = case.last();
        let given = |cell: Option<Cell>| cell.unwrap_or_else(|| Cell::text(MISSING));
        let text = |text: String| Some(Cell::Text(text));
        let fields: [(&str, Option<Cell>); 14] = [
            ("Own reference", text(case.reference.to_owned())),
            ("Report type reached", text(name_of(&incident.stage))),
            (
                "Member States",
                (!incident.states.is_empty()).then(|| Cell::List(incident.states.clone())),
            ),
            ("Authority, provider, deployer, contacts", None),
            ("System name, version, registration, intended purpose", None),
            (
                "First awareness",
                Some(Cell::Time(incident.aware_at.clone())),
            ),
            (
                "Causal link established",
                incident.link_at.clone().map(Cell::Time),
            ),
            ("Category, as reported", text(name_of(&incident.category))),
            ("Last day of the term", text(due(incident))),
            ("Persons affected", incident.persons.map(Cell::Int)),
            (
                "Description (commitment)",
                incident.description.clone().map(Cell::Code),
            ),
            (
                "Inputs and outputs implicated",
                text(format!("{} exchanges named", named(case).len())),
            ),
            ("Cause, containment, corrective action", None),
            ("Parallel notifications, declaration", None),
        ];
        let rows = fields
            .map(|(field, cell)| vec![Cell::text(case.reference), Cell::text(field), given(cell)]);
        rows.into_iter()
    });
    Table {
        id: "incident-fields",
        caption: "Fields that a report may ask for; the numbering of an official form is not used"
            .to_owned(),
        columns: columns(&[
            ("incident", "Incident"),
            ("field", "Field"),
            ("value", "Value"),
        ]),
        rows: rows.collect(),
        when_empty: "No incident was reported in the period.",
    }
}

fn named(case: &Case<'_>) -> BTreeSet<countersign_record::ExchangeId> {
    let records = case.records.iter();
    records
        .flat_map(|(_, incident)| incident.exchanges.iter().copied())
        .collect()
}

fn exchanges(summary: &Summary<'_>, cases: &[Case<'_>]) -> Table {
    let mut at: BTreeMap<_, Vec<&Placed>> = BTreeMap::new();
    for placed in &summary.extract.records {
        if let Some(body) = placed.decision() {
            at.entry(body.exchange).or_default().push(placed);
        }
    }
    let rows = cases.iter().flat_map(|case| {
        named(case).into_iter().map(|exchange| {
            let records = at.get(&exchange).map(Vec::as_slice).unwrap_or_default();
            let decided = records.iter().filter_map(|placed| placed.decision());
            let done = decided.map(|body| {
                format!(
                    "{}: {}",
                    name_of(&body.side),
                    name_of(&body.action).replace('_', " ")
                )
            });
            let mut done: Vec<String> = done.collect();
            if done.is_empty() {
                done.push("no decision record names it".to_owned());
            }
            vec![
                Cell::text(case.reference),
                Cell::code(exchange.to_string()),
                Cell::List(done),
                Cell::Indexes(Indexes::of(
                    records.iter().map(|placed| placed.index).collect(),
                )),
            ]
        })
    });
    Table {
        id: "incident-exchanges",
        caption: "Exchanges that the incidents name".to_owned(),
        columns: columns(&[
            ("incident", "Incident"),
            ("exchange", "Exchange"),
            ("done", "What was done"),
            ("indexes", "Indexes"),
        ]),
        rows: rows.collect(),
        when_empty: "No incident of the period names an exchange.",
    }
}

/// The last change record of each subject and name up to the time of awareness.
fn in_force(summary: &Summary<'_>, cases: &[Case<'_>]) -> Table {
    let rows = cases.iter().flat_map(|case| {
        let aware = aware(case.first().1);
        let mut last: BTreeMap<(&str, &str), (&Placed, &Change)> = BTreeMap::new();
        for placed in &summary.extract.records {
            let Body::Change(change) = &placed.record.body else {
                continue;
            };
            if aware.is_some_and(|aware| placed.at <= aware) {
                // A name carries its version after the last `@`.
                let name = change
                    .name
                    .rsplit_once('@')
                    .map_or(change.name.as_str(), |(n, _)| n);
                last.insert((&change.subject, name), (placed, change));
            }
        }
        let kept = last
            .into_values()
            .filter(|(_, change)| change.after != "none");
        kept.map(|(placed, change)| {
            vec![
                Cell::text(case.reference),
                Cell::text(&change.subject),
                Cell::text(&change.name),
                Cell::code(&change.after),
                Cell::Int(placed.index),
            ]
        })
        .collect::<Vec<_>>()
    });
    Table {
        id: "in-force",
        caption: "What was in force at the time of awareness, by the last change records before it"
            .to_owned(),
        columns: columns(&[
            ("incident", "Incident"),
            ("subject", "Subject"),
            ("name", "Name"),
            ("digest", "Digest or version"),
            ("index", "Index"),
        ]),
        rows: rows.collect(),
        when_empty: "No change record precedes the awareness of an incident of the period.",
    }
}

fn aware(incident: &Incident) -> Option<Timestamp> {
    incident.aware_at.parse().ok()
}

/// Changes after awareness and before the first report that is recorded, or the last entry.
fn later_changes<'a>(summary: &Summary<'a>, case: &Case<'a>) -> Vec<(&'a Placed, &'a Change)> {
    let Some(aware) = aware(case.first().1) else {
        return Vec::new();
    };
    let reported: Option<Timestamp> = case
        .reported()
        .and_then(|(_, incident)| incident.stage_at.parse().ok());
    let records = summary.extract.records.iter();
    records
        .filter(|placed| placed.at > aware && reported.is_none_or(|end| placed.at < end))
        .filter_map(|placed| match &placed.record.body {
            Body::Change(change) if is_change(change) => Some((placed, change)),
            _ => None,
        })
        .collect()
}

fn changed_after(summary: &Summary<'_>, cases: &[Case<'_>]) -> Table {
    let rows = cases.iter().flat_map(|case| {
        let changes = later_changes(summary, case).into_iter();
        changes.map(|(placed, change)| {
            vec![
                Cell::text(case.reference),
                Cell::Int(placed.index),
                Cell::Time(placed.record.ts.clone()),
                Cell::text(&change.subject),
                Cell::text(&change.name),
                Cell::text(&change.actor),
                Cell::text(&change.reason),
            ]
        })
    });
    Table {
        id: "changed-after",
        caption: "Changes after awareness and before the first report that is recorded".to_owned(),
        columns: columns(&[
            ("incident", "Incident"),
            ("index", "Index"),
            ("recorded", "Recorded"),
            ("subject", "Subject"),
            ("name", "Name"),
            ("actor", "Actor"),
            ("reason", "Reason"),
        ]),
        rows: rows.collect(),
        when_empty: "No change is recorded in that time.",
    }
}
