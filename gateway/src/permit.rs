//! Authority as a type: forwarding takes a value that only a recorded decision can make.

use countersign_ledger::Sequenced;

/// A `T` that a decision permits to pass and whose record is durable.
///
/// Only [`Permitted::after`] makes one, and it asks for the ledger's acknowledgement.
#[derive(Debug)]
pub struct Permitted<T>(T);

impl<T> Permitted<T> {
    /// Wraps what a permitting decision speaks of, once its record is durable.
    pub(crate) fn after(_durable: &Sequenced, judged: crate::judge::Passing<T>) -> Self {
        Self(judged.into_inner())
    }

    /// Gives the value to the code that sends it.
    pub(crate) fn into_inner(self) -> T {
        self.0
    }
}
