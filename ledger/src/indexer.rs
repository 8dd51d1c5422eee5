//! Keeps the index up with the ledger, in a thread of its own. An index that fails is set aside and
//! built anew from the entries; appends never wait for it.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use crate::{
    index::{Index, IndexError, IndexRow, IndexStore},
    layout::WIDTH,
    ledger::{IndexStatus, ReadError, Shared, index_rows},
};

/// Entries in one step, so that look-ups get a turn.
const STEP: usize = 4096;
/// Wait after a failure before the index is opened again.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells the indexer that there is more to do.
#[derive(Clone)]
pub(crate) struct Wake(Arc<Desk>);

impl Wake {
    pub(crate) fn wake(&self) {
        self.0.lock().awake = true;
        self.0.bell.notify_one();
    }
}

/// Where the thread and the handles meet.
struct Desk {
    inside: Mutex<Inside>,
    bell: Condvar,
}

#[derive(Default)]
struct Inside {
    index: Option<Box<dyn Index>>,
    status: IndexStatus,
    /// A look-up found the index broken.
    broken: Option<IndexError>,
    awake: bool,
    stop: bool,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The running indexer.
pub(crate) struct Indexer {
    shared: Arc<Shared>,
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Indexer {
    fn drop(&mut self) {
        self.desk.lock().stop = true;
        self.desk.bell.notify_one();
        if let Some(thread) = self.thread.take() {
            // The next opener may want the same files.
            let _ = thread.join();
        }
    }
}

impl Indexer {
    pub(crate) fn start(
        shared: Arc<Shared>,
        store: Box<dyn IndexStore>,
    ) -> std::io::Result<(Self, Wake)> {
        let desk = Arc::new(Desk {
            inside: Mutex::default(),
            bell: Condvar::new(),
        });
        let work = Work {
            shared: shared.clone(),
            desk: desk.clone(),
            store,
        };
        let thread = std::thread::Builder::new()
            .name("ledger-indexer".into())
            .spawn(move || work.run())?;
        let wake = Wake(desk.clone());
        let indexer = Self {
            shared,
            desk,
            thread: Some(thread),
        };
        Ok((indexer, wake))
    }

    pub(crate) fn status(&self) -> IndexStatus {
        self.desk.lock().status.clone()
    }

