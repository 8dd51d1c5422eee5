//! Ledgers made for tests: without a writer, unsynced, and with whatever a test wants in them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ed25519_dalek::SigningKey;
use serde_json::{Map, Value, json};

use crate::{
    entry::{self, Draft, Event, Link},
    guard::clock_text,
    keys::{Handover, VerifierKey},
    layout::clean_text,
    merkle::leaf_hash,
    note::{Checkpoint, Note},
    tree::{Edge, TileFile},
};

pub(crate) const ORIGIN: &str = "example.com/made";

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn name(seed: u8) -> VerifierKey {
    VerifierKey::new(ORIGIN, key(seed).verifying_key()).unwrap()
}

/// A data directory under way.
pub(crate) struct Made {
    dir: tempfile::TempDir,
    /// The key in force.
    seed: u8,
    edge: Edge,
    files: Vec<TileFile>,
    link: Link,
    /// The entries, in order.
    pub(crate) entries: Vec<Vec<u8>>,
}

impl Made {
    /// A ledger of the key made from `seed`, without entries.
    pub(crate) fn by(seed: u8) -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            seed,
            edge: Edge::default(),
            files: Vec::new(),
            link: Link {
                chain_uid: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
                seq: 0,
                prev: [0; 32],
            },
            entries: Vec::new(),
        }
    }

    /// A published ledger of `count` entries by key 1.
    pub(crate) fn holding(count: u64) -> Self {
        let mut made = Self::by(1);
        made.append(count);
        made.publish();
        made
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn append(&mut self, count: u64) {
        for number in self.edge.size..self.edge.size + count {
            self.append_members(json!({ "n": number }).as_object().unwrap());
        }
    }

    pub(crate) fn append_members(&mut self, members: &Map<String, Value>) {
        self.seal(&Draft::new(members).unwrap());
    }

    pub(crate) fn say(&mut self, event: &Event) {
        let members = json!({ "a": 1 });
        let draft = Draft::with_event(members.as_object().unwrap().clone(), event);
        self.seal(&draft.unwrap());
    }

    fn seal(&mut self, draft: &Draft) {
        let linked = draft.link(&self.link, &name(self.seed)).unwrap();
        let bytes = linked.sign(&key(self.seed)).unwrap();
        self.link = entry::parse(&bytes).unwrap().next();
        self.edge.push(&bytes, leaf_hash(&bytes), &mut self.files);
        self.entries.push(bytes);
    }

    /// The statement that the key of `seed` follows, for the next entry.
    pub(crate) fn statement(&self, seed: u8) -> Handover {
        Handover::make(ORIGIN, &key(self.seed), &key(seed), self.edge.size).unwrap()
    }

    /// Hands over to the key of `seed`.
    pub(crate) fn hand_over(&mut self, seed: u8) {
        self.say(&Event::Handover(self.statement(seed).to_string()));
        self.sign_by(seed);
    }

    /// Lets another key sign, without a word.
    pub(crate) fn sign_by(&mut self, seed: u8) {
        self.seed = seed;
    }

    /// A checkpoint of the tree as it stands, by the key in force.
    pub(crate) fn checkpoint(&self) -> String {
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            size: self.edge.size,
            root: self.edge.root(),
        };
        let note = Note::sign(checkpoint.to_string(), &name(self.seed), &key(self.seed));
        note.unwrap().to_string()
    }

    /// Writes everything as after a clean stop. Earlier partial tiles stay.
    pub(crate) fn publish(&mut self) {
        self.files.extend(self.edge.partials());
        for (tile, bytes) in std::mem::take(&mut self.files) {
            self.write(&format!("ledger/{}", tile.path()), &bytes);
        }
        let note = self.checkpoint();
        self.write("ledger/checkpoint", note.as_bytes());
        self.write("guard/checkpoint", note.as_bytes());
        let time = "2026-01-01T00:00:00Z".parse().unwrap();
        let clock = Note::sign(clock_text(ORIGIN, time), &name(self.seed), &key(self.seed));
        self.write("guard/clock", clock.unwrap().to_string().as_bytes());
        self.write(
            "keys/ledger.vkey",
            format!("{}\n", name(self.seed)).as_bytes(),
        );
        self.write("wal/lock", b"");
        self.write("wal/clean", clean_text(self.edge.size).as_bytes());
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Changes one byte of a file.
    pub(crate) fn flip(&self, name: &str, at: usize) {
        let path = self.file(name);
        let mut bytes = fs::read(&path).unwrap();
        bytes[at] ^= 1;
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.file(name)).unwrap();
    }
}
