//! Signer whose Ed25519 key lives in a PKCS#11 module: an HSM, a smart card or `SoftHSM`.
//!
//! The module is foreign code that may block for as long as it likes, so every call to it is made
//! by worker threads, one session each, and callers wait for at most [`Settings::timeout`]. A
//! session that fails is opened anew once per signature. A refused PIN is never tried again, since
//! tokens lock themselves after a few.

mod session;

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use countersign_ledger::{Signer, SignerError, keys::Passphrase};
use ed25519_dalek::{Signature, VerifyingKey};

use crate::session::Token;

/// Most signatures that wait for a session.
const QUEUE: usize = 1024;
/// Most sessions of one signer.
const MAX_SESSIONS: usize = 64;

/// Where the key is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The vendor's PKCS#11 library. It is code and runs in this process: no untrusted path.
    pub module: PathBuf,
    /// Label of the token.
    pub token: String,
    /// Label of the private key and of its public key (`CKA_LABEL`).
    pub key: String,
    /// PIN of the token's user.
    pub pin: Passphrase,
    /// Sessions that sign side by side, 1 to 64.
    pub sessions: usize,
    /// How long opening may take, and one signature with its wait for a session.
    pub timeout: Duration,
}

impl Settings {
    /// Settings with 2 sessions and 5 seconds.
    pub fn new(module: PathBuf, token: &str, key: &str, pin: Passphrase) -> Self {
        Self {
            module,
            token: token.to_owned(),
            key: key.to_owned(),
            pin,
            sessions: 2,
            timeout: Duration::from_secs(5),
        }
    }
}

/// Why a signer could not be opened, or why a signature could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Pkcs11Error {
    /// The library cannot be loaded or is no PKCS#11 module.
    #[error("PKCS#11 module {path}: {source}")]
    Module {
        /// The library.
        path: String,
        /// The loader's or the module's reason.
        source: cryptoki::error::Error,
    },
    /// No token, or more than one, has the label.
    #[error("{found} tokens are labelled {label:?}")]
    Token {
        /// The label.
        label: String,
        /// How many have it.
        found: usize,
    },
    /// No Ed25519 key of the kind, or more than one, has the label.
    #[error("{found} Ed25519 {kind} keys are labelled {label:?}")]
    Key {
        /// `private` or `public`.
        kind: &'static str,
        /// The label.
        label: String,
        /// How many have it.
        found: usize,
    },
    /// The public key is not an Ed25519 point.
    #[error("the public key in the token is not an Ed25519 point")]
    PublicKey,
    /// The token refused the PIN. This signer does not try it again.
    #[error("the token refused the PIN: {0}")]
    Pin(String),
    /// A call failed.
    #[error("PKCS#11: {0}")]
    Call(#[from] cryptoki::error::Error),
    /// The token signed, but not with the key of this signer.
    #[error("the token's signature does not verify under the ledger's key")]
    Signature,
    /// The module did not answer in time.
    #[error("the PKCS#11 module did not answer within {0:?}")]
    Timeout(Duration),
    /// Too many signatures wait.
    #[error("{QUEUE} signatures wait for the PKCS#11 module")]
    Full,
    /// The settings ask for no session or for too many.
    #[error("a signer has 1 to {MAX_SESSIONS} sessions")]
    Sessions,
    /// The threads that hold the sessions could not be started, or are gone.
    #[error("no thread for a PKCS#11 session")]
    Threads,
}

/// One signature to be made.
struct Job {
    message: Vec<u8>,
    /// Nobody waits any more after this.
    deadline: Instant,
    answer: SyncSender<Result<Signature, Pkcs11Error>>,
}

/// Signs with a key that never leaves its token.
///
/// Dropping it closes its sessions and waits for that, for at most [`Settings::timeout`]: a process
/// that exits while a module is at work may crash.
pub struct Pkcs11Signer {
    key: VerifyingKey,
    /// `None` while it is dropped.
    jobs: Option<SyncSender<Job>>,
    /// Disconnected once every thread is gone.
    threads: Mutex<Receiver<()>>,
    timeout: Duration,
    description: String,
}

