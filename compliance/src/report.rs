//! From a verified range to a report.

use countersign_ledger::{RangeError, VerifiedRange};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    change_access, controls, csv,
    document::{Block, Section, metrics},
    erasure,
    extract::Extract,
    frame, html, human_oversight, individual, integrity, inventory, json as json_form,
    kind::ReportType,
    log_extract, one_page, post_market,
    provenance::{Header, Source},
    query::{Format, Query},
    register::{Register, RegisterError},
    serious_incident,
    summary::Summary,
};

/// Why no report was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The period ends where it begins, or before.
    #[error("the period is empty: it must end after it begins")]
    Period,
    /// The report is about one exchange, and the query names none.
    #[error("this report is about one exchange: name it")]
    ExchangeNeeded,
    /// The range holds more entries than one report is made from.
    #[error("the range holds more than {max} entries, the most one report is made from")]
    TooLarge {
        /// The most entries.
        max: usize,
    },
    /// The entries could not be read again, or are no longer those that were verified.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// Two numbers of the report contradict each other (a bug in this crate); nothing is printed.
    #[error("the items of {breakdown} add up to {sum}, but {total} is {value}")]
    Totals {
        /// The breakdown.
        breakdown: &'static str,
        /// What its items add up to.
        sum: u64,
        /// The metric they should add up to.
        total: &'static str,
        /// That metric's value.
        value: u64,
    },
    /// Two numbers of the report have one name (a bug in this crate); nothing is printed.
    #[error("two metrics are named {0}")]
    Name(String),
    /// The obligation register that this version carries cannot be used (a bug in this crate).
    #[error(transparent)]
    Register(#[from] RegisterError),
}

/// A report, ready to be rendered. The same range, query and version give the same bytes.
#[derive(Debug, Clone)]
pub struct Report {
    pub(crate) header: Header,
    pub(crate) sections: Vec<Section>,
    /// Index into `sections` of the table that the CSV form holds; `None`: the metrics.
    pub(crate) csv_table: Option<&'static str>,
}

/// Makes the report `kind` over the records of `range` that `query` selects.
///
/// # Errors
/// [`ReportError::Period`] for an empty period, [`ReportError::ExchangeNeeded`] for an individual
/// decision file without an exchange, [`ReportError::TooLarge`] for a range of more than
/// 1,000,000 entries, [`ReportError::Range`] when its entries can no longer be read as they were
/// verified; [`ReportError::Totals`], [`ReportError::Register`] and [`ReportError::Name`] when the report's own
/// numbers do not add up.
pub fn report(
    range: &VerifiedRange,
    kind: ReportType,
    query: &Query,
) -> Result<Report, ReportError> {
    let checkpoint = range.checkpoint();
    let source = Source {
        origin: range.origin().to_owned(),
        verifier_key: range.key().to_string(),
        key_id: range.key().id_hex(),
        size: checkpoint.size,
        root: hex::encode(checkpoint.root),
        note: range.checkpoint_note().to_owned(),
    };
    compose(source, &Extract::read(range.entries())?, kind, query)
}

pub(crate) fn compose(
    source: Source,
    extract: &Extract,
    kind: ReportType,
    query: &Query,
) -> Result<Report, ReportError> {
    if query.is_empty() {
        return Err(ReportError::Period);
    }
    if kind == ReportType::IndividualDecision && query.exchange.is_none() {
        return Err(ReportError::ExchangeNeeded);
    }
    let summary = Summary::new(extract, query);
    let register = Register::shipped()?;
    let header = Header::new(source, &summary, kind, &register);
    let (sections, csv_table) = composed(&header, &summary, &register);
    check_names(&sections)?;
    check_totals(&sections)?;
    Ok(Report {
        header,
        sections,
        csv_table,
    })
}

