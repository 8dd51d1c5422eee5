//! What was turned away without being read, counted, and told to the ledger once a second.
//!
//! A record for each would let a flood of refusals do to the ledger what the refusals are there to
//! prevent, so one record tells how many there were.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign_record::{Body, Gap};
use tokio::sync::watch;

use crate::clock::now;
use crate::evidence::Evidence;

/// Time that one record covers.
const EVERY: Duration = Duration::from_secs(1);

/// Why something was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// As many exchanges were open as may be.
    Overloaded,
    /// As many connections were open as may be, and none was silent.
    Connections,
    /// The bytes were no request.
    Unreadable,
}

impl Cause {
    const ALL: [Self; 3] = [Self::Overloaded, Self::Connections, Self::Unreadable];

    fn name(self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::Connections => "connections_full",
            Self::Unreadable => "unreadable",
        }
    }

    fn detail(self, count: u64) -> String {
        match self {
            Self::Overloaded => format!("{count} requests were refused without being read."),
            Self::Connections => format!("{count} connections were refused."),
            Self::Unreadable => format!("{count} connections sent what is no request."),
        }
    }
}

/// Counts what is turned away.
#[derive(Debug, Default)]
pub struct Shed([AtomicU64; 3]);

impl Shed {
    /// Counts one.
    pub fn count(&self, cause: Cause) {
        self.of(cause).fetch_add(1, Ordering::Relaxed);
    }

    fn of(&self, cause: Cause) -> &AtomicU64 {
        let [overloaded, connections, unreadable] = &self.0;
        match cause {
            Cause::Overloaded => overloaded,
            Cause::Connections => connections,
            Cause::Unreadable => unreadable,
        }
    }

    /// Records the counts every second until `stop` turns true, and once more then.
    pub async fn report(&self, evidence: &Evidence, mut stop: watch::Receiver<bool>) {
        let mut from = now();
        loop {
            let stopped = tokio::select! {
                () = tokio::time::sleep(EVERY) => false,
                _ = stop.wait_for(|stop| *stop) => true,
            };
            let to = now();
            for cause in Cause::ALL {
                self.tell(evidence, cause, (&from, &to)).await;
            }
            from = to;
            if stopped {
                return;
            }
        }
    }

    async fn tell(&self, evidence: &Evidence, cause: Cause, during: (&str, &str)) {
        let count = self.of(cause).swap(0, Ordering::Relaxed);
        if count == 0 {
            return;
        }
        let gap = Gap {
            cause: cause.name().to_owned(),
            from: Some(during.0.to_owned()),
            to: during.1.to_owned(),
            detail: cause.detail(count),
            count: Some(count),
            exchanges: Vec::new(),
        };
        if let Err(error) = evidence.note(Body::Gap(gap)).await {
            tracing::error!(%error, count, "what was turned away could not be recorded");
            // The next record tells of these too.
            self.of(cause).fetch_add(count, Ordering::Relaxed);
        }
    }
}
