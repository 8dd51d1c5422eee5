//! From durable to published: Sequenced -> Integrated -> Signed -> Published. Each step takes what
//! the step before made and nothing else, so that none can be left out.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread::JoinHandle,
};

use jiff::{SignedDuration, Timestamp};

use crate::{
    durable::invalid,
    guard::{Guard, GuardError, Guarded, clock_text},
    indexer::Wake,
    layout::Tile,
    ledger::{CheckpointInfo, Durable, Settings, Shared},
    log::Stop,
    merkle::{consistency_proof, range_root},
    note::{Checkpoint, Note},
    recovery::Recovered,
    store::{replace, replace_all},
    tree::{Edge, TileFile},
    witness::{WitnessError, Witnesses},
};

/// Turns durable entries into a published tree.
pub(crate) struct Publisher {
    shared: Arc<Shared>,
    /// The tree as last signed.
    edge: Edge,
    held: Option<Guarded>,
    signed_at: Option<Timestamp>,
    /// The one in the data directory first.
    guards: Vec<Box<dyn Guard>>,
    witnesses: Option<Box<dyn Witnesses>>,
    indexer: Wake,
    /// Signed and not yet published, for want of witnesses.
    waiting: Option<Signed>,
    /// Tiles that became full since the last publication.
    full: Vec<Tile>,
    /// No name that a killed process left undurable is left under the tiles.
    settled: bool,
}

/// Entries whose tiles are durable and were read back.
struct Integrated {
    edge: Edge,
    /// Tiles that became full with it.
    full: Vec<Tile>,
}

/// A tree whose checkpoint every guard holds.
struct Signed {
    checkpoint: Checkpoint,
    note: String,
    time: Timestamp,
}

/// Why a publication did not come about.
enum Halt {
    /// Nothing is wrong with the ledger; the next round tries again.
    Later(String),
    /// Nothing may be signed any more.
    Poison(String),
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Self {
        Self::Poison(error.to_string())
    }
}

/// The running publisher thread.
pub(crate) struct PublisherThread {
    stop: mpsc::SyncSender<Stop>,
    thread: JoinHandle<()>,
}

impl PublisherThread {
    /// Ends the thread and waits for it.
    pub(crate) fn end(self, stop: Stop) {
        // Both fail only when the thread is gone, and then the ledger is poisoned or done.
        let _ = self.stop.send(stop);
        let _ = self.thread.join();
    }
}

impl Publisher {
    pub(crate) fn new(
        recovered: &mut Recovered,
        witnesses: Option<Box<dyn Witnesses>>,
        indexer: Wake,
    ) -> Self {
        let shared = recovered.shared.clone();
        let held = recovered.held.as_ref();
        let waiting = recovered.unpublished.take().map(|checkpoint| Signed {
            checkpoint,
            note: held.map(|held| held.note.clone()).unwrap_or_default(),
            time: recovered
                .signed_at
                .unwrap_or_else(|| shared.settings.clock.now()),
        });
        Self {
            shared,
            edge: recovered.edge.clone(),
            held: recovered.held.clone(),
            guards: std::mem::take(&mut recovered.guards),
            waiting,
            signed_at: recovered.signed_at,
            witnesses,
            indexer,
            full: Vec::new(),
            settled: false,
        }
    }

    /// Shows what a crash kept from being shown, unless witnesses must be asked first.
    pub(crate) fn finish(&mut self) {
        if self.witnesses.is_none()
            && self.waiting.is_some()
            && let Err(Halt::Poison(why)) = self.show_waiting()
        {
            self.shared.poison(&why);
        }
    }

    pub(crate) fn start(mut self) -> io::Result<PublisherThread> {
        let (stop, stopped) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("ledger-publisher".into())
            .spawn(move || {
                let every = self.shared.settings.publish_every;
                loop {
                    let last = match stopped.recv_timeout(every) {
                        Err(mpsc::RecvTimeoutError::Timeout) => false,
                        Ok(Stop::Publish) => true,
                        Ok(Stop::Leave) | Err(mpsc::RecvTimeoutError::Disconnected) => break,
                    };
                    if !self.round() || last {
                        break;
                    }
                }
            })?;
        Ok(PublisherThread { stop, thread })
    }

    /// Publishes what is there; false when the ledger is poisoned.
    pub(crate) fn round(&mut self) -> bool {
        if self.shared.state().poisoned.is_some() {
            return false;
        }
        let stalled = match self.publish() {
            Ok(()) => None,
            Err(Halt::Later(why)) => {
                tracing::warn!(%why, "publication waits");
                Some(why)
            }
            Err(Halt::Poison(why)) => {
                self.shared.poison(&why);
                return false;
            }
        };
        self.shared.state().stalled = stalled;
        true
    }

