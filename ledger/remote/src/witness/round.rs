//! One checkpoint on its way round the witnesses.

use std::{io, time::Instant};

use bytes::Bytes;
use countersign_ledger::{
    Checkpoint, VerifierKey,
    merkle::Hash,
    witness::{AddCheckpoint, Policy, WitnessError, WitnessKey, append},
};
use tokio::{task::JoinSet, time::timeout_at};

use super::{
    client::{ClientSettings, Remote, WitnessClient},
    evidence::contradiction,
    path_name,
};
use crate::http::{Bounds, Http, HttpError, Reply};

/// Most bytes of a witness's answer.
const ANSWER_BYTES: usize = 256 * 1024;
/// Most signature lines looked at in one answer.
const LINES_MAX: usize = 16;

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
pub(super) struct Round<'a> {
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

impl<'a> Round<'a> {
    pub(super) fn new(
        client: &'a WitnessClient,
        note: &'a str,
        ours: Checkpoint,
        proof: &'a mut dyn FnMut(u64) -> io::Result<Vec<Hash>>,
    ) -> Self {
        Self {
            note,
            ours,
            proof,
            policy: &client.policy,
            logs: &client.logs,
            settings: &client.settings,
            http: &client.http,
            tasks: JoinSet::new(),
            evidence_due: 0,
            lines: vec![None; client.policy.witnesses().len()],
            failures: Vec::new(),
            claims: Vec::new(),
            proven: None,
        }
    }

    pub(super) async fn run(&mut self, remotes: &mut [Remote]) {
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
                Some(held) if held < remote.known => {
                    let failure = format!("held size {} and now {held}", remote.known);
                    let failure = format!("{name}: it lost its state: it {failure}");
                    self.failures.push(failure);
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

    pub(super) fn outcome(self) -> Result<Vec<String>, WitnessError> {
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
