//! Drives the real `countersign` binary: starts it, talks HTTP to it, kills it, verifies its
//! ledger. A stand-in upstream plays the model.
//!
//! What is *not* here: the tests themselves (`tests/system/`) and anything that links the gateway.
#![expect(clippy::missing_panics_doc, reason = "a panic here is a failed test")]
#![expect(clippy::unwrap_used, reason = "a panic here is a failed test")]
#![expect(clippy::panic, reason = "a panic here is a failed test")]

pub mod certificates;
pub mod client;
pub mod collector;
pub mod gateway;
pub mod ledger;
pub mod machine;
pub mod program;
pub mod raw;
pub mod stand_in;

/// A small seeded generator (splitmix64), so that a failure can be replayed from its seed.
#[derive(Debug, Clone)]
pub struct Seeded(u64);

impl Seeded {
    /// Takes the seed from `COUNTERSIGN_SEED`, else from the clock, and prints it.
    #[expect(
        clippy::print_stderr,
        reason = "the seed belongs into the output of the test"
    )]
    pub fn announced(test: &str) -> Self {
        let given = std::env::var("COUNTERSIGN_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok());
        let clock = || {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            since.map_or(1, |since| {
                since.as_secs() ^ u64::from(since.subsec_nanos()) << 20
            })
        };
        let seed = given.unwrap_or_else(clock);
        eprintln!("{test}: seed {seed} (replay with COUNTERSIGN_SEED={seed})");
        Self(seed)
    }

    /// A generator with a seed of another's.
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound.max(1)
    }
}
