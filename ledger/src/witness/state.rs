//! What a witness does with a request.

use std::{collections::BTreeMap, fmt, io, sync::Arc};

use super::{
    AddCheckpoint, WitnessKey, append,
    cosignature::cosign,
    lines::{Line, parts},
};
use crate::{
    keys::VerifierKey,
    merkle::{Hash, empty_root, verify_consistency},
    note::{Checkpoint, Note, NoteError},
    signer::Signer,
};

/// Most log keys that one witness knows.
pub const MAX_LOGS: usize = 4096;

/// Where a witness keeps the checkpoint that it cosigned last, per log.
///
/// Contract: what [`Store::replace`] was given is durable when it returns and is what
/// [`Store::latest`] gives from then on, after a restart too; an interrupted replacement leaves the
/// old or the new note, whole. One store serves one witness: whoever opens it keeps others out.
pub trait Store: Send + fmt::Debug {
    /// The note that was stored last for `origin`.
    ///
    /// # Errors
    /// When it cannot be read.
    fn latest(&self, origin: &str) -> io::Result<Option<String>>;

    /// Stores `note` in place of the one before.
    ///
    /// # Errors
    /// When it may not be durable; the witness then signs no more until it is started again.
    fn replace(&mut self, origin: &str, note: &str) -> io::Result<()>;

    /// Keeps a request that a log signed and that contradicts what it had signed before. Best
    /// effort and bounded: a full store drops it.
    fn keep_evidence(&mut self, origin: &str, request: &str);
}

/// Why a witness cannot be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WitnessSetupError {
    /// The signer holds another key.
    #[error("the signer's key is not the witness's key")]
    Mismatch,
    /// A log uses the witness's own key.
    #[error("the log {0} uses the witness's own key")]
    OwnKey(String),
    /// More log keys than the bound.
    #[error("a witness knows at most {MAX_LOGS} log keys")]
    TooManyLogs,
}

/// A witness's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 200: signature lines, without newlines.
    Cosigned(Vec<String>),
    /// 400: not a request, or an old size above the checkpoint's.
    Malformed(String),
    /// 403: no valid signature by the log.
    NotSigned,
    /// 404: not a log that this witness knows.
    UnknownLog,
    /// 409: the size that the witness holds.
    Conflict(u64),
    /// 422: the checkpoint does not extend the one that the witness holds.
    Inconsistent(&'static str),
    /// 503: nothing was signed, for a reason of the witness's own.
    Unavailable(String),
}

impl Answer {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Cosigned(_) => 200,
            Self::Malformed(_) => 400,
            Self::NotSigned => 403,
            Self::UnknownLog => 404,
            Self::Conflict(_) => 409,
            Self::Inconsistent(_) => 422,
            Self::Unavailable(_) => 503,
        }
    }

    /// The HTTP content type.
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Conflict(_) => "text/x.tlog.size",
            _ => "text/plain; charset=utf-8",
        }
    }

    /// The HTTP body.
    pub fn body(&self) -> String {
        match self {
            Self::Cosigned(lines) => lines.iter().map(|line| format!("{line}\n")).collect(),
            Self::Malformed(reason) | Self::Unavailable(reason) => format!("{reason}\n"),
            Self::NotSigned => "no valid signature by the log\n".to_owned(),
            Self::UnknownLog => "unknown log\n".to_owned(),
            Self::Conflict(size) => format!("{size}\n"),
            Self::Inconsistent(reason) => format!("{reason}\n"),
        }
    }
}

/// A witness: cosigns what extends the checkpoint it cosigned last, and nothing else. Exclusive
/// access makes check and store one step.
#[derive(Debug)]
pub struct Witness<S> {
    key: WitnessKey,
    signer: Arc<dyn Signer>,
    logs: BTreeMap<String, Vec<VerifierKey>>,
    pub(super) store: S,
    /// A write failed: what the store holds is not known until it is opened again.
    broken: bool,
}

/// The checkpoint that the witness holds; size 0 before the first.
struct Held {
    size: u64,
    root: Hash,
    /// When it was cosigned.
    time: u64,
}

impl<S: Store> Witness<S> {
    /// A witness for the given logs; several keys of one name are keys of one log.
    ///
    /// # Errors
    /// [`WitnessSetupError`].
    pub fn new(
        key: WitnessKey,
        signer: Arc<dyn Signer>,
        logs: &[VerifierKey],
        store: S,
    ) -> Result<Self, WitnessSetupError> {
        if signer.public_key() != *key.public_key() {
            return Err(WitnessSetupError::Mismatch);
        }
        if logs.len() > MAX_LOGS {
            return Err(WitnessSetupError::TooManyLogs);
        }
        let mut known: BTreeMap<String, Vec<VerifierKey>> = BTreeMap::new();
        for log in logs {
            // One key must not make two kinds of statements.
            let same = VerifierKey::new(log.name(), *key.public_key());
            if same.is_ok_and(|own| own == *log) {
                return Err(WitnessSetupError::OwnKey(log.name().to_owned()));
            }
            known
                .entry(log.name().to_owned())
                .or_default()
                .push(log.clone());
        }
        Ok(Self {
            key,
            signer,
            logs: known,
            store,
            broken: false,
        })
    }

