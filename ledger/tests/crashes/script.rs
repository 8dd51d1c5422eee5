//! What a process does with the ledger, and what it was promised meanwhile.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use countersign_ledger::{
    AppendError, Checkpoint, FolderGuard, Ledger, OpenError, Opening, Recovery, Sequenced,
    Settings, Signer, SignerError, SigningKey, VerifierKey, merkle::Hash,
};
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::{Map, Value, json};
use tokio::{task::JoinSet, time::timeout};

use crate::{machine::Machine, store::SimStore};

pub(crate) const ORIGIN: &str = "example.com/ledger";
/// Nothing takes this long unless it hangs.
const LONG: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Open,
    /// So many appends at once.
    Append(u64),
    /// Wait until everything is published.
    Publish,
    Rotate,
    Prune(u64),
    Close,
    /// The handle goes without a close.
    Leave,
}

/// A key that tells what it signed.
pub(crate) struct Watched {
    key: SigningKey,
    checkpoints: Arc<Mutex<Vec<Checkpoint>>>,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched")
    }
}

impl Signer for Watched {
    fn public_key(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, SignerError> {
        let text = std::str::from_utf8(message).unwrap();
        if let Ok(checkpoint) = Checkpoint::parse(text) {
            self.checkpoints.lock().unwrap().push(checkpoint);
        }
        Signer::sign(&self.key, message)
    }
}

/// An entry that was acknowledged.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledged {
    pub(crate) place: Sequenced,
    pub(crate) id: String,
}

/// One machine, the processes on it, and everything that they were told.
pub(crate) struct Run {
    pub(crate) machine: Machine,
    pub(crate) keys: Vec<Arc<Watched>>,
    /// The key that a start is given; the next one goes with it.
    current: usize,
    /// The key that attests the next entry.
    in_force: usize,
    pub(crate) acknowledged: Vec<Acknowledged>,
    pub(crate) signed: Arc<Mutex<Vec<Checkpoint>>>,
    /// The greatest size that somebody heard is published.
    pub(crate) shown: u64,
    /// Entries below may be gone.
    pub(crate) pruned: u64,
    /// Whether the ledger has anything to say itself.
    pub(crate) events: bool,
    pub(crate) second_guard: bool,
    /// Leaf hashes of entries whose signatures were seen to verify.
    pub(crate) verified: Mutex<BTreeSet<Hash>>,
    next_id: u64,
    ledger: Option<Ledger>,
    /// Faults that had come when the ledger was opened.
    before: usize,
}

impl Run {
    pub(crate) fn new(machine: Machine) -> Self {
        let signed = Arc::new(Mutex::new(Vec::new()));
        let key = |number: u8| {
            Arc::new(Watched {
                key: SigningKey::from_bytes(&[number; 32]),
                checkpoints: signed.clone(),
            })
        };
        Self {
            machine,
            keys: (1..=4).map(key).collect(),
            current: 0,
            in_force: 0,
            acknowledged: Vec::new(),
            signed,
            shown: 0,
            pruned: 0,
            events: false,
            second_guard: false,
            verified: Mutex::default(),
            next_id: 0,
            ledger: None,
            before: 0,
        }
    }

    /// The same past on another machine.
    pub(crate) fn on(&self, machine: Machine) -> Self {
        let mut run = Self::new(machine);
        run.acknowledged.clone_from(&self.acknowledged);
        run.shown = self.shown;
        run.next_id = self.next_id;
        run
    }

    pub(crate) fn name(&self, key: usize) -> VerifierKey {
        VerifierKey::new(ORIGIN, self.keys[key].public_key()).unwrap()
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        self.ledger.as_ref().unwrap()
    }

    fn faults(&self) -> usize {
        self.machine.inside().plan.came.len()
    }

    fn settings(&self) -> Settings {
        let mut settings = Settings::new(&self.machine.root, ORIGIN);
        settings.publish_every = Duration::from_millis(1);
        settings.index_members = vec!["id".into()];
        settings.min_free_bytes = 0;
        settings
    }

    fn try_open(&self) -> Result<(Ledger, Recovery), OpenError> {
        let store = Arc::new(SimStore::new(&self.machine));
        let mut opening = Opening::new(self.settings(), self.keys[self.current].clone())
            .next_signer(self.keys[self.current + 1].clone())
            .store(store.clone());
        if self.second_guard {
            let guard = FolderGuard::open(store, self.machine.root.join("second"))?;
            opening = opening.second_guard(Box::new(guard));
        }
        opening.open()
    }

    /// Opens; a fault on the way may only be told as what it is, and the next try may succeed.
    fn open(&mut self) -> Result<(), String> {
        self.ledger = None;
        loop {
            self.before = self.faults();
            match self.try_open() {
                Ok((ledger, recovery)) => {
                    self.ledger = Some(ledger);
                    let mut names = (0..self.keys.len()).map(|key| self.name(key));
                    let found = names.position(|name| name == recovery.key);
                    self.in_force = found.ok_or("an unknown key is in force")?;
                    return Ok(());
                }
                Err(OpenError::Io(_)) if self.is_dead() => return Ok(()),
                Err(OpenError::Io(_)) if self.faults() > self.before => {}
                Err(error) => return Err(format!("it does not open: {error}")),
            }
        }
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.machine.inside().plan.is_dead()
    }

