//! Verified range to reports.
//!
//! The only input is a [`VerifiedRange`](countersign_ledger::VerifiedRange), so that no report can
//! be written from unverified data. A report is a pure function of the range, the query and the
//! version of this crate: there is no clock and no randomness here, and the same inputs give the
//! same bytes. Every number carries the ledger indexes it was counted from. Reports supply the
//! record and the calculation, never a legal opinion.
//!
//! Start at [`report`].

mod attention;
mod chart;
mod csv;
mod document;
mod exchanges;
mod extract;
mod html;
mod indexes;
mod integrity;
mod json;
mod log_extract;
mod measure;
mod provenance;
mod query;
mod report;
mod summary;
mod svg;

pub use query::{Format, ParseNameError, Query, ReportType};
pub use report::{Report, ReportError, report};
