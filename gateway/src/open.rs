//! Which exchanges are open, and which ended without the record that should have ended them.
//!
//! An exchange takes a [`Place`] when it begins and leaves it with the last of what it holds. What
//! leaves after its input was passed on and before its output was recorded, whatever the reason, is
//! told to the ledger as soon as the ledger takes records again; so is how many exchanges were
//! refused meanwhile.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_record::{Action, Body, ExchangeId, Gap, Side};
use tokio::sync::watch;

use crate::clock::now;
use crate::evidence::Evidence;

/// Time between two looks for what is to be told.
const EVERY: Duration = Duration::from_secs(1);
/// Most exchanges without an outcome that are remembered until they can be told. The next start
/// finds the others in the ledger.
const UNTOLD_MAX: usize = 65_536;

/// The exchanges that are open, and what the ledger is still to be told of others.
#[derive(Debug, Default)]
pub struct OpenExchanges {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Each with the number of entries that the ledger had when it began.
    open: BTreeSet<(u64, ExchangeId)>,
    /// Ended, passed on, and without the record of an outcome.
    untold: BTreeSet<(u64, ExchangeId)>,
    /// The oldest of those that there was no room to remember.
    forgotten: Option<u64>,
    refused: Refused,
}

/// What the ledger refused.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Refused {
    /// Since when; `None` while nothing was.
    since: Option<String>,
    /// Exchanges that were refused for it.
    exchanges: u64,
}

/// How things stand, for a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Exchanges open now.
    pub open: u64,
    /// Every exchange whose input record has a lower index is closed or named in a gap record.
    pub closed_before: u64,
}

/// An exchange's place among the open ones, left when dropped.
#[derive(Debug)]
pub struct Place {
    among: Arc<OpenExchanges>,
    key: (u64, ExchangeId),
    passed_on: AtomicBool,
    ended: AtomicBool,
    refused: AtomicBool,
}

impl OpenExchanges {
    /// A place for `exchange`, while the ledger has `entries` entries: its records will not have
    /// lower indices.
    pub fn enter(self: &Arc<Self>, exchange: ExchangeId, entries: u64) -> Arc<Place> {
        let key = (entries, exchange);
        self.state().open.insert(key);
        Arc::new(Place {
            among: Arc::clone(self),
            key,
            passed_on: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            refused: AtomicBool::new(false),
        })
    }

    /// How things stand, for a ledger that had `entries` entries a moment ago: who enters later
    /// records nothing at a lower index.
    pub fn standing(&self, entries: u64) -> Standing {
        let state = self.state();
        let oldest = [state.open.first(), state.untold.first()];
        let oldest = oldest.into_iter().flatten().map(|(since, _)| *since);
        let closed_before = oldest.chain(state.forgotten).fold(entries, u64::min);
        Standing {
            open: state.open.len() as u64,
            closed_before,
        }
    }

    /// Remembers that the ledger refused a record that belongs to no exchange.
    pub(crate) fn refused_a_note(&self) {
        self.state().refused.since.get_or_insert_with(now);
    }

    /// Tells the ledger what is missing in it, once a second until `stop` turns true, and once more
    /// then.
    pub async fn report(&self, evidence: &Evidence, mut stop: watch::Receiver<bool>) {
        loop {
            let stopped = tokio::select! {
                () = tokio::time::sleep(EVERY) => false,
                _ = stop.wait_for(|stop| *stop) => true,
            };
            self.tell(evidence).await;
            if stopped {
                return;
            }
        }
    }

