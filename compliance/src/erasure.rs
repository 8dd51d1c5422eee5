//! R12: what was erased, refused, held and let go.

use std::collections::BTreeMap;

use countersign_record::{Body, Hold};

use crate::{
    document::{Block, Cell, Section, Table},
    extract::{Extract, Placed},
    frame::{self, columns},
    measure::{Metric, Tally, name_of},
    summary::{Summary, bodies, indexes},
};

/// Holds by id that stand at the end of the range: placed and not released after.
pub(crate) fn standing(extract: &Extract) -> BTreeMap<&str, (&Placed, &Hold)> {
    let mut holds = BTreeMap::new();
    for placed in &extract.records {
        match &placed.record.body {
            Body::Hold(hold) => {
                holds.insert(hold.hold.as_str(), (placed, hold));
            }
            Body::HoldRelease(release) => {
                holds.remove(release.hold.as_str());
            }
            _ => {}
        }
    }
    holds
}

pub(crate) fn sections(summary: &Summary<'_>) -> Vec<Section> {
    let mut results = Tally::showing(&["done", "partial", "refused"]);
    let mut grounds = Tally::default();
    for (placed, erasure) in bodies!(summary, Erasure) {
        results.add(name_of(&erasure.result), placed.index);
        grounds.add(&erasure.ground, placed.index);
    }
    let sums_to = Some("erasures");
    let result = ("Requests to erase, by result", "Result");
    let ground = ("Requests to erase, by the ground stated", "Ground");
    let erased = vec![
        frame::counts("erasure_result", result, "requests", results, sums_to),
        frame::counts("erasure_ground", ground, "requests", grounds, sums_to),
        Block::Table(erasure_table(summary)),
        Block::Text(
            "Erasure destroys keys and ciphertext outside the ledger. Commitments stay, and every \
             signature, hash and chain up to the checkpoint was verified for this report, over \
             the records listed here too. That the keys named are gone everywhere is what the \
             record says, not what was verified."
                .to_owned(),
        ),
    ];
    let kept = vec![
        Block::Table(retention_table(summary)),
        Block::Table(hold_table(summary)),
    ];
    vec![
        frame::opening(summary, metrics(summary), Vec::new()),
        Section::new("erased", "Erasure", erased),
        Section::new("kept", "Retention and holds", kept),
    ]
}

fn metrics(summary: &Summary<'_>) -> Vec<Metric> {
    let erasures = bodies!(summary, Erasure);
    let mut some = erasures.clone();
    some.retain(|(_, erasure)| erasure.pieces > 0);
    let pieces = some
        .iter()
        .fold(0u64, |sum, (_, erasure)| sum.saturating_add(erasure.pieces));
    let holds = bodies!(summary, Hold);
    let standing = standing(summary.extract);
    let mut still = holds.clone();
    still.retain(|(placed, _)| {
        standing
            .values()
            .any(|(last, _)| last.index == placed.index)
    });
    let retention = bodies!(summary, Retention);
    let count = |name, label, unit, at| Metric::count(name, label, unit, at);
    vec![
        count(
            "erasures",
            "Requests to erase, ended",
            "requests",
            indexes(&erasures),
        ),
        Metric::amount(
            "erased_pieces",
            "Pieces of content erased",
            "pieces",
            (pieces, indexes(&some)),
        ),
        count("holds", "Holds placed", "records", indexes(&holds)),
        count(
            "holds_standing",
            "Of these, not released up to the last entry",
            "records",
            indexes(&still),
        ),
        count(
            "retention_events",
            "Retention records",
            "records",
            indexes(&retention),
        ),
    ]
}

fn erasure_table(summary: &Summary<'_>) -> Table {
    let rows = bodies!(summary, Erasure)
        .into_iter()
        .map(|(placed, erasure)| {
            vec![
                Cell::Int(placed.index),
                Cell::text(&erasure.request),
                Cell::text(name_of(&erasure.result)),
                Cell::text(&erasure.ground),
                Cell::Time(erasure.requested_at.clone()),
                Cell::Time(erasure.decided_at.clone()),
                Cell::Int(erasure.pieces),
                Cell::List(erasure.keys.clone()),
                Cell::text(&erasure.actor),
            ]
        });
    Table {
        id: "erasure-requests",
        caption: "Requests to erase that ended in the period".to_owned(),
        columns: columns(&[
            ("index", "Index"),
            ("request", "Request"),
            ("result", "Result"),
            ("ground", "Ground stated"),
            ("requested", "Asked for"),
            ("decided", "Carried out or refused"),
            ("pieces", "Pieces erased"),
            ("keys", "Keys destroyed"),
            ("actor", "Actor"),
        ]),
        rows: rows.collect(),
        when_empty: "No end of a request to erase was reported in the period.",
    }
}

fn retention_table(summary: &Summary<'_>) -> Table {
    let rows = bodies!(summary, Retention)
        .into_iter()
        .map(|(placed, retention)| {
            vec![
                Cell::Int(placed.index),
                Cell::Time(placed.record.ts.clone()),
                Cell::Int(retention.before),
                Cell::text(&retention.actor),
                Cell::text(&retention.reason),
            ]
        });
    Table {
        id: "retention-events",
        caption: "Entries that need not be kept any more; their hashes stay".to_owned(),
        columns: columns(&[
            ("index", "Index"),
            ("recorded", "Recorded"),
            ("before", "Entries below"),
            ("actor", "Actor"),
            ("reason", "Reason"),
        ]),
        rows: rows.collect(),
        when_empty: "No retention record was made in the period: all entries are to be kept.",
    }
}

fn hold_table(summary: &Summary<'_>) -> Table {
    let open = standing(summary.extract);
    let rows = bodies!(summary, Hold).into_iter().map(|(placed, hold)| {
        let released = summary
            .extract
            .records
            .iter()
            .find_map(|other| match &other.record.body {
                Body::HoldRelease(release) if release.hold == hold.hold => {
                    (other.index > placed.index).then(|| other.record.ts.clone())
                }
                _ => None,
            });
        let state = match open.get(hold.hold.as_str()) {
            Some((other, _)) if other.index == placed.index => "stands",
            _ if released.is_some() => "released",
            _ => "replaced by a later record of the same id",
        };
        vec![
            Cell::Int(placed.index),
            Cell::text(&hold.hold),
            Cell::text(&hold.cause),
            Cell::text(&hold.matter),
            Cell::text(state),
            Cell::option(released, Cell::Time),
            Cell::option(hold.from.clone(), Cell::Time),
            Cell::option(hold.to.clone(), Cell::Time),
            Cell::Int(hold.exchanges.len() as u64),
            Cell::text(&hold.actor),
        ]
    });
    Table {
        id: "holds",
        caption: "Holds placed in the period, and how they stand at the last entry".to_owned(),
        columns: columns(&[
            ("index", "Index"),
            ("hold", "Hold"),
            ("cause", "Cause"),
            ("matter", "Matter"),
            ("state", "State"),
            ("released", "Released"),
            ("from", "Records from"),
            ("to", "Records before"),
            ("exchanges", "Exchanges named"),
            ("actor", "Actor"),
        ]),
        rows: rows.collect(),
        when_empty: "No hold was placed in the period.",
    }
}
