//! Whole-system tests through the real binary.
#![expect(clippy::unwrap_used, reason = "a panic here is a failed test")]

mod architecture;
mod bad_input;
mod bad_setup;
mod classify;
mod clients;
mod crash;
mod demo;
mod harness;
mod pacing;
mod soak;
mod tamper;
mod telemetry;
