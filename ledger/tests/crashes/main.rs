//! Crashes and faults: whatever a machine does to a ledger's files, what was acknowledged is there,
//! and no two histories are ever signed.
//!
//! `COUNTERSIGN_CRASH_CASES` and `COUNTERSIGN_KILL_CYCLES` set how much is tried,
//! `COUNTERSIGN_SEED` what chance does.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "counts are for whoever runs the tests")]

mod cases;
mod chance;
mod faults;
mod judge;
mod killed;
mod machine;
mod model;
mod script;
mod store;

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.map_or(default, |text| text.parse().unwrap())
}
