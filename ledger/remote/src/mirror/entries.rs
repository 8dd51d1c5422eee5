//! Entries: each one's own statement, and its place in its chain.

use std::collections::HashMap;

use countersign_ledger::{
    entry::{self, Event, Link, Reading},
    keys::{Handover, KeyRing},
};

/// Most chains followed; a ledger has one per writer that ever was.
const CHAINS_MAX: usize = 100_000;

/// Where each chain goes on.
#[derive(Debug, Default)]
pub(super) struct Chains {
    next: HashMap<String, Link>,
    /// Entries are absent somewhere before: a chain may begin anywhere.
    gap: bool,
    /// Up to where the ledger itself says that it was pruned.
    pub(super) pruned_before: u64,
}

impl Chains {
    /// Entries are absent here.
    pub(super) fn skip(&mut self) {
        self.next.clear();
        self.gap = true;
    }

    /// Takes the next entry, the one at `index`, after checking everything it says about itself.
    pub(super) fn check(&mut self, bytes: &[u8], index: u64, ring: &KeyRing) -> Result<(), String> {
        let key = ring.entry_key(index);
        let reading = entry::open(bytes, key).map_err(|e| e.to_string())?;
        if let Some(Event::Handover(note)) = &reading.event {
            expect_handover(note, index, ring)?;
        }
        self.take(&reading)
    }

    /// Takes the next entry, whose signature was checked before.
    pub(super) fn replay(&mut self, bytes: &[u8]) -> Result<(), String> {
        let reading = entry::parse(bytes).map_err(|e| e.to_string())?;
        self.take(&reading)
    }

    fn take(&mut self, reading: &Reading<'_>) -> Result<(), String> {
        let link = &reading.link;
        match self.next.get(&link.chain_uid) {
            Some(expected) if expected == link => {}
            Some(expected) => {
                let (found, due) = (link.seq, expected.seq);
                let detail = "is not the next of its chain";
                return Err(format!("seq {found} {detail}, where seq {due} is due"));
            }
            None if self.gap || (link.seq == 0 && link.prev == [0; 32]) => {}
            None => return Err(format!("a chain begins with seq {}", link.seq)),
        }
        if self.next.len() >= CHAINS_MAX && !self.next.contains_key(&link.chain_uid) {
            return Err("there are too many chains".to_owned());
        }
        if let Some(Event::PrunedBefore(index)) = reading.event {
            self.pruned_before = self.pruned_before.max(index);
        }
        self.next.insert(link.chain_uid.clone(), reading.next());
        Ok(())
    }
}

/// A statement must stand in the entry that it names, and be one that the ring follows.
fn expect_handover(note: &str, index: u64, ring: &KeyRing) -> Result<(), String> {
    let handover = Handover::parse(note).map_err(|error| error.to_string())?;
    if handover.index() != index {
        let named = handover.index();
        return Err(format!("it carries the handover of entry {named}"));
    }
    let known = ring.handovers().iter().find(|known| known.index() == index);
    let same = |known: &Handover| {
        known.old_key() == handover.old_key() && known.new_key() == handover.new_key()
    };
    if known.is_some_and(same) {
        return Ok(());
    }
    let (old, new) = (handover.old_key().id_hex(), handover.new_key().id_hex());
    Err(format!(
        "its handover from {old} to {new} is not one of the keys' line"
    ))
}
