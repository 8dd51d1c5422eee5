//! A writer of ledgers that shares no code with ours: canonical JSON, signatures and tiles come
//! from crates of others. It writes what ours would never write, and signs it.

use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_ledger::{SigningKey, VerifierKey};
use ed25519_dalek::Signer;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tlog_tiles::{Error, Hash, HashReader};

use crate::trees;

const DOMAIN: &[u8] = b"countersign/entry/v1\n";

/// The stored hashes of a growing tree, as `tlog_tiles` numbers them.
#[derive(Default)]
pub(crate) struct Stored {
    hashes: Vec<Hash>,
    records: u64,
}

impl Stored {
    pub(crate) fn of(records: &[Vec<u8>]) -> Self {
        let mut stored = Self::default();
        for record in records {
            stored.push(record);
        }
        stored
    }

    pub(crate) fn push(&mut self, record: &[u8]) {
        let hashes = tlog_tiles::stored_hashes(self.records, record, self).unwrap();
        self.hashes.extend(hashes);
        self.records += 1;
    }
}

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        let find = |index: &u64| {
            let index = usize::try_from(*index).unwrap_or(usize::MAX);
            self.hashes
                .get(index)
                .copied()
                .ok_or(Error::IndexesNotInTree)
        };
        indexes.iter().map(find).collect()
    }
}

/// A key with its name.
#[derive(Clone)]
pub(crate) struct Hand {
    pub(crate) key: SigningKey,
    pub(crate) name: VerifierKey,
}

impl Hand {
    pub(crate) fn new(seed: u8, origin: &str) -> Self {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let name = VerifierKey::new(origin, key.verifying_key()).unwrap();
        Self { key, name }
    }

    /// A signature line under any text.
    pub(crate) fn line(&self, text: &str) -> String {
        let signature = self.key.sign(text.as_bytes()).to_bytes();
        let payload = [self.name.id().as_slice(), &signature].concat();
        let (name, payload) = (self.name.name(), STANDARD.encode(payload));
        format!("\u{2014} {name} {payload}\n")
    }

    pub(crate) fn note(&self, text: &str) -> String {
        format!("{text}\n{}", self.line(text))
    }

    pub(crate) fn checkpoint(&self, entries: &[Vec<u8>]) -> String {
        self.note(&checkpoint_text(self.name.name(), entries))
    }

    /// Signs an entry that has everything but its signature.
    pub(crate) fn seal(&self, entry: &Value) -> Vec<u8> {
        let mut entry = entry.clone();
        let members = entry["attestation"].as_object_mut().unwrap();
        members.remove("signatures");
        let signature = self.key.sign(&message(&entry)).to_bytes();
        entry["attestation"]["signatures"] = json!([STANDARD.encode(signature)]);
        serde_json_canonicalizer::to_vec(&entry).unwrap()
    }

    /// The next entry of a chain.
    pub(crate) fn entry(&self, seq: u64, before: Option<&[u8]>, more: &Value) -> Vec<u8> {
        let mut entry = json!({
            "attestation": {
                "algorithm": "Ed25519", "algorithm_id": 99, "serialization_id": 2,
                "authority_uid": self.name.name(), "key_uid": self.name.id_hex(),
            },
            "chain_uid": "01890a5d-ac96-774b-bcce-b302099a8057",
            "prev": before.map_or("0".repeat(64), link),
            "seq": seq,
        });
        let members = more.as_object().unwrap().clone();
        entry.as_object_mut().unwrap().extend(members);
        self.seal(&entry)
    }
}

/// What a signature of an entry is over.
fn message(entry: &Value) -> Vec<u8> {
    let mut entry = entry.clone();
    if let Some(members) = entry["attestation"].as_object_mut() {
        members.remove("signatures");
    }
    let text = serde_json_canonicalizer::to_vec(&entry).unwrap();
    [DOMAIN, &text].concat()
}

