//! The obligation register: what the law says of itself, as data with a version.
//!
//! The law moves faster than releases of software. So nothing here is code: the register is a
//! file, each entry says where its words come from and how well they were checked, and every
//! report prints the version and what was not verified.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// The register as shipped.
const SHIPPED: &str = include_str!("../register/obligations.json");

/// Why a register cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// Not JSON, or not of this shape.
    #[error("the obligation register cannot be read: {0}")]
    Shape(#[from] serde_json::Error),
    /// An entry that contradicts itself or another.
    #[error("the obligation register's entry {id}: {problem}")]
    Entry {
        /// Its id.
        id: String,
        /// What is wrong.
        problem: &'static str,
    },
}

/// How an instrument stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// It applies, or is in use.
    InForce,
    /// It is adopted and applies from a later day.
    AppliesLater,
    /// It is not final.
    Draft,
    /// It was proposed and not taken further.
    NotAdopted,
    /// It was proposed and taken back.
    Withdrawn,
    /// It was law.
    Repealed,
    /// It was guidance.
    Rescinded,
}

impl Status {
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::InForce => "in force",
            Self::AppliesLater => "adopted, applies later",
            Self::Draft => "draft",
            Self::NotAdopted => "not adopted",
            Self::Withdrawn => "withdrawn",
            Self::Repealed => "repealed",
            Self::Rescinded => "rescinded",
        }
    }
}

/// How well an entry was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Confidence {
    /// The text itself was read.
    Primary,
    /// Somebody else's account was read, for all or part.
    Secondary,
    /// Not re-read, for all or part.
    Background,
}

impl Confidence {
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Primary => "text read",
            Self::Secondary => "not verified: secondary source, at least in part",
            Self::Background => "not verified: not re-read, at least in part",
        }
    }
}

/// From when something applies.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Applies {
    pub(crate) from: Date,
    pub(crate) what: String,
}

/// How long something is kept at least.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Floor {
    pub(crate) months: u32,
    /// From when it counts.
    pub(crate) anchor: String,
}

impl Floor {
    /// As the sources put it: whole years as years, except one and two.
    pub(crate) fn words(&self) -> String {
        match self.months {
            months if months >= 36 && months.is_multiple_of(12) => format!("{} years", months / 12),
            months => format!("{months} months"),
        }
    }
}

/// Within how many days something is done.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deadline {
    pub(crate) days: u32,
    pub(crate) of: String,
}

/// One obligation, expectation or instrument.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Obligation {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) citation: String,
    pub(crate) status: Status,
    pub(crate) applies: Vec<Applies>,
    #[serde(default)]
    pub(crate) retention: Option<Floor>,
    #[serde(default)]
    pub(crate) deadlines: Vec<Deadline>,
    /// What the source says, in short; every figure above stands in it.
    pub(crate) says: String,
    pub(crate) source: String,
    pub(crate) last_checked: Date,
    pub(crate) confidence: Confidence,
    /// Catalogue numbers of the reports that print it.
    pub(crate) reports: Vec<String>,
}

/// All of them, with a version.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Register {
    pub(crate) version: String,
    pub(crate) entries: Vec<Obligation>,
    #[serde(skip)]
    pub(crate) digest: String,
}

impl Register {
    /// The register that this version of the software carries.
    pub(crate) fn shipped() -> Result<Self, RegisterError> {
        Self::read(SHIPPED)
    }

    pub(crate) fn read(text: &str) -> Result<Self, RegisterError> {
        let mut register: Self = serde_json::from_str(text)?;
        register.digest = hex::encode(Sha256::digest(text));
        register.check()?;
        Ok(register)
    }

    fn check(&self) -> Result<(), RegisterError> {
        let mut ids = BTreeSet::new();
        for entry in &self.entries {
            if let Some(problem) = problem(entry, &mut ids) {
                let id = entry.id.clone();
                return Err(RegisterError::Entry { id, problem });
            }
        }
        Ok(())
    }

    /// The entries that report `code` prints.
    pub(crate) fn of(&self, code: &str) -> impl Iterator<Item = &Obligation> {
        let named = move |entry: &&Obligation| entry.reports.iter().any(|report| report == code);
        self.entries.iter().filter(named)
    }

    /// Ids of what was not verified against the text itself.
    pub(crate) fn not_verified(&self) -> Vec<String> {
        let open = |entry: &&Obligation| entry.confidence != Confidence::Primary;
        let ids = self.entries.iter().filter(open);
        ids.map(|entry| entry.id.clone()).collect()
    }
}

fn problem<'a>(entry: &'a Obligation, ids: &mut BTreeSet<&'a str>) -> Option<&'static str> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let blank = [&entry.title, &entry.citation, &entry.says, &entry.source];
    if entry.id.is_empty() || !entry.id.chars().all(plain) {
        Some("its id is not made of small letters, digits and hyphens")
    } else if !ids.insert(&entry.id) {
        Some("its id is taken")
    } else if blank.iter().any(|text| text.trim().is_empty()) {
        Some("a text is empty")
    } else if entry.status == Status::AppliesLater && entry.applies.is_empty() {
        Some("it applies later and does not say when")
    } else if entry.retention.as_ref().is_some_and(|r| r.months == 0) {
        Some("it is kept for no time")
    } else if entry.deadlines.iter().any(|deadline| deadline.days == 0) {
        Some("a deadline has no days")
    } else if entry.reports.is_empty() {
        Some("no report prints it")
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
