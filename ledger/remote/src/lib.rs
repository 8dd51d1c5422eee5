//! A ledger's dealings with others over HTTP: asking witnesses for cosignatures being a
//! witness, and keeping a mirror.
//!
//! What is asked and answered is decided in `countersign_ledger`; this crate brings sockets, files
//! and time limits. `docs/witnesses.md` says what each of them is good for.

mod durable;
mod http;
pub mod mirror;
pub mod witness;

pub use http::{HttpError, TlsConfig};
