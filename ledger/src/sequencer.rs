//! The one writer: orders, links and signs in batches. `log` makes them durable meanwhile.

use std::sync::{Arc, mpsc as std_mpsc};

use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};

use crate::{
    entry::{Draft, EntryError, Event, Link, Linked},
    keys::{Handover, VerifierKey},
    ledger::{AppendError, CloseError, Durable, InForce, Sequenced, Shared, index_rows},
    log::{self, LogThread, Outcome},
    merkle::{Hash, leaf_hash},
    recovery::Recovered,
    signer::{Signer, SignerError},
};

/// Most entries in one batch.
const BATCH_ENTRIES: usize = 4096;
/// A batch takes no further entry once it has this many bytes.
const BATCH_BYTES: usize = 4 << 20;
/// Fewer entries than this are signed where they are; more threads would not pay.
const SIGN_ALONE: usize = 16;

pub(crate) type Reply = oneshot::Sender<Result<Sequenced, AppendError>>;

/// What a handle asks of the writer.
pub(crate) enum Command {
    /// Append one entry.
    Append {
        /// Its members in canonical form.
        draft: Draft,
        /// Its indexed members.
        rows: Vec<(String, String)>,
        /// Where the answer goes.
        reply: Reply,
    },
    /// Hand over to another key.
    Rotate {
        /// Who signs afterwards.
        next: Arc<dyn Signer>,
        /// The caller's members of the entry that carries the statement.
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
    key: InForce,
    link: Link,
    next: u64,
    log: LogThread,
    /// Cores to sign on.
    cores: usize,
}

/// An entry that has its place and is not yet durable.
pub(crate) struct Pending {
    linked: Linked,
    index: u64,
    seq: u64,
    rows: Vec<(String, String)>,
    reply: Reply,
}

/// An entry that is signed and not yet durable.
pub(crate) struct Sealed {
    pub(crate) durable: Durable,
    pub(crate) reply: Reply,
}

impl Sequencer {
    pub(crate) fn new(recovered: Recovered, log: LogThread) -> Self {
        let Recovered {
            shared,
            key,
            mut link,
            recovery,
            ..
        } = recovered;
        if link.chain_uid.is_empty() {
            link.chain_uid = uuid::Uuid::now_v7().to_string();
        }
        Self {
            shared,
            key,
            link,
            next: recovery.entries,
            log,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    /// Serves commands until the ledger is closed or its last handle is gone.
    pub(crate) fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut held = None;
        while let Some(first) = held.take().or_else(|| commands.blocking_recv()) {
            match first {
                Command::Append { .. } => held = self.batch(first, &mut commands),
                Command::Rotate {
                    next,
                    members,
                    reply,
                } => self.rotate(next, members, reply),
                Command::Close { reply } => {
                    commands.close();
                    // The lock goes before the answer: who hears of the close may open again.
                    let closed = self.log.end(log::Stop::Publish);
                    let _ = reply.send(closed);
                    return;
                }
            }
        }
        let _ = self.log.end(log::Stop::Leave);
    }

    /// Collects appends, signs them and hands them on. Gives back what is no append.
    fn batch(&mut self, first: Command, commands: &mut mpsc::Receiver<Command>) -> Option<Command> {
        let before = self.position();
        let mut pending = Vec::new();
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(command) = next {
            let Command::Append { draft, rows, reply } = command else {
                self.sign_and_write(pending, before);
                return Some(command);
            };
            match self.place(&draft, rows, reply) {
                Ok(placed) => {
                    bytes += placed.linked.length();
                    pending.push(placed);
                }
                Err((reply, error)) => drop(reply.send(Err(error))),
            }
            if pending.len() == BATCH_ENTRIES || bytes >= BATCH_BYTES {
                break;
            }
            next = commands.try_recv().ok();
        }
        self.sign_and_write(pending, before);
        None
    }

    /// Gives an entry the next place in the chain and in the tree, or refuses it.
    fn place(
        &mut self,
        draft: &Draft,
        rows: Vec<(String, String)>,
        reply: Reply,
    ) -> Result<Pending, (Reply, AppendError)> {
        let linked = match draft.link(&self.link, &self.key.name) {
            Ok(linked) => linked,
            Err(EntryError::TooLarge(bytes)) => return Err((reply, AppendError::TooLarge(bytes))),
            Err(error) => return Err((reply, AppendError::NotCanonical(error))),
        };
        let pending = Pending {
            index: self.next,
            seq: self.link.seq,
            rows,
            reply,
            linked,
        };
        self.link.prev = pending.linked.hash();
        self.link.seq += 1;
        self.next += 1;
        Ok(pending)
    }

    /// Where the next entry goes.
    fn position(&self) -> (u64, u64, Hash) {
        (self.next, self.link.seq, self.link.prev)
    }

    fn sign_and_write(&mut self, pending: Vec<Pending>, before: (u64, u64, Hash)) {
        if pending.is_empty() {
            return;
        }
        let threads = if pending.len() < SIGN_ALONE {
            1
        } else {
            self.cores
        };
        match sign_all(pending, &*self.key.signer, threads) {
            Ok(batch) => match self.log.write(batch) {
                Outcome::Taken => return,
                Outcome::Refused(batch, error) => {
                    refuse(batch.into_iter().map(|sealed| sealed.reply), &error);
                }
            },
            Err((replies, error)) => refuse(replies, &error.into()),
        }
        // None of the batch took its place; the next entry links where it would have.
        (self.next, self.link.seq, self.link.prev) = before;
    }

    /// One batch of one entry, and another key after it.
    fn rotate(&mut self, next: Arc<dyn Signer>, members: Map<String, Value>, reply: Reply) {
        let before = self.position();
        match self.place_handover(&next, members, reply) {
            Ok((pending, name, statement)) => {
                let from = self.next;
                let key = InForce {
                    from,
                    signer: next,
                    name,
                };
                // Before the entry is durable: from then on its checkpoint may be signed.
                {
                    let mut state = self.shared.state();
                    state.keys.push(key.clone());
                    state.handovers.push(statement);
                }
                self.sign_and_write(vec![pending], before);
                if self.next == from {
                    self.key = key;
                } else {
                    let mut state = self.shared.state();
                    state.keys.pop();
                    state.handovers.pop();
                }
            }
            Err((reply, error)) => drop(reply.send(Err(error))),
        }
    }

    fn place_handover(
        &mut self,
        next: &Arc<dyn Signer>,
        members: Map<String, Value>,
        reply: Reply,
    ) -> Result<(Pending, VerifierKey, Handover), (Reply, AppendError)> {
        let rows = index_rows(&members, &self.shared.settings.index_members);
        let made = VerifierKey::new(self.key.name.name(), next.public_key())
            .map_err(|error| AppendError::Signer(SignerError(error.to_string())))
            .and_then(|name| {
                let old = &*self.key.signer;
                let statement = Handover::make(name.name(), old, &**next, self.next)
                    .map_err(|error| AppendError::Signer(SignerError(error.to_string())))?;
                let event = Event::Handover(statement.to_string());
                let draft =
                    Draft::with_event(members, &event).map_err(AppendError::NotCanonical)?;
                Ok((draft, name, statement))
            });
        match made {
            Ok((draft, name, statement)) => Ok((self.place(&draft, rows, reply)?, name, statement)),
            Err(error) => Err((reply, error)),
        }
    }
}

fn refuse(replies: impl IntoIterator<Item = Reply>, error: &AppendError) {
    for reply in replies {
        // A caller that went away has nobody to tell.
        let _ = reply.send(Err(error.clone()));
    }
}

type Unsigned = (Vec<Reply>, SignerError);

/// Signs on several threads; the order is kept. On failure nothing counts as signed.
fn sign_all(
    pending: Vec<Pending>,
    signer: &dyn Signer,
    threads: usize,
) -> Result<Vec<Sealed>, Unsigned> {
    let share = pending.len().div_ceil(threads).max(1);
    let mut shares = Vec::with_capacity(threads);
    let mut rest = pending.into_iter();
    loop {
        let part: Vec<Pending> = rest.by_ref().take(share).collect();
        if part.is_empty() {
            break;
        }
        shares.push(part);
    }
    let signed: Vec<Result<Vec<Sealed>, Unsigned>> = std::thread::scope(|scope| {
        let mine = shares.pop();
        let others: Vec<_> = shares
            .into_iter()
            .map(|part| scope.spawn(|| sign_part(part, signer)))
            .collect();
        let mine = mine.map(|part| sign_part(part, signer));
        let panicked = || Err((Vec::new(), SignerError("it panicked".to_owned())));
        others
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| panicked()))
            .chain(mine)
            .collect()
    });
    let (mut sealed, mut replies, mut failure) = (Vec::new(), Vec::new(), None);
    for part in signed {
        match part {
            Ok(part) => sealed.extend(part),
            Err((unsigned, error)) => {
                replies.extend(unsigned);
                failure.get_or_insert(error);
            }
        }
    }
    match failure {
        None => Ok(sealed),
        Some(error) => {
            replies.extend(sealed.into_iter().map(|sealed| sealed.reply));
            Err((replies, error))
        }
    }
}

fn sign_part(part: Vec<Pending>, signer: &dyn Signer) -> Result<Vec<Sealed>, Unsigned> {
    let mut sealed = Vec::with_capacity(part.len());
    let mut rest = part.into_iter();
    while let Some(pending) = rest.next() {
        match pending.linked.sign(signer) {
            Ok(bytes) => sealed.push(Sealed {
                durable: Durable {
                    place: Sequenced {
                        index: pending.index,
                        seq: pending.seq,
                        leaf_hash: leaf_hash(&bytes),
                    },
                    bytes,
                    rows: pending.rows,
                },
                reply: pending.reply,
            }),
            Err(error) => {
                let mut replies: Vec<Reply> = sealed.into_iter().map(|s| s.reply).collect();
                replies.push(pending.reply);
                replies.extend(rest.map(|pending| pending.reply));
                return Err((replies, error));
            }
        }
    }
    Ok(sealed)
}

/// A channel that hands over one batch at a time, so that the next one grows while this is synced.
pub(crate) fn handing_over<T>() -> (std_mpsc::SyncSender<T>, std_mpsc::Receiver<T>) {
    std_mpsc::sync_channel(0)
}