    pub(crate) fn leave(&mut self) {
        self.ledger = None;
    }

    /// Only a fault since the ledger was opened excuses a refusal.
    fn excused(&self, what: &str, error: &dyn fmt::Display) -> Result<(), String> {
        if self.faults() > self.before {
            Ok(())
        } else {
            Err(format!("{what} without any fault: {error}"))
        }
    }

    fn acknowledge(
        &mut self,
        id: String,
        answer: Result<Sequenced, AppendError>,
    ) -> Result<Option<Sequenced>, String> {
        match answer {
            Ok(place) => {
                let known = Acknowledged {
                    place: place.clone(),
                    id,
                };
                self.acknowledged.push(known);
                Ok(Some(place))
            }
            // It is recorded, and what follows from it is not yet done.
            Err(AppendError::Unfinished(_)) => Ok(None),
            Err(error) => self.excused("an append was refused", &error).map(|()| None),
        }
    }

    fn members(&mut self) -> (String, Map<String, Value>) {
        let id = format!("id-{}", self.next_id);
        self.next_id += 1;
        let pad = "x".repeat((self.next_id % 7 * 60) as usize);
        let Value::Object(members) = json!({"id": id, "pad": pad}) else {
            unreachable!("the literal is an object")
        };
        (id, members)
    }

    async fn append(&mut self, count: u64) -> Result<(), String> {
        let mut tasks = JoinSet::new();
        for _ in 0..count {
            let (id, members) = self.members();
            let ledger = self.ledger().clone();
            tasks.spawn(async move { (id, ledger.append(members).await) });
        }
        let answers = timeout(LONG, tasks.join_all());
        for (id, answer) in answers.await.map_err(|_| "an append hangs")? {
            self.acknowledge(id, answer)?;
        }
        Ok(())
    }

    async fn publish(&mut self) -> Result<(), String> {
        let Some(last) = self.ledger().head().size.checked_sub(1) else {
            return Ok(());
        };
        let published = timeout(LONG, self.ledger().published(last));
        match published.await.map_err(|_| "a publication hangs")? {
            Ok(info) => {
                self.shown = self.shown.max(info.size);
                // The key files change once the statement is published.
                self.current = self.in_force;
            }
            Err(error) => self.excused("a publication failed", &error)?,
        }
        Ok(())
    }

    async fn rotate(&mut self) -> Result<(), String> {
        self.events = true;
        // A handover that a crash overtook comes first.
        self.publish().await?;
        let next = self.in_force + 1;
        if self.current != self.in_force {
            return Ok(());
        }
        let (id, members) = self.members();
        let ledger = self.ledger().clone();
        let answer = timeout(LONG, ledger.rotate(self.keys[next].clone(), members));
        let answer = answer.await.map_err(|_| "a rotation hangs")?;
        if self.acknowledge(id, answer)?.is_some() {
            self.in_force = next;
            self.publish().await?;
        }
        Ok(())
    }

    async fn prune(&mut self, before: u64) -> Result<(), String> {
        self.events = true;
        self.pruned = self.pruned.max(before);
        let (id, members) = self.members();
        let ledger = self.ledger().clone();
        let answer = timeout(LONG, ledger.prune(before, members));
        let answer = answer.await.map_err(|_| "a pruning hangs")?;
        if self.acknowledge(id, answer)?.is_some() {
            self.removed(before)?;
        }
        Ok(())
    }

    /// After a pruning none of what it was about is left, also of what crashes left behind.
    fn removed(&self, before: u64) -> Result<(), String> {
        let files = &self.machine.inside().files;
        let folder = self.machine.root.join("ledger/tile/entries");
        for number in 0..before / 256 {
            for name in [format!("{number:03}"), format!("{number:03}.p")] {
                let path = folder.join(&name);
                if files.node(&path).is_some_and(|node| {
                    node != crate::machine::Node::Folder || !files.children(&path).is_empty()
                }) {
                    return Err(format!("{name} is left although it was pruned"));
                }
            }
        }
        Ok(())
    }

    async fn close(&mut self) -> Result<(), String> {
        let closed = timeout(LONG, self.ledger().close());
        match closed.await.map_err(|_| "a close hangs")? {
            Ok(()) => self.shown = self.shown.max(self.ledger().head().size),
            Err(error) => self.excused("a close failed", &error)?,
        }
        self.ledger = None;
        Ok(())
    }

    /// Does the steps until the machine goes off.
    pub(crate) async fn go(&mut self, steps: &[Step]) -> Result<(), String> {
        for step in steps {
            let done = match step {
                Step::Open => self.open(),
                Step::Append(count) => self.append(*count).await,
                Step::Publish => self.publish().await,
                Step::Rotate => self.rotate().await,
                Step::Prune(before) => self.prune(*before).await,
                Step::Close => self.close().await,
                Step::Leave => {
                    self.leave();
                    Ok(())
                }
            };
            done.map_err(|error| format!("{step:?}: {error}"))?;
            if self.is_dead() {
                break;
            }
        }
        Ok(())
    }

    /// The leaf hashes that were acknowledged, by index.
    pub(crate) fn promised(&self) -> impl Iterator<Item = (u64, Hash)> {
        let places = self.acknowledged.iter().map(|known| &known.place);
        places.map(|place| (place.index, place.leaf_hash))
    }
}
