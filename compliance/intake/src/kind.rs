//! What can be taken in, and in which form.

use std::{fmt, str::FromStr};

/// A name that is no kind or no form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not one of: {known}")]
pub struct UnknownName {
    given: String,
    known: String,
}

/// A kind of reported record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// What came of an exchange for a person.
    Outcome,
    /// A person looked at a decision.
    HumanReview,
    /// Something went wrong.
    Incident,
    /// A report of an evaluation exists.
    Evaluation,
    /// A vendor's list was compared.
    Reconciliation,
    /// Somebody complained.
    Complaint,
    /// A file of group attributes exists.
    DemographicImport,
    /// Records must be kept.
    Hold,
    /// A hold ended.
    HoldRelease,
    /// Content was erased, or the request refused.
    Erasure,
    /// Something left the house.
    Export,
    /// An authority asked for something.
    DisclosureToAuthority,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Outcome,
        Self::HumanReview,
        Self::Incident,
        Self::Evaluation,
        Self::Reconciliation,
        Self::Complaint,
        Self::DemographicImport,
        Self::Hold,
        Self::HoldRelease,
        Self::Erasure,
        Self::Export,
        Self::DisclosureToAuthority,
    ];

    /// The type that records have.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Outcome => "outcome",
            Self::HumanReview => "human_review",
            Self::Incident => "incident",
            Self::Evaluation => "evaluation",
            Self::Reconciliation => "reconciliation",
            Self::Complaint => "complaint",
            Self::DemographicImport => "demographic_import",
            Self::Hold => "hold",
            Self::HoldRelease => "hold_release",
            Self::Erasure => "erasure",
            Self::Export => "export",
            Self::DisclosureToAuthority => "disclosure_to_authority",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = UnknownName;

    /// Takes the name of the type, with `_` or `-`.
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let wanted = text.replace('-', "_");
        let found = Self::ALL.into_iter().find(|kind| kind.name() == wanted);
        found.ok_or_else(|| UnknownName {
            given: text.to_owned(),
            known: Self::ALL.map(Self::name).join(", "),
        })
    }
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// One JSON object to a line.
    JsonLines,
    /// RFC 4180 with a header; `a.b` in the header is member `b` of member `a`.
    Csv,
}

impl Form {
    /// By the file name's extension.
    ///
    /// # Errors
    /// [`UnknownName`] when it is neither `jsonl`, `ndjson` nor `csv`.
    pub fn of_extension(extension: &str) -> Result<Self, UnknownName> {
        match extension.to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" => Ok(Self::JsonLines),
            "csv" => Ok(Self::Csv),
            _ => Err(UnknownName {
                given: extension.to_owned(),
                known: "jsonl, ndjson, csv".to_owned(),
            }),
        }
    }
}
