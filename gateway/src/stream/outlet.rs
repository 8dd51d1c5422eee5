//! The way to the caller, and what of it the connection really took.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::body::{Body, BoxError};

/// Pieces that may wait for a slow caller; the pump stops reading the upstream beyond them.
const CAPACITY: usize = 16;

/// The caller left, or stopped reading.
#[derive(Debug)]
pub(super) struct CallerGone;

/// Sends pieces to the caller's connection and keeps those that it has not taken yet.
#[derive(Debug)]
pub(super) struct Outlet {
    sender: mpsc::Sender<Result<Bytes, BoxError>>,
    taken: Arc<AtomicU64>,
    /// Pieces sent and not known to be taken, the oldest first.
    in_flight: VecDeque<Bytes>,
    settled: u64,
    stall_max: Duration,
}

impl Outlet {
    /// An outlet and the body that it feeds. A caller that takes nothing for `stall_max` is gone.
    pub(super) fn new(stall_max: Duration) -> (Self, Body) {
        let (sender, body, taken) = Body::channel(CAPACITY);
        let outlet = Self {
            sender,
            taken,
            in_flight: VecDeque::new(),
            settled: 0,
            stall_max,
        };
        (outlet, body)
    }

    /// Sends a piece, waiting for room.
    pub(super) async fn send(&mut self, piece: Bytes) -> Result<(), CallerGone> {
        let sending = self.sender.send_timeout(Ok(piece.clone()), self.stall_max);
        sending.await.map_err(|_full_or_closed| CallerGone)?;
        self.in_flight.push_back(piece);
        Ok(())
    }

    /// Breaks the connection, so that no client takes what it has for an answer.
    pub(super) async fn break_off(&self, why: String) {
        let sending = self.sender.send_timeout(Err(why.into()), self.stall_max);
        // A caller that is gone sees no break, and needs none.
        drop(sending.await);
    }

    /// Waits until the caller is gone.
    pub(super) async fn closed(&self) {
        self.sender.closed().await;
    }

    /// Pieces that the connection took since the last call.
    pub(super) fn taken(&mut self) -> Vec<Bytes> {
        let taken = self.taken.load(Ordering::Acquire);
        let fresh = taken.saturating_sub(self.settled);
        self.settled = taken;
        let count = usize::try_from(fresh).unwrap_or(usize::MAX);
        self.in_flight
            .drain(..count.min(self.in_flight.len()))
            .collect()
    }

    /// Pieces that the connection has not taken.
    pub(super) fn untaken(&mut self) -> Vec<Bytes> {
        self.in_flight.drain(..).collect()
    }
}
