//! Opening: lock, compare checkpoint with guards, repair the log's tail.

use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::{
    entry::{self, Event, Link, Reading},
    guard::{FolderGuard, Guard, GuardError, Guarded, read_clock},
    keys::{Handover, VerifierKey},
    layout::{Layout, clean_text},
    ledger::{
        CheckpointInfo, Durable, InForce, OpenError, Recovery, Sequenced, Settings, Shared, State,
        index_rows,
    },
    merkle::{leaf_hash, range_root},
    note::{Checkpoint, Note, NoteError},
    publish::is_behind,
    signer::Signer,
    store::{Lock, Store, create_dir, replace},
    tree::{Edge, TileReader},
    wal,
};

/// How long to wait for a writer that is on its way out.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// An opened ledger, before its threads start.
pub(crate) struct Recovered {
    pub(crate) shared: Arc<Shared>,
    pub(crate) recovery: Recovery,
    pub(crate) key: InForce,
    pub(crate) edge: Edge,
    pub(crate) held: Option<Guarded>,
    pub(crate) signed_at: Option<Timestamp>,
    pub(crate) guards: Vec<Box<dyn Guard>>,
    /// Signed and guarded, and not yet where readers look.
    pub(crate) unpublished: Option<Checkpoint>,
    pub(crate) link: Link,
    lock: Option<Box<dyn Lock>>,
}

impl Recovered {
    pub(crate) fn take_lock(&mut self) -> io::Result<Box<dyn Lock>> {
        let gone = || io::Error::other("the lock was taken before");
        self.lock.take().ok_or_else(gone)
    }
}

pub(crate) fn open(
    settings: Settings,
    store: Arc<dyn Store>,
    (signer, next): (Arc<dyn Signer>, Option<Arc<dyn Signer>>),
    second: Option<Box<dyn Guard>>,
) -> Result<Recovered, OpenError> {
    let layout = Layout::new(&settings.dir);
    let keys = Keys::new(&settings.origin, signer, next)?;
    for dir in [&layout.tiles, &layout.stage, &layout.guard()] {
        create_dir(&*store, dir)?;
    }
    let lock = lock(&*store, &layout.lock())?;
    clear_stage(&*store, &layout)?;
    // A process that was killed may have left a guard that is read here and yet not durable.
    store.sync_dir(&layout.guard())?;
    let inside = FolderGuard::inside(store.clone(), layout.guard(), layout.stage.clone());
    let mut guards: Vec<Box<dyn Guard>> = vec![Box::new(inside)];
    guards.extend(second);
    let signed = Signed::find(&store, &layout, &keys, &mut guards)?;
    check_clock(&settings, signed.time)?;
    let clean = store.read(&layout.clean_marker())?;
    let mut log = Log::after(&signed, &store, &layout, &keys)?;
    log.read(&store, &layout, &settings.index_members)?;
    let integrated = signed.edge.size;
    let size = integrated + log.pending.len() as u64;
    let new = size == 0 && log.segments.is_empty();
    let recovery = Recovery {
        entries: size,
        torn_bytes: log.torn_bytes,
        clean_stop: new || clean.as_deref() == Some(clean_text(size).as_bytes()),
        key: log.key.name.clone(),
    };
    // A crash before this leaves the marker of the earlier stop, which is still true.
    store.remove(&layout.clean_marker())?;
    store.sync_dir(&layout.wal)?;
    let (key, link) = (log.key.clone(), log.link.clone());
    let state = Mutex::new(state(size, &signed, log, settings.clock.now()));
    Ok(Recovered {
        shared: Arc::new(Shared {
            settings,
            layout,
            store,
            state,
        }),
        recovery,
        key,
        edge: signed.edge,
        held: signed.held,
        signed_at: signed.time,
        guards,
        unpublished: signed.unpublished,
        link,
        lock: Some(lock),
    })
}

