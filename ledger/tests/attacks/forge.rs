//! What an attacker can do with a ledger's files: everything that needs no key, and whatever a
//! key that they have can sign. It shares no code with the ledger's writer.

use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_ledger::{
    Checkpoint, SigningKey, VerifierKey,
    entry::{DOMAIN, Link, parse},
    merkle::{Hash, leaf_hash, perfect_root, range_root},
};
use ed25519_dalek::Signer;
use serde_json::{Map, Value, json};

const WIDTH: usize = 256;
/// Members that the ledger adds to those of its caller.
const LINKS: [&str; 4] = ["attestation", "chain_uid", "prev", "seq"];

/// The entries of a data directory.
#[derive(Debug, Clone)]
pub(crate) struct Entries {
    pub(crate) published: Vec<Vec<u8>>,
    pub(crate) pending: Vec<Vec<u8>>,
}

impl Entries {
    pub(crate) fn read(dir: &Path) -> Self {
        let size = published_size(dir);
        let mut published = Vec::new();
        for number in 0..size.div_ceil(WIDTH) {
            published.extend(read_bundle(&dir.join("ledger").join(bundle(number, size))));
        }
        let mut frames: Vec<(usize, Vec<u8>)> = segments(dir)
            .iter()
            .flat_map(|name| read_frames(&dir.join(name)))
            .collect();
        frames.retain(|(index, _)| *index >= size);
        let pending = frames.into_iter().map(|(_, entry)| entry).collect();
        Self { published, pending }
    }

    /// Lays out tiles and log anew, as an honest writer would for these entries. Checkpoint and
    /// guard stay as they are.
    pub(crate) fn write(&self, dir: &Path) {
        write_tiles(&dir.join("ledger"), &self.published);
        for name in segments(dir) {
            fs::remove_file(dir.join(name)).unwrap();
        }
        write_frames(dir, self.published.len(), &self.pending);
    }

    /// Signs checkpoint and guard for what is published.
    pub(crate) fn sign(&self, dir: &Path, (key, name): (&SigningKey, &VerifierKey)) {
        let note = note(&self.checkpoint(name).to_string(), (key, name));
        fs::write(dir.join("ledger/checkpoint"), &note).unwrap();
        fs::write(dir.join("guard/checkpoint"), &note).unwrap();
    }

    pub(crate) fn checkpoint(&self, name: &VerifierKey) -> Checkpoint {
        let leaves: Vec<Hash> = self.published.iter().map(|e| leaf_hash(e)).collect();
        let size = leaves.len() as u64;
        Checkpoint {
            origin: name.name().to_owned(),
            size,
            root: range_root(&mut leaves.as_slice(), 0, size).unwrap(),
        }
    }

    /// Keeps `size` entries published, whatever was put in or taken out.
    pub(crate) fn keep_size(&mut self, size: usize) {
        let mut all = std::mem::take(&mut self.published);
        all.append(&mut self.pending);
        self.pending = all.split_off(size);
        self.published = all;
    }

    pub(crate) fn all(&mut self) -> impl Iterator<Item = &mut Vec<u8>> {
        self.published.iter_mut().chain(&mut self.pending)
    }

    /// Links and signs every entry from `from` on, members as they are.
    pub(crate) fn seal_again(&mut self, from: usize, (key, name): (&SigningKey, &VerifierKey)) {
        let before = from.checked_sub(1).map(|i| self.published[i].clone());
        let first = parse(&self.published[from]).unwrap().link;
        let mut link = match &before {
            Some(entry) => parse(entry).unwrap().next(),
            None => Link {
                seq: 0,
                prev: [0; 32],
                ..first
            },
        };
        for entry in self.all().skip(from) {
            *entry = seal(own_members(entry), &link, (key, name));
            link = parse(entry).unwrap().next();
        }
    }
}

pub(crate) fn published_size(dir: &Path) -> usize {
    let note = fs::read_to_string(dir.join("ledger/checkpoint")).unwrap();
    note.lines().nth(1).unwrap().parse().unwrap()
}

/// Names of the log's segments in order, relative to the directory.
pub(crate) fn segments(dir: &Path) -> Vec<String> {
    let files = fs::read_dir(dir.join("wal")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.contains(".wal")).collect();
    names.sort();
    names
        .into_iter()
        .map(|name| format!("wal/{name}"))
        .collect()
}

fn tile(kind: &str, number: usize, count: usize) -> String {
    let width = (count - number * WIDTH).min(WIDTH);
    assert!(number < 1000, "the ledgers here are small");
    if width == WIDTH {
        format!("tile/{kind}/{number:03}")
    } else {
        format!("tile/{kind}/{number:03}.p/{width}")
    }
}

/// Name of a bundle in the tree of `size` entries, relative to the tile directory.
pub(crate) fn bundle(number: usize, size: usize) -> String {
    tile("entries", number, size)
}

pub(crate) fn read_bundle(path: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).unwrap();
    let (mut rest, mut entries) = (bytes.as_slice(), Vec::new());
    while let Some((length, tail)) = rest.split_first_chunk::<2>() {
        let (entry, tail) = tail.split_at(u16::from_be_bytes(*length).into());
        entries.push(entry.to_vec());
        rest = tail;
    }
    entries
}

