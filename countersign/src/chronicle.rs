//! What the ledger is told besides decisions: how the last run ended, what is in force, that the
//! gateway lives, and what the clocks did. `docs/records.md` says what each record means.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use countersign_gateway::clock_watch::{self, ClockWatch, Reading};
use countersign_gateway::evidence::EvidenceFault;
use countersign_gateway::exchange::Gateway;
use countersign_gateway::last_run::{LastRun, name_of};
use countersign_gateway::now;
use countersign_ledger::Recovery;
use countersign_record::{Body, Change, Gap, Genesis, Heartbeat, InForce, Phase};
use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::compose::Parts;
use crate::config::{self, Config};
use crate::exit::{UNAVAILABLE, fail};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The digest of what is not in force any more.
const WITHDRAWN: &str = "none";

/// Tells the ledger.
#[derive(Debug)]
pub(crate) struct Chronicle {
    gateway: Arc<Gateway>,
    interval: Duration,
    began: Instant,
    told: Mutex<Told>,
    /// Held while changes are told, so that two lists do not mix.
    telling: tokio::sync::Mutex<()>,
}

/// What the ledger knows to be in force.
#[derive(Debug, Default)]
struct Told {
    /// Digests by subject and name without version.
    digests: BTreeMap<(String, String), String>,
    /// Where in the ledger that is written.
    span: Option<InForce>,
    /// What has come into force since, by whom, and could not be recorded yet.
    owed: Option<(Vec<Item>, &'static str)>,
}

/// Something in force.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    subject: &'static str,
    /// With its version, where it has one.
    name: String,
    digest: String,
}

impl Chronicle {
    /// Tells how the last run ended and what is in force from now on.
    pub(crate) async fn begin(config: &Config, parts: &Parts) -> anyhow::Result<Arc<Self>> {
        let chronicle = Self {
            gateway: Arc::clone(&parts.gateway),
            interval: Duration::from_secs(u64::from(config.ledger.heartbeat_s.get())),
            began: Instant::now(),
            told: Mutex::default(),
            telling: tokio::sync::Mutex::default(),
        };
        let last = chronicle.last_run(parts.recovery.entries).await?;
        let mut bodies = Vec::new();
        if parts.recovery.entries == 0 {
            bodies.push(Body::Genesis(Genesis {
                software: "countersign".to_owned(),
                software_version: VERSION.to_owned(),
                origin: Some(parts.verifier.name().to_owned()),
                verifier: Some(parts.verifier.to_string()),
            }));
        } else {
            bodies.extend(gaps(&parts.recovery, &last).into_iter().map(Body::Gap));
        }
        for body in bodies {
            let noted = chronicle.gateway.evidence.note(body).await;
            noted.map_err(|e| unavailable(&e))?;
        }
        chronicle.told().digests = last.in_force;
        let announced = chronicle.announce(config, "start").await;
        announced.map_err(|e| unavailable(&e))?;
        let beaten = chronicle.heartbeat(Phase::Start).await;
        beaten.map_err(|e| unavailable(&e))?;
        Ok(Arc::new(chronicle))
    }

    async fn last_run(&self, entries: u64) -> anyhow::Result<LastRun> {
        let ledger = self.gateway.evidence.ledger().clone();
        let reading = move || LastRun::read(entries, |index| ledger.read(index));
        let read = tokio::task::spawn_blocking(reading).await?;
        read.map_err(|e| unavailable(&e))
    }

    /// Tells what is in force now, each with what it replaces. What the ledger does not take is
    /// told with the next heartbeat.
    ///
    /// # Errors
    /// When the ledger does not take it.
    pub(crate) async fn announce(
        &self,
        config: &Config,
        actor: &'static str,
    ) -> Result<(), EvidenceFault> {
        self.told().owed = Some((in_force(&self.gateway, config), actor));
        self.settle().await
    }

    async fn settle(&self) -> Result<(), EvidenceFault> {
        let _turn = self.telling.lock().await;
        let (items, changes) = {
            let told = self.told();
            let Some((items, actor)) = &told.owed else {
                return Ok(());
            };
            (items.clone(), changes(&told.digests, items, actor))
        };
        let mut span: Option<InForce> = None;
        for change in changes {
            let sequenced = self.gateway.evidence.note(Body::Change(change)).await?;
            let last = sequenced.index;
            let first = span.map_or(last, |span| span.first);
            span = Some(InForce { first, last });
        }
        let mut told = self.told();
        told.digests = items.iter().map(Item::entry).collect();
        told.span = span;
        // A reload meanwhile owes something else.
        if told.owed.as_ref().is_some_and(|(owed, _)| *owed == items) {
            told.owed = None;
        }
        Ok(())
    }

    async fn heartbeat(&self, phase: Phase) -> Result<(), EvidenceFault> {
        let evidence = &self.gateway.evidence;
        let head = evidence.ledger().head();
        let standing = evidence.open().standing(head.size);
        let heartbeat = Heartbeat {
            exchanges: self.gateway.metrics.accepted.load(Ordering::Relaxed),
            open: standing.open,
            phase,
            uptime_s: self.began.elapsed().as_secs(),
            interval_s: self.interval.as_secs(),
            entries: head.size,
            checkpoint: head.published.map(|published| published.size),
            closed_before: standing.closed_before,
            in_force: self.told().span,
        };
        evidence.note(Body::Heartbeat(heartbeat)).await.map(drop)
    }

