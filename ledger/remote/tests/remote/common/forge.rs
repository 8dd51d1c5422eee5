//! Writes a tile directory by the format's documentation, not with the ledger's own writer: so it
//! can also write what that never would.

use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_ledger::{
    Checkpoint, Note, SigningKey, VerifierKey,
    keys::Handover,
    merkle::{leaf_hash, range_root},
};
use ed25519_dalek::Signer;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{ORIGIN, log_key};

const CHAIN: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const DOMAIN: &[u8] = b"countersign/entry/v1\n";

/// A ledger in memory; a clone is a fork in waiting.
#[derive(Clone)]
pub(crate) struct Forge {
    key: SigningKey,
    name: VerifierKey,
    pub(crate) entries: Vec<Vec<u8>>,
    prev: [u8; 32],
    pub(crate) seq: u64,
}

impl Forge {
    pub(crate) fn new() -> Self {
        let (key, name) = log_key();
        Self {
            key,
            name,
            entries: Vec::new(),
            prev: [0; 32],
            seq: 0,
        }
    }

    pub(crate) fn to(size: u64) -> Self {
        let mut forge = Self::new();
        forge.grow(size);
        forge
    }

    /// Entries up to `size`.
    pub(crate) fn grow(&mut self, size: u64) {
        while (self.entries.len() as u64) < size {
            self.add(json!({"n": self.entries.len(), "text": "entry"}));
        }
    }

    pub(crate) fn add(&mut self, members: Value) {
        let key = self.key.clone();
        self.add_signed_by(members, &key);
    }

    pub(crate) fn add_signed_by(&mut self, mut entry: Value, key: &SigningKey) {
        let signed = json!({
            "algorithm": "Ed25519",
            "algorithm_id": 99,
            "authority_uid": ORIGIN,
            "key_uid": self.name.id_hex(),
            "serialization_id": 2,
        });
        entry["attestation"] = signed;
        entry["chain_uid"] = CHAIN.into();
        entry["seq"] = self.seq.into();
        entry["prev"] = hex::encode(self.prev).into();
        let canonical = serde_json_canonicalizer::to_vec(&entry).unwrap();
        let message = [DOMAIN, &canonical].concat();
        let signature = STANDARD.encode(key.sign(&message).to_bytes());
        entry["attestation"]["signatures"] = json!([signature]);
        self.entries
            .push(serde_json_canonicalizer::to_vec(&entry).unwrap());
        self.prev = Sha256::digest(&message).into();
        self.seq += 1;
    }

    /// Lets another key sign, without a word.
    pub(crate) fn sign_by(&mut self, key: &SigningKey) {
        self.key = key.clone();
        self.name = VerifierKey::new(ORIGIN, key.verifying_key()).unwrap();
    }

    /// Hands over to another key with the next entry.
    pub(crate) fn hand_over(&mut self, next: &SigningKey) -> Handover {
        let index = self.entries.len() as u64;
        let handover = Handover::make(ORIGIN, &self.key, next, index).unwrap();
        self.add(json!({"ledger": {"handover": handover.to_string()}}));
        self.sign_by(next);
        handover
    }

    pub(crate) fn note(&self) -> String {
        let leaves: Vec<_> = self.entries.iter().map(|e| leaf_hash(e)).collect();
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            size: leaves.len() as u64,
            root: range_root(&mut leaves.as_slice(), 0, leaves.len() as u64).unwrap(),
        };
        Note::sign(checkpoint.to_string(), &self.name, &self.key)
            .unwrap()
            .to_string()
    }

    /// Writes all tiles, all bundles and the checkpoint; what else is there stays.
    pub(crate) fn write(&self, dir: &Path) {
        for (number, bundle) in self.entries.chunks(256).enumerate() {
            let mut bytes = Vec::new();
            for entry in bundle {
                bytes.extend(u16::try_from(entry.len()).unwrap().to_be_bytes());
                bytes.extend(entry);
            }
            put(dir, "entries", number, bundle.len(), &bytes);
        }
        let mut row: Vec<_> = self.entries.iter().map(|e| leaf_hash(e)).collect();
        for level in 0.. {
            if row.is_empty() {
                break;
            }
            for (number, tile) in row.chunks(256).enumerate() {
                put(dir, &level.to_string(), number, tile.len(), &tile.concat());
            }
            let full = row.chunks_exact(256);
            row = full
                .map(|mut tile| range_root(&mut tile, 0, 256).unwrap())
                .collect();
        }
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join("checkpoint"), self.note()).unwrap();
    }
}

fn put(dir: &Path, kind: &str, number: usize, width: usize, bytes: &[u8]) {
    let (high, low) = (number / 1000, number % 1000);
    let name = match high {
        0 => format!("{low:03}"),
        _ => format!("x{high:03}/{low:03}"),
    };
    let name = match width {
        256 => name,
        _ => format!("{name}.p/{width}"),
    };
    let path = dir.join("tile").join(kind).join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Every file under a directory with its content, sorted by name.
pub(crate) fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    fn walk(root: &Path, dir: &Path, found: &mut Vec<(String, Vec<u8>)>) {
        for item in fs::read_dir(dir).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                let name = path
                    .strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                found.push((name, fs::read(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(dir, dir, &mut found);
    found.sort();
    found
}
