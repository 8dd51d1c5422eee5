//! The one writer: orders, links, signs, and makes durable in batches.

use std::{fs::File, io, sync::Arc};

use ed25519_dalek::SigningKey;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};

use crate::{
    durable::replace,
    entry::{Draft, EntryError, Link},
    keys::VerifierKey,
    layout::clean_text,
    ledger::{AppendError, CloseError, Pending, Sequenced, Shared, index_rows},
    merkle::leaf_hash,
    publish::{Publisher, PublisherThread, Stop},
    recovery::Recovered,
    wal::{self, AppendFile, OpenSegment, SEGMENT_BYTES},
};

/// Most entries in one batch.
const BATCH_ENTRIES: usize = 1024;
/// A batch takes no further entry once it has this many bytes.
const BATCH_BYTES: usize = 4 << 20;

type Reply = oneshot::Sender<Result<Sequenced, AppendError>>;

/// What a handle asks of the writer.
pub(crate) enum Command {
    /// Append one entry.
    Append {
        /// Its members.
        members: Map<String, Value>,
        /// Where the answer goes.
        reply: Reply,
    },
    /// Publish the rest and stop.
    Close {
        /// Where the answer goes.
        reply: oneshot::Sender<Result<(), CloseError>>,
    },
}

/// The writer's own state; nobody else sees it.
pub(crate) struct Sequencer {
    shared: Arc<Shared>,
    key: SigningKey,
    name: VerifierKey,
    link: Link,
    next: u64,
    open_segment: OpenSegment,
    segment: Box<dyn AppendFile>,
    segment_bytes: u64,
    publisher: PublisherThread,
    /// Held until the threads are gone.
    _lock: Arc<File>,
}

#[derive(Default)]
struct Batch {
    frames: Vec<u8>,
    pending: Vec<Pending>,
    replies: Vec<(Reply, Sequenced)>,
    /// The link before the batch, to return to when it cannot be written.
    before: Option<Link>,
}

impl Sequencer {
    pub(crate) fn new(
        recovered: Recovered,
        open_segment: OpenSegment,
        publisher: Publisher,
    ) -> io::Result<Self> {
        let Recovered {
            shared,
            key,
            name,
            mut link,
            lock,
            recovery,
            ..
        } = recovered;
        if link.chain_uid.is_empty() {
            link.chain_uid = uuid::Uuid::now_v7().to_string();
        }
        let path = wal::segment_path(&shared.layout.wal, recovery.entries);
        let segment = open_segment(&path)?;
        shared.state().segments.push((recovery.entries, path));
        Ok(Self {
            shared,
            key,
            name,
            link,
            next: recovery.entries,
            open_segment,
            segment,
            segment_bytes: 0,
            publisher: publisher.start()?,
            _lock: lock,
        })
    }

