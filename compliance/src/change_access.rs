//! R16: what was changed, by whom, and what left the house.

use countersign_record::Change;

use crate::{
    document::{Block, Cell, Section, Table},
    extract::Placed,
    frame::{self, columns},
    measure::{Metric, Tally, name_of},
    summary::{Summary, bodies, indexes},
};

/// Whether something else was in force before.
pub(crate) fn is_change(change: &Change) -> bool {
    change.before.as_ref() != Some(&change.after)
}

/// The changes of the period, without confirmations of what was in force already.
pub(crate) fn changes<'a>(summary: &Summary<'a>) -> Vec<(&'a Placed, &'a Change)> {
    let mut all = bodies!(summary, Change);
    all.retain(|(_, change)| is_change(change));
    all
}

pub(crate) fn sections(summary: &Summary<'_>) -> Vec<Section> {
    let (mut subjects, mut actors) = (Tally::default(), Tally::default());
    for (placed, change) in changes(summary) {
        subjects.add(&change.subject, placed.index);
        actors.add(&change.actor, placed.index);
    }
    let sums_to = Some("changes");
    let subject = ("Changes by subject", "Subject");
    let actor = ("Changes by actor", "Actor");
    let changed = vec![
        frame::counts("change_subject", subject, "records", subjects, sums_to),
        frame::counts("change_actor", actor, "records", actors, sums_to),
        Block::Table(table(summary)),
        Block::Table(keys(summary)),
    ];
    let access = vec![
        Block::Text(
            "The ledger holds no content, and this version keeps none that could be read by a \
             person; so there is no record of reading. Exports and disclosures are listed as far \
             as they were reported."
                .to_owned(),
        ),
        Block::Table(exports(summary)),
        Block::Table(disclosures(summary)),
    ];
    vec![
        frame::opening(summary, metrics(summary), Vec::new()),
        Section::new("changed", "Changes", changed),
        Section::new("access", "What left the house", access),
    ]
}

fn metrics(summary: &Summary<'_>) -> Vec<Metric> {
    let mut confirmed = bodies!(summary, Change);
    confirmed.retain(|(_, change)| !is_change(change));
    let count = |name, label, at| Metric::count(name, label, "records", at);
    vec![
        count("changes", "Changes", indexes(&changes(summary))),
        count(
            "confirmations",
            "Confirmed as before at a start or reload",
            indexes(&confirmed),
        ),
        count("key_events", "Key records", indexes(&bodies!(summary, Key))),
        count(
            "exports",
            "Exports reported",
            indexes(&bodies!(summary, Export)),
        ),
        count(
            "disclosures",
            "Requests of authorities reported",
            indexes(&bodies!(summary, DisclosureToAuthority)),
        ),
    ]
}

/// One row for each change of the period.
pub(crate) fn table(summary: &Summary<'_>) -> Table {
    let rows = changes(summary).into_iter().map(|(placed, change)| {
        vec![
            Cell::Int(placed.index),
            Cell::Time(placed.record.ts.clone()),
            Cell::text(&change.subject),
            Cell::text(&change.name),
            Cell::text(&change.actor),
            Cell::text(&change.reason),
            Cell::option(change.before.as_ref(), Cell::code),
            Cell::code(&change.after),
        ]
    });
    Table {
        id: "changes",
        caption: "What was put in force, changed or withdrawn".to_owned(),
        columns: columns(&[
            ("index", "Index"),
            ("recorded", "Recorded"),
            ("subject", "Subject"),
            ("name", "Name"),
            ("actor", "Actor"),
            ("reason", "Reason"),
            ("before", "Digest or version before"),
            ("after", "Digest or version after"),
        ]),
        rows: rows.collect(),
        when_empty: "No change record of the period says that something else came into force.",
    }
}

fn keys(summary: &Summary<'_>) -> Table {
    let rows = bodies!(summary, Key).into_iter().map(|(placed, key)| {
        vec![
            Cell::Int(placed.index),
            Cell::Time(placed.record.ts.clone()),
            Cell::text(name_of(&key.event)),
            Cell::text(&key.actor),
            Cell::text(&key.reason),
            Cell::option(key.before.as_ref(), Cell::code),
            Cell::code(&key.after),
        ]
    });
    Table {
        id: "key-events",
        caption: "Keys that began to sign".to_owned(),
        columns: columns(&[
            ("index", "Index"),
            ("recorded", "Recorded"),
            ("event", "Event"),
            ("actor", "Actor"),
            ("reason", "Reason"),
            ("before", "Key before"),
            ("after", "Key after"),
        ]),
        rows: rows.collect(),
        when_empty: "No key record was made in the period.",
    }
}

fn exports(summary: &Summary<'_>) -> Table {
    let rows = bodies!(summary, Export)
        .into_iter()
        .map(|(placed, export)| {
            vec![
                Cell::Int(placed.index),
                Cell::Time(placed.record.ts.clone()),
                Cell::text(&export.kind),
                Cell::text(&export.purpose),
                Cell::text(&export.recipient),
                Cell::text(&export.actor),
                Cell::option(export.first.zip(export.last), |(first, last)| {
                    Cell::text(format!("{first}-{last}"))
                }),
                Cell::code(&export.bundle),
            ]
        });
    Table {
        id: "exports",
        caption: "Exports".to_owned(),
        columns: columns(&[
            ("index", "Index"),
            ("recorded", "Recorded"),
            ("kind", "What"),
            ("purpose", "Purpose"),
            ("recipient", "Recipient"),
            ("actor", "Actor"),
            ("entries", "Entries in it"),
            ("digest", "Digest"),
        ]),
        rows: rows.collect(),
        when_empty: "No export was reported in the period.",
    }
}

fn disclosures(summary: &Summary<'_>) -> Table {
    let picked = bodies!(summary, DisclosureToAuthority);
    let rows = picked.into_iter().map(|(placed, disclosure)| {
        let items = disclosure.items.iter();
        vec![
            Cell::Int(placed.index),
            Cell::text(&disclosure.request),
            Cell::text(&disclosure.authority),
            Cell::text(&disclosure.basis),
            Cell::Time(disclosure.requested_at.clone()),
            Cell::option(disclosure.handed_over_at.clone(), Cell::Time),
            Cell::Flag(disclosure.confidential),
            Cell::List(
                items
                    .map(|item| format!("{} {}", item.kind, item.digest))
                    .collect(),
            ),
        ]
    });
    Table {
        id: "disclosures",
        caption: "Requests of authorities, and what was handed over".to_owned(),
        columns: columns(&[
            ("index", "Index"),
            ("request", "Request"),
            ("authority", "Authority"),
            ("basis", "Basis stated"),
            ("requested", "Asked for"),
            ("handed_over", "Handed over"),
            ("confidential", "Confidentiality claimed"),
            ("items", "Items"),
        ]),
        rows: rows.collect(),
        when_empty: "No request of an authority was reported in the period.",
    }
}