fn state(size: u64, signed: &Signed, log: Log<'_>, now: Timestamp) -> State {
    let published = signed.published.as_ref();
    let has_rows = |durable: &&Arc<Durable>| !durable.rows.is_empty();
    State {
        size,
        integrated: signed.edge.size,
        unindexed: log.pending.iter().filter(has_rows).cloned().collect(),
        unindexed_from: signed.edge.size,
        pending: log.pending,
        published: published.map(|(checkpoint, _)| CheckpointInfo {
            size: checkpoint.size,
            root: checkpoint.root,
            time: signed.time.unwrap_or(now),
        }),
        checkpoint_note: published.map(|(_, note)| note.clone()).unwrap_or_default(),
        segments: log.segments,
        keys: log.keys_since,
        handovers: log.handovers,
        poisoned: None,
        stalled: None,
        changes: watch::Sender::new(0),
    }
}

/// The keys that can sign: the one in use, and the one that a rotation is under way to.
struct Keys {
    all: Vec<InForce>,
}

impl Keys {
    fn new(
        origin: &str,
        signer: Arc<dyn Signer>,
        next: Option<Arc<dyn Signer>>,
    ) -> Result<Self, OpenError> {
        let bad = "the origin is empty or holds a space or a plus sign";
        let all = std::iter::once(signer).chain(next).map(|signer| {
            let name = VerifierKey::new(origin, signer.public_key())
                .map_err(|_| OpenError::Settings(bad))?;
            Ok(InForce {
                from: 0,
                signer,
                name,
            })
        });
        Ok(Self {
            all: all.collect::<Result<_, OpenError>>()?,
        })
    }

    fn named(&self, name: &VerifierKey) -> Option<&InForce> {
        self.all.iter().find(|key| key.name == *name)
    }

    /// Reads a checkpoint that one of them signed.
    fn checkpoint(&self, note: &str, place: &Path) -> Result<(Checkpoint, InForce), OpenError> {
        let mut refused = None;
        for key in &self.all {
            match Checkpoint::open(note, &key.name) {
                Ok(checkpoint) => return Ok((checkpoint, key.clone())),
                Err(error) => _ = refused.get_or_insert(error),
            }
        }
        Err(
            refused.map_or(OpenError::Settings("no key was given"), |source| {
                OpenError::Checkpoint {
                    place: place.to_owned(),
                    source,
                }
            }),
        )
    }
}

impl Keys {
    /// Reads a clock note that one of them signed.
    fn clock(&self, note: &str, place: &Path) -> Result<Timestamp, OpenError> {
        let refused = |source| OpenError::Checkpoint {
            place: place.to_owned(),
            source,
        };
        let note = Note::parse(note).map_err(refused)?;
        let mut names = self.all.iter().map(|key| &key.name);
        let name = names
            .find(|name| note.verify(name).is_ok())
            .ok_or_else(|| refused(NoteError::NotSigned("any key of this ledger".to_owned())))?;
        read_clock(note.text(), name.name()).ok_or_else(|| refused(NoteError::Malformed("clock")))
    }
}

