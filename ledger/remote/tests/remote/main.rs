//! Witnesses and mirrors over real sockets.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
mod mirrors;
mod oracles;
mod witnesses;
