//! Opening: lock, compare checkpoint with guard, repair the log's tail, catch the index up.

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use ed25519_dalek::SigningKey;
use jiff::Timestamp;

use crate::{
    durable::{create_dir, read_optional, replace, sync_dir},
    entry::{self, Link},
    index::{Index, IndexError, IndexRow},
    keys::VerifierKey,
    layout::{Layout, WIDTH, clean_text},
    ledger::{CheckpointInfo, OpenError, Pending, Recovery, Settings, Shared, State, index_rows},
    merkle::range_root,
    note::Checkpoint,
    tree::{Edge, TileReader},
    wal,
};

/// How long to wait for a writer that is on its way out.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// An opened ledger, before its threads start.
pub(crate) struct Recovered {
    pub(crate) shared: Arc<Shared>,
    pub(crate) recovery: Recovery,
    pub(crate) key: SigningKey,
    pub(crate) name: VerifierKey,
    pub(crate) edge: Edge,
    pub(crate) guard_note: String,
    pub(crate) link: Link,
    pub(crate) lock: Arc<File>,
}

pub(crate) fn open(
    settings: Settings,
    key: SigningKey,
    index: Box<dyn Index>,
) -> Result<Recovered, OpenError> {
    let layout = Layout::new(&settings.dir);
    let name = VerifierKey::new(&settings.origin, key.verifying_key())
        .map_err(|_| OpenError::Settings("the origin is empty or holds a space or a plus sign"))?;
    for dir in [&layout.tiles, &layout.wal, &layout.root.join("guard")] {
        create_dir(dir)?;
    }
    let lock = lock(&layout.lock())?;
    remove_if_there(&layout.stage)?;
    let (edge, guard_note) = published(&layout, &name)?;
    let clean = read_optional(&layout.clean_marker())?;
    let log = read_log(&layout, edge.size, &name, &settings.index_members)?;
    let size = edge.size + log.pending.len() as u64;
    let new = edge.size == 0 && log.segments.is_empty();
    let recovery = Recovery {
        entries: size,
        torn_bytes: log.torn_bytes,
        clean_stop: new || clean.as_deref() == Some(clean_text(size).as_bytes()),
        index_rebuilt: false,
    };
    // A crash before this leaves the marker of the earlier stop, which is still true.
    remove_if_there(&layout.clean_marker())?;
    let published = (edge.size > 0).then(|| CheckpointInfo {
        size: edge.size,
        root: edge.root(),
        time: Timestamp::now(),
    });
    let state = State {
        size,
        pending: log.pending,
        published,
        checkpoint_note: guard_note.clone(),
        segments: log.segments,
        poisoned: None,
    };
    let shared = Shared {
        settings,
        layout,
        state: Mutex::new(state),
        index: Mutex::new(index),
    };
    let index_rebuilt = catch_up(&shared, edge.size)?;
    let recovery = Recovery {
        index_rebuilt,
        ..recovery
    };
    let shared = Arc::new(shared);
    Ok(Recovered {
        shared,
        recovery,
        key,
        name,
        edge,
        guard_note,
        link: log.link,
        lock,
    })
}

fn lock(path: &Path) -> Result<Arc<File>, OpenError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Arc::new(file)),
            Err(TryLockError::Error(error)) => return Err(error.into()),
            Err(TryLockError::WouldBlock) if started.elapsed() > LOCK_WAIT => {
                return Err(OpenError::Locked(path.to_owned()));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_dir(path.parent().unwrap_or(Path::new("."))),
    }
}

fn read_checkpoint(
    path: &Path,
    name: &VerifierKey,
) -> Result<Option<(Checkpoint, String)>, OpenError> {
    let Some(bytes) = read_optional(path)? else {
        return Ok(None);
    };
    let note = String::from_utf8_lossy(&bytes).into_owned();
    let checkpoint = Checkpoint::open(&note, name).map_err(|source| OpenError::Checkpoint {
        place: path.to_owned(),
        source,
    })?;
    Ok(Some((checkpoint, note)))
}

/// The edge of the last signed tree; finishes a publication that a crash interrupted.
fn published(layout: &Layout, name: &VerifierKey) -> Result<(Edge, String), OpenError> {
    let checkpoint = read_checkpoint(&layout.checkpoint(), name)?;
    let Some((guard, note)) = read_checkpoint(&layout.guard, name)? else {
        return match checkpoint {
            None => Ok((Edge::default(), String::new())),
            Some(_) => Err(OpenError::Rollback("the guard is missing".into())),
        };
    };
    let edge = Edge::load(&layout.tiles, guard.size).map_err(|error| {
        OpenError::Rollback(format!(
            "the tree that was last signed cannot be read: {error}"
        ))
    })?;
    if edge.root() != guard.root {
        return Err(OpenError::Rollback(
            "the tiles have another root than the guard".into(),
        ));
    }
    if let Some((checkpoint, _)) = &checkpoint {
        if checkpoint.size > guard.size {
            return Err(OpenError::Rollback(
                "the guard is older than the checkpoint".into(),
            ));
        }
        let mut reader = TileReader::new(&layout.tiles, guard.size);
        if range_root(&mut reader, 0, checkpoint.size)? != checkpoint.root {
            return Err(OpenError::Rollback(
                "checkpoint and guard are of two histories".into(),
            ));
        }
    }
    if checkpoint.is_none_or(|(checkpoint, _)| checkpoint.size < guard.size) {
        replace(&layout.stage, &layout.checkpoint(), note.as_bytes())?;
    }
    Ok((edge, note))
}

