//! Everything that a ledger is opened with.

use std::{fmt, sync::Arc};

use tokio::sync::mpsc;

use crate::{
    guard::Guard,
    index::{InMemory, IndexStore},
    indexer::Indexer,
    keys::Handover,
    ledger::{Inner, Ledger, OpenError, Recovery, Settings},
    log::Log,
    publish::Publisher,
    recovery,
    sequencer::Sequencer,
    signer::Signer,
    store::{Disk, Store},
    witness::Witnesses,
};

/// Opens or creates a ledger. Without more than settings and a signer it lies on the machine's
/// disk, keeps its index in memory and has neither a second guard nor witnesses.
pub struct Opening {
    pub(crate) settings: Settings,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) next: Option<Arc<dyn Signer>>,
    pub(crate) guard: Option<Box<dyn Guard>>,
    pub(crate) store: Arc<dyn Store>,
    index: Box<dyn IndexStore>,
    witnesses: Option<Box<dyn Witnesses>>,
    handovers: Vec<Handover>,
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Opening {
    /// Opens with `signer`, whose key the ledger's entries and checkpoints are signed by.
    pub fn new(settings: Settings, signer: Arc<dyn Signer>) -> Self {
        Self {
            settings,
            signer,
            next: None,
            guard: None,
            store: Arc::new(Disk),
            index: Box::new(InMemory),
            witnesses: None,
            handovers: Vec::new(),
        }
    }

    /// Keeps the index there.
    #[must_use]
    pub fn index(mut self, index: Box<dyn IndexStore>) -> Self {
        self.index = index;
        self
    }

    /// Knows the key that a rotation is under way to; needed when a crash cut the rotation short.
    #[must_use]
    pub fn next_signer(mut self, next: Arc<dyn Signer>) -> Self {
        self.next = Some(next);
        self
    }

    /// Guards the last signed checkpoint in a second place as well, best on another disk.
    #[must_use]
    pub fn second_guard(mut self, guard: Box<dyn Guard>) -> Self {
        self.guard = Some(guard);
        self
    }

    /// Publishes no checkpoint that these do not cosign.
    #[must_use]
    pub fn witnesses(mut self, witnesses: Box<dyn Witnesses>) -> Self {
        self.witnesses = Some(witnesses);
        self
    }

    /// Lies in another file system than the machine's.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = store;
        self
    }

    /// The rotations so far, oldest first, for receipts to carry; [`keys::load_ring`] has them.
    ///
    /// [`keys::load_ring`]: crate::keys::load_ring
    #[must_use]
    pub fn handovers(mut self, handovers: Vec<Handover>) -> Self {
        self.handovers = handovers;
        self
    }

    /// Repairs what a crash left and starts the writer. Blocks on the disk.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was signed then.
    pub fn open(self) -> Result<(Ledger, Recovery), OpenError> {
        if self.settings.queue == 0 || self.settings.max_pending == 0 {
            return Err(OpenError::Settings("a queue of no places takes nothing"));
        }
        let Self {
            settings,
            signer,
            next,
            guard,
            store,
            index,
            witnesses,
            handovers,
        } = self;
        let mut recovered = recovery::open(settings, store, (signer, next), guard)?;
        let recovery = recovered.recovery.clone();
        let shared = recovered.shared.clone();
        shared.state().remember(handovers);
        let (commands, receiver) = mpsc::channel(shared.settings.queue);
        let (indexer, wake) = Indexer::start(shared.clone(), index)?;
        let mut publisher = Publisher::new(&mut recovered, witnesses, wake);
        publisher.finish();
        let lock = recovered.take_lock()?;
        let log = Log::start(shared.clone(), publisher, lock)?;
        let sequencer = Sequencer::new(recovered, log);
        let thread = std::thread::Builder::new()
            .name("ledger-sequencer".into())
            .spawn(move || sequencer.run(receiver))?;
        let inner = Inner {
            shared,
            indexer,
            commands: Some(commands),
            sequencer: Some(thread),
        };
        let ledger = Ledger {
            inner: Arc::new(inner),
        };
        Ok((ledger, recovery))
    }
}
