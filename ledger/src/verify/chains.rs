//! The chains of the writers, followed from entry to entry. Pure.

use std::collections::HashMap;

use crate::{
    merkle::Hash,
    verify::{Chain, bundle::Step},
};

/// Most chains that are followed; a ledger has one for each writer it ever had.
const MAX_CHAINS: usize = 65_536;

/// What the next entry of a chain must say.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Next {
    seq: u64,
    prev: Hash,
}

/// Every chain seen so far.
#[derive(Debug, Default)]
pub(crate) struct Chains {
    places: HashMap<String, usize>,
    list: Vec<(Chain, Option<Next>)>,
    /// Entries are absent somewhere before: a chain may have begun among them.
    gap: bool,
    /// Links that could not be checked because the entry before is absent.
    pub(crate) unlinked: u64,
}

impl Chains {
    /// Entries that are absent stand here: nobody knows where the chains went on.
    pub(crate) fn gap(&mut self) {
        self.gap = true;
        for (_, next) in &mut self.list {
            *next = None;
        }
    }

    /// Takes the next step; says what is wrong with it.
    pub(crate) fn follow(&mut self, step: &Step, leaf: Hash) -> Option<String> {
        let next = Next {
            seq: step.seq.saturating_add(1),
            prev: step.hash,
        };
        let Some(place) = self.places.get(&step.chain_uid) else {
            return self.begin(step, leaf, next);
        };
        let (chain, expected) = &mut self.list[*place];
        let wrong = match expected {
            None => {
                self.unlinked += 1;
                let back = step.seq <= chain.last_seq;
                back.then(|| format!("seq {} comes after seq {}", step.seq, chain.last_seq))
            }
            Some(expected) if (step.seq, step.prev) == (expected.seq, expected.prev) => None,
            Some(expected) => Some(format!(
                "seq {} prev {} where seq {} prev {} continues the chain",
                step.seq,
                hex::encode(step.prev),
                expected.seq,
                hex::encode(expected.prev)
            )),
        };
        chain.last_seq = step.seq;
        chain.head = leaf;
        *expected = Some(next);
        wrong
    }

    fn begin(&mut self, step: &Step, leaf: Hash, next: Next) -> Option<String> {
        if self.list.len() == MAX_CHAINS {
            return Some(format!("there are more than {MAX_CHAINS} chains"));
        }
        let first = step.seq == 0 && step.prev == [0; 32];
        let chain = Chain {
            uid: step.chain_uid.clone(),
            first_seq: step.seq,
            last_seq: step.seq,
            head: leaf,
        };
        self.places.insert(chain.uid.clone(), self.list.len());
        self.list.push((chain, Some(next)));
        if !first && self.gap && step.seq > 0 {
            self.unlinked += 1;
            return None;
        }
        (!first).then(|| "a chain must begin with seq 0 and a zero prev".to_owned())
    }

    /// The chains, in order of appearance.
    pub(crate) fn list(&self) -> Vec<Chain> {
        self.list.iter().map(|(chain, _)| chain.clone()).collect()
    }
}