struct Log {
    pending: VecDeque<Pending>,
    segments: Vec<(u64, PathBuf)>,
    torn_bytes: u64,
    link: Link,
}

fn read_log(
    layout: &Layout,
    published: u64,
    name: &VerifierKey,
    members: &[String],
) -> Result<Log, OpenError> {
    let mut segments = wal::segments(&layout.wal)?;
    let link = last_link(layout, published, name)?;
    let mut log = Log {
        pending: VecDeque::new(),
        segments: Vec::new(),
        torn_bytes: 0,
        link,
    };
    let mut next = segments.first().map_or(published, |(first, _)| *first);
    let count = segments.len();
    for (number, (first, path)) in segments.drain(..).enumerate() {
        if first != next || first > published + log.pending.len() as u64 {
            return Err(OpenError::Wal(format!(
                "{} does not follow",
                path.display()
            )));
        }
        let bytes = fs::read(&path)?;
        let scan = wal::scan(&bytes, first);
        for (index, _, entry) in &scan.frames {
            if *index >= published {
                log.link = continue_chain(&log.link, entry, name)
                    .map_err(|why| OpenError::Wal(format!("entry {index}: {why}")))?;
                log.pending.push_back(pending(*index, entry, members));
            }
        }
        next = first + scan.frames.len() as u64;
        if scan.good < bytes.len() {
            // Only the end of the newest segment can be half-written, and never below what was
            // published: every batch is synced before its entries are.
            if number + 1 < count || scan.frames_after_bad || next < published {
                let place = format!("{} at byte {}", path.display(), scan.good);
                return Err(OpenError::Wal(place));
            }
            log.torn_bytes = (bytes.len() - scan.good) as u64;
            let file = OpenOptions::new().write(true).open(&path)?;
            file.set_len(scan.good as u64)?;
            // A crash before this leaves the torn tail for the next open.
            file.sync_all()?;
        }
        if next == first {
            // An empty segment could bear the name of the one about to be opened.
            remove_if_there(&path)?;
        } else {
            log.segments.push((first, path));
        }
    }
    Ok(log)
}

fn pending(index: u64, entry: &[u8], members: &[String]) -> Pending {
    let rows = serde_json::from_slice(entry).map(|map| index_rows(&map, members));
    Pending {
        index,
        bytes: entry.into(),
        rows: rows.unwrap_or_default(),
    }
}

/// The link of the next entry, given the link it must have and its bytes.
fn continue_chain(expected: &Link, bytes: &[u8], name: &VerifierKey) -> Result<Link, String> {
    let found = entry::open(bytes, name).map_err(|error| error.to_string())?;
    let link = &found.link;
    let first = expected.chain_uid.is_empty();
    if (!first && link.chain_uid != expected.chain_uid)
        || link.seq != expected.seq
        || link.prev != expected.prev
    {
        return Err("it does not continue the chain".into());
    }
    Ok(found.next())
}

/// The link after the last published entry; an empty chain name when there is none.
fn last_link(layout: &Layout, published: u64, name: &VerifierKey) -> Result<Link, OpenError> {
    let Some(last) = published.checked_sub(1) else {
        return Ok(Link {
            chain_uid: String::new(),
            seq: 0,
            prev: [0; 32],
        });
    };
    let bytes = TileReader::new(&layout.tiles, published).entry(last)?;
    let found = entry::open(&bytes, name)
        .map_err(|error| OpenError::Rollback(format!("entry {last}: {error}")))?;
    Ok(found.next())
}

/// Brings the index up to the published size; true when it had to start from nothing.
fn catch_up(shared: &Shared, published: u64) -> Result<bool, OpenError> {
    let failed = |error: IndexError| OpenError::Io(io::Error::other(error.to_string()));
    let mut index = shared.index();
    let mut applied = index.applied().map_err(failed)?;
    if applied > published {
        index.clear().map_err(failed)?;
        applied = 0;
    }
    let rebuilt = applied == 0 && published > 0;
    let reader = TileReader::new(&shared.layout.tiles, published);
    while applied < published {
        let number = applied / WIDTH;
        let entries = reader.bundle(number)?;
        let mut rows = Vec::new();
        for (at, bytes) in (number * WIDTH..).zip(&entries) {
            if let Ok(map) = serde_json::from_slice(bytes) {
                let found = index_rows(&map, &shared.settings.index_members);
                rows.extend(found.into_iter().map(|(member, value)| IndexRow {
                    index: at,
                    member,
                    value,
                }));
            }
        }
        applied = published.min((number + 1) * WIDTH);
        index.apply(&rows, applied).map_err(failed)?;
    }
    Ok(rebuilt)
}
