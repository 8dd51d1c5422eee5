//! The ledger as its users see it: append, read, find, receipt.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use ed25519_dalek::SigningKey;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};

use crate::{
    entry,
    index::Index,
    layout::Layout,
    publish::Publisher,
    receipt, recovery,
    sequencer::{Command, Sequencer},
    tree::TileReader,
    wal::{OpenSegment, plain_segments},
};

mod types;

pub use types::{
    AppendError, CheckpointInfo, CloseError, Head, OpenError, ReadError, Recovery, Sequenced,
    Settings,
};

/// A durable entry that is not yet published.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) index: u64,
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) rows: Vec<(String, String)>,
}

/// What the threads and the handles share.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) size: u64,
    pub(crate) pending: std::collections::VecDeque<Pending>,
    pub(crate) published: Option<CheckpointInfo>,
    pub(crate) checkpoint_note: String,
    /// First index and path of each segment; the last is being written.
    pub(crate) segments: Vec<(u64, PathBuf)>,
    pub(crate) poisoned: Option<String>,
}

pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) layout: Layout,
    pub(crate) state: Mutex<State>,
    pub(crate) index: Mutex<Box<dyn Index>>,
}

impl Shared {
    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn index(&self) -> std::sync::MutexGuard<'_, Box<dyn Index>> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn poison(&self, reason: &dyn fmt::Display) {
        tracing::error!(%reason, "ledger stopped writing");
        self.state()
            .poisoned
            .get_or_insert_with(|| reason.to_string());
    }

    fn published_size(&self) -> u64 {
        self.state().published.as_ref().map_or(0, |info| info.size)
    }
}

/// The indexed members of an entry.
pub(crate) fn index_rows(members: &Map<String, Value>, names: &[String]) -> Vec<(String, String)> {
    let value = |name: &String| Some((name.clone(), members.get(name)?.as_str()?.to_owned()));
    names.iter().filter_map(value).collect()
}

struct Inner {
    shared: Arc<Shared>,
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
    /// Opens or creates the ledger of a data directory, repairs what a crash left and starts its
    /// writer. Blocks on the disk.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was signed then.
    pub fn open(
        settings: Settings,
        key: SigningKey,
        index: Box<dyn Index>,
    ) -> Result<(Self, Recovery), OpenError> {
        Self::open_on(settings, key, index, plain_segments())
    }

    pub(crate) fn open_on(
        settings: Settings,
        key: SigningKey,
        index: Box<dyn Index>,
        open_segment: OpenSegment,
    ) -> Result<(Self, Recovery), OpenError> {
        if settings.queue == 0 || settings.max_pending == 0 {
            return Err(OpenError::Settings("a queue of no places takes nothing"));
        }
        let recovered = recovery::open(settings, key, index)?;
        let recovery = recovered.recovery;
        let (commands, receiver) = mpsc::channel(recovered.shared.settings.queue);
        let shared = recovered.shared.clone();
        let publisher = Publisher::new(&recovered);
        let sequencer = Sequencer::new(recovered, open_segment, publisher)?;
        let thread = std::thread::Builder::new()
            .name("ledger-sequencer".into())
            .spawn(move || sequencer.run(receiver))?;
        let inner = Inner {
            shared,
            commands: Some(commands),
            sequencer: Some(thread),
        };
        Ok((
            Self {
                inner: Arc::new(inner),
            },
            recovery,
        ))
    }

    /// Appends an entry. On return it is on stable storage (written and `fdatasync`ed) and found
    /// by [`Ledger::find`]; it is published with the next checkpoint. Dropping the future does
    /// not take the entry back.
    ///
    /// # Errors
    /// [`AppendError`]; after `Poisoned` the entry may or may not be in the ledger.
    pub async fn append(&self, members: Map<String, Value>) -> Result<Sequenced, AppendError> {
        entry::Draft::new(&members).map_err(AppendError::NotCanonical)?;
        {
            let state = self.inner.shared.state();
            if let Some(reason) = &state.poisoned {
                return Err(AppendError::Poisoned(reason.clone()));
            }
            if state.pending.len() >= self.inner.shared.settings.max_pending {
                return Err(AppendError::Overloaded);
            }
        }
        let (reply, answer) = oneshot::channel();
        let commands = self.inner.commands.as_ref().ok_or(AppendError::Closed)?;
        commands
            .try_send(Command::Append { members, reply })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => AppendError::Overloaded,
                mpsc::error::TrySendError::Closed(_) => AppendError::Closed,
            })?;
        answer.await.unwrap_or(Err(AppendError::Closed))
    }

    /// How far the ledger has got.
    pub fn head(&self) -> Head {
        let state = self.inner.shared.state();
        Head {
            size: state.size,
            published: state.published.clone(),
        }
    }

    /// Why the ledger refuses appends, if a write has failed since it was opened.
    pub fn poisoned(&self) -> Option<String> {
        self.inner.shared.state().poisoned.clone()
    }

    /// The last published checkpoint as a signed note; empty before the first.
    pub fn checkpoint(&self) -> String {
        self.inner.shared.state().checkpoint_note.clone()
    }

    /// The bytes of an entry, published or not; `None` past the end. Blocks on the disk.
    ///
    /// # Errors
    /// When a tile cannot be read.
    pub fn read(&self, index: u64) -> Result<Option<Vec<u8>>, ReadError> {
        let shared = &self.inner.shared;
        {
            let state = shared.state();
            if let Some(first) = state.pending.front().map(|pending| pending.index)
                && let Some(slot) = index.checked_sub(first)
            {
                let slot = usize::try_from(slot).unwrap_or(usize::MAX);
                return Ok(state
                    .pending
                    .get(slot)
                    .map(|pending| pending.bytes.to_vec()));
            }
        }
        let size = shared.published_size();
        if index >= size {
            return Ok(None);
        }
        Ok(Some(
            TileReader::new(&shared.layout.tiles, size).entry(index)?,
        ))
    }

    /// The indices of the entries whose indexed member has this value, ascending; entries that
    /// were just acknowledged are found. Blocks on the disk.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn find(&self, member: &str, value: &str) -> Result<Vec<u64>, ReadError> {
        // The tail is read first: an entry leaves it only after the index has it.
        let tail: Vec<u64> = {
            let state = self.inner.shared.state();
            let wanted = |p: &&Pending| p.rows.iter().any(|(m, v)| m == member && v == value);
            state
                .pending
                .iter()
                .filter(wanted)
                .map(|pending| pending.index)
                .collect()
        };
        let mut found = self.inner.shared.index().find(member, value)?;
        found.extend(tail);
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// The receipt (C2SP tlog-proof) of a published entry under the newest checkpoint; `None`
    /// while it is not published. Blocks on the disk.
    ///
    /// # Errors
    /// When a tile cannot be read.
    pub fn receipt(&self, index: u64) -> Result<Option<String>, ReadError> {
        let (size, note) = {
            let state = self.inner.shared.state();
            let size = state.published.as_ref().map_or(0, |info| info.size);
            (size, state.checkpoint_note.clone())
        };
        if index >= size {
            return Ok(None);
        }
        let mut reader = TileReader::new(&self.inner.shared.layout.tiles, size);
        Ok(Some(receipt::print(&mut reader, index, size, &note)?))
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