/// The sections of a report, and the table that its CSV form holds.
fn composed(
    header: &Header,
    summary: &Summary<'_>,
    register: &Register,
) -> (Vec<Section>, Option<&'static str>) {
    let (mut sections, csv_table) = match header.kind {
        ReportType::LogExtract => {
            return (
                log_extract::sections(header, summary, register),
                Some("decisions"),
            );
        }
        ReportType::Integrity => return (integrity::sections(header, summary, register), None),
        ReportType::PostMarket => (post_market::sections(summary), None),
        ReportType::ChangeAccess => (change_access::sections(summary), Some("changes")),
        ReportType::Inventory => (inventory::sections(summary), Some("models")),
        ReportType::Erasure => (erasure::sections(summary), Some("retention-events")),
        ReportType::HumanOversight => (human_oversight::sections(summary), Some("reviews")),
        ReportType::IndividualDecision => (individual::sections(summary), Some("signals")),
        ReportType::SeriousIncident => {
            (serious_incident::sections(summary), Some("incident-fields"))
        }
        ReportType::Controls => (controls::sections(summary), Some("tests")),
        ReportType::OnePage => (one_page::sections(summary), None),
    };
    sections.extend(frame::closing(header, summary, register));
    (sections, csv_table)
}

fn check_names(sections: &[Section]) -> Result<(), ReportError> {
    let mut names = std::collections::BTreeSet::new();
    match metrics(sections).find(|metric| !names.insert(metric.name.as_str())) {
        Some(twice) => Err(ReportError::Name(twice.name.clone())),
        None => Ok(()),
    }
}

fn check_totals(sections: &[Section]) -> Result<(), ReportError> {
    for block in sections.iter().flat_map(|section| &section.blocks) {
        let Block::Breakdown(breakdown) = block else {
            continue;
        };
        let Some(total) = breakdown.sums_to else {
            continue;
        };
        let sum = breakdown.metrics.iter().map(|metric| metric.value).sum();
        let value = metrics(sections)
            .find(|metric| metric.name == total)
            .map_or(0, |m| m.value);
        if sum != value {
            return Err(ReportError::Totals {
                breakdown: breakdown.id,
                sum,
                total,
                value,
            });
        }
    }
    Ok(())
}

/// The digest that names a report: of everything that decides its bytes.
pub(crate) fn digest(
    source: &Source,
    (kind, query): (ReportType, &Query),
    generator: &str,
    register: &Register,
) -> String {
    let inputs = json!({
        "generator": generator,
        "register": register.digest,
        "type": kind.name(),
        "query": query.canonical(),
        "key": source.verifier_key,
        "size": source.size,
        "root": source.root,
        "checkpoint": source.note,
    });
    hex::encode(Sha256::digest(inputs.to_string()))
}

impl Report {
    /// The report's id: its number in the catalogue and 128 bits of the digest of its inputs.
    pub fn id(&self) -> &str {
        &self.header.id
    }

    /// The whole report for programs: one JSON object, UTF-8, ending in a newline.
    pub fn json(&self) -> Vec<u8> {
        json_form::render(self)
    }

    /// One table for spreadsheets: the rows that a report is about, for example the decision
    /// records of a log extract, or its numbers. RFC 4180, UTF-8; cells that a spreadsheet might run as a formula
    /// begin with an apostrophe.
    pub fn csv(&self) -> Vec<u8> {
        csv::render(self)
    }

    /// A page without scripts or outside resources, for screens and printers.
    pub fn html(&self) -> Vec<u8> {
        html::render(self).into_bytes()
    }

    /// The report in one of its forms.
    pub fn render(&self, format: Format) -> Vec<u8> {
        match format {
            Format::Json => self.json(),
            Format::Csv => self.csv(),
            Format::Html => self.html(),
        }
    }

    /// A file name without extension that tells type and inputs, for example
    /// `log-extract-3f2a9c0d11e8`.
    pub fn file_stem(&self) -> String {
        let short: String = self.header.digest.chars().take(12).collect();
        format!("{}-{short}", self.header.kind.name())
    }
}
