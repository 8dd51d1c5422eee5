//! The honest ledger, what its auditors hold, and what an attacker may have besides.

use std::{fs, path::Path, sync::OnceLock, time::Duration};

use countersign_ledger::{Checkpoint, Ledger, SigningKey, VerifierKey, receipt};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::{
    common::{Home, copy},
    cosigner::Cosigner,
};

/// Entries under the older checkpoint that an auditor may hold.
pub(crate) const OLDER: u64 = 300;
/// Entries under the checkpoint of the receipt that an auditor may hold.
pub(crate) const RECEIPT: u64 = 470;
/// The entry of that receipt.
pub(crate) const RECEIPT_INDEX: u64 = 123;
/// Entries under the newest checkpoint, which a witness has seen.
pub(crate) const WITNESSED: u64 = 580;
/// All entries; the last ones are durable and not yet published.
pub(crate) const ENTRIES: u64 = 600;
/// Sizes at which a run of the ledger ended; a copy of each is kept.
const STOPS: [u64; 4] = [150, OLDER, RECEIPT, WITNESSED];

/// Everything that attacks and auditors draw from.
pub(crate) struct World {
    /// The honest ledger, at rest after a crash that left entries pending.
    pub(crate) home: Home,
    /// An honest ledger of the same name and key, of the same sizes, with other entries.
    pub(crate) twin: Home,
    /// What the same software makes of the state at [`OLDER`] when other entries follow.
    pub(crate) fork: Home,
    /// The ledger's private key, for attackers who stole it.
    pub(crate) key: SigningKey,
    /// A key of the attacker's own, under the ledger's name.
    pub(crate) other: (SigningKey, VerifierKey),
    /// The receipt that an auditor holds, and its entry.
    pub(crate) receipt: (String, Vec<u8>),
    /// The witness, which saw every checkpoint of the honest ledger.
    pub(crate) cosigner: Cosigner,
    states: Vec<(u64, TempDir)>,
}

/// What an auditor has besides the verifier key. Each knows more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Knowledge {
    Key,
    Older,
    Receipt,
    Witness,
}

impl Knowledge {
    pub(crate) const ALL: [Self; 4] = [Self::Key, Self::Older, Self::Receipt, Self::Witness];

    /// How many entries are under the checkpoint that this auditor holds.
    pub(crate) fn size(self) -> Option<u64> {
        match self {
            Self::Key => None,
            Self::Older => Some(OLDER),
            Self::Receipt => Some(RECEIPT),
            Self::Witness => Some(WITNESSED),
        }
    }
}

pub(crate) fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(World::build())
    })
}

/// What the caller of the ledger puts into entry `i`. Every text has the same length, so that
/// places do not depend on the values.
pub(crate) fn members(name: &str, i: u64) -> Map<String, Value> {
    let time = format!("2026-01-01T00:{:02}:{:02}Z", i / 60, i % 60);
    let Value::Object(members) = json!({"id": format!("{name}-{i:04}"), "n": i, "time": time})
    else {
        unreachable!("the literal is an object")
    };
    members
}

async fn append(ledger: &Ledger, name: &'static str, range: std::ops::Range<u64>) {
    // Tasks of one thread start in the order in which they are spawned.
    let tasks: Vec<_> = range
        .map(|i| {
            let ledger = ledger.clone();
            (
                i,
                tokio::spawn(async move { ledger.append(members(name, i)).await }),
            )
        })
        .collect();
    for (i, task) in tasks {
        assert_eq!(task.await.unwrap().unwrap().index, i);
    }
}

/// Runs the ledger until `stop` and closes it.
async fn run_until(home: &Home, name: &'static str, from: u64, stop: u64) {
    let (ledger, _) = home.open();
    append(&ledger, name, from..stop).await;
    ledger.close().await.unwrap();
}

/// Runs the ledger until the last entry; the end is a crash.
async fn run_to_the_crash(home: &Home, name: &'static str) {
    let (ledger, _) = home.open();
    append(&ledger, name, WITNESSED..ENTRIES).await;
}

impl World {
    async fn build() -> Self {
        let mut home = Home::new();
        home.settings.publish_every = Duration::from_hours(1);
        let key = home.key.clone();
        let mut cosigner = Cosigner::new(&home.name);
        let mut states = Vec::new();
        let mut from = 0;
        for stop in STOPS {
            run_until(&home, "own", from, stop).await;
            let state = tempfile::tempdir().unwrap();
            copy(home.path(), state.path());
            assert!(cosigner.ask(state.path()));
            states.push((stop, state));
            from = stop;
        }
        let receipt = receipt_at(&home, &states[2].1).await;
        run_to_the_crash(&home, "own").await;
        for name in ["ledger/checkpoint", "guard/checkpoint"] {
            fs::copy(states[3].1.path().join(name), home.path().join(name)).unwrap();
        }
        let twin = home.twin();
        run_until(&twin, "two", 0, RECEIPT).await;
        run_until(&twin, "two", RECEIPT, WITNESSED).await;
        run_to_the_crash(&twin, "two").await;
        let fork = home.twin();
        copy(states[1].1.path(), fork.path());
        run_until(&fork, "alt", OLDER, WITNESSED).await;
        let other = SigningKey::from_bytes(&[9; 32]);
        let other_name = VerifierKey::new(home.name.name(), other.verifying_key()).unwrap();
        Self {
            home,
            twin,
            fork,
            key,
            other: (other, other_name),
            receipt,
            cosigner,
            states,
        }
    }

    /// The directory as it was when so many entries were published and the ledger was closed.
    pub(crate) fn state(&self, size: u64) -> &Path {
        let state = self.states.iter().find(|(stop, _)| *stop == size);
        state.unwrap().1.path()
    }

    pub(crate) fn name(&self) -> &VerifierKey {
        &self.home.name
    }

    /// The checkpoint that such an auditor holds, checked by its signature.
    pub(crate) fn since(&self, knowledge: Knowledge) -> Option<Checkpoint> {
        match knowledge {
            Knowledge::Key => None,
            Knowledge::Older => {
                let note = fs::read_to_string(self.state(OLDER).join("ledger/checkpoint"));
                Some(Checkpoint::open(&note.unwrap(), self.name()).unwrap())
            }
            Knowledge::Receipt => {
                let (receipt, entry) = &self.receipt;
                let included = receipt::verify(receipt, entry, self.name()).unwrap();
                assert_eq!(included.index, RECEIPT_INDEX);
                Some(included.checkpoint)
            }
            Knowledge::Witness => self.cosigner.latest(),
        }
    }

    /// A copy of the honest ledger, to be attacked.
    pub(crate) fn copy(&self) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        copy(self.home.path(), dir.path());
        dir
    }
}

/// The receipt as the ledger gave it when [`RECEIPT`] entries were published.
async fn receipt_at(home: &Home, state: &TempDir) -> (String, Vec<u8>) {
    let again = home.twin();
    copy(state.path(), again.path());
    let (ledger, _) = again.open();
    let receipt = ledger.receipt(RECEIPT_INDEX).unwrap().unwrap();
    let entry = ledger.read(RECEIPT_INDEX).unwrap().unwrap();
    ledger.close().await.unwrap();
    (receipt, entry)
}
