//! Reads the end of a ledger to learn how the last run left it.
//!
//! Every heartbeat names the index below which every exchange is closed, and where the ledger says
//! what is in force. So one walk backwards suffices: to the last heartbeat, and from there to the
//! index that it names. Crashes before that heartbeat need no second look, because a start writes
//! its gaps first and a heartbeat after them.

use std::collections::{BTreeMap, BTreeSet};

use countersign_record::{
    Action, Body, Change, DecisionBody, ExchangeId, Heartbeat, Phase, Record, Side,
};

/// Most entries that are walked over. Enough for several intervals of a busy gateway; a ledger that
/// needs more was written by older software, which made no such heartbeats.
const WALK_MAX: u64 = 262_144;
/// Most entries that are searched for what is in force.
const IN_FORCE_MAX: u64 = 4096;

/// How the last run left the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastRun {
    /// When the last record was made.
    pub last: Option<String>,
    /// Whether the last heartbeat was that of an orderly end, and nothing was served after it.
    pub said_stop: bool,
    /// Time between its heartbeats in seconds, when it stated one.
    pub interval_s: Option<u64>,
    /// Exchanges whose input was passed on and whose outcome no record tells, oldest first.
    pub open: Vec<ExchangeId>,
    /// False when older exchanges may be open that were not looked for.
    pub complete: bool,
    /// What was in force, by subject and name without version.
    pub in_force: BTreeMap<(String, String), String>,
}

impl LastRun {
    /// Reads the end of a ledger of `entries` entries through `read`, which gives an entry's bytes,
    /// or `None` for one that was pruned. Blocks for as long as `read` does.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn read<E>(
        entries: u64,
        read: impl Fn(u64) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<Self, E> {
        let mut walk = Walk::default();
        let mut index = entries;
        loop {
            if index == 0 || walk.until.is_some_and(|until| index <= until) {
                walk.run.complete = true;
                break;
            }
            if entries - index >= WALK_MAX {
                break;
            }
            index -= 1;
            let Some(bytes) = read(index)? else { break };
            // An entry of an unknown schema is none of ours, and closes nothing.
            if let Ok(record) = Record::from_entry(&bytes) {
                walk.visit(record);
            }
        }
        let mut run = walk.finish();
        if let Some(told) = walk.heartbeat.and_then(|heartbeat| heartbeat.in_force) {
            let most = told.first.saturating_add(IN_FORCE_MAX).min(entries);
            for index in (told.first..most.min(told.last.saturating_add(1))).rev() {
                let record = read(index)?.and_then(|bytes| Record::from_entry(&bytes).ok());
                if let Some(Body::Change(change)) = record.map(|record| record.body) {
                    put(&mut run.in_force, change);
                }
            }
        }
        run.in_force.retain(|_, digest| digest != "none");
        Ok(run)
    }
}

#[derive(Default)]
struct Walk {
    run: LastRun,
    heartbeat: Option<Heartbeat>,
    served: bool,
    /// Everything below is closed.
    until: Option<u64>,
    closed: BTreeSet<ExchangeId>,
}

impl Walk {
    /// Takes the record before the one taken last.
    fn visit(&mut self, record: Record) {
        self.run.last.get_or_insert(record.ts);
        match record.body {
            Body::Decision(body) => self.decision(&body),
            Body::Gap(gap) => self.closed.extend(gap.exchanges),
            Body::Heartbeat(heartbeat) if self.heartbeat.is_none() => {
                self.run.said_stop = !self.served && heartbeat.phase == Phase::Stop;
                self.run.interval_s = Some(heartbeat.interval_s).filter(|seconds| *seconds > 0);
                // One of older software vouches for nothing.
                self.until = (heartbeat.closed_before > 0).then_some(heartbeat.closed_before);
                if self.until.is_some() {
                    self.heartbeat = Some(heartbeat);
                }
            }
            // What was in force before the last heartbeat, that one tells.
            Body::Change(change) if self.heartbeat.is_none() => {
                put(&mut self.run.in_force, change);
            }
            // Nothing else tells how a run ended or what is in force.
            _ => {}
        }
    }

    fn decision(&mut self, body: &DecisionBody) {
        self.served = true;
        let software = ("software".to_owned(), "countersign".to_owned());
        let in_force = self.run.in_force.entry(software);
        in_force.or_insert_with(|| body.software_version.clone());
        let passed_on = matches!(body.action, Action::Forwarded | Action::Redacted);
        match body.side {
            Side::Output => {
                self.closed.insert(body.exchange);
            }
            Side::Input if passed_on && !self.closed.contains(&body.exchange) => {
                self.run.open.push(body.exchange);
            }
            Side::Input => {}
        }
    }

    fn finish(&mut self) -> LastRun {
        let mut run = std::mem::take(&mut self.run);
        run.open.reverse();
        run
    }
}

/// A name as change records give it, without the version.
pub fn name_of(full: &str) -> &str {
    full.split_once('@').map_or(full, |(name, _version)| name)
}

/// The newest comes first.
fn put(in_force: &mut BTreeMap<(String, String), String>, change: Change) {
    let name = name_of(&change.name).to_owned();
    in_force
        .entry((change.subject, name))
        .or_insert(change.after);
}

#[cfg(test)]
mod tests;