    async fn tell(&self, evidence: &Evidence) {
        let (refused, untold) = {
            let state = self.state();
            (state.refused.clone(), state.untold.clone())
        };
        if refused.since.is_none() && untold.is_empty() {
            return;
        }
        let exchanges: Vec<_> = untold.iter().map(|(_, exchange)| *exchange).collect();
        for part in gap(&refused, exchanges).in_parts() {
            // Until all parts are durable nothing is forgotten: what is told twice is told.
            if let Err(error) = evidence.try_note(Body::Gap(part)).await {
                tracing::debug!(%error, "what is missing could not be recorded yet");
                return;
            }
        }
        self.state().told(&refused, &untold);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn told(&mut self, refused: &Refused, untold: &BTreeSet<(u64, ExchangeId)>) {
        self.untold.retain(|key| !untold.contains(key));
        self.refused.exchanges = self.refused.exchanges.saturating_sub(refused.exchanges);
        // What was refused while the telling was under way is told next, from here on.
        self.refused.since = (self.refused.exchanges > 0).then(now);
    }
}

fn gap(refused: &Refused, exchanges: Vec<ExchangeId>) -> Gap {
    let (cause, detail) = if refused.since.is_some() {
        let detail = "The ledger took no records. The exchanges counted were refused for it; those \
                      named had been passed on before, and their outcome is unknown.";
        ("evidence_unavailable", detail)
    } else {
        let detail = "The exchanges named ended abnormally after they had been passed on; their \
                      outcome is unknown.";
        ("outcome_unknown", detail)
    };
    Gap {
        cause: cause.to_owned(),
        from: refused.since.clone(),
        to: now(),
        detail: detail.to_owned(),
        count: refused.since.is_some().then_some(refused.exchanges),
        exchanges,
    }
}

impl Place {
    /// Notes that a record of this side is durable.
    pub(crate) fn recorded(&self, side: Side, action: Action) {
        match side {
            Side::Input if matches!(action, Action::Forwarded | Action::Redacted) => {
                self.passed_on.store(true, Ordering::Release);
            }
            Side::Input => {}
            Side::Output => self.ended.store(true, Ordering::Release),
        }
    }

    /// Notes that the ledger refused a record of this exchange.
    pub(crate) fn refused(&self) {
        if self.refused.swap(true, Ordering::AcqRel) {
            return;
        }
        let refused = &mut self.among.state().refused;
        refused.since.get_or_insert_with(now);
        refused.exchanges = refused.exchanges.saturating_add(1);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.among.state();
        state.open.remove(&self.key);
        let passed_on = self.passed_on.load(Ordering::Acquire);
        if !passed_on || self.ended.load(Ordering::Acquire) {
            return;
        }
        if state.untold.len() < UNTOLD_MAX {
            state.untold.insert(self.key);
        } else {
            let oldest = state.forgotten.unwrap_or(u64::MAX).min(self.key.0);
            state.forgotten = Some(oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::new_exchange_id;

    #[test]
    fn the_standing_reaches_back_to_the_oldest_open_exchange_and_no_further() {
        let open = Arc::new(OpenExchanges::default());
        let (early, late) = (
            open.enter(new_exchange_id(), 10),
            open.enter(new_exchange_id(), 20),
        );
        let standing = |open, closed_before| Standing {
            open,
            closed_before,
        };
        assert_eq!(open.standing(30), standing(2, 10));
        early.recorded(Side::Input, Action::Forwarded);
        early.recorded(Side::Output, Action::Forwarded);
        drop(early);
        assert_eq!(open.standing(30), standing(1, 20));
        // Refused input: nothing was passed on, so nothing is owed.
        late.recorded(Side::Input, Action::Blocked);
        drop(late);
        assert_eq!(open.standing(30), standing(0, 30));
    }

    #[test]
    fn what_was_passed_on_and_never_ended_is_owed_until_it_is_told() {
        let open = Arc::new(OpenExchanges::default());
        let id = new_exchange_id();
        let place = open.enter(id, 5);
        place.recorded(Side::Input, Action::Redacted);
        place.refused();
        place.refused();
        drop(place);
        let (refused, untold) = {
            let state = open.state();
            (state.refused.clone(), state.untold.clone())
        };
        assert_eq!(open.standing(9).closed_before, 5);
        let told = gap(&refused, untold.iter().map(|(_, id)| *id).collect());
        assert_eq!(told.cause, "evidence_unavailable");
        assert_eq!((told.count, told.exchanges), (Some(1), vec![id]));
        assert!(told.from.is_some_and(|from| from <= told.to));
        open.state().told(&refused, &untold);
        assert_eq!(open.standing(9).closed_before, 9);
        assert_eq!(open.state().refused, Refused::default());
    }

    #[test]
    fn what_nobody_had_room_to_remember_still_holds_the_standing_back() {
        let open = Arc::new(OpenExchanges::default());
        for number in 0..=UNTOLD_MAX as u64 {
            let place = open.enter(new_exchange_id(), 7 + number);
            place.recorded(Side::Input, Action::Forwarded);
        }
        assert_eq!(open.state().untold.len(), UNTOLD_MAX);
        let (refused, untold) = (Refused::default(), open.state().untold.clone());
        open.state().told(&refused, &untold);
        let held = 7 + UNTOLD_MAX as u64;
        assert_eq!(open.standing(u64::MAX).closed_before, held);
    }
}
