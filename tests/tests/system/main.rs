//! Whole-system tests through the real binary.
#![expect(clippy::unwrap_used, reason = "a panic here is a failed test")]

mod architecture;
mod bad_input;
mod bad_setup;
mod bombs;
mod classify;
mod clients;
mod completeness;
mod crash;
mod credentials;
mod demo;
mod desync;
mod drain;
mod harness;
mod pacing;
mod quota;
mod rapid_reset;
mod scoring;
mod slowloris;
mod soak;
mod stream_ends;
mod tamper;
mod telemetry;
mod tls;
mod upgrades;
