//! The ledger as its users see it: append, read, find, receipt.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};

use crate::{
    entry::{Draft, EntryError, Event},
    indexer::Indexer,
    keys::Handover,
    layout::Layout,
    merkle::inclusion_proof,
    receipt,
    sequencer::Command,
    signer::Signer,
    store::Store,
    tree::TileReader,
};

mod opening;
mod state;
mod types;

pub use opening::Opening;
pub(crate) use state::{Durable, InForce, State};
pub use types::{
    AppendError, CheckpointInfo, Clock, CloseError, Head, IndexStatus, OpenError, ReadError,
    Recovery, Sequenced, Settings,
};

/// What the threads and the handles share.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) layout: Layout,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) state: Mutex<State>,
}

impl Shared {
    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is written any more until the ledger is opened, and with that read, again.
    pub(crate) fn poison(&self, reason: &dyn fmt::Display) {
        tracing::error!(%reason, "ledger stopped writing");
        self.state()
            .poisoned
            .get_or_insert_with(|| reason.to_string());
    }

    /// Reads the tiles of the tree of `size` entries.
    pub(crate) fn tiles(&self, size: u64) -> TileReader {
        TileReader::new(&self.store, &self.layout.tiles, size)
    }
}

/// The indexed members of an entry.
pub(crate) fn index_rows(members: &Map<String, Value>, names: &[String]) -> Vec<(String, String)> {
    let value = |name: &String| Some((name.clone(), members.get(name)?.as_str()?.to_owned()));
    names.iter().filter_map(value).collect()
}

struct Inner {
    shared: Arc<Shared>,
    indexer: Indexer,
    commands: Option<mpsc::Sender<Command>>,
    sequencer: Option<JoinHandle<()>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.sequencer.take() {
            // The lock is free for the next opener once the thread is gone.
            let _ = thread.join();
        }
    }
}

/// A handle to an open ledger. Clones share one writer.
#[derive(Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("dir", &self.inner.shared.layout.root)
            .finish()
    }
}

impl Ledger {
    /// Appends an entry. On return it is on stable storage (written and `fdatasync`ed) and found
    /// by [`Ledger::find`]; it is published with the next checkpoint. Dropping the future does
    /// not take the entry back.
    ///
    /// # Errors
    /// [`AppendError`]; after `Poisoned` the entry may or may not be in the ledger.
    pub async fn append(&self, members: Map<String, Value>) -> Result<Sequenced, AppendError> {
        self.sequence(&members, Draft::new(&members)).await
    }

    async fn sequence(
        &self,
        members: &Map<String, Value>,
        draft: Result<Draft, EntryError>,
    ) -> Result<Sequenced, AppendError> {
        let draft = draft.map_err(AppendError::NotCanonical)?;
        let shared = &self.inner.shared;
        {
            let state = shared.state();
            if let Some(reason) = &state.poisoned {
                return Err(AppendError::Poisoned(reason.clone()));
            }
            if state.pending.len() >= shared.settings.max_pending {
                return Err(AppendError::Overloaded);
            }
        }
        let rows = index_rows(members, &shared.settings.index_members);
        self.command(|reply| Command::Append { draft, rows, reply })
            .await
    }

