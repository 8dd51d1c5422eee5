//! What is under way: how many streams there may be, and what a drain waits for.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::limits::Limits;

/// Exchanges until their answer begins, and streams until they end.
#[derive(Debug)]
pub struct UnderWay {
    tasks: TaskTracker,
    streams: Arc<Semaphore>,
}

impl UnderWay {
    /// Room for as many streams as exchanges may be served at once.
    pub fn new(limits: &Limits) -> Self {
        Self {
            tasks: TaskTracker::new(),
            streams: Arc::new(Semaphore::new(limits.exchanges_max)),
        }
    }

    /// Runs `task` to its end, whoever waits for it.
    pub(crate) fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(task)
    }

    /// A stream's place, held until it is dropped; `None` when all are taken.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.streams).try_acquire_owned().ok()
    }

    /// Waits until nothing is under way, at most `longest`.
    pub(crate) async fn drain(&self, longest: Duration) {
        self.tasks.close();
        let ended = tokio::time::timeout(longest, self.tasks.wait()).await;
        if ended.is_err() {
            let open = self.tasks.len();
            tracing::warn!(open, "exchanges were still open when the drain ended");
        }
    }
}
