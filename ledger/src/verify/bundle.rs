//! What the entries of one bundle say about themselves: form, attestation, signature. Pure, and so
//! done on every core; how bundles follow each other is looked at elsewhere, in order.

use ed25519_dalek::{Signature, VerifyingKey, verify_batch};

use crate::{
    entry::{self, EntryError, Event},
    keys::KeyRing,
    merkle::{Hash, leaf_hash},
    verify::FaultKind,
};

/// One step of a chain: where an entry says it stands, and what the next one must say.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) chain_uid: String,
    pub(crate) seq: u64,
    pub(crate) prev: Hash,
    /// Hash of the signed message.
    pub(crate) hash: Hash,
}

/// What was found out about the entries of a bundle. Slots count from its first entry.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// One leaf hash for each entry.
    pub(crate) leaves: Vec<Hash>,
    /// One step for each entry; `None` where it cannot be told.
    pub(crate) steps: Vec<Option<Step>>,
    /// What the ledger itself says, in entries without a fault.
    pub(crate) events: Vec<(usize, Event)>,
    /// In the order of the slots, at most one for each.
    pub(crate) faults: Vec<(usize, FaultKind, String)>,
}

/// Checks `entries`, the first of which has the index `first`, each against the key in force there.
pub(crate) fn check(entries: &[&[u8]], first: u64, ring: &KeyRing) -> Checked {
    let mut checked = Checked::default();
    let mut batch = Batch::default();
    for (slot, bytes) in entries.iter().enumerate() {
        checked.leaves.push(leaf_hash(bytes));
        let reading = match entry::parse(bytes) {
            Ok(reading) => reading,
            Err(error) => {
                checked.faults.push((slot, kind(&error), error.to_string()));
                checked.steps.push(None);
                continue;
            }
        };
        let key = ring.entry_key(first + slot as u64);
        match reading.attested(key) {
            Ok((message, signature)) => {
                batch.add(slot, message, signature, *key.public_key());
            }
            Err(error) => checked.faults.push((slot, kind(&error), error.to_string())),
        }
        checked.steps.push(Some(Step {
            hash: reading.hash(),
            chain_uid: reading.link.chain_uid,
            seq: reading.link.seq,
            prev: reading.link.prev,
        }));
        checked
            .events
            .extend(reading.event.map(|event| (slot, event)));
    }
    for slot in batch.failures() {
        let error = EntryError::Signature;
        checked.faults.push((slot, kind(&error), error.to_string()));
    }
    checked.faults.sort_by_key(|(slot, ..)| *slot);
    let bad = |slot: usize| checked.faults.iter().any(|(other, ..)| *other == slot);
    checked.events.retain(|(slot, _)| !bad(*slot));
    checked
}

fn kind(error: &EntryError) -> FaultKind {
    match error {
        EntryError::Authority { .. } => FaultKind::Authority,
        EntryError::Signature => FaultKind::Signature,
        _ => FaultKind::Entry,
    }
}

/// Signatures that are verified together: several times as fast as one by one.
#[derive(Debug, Default)]
struct Batch {
    slots: Vec<usize>,
    messages: Vec<Vec<u8>>,
    signatures: Vec<Signature>,
    keys: Vec<VerifyingKey>,
}

impl Batch {
    fn add(&mut self, slot: usize, message: Vec<u8>, signature: Signature, key: VerifyingKey) {
        self.slots.push(slot);
        self.messages.push(message);
        self.signatures.push(signature);
        self.keys.push(key);
    }

    /// The slots whose signature does not verify.
    ///
    /// A batch also passes with a signature whose `R` or key has a component of small order, which
    /// strict verification refuses. Only who holds the private key can make one, or who chose a key
    /// of small order; such keys are therefore never verified in a batch.
    fn failures(&self) -> Vec<usize> {
        let messages: Vec<&[u8]> = self.messages.iter().map(Vec::as_slice).collect();
        let weak = self.keys.iter().any(VerifyingKey::is_weak);
        if !weak && verify_batch(&messages, &self.signatures, &self.keys).is_ok() {
            return Vec::new();
        }
        let each = messages.iter().zip(&self.signatures).zip(&self.keys);
        let strict = self.slots.iter().zip(each);
        strict
            .filter(|(_, ((message, signature), key))| {
                key.verify_strict(message, signature).is_err()
            })
            .map(|(slot, _)| *slot)
            .collect()
    }
}
