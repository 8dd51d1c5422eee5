//! A report before it has a form: what is printed, in order. All renderings read this alone, so
//! that they cannot disagree.

use crate::{
    chart::Chart,
    indexes::Indexes,
    measure::{Breakdown, Metric},
};

/// A value in a table or a list of facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Empty,
    Int(u64),
    Text(String),
    /// Text that people compare letter by letter.
    Code(String),
    /// RFC 3339 text.
    Time(String),
    Flag(bool),
    List(Vec<String>),
    Indexes(Indexes),
}

impl Cell {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn code(text: impl Into<String>) -> Self {
        Self::Code(text.into())
    }

    pub(crate) fn option<T>(value: Option<T>, cell: impl FnOnce(T) -> Self) -> Self {
        value.map_or(Self::Empty, cell)
    }

    pub(crate) fn is_blank(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::List(items) => items.is_empty(),
            Self::Text(text) | Self::Code(text) | Self::Time(text) => text.is_empty(),
            Self::Indexes(at) => at.count() == 0,
            Self::Int(_) | Self::Flag(_) => false,
        }
    }
}

/// One column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    /// Stable name in JSON and CSV.
    pub(crate) key: &'static str,
    pub(crate) label: &'static str,
    /// One sentence for the field guide; empty where the label says it all.
    pub(crate) meaning: &'static str,
    /// False: pages print it on a second line of the row.
    pub(crate) main: bool,
}

impl Column {
    pub(crate) const fn main(key: &'static str, label: &'static str) -> Self {
        Self {
            key,
            label,
            meaning: "",
            main: true,
        }
    }
}

/// A table; each row has one cell for each column.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) id: &'static str,
    pub(crate) caption: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<Cell>>,
    /// What is printed in place of no rows.
    pub(crate) when_empty: &'static str,
}

/// One piece of a section.
#[derive(Debug, Clone)]
pub(crate) enum Block {
    Text(String),
    Facts(&'static str, Vec<(&'static str, Cell)>),
    Notes(&'static str, Vec<String>),
    /// The numbers that a reader looks for first.
    Headline(Vec<Metric>),
    Breakdown(Breakdown),
    Table(Table),
    Chart(Chart),
    /// Text to be copied exactly.
    Verbatim(&'static str, &'static str, String),
}

/// A part under a heading.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) blocks: Vec<Block>,
}

impl Section {
    pub(crate) fn new(id: &'static str, title: &'static str, blocks: Vec<Block>) -> Self {
        Self { id, title, blocks }
    }
}

/// Every metric of `sections`, in order of print.
pub(crate) fn metrics(sections: &[Section]) -> impl Iterator<Item = &Metric> {
    sections
        .iter()
        .flat_map(|section| &section.blocks)
        .flat_map(|block| match block {
            Block::Headline(metrics) => metrics.as_slice(),
            Block::Breakdown(breakdown) => breakdown.metrics.as_slice(),
            Block::Text(_)
            | Block::Facts(..)
            | Block::Notes(..)
            | Block::Table(_)
            | Block::Chart(_)
            | Block::Verbatim(..) => &[],
        })
}
