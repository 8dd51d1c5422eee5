//! What is asked for: which records, in which form.

use std::str::FromStr;

use countersign_record::ExchangeId;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::extract::Placed;

/// A name that is no report type or no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not one of: {known}")]
pub struct ParseNameError {
    pub(crate) given: String,
    pub(crate) known: &'static str,
}

/// The form of a rendered report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Everything, for programs.
    Json,
    /// One table, for spreadsheets (RFC 4180, UTF-8).
    Csv,
    /// A self-contained page, for people and printers.
    Html,
}

impl Format {
    /// The file name extension, which is also the name on the command line.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Html => "html",
        }
    }
}

impl FromStr for Format {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, ParseNameError> {
        [Self::Json, Self::Csv, Self::Html]
            .into_iter()
            .find(|format| text.eq_ignore_ascii_case(format.extension()))
            .ok_or_else(|| ParseNameError {
                given: text.to_owned(),
                known: "json, csv, html",
            })
    }
}

/// Which records: by the time they were made, and by the exchange they name. Without bounds: all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Query {
    /// From this instant on.
    pub from: Option<Timestamp>,
    /// Until before this instant.
    pub to: Option<Timestamp>,
    /// Only records that name this exchange.
    pub exchange: Option<ExchangeId>,
}

impl Query {
    pub(crate) fn contains(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at) && self.to.is_none_or(|to| at < to)
    }

    /// Whether a record is one of those asked for.
    pub(crate) fn selects(&self, placed: &Placed) -> bool {
        self.contains(placed.at) && self.names(placed)
    }

    pub(crate) fn names(&self, placed: &Placed) -> bool {
        let exchanges = placed.record.body.exchanges();
        self.exchange.is_none_or(|asked| exchanges.contains(&asked))
    }

    /// Whether the closed period `from..=to` touches the query's; an unknown `from` is a point.
    pub(crate) fn touches(&self, from: Option<Timestamp>, to: Timestamp) -> bool {
        let from = from.unwrap_or(to).min(to);
        self.from.is_none_or(|start| start <= to) && self.to.is_none_or(|end| from < end)
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!((self.from, self.to), (Some(from), Some(to)) if from >= to)
    }

    /// The period of the same length before this one; `None` without both bounds.
    pub(crate) fn before(&self) -> Option<Self> {
        let (from, to) = (self.from?, self.to?);
        let start = from.checked_sub(to.duration_since(from)).ok()?;
        Some(Self {
            from: Some(start),
            to: Some(from),
            ..*self
        })
    }

    /// The filter in one canonical spelling; the part of the report id that the query decides.
    pub(crate) fn canonical(&self) -> Value {
        let mut value = json!({
            "from": self.from.map(|at| at.to_string()),
            "to": self.to.map(|at| at.to_string()),
        });
        if let Some(exchange) = self.exchange {
            value["exchange"] = exchange.to_string().into();
        }
        value
    }

    pub(crate) fn options(&self) -> String {
        let option = |name, value: Option<String>| {
            value.map_or_else(String::new, |value| format!(" --{name} {value}"))
        };
        option("from", self.from.map(|at| at.to_string()))
            + &option("to", self.to.map(|at| at.to_string()))
            + &option("exchange", self.exchange.map(|id| id.to_string()))
    }
}