pub(crate) fn write_bundle(path: &Path, entries: &[Vec<u8>]) {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend_from_slice(&u16::try_from(entry.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    put(path, &bytes);
}

/// Writes a file and the directories above it.
pub(crate) fn put(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn write_tiles(tiles: &Path, entries: &[Vec<u8>]) {
    fs::remove_dir_all(tiles.join("tile")).unwrap();
    for (number, entries_of) in entries.chunks(WIDTH).enumerate() {
        write_bundle(&tiles.join(bundle(number, entries.len())), entries_of);
    }
    let mut row: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    for level in 0.. {
        if row.is_empty() {
            return;
        }
        for (number, hashes) in row.chunks(WIDTH).enumerate() {
            let name = tile(&format!("{level}"), number, row.len());
            put(&tiles.join(name), &hashes.concat());
        }
        row = row.chunks_exact(WIDTH).map(perfect_root).collect();
    }
}

pub(crate) fn frame(index: usize, entry: &[u8]) -> Vec<u8> {
    let length = u32::try_from(entry.len()).unwrap().to_be_bytes();
    let index = (index as u64).to_be_bytes();
    let sum = crc32c::crc32c(&[&length[..], &index, entry].concat()).to_be_bytes();
    [&length[..], &index, &sum, entry].concat()
}

pub(crate) fn read_frames(path: &Path) -> Vec<(usize, Vec<u8>)> {
    let bytes = fs::read(path).unwrap();
    let (mut rest, mut frames) = (bytes.as_slice(), Vec::new());
    while let Some((head, tail)) = rest.split_first_chunk::<16>() {
        let length = u32::from_be_bytes(head[..4].try_into().unwrap());
        let index = u64::from_be_bytes(head[4..12].try_into().unwrap());
        let (entry, tail) = tail.split_at(length.try_into().unwrap());
        frames.push((index.try_into().unwrap(), entry.to_vec()));
        rest = tail;
    }
    frames
}

/// Writes one segment; none when there is nothing to write.
pub(crate) fn write_frames(dir: &Path, first: usize, entries: &[Vec<u8>]) {
    if !entries.is_empty() {
        let frames: Vec<Vec<u8>> = (first..).zip(entries).map(|(i, e)| frame(i, e)).collect();
        put(&dir.join(format!("wal/{first:016x}.wal")), &frames.concat());
    }
}

/// A signed note. Nothing is checked: the name need not be the key's.
pub(crate) fn note(text: &str, (key, name): (&SigningKey, &VerifierKey)) -> String {
    let signature = key.sign(text.as_bytes()).to_bytes();
    let line = STANDARD.encode([name.id().as_slice(), &signature].concat());
    format!("{text}\n\u{2014} {} {line}\n", name.name())
}

pub(crate) fn object(entry: &[u8]) -> Map<String, Value> {
    serde_json::from_slice(entry).unwrap()
}

pub(crate) fn canonical(members: &Map<String, Value>) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(members).unwrap()
}

/// What the ledger's caller said in an entry, and the ledger's own event.
fn own_members(entry: &[u8]) -> Map<String, Value> {
    let mut members = object(entry);
    members.retain(|name, _| !LINKS.contains(&name.as_str()));
    members
}

/// Makes an entry of any members, reserved ones among them.
pub(crate) fn seal(
    mut members: Map<String, Value>,
    link: &Link,
    (key, name): (&SigningKey, &VerifierKey),
) -> Vec<u8> {
    let attestation = json!({
        "algorithm": "Ed25519",
        "algorithm_id": 99,
        "authority_uid": name.name(),
        "key_uid": name.id_hex(),
        "serialization_id": 2,
    });
    members.insert("attestation".into(), attestation);
    members.insert("chain_uid".into(), json!(link.chain_uid));
    members.insert("prev".into(), json!(hex::encode(link.prev)));
    members.insert("seq".into(), json!(link.seq));
    let message = [DOMAIN, &canonical(&members)].concat();
    let signature = key.sign(&message).to_bytes();
    set_signature(&mut members, &STANDARD.encode(signature));
    canonical(&members)
}

pub(crate) fn set_signature(members: &mut Map<String, Value>, encoded: &str) {
    members["attestation"]["signatures"] = json!([encoded]);
}

pub(crate) fn signature(members: &Map<String, Value>) -> Vec<u8> {
    let encoded = &members["attestation"]["signatures"][0];
    STANDARD.decode(encoded.as_str().unwrap()).unwrap()
}

/// The same entry with one member changed; signature and links stay.
pub(crate) fn edited(entry: &[u8]) -> Vec<u8> {
    let mut members = object(entry);
    members["n"] = json!(999);
    canonical(&members)
}

/// `s + L`: the same signature to everyone who does not check that `s` is reduced.
pub(crate) fn unreduced(signature: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut changed = signature.to_vec();
    let mut carry = 0u16;
    for (byte, add) in changed[32..].iter_mut().zip(ORDER) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry.to_le_bytes()[0];
        carry >>= 8;
    }
    changed
}