    fn publish(&mut self) -> Result<(), Halt> {
        if let Some(integrated) = self.integrate()? {
            let signed = self.sign(integrated)?;
            self.waiting = Some(signed);
        }
        self.show_waiting()
    }

    fn show_waiting(&mut self) -> Result<(), Halt> {
        match self.waiting.take() {
            None => Ok(()),
            Some(signed) => match self.cosign(&signed) {
                Ok(note) => {
                    self.show(&signed, note)?;
                    self.drop_segments(signed.checkpoint.size)?;
                    Ok(self.drop_partials()?)
                }
                Err(halt) => {
                    self.waiting = Some(signed);
                    Err(halt)
                }
            },
        }
    }

    /// Writes the tiles of all durable entries and reads them back.
    fn integrate(&mut self) -> Result<Option<Integrated>, Halt> {
        self.clock_is_ahead()?;
        let fresh: Vec<Arc<Durable>> = self.shared.state().pending.iter().cloned().collect();
        if fresh.is_empty() {
            return Ok(None);
        }
        let mut edge = self.edge.clone();
        let mut files = Vec::new();
        for durable in &fresh {
            edge.push(&durable.bytes, durable.place.leaf_hash, &mut files);
        }
        let full = files.iter().map(|(tile, _)| *tile).collect();
        files.extend(edge.partials());
        self.write_tiles(&files)?;
        self.recheck(&edge, &files)?;
        Ok(Some(Integrated { edge, full }))
    }

    /// A checkpoint that bears an older time than the one before could not be put in order.
    fn clock_is_ahead(&self) -> Result<(), Halt> {
        let settings = &self.shared.settings;
        let now = settings.clock.now();
        match self.signed_at {
            Some(last) if is_behind(now, last, settings) => Err(Halt::Later(format!(
                "the clock is behind: it says {now}, the last checkpoint was signed at {last}"
            ))),
            _ => Ok(()),
        }
    }

    /// Tiles are immutable: one that is there must already be what it is about to become.
    fn write_tiles(&mut self, files: &[TileFile]) -> io::Result<()> {
        let shared = &self.shared;
        let mut missing: Vec<(PathBuf, &[u8])> = Vec::new();
        for (tile, bytes) in files {
            let path = shared.layout.tiles.join(tile.path());
            match shared.store.read(&path)? {
                Some(found) if found == *bytes => {}
                Some(_) => return Err(invalid(format!("{} has other content", tile.path()))),
                None => missing.push((path, bytes)),
            }
        }
        // A crash before or after any of these leaves files that the next run finds equal; no
        // checkpoint mentions them yet.
        replace_all(&*shared.store, &shared.layout.stage, &missing)?;
        if !self.settled {
            self.settle(files)?;
            self.settled = true;
        }
        Ok(())
    }

    /// An earlier process may have been killed between making a name and making it durable: then
    /// tiles that are found, and folders above those that were written, could yet be lost.
    fn settle(&self, files: &[TileFile]) -> io::Result<()> {
        let shared = &self.shared;
        let tiles = &shared.layout.tiles;
        let mut folders = BTreeSet::new();
        for (tile, _) in files {
            let path = tiles.join(tile.path());
            let above = path.ancestors().skip(1);
            let within = above.take_while(|folder| folder.starts_with(tiles));
            folders.extend(within.map(Path::to_owned));
        }
        let mut folders = folders.iter();
        folders.try_for_each(|folder| shared.store.sync_dir(folder))
    }

    /// What is about to be signed is what a reader will get, not what memory believes.
    fn recheck(&self, edge: &Edge, files: &[TileFile]) -> io::Result<()> {
        let shared = &self.shared;
        for (tile, bytes) in files {
            let found = shared.store.read(&shared.layout.tiles.join(tile.path()))?;
            if found.as_ref() != Some(bytes) {
                return Err(invalid(format!("{} reads back differently", tile.path())));
            }
        }
        let mut tiles = shared.tiles(edge.size);
        if range_root(&mut tiles, 0, edge.size)? != edge.root() {
            return Err(invalid("the written tiles have another root"));
        }
        Ok(())
    }

