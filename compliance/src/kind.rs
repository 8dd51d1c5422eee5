//! Which reports there are.

use std::{fmt, str::FromStr};

use crate::query::ParseNameError;

/// Which report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReportType {
    /// R1: one row for each decision record, with a field guide.
    LogExtract,
    /// R2: volumes, rates, reviews, complaints and changes, beside the period before.
    PostMarket,
    /// R3: each incident with its deadlines, what was in force, and what is kept.
    SeriousIncident,
    /// R6: who reviewed what, how long, and what was overridden.
    HumanOversight,
    /// R10: everything recorded about one exchange, in plain language.
    IndividualDecision,
    /// R12: what was erased, refused, held and let go.
    Erasure,
    /// R15: what was verified, what is complete, and what is not.
    Integrity,
    /// R16: what was changed, by whom, and what left the house.
    ChangeAccess,
    /// R17: tests of controls over the records, with their exceptions.
    Controls,
    /// R19: models, vendors, detectors and policies as seen.
    Inventory,
    /// R21: one page for management.
    OnePage,
}

impl ReportType {
    /// All of them, in order of the catalogue.
    pub const ALL: [Self; 11] = [
        Self::LogExtract,
        Self::PostMarket,
        Self::SeriousIncident,
        Self::HumanOversight,
        Self::IndividualDecision,
        Self::Erasure,
        Self::Integrity,
        Self::ChangeAccess,
        Self::Controls,
        Self::Inventory,
        Self::OnePage,
    ];

    const fn described(self) -> [&'static str; 3] {
        match self {
            Self::LogExtract => ["R1", "log-extract", "Log extract"],
            Self::PostMarket => ["R2", "post-market", "Post-market monitoring data"],
            Self::SeriousIncident => ["R3", "serious-incident", "Serious-incident data pack"],
            Self::HumanOversight => ["R6", "human-oversight", "Human-oversight record"],
            Self::IndividualDecision => ["R10", "individual-decision", "Individual decision file"],
            Self::Erasure => ["R12", "erasure-retention", "Erasure and retention log"],
            Self::Integrity => ["R15", "integrity", "Integrity and completeness certificate"],
            Self::ChangeAccess => ["R16", "change-access", "Change and access log"],
            Self::Controls => ["R17", "controls", "Control test results"],
            Self::Inventory => ["R19", "inventory", "Model and vendor inventory"],
            Self::OnePage => ["R21", "one-page", "One-page summary"],
        }
    }

    /// The number in the report catalogue.
    pub const fn code(self) -> &'static str {
        self.described()[0]
    }

    /// The name used on the command line and in file names.
    pub const fn name(self) -> &'static str {
        self.described()[1]
    }

    /// The title for people.
    pub const fn title(self) -> &'static str {
        self.described()[2]
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
        Self::ALL
            .into_iter()
            .find(|kind| {
                text.eq_ignore_ascii_case(kind.name()) || text.eq_ignore_ascii_case(kind.code())
            })
            .ok_or_else(|| ParseNameError {
                given: text.to_owned(),
                known: "log-extract (R1), post-market (R2), serious-incident (R3), \
                        human-oversight (R6), individual-decision (R10), erasure-retention (R12), \
                        integrity (R15), change-access (R16), controls (R17), inventory (R19), \
                        one-page (R21)",
            })
    }
}
