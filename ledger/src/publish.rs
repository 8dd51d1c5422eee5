//! Integration and publication: tiles, guard, checkpoint, index, in this order.

use std::{
    collections::BTreeSet,
    fs, io,
    sync::{Arc, mpsc},
    thread::JoinHandle,
};

use ed25519_dalek::SigningKey;
use jiff::Timestamp;

use crate::{
    durable::{invalid, read_optional, replace},
    index::IndexRow,
    keys::VerifierKey,
    layout::{Tile, WIDTH},
    ledger::{CheckpointInfo, Pending, Shared},
    note::{Checkpoint, Note},
    recovery::Recovered,
    tree::{Edge, TileFile},
};

/// Turns durable entries into a published tree.
pub(crate) struct Publisher {
    shared: Arc<Shared>,
    key: SigningKey,
    name: VerifierKey,
    edge: Edge,
    guard_note: String,
    /// Partial tiles of the checkpoint before the current one; readers may still want them.
    previous: BTreeSet<Tile>,
}

/// How a publisher thread is told to end.
pub(crate) enum Stop {
    /// Publish the rest first.
    Publish,
    /// Leave the rest to the next open.
    Leave,
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
    pub(crate) fn new(recovered: &Recovered) -> Self {
        Self {
            shared: recovered.shared.clone(),
            key: recovered.key.clone(),
            name: recovered.name.clone(),
            edge: recovered.edge.clone(),
            guard_note: recovered.guard_note.clone(),
            previous: BTreeSet::new(),
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
                    if self.shared.state().poisoned.is_some() {
                        break;
                    }
                    if let Err(error) = self.publish() {
                        self.shared.poison(&error);
                        break;
                    }
                    if last {
                        break;
                    }
                }
            })?;
        Ok(PublisherThread { stop, thread })
    }

    fn publish(&mut self) -> io::Result<()> {
        let fresh: Vec<Pending> = self.shared.state().pending.iter().cloned().collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let before: BTreeSet<Tile> = self.edge.partials().iter().map(|(tile, _)| *tile).collect();
        let mut edge = self.edge.clone();
        let mut files = Vec::new();
        for pending in &fresh {
            edge.push(&pending.bytes, &mut files);
        }
        files.extend(edge.partials());
        self.write_tiles(&files)?;
        self.recheck(&edge, &files)?;
        self.sign(&edge)?;
        self.index(&fresh, edge.size)?;
        self.edge = edge;
        self.forget_covered()?;
        self.drop_partials(before)
    }

    /// Tiles are immutable: one that is there must already be what it is about to become.
    fn write_tiles(&self, files: &[TileFile]) -> io::Result<()> {
        let layout = &self.shared.layout;
        for (tile, bytes) in files {
            let path = layout.tiles.join(tile.path());
            match read_optional(&path)? {
                Some(found) if found == *bytes => {}
                Some(_) => return Err(invalid(format!("{} has other content", tile.path()))),
                // A crash before or after any of these leaves files that the next run finds
                // equal; no checkpoint mentions them yet.
                None => replace(&layout.stage, &path, bytes)?,
            }
        }
        Ok(())
    }

    /// What is about to be signed is what a reader will get, not what memory believes.
    fn recheck(&self, edge: &Edge, files: &[TileFile]) -> io::Result<()> {
        let tiles = &self.shared.layout.tiles;
        for (tile, bytes) in files {
            if fs::read(tiles.join(tile.path()))? != *bytes {
                return Err(invalid(format!("{} reads back differently", tile.path())));
            }
        }
        if Edge::load(tiles, edge.size)?.root() != edge.root() {
            return Err(invalid("the written tiles have another root"));
        }
        let guard = read_optional(&self.shared.layout.guard)?.unwrap_or_default();
        if guard != self.guard_note.as_bytes() {
            return Err(invalid(
                "the guard is not the checkpoint that was last signed",
            ));
        }
        Ok(())
    }

    fn sign(&mut self, edge: &Edge) -> io::Result<()> {
        let layout = &self.shared.layout;
        let origin = self.name.name().to_owned();
        let checkpoint = Checkpoint {
            origin,
            size: edge.size,
            root: edge.root(),
        };
        let note = Note::sign(checkpoint.to_string(), &self.name, &self.key)
            .map_err(|error| invalid(error.to_string()))?
            .to_string();
        // The guard first: once it is durable nothing inconsistent with it is ever signed. A
        // crash after it makes the next open publish this same note.
        replace(&layout.stage, &layout.guard, note.as_bytes())?;
        // A crash before this leaves the older checkpoint, a prefix of the guard.
        replace(&layout.stage, &layout.checkpoint(), note.as_bytes())?;
        self.guard_note.clone_from(&note);
        let mut state = self.shared.state();
        let info = CheckpointInfo {
            size: edge.size,
            root: checkpoint.root,
            time: Timestamp::now(),
        };
        state.published = Some(info);
        state.checkpoint_note = note;
        Ok(())
    }

    fn index(&self, fresh: &[Pending], applied: u64) -> io::Result<()> {
        let mut rows = Vec::new();
        for pending in fresh {
            rows.extend(pending.rows.iter().map(|(member, value)| IndexRow {
                index: pending.index,
                member: member.clone(),
                value: value.clone(),
            }));
        }
        // A crash before this leaves the index behind; the next open applies what is missing.
        let applied = self.shared.index().apply(&rows, applied);
        applied.map_err(|error| io::Error::other(error.to_string()))
    }

    /// Forgets what the tree now holds: the tail in memory and whole segments of the log.
    fn forget_covered(&self) -> io::Result<()> {
        let mut state = self.shared.state();
        while state
            .pending
            .front()
            .is_some_and(|first| first.index < self.edge.size)
        {
            state.pending.pop_front();
        }
        let mut covered = Vec::new();
        while state
            .segments
            .get(1)
            .is_some_and(|(first, _)| *first <= self.edge.size)
        {
            covered.push(state.segments.remove(0).1);
        }
        drop(state);
        // A crash between these leaves segments that are wholly published; the next run drops
        // them. The oldest goes first, so that what is left has no gap.
        covered.iter().try_for_each(fs::remove_file)
    }

    /// Keeps the partial tiles of this checkpoint and the one before it.
    fn drop_partials(&mut self, before: BTreeSet<Tile>) -> io::Result<()> {
        let now: BTreeSet<Tile> = self.edge.partials().iter().map(|(tile, _)| *tile).collect();
        let stale = std::mem::replace(&mut self.previous, before);
        for tile in &stale {
            if now.contains(tile) || self.previous.contains(tile) || tile.width == WIDTH {
                continue;
            }
            let path = self.shared.layout.tiles.join(tile.path());
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            if let Some(dir) = path.parent() {
                // Fails as long as newer partial tiles are in it, as it should.
                let _ = fs::remove_dir(dir);
            }
        }
        Ok(())
    }
}
