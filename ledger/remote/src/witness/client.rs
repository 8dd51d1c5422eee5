//! Asking witnesses, all at once.

use std::{
    io,
    time::{Duration, Instant},
};

use bytes::Bytes;
use countersign_ledger::{
    Checkpoint, VerifierKey,
    merkle::Hash,
    witness::{AddCheckpoint, Policy, WitnessError, WitnessKey, Witnesses, append, parts},
};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
    time::timeout_at,
};

use super::{evidence::contradiction, path_name};
use crate::http::{Bounds, Http, HttpError, Reply, TlsConfig, base_url};

/// Most bytes of a witness's answer.
const ANSWER_BYTES: usize = 256 * 1024;
/// Most signature lines looked at in one answer.
const LINES_MAX: usize = 16;

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

#[derive(Debug)]
struct Remote {
    /// Its place in the policy.
    place: usize,
    name: String,
    key: WitnessKey,
    url: String,
    /// The size that it is believed to hold.
    known: u64,
}

/// Asks the witnesses of a policy over HTTP. Runs its own small runtime, so call it from a thread
/// that may block (not from a task).
///
/// A witness that refuses because it holds another history is believed when the checkpoint that it
/// serves bears the log's own signature and contradicts ours, or when there is no quorum without
/// it. So one lying witness cannot stop a ledger whose quorum can do without it.
#[derive(Debug)]
pub struct WitnessClient {
    policy: Policy,
    logs: Vec<VerifierKey>,
    remotes: Vec<Remote>,
    settings: ClientSettings,
    http: Http,
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
        let mut round = Round {
            note: checkpoint_note,
            ours,
            proof,
            policy: &self.policy,
            logs: &self.logs,
            settings: &self.settings,
            http: &self.http,
            tasks: JoinSet::new(),
            evidence_due: 0,
            lines: vec![None; self.policy.witnesses().len()],
            failures: Vec::new(),
            claims: Vec::new(),
            proven: None,
        };
        runtime.block_on(round.run(&mut self.remotes));
        let outcome = round.outcome();
        self.runtime = Some(runtime);
        outcome
    }
}

enum Came {
    Answer {
        remote: usize,
        old: u64,
        again: bool,
        reply: Result<Reply, HttpError>,
    },
    Evidence(Result<Reply, HttpError>),
}

/// One checkpoint on its way round the witnesses.
struct Round<'a> {
    note: &'a str,
    ours: Checkpoint,
    proof: &'a mut dyn FnMut(u64) -> io::Result<Vec<Hash>>,
    policy: &'a Policy,
    logs: &'a [VerifierKey],
    settings: &'a ClientSettings,
    http: &'a Http,
    /// At most two requests per witness.
    tasks: JoinSet<Came>,
    evidence_due: usize,
    /// The line of each witness of the policy.
    lines: Vec<Option<String>>,
    failures: Vec<String>,
    claims: Vec<String>,
    proven: Option<String>,
}