fn lock(store: &dyn Store, path: &Path) -> Result<Box<dyn Lock>, OpenError> {
    let started = Instant::now();
    loop {
        match store.lock(path)? {
            Some(lock) => return Ok(lock),
            None if started.elapsed() > LOCK_WAIT => {
                return Err(OpenError::Locked(path.to_owned()));
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Removes files that were being written when a crash came.
fn clear_stage(store: &dyn Store, layout: &Layout) -> io::Result<()> {
    for name in store.list(&layout.stage)? {
        store.remove(&layout.stage.join(name))?;
    }
    // Else a crash could bring one back beside the marker of a clean stop.
    store.sync_dir(&layout.stage)
}

fn check_clock(settings: &Settings, last: Option<Timestamp>) -> Result<(), OpenError> {
    let now = settings.clock.now();
    match last {
        Some(signed) if is_behind(now, signed, settings) => {
            Err(OpenError::ClockBehind { now, signed })
        }
        _ => Ok(()),
    }
}

/// What was last signed, and what readers see of it.
struct Signed {
    edge: Edge,
    held: Option<Guarded>,
    time: Option<Timestamp>,
    /// The key that signed it.
    key: Option<InForce>,
    published: Option<(Checkpoint, String)>,
    unpublished: Option<Checkpoint>,
}

impl Signed {
    fn find(
        store: &Arc<dyn Store>,
        layout: &Layout,
        keys: &Keys,
        guards: &mut [Box<dyn Guard>],
    ) -> Result<Self, OpenError> {
        let place = layout.checkpoint();
        let note = store.read(&place)?;
        let note = note.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let published = match note {
            Some(note) => Some((keys.checkpoint(&note, &place)?.0, note)),
            None => None,
        };
        let mut held = Vec::new();
        for guard in &*guards {
            held.push(guard.load()?);
        }
        let Some(first) = held.first().cloned().flatten() else {
            if published.is_some() || held.iter().any(Option::is_some) {
                return Err(OpenError::Rollback("the guard is missing".into()));
            }
            return Ok(Self {
                edge: Edge::default(),
                held: None,
                time: None,
                key: None,
                published: None,
                unpublished: None,
            });
        };
        let (signed, key) = keys.checkpoint(&first.note, &layout.guard().join("checkpoint"))?;
        let mut tiles = TileReader::new(store, &layout.tiles, signed.size);
        let edge = Edge::load(&tiles).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => OpenError::Rollback(format!(
                "the tree that was last signed cannot be read: {error}"
            )),
            // A disk that fails proves nothing against the files.
            _ => OpenError::Io(error),
        })?;
        if edge.root() != signed.root {
            let what = "the tiles have another root than the guard";
            return Err(OpenError::Rollback(what.into()));
        }
        if let Some((checkpoint, _)) = &published {
            extends(&mut tiles, &signed, checkpoint, "checkpoint")?;
        }
        for (guard, other) in guards.iter_mut().zip(&held).skip(1) {
            if let Some(other) = other.as_ref().filter(|other| other.note != first.note) {
                let place = PathBuf::from("second guard");
                let (older, _) = keys.checkpoint(&other.note, &place)?;
                extends(&mut tiles, &signed, &older, "second guard")?;
            }
            // A crash between the guards left this one behind, or it is new.
            if other.as_ref() != Some(&first) {
                guard
                    .swap(other.as_ref(), &first)
                    .map_err(|error| match error {
                        GuardError::Io(error) => OpenError::Io(error),
                        GuardError::Conflict => OpenError::Rollback(error.to_string()),
                    })?;
            }
        }
        let shown = published
            .as_ref()
            .map_or(0, |(checkpoint, _)| checkpoint.size);
        Ok(Self {
            edge,
            time: Some(keys.clock(&first.clock, &layout.guard().join("clock"))?),
            held: Some(first),
            key: Some(key),
            unpublished: (shown < signed.size).then_some(signed),
            published,
        })
    }
}

/// Refuses unless `older` is a prefix of what was last signed.
fn extends(
    tiles: &mut TileReader,
    signed: &Checkpoint,
    older: &Checkpoint,
    what: &str,
) -> Result<(), OpenError> {
    if older.size > signed.size {
        return Err(OpenError::Rollback(format!(
            "the guard is older than the {what}"
        )));
    }
    if range_root(tiles, 0, older.size)? != older.root {
        return Err(OpenError::Rollback(format!(
            "{what} and guard are of two histories"
        )));
    }
    Ok(())
}

/// The write-ahead log as it is read.
struct Log<'a> {
    keys: &'a Keys,
    published: u64,
    pending: VecDeque<Arc<Durable>>,
    segments: Vec<(u64, PathBuf)>,
    torn_bytes: u64,
    link: Link,
    /// In force for the next entry.
    key: InForce,
    keys_since: Vec<InForce>,
    handovers: Vec<Handover>,
}

impl<'a> Log<'a> {
    /// Begins where the signed tree ends.
    fn after(
        signed: &Signed,
        store: &Arc<dyn Store>,
        layout: &Layout,
        keys: &'a Keys,
    ) -> Result<Self, OpenError> {
        let published = signed.edge.size;
        let mut link = Link {
            chain_uid: String::new(),
            seq: 0,
            prev: [0; 32],
        };
        if let Some(last) = published.checked_sub(1) {
            let bytes = TileReader::new(store, &layout.tiles, published).entry(last)?;
            // It is under the signed root; its signature may be of a key that has retired.
            let found = entry::parse(&bytes)
                .map_err(|error| OpenError::Rollback(format!("entry {last}: {error}")))?;
            link = found.next();
        }
        let first = || keys.all.first().cloned();
        let key = signed.key.clone().or_else(first);
        let key = key.ok_or(OpenError::Settings("no key was given"))?;
        Ok(Self {
            keys,
            published,
            pending: VecDeque::new(),
            segments: Vec::new(),
            torn_bytes: 0,
            link,
            keys_since: vec![key.clone()],
            handovers: Vec::new(),
            key,
        })
    }

    fn read(
        &mut self,
        store: &Arc<dyn Store>,
        layout: &Layout,
        members: &[String],
    ) -> Result<(), OpenError> {
        let segments = wal::segments(&**store, &layout.wal)?;
        let mut next = segments.first().map_or(self.published, |(first, _)| *first);
        let count = segments.len();
        for (number, (first, path)) in segments.into_iter().enumerate() {
            if first != next || first > self.published + self.pending.len() as u64 {
                let place = format!("{} does not follow", path.display());
                return Err(OpenError::Wal(place));
            }
            let bytes = store.read(&path)?.unwrap_or_default();
            let scan = wal::scan(&bytes, first);
            for (index, _, entry) in &scan.frames {
                if *index >= self.published {
                    self.take(*index, entry, members)
                        .map_err(|why| OpenError::Wal(format!("entry {index}: {why}")))?;
                }
            }
            next = first + scan.frames.len() as u64;
            if scan.good < bytes.len() {
                // Only the end of the newest segment can be half-written, and never below what was
                // published: every batch is synced before its entries are.
                if number + 1 < count || scan.frames_after_bad || next < self.published {
                    let place = format!("{} at byte {}", path.display(), scan.good);
                    return Err(OpenError::Wal(place));
                }
                self.torn_bytes = (bytes.len() - scan.good) as u64;
            }
            let newest = number + 1 == count && (scan.good < bytes.len() || next > self.published);
            if newest && next != first {
                // What is read may be in the machine's memory alone: its writer may have been
                // killed before the sync, or told that it failed, after which no other sync of the
                // same file can be trusted. A crash before this leaves the old file.
                let good = bytes.get(..scan.good).unwrap_or_default();
                replace(&**store, &layout.stage, &path, good)?;
            }
            if next == first {
                // An empty segment could bear the name of the one about to be opened.
                store.remove(&path)?;
                store.sync_dir(&layout.wal)?;
            } else {
                self.segments.push((first, path));
            }
        }
        Ok(())
    }

    /// Takes a durable entry that is not yet in the tree.
    fn take(&mut self, index: u64, bytes: &[u8], members: &[String]) -> Result<(), String> {
        let reading = entry::open(bytes, &self.key.name).map_err(|error| error.to_string())?;
        let link = &reading.link;
        let first = self.link.chain_uid.is_empty();
        if (!first && link.chain_uid != self.link.chain_uid)
            || link.seq != self.link.seq
            || link.prev != self.link.prev
        {
            return Err("it does not continue the chain".into());
        }
        self.hand_over(index, &reading)?;
        let place = Sequenced {
            index,
            seq: link.seq,
            leaf_hash: leaf_hash(bytes),
        };
        self.link = reading.next();
        let rows = serde_json::from_slice(bytes).map(|map| index_rows(&map, members));
        self.pending.push_back(Arc::new(Durable {
            place,
            bytes: bytes.to_vec(),
            rows: rows.unwrap_or_default(),
        }));
        Ok(())
    }

    fn hand_over(&mut self, index: u64, reading: &Reading<'_>) -> Result<(), String> {
        let Some(Event::Handover(note)) = &reading.event else {
            return Ok(());
        };
        let statement = Handover::parse(note).map_err(|error| error.to_string())?;
        let next = self.keys.named(statement.new_key()).ok_or_else(|| {
            format!(
                "it hands over to {}, which was not given",
                statement.new_key()
            )
        })?;
        self.key = InForce {
            from: index + 1,
            ..next.clone()
        };
        self.keys_since.push(self.key.clone());
        self.handovers.push(statement);
        Ok(())
    }
}
