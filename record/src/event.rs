//! What a ledger is told besides decisions, so that what is *not* in it can be told from what never
//! happened. `docs/records.md` says when each is written and what its absence means.

use serde::{Deserialize, Serialize};

use crate::ExchangeId;

/// The first record of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Genesis {
    /// Name of the software.
    pub software: String,
    /// Its version.
    pub software_version: String,
    /// Name of the ledger; absent in records of older software.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The key that signs from here on (a C2SP verifier key); absent in records of older software.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verifier: Option<String>,
}

/// A policy, model, configuration or program put in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// `policy`, `model`, `config` or `software`.
    pub subject: String,
    /// Which one.
    pub name: String,
    /// Digest before, or version of software; absent when nothing of that name was in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Digest after, or version of software; `none` for what is not in force any more.
    pub after: String,
    /// Who or what did it, for example `operator:reload` or `start`.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// Where in its run a heartbeat was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing was served yet.
    Start,
    /// In between.
    #[default]
    Serving,
    /// Nothing is served any more; silence after this one is no gap.
    Stop,
}

/// The entries that hold the change records of everything in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InForce {
    /// Index of the first.
    pub first: u64,
    /// Index of the last; others may lie between.
    pub last: u64,
}

/// A sign of life with counters since the process started.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Exchanges accepted since start.
    pub exchanges: u64,
    /// Exchanges open now, streams included.
    pub open: u64,
    /// Where in its run the process is.
    #[serde(default)]
    pub phase: Phase,
    /// Seconds since the process began to serve.
    #[serde(default)]
    pub uptime_s: u64,
    /// Seconds until the next heartbeat is due; 0 when not stated.
    #[serde(default)]
    pub interval_s: u64,
    /// Entries of the ledger.
    #[serde(default)]
    pub entries: u64,
    /// Entries under the last published checkpoint; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<u64>,
    /// Every exchange whose input record has a lower index has had its output record, or is named
    /// in a gap record. 0 vouches for nothing.
    #[serde(default)]
    pub closed_before: u64,
    /// Where the ledger says what is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force: Option<InForce>,
}

/// A period or event in which records may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Gap {
    /// Why, for example `unclean_stop` or `evidence_unavailable`.
    pub cause: String,
    /// From when (RFC 3339), when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Until when (RFC 3339).
    pub to: String,
    /// What is known about it, in one content-free sentence.
    pub detail: String,
    /// How many were turned away without a record of their own, when counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Exchanges whose input side is recorded and whose outcome is unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exchanges: Vec<ExchangeId>,
}

impl Gap {
    /// Most exchanges that one record may name: it must stay below the ledger's bound for an entry,
    /// 65,535 bytes, and each name takes 39 of them.
    pub const EXCHANGES_MAX: usize = 1500;

    /// This gap as one record, or as several when its exchanges do not fit into one; only the first
    /// carries the count.
    pub fn in_parts(mut self) -> Vec<Self> {
        let exchanges = std::mem::take(&mut self.exchanges);
        let mut parts: Vec<Self> = exchanges
            .chunks(Self::EXCHANGES_MAX)
            .enumerate()
            .map(|(number, part)| Self {
                exchanges: part.to_vec(),
                count: self.count.filter(|_| number == 0),
                ..self.clone()
            })
            .collect();
        if parts.is_empty() {
            parts.push(self);
        }
        parts
    }
}

/// What happened to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyEvent {
    /// It was made, or first used.
    Created,
    /// It takes over; the entry carries the statement that both keys signed.
    Handover,
}

/// A key began to sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// How.
    pub event: KeyEvent,
    /// The verifier key that signed until here; absent for a ledger's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The verifier key that signs from the next entry on; for `created`, from this one on.
    pub after: String,
    /// Who or what did it, for example `operator:rotate` or `start`.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// What happened to time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockEvent {
    /// The wall clock was set.
    Step,
    /// The machine or the process did not run for a while.
    Suspended,
}

/// The wall clock and the monotonic clock disagree, or the process was not running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// What happened.
    pub event: ClockEvent,
    /// How much further the wall clock went than the monotonic one, in nanoseconds; negative when
    /// it went back. Jumps of more than 104 days (2^53 - 1 ns) are given as that.
    pub offset_ns: i64,
    /// What the wall clock said before (RFC 3339).
    pub before: String,
    /// What it said after.
    pub after: String,
    /// What passed in between by the monotonic clock, in microseconds.
    pub elapsed_us: u64,
}

impl Clock {
    /// Largest offset that the canonical form keeps exact.
    pub const OFFSET_MAX: i64 = (1 << 53) - 1;
}

/// Entries need not be kept any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Entries with a lower index need not be kept from here on.
    pub before: u64,
    /// Who or what decided it, for example `operator:prune`.
    pub actor: String,
    /// Why.
    pub reason: String,
}

#[cfg(test)]
mod tests;
