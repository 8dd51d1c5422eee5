//! Asking witnesses, all at once.

use std::{io, time::Duration};

use countersign_ledger::{
    Checkpoint, VerifierKey,
    merkle::Hash,
    witness::{Policy, WitnessError, WitnessKey, Witnesses, parts},
};
use tokio::runtime::{Builder, Runtime};

use super::round::Round;
use crate::http::{Http, HttpError, TlsConfig, base_url};

/// Time limits of a witness client.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// Longest wait for a connection.
    pub connect_max: Duration,
    /// Longest wait for one answer.
    pub answer_max: Duration,
    /// Longest time that one call of [`Witnesses::cosign`] takes.
    pub total_max: Duration,
    /// How long to wait for further witnesses once there is a quorum.
    pub grace: Duration,
    /// TLS for `https` addresses; the public authorities without it.
    pub tls: Option<TlsConfig>,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            connect_max: Duration::from_secs(2),
            answer_max: Duration::from_secs(5),
            total_max: Duration::from_secs(10),
            grace: Duration::from_millis(200),
            tls: None,
        }
    }
}

/// Why no client can be made of a policy.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A witness's address is none.
    #[error("witness {name}: {source}")]
    Url {
        /// The witness's name in the policy.
        name: String,
        /// What is wrong.
        source: HttpError,
    },
    /// Even if every witness that has an address cosigns, that is no quorum.
    #[error("the witnesses that have an address are no quorum")]
    NoQuorum,
    /// The system gives no threads or sockets.
    #[error("no runtime: {0}")]
    Runtime(io::Error),
}

/// A witness that has an address.
#[derive(Debug)]
pub(super) struct Remote {
    /// Its place in the policy.
    pub(super) place: usize,
    pub(super) name: String,
    pub(super) key: WitnessKey,
    pub(super) url: String,
    /// The size that it is believed to hold.
    pub(super) known: u64,
}

/// Asks the witnesses of a policy over HTTP. Runs its own small runtime, so call it from a thread
/// that may block (not from a task).
///
/// A witness that refuses because it holds another history is believed when the checkpoint that it
/// serves bears the log's own signature and contradicts ours, or when there is no quorum without
/// it. So one lying witness cannot stop a ledger whose quorum can do without it.
#[derive(Debug)]
pub struct WitnessClient {
    pub(super) policy: Policy,
    pub(super) logs: Vec<VerifierKey>,
    remotes: Vec<Remote>,
    pub(super) settings: ClientSettings,
    pub(super) http: Http,
    runtime: Option<Runtime>,
}

impl WitnessClient {
    /// A client for the witnesses of `policy` that have an address. `log` lines of the policy, when
    /// there are any, are the keys by which a witness's refusal is judged.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn new(policy: Policy, settings: ClientSettings) -> Result<Self, SetupError> {
        let mut remotes = Vec::new();
        for (place, witness) in policy.witnesses().iter().enumerate() {
            let Some(url) = &witness.url else { continue };
            let url = base_url(url).map_err(|source| SetupError::Url {
                name: witness.name.clone(),
                source,
            })?;
            remotes.push(Remote {
                place,
                name: witness.name.clone(),
                key: witness.key.clone(),
                url,
                known: 0,
            });
        }
        if !policy.satisfied(&|place| remotes.iter().any(|remote| remote.place == place)) {
            return Err(SetupError::NoQuorum);
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("witnesses")
            .enable_all()
            .build()
            .map_err(SetupError::Runtime)?;
        let http = {
            let _entered = runtime.enter();
            Http::new(settings.tls.as_ref(), settings.connect_max)
        };
        Ok(Self {
            logs: policy.logs().iter().map(|(key, _)| key.clone()).collect(),
            policy,
            remotes,
            settings,
            http,
            runtime: Some(runtime),
        })
    }
}

impl Drop for WitnessClient {
    fn drop(&mut self) {
        // Waiting for its threads here would be forbidden inside another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Witnesses for WitnessClient {
    fn cosign(
        &mut self,
        checkpoint_note: &str,
        size: u64,
        proof: &mut dyn FnMut(u64) -> io::Result<Vec<Hash>>,
    ) -> Result<Vec<String>, WitnessError> {
        let unusable = |e| WitnessError::NoQuorum(format!("the checkpoint is unusable: {e}"));
        let (text, _) = parts(checkpoint_note).map_err(unusable)?;
        let ours = Checkpoint::parse(text).map_err(unusable)?;
        if ours.size != size {
            let reason = "the checkpoint is of another size".to_owned();
            return Err(WitnessError::NoQuorum(reason));
        }
        let Some(runtime) = self.runtime.take() else {
            return Err(WitnessError::NoQuorum("the client has stopped".to_owned()));
        };
        let mut remotes = std::mem::take(&mut self.remotes);
        let mut round = Round::new(self, checkpoint_note, ours, proof);
        runtime.block_on(round.run(&mut remotes));
        let outcome = round.outcome();
        self.remotes = remotes;
        self.runtime = Some(runtime);
        outcome
    }
}
