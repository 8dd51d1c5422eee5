//! What a report leaves out, and what the ledger itself says may be missing.

use super::Summary;
use crate::{
    document::{Block, Cell, Column, Table},
    extract::{Placed, Unread},
    measure::{Breakdown, Metric},
};

impl Summary<'_> {
    /// Entries that were verified, by whether they are counted.
    pub(crate) fn exclusions(&self) -> Block {
        let (used, outside): (Vec<_>, Vec<_>) = self
            .extract
            .records
            .iter()
            .partition(|placed| self.query.contains(placed.at));
        let (used, unnamed): (Vec<_>, Vec<_>) = used
            .into_iter()
            .partition(|placed| self.query.names(placed));
        let indexes = |placed: Vec<&Placed>| placed.iter().map(|placed| placed.index).collect();
        let unread = |why| {
            let unread = self
                .extract
                .unread
                .iter()
                .filter(|(_, reason)| *reason == why);
            unread.map(|(index, _)| *index).collect()
        };
        let mut metrics = vec![
            Metric::count(
                "entries.used",
                "Used in this report",
                "entries",
                indexes(used),
            ),
            Metric::count(
                "entries.outside_period",
                "Left out: made outside the period",
                "entries",
                indexes(outside),
            ),
            Metric::count(
                "entries.other_schema",
                "Left out: not a record of a schema this version reads",
                "entries",
                unread(Unread::Schema),
            ),
            Metric::count(
                "entries.unreadable_time",
                "Left out: its time is not RFC 3339",
                "entries",
                unread(Unread::Time),
            ),
        ];
        if self.query.exchange.is_some() {
            metrics.push(Metric::count(
                "entries.other_exchange",
                "Left out: does not name the exchange asked for",
                "entries",
                indexes(unnamed),
            ));
        }
        Block::Breakdown(Breakdown {
            id: "exclusions",
            caption: "Entries verified, by use".to_owned(),
            item: "Use",
            metrics,
            sums_to: Some("entries"),
        })
    }

    pub(crate) fn gap_list(&self) -> Block {
        let columns = vec![
            Column::main("index", "Index"),
            Column::main("recorded", "Recorded"),
            Column::main("cause", "Cause"),
            Column::main("from", "From"),
            Column::main("to", "To"),
            Column::main("exchanges", "Exchanges of unknown outcome"),
            Column::main("detail", "Detail"),
        ];
        let rows = self.gaps().map(|(placed, gap)| {
            vec![
                Cell::Int(placed.index),
                Cell::Time(placed.record.ts.clone()),
                Cell::text(&gap.cause),
                Cell::option(gap.from.clone(), Cell::Time),
                Cell::Time(gap.to.clone()),
                Cell::List(gap.exchanges.iter().map(ToString::to_string).collect()),
                Cell::text(&gap.detail),
            ]
        });
        Block::Table(Table {
            id: "gap-list",
            caption: "Gap records made in the period or about it".to_owned(),
            columns,
            rows: rows.collect(),
            when_empty: "No gap record was made in the period or about it.",
        })
    }
}