impl Round<'_> {
    async fn run(&mut self, remotes: &mut [Remote]) {
        let mut deadline = Instant::now() + self.settings.total_max;
        for (number, remote) in remotes.iter().enumerate() {
            // What it cannot hold by our account, it is asked for by beginning at zero.
            let old = Some(remote.known).filter(|known| *known <= self.ours.size);
            self.ask(number, remote, old.unwrap_or(0), false);
        }
        let mut graced = false;
        while let Ok(Some(came)) = timeout_at(deadline.into(), self.tasks.join_next()).await {
            match came {
                Ok(Came::Answer {
                    remote: number,
                    old,
                    again,
                    reply,
                }) => {
                    if let Some(remote) = remotes.get_mut(number) {
                        self.answered(number, remote, (old, again), reply);
                    }
                }
                Ok(Came::Evidence(reply)) => self.judge(reply),
                Err(error) => self.failures.push(error.to_string()),
            }
            // A refusal that may turn out to be right is worth the whole time limit.
            if !graced && self.evidence_due == 0 && self.has_quorum() {
                graced = true;
                deadline = deadline.min(Instant::now() + self.settings.grace);
            }
        }
        self.tasks.abort_all();
    }

    fn ask(&mut self, number: usize, remote: &Remote, old: u64, again: bool) {
        // From nothing to anything the proof is empty by definition.
        let proof = if old == 0 {
            Ok(Vec::new())
        } else {
            (self.proof)(old)
        };
        let proof = match proof {
            Ok(proof) => proof,
            Err(error) => {
                let failure = format!("{}: no proof from size {old}: {error}", remote.name);
                self.failures.push(failure);
                return;
            }
        };
        let request = AddCheckpoint {
            old,
            proof,
            note: self.note.to_owned(),
        };
        let body = Bytes::from(request.to_string());
        let url = format!("{}/add-checkpoint", remote.url);
        let (http, bounds) = (self.http.clone(), self.bounds());
        self.tasks.spawn(async move {
            Came::Answer {
                remote: number,
                old,
                again,
                reply: http.post(&url, body, bounds).await,
            }
        });
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            time: self.settings.answer_max,
            bytes: ANSWER_BYTES,
        }
    }

    fn answered(
        &mut self,
        number: usize,
        remote: &mut Remote,
        (old, again): (u64, bool),
        reply: Result<Reply, HttpError>,
    ) {
        let name = remote.name.clone();
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) => return self.failures.push(format!("{name}: {error}")),
        };
        match reply.status {
            200 => match self.signed(&remote.key, &reply.body) {
                Some(line) => {
                    remote.known = self.ours.size;
                    if let Some(slot) = self.lines.get_mut(remote.place) {
                        *slot = Some(line);
                    }
                }
                None => self
                    .failures
                    .push(format!("{name}: no valid cosignature in its answer")),
            },
            409 => match stated_size(&reply) {
                Some(held) if held > self.ours.size => {
                    let claim = format!("{name} holds size {held}, ours is {}", self.ours.size);
                    self.claim(remote, claim);
                }
                Some(held) if held != old && !again => {
                    remote.known = held;
                    self.ask(number, remote, held, true);
                }
                // So earlier versions of the protocol say that the roots differ.
                Some(held) if held == old && held == self.ours.size => {
                    self.claim(remote, format!("{name} holds another root of size {held}"));
                }
                _ => self
                    .failures
                    .push(format!("{name}: it does not say what it holds")),
            },
            422 => self.claim(
                remote,
                format!("{name} holds size {old}, which ours does not extend"),
            ),
            404 => self
                .failures
                .push(format!("{name}: it does not know this ledger")),
            status => self.failures.push(format!("{name}: status {status}")),
        }
    }

    /// The witness's valid signature line in its answer. Lines of others are ignored.
    fn signed(&self, key: &WitnessKey, body: &[u8]) -> Option<String> {
        let text = std::str::from_utf8(body).ok()?;
        let mut lines = text.lines().take(LINES_MAX).map(str::to_owned);
        lines.find(|line| {
            append(self.note, std::slice::from_ref(line))
                .is_ok_and(|merged| key.verify(&merged).is_ok())
        })
    }

    /// Takes note of a refusal and asks for what it rests on.
    fn claim(&mut self, remote: &Remote, claim: String) {
        self.claims.push(claim);
        self.evidence_due += 1;
        let log = path_name(&self.ours.origin);
        let url = format!("{}/{log}/checkpoint", remote.url);
        let (http, bounds) = (self.http.clone(), self.bounds());
        self.tasks
            .spawn(async move { Came::Evidence(http.get(&url, bounds).await) });
    }

    fn judge(&mut self, reply: Result<Reply, HttpError>) {
        self.evidence_due -= 1;
        let Ok(reply) = reply else { return };
        let held = String::from_utf8_lossy(&reply.body);
        if reply.status == 200
            && let Some(found) = contradiction(&held, self.logs, &self.ours, self.proof)
        {
            self.proven = Some(found);
        }
    }

    fn has_quorum(&self) -> bool {
        let lines = &self.lines;
        self.policy
            .satisfied(&|place| lines.get(place).is_some_and(Option::is_some))
    }

    fn outcome(self) -> Result<Vec<String>, WitnessError> {
        let claims = self.claims.join("; ");
        if let Some(proven) = self.proven {
            return Err(WitnessError::Conflict(format!("{claims}; it has {proven}")));
        }
        if self.has_quorum() {
            if !claims.is_empty() {
                tracing::warn!(claims, "a witness refuses without evidence");
            }
            return Ok(self.lines.into_iter().flatten().collect());
        }
        if !claims.is_empty() {
            return Err(WitnessError::Conflict(claims));
        }
        let mut reasons = self.failures;
        if reasons.is_empty() {
            reasons.push("no answer in time".to_owned());
        }
        Err(WitnessError::NoQuorum(reasons.join("; ")))
    }
}

/// The size in a 409 answer.
fn stated_size(reply: &Reply) -> Option<u64> {
    let typed = reply.content_type.split(';').next()?.trim() == "text/x.tlog.size";
    let text = std::str::from_utf8(&reply.body).ok()?;
    let digits = text.strip_suffix('\n').unwrap_or(text);
    let size: u64 = digits.parse().ok()?;
    (typed && size.to_string() == digits).then_some(size)
}
