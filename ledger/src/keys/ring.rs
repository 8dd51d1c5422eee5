//! Key rings: the keys of one ledger, joined by handovers to a key that the reader trusts.

use super::{Handover, VerifierKey};

/// Most handovers of one ledger.
pub(super) const MAX_HANDOVERS: usize = 4096;

/// Why a ring does not take a handover.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// It is about another ledger.
    #[error("the handover is of the ledger {0}")]
    Origin(String),
    /// Neither of its keys is known.
    #[error("the handover from {old} to {new} touches no known key")]
    Unconnected {
        /// Id of the old key, in hex.
        old: String,
        /// Id of the new key, in hex.
        new: String,
    },
    /// It contradicts a handover that is known already: a key has two successors or two
    /// predecessors, or comes back. Somebody who held a key signed two stories.
    #[error("the handover from {old} to {new} contradicts another one")]
    Fork {
        /// Id of the old key, in hex.
        old: String,
        /// Id of the new key, in hex.
        new: String,
    },
    /// Its index is not between those of its neighbours.
    #[error("the handover at index {0} is out of order")]
    Order(u64),
    /// The ring is full.
    #[error("more than {MAX_HANDOVERS} handovers")]
    Full,
}

/// The keys of one ledger from the oldest known one to the newest, each trusted because both keys
/// of every handover between it and the trusted key signed that handover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRing {
    /// One more than `handovers`; never empty.
    keys: Vec<VerifierKey>,
    /// `handovers[i]` leads from `keys[i]` to `keys[i + 1]`; indices ascend.
    handovers: Vec<Handover>,
}

impl KeyRing {
    /// A ring of the one key that the reader brought along.
    pub fn trusting(key: VerifierKey) -> Self {
        Self {
            keys: vec![key],
            handovers: Vec::new(),
        }
    }

    /// Takes a handover that continues the chain at either end. One that is known already changes
    /// nothing. Returns whether the ring grew.
    ///
    /// # Errors
    /// [`RingError`]; the ring is as before.
    pub fn learn(&mut self, handover: &Handover) -> Result<bool, RingError> {
        let (old, new) = (handover.old_key(), handover.new_key());
        let (old_id, new_id) = (old.id_hex(), new.id_hex());
        if handover.origin() != self.current().name() {
            return Err(RingError::Origin(handover.origin().to_owned()));
        }
        if self.handovers.iter().any(|known| known.same(handover)) {
            return Ok(false);
        }
        let first = self.keys.first() == Some(new);
        let last = self.keys.last() == Some(old);
        let known = self.keys.contains(old) || self.keys.contains(new);
        if !known {
            let (old, new) = (old_id, new_id);
            return Err(RingError::Unconnected { old, new });
        }
        // The far key must be fresh in its id too, or ids would be ambiguous.
        let far = if first { old } else { new };
        if !(first || last) || self.by_id(&far.id()).is_some() {
            let (old, new) = (old_id, new_id);
            return Err(RingError::Fork { old, new });
        }
        if self.handovers.len() == MAX_HANDOVERS {
            return Err(RingError::Full);
        }
        let in_order = if first {
            let next = self.handovers.first();
            next.is_none_or(|next| handover.index() < next.index())
        } else {
            let before = self.handovers.last();
            before.is_none_or(|before| before.index() < handover.index())
        };
        if !in_order {
            return Err(RingError::Order(handover.index()));
        }
        if first {
            self.keys.insert(0, old.clone());
            self.handovers.insert(0, handover.clone());
        } else {
            self.keys.push(new.clone());
            self.handovers.push(handover.clone());
        }
        Ok(true)
    }

    /// Takes handovers in any order.
    ///
    /// # Errors
    /// [`RingError`] of the first one that never fits; the ring may have taken others.
    pub fn learn_all(&mut self, handovers: &[Handover]) -> Result<(), RingError> {
        let mut open: Vec<&Handover> = handovers.iter().collect();
        // Sorted, one pass upwards and one downwards take in every connected chain.
        open.sort_by_key(|handover| handover.index());
        for _ in 0..2 {
            let mut left = Vec::new();
            for handover in open {
                match self.learn(handover) {
                    Ok(_) => {}
                    Err(RingError::Unconnected { .. }) => left.push(handover),
                    Err(other) => return Err(other),
                }
            }
            left.reverse();
            open = left;
        }
        match open.first() {
            None => Ok(()),
            Some(handover) => self.learn(handover).map(drop),
        }
    }

    /// The key with this id.
    pub fn by_id(&self, id: &[u8; 4]) -> Option<&VerifierKey> {
        self.keys.iter().find(|key| &key.id() == id)
    }

    /// The keys, oldest first.
    pub fn keys(&self) -> &[VerifierKey] {
        &self.keys
    }

    /// The handovers between them, oldest first.
    pub fn handovers(&self) -> &[Handover] {
        &self.handovers
    }

    /// The newest known key.
    pub fn current(&self) -> &VerifierKey {
        // `keys` is never empty and one longer than `handovers`.
        &self.keys[self.handovers.len()]
    }

    /// The key that must attest the entry at `index`.
    pub fn entry_key(&self, index: u64) -> &VerifierKey {
        self.at(index)
    }

    /// The key that must sign the checkpoint of `size` entries: a checkpoint that covers the entry
    /// which carries a handover is signed by the new key.
    pub fn checkpoint_key(&self, size: u64) -> &VerifierKey {
        // The last entry that the old key attests is the one with the handover's index, and the
        // last size that it signs is that number too, for such a tree ends just before it.
        self.at(size)
    }

    fn at(&self, position: u64) -> &VerifierKey {
        let before = self
            .handovers
            .partition_point(|handover| handover.index() < position);
        &self.keys[before]
    }

    /// The entries that a key attests: the first one, and the last one unless it is the newest
    /// known key. `None` when the ring has no such key.
    pub fn in_force(&self, id: &[u8; 4]) -> Option<(u64, Option<u64>)> {
        let place = self.keys.iter().position(|key| &key.id() == id)?;
        let first = match place.checked_sub(1) {
            Some(before) => self.handovers[before].index().saturating_add(1),
            None => 0,
        };
        Some((first, self.handovers.get(place).map(Handover::index)))
    }
}
