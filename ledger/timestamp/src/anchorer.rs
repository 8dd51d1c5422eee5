//! Stamps the newest checkpoint from time to time. The ledger never waits for it.

use std::sync::Arc;
use std::time::Duration;

use countersign_ledger::note::NoteError;
use countersign_ledger::{Checkpoint, Note};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::client::{ClientError, TsaClient};
use crate::response::Response;
use crate::schedule::{Pace, Schedule};
use crate::store::{Anchor, Anchors, StoreError};

/// How often a checkpoint that does not grow is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Why one attempt failed.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// There is no token.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The token could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the ledger gave is no checkpoint.
    #[error("the ledger's checkpoint: {0}")]
    Checkpoint(#[from] NoteError),
    /// Storing did not come to an end.
    #[error("storing the timestamp was broken off")]
    BrokenOff,
}

/// The newest token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchored {
    /// Entries under the stamped checkpoint.
    pub size: u64,
    /// The authority's time.
    pub time: Timestamp,
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// When, by this machine's clock.
    pub at: Timestamp,
    /// What went wrong, a sentence.
    pub reason: String,
}

/// How anchoring goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// The newest token, also one from before this start.
    pub last_success: Option<Anchored>,
    /// The newest failure since this start.
    pub last_error: Option<Failure>,
    /// Failures since the last success.
    pub failures: u32,
}

/// Has the ledger's newest checkpoint stamped once in a period, when it grew.
#[derive(Debug)]
pub struct Anchorer {
    client: TsaClient,
    anchors: Anchors,
    pace: Pace,
    status: Arc<watch::Sender<Status>>,
}

impl Anchorer {
    /// An anchorer that asks `client` and stores into `anchors`.
    pub fn new(client: TsaClient, anchors: Anchors, pace: Pace) -> Self {
        Self {
            client,
            anchors,
            pace,
            status: Arc::new(watch::Sender::new(Status::default())),
        }
    }

    /// How anchoring goes, from now on.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Runs until `stop` turns true or its sender is gone. `current` gives the ledger's newest
    /// checkpoint note; it must not block. No failure ends this: it is retried after a growing,
    /// bounded wait and told in the status.
    pub async fn run(
        self,
        current: impl Fn() -> String + Send + Sync,
        mut stop: watch::Receiver<bool>,
    ) {
        let stopped = async move { drop(stop.wait_for(|stop| *stop).await) };
        tokio::select! {
            () = stopped => {}
            () = self.anchor_forever(current) => {}
        }
    }

    async fn anchor_forever(&self, current: impl Fn() -> String + Send + Sync) {
        let start = Instant::now();
        let mut schedule = self.resume().await;
        loop {
            match self.attempt(&schedule, start.elapsed(), current()).await {
                Ok(None) => {}
                Ok(Some(anchored)) => {
                    schedule.succeeded(start.elapsed(), anchored.size);
                    self.status.send_modify(|status| {
                        status.last_success = Some(anchored);
                        status.failures = 0;
                    });
                }
                Err(error) => {
                    let failures = schedule.failed(start.elapsed());
                    tracing::warn!(%error, failures, "no timestamp on the checkpoint");
                    self.status.send_modify(|status| {
                        status.last_error = Some(Failure {
                            at: Timestamp::now(),
                            reason: error.to_string(),
                        });
                        status.failures = failures;
                    });
                }
            }
            let look = LOOK_EVERY.min(self.pace.period);
            tokio::time::sleep(schedule.rest(start.elapsed()).max(look)).await;
        }
    }

    /// Goes on from the newest token that is stored. What is wrong with it is for verification to
    /// tell; here it means only that another one is due.
    async fn resume(&self) -> Schedule {
        let anchors = self.anchors.clone();
        let newest = tokio::task::spawn_blocking(move || newest(&anchors)).await;
        let Some((size, time)) = newest.ok().flatten() else {
            return Schedule::fresh(self.pace);
        };
        let Some(time) = time else {
            return Schedule::resumed(self.pace, size, self.pace.period);
        };
        self.status
            .send_modify(|status| status.last_success = Some(Anchored { size, time }));
        let age = Timestamp::now().duration_since(time);
        let age = Duration::try_from(age).unwrap_or_default();
        Schedule::resumed(self.pace, size, age)
    }

    async fn attempt(
        &self,
        schedule: &Schedule,
        now: Duration,
        note: String,
    ) -> Result<Option<Anchored>, AnchorError> {
        let size = Checkpoint::parse(Note::parse(&note)?.text())?.size;
        if !schedule.is_due(now, size) {
            return Ok(None);
        }
        let reply = self.client.stamp(note.as_bytes()).await?;
        let anchors = self.anchors.clone();
        let anchor = Anchor {
            size,
            note: note.into_bytes(),
            response: reply.der,
        };
        tokio::task::spawn_blocking(move || anchors.write(&anchor))
            .await
            .map_err(|_| AnchorError::BrokenOff)??;
        let time = reply.time;
        Ok(Some(Anchored { size, time }))
    }
}

/// The greatest size with a token, and the time in it where that can be read.
fn newest(anchors: &Anchors) -> Option<(u64, Option<Timestamp>)> {
    let size = *anchors.sizes().ok()?.last()?;
    let anchor = anchors.read(size).ok();
    let response = anchor.and_then(|anchor| Response::parse(&anchor.response).ok());
    Some((size, response.map(|response| response.claimed_time())))
}