    /// The witness's key.
    pub fn key(&self) -> &WitnessKey {
        &self.key
    }

    /// Origins of the logs that this witness knows.
    pub fn origins(&self) -> impl Iterator<Item = &str> {
        self.logs.keys().map(String::as_str)
    }

    /// The checkpoint that was cosigned last, with the log's signature and the witness's.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn latest(&self, origin: &str) -> io::Result<Option<String>> {
        self.store.latest(origin)
    }

    /// Answers an `add-checkpoint` request at the time `now`, in seconds since the epoch. When the
    /// answer is [`Answer::Cosigned`], the checkpoint is durable in the store.
    pub fn add_checkpoint(&mut self, body: &[u8], now: u64) -> Answer {
        self.decide(body, now).unwrap_or_else(|refusal| refusal)
    }

    fn decide(&mut self, body: &[u8], now: u64) -> Result<Answer, Answer> {
        if self.broken {
            let reason = "a write failed; the witness must be started again";
            return Err(Answer::Unavailable(reason.to_owned()));
        }
        let malformed = |reason: String| Answer::Malformed(reason);
        let request = AddCheckpoint::parse(body).map_err(|e| malformed(e.to_string()))?;
        let (text, lines) = parts(&request.note).map_err(|e| malformed(e.to_string()))?;
        let new = Checkpoint::parse(text).map_err(|e| malformed(e.to_string()))?;
        if i64::try_from(new.size).is_err() {
            return Err(malformed("the tree size is out of range".to_owned()));
        }
        let keys = self.logs.get(&new.origin).ok_or(Answer::UnknownLog)?;
        let signed = log_lines(&request.note, &lines, keys).ok_or(Answer::NotSigned)?;
        if request.old > new.size {
            let reason = "the old size is above the checkpoint's";
            return Err(malformed(reason.to_owned()));
        }
        let held = self.held(&new.origin)?;
        if new.size == held.size && new.root != held.root {
            // Whatever the old size: the log signed two roots of one size.
            self.store.keep_evidence(&new.origin, &request.to_string());
        }
        if request.old != held.size {
            return Err(Answer::Conflict(held.size));
        }
        if !verify_consistency(held.size, new.size, &request.proof, &held.root, &new.root) {
            self.store.keep_evidence(&new.origin, &request.to_string());
            let reason = "the checkpoint is not proven to extend the one held";
            return Err(Answer::Inconsistent(reason));
        }
        if now < held.time {
            let reason = "the clock is behind the last cosignature";
            return Err(Answer::Unavailable(reason.to_owned()));
        }
        self.cosign(text, &signed, &new.origin, now)
    }

    fn cosign(
        &mut self,
        text: &str,
        signed: &[String],
        origin: &str,
        now: u64,
    ) -> Result<Answer, Answer> {
        let unavailable = |reason: String| Answer::Unavailable(reason);
        let line = cosign(&self.key, &*self.signer, text, now)
            .map_err(|error| unavailable(error.to_string()))?;
        let note = format!("{text}\n{}\n", signed.join("\n"));
        let note = append(&note, std::slice::from_ref(&line))
            .map_err(|error| unavailable(error.to_string()))?;
        // A crash before this is durable: nothing was answered, the log asks again.
        self.store.replace(origin, &note).map_err(|error| {
            self.broken = true;
            unavailable(format!("the checkpoint could not be stored: {error}"))
        })?;
        Ok(Answer::Cosigned(vec![line]))
    }

    /// What the store holds, believed only under the witness's own signature.
    fn held(&self, origin: &str) -> Result<Held, Answer> {
        let unavailable = |reason: &dyn fmt::Display| {
            Answer::Unavailable(format!("the stored checkpoint is unusable: {reason}"))
        };
        let stored = self.store.latest(origin).map_err(|e| unavailable(&e))?;
        let Some(note) = stored else {
            return Ok(Held {
                size: 0,
                root: empty_root(),
                time: 0,
            });
        };
        let time = self.key.verify(&note).map_err(|e| unavailable(&e))?;
        let checkpoint = parts(&note)
            .and_then(|(text, _)| Checkpoint::parse(text))
            .map_err(|e| unavailable(&e))?;
        if checkpoint.origin != origin {
            return Err(unavailable(&"it is of another log"));
        }
        Ok(Held {
            size: checkpoint.size,
            root: checkpoint.root,
            time,
        })
    }
}

/// The lines by which the log signed the note; `None` when there are none or one does not verify.
fn log_lines(note: &str, lines: &[&str], keys: &[VerifierKey]) -> Option<Vec<String>> {
    let parsed = Note::parse(note).ok()?;
    let mut verified = Vec::new();
    for key in keys {
        match parsed.verify(key) {
            Ok(()) => verified.push(key),
            Err(NoteError::NotSigned(_)) => {}
            Err(_) => return None,
        }
    }
    let by_log = |line: &&&str| {
        Line::parse(line).is_some_and(|line| {
            let mut keys = verified.iter();
            keys.any(|key| key.name() == line.name && key.id() == line.id)
        })
    };
    let signed: Vec<String> = lines
        .iter()
        .filter(by_log)
        .map(|line| (*line).to_owned())
        .collect();
    (!signed.is_empty()).then_some(signed)
}
