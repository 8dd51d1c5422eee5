//! Witnesses: independent parties that sign a checkpoint only when it extends the one they saw
//! last (C2SP tlog-cosignature, tlog-witness, tlog-policy). Pure: no sockets, clocks or files.
//!
//! A ledger whose checkpoints carry the cosignatures of a quorum cannot show one history to one
//! reader and another to the next, nor forget its newest entries, without the help of those
//! witnesses.

use std::io;

use crate::merkle::Hash;

mod cosignature;
mod lines;
mod policy;
mod request;
mod state;

pub use cosignature::{CosignatureError, WitnessKey, cosign};
pub use lines::{append, parts};
pub use policy::{Member, NotWitnessed, Policy, PolicyError, PolicyWitness};
pub use request::{AddCheckpoint, MAX_PROOF, MAX_REQUEST, RequestError};
pub use state::{Answer, MAX_LOGS, Store, Witness, WitnessSetupError};

/// Asks witnesses to cosign a checkpoint before it is published. Blocks, for at most its own time
/// limit.
pub trait Witnesses: Send {
    /// `proof(old)` gives the RFC 6962 consistency proof from size `old` to the checkpoint's size.
    /// Gives signature lines (each a whole line `— name base64` without its newline) that verify
    /// and satisfy the quorum; [`append`] puts them under the note.
    ///
    /// # Errors
    /// [`WitnessError::NoQuorum`] when asking later may help, [`WitnessError::Conflict`] when this
    /// ledger must not go on.
    fn cosign(
        &mut self,
        checkpoint_note: &str,
        size: u64,
        proof: &mut dyn FnMut(u64) -> io::Result<Vec<Hash>>,
    ) -> Result<Vec<String>, WitnessError>;
}

/// Why there is no quorum of cosignatures.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    /// Not enough answers in time; try again later.
    #[error("no quorum of witnesses: {0}")]
    NoQuorum(String),
    /// A witness holds a checkpoint that this ledger does not extend: rollback or fork.
    #[error("a witness holds another history: {0}")]
    Conflict(String),
}

#[cfg(test)]
mod tests;