    /// Signs, and moves every guard from what was last signed to this.
    fn sign(&mut self, integrated: Integrated) -> Result<Signed, Halt> {
        let Integrated { edge, full } = integrated;
        let key = self.shared.state().key_at(edge.size);
        let key = key.ok_or_else(|| Halt::Poison("no key is in force".to_owned()))?;
        let checkpoint = Checkpoint {
            origin: key.name.name().to_owned(),
            size: edge.size,
            root: edge.root(),
        };
        let note = Note::sign(checkpoint.to_string(), &key.name, &*key.signer)
            .map_err(|error| Halt::Later(error.to_string()))?
            .to_string();
        let now = self.shared.settings.clock.now();
        let time = self.signed_at.map_or(now, |last| last.max(now));
        let clock = clock_text(key.name.name(), time);
        let clock = Note::sign(clock, &key.name, &*key.signer)
            .map_err(|error| Halt::Later(error.to_string()))?
            .to_string();
        let next = Guarded {
            note: note.clone(),
            clock,
        };
        for guard in &mut self.guards {
            // Once the first is durable nothing inconsistent with it is ever signed. A crash after
            // it makes the next open move the others and publish this same note.
            guard
                .swap(self.held.as_ref(), &next)
                .map_err(|error| match error {
                    GuardError::Conflict => Halt::Poison(error.to_string()),
                    GuardError::Io(error) => Halt::from(error),
                })?;
        }
        self.held = Some(next);
        self.signed_at = Some(time);
        self.edge = edge;
        self.full.extend(full);
        self.forget_integrated();
        Ok(Signed {
            checkpoint,
            note,
            time,
        })
    }

    /// Asks the witnesses; the note then carries their lines.
    fn cosign(&mut self, signed: &Signed) -> Result<String, Halt> {
        let Some(witnesses) = &mut self.witnesses else {
            return Ok(signed.note.clone());
        };
        let size = signed.checkpoint.size;
        let mut tiles = self.shared.tiles(size);
        let mut proof = |old| consistency_proof(&mut tiles, old, size);
        match witnesses.cosign(&signed.note, size, &mut proof) {
            Ok(lines) => Ok(lines
                .iter()
                .fold(signed.note.clone(), |note, line| note + line + "\n")),
            Err(WitnessError::NoQuorum(why)) => Err(Halt::Later(why)),
            Err(WitnessError::Conflict(why)) => Err(Halt::Poison(why)),
        }
    }

    /// Puts the checkpoint where readers look.
    fn show(&self, signed: &Signed, note: String) -> Result<(), Halt> {
        let layout = &self.shared.layout;
        // A crash before this leaves the older checkpoint, a prefix of the guard.
        replace(
            &*self.shared.store,
            &layout.stage,
            &layout.checkpoint(),
            note.as_bytes(),
        )?;
        let mut state = self.shared.state();
        state.published = Some(CheckpointInfo {
            size: signed.checkpoint.size,
            root: signed.checkpoint.root,
            time: signed.time,
        });
        state.checkpoint_note = note;
        state.stalled = None;
        state.changes.send_replace(signed.checkpoint.size);
        Ok(())
    }

    /// Forgets what the tree now holds: the tail in memory.
    fn forget_integrated(&self) {
        let mut state = self.shared.state();
        let size = self.edge.size;
        state.integrated = size;
        while state
            .pending
            .front()
            .is_some_and(|first| first.place.index < size)
        {
            state.pending.pop_front();
        }
        drop(state);
        self.indexer.wake();
    }

    /// Drops whole segments of the log, whose entries readers now find in the tree.
    fn drop_segments(&self, size: u64) -> io::Result<()> {
        let mut state = self.shared.state();
        let mut covered = Vec::new();
        while state
            .segments
            .get(1)
            .is_some_and(|(first, _)| *first <= size)
        {
            covered.push(state.segments.remove(0).1);
        }
        drop(state);
        // A crash between these leaves segments that are wholly published; the next run drops
        // them. The oldest goes first, durably, so that what is left has no gap.
        covered.iter().try_for_each(|path| {
            self.shared.store.remove(path)?;
            self.shared.store.sync_dir(&self.shared.layout.wal)
        })
    }

    /// Removes the partial tiles of tiles that are full in the published tree. Until then they all
    /// stay: a reader of any earlier checkpoint may want them (C2SP tlog-tiles).
    fn drop_partials(&mut self) -> io::Result<()> {
        let store = &self.shared.store;
        for full in std::mem::take(&mut self.full) {
            let path = self.shared.layout.tiles.join(full.partials());
            for name in store.list(&path)? {
                store.remove(&path.join(name))?;
            }
            store.remove_empty_dir(&path);
        }
        Ok(())
    }
}

/// Whether the clock is further behind the last signature than is tolerated.
pub(crate) fn is_behind(now: Timestamp, signed: Timestamp, settings: &Settings) -> bool {
    let tolerated = SignedDuration::try_from(settings.clock_tolerance);
    signed.duration_since(now) > tolerated.unwrap_or(SignedDuration::MAX)
}
