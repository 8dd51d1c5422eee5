//! Bundles are read by one thread, checked by all cores and handed over in order. What is under way
//! at once is bounded, so that memory does not depend on how long the ledger is.

use std::{
    io,
    num::NonZero,
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{Builder, available_parallelism},
};

use crate::{
    keys::KeyRing,
    layout::{Kind, Tile, WIDTH},
    tree::split_bundle,
    verify::{
        Unreadable,
        bundle::{Checked, Span, check},
        target::Target,
    },
};

/// Loads under way for each thread: one at work and one that waits.
const AHEAD: usize = 2;
/// Bundles in a load: the more signatures are verified together the less each of them costs, up to
/// about a thousand.
const LOAD: usize = 4;
/// A load takes no further bundle once it holds so many bytes.
const LOAD_BYTES: usize = 1 << 20;

/// One bundle of the tree, as it was found.
#[derive(Debug)]
pub(crate) struct Bundle {
    pub(crate) tile: Tile,
    pub(crate) content: Content,
}

/// What a bundle's file holds.
#[derive(Debug)]
pub(crate) enum Content {
    /// There is no file.
    Absent,
    /// It cannot be split into as many entries as the bundle has.
    Malformed,
    /// The file's bytes, and what was found out about its entries.
    Entries(Vec<u8>, Checked),
}

type Answer = Result<Vec<Bundle>, Unreadable>;

/// Neighbouring bundles as they were read.
type Load = Vec<(Tile, Option<Vec<u8>>)>;

struct Job {
    load: Load,
    answer: SyncSender<Answer>,
}

/// How many threads check bundles unless told otherwise.
pub(crate) fn cores() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

/// Hands the bundles of the tree of `size` entries to `take`, in order.
pub(crate) fn run(
    target: &Target,
    size: u64,
    ring: &KeyRing,
    threads: usize,
    take: &mut dyn FnMut(Bundle) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    let (jobs, waiting) = sync_channel(threads);
    let (order, answers) = sync_channel(AHEAD * threads);
    let waiting = Mutex::new(waiting);
    let spawn = |source| Unreadable::Io {
        path: target.path(""),
        source,
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let named = Builder::new().name("verify-check".to_owned());
            let work = || work(&waiting, ring);
            named.spawn_scoped(scope, work).map_err(spawn)?;
        }
        let named = Builder::new().name("verify-read".to_owned());
        let reader = Reader {
            target,
            jobs,
            order,
        };
        let read = move || reader.run(size);
        named.spawn_scoped(scope, read).map_err(spawn)?;
        // Leaving early drops the receiver, and with it the threads run out of work.
        for answer in answers {
            let ended = |_| spawn(io::Error::other("a thread ended early"));
            answer
                .recv()
                .map_err(ended)??
                .into_iter()
                .try_for_each(&mut *take)?;
        }
        Ok(())
    })
}

/// Reads bundles in order. Its ends of the queues are dropped with it, and so the others end.
struct Reader<'a> {
    target: &'a Target,
    jobs: SyncSender<Job>,
    order: SyncSender<Receiver<Answer>>,
}

impl Reader<'_> {
    fn run(self, size: u64) {
        let mut load = Load::new();
        let mut bytes = 0;
        for number in 0..size.div_ceil(WIDTH) {
            let Some(tile) = Tile::at(Kind::Entries, number, size) else {
                break;
            };
            match self.target.read(&self.target.tile_name(&tile)) {
                Ok(content) => {
                    bytes += content.as_ref().map_or(0, Vec::len);
                    load.push((tile, content));
                }
                Err(error) => {
                    // What was read before comes first.
                    let (failed, receiver) = sync_channel(1);
                    if self.hand_over(load) && self.order.send(receiver).is_ok() {
                        let _ = failed.send(Err(error));
                    }
                    return;
                }
            }
            if load.len() == LOAD || bytes >= LOAD_BYTES {
                bytes = 0;
                if !self.hand_over(std::mem::take(&mut load)) {
                    return;
                }
            }
        }
        self.hand_over(load);
    }

    /// Gives a load to the next free thread; false when nobody listens any more.
    fn hand_over(&self, load: Load) -> bool {
        let (answer, receiver) = sync_channel(1);
        self.order.send(receiver).is_ok() && self.jobs.send(Job { load, answer }).is_ok()
    }
}

fn work(waiting: &Mutex<Receiver<Job>>, ring: &KeyRing) {
    loop {
        let next = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(job) = next else { return };
        // Nobody listens any more when verification was given up.
        let _ = job.answer.send(Ok(check_load(job.load, ring)));
    }
}

fn check_load(load: Load, ring: &KeyRing) -> Vec<Bundle> {
    let spans: Vec<Option<Span<'_>>> = load
        .iter()
        .map(|(tile, bytes)| {
            let entries = split_bundle(bytes.as_deref()?, tile.width)?;
            let first = tile.number * WIDTH;
            Some(Span { first, entries })
        })
        .collect();
    let whole: Vec<bool> = spans.iter().map(Option::is_some).collect();
    let spans: Vec<Span<'_>> = spans.into_iter().flatten().collect();
    let mut checked = check(&spans, ring).into_iter();
    let bundles = load.into_iter().zip(whole);
    bundles
        .map(|((tile, bytes), whole)| {
            let content = match bytes {
                None => Content::Absent,
                Some(bytes) if whole => Content::Entries(bytes, checked.next().unwrap_or_default()),
                Some(_) => Content::Malformed,
            };
            Bundle { tile, content }
        })
        .collect()
}
