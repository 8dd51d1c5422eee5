//! A tree of entries and its signed root.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(dead_code, reason = "each test binary uses its part")]

use countersign_ledger::{
    Checkpoint, SigningKey, VerifierKey,
    merkle::{Hash, consistency_proof, inclusion_proof, leaf_hash, range_root},
};
use countersign_ledger_cose::SignedRoot;

pub(crate) const ORIGIN: &str = "example.com/ledger";

/// The key of the specification's worked example.
pub(crate) fn key() -> (SigningKey, VerifierKey) {
    let key = SigningKey::from_bytes(&[7; 32]);
    let name = VerifierKey::new(ORIGIN, key.verifying_key()).unwrap();
    (key, name)
}

/// Leaves that are not ledger entries: receipts do not look into them.
pub(crate) fn leaf(index: u64) -> Vec<u8> {
    format!("leaf {index}").into_bytes()
}

pub(crate) struct Tree {
    pub(crate) leaves: Vec<Hash>,
    pub(crate) signed: SignedRoot,
}

impl Tree {
    pub(crate) fn of(leaves: Vec<Hash>) -> Self {
        let (key, name) = key();
        let size = leaves.len() as u64;
        let root = range_root(&mut leaves.as_slice(), 0, size).unwrap();
        let origin = ORIGIN.to_owned();
        let checkpoint = Checkpoint { origin, size, root };
        let signed = SignedRoot::sign(checkpoint, &name, &key).unwrap();
        Self { leaves, signed }
    }

    pub(crate) fn new(size: u64) -> Self {
        Self::of((0..size).map(|index| leaf_hash(&leaf(index))).collect())
    }

    pub(crate) fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    pub(crate) fn root_of(&self, size: u64) -> Hash {
        range_root(&mut self.leaves.as_slice(), 0, size).unwrap()
    }

    pub(crate) fn inclusion(&self, index: u64) -> Vec<u8> {
        let path = inclusion_proof(&mut self.leaves.as_slice(), index, self.size()).unwrap();
        let leaf = self.leaves[usize::try_from(index).unwrap()];
        self.signed.inclusion(index, &leaf, &path).unwrap()
    }

    pub(crate) fn consistency(&self, old: u64) -> Vec<u8> {
        let path = consistency_proof(&mut self.leaves.as_slice(), old, self.size()).unwrap();
        self.signed
            .consistency(old, &self.root_of(old), &path)
            .unwrap()
    }
}