impl Pkcs11Signer {
    /// Loads the module, logs in and finds the key.
    ///
    /// # Errors
    /// [`Pkcs11Error`]; a module that answers too late keeps its thread until it answers.
    pub fn open(settings: Settings) -> Result<Self, Pkcs11Error> {
        if !(1..=MAX_SESSIONS).contains(&settings.sessions) {
            return Err(Pkcs11Error::Sessions);
        }
        let (jobs, queue) = sync_channel(QUEUE);
        let (alive, threads) = sync_channel(0);
        let (timeout, sessions) = (settings.timeout, settings.sessions);
        let description = format!("{}/{}", settings.token, settings.key);
        let worker = Worker {
            token: Arc::new(Token::new(settings)),
            queue: Arc::new(Mutex::new(queue)),
            _alive: alive,
        };
        let (answer, first) = sync_channel(1);
        worker.clone().spawn(Some(answer))?;
        let key = match first.recv_timeout(timeout) {
            Ok(opened) => opened?,
            Err(RecvTimeoutError::Timeout) => return Err(Pkcs11Error::Timeout(timeout)),
            Err(RecvTimeoutError::Disconnected) => return Err(Pkcs11Error::Threads),
        };
        for _ in 1..sessions {
            worker.clone().spawn(None)?;
        }
        Ok(Self {
            key,
            jobs: Some(jobs),
            threads: Mutex::new(threads),
            timeout,
            description,
        })
    }

    fn signature(&self, message: &[u8]) -> Result<Signature, Pkcs11Error> {
        let (answer, signature) = sync_channel(1);
        let job = Job {
            message: message.to_vec(),
            deadline: Instant::now() + self.timeout,
            answer,
        };
        let jobs = self.jobs.as_ref().ok_or(Pkcs11Error::Threads)?;
        match jobs.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(Pkcs11Error::Full),
            Err(TrySendError::Disconnected(_)) => return Err(Pkcs11Error::Threads),
        }
        let signature = match signature.recv_timeout(self.timeout) {
            Ok(signature) => signature?,
            Err(RecvTimeoutError::Timeout) => return Err(Pkcs11Error::Timeout(self.timeout)),
            Err(RecvTimeoutError::Disconnected) => return Err(Pkcs11Error::Threads),
        };
        // Another key under the same label, or a fault of the hardware, must not get out.
        self.key
            .verify_strict(message, &signature)
            .map_err(|_| Pkcs11Error::Signature)?;
        Ok(signature)
    }
}

impl Signer for Pkcs11Signer {
    fn public_key(&self) -> VerifyingKey {
        self.key
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, SignerError> {
        self.signature(message)
            .map_err(|error| SignerError(error.to_string()))
    }
}

impl fmt::Debug for Pkcs11Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pkcs11Signer({})", self.description)
    }
}

impl Drop for Pkcs11Signer {
    fn drop(&mut self) {
        self.jobs = None;
        let threads = self.threads.get_mut();
        let threads = threads.unwrap_or_else(PoisonError::into_inner);
        let _ = threads.recv_timeout(self.timeout);
    }
}

/// What a thread with a session of its own works on.
#[derive(Clone)]
struct Worker {
    token: Arc<Token>,
    queue: Arc<Mutex<Receiver<Job>>>,
    /// Never sent on; its end tells that the thread is gone.
    _alive: SyncSender<()>,
}

impl Worker {
    /// Starts the thread. The first one tells how opening went.
    fn spawn(
        self,
        opened: Option<SyncSender<Result<VerifyingKey, Pkcs11Error>>>,
    ) -> Result<(), Pkcs11Error> {
        thread::Builder::new()
            .name("pkcs11".to_owned())
            .spawn(move || self.work(opened))
            .map(drop)
            .map_err(|_| Pkcs11Error::Threads)
    }

    fn work(&self, opened: Option<SyncSender<Result<VerifyingKey, Pkcs11Error>>>) {
        let mut session = None;
        if let Some(opened) = opened {
            let new = self.token.connect();
            let key = new.map(|new| session.insert(new).public_key());
            // Nobody listens after the time limit; then the queue is closed too.
            let _ = opened.try_send(key);
        }
        loop {
            // One idle thread waits in `recv`, the others for the lock.
            let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            let Ok(job) = queue.recv() else {
                return;
            };
            drop(queue);
            if Instant::now() < job.deadline {
                let signature = self.token.sign(&mut session, &job.message);
                let _ = job.answer.try_send(signature);
            }
        }
    }
}
