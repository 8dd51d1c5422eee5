//! RFC 3161 timestamps on checkpoints: a third party's word on when a checkpoint existed.
//!
//! What is stamped is the SHA-256 of the complete checkpoint note, signatures included.
//!
//! - [`Request`], [`Response`] and [`verify`] know neither clocks nor sockets;
//! - [`TsaClient`] asks an authority over HTTP;
//! - [`Anchors`] keeps `anchors/<size>.note` and `anchors/<size>.tsr` in the data directory, and
//!   [`verify_all`] checks them;
//! - [`Anchorer`] has the newest checkpoint stamped once in a period. The ledger never waits for it.
//!
//! Accepted are tokens in DER with exactly one signature by RSA (PKCS#1 v1.5, PSS), ECDSA or
//! Ed25519 with SHA-2, bound to its certificate by `signing-certificate-v2`. The certificate
//! serves time-stamping alone and leads to a root the reader brings along, at the time of the
//! token. Revocation is not checked. `docs/timestamps.md` says what a token proves.

mod algorithm;
mod anchorer;
mod asn1;
mod chain;
mod client;
mod error;
mod request;
mod response;
mod schedule;
mod store;
mod verify;

pub use anchorer::{AnchorError, Anchored, Anchorer, Failure, Status};
pub use chain::{Roots, RootsError};
pub use client::{Authority, ClientError, Reply, TsaClient};
pub use error::StampError;
pub use request::{Request, RequestError};
pub use response::{RESPONSE_MAX, Response};
pub use schedule::Pace;
pub use store::{
    Anchor, AnchorFault, Anchors, Checked, NOTE_MAX, StoreError, verify_all, verify_all_with,
};
pub use verify::{Expected, Stamp, verify};