    pub(crate) fn find(&self, member: &str, value: &str) -> Result<Vec<u64>, ReadError> {
        // The tail is read first: an entry leaves it only after the index has it.
        let (tail, tail_from, size) = {
            let state = self.shared.state();
            let wanted =
                |rows: &[(String, String)]| rows.iter().any(|(m, v)| m == member && v == value);
            let tail: Vec<u64> = state
                .unindexed
                .iter()
                .filter(|durable| wanted(&durable.rows))
                .map(|durable| durable.place.index)
                .collect();
            let from = state.unindexed_from;
            (tail, from, state.size)
        };
        let mut inside = self.desk.lock();
        let applied = inside.status.applied;
        if applied < tail_from.min(size) {
            return Err(ReadError::IndexBehind { applied, size });
        }
        let Some(index) = &inside.index else {
            // Nothing was applied yet; the tail holds everything.
            return Ok(tail);
        };
        let mut found = match index.find(member, value) {
            Ok(found) => found,
            Err(error) => {
                inside.broken = Some(IndexError(error.0.clone()));
                inside.awake = true;
                self.desk.bell.notify_one();
                return Err(error.into());
            }
        };
        drop(inside);
        found.extend(tail);
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

struct Work {
    shared: Arc<Shared>,
    desk: Arc<Desk>,
    store: Box<dyn IndexStore>,
}

impl Work {
    fn run(mut self) {
        while !self.desk.lock().stop {
            match self.open().and_then(|()| self.keep_up()) {
                Ok(()) => return,
                Err(error) => self.set_aside(&error),
            }
        }
    }

    fn open(&mut self) -> Result<(), IndexError> {
        let mut index = self.store.open()?;
        let mut applied = index.applied()?;
        // An index of another or of a later ledger answers for entries that are not here.
        if applied > self.shared.state().integrated {
            index.clear()?;
            applied = 0;
        }
        let mut inside = self.desk.lock();
        inside.index = Some(index);
        inside.status.applied = applied;
        inside.status.fault = None;
        Ok(())
    }

    /// Applies what is integrated until it is told to stop.
    fn keep_up(&mut self) -> Result<(), IndexError> {
        loop {
            while self.step()? {}
            let mut inside = self.desk.lock();
            while !inside.awake && !inside.stop {
                inside = self
                    .desk
                    .bell
                    .wait(inside)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            inside.awake = false;
            if let Some(error) = inside.broken.take() {
                return Err(error);
            }
            if inside.stop {
                return Ok(());
            }
        }
    }

    /// Applies some entries; false when the index is up with the tiles.
    fn step(&mut self) -> Result<bool, IndexError> {
        let applied = self.desk.lock().status.applied;
        let (rows, until) = match self.rows_in_memory(applied) {
            Some(found) => found,
            None => match self.rows_in_tiles(applied)? {
                Some(found) => found,
                None => return Ok(false),
            },
        };
        let mut inside = self.desk.lock();
        if inside.stop {
            return Ok(false);
        }
        if let Some(index) = &mut inside.index {
            index.apply(&rows, until)?;
        }
        inside.status.applied = until;
        drop(inside);
        self.shared.state().indexed(until);
        Ok(true)
    }

    /// Rows of integrated entries from `applied` on that are still in memory.
    fn rows_in_memory(&self, applied: u64) -> Option<(Vec<IndexRow>, u64)> {
        let state = self.shared.state();
        if applied < state.unindexed_from || applied >= state.integrated {
            return None;
        }
        let until = state.integrated.min(applied + STEP as u64);
        let rows = state
            .unindexed
            .iter()
            .take_while(|durable| durable.place.index < until)
            .filter(|durable| durable.place.index >= applied)
            .flat_map(|durable| rows_at(durable.place.index, durable.rows.iter().cloned()))
            .collect();
        Some((rows, until))
    }

    /// Rows of one bundle. A bundle that was pruned has none.
    fn rows_in_tiles(&self, applied: u64) -> Result<Option<(Vec<IndexRow>, u64)>, IndexError> {
        let integrated = self.shared.state().integrated;
        if applied >= integrated {
            return Ok(None);
        }
        let number = applied / WIDTH;
        let tiles = self.shared.tiles(integrated);
        let entries = tiles
            .bundle_if_kept(number)
            .map_err(|error| IndexError(error.to_string()))?;
        let names = &self.shared.settings.index_members;
        let mut rows = Vec::new();
        for (at, bytes) in (number * WIDTH..).zip(entries.unwrap_or_default()) {
            if let Ok(members) = serde_json::from_slice(&bytes) {
                rows.extend(rows_at(at, index_rows(&members, names).into_iter()));
            }
        }
        Ok(Some((rows, integrated.min((number + 1) * WIDTH))))
    }

    fn set_aside(&mut self, error: &IndexError) {
        tracing::error!(%error, "the index is set aside and built anew");
        {
            let mut inside = self.desk.lock();
            inside.index = None;
            inside.status.applied = 0;
            inside.status.rebuilt += 1;
            inside.status.fault = Some(error.to_string());
        }
        if let Err(error) = self.store.set_aside() {
            tracing::error!(%error, "the index cannot be set aside");
        }
        let inside = self.desk.lock();
        if !inside.stop {
            // Gives the disk a moment; what comes meanwhile is read from tiles.
            let _ = self.desk.bell.wait_timeout(inside, PAUSE);
        }
    }
}

fn rows_at(
    index: u64,
    rows: impl Iterator<Item = (String, String)>,
) -> impl Iterator<Item = IndexRow> {
    rows.map(move |(member, value)| IndexRow {
        index,
        member,
        value,
    })
}
