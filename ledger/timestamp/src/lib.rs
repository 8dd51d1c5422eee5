//! RFC 3161 timestamps on checkpoints.

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
