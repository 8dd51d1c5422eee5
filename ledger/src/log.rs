//! Makes batches durable in the write-ahead log, and only then answers for them.

use std::{
    io,
    sync::{Arc, mpsc},
    thread::JoinHandle,
};

use crate::{
    layout::clean_text,
    ledger::{AppendError, CloseError, Shared},
    publish::{Publisher, PublisherThread},
    sequencer::{Sealed, handing_over},
    store::{Lock, WriteFile, replace},
    wal::{self, SEGMENT_BYTES},
};

/// How the threads are told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Publish the rest first, and mark the stop as clean.
    Publish,
    /// Leave the rest to the next open.
    Leave,
}

/// What became of a batch that was handed over.
pub(crate) enum Outcome {
    /// The log answers for it.
    Taken,
    /// Nothing of it was or will be written.
    Refused(Vec<Sealed>, AppendError),
}

/// The running log thread.
pub(crate) struct LogThread {
    shared: Arc<Shared>,
    batches: mpsc::SyncSender<Vec<Sealed>>,
    thread: JoinHandle<Log>,
}

impl LogThread {
    /// Hands a batch over as soon as the one before is durable.
    pub(crate) fn write(&self, batch: Vec<Sealed>) -> Outcome {
        if let Some(reason) = self.shared.state().poisoned.clone() {
            return Outcome::Refused(batch, AppendError::Poisoned(reason));
        }
        let bytes: usize = batch
            .iter()
            .map(|sealed| sealed.durable.bytes.len() + wal::HEADER)
            .sum();
        let shared = &self.shared;
        let needed = shared.settings.min_free_bytes.saturating_add(bytes as u64);
        let free = shared.store.free_bytes(&shared.layout.wal);
        // Refused before a byte is written, so that nothing is ambiguous.
        if free.is_ok_and(|free| free < needed) {
            return Outcome::Refused(batch, AppendError::NoSpace);
        }
        match self.batches.send(batch) {
            Ok(()) => Outcome::Taken,
            Err(mpsc::SendError(batch)) => Outcome::Refused(batch, AppendError::Closed),
        }
    }

    /// Ends the threads, and says whether the ledger was left in order.
    pub(crate) fn end(self, stop: Stop) -> Result<(), CloseError> {
        drop(self.batches);
        match self.thread.join() {
            Ok(log) => log.close(stop),
            Err(_) => Err(CloseError::Failed("the log's thread panicked".to_owned())),
        }
    }
}

/// The write-ahead log and who comes after it.
pub(crate) struct Log {
    shared: Arc<Shared>,
    segment: Box<dyn WriteFile>,
    segment_bytes: u64,
    /// Kept from batch to batch: megabytes of fresh memory cost more than what is written to them.
    frames: Vec<u8>,
    publisher: PublisherThread,
    /// Held until the threads are gone.
    _lock: Box<dyn Lock>,
}

impl Log {
    /// Opens a new segment and starts the threads.
    pub(crate) fn start(
        shared: Arc<Shared>,
        publisher: Publisher,
        lock: Box<dyn Lock>,
    ) -> io::Result<LogThread> {
        let first = shared.state().size;
        let path = wal::segment_path(&shared.layout.wal, first);
        let segment = wal::open(&*shared.store, &path)?;
        shared.state().segments.push((first, path));
        let log = Self {
            shared: shared.clone(),
            segment,
            segment_bytes: 0,
            frames: Vec::new(),
            publisher: publisher.start()?,
            _lock: lock,
        };
        let (batches, received) = handing_over();
        let thread = std::thread::Builder::new()
            .name("ledger-log".into())
            .spawn(move || log.run(&received))?;
        Ok(LogThread {
            shared,
            batches,
            thread,
        })
    }

    fn run(mut self, batches: &mpsc::Receiver<Vec<Sealed>>) -> Self {
        while let Ok(batch) = batches.recv() {
            self.commit(batch);
        }
        self
    }

    fn commit(&mut self, batch: Vec<Sealed>) {
        let written = match self.shared.state().poisoned.clone() {
            Some(reason) => Err(AppendError::Poisoned(reason)),
            None => Ok(()),
        };
        let written = written.and_then(|()| {
            self.write_durably(&batch).map_err(|error| {
                // It may be there or not; only reading the log again can tell.
                self.shared.poison(&error);
                if error.kind() == io::ErrorKind::StorageFull {
                    AppendError::NoSpace
                } else {
                    AppendError::Poisoned(error.to_string())
                }
            })
        });
        if let Err(error) = written {
            for sealed in batch {
                let _ = sealed.reply.send(Err(error.clone()));
            }
            return;
        }
        let mut answers = Vec::with_capacity(batch.len());
        let mut state = self.shared.state();
        for sealed in batch {
            answers.push((sealed.reply, sealed.durable.place.clone()));
            state.push(sealed.durable);
        }
        drop(state);
        for (reply, place) in answers {
            // A caller that went away does not take its entry back.
            let _ = reply.send(Ok(place));
        }
    }

    fn write_durably(&mut self, batch: &[Sealed]) -> io::Result<()> {
        self.frames.clear();
        for Sealed { durable, .. } in batch {
            wal::frame(&mut self.frames, durable.place.index, &durable.bytes);
        }
        if self.segment_bytes > SEGMENT_BYTES {
            let first = self.shared.state().size;
            let path = wal::segment_path(&self.shared.layout.wal, first);
            self.segment = wal::open(&*self.shared.store, &path)?;
            self.segment_bytes = 0;
            self.shared.state().segments.push((first, path));
        }
        self.segment.write(&self.frames)?;
        // A crash before this may leave part of the batch, which the next open cuts off; nobody
        // was told that it is there.
        self.segment.sync()?;
        self.segment_bytes += self.frames.len() as u64;
        Ok(())
    }

    fn close(self, stop: Stop) -> Result<(), CloseError> {
        self.publisher.end(stop);
        if stop == Stop::Leave {
            return Ok(());
        }
        let state = self.shared.state();
        if let Some(reason) = &state.poisoned {
            return Err(CloseError::Failed(reason.clone()));
        }
        let published = state.published.as_ref().map_or(0, |info| info.size);
        let size = state.size;
        if published < size {
            let why = state.stalled.clone().unwrap_or_default();
            return Err(CloseError::Failed(format!(
                "{published} of {size} entries are published: {why}"
            )));
        }
        drop(state);
        let layout = &self.shared.layout;
        // A crash before this counts as an unclean stop; nothing is lost by it.
        replace(
            &*self.shared.store,
            &layout.stage,
            &layout.clean_marker(),
            clean_text(size).as_bytes(),
        )
        .map_err(|error| CloseError::Failed(error.to_string()))
    }
}