    /// Serves commands until the ledger is closed or its last handle is gone.
    pub(crate) fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(first) = commands.blocking_recv() {
            let mut batch = Batch::default();
            let mut next = Some(first);
            let mut close = None;
            while let Some(command) = next.take() {
                match command {
                    Command::Append { members, reply } => self.admit(&mut batch, &members, reply),
                    Command::Close { reply } => {
                        close = Some(reply);
                        break;
                    }
                }
                if batch.pending.len() < BATCH_ENTRIES && batch.frames.len() < BATCH_BYTES {
                    next = commands.try_recv().ok();
                }
            }
            self.commit(batch);
            if let Some(reply) = close {
                commands.close();
                // The lock goes before the answer: who hears of the close may open again.
                let closed = self.close();
                let _ = reply.send(closed);
                return;
            }
        }
        self.publisher.end(Stop::Leave);
    }

    /// Seals an entry into the batch, or refuses it.
    fn admit(&mut self, batch: &mut Batch, members: &Map<String, Value>, reply: Reply) {
        let rows = index_rows(members, &self.shared.settings.index_members);
        match self.seal(members) {
            Ok((bytes, link)) => {
                let index = self.next;
                let seq = self.link.seq;
                wal::frame(&mut batch.frames, index, &bytes);
                let sequenced = Sequenced {
                    index,
                    seq,
                    leaf_hash: leaf_hash(&bytes),
                };
                let before = std::mem::replace(&mut self.link, link);
                batch.before.get_or_insert(before);
                self.next += 1;
                batch.pending.push(Pending {
                    index,
                    bytes: bytes.into(),
                    rows,
                });
                batch.replies.push((reply, sequenced));
            }
            Err(EntryError::TooLarge(bytes)) => {
                let _ = reply.send(Err(AppendError::TooLarge(bytes)));
            }
            Err(error) => {
                let _ = reply.send(Err(AppendError::NotCanonical(error)));
            }
        }
    }

    fn seal(&self, members: &Map<String, Value>) -> Result<(Vec<u8>, Link), EntryError> {
        let linked = Draft::new(members)?.link(&self.link, &self.name)?;
        let next = Link {
            seq: self.link.seq + 1,
            prev: linked.hash(),
            ..self.link.clone()
        };
        Ok((linked.sign(&self.key)?, next))
    }

    fn commit(&mut self, batch: Batch) {
        if batch.pending.is_empty() {
            return;
        }
        if let Err(error) = self.write(&batch.frames) {
            // The batch takes no place in the chain; the next entry links where it would have.
            if let (Some((_, first)), Some(before)) = (batch.replies.first(), batch.before) {
                self.next = first.index;
                self.link = before;
            }
            for (reply, _) in batch.replies {
                let _ = reply.send(Err(error.clone()));
            }
            return;
        }
        let mut state = self.shared.state();
        state.size = self.next;
        state.pending.extend(batch.pending);
        drop(state);
        for (reply, sequenced) in batch.replies {
            // A caller that went away does not take its entry back.
            let _ = reply.send(Ok(sequenced));
        }
    }

    fn write(&mut self, frames: &[u8]) -> Result<(), AppendError> {
        if let Some(reason) = self.shared.state().poisoned.clone() {
            return Err(AppendError::Poisoned(reason));
        }
        let wal = &self.shared.layout.wal;
        let needed = self
            .shared
            .settings
            .min_free_bytes
            .saturating_add(frames.len() as u64);
        if fs4::available_space(wal).is_ok_and(|free| free < needed) {
            return Err(AppendError::NoSpace);
        }
        self.write_durably(frames).map_err(|error| {
            self.shared.poison(&error);
            if error.kind() == io::ErrorKind::StorageFull {
                AppendError::NoSpace
            } else {
                AppendError::Poisoned(error.to_string())
            }
        })
    }

    fn write_durably(&mut self, frames: &[u8]) -> io::Result<()> {
        if self.segment_bytes > SEGMENT_BYTES {
            let first = self.shared.state().size;
            let path = wal::segment_path(&self.shared.layout.wal, first);
            self.segment = (self.open_segment)(&path)?;
            self.segment_bytes = 0;
            self.shared.state().segments.push((first, path));
        }
        self.segment.append(frames)?;
        // A crash before this may leave part of the batch, which the next open cuts off; nobody
        // was told that it is there.
        self.segment.sync()?;
        self.segment_bytes += frames.len() as u64;
        Ok(())
    }

    fn close(self) -> Result<(), CloseError> {
        self.publisher.end(Stop::Publish);
        let state = self.shared.state();
        if let Some(reason) = &state.poisoned {
            return Err(CloseError::Failed(reason.clone()));
        }
        let size = state.size;
        drop(state);
        let layout = &self.shared.layout;
        // A crash before this counts as an unclean stop; nothing is lost by it.
        replace(
            &layout.stage,
            &layout.clean_marker(),
            clean_text(size).as_bytes(),
        )
        .map_err(|error| CloseError::Failed(error.to_string()))
    }
}
