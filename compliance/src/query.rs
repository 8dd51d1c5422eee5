//! What is asked for: which report, over which period, in which form.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde_json::{Value, json};

/// A name that is no report type or no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not one of: {known}")]
pub struct ParseNameError {
    given: String,
    known: &'static str,
}

/// Which report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReportType {
    /// R1: one row for each decision record, with a field guide.
    LogExtract,
    /// R15: what was verified, what is complete, and what is not.
    Integrity,
}

impl ReportType {
    /// The number in the report catalogue.
    pub const fn code(self) -> &'static str {
        match self {
            Self::LogExtract => "R1",
            Self::Integrity => "R15",
        }
    }

    /// The name used on the command line and in file names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LogExtract => "log-extract",
            Self::Integrity => "integrity",
        }
    }

    /// The title for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::LogExtract => "Log extract",
            Self::Integrity => "Integrity and completeness certificate",
        }
    }
}

impl fmt::Display for ReportType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ReportType {
    type Err = ParseNameError;

    /// Takes the name or the catalogue number, in any case.
    fn from_str(text: &str) -> Result<Self, ParseNameError> {
        [Self::LogExtract, Self::Integrity]
            .into_iter()
            .find(|kind| {
                text.eq_ignore_ascii_case(kind.name()) || text.eq_ignore_ascii_case(kind.code())
            })
            .ok_or_else(|| ParseNameError {
                given: text.to_owned(),
                known: "log-extract (R1), integrity (R15)",
            })
    }
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

/// Which records, by the time they were made. Without bounds: all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Query {
    /// From this instant on.
    pub from: Option<Timestamp>,
    /// Until before this instant.
    pub to: Option<Timestamp>,
}

impl Query {
    pub(crate) fn contains(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at) && self.to.is_none_or(|to| at < to)
    }

    /// Whether the closed period `from..=to` touches the query's; an unknown `from` is a point.
    pub(crate) fn touches(&self, from: Option<Timestamp>, to: Timestamp) -> bool {
        let from = from.unwrap_or(to).min(to);
        self.from.is_none_or(|start| start <= to) && self.to.is_none_or(|end| from < end)
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!((self.from, self.to), (Some(from), Some(to)) if from >= to)
    }

    /// The filter in one canonical spelling; the part of the report id that the query decides.
    pub(crate) fn canonical(&self) -> Value {
        json!({
            "from": self.from.map(|at| at.to_string()),
            "to": self.to.map(|at| at.to_string()),
        })
    }

    pub(crate) fn options(&self) -> String {
        let from = self
            .from
            .map(|at| format!(" --from {at}"))
            .unwrap_or_default();
        let to = self.to.map(|at| format!(" --to {at}")).unwrap_or_default();
        from + &to
    }
}
