//! What the entries of bundles say about themselves: form, attestation, signature. Pure, and so
//! done on every core; how bundles follow each other is looked at elsewhere, in order.

use ed25519_dalek::{Signature, VerifyingKey, verify_batch};

use crate::{
    entry::{self, EntryError, Event},
    keys::{KeyRing, VerifierKey},
    merkle::{Hash, leaf_hash},
    verify::FaultKind,
};

/// Most signatures of a batch that failed which are then verified one by one.
const SINGLY: usize = 16;

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

/// Entries that follow each other, and the index of the first.
#[derive(Debug)]
pub(crate) struct Span<'a> {
    pub(crate) first: u64,
    pub(crate) entries: Vec<&'a [u8]>,
}

/// Checks every entry against the key in force at its index, all signatures together. One answer
/// for each span.
pub(crate) fn check(spans: &[Span<'_>], ring: &KeyRing) -> Vec<Checked> {
    let mut batch = Batch::for_entries(spans.iter().map(|span| span.entries.len()).sum());
    let mut answers = Vec::with_capacity(spans.len());
    for (number, span) in spans.iter().enumerate() {
        let mut checked = Checked::default();
        checked.leaves.reserve_exact(span.entries.len());
        checked.steps.reserve_exact(span.entries.len());
        for (slot, bytes) in span.entries.iter().enumerate() {
            checked.leaves.push(leaf_hash(bytes));
            let key = ring.entry_key(span.first + slot as u64);
            if let Err(error) = take_apart(bytes, key, (number, slot), &mut batch, &mut checked) {
                checked.fault(slot, &error);
            }
        }
        answers.push(checked);
    }
    for (number, slot) in batch.failures() {
        if let Some(checked) = answers.get_mut(number) {
            checked.fault(slot, &EntryError::Signature);
        }
    }
    for checked in &mut answers {
        checked.faults.sort_by_key(|(slot, ..)| *slot);
        let bad = |slot: usize| checked.faults.iter().any(|(other, ..)| *other == slot);
        checked.events.retain(|(slot, _)| !bad(*slot));
    }
    answers
}

/// Reads an entry and puts its signature into the batch.
fn take_apart(
    bytes: &[u8],
    key: &VerifierKey,
    place: (usize, usize),
    batch: &mut Batch,
    checked: &mut Checked,
) -> Result<(), EntryError> {
    let reading = match entry::parse(bytes) {
        Ok(reading) => reading,
        Err(error) => {
            checked.steps.push(None);
            return Err(error);
        }
    };
    let (attested, hash) = (reading.attested(key), reading.hash());
    checked.steps.push(Some(Step {
        chain_uid: reading.link.chain_uid,
        seq: reading.link.seq,
        prev: reading.link.prev,
        hash,
    }));
    let event = reading.event.map(|event| (place.1, event));
    checked.events.extend(event);
    let (message, signature) = attested?;
    batch.add(place, message, signature, *key.public_key());
    Ok(())
}

impl Checked {
    fn fault(&mut self, slot: usize, error: &EntryError) {
        self.faults.push((slot, kind(error), error.to_string()));
    }
}

fn kind(error: &EntryError) -> FaultKind {
    match error {
        EntryError::Authority { .. } => FaultKind::Authority,
        EntryError::Signature => FaultKind::Signature,
        _ => FaultKind::Entry,
    }
}

/// Signatures that are verified together: twice as fast as one by one.
#[derive(Debug)]
struct Batch {
    /// The number of the span and the slot of each.
    places: Vec<(usize, usize)>,
    messages: Vec<Vec<u8>>,
    signatures: Vec<Signature>,
    keys: Vec<VerifyingKey>,
}

impl Batch {
    fn for_entries(count: usize) -> Self {
        Self {
            places: Vec::with_capacity(count),
            messages: Vec::with_capacity(count),
            signatures: Vec::with_capacity(count),
            keys: Vec::with_capacity(count),
        }
    }

    fn add(
        &mut self,
        place: (usize, usize),
        message: Vec<u8>,
        signature: Signature,
        key: VerifyingKey,
    ) {
        self.places.push(place);
        self.messages.push(message);
        self.signatures.push(signature);
        self.keys.push(key);
    }

    /// The places whose signature does not verify.
    ///
    /// A batch may also pass with a signature whose `R` has a component of small order, which strict
    /// verification refuses. Only who holds the private key can make one, or who chose a key of
    /// small order; such keys are therefore never verified in a batch.
    fn failures(&self) -> Vec<(usize, usize)> {
        let messages: Vec<&[u8]> = self.messages.iter().map(Vec::as_slice).collect();
        let mut bad = Vec::new();
        let mut parts = Vec::new();
        parts.push(0..messages.len());
        while let Some(part) = parts.pop() {
            let (messages, signatures) = (&messages[part.clone()], &self.signatures[part.clone()]);
            let keys = &self.keys[part.clone()];
            if !keys.iter().any(VerifyingKey::is_weak)
                && verify_batch(messages, signatures, keys).is_ok()
            {
                continue;
            }
            if part.len() > SINGLY {
                let middle = part.start + part.len() / 2;
                parts.extend([middle..part.end, part.start..middle]);
                continue;
            }
            let each = messages.iter().zip(signatures).zip(keys);
            let strict = each.zip(&self.places[part]);
            bad.extend(
                strict
                    .filter(|(((message, signature), key), _)| {
                        key.verify_strict(message, signature).is_err()
                    })
                    .map(|(_, place)| *place),
            );
        }
        bad
    }
}
