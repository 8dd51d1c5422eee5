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
mod change_access;
mod chart;
mod controls;
mod csv;
mod deadline;
mod document;
mod erasure;
mod exchanges;
mod extract;
mod frame;
mod html;
mod human_oversight;
mod incidents;
mod indexes;
mod individual;
mod integrity;
mod interval;
mod inventory;
mod json;
mod kind;
mod log_extract;
mod measure;
mod one_page;
mod post_market;
mod provenance;
mod query;
mod register;
mod report;
mod serious_incident;
mod summary;
mod svg;

pub use kind::ReportType;
pub use query::{Format, ParseNameError, Query};
pub use register::RegisterError;
pub use report::{Report, ReportError, report};