    /// Tells in even intervals that the gateway lives, until `stop` turns true, and then that it
    /// stops.
    pub(crate) async fn beat(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            let stopped = tokio::select! {
                () = tokio::time::sleep(self.interval) => false,
                _ = stop.wait_for(|stop| *stop) => true,
            };
            let phase = if stopped { Phase::Stop } else { Phase::Serving };
            if let Err(error) = self.settle().await {
                tracing::error!(%error, "what is in force could not be recorded");
            }
            if let Err(error) = self.heartbeat(phase).await {
                tracing::error!(%error, "no heartbeat could be recorded");
            }
            if stopped {
                return;
            }
        }
    }

    /// Tells when the wall clock was set or nothing ran, until `stop` turns true.
    pub(crate) async fn watch_clock(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut watch = ClockWatch::new(reading());
        loop {
            tokio::select! {
                () = tokio::time::sleep(clock_watch::EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let Some(clock) = watch.look(reading()) else {
                continue;
            };
            tracing::warn!(event = ?clock.event, offset_ns = clock.offset_ns, "clock");
            if let Err(error) = self.gateway.evidence.note(Body::Clock(clock)).await {
                tracing::error!(%error, "an event of the clock could not be recorded");
            }
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unavailable(error: &dyn std::fmt::Display) -> anyhow::Error {
    fail(UNAVAILABLE, format!("ledger: {error}"))
}

fn reading() -> Reading {
    let since = |clock| {
        // Neither of these clocks can be negative.
        let time = clock_gettime(clock);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
    };
    Reading {
        wall: Timestamp::now(),
        monotonic: since(ClockId::Monotonic),
        boot: since(ClockId::Boottime),
    }
}

/// What may be missing because of how the last run ended.
fn gaps(recovery: &Recovery, last: &LastRun) -> Vec<Gap> {
    let to = now();
    let (cause, mut detail) = if !recovery.clean_stop {
        let detail = "The last run did not end by itself. The exchanges named had been passed on \
                      and their outcome is unknown; no answer was released in full without a \
                      record.";
        ("unclean_stop", detail.to_owned())
    } else if !last.open.is_empty() {
        let detail = "The last run ended while the exchanges named were open; their outcome is \
                      unknown.";
        ("open_at_stop", detail.to_owned())
    } else if silent(last, &to) {
        let detail = "No heartbeat told that the last run ended, although it ended by itself.";
        ("silence", detail.to_owned())
    } else {
        return Vec::new();
    };
    if !last.complete {
        detail.push_str(" Older exchanges were not looked for.");
    }
    let gap = Gap {
        cause: cause.to_owned(),
        from: last.last.clone(),
        to,
        detail,
        count: None,
        exchanges: last.open.clone(),
    };
    gap.in_parts()
}

/// Whether more than two intervals passed without a word, and without the word that they would.
fn silent(last: &LastRun, now: &str) -> bool {
    let at = |text: &str| text.parse::<Timestamp>().ok();
    let (Some(interval), Some(from), Some(now)) =
        (last.interval_s, last.last.as_deref().and_then(at), at(now))
    else {
        return false;
    };
    let passed = now.duration_since(from).as_secs();
    !last.said_stop && u64::try_from(passed).is_ok_and(|s| s > interval.saturating_mul(2))
}

impl Item {
    fn key(&self) -> (String, String) {
        (self.subject.to_owned(), name_of(&self.name).to_owned())
    }

    fn entry(&self) -> ((String, String), String) {
        (self.key(), self.digest.clone())
    }
}

/// The software, its configuration, every model and every policy.
fn in_force(gateway: &Gateway, config: &Config) -> Vec<Item> {
    let item = |subject, name: String, digest| Item {
        subject,
        name,
        digest,
    };
    let mut items = vec![item(
        "software",
        "countersign".to_owned(),
        VERSION.to_owned(),
    )];
    match config::printed(config.clone()) {
        Ok(text) => {
            let digest = format!("sha256:{}", hex::encode(Sha256::digest(text)));
            items.push(item("config", "effective".to_owned(), digest));
        }
        Err(error) => tracing::error!(%error, "the configuration has no digest"),
    }
    let detectors = gateway.judge.inspector().detectors().into_iter();
    items.extend(detectors.map(|d| item("model", format!("{}@{}", d.id, d.version), d.digest)));
    for route in gateway.routes.load().iter() {
        let policy = route.policy.reference();
        let name = format!("{}@{}", policy.id, policy.version);
        let policy = item("policy", name, policy.digest.clone());
        if !items.contains(&policy) {
            items.push(policy);
        }
    }
    items
}

/// One change record for each of `items`, and for each of `before` that is not among them.
fn changes(
    before: &BTreeMap<(String, String), String>,
    items: &[Item],
    actor: &str,
) -> Vec<Change> {
    let change = |subject: &str, name: &str, before: Option<&String>, after: &str| {
        let reason = match before {
            None => "put in force",
            Some(_) if after == WITHDRAWN => "withdrawn",
            Some(before) if before == after => "unchanged",
            Some(_) => "changed",
        };
        Change {
            subject: subject.to_owned(),
            name: name.to_owned(),
            before: before.cloned(),
            after: after.to_owned(),
            actor: actor.to_owned(),
            reason: reason.to_owned(),
        }
    };
    let kept = items.iter().map(|item| {
        change(
            item.subject,
            &item.name,
            before.get(&item.key()),
            &item.digest,
        )
    });
    let gone = before
        .iter()
        .filter(|(key, _)| !items.iter().any(|item| item.key() == **key))
        .map(|((subject, name), digest)| change(subject, name, Some(digest), WITHDRAWN));
    gone.chain(kept).collect()
}

#[cfg(test)]
mod tests;
