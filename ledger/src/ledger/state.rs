//! What the threads of a ledger tell each other.

use std::{collections::VecDeque, path::PathBuf, sync::Arc};

use tokio::sync::watch;

use crate::{
    keys::{Handover, VerifierKey},
    ledger::{CheckpointInfo, Sequenced},
    signer::Signer,
};

/// An entry on stable storage.
#[derive(Debug)]
pub(crate) struct Durable {
    pub(crate) place: Sequenced,
    pub(crate) bytes: Vec<u8>,
    pub(crate) rows: Vec<(String, String)>,
}

/// A key, and the first entry that it signs.
#[derive(Debug, Clone)]
pub(crate) struct InForce {
    pub(crate) from: u64,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) name: VerifierKey,
}

/// How far each step has got; a later step never overtakes an earlier one.
#[derive(Debug)]
pub(crate) struct State {
    /// Durable entries.
    pub(crate) size: u64,
    /// Entries in tiles under a signed checkpoint.
    pub(crate) integrated: u64,
    /// Durable entries that are not integrated.
    pub(crate) pending: VecDeque<Arc<Durable>>,
    /// Entries whose rows the index does not have yet, oldest first; bounded, see `indexer`.
    pub(crate) unindexed: VecDeque<Arc<Durable>>,
    /// Of entries before this index `unindexed` says nothing.
    pub(crate) unindexed_from: u64,
    pub(crate) published: Option<CheckpointInfo>,
    pub(crate) checkpoint_note: String,
    /// First index and path of each segment; the last is being written.
    pub(crate) segments: Vec<(u64, PathBuf)>,
    /// The keys in the order of their time; the last signs entries.
    pub(crate) keys: Vec<InForce>,
    /// What joins the ledger's keys, for receipts; oldest first.
    pub(crate) handovers: Vec<Handover>,
    pub(crate) poisoned: Option<String>,
    /// Why publication waits, when it does.
    pub(crate) stalled: Option<String>,
    /// Told of each publication.
    pub(crate) changes: watch::Sender<u64>,
}

/// Entries whose rows are kept in memory for the index; beyond that they are read from tiles.
const UNINDEXED_MAX: usize = 65_536;

impl State {
    /// Takes in rotations of earlier times; those that recovery has met are known already.
    pub(crate) fn remember(&mut self, earlier: Vec<Handover>) {
        let fresh = |statement: &Handover| {
            let same = |known: &Handover| known.index() == statement.index();
            !self.handovers.iter().any(same)
        };
        let fresh: Vec<_> = earlier.into_iter().filter(fresh).collect();
        self.handovers.extend(fresh);
        self.handovers.sort_by_key(Handover::index);
    }

    /// Takes an entry that is durable now.
    pub(crate) fn push(&mut self, durable: Durable) {
        let durable = Arc::new(durable);
        self.size = durable.place.index + 1;
        if !durable.rows.is_empty() {
            self.unindexed.push_back(durable.clone());
        }
        if self.unindexed.len() > UNINDEXED_MAX
            && let Some(dropped) = self.unindexed.pop_front()
        {
            self.unindexed_from = dropped.place.index + 1;
        }
        self.pending.push_back(durable);
    }

    /// Forgets the rows of the entries below `until`: the index has them.
    pub(crate) fn indexed(&mut self, until: u64) {
        let done = |first: &Arc<Durable>| first.place.index < until;
        while self.unindexed.front().is_some_and(done) {
            self.unindexed.pop_front();
        }
        self.unindexed_from = self.unindexed_from.max(until);
    }

    /// A durable entry that is not integrated.
    pub(crate) fn pending(&self, index: u64) -> Option<&Arc<Durable>> {
        let first = self.pending.front()?.place.index;
        let slot = usize::try_from(index.checked_sub(first)?).ok()?;
        self.pending.get(slot)
    }

    /// The key that signs the checkpoint of `size` entries: a handover is covered by the new key.
    pub(crate) fn key_at(&self, size: u64) -> Option<InForce> {
        let started = self.keys.iter().rev().find(|key| key.from <= size);
        started.or(self.keys.first()).cloned()
    }
}