/// What the next entry of the chain carries as `prev`.
pub(crate) fn link(entry: &[u8]) -> String {
    let entry = serde_json::from_slice(entry).unwrap();
    hex::encode(Sha256::digest(message(&entry)))
}

/// Changes one entry, signs it, and links and signs the ones after it anew.
pub(crate) fn edited(
    hand: &Hand,
    entries: &[Vec<u8>],
    at: usize,
    edit: impl FnOnce(&mut Value),
) -> Vec<Vec<u8>> {
    let mut entries = entries.to_vec();
    let mut entry: Value = serde_json::from_slice(&entries[at]).unwrap();
    edit(&mut entry);
    entries[at] = hand.seal(&entry);
    relink(hand, &mut entries, at + 1);
    entries
}

/// Links and signs entries anew from `from` on.
pub(crate) fn relink(hand: &Hand, entries: &mut [Vec<u8>], from: usize) {
    for at in from..entries.len() {
        let mut entry: Value = serde_json::from_slice(&entries[at]).unwrap();
        if at > 0 {
            entry["prev"] = link(&entries[at - 1]).into();
        }
        entries[at] = hand.seal(&entry);
    }
}

pub(crate) fn checkpoint_text(origin: &str, entries: &[Vec<u8>]) -> String {
    let stored = Stored::of(entries);
    let size = stored.records;
    let root = tlog_tiles::tree_hash(size, &stored).unwrap();
    let text = tlog_tiles::Checkpoint::new(origin, size, root, "").unwrap();
    String::from_utf8(text.to_bytes()).unwrap()
}

pub(crate) fn put(path: &Path, bytes: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Writes a tile directory under a note that claims it.
pub(crate) fn write_tiles(dir: &Path, entries: &[Vec<u8>], note: &str) {
    let stored = Stored::of(entries);
    for (name, tile) in trees::due(stored.records) {
        let data = if name.starts_with("tile/entries/") {
            let first = usize::try_from(tile.level_index() * 256).unwrap();
            bundle(&entries[first..first + tile.width() as usize])
        } else {
            tile.read_data(&stored).unwrap()
        };
        put(&dir.join(name), data);
    }
    put(&dir.join("checkpoint"), note);
}

/// Writes a data directory that was never closed and whose log has nothing left.
pub(crate) fn write_data(dir: &Path, entries: &[Vec<u8>], note: &str, key: &VerifierKey) {
    for part in ["ledger", "guard", "wal"] {
        let _ = fs::remove_dir_all(dir.join(part));
    }
    write_tiles(&dir.join("ledger"), entries, note);
    put(&dir.join("guard/checkpoint"), note);
    put(&dir.join("wal/lock"), "");
    put(&dir.join("keys/ledger.vkey"), format!("{key}\n"));
}

pub(crate) fn bundle(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend(u16::try_from(entry.len()).unwrap().to_be_bytes());
        bytes.extend(entry);
    }
    bytes
}

pub(crate) fn split(mut bundle: &[u8]) -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = bundle.split_first_chunk::<2>() {
        let (entry, rest) = rest.split_at(u16::from_be_bytes(*length).into());
        entries.push(entry.to_vec());
        bundle = rest;
    }
    entries
}

/// The entries of a tile directory.
pub(crate) fn entries(tiles: &Path, size: u64) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for (name, _) in trees::due(size) {
        if name.starts_with("tile/entries/") {
            found.extend(split(&fs::read(tiles.join(name)).unwrap()));
        }
    }
    found
}

/// A frame of the log.
pub(crate) fn frame(index: u64, entry: &[u8]) -> Vec<u8> {
    let length = u32::try_from(entry.len()).unwrap().to_be_bytes();
    let head = [length.as_slice(), &index.to_be_bytes()].concat();
    let sum = crc32c::crc32c(&[&head, entry].concat()).to_be_bytes();
    [&head, sum.as_slice(), entry].concat()
}
