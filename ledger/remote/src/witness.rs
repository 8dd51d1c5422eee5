//! Witnesses over HTTP (C2SP tlog-witness): the client that asks, the server that answers, and
//! the files in which a witness remembers.

use sha2::{Digest, Sha256};

mod client;
mod evidence;
mod round;
mod server;
mod store;

pub use client::{ClientSettings, SetupError, WitnessClient};
pub use server::{Running, ServerSettings, serve};
pub use store::{FileStore, StoreError};

/// The name under which a log is known in paths: hex SHA-256 of its origin.
fn path_name(origin: &str) -> String {
    hex::encode(Sha256::digest(origin))
}
