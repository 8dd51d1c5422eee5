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
        bundle::{Checked, check},
        target::Target,
    },
};

/// Bundles under way for each thread: one at work and one that waits.
const AHEAD: usize = 2;

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

type Answer = Result<Bundle, Unreadable>;

struct Job {
    tile: Tile,
    bytes: Vec<u8>,
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
            take(answer.recv().map_err(ended)??)?;
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
        for number in 0..size.div_ceil(WIDTH) {
            let Some(tile) = Tile::at(Kind::Entries, number, size) else {
                return;
            };
            let (answer, receiver) = sync_channel(1);
            // Sending fails only when nobody listens any more.
            if self.order.send(receiver).is_err() {
                return;
            }
            let (sent, failed) = match self.target.read(&self.target.tile_name(&tile)) {
                Ok(Some(bytes)) => {
                    let job = Job {
                        tile,
                        bytes,
                        answer,
                    };
                    (self.jobs.send(job).is_ok(), false)
                }
                Ok(None) => {
                    let content = Content::Absent;
                    (answer.send(Ok(Bundle { tile, content })).is_ok(), false)
                }
                Err(error) => (answer.send(Err(error)).is_ok(), true),
            };
            if failed || !sent {
                return;
            }
        }
    }
}

fn work(waiting: &Mutex<Receiver<Job>>, ring: &KeyRing) {
    loop {
        let next = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(job) = next else { return };
        let tile = job.tile;
        let checked = split_bundle(&job.bytes, tile.width)
            .map(|entries| check(&entries, tile.number * WIDTH, ring));
        let content = match checked {
            Some(checked) => Content::Entries(job.bytes, checked),
            None => Content::Malformed,
        };
        // Nobody listens any more when verification was given up.
        let _ = job.answer.send(Ok(Bundle { tile, content }));
    }
}
