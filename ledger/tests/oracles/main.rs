//! Verifiers that are not ours judge our ledgers: Go's transparency log, a Python script that was
//! written from the specification alone, and crates of others. What one of them accepts and
//! another refuses is a fault of ours or of the document.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../common.rs"]
mod common;
mod equipment;
mod forge;
mod handovers;
mod judges;
mod mutations;
mod notes;
mod receipts;
mod shapes;
mod trees;