    async fn command(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<Sequenced, AppendError>>) -> Command,
    ) -> Result<Sequenced, AppendError> {
        let (reply, answer) = oneshot::channel();
        let commands = self.inner.commands.as_ref().ok_or(AppendError::Closed)?;
        commands
            .try_send(command(reply))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => AppendError::Overloaded,
                mpsc::error::TrySendError::Closed(_) => AppendError::Closed,
            })?;
        answer.await.unwrap_or(Err(AppendError::Closed))
    }

    /// Lets `next` sign from the entry after this one on. The entry, with `members` of the
    /// caller's, carries the statement that both keys sign, and is the last that the old key
    /// attests.
    ///
    /// # Errors
    /// [`AppendError`]; then the old key goes on, unless the ledger is poisoned.
    pub async fn rotate(
        &self,
        next: Arc<dyn Signer>,
        members: Map<String, Value>,
    ) -> Result<Sequenced, AppendError> {
        self.command(|reply| Command::Rotate {
            next,
            members,
            reply,
        })
        .await
    }

    /// Records that bundles of entries below `index` need not be kept, waits until that is
    /// published, and removes them. The boundary is rounded down to a full bundle; hash tiles stay,
    /// so that older receipts still verify and newer ones can still be made.
    ///
    /// # Errors
    /// [`AppendError`] when the record could not be made: nothing is removed then.
    pub async fn prune(
        &self,
        index: u64,
        members: Map<String, Value>,
    ) -> Result<Sequenced, AppendError> {
        let before = crate::layout::full_bundles(index.min(self.head().size));
        let draft = Draft::with_event(members.clone(), &Event::PrunedBefore(before));
        let sequenced = self.sequence(&members, draft).await?;
        self.published(sequenced.index).await?;
        let shared = self.inner.shared.clone();
        let removal = tokio::task::spawn_blocking(move || crate::prune::remove(&shared, before));
        match removal.await {
            Ok(Ok(())) => Ok(sequenced),
            // What is left over is removed by the next pruning: its boundary is not lower.
            Ok(Err(error)) => Err(AppendError::Unfinished(error.to_string())),
            Err(error) => Err(AppendError::Unfinished(error.to_string())),
        }
    }

    /// Waits until the entry at `index` is published.
    ///
    /// # Errors
    /// When the ledger stops writing first.
    pub async fn published(&self, index: u64) -> Result<CheckpointInfo, AppendError> {
        let shared = &self.inner.shared;
        let mut changes = shared.state().changes.subscribe();
        loop {
            {
                let state = shared.state();
                if let Some(info) = state.published.as_ref().filter(|info| info.size > index) {
                    return Ok(info.clone());
                }
                if let Some(reason) = &state.poisoned {
                    return Err(AppendError::Poisoned(reason.clone()));
                }
            }
            // The sender lives in the state: it is gone only with the ledger. The pause bounds what
            // a missed poisoning costs.
            let pause = shared.settings.publish_every.saturating_mul(2);
            let _ = tokio::time::timeout(pause, changes.changed()).await;
        }
    }

    /// How far the ledger has got.
    pub fn head(&self) -> Head {
        let state = self.inner.shared.state();
        Head {
            size: state.size,
            published: state.published.clone(),
            stalled: state.stalled.clone(),
        }
    }

    /// How far the index has got.
    pub fn index_status(&self) -> IndexStatus {
        self.inner.indexer.status()
    }

    /// Why the ledger refuses appends, if a write has failed since it was opened.
    pub fn poisoned(&self) -> Option<String> {
        self.inner.shared.state().poisoned.clone()
    }

    /// The last published checkpoint as a signed note; empty before the first.
    pub fn checkpoint(&self) -> String {
        self.inner.shared.state().checkpoint_note.clone()
    }

    /// The bytes of an entry, published or not; `None` past the end and for what was pruned.
    /// Blocks on the disk.
    ///
    /// # Errors
    /// When a tile cannot be read.
    pub fn read(&self, index: u64) -> Result<Option<Vec<u8>>, ReadError> {
        let shared = &self.inner.shared;
        let size = {
            let state = shared.state();
            if let Some(durable) = state.pending(index) {
                return Ok(Some(durable.bytes.clone()));
            }
            state.integrated
        };
        if index >= size {
            return Ok(None);
        }
        let bundle = shared
            .tiles(size)
            .bundle_if_kept(index / crate::layout::WIDTH)?;
        let slot = usize::try_from(index % crate::layout::WIDTH).unwrap_or(usize::MAX);
        Ok(bundle.and_then(|mut bundle| (slot < bundle.len()).then(|| bundle.swap_remove(slot))))
    }

    /// The indices of the entries whose indexed member has this value, ascending; entries that
    /// were just acknowledged are found. Blocks on the disk.
    ///
    /// # Errors
    /// [`ReadError::IndexBehind`] while the index is being built and the answer could be
    /// incomplete; [`ReadError::Index`] when it cannot be read, which also has it built anew.
    pub fn find(&self, member: &str, value: &str) -> Result<Vec<u64>, ReadError> {
        self.inner.indexer.find(member, value)
    }

    /// The receipt (C2SP tlog-proof) of a published entry under the newest checkpoint; `None`
    /// while it is not published. Blocks on the disk.
    ///
    /// # Errors
    /// When a tile cannot be read.
    pub fn receipt(&self, index: u64) -> Result<Option<String>, ReadError> {
        let (size, note, handovers) = {
            let state = self.inner.shared.state();
            let size = state.published.as_ref().map_or(0, |info| info.size);
            let published = |statement: &&Handover| statement.index() < size;
            let handovers: Vec<_> = state.handovers.iter().filter(published).cloned().collect();
            (size, state.checkpoint_note.clone(), handovers)
        };
        if index >= size {
            return Ok(None);
        }
        let mut tiles = self.inner.shared.tiles(size);
        let path = inclusion_proof(&mut tiles, index, size)?;
        Ok(Some(receipt::print(index, &path, &note, &handovers)))
    }

    /// Refuses new entries, publishes the rest and marks the stop as clean.
    ///
    /// # Errors
    /// [`CloseError`]; acknowledged entries are on stable storage all the same.
    pub async fn close(&self) -> Result<(), CloseError> {
        let (reply, answer) = oneshot::channel();
        let commands = self.inner.commands.as_ref().ok_or(CloseError::Closed)?;
        commands
            .send(Command::Close { reply })
            .await
            .map_err(|_| CloseError::Closed)?;
        answer.await.unwrap_or(Err(CloseError::Closed))
    }
}

#[cfg(test)]
mod tests;
