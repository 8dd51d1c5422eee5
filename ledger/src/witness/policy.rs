//! Whose signatures make a checkpoint acceptable (C2SP tlog-policy).

use std::{collections::BTreeMap, str::FromStr};

use super::{CosignatureError, WitnessKey};
use crate::{
    keys::{KeyError, KeyRing, VerifierKey},
    note::{Checkpoint, NoteError},
};

/// Most logs, most witnesses and most groups of one policy.
const MAX_ITEMS: usize = 32;
/// Most bytes of a policy.
const MAX_POLICY: usize = 64 * 1024;

/// Why a text is not a policy.
#[derive(Debug, thiserror::Error)]
#[error("policy, line {line}: {reason}")]
pub struct PolicyError {
    /// The line, from 1; 0 when the whole is meant.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// Why a checkpoint does not satisfy a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotWitnessed {
    /// The note has another form, or none of the logs signed it.
    #[error(transparent)]
    Log(#[from] NoteError),
    /// A witness's line does not verify.
    #[error(transparent)]
    Cosignature(#[from] CosignatureError),
    /// Too few witnesses cosigned.
    #[error("no quorum: cosigned by {}", if .0.is_empty() { "nobody" } else { .0 })]
    NoQuorum(String),
}

/// A witness of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyWitness {
    /// Its name in the policy.
    pub name: String,
    /// Its key.
    pub key: WitnessKey,
    /// Where it takes requests: the submission prefix.
    pub url: Option<String>,
}

/// What a quorum or a group counts. The numbers are places in the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Member {
    /// A witness.
    Witness(usize),
    /// A group.
    Group(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    threshold: usize,
    members: Vec<Member>,
}

/// A trust policy: logs, witnesses, and which of the witnesses are enough.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    logs: Vec<(VerifierKey, Option<String>)>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    quorum: Option<Member>,
}

impl Policy {
    /// The logs, each with its URL.
    pub fn logs(&self) -> &[(VerifierKey, Option<String>)] {
        &self.logs
    }

    /// The witnesses.
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// Whether no cosignature is needed (`quorum none`).
    pub fn needs_none(&self) -> bool {
        self.quorum.is_none()
    }

    /// Whether the witnesses for which `cosigned` holds are a quorum.
    pub fn satisfied(&self, cosigned: &dyn Fn(usize) -> bool) -> bool {
        self.quorum
            .is_none_or(|member| self.counts(member, cosigned))
    }

    fn counts(&self, member: Member, cosigned: &dyn Fn(usize) -> bool) -> bool {
        match member {
            Member::Witness(index) => cosigned(index),
            // A group refers to groups before it alone, so this ends.
            Member::Group(index) => self.groups.get(index).is_some_and(|group| {
                let members = group.members.iter();
                members.filter(|m| self.counts(**m, cosigned)).count() >= group.threshold
            }),
        }
    }

    /// Checks that one of the logs signed the checkpoint and that a quorum cosigned it. Without
    /// `log` lines the caller must have checked the log's signature.
    ///
    /// # Errors
    /// [`NotWitnessed`].
    pub fn open(&self, note: &str) -> Result<Checkpoint, NotWitnessed> {
        let checkpoint = self.open_log(note)?;
        self.cosigned(note)?;
        Ok(checkpoint)
    }

    /// [`Policy::open`] for a log whose keys are known: a `log` line that names any key of `ring`
    /// stands for all of them, and the one in force at the checkpoint's size must have signed.
    /// Without `log` lines the ring alone says who signs.
    ///
    /// # Errors
    /// [`NotWitnessed`].
    pub fn open_with(&self, note: &str, ring: &KeyRing) -> Result<Checkpoint, NotWitnessed> {
        let of_ring = |(key, _): &(VerifierKey, _)| ring.keys().contains(key);
        let checkpoint = if self.logs.is_empty() || self.logs.iter().any(of_ring) {
            Checkpoint::open_with(note, ring)?
        } else {
            self.open_log(note)?
        };
        self.cosigned(note)?;
        Ok(checkpoint)
    }

    /// Whether a quorum cosigned, and no witness's line is a bad one.
    fn cosigned(&self, note: &str) -> Result<(), NotWitnessed> {
        let mut names = Vec::new();
        let mut cosigned = vec![false; self.witnesses.len()];
        for (witness, cosigned) in self.witnesses.iter().zip(&mut cosigned) {
            match witness.key.verify(note) {
                Ok(_) => {
                    *cosigned = true;
                    names.push(witness.name.as_str());
                }
                Err(CosignatureError::Missing(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if self.satisfied(&|index| cosigned.get(index) == Some(&true)) {
            Ok(())
        } else {
            Err(NotWitnessed::NoQuorum(names.join(", ")))
        }
    }

    fn open_log(&self, note: &str) -> Result<Checkpoint, NoteError> {
        let (text, _) = super::parts(note)?;
        let checkpoint = Checkpoint::parse(text)?;
        let mut refusal = None;
        for (key, _) in &self.logs {
            match Checkpoint::open(note, key) {
                Ok(checkpoint) => return Ok(checkpoint),
                Err(error) => refusal = Some(error),
            }
        }
        refusal.map_or(Ok(checkpoint), Err)
    }
}

impl FromStr for Policy {
    type Err = PolicyError;
    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let fail = |line, reason: &str| PolicyError {
            line,
            reason: reason.to_owned(),
        };
        if text.len() > MAX_POLICY {
            return Err(fail(0, "too long"));
        }
        if text
            .chars()
            .any(|c| c.is_ascii_control() && c != '\n' && c != '\t')
        {
            return Err(fail(0, "control character"));
        }
        let mut reader = Reader::default();
        for (number, line) in (1..).zip(text.split('\n')) {
            let words: Vec<&str> = line.split([' ', '\t']).filter(|w| !w.is_empty()).collect();
            if words.first().is_some_and(|word| !word.starts_with('#')) {
                reader.line(&words).map_err(|reason| PolicyError {
                    line: number,
                    reason,
                })?;
            }
        }
        if !reader.has_quorum {
            return Err(fail(0, "there is no quorum line"));
        }
        Ok(reader.policy)
    }
}

#[derive(Default)]
struct Reader {
    policy: Policy,
    names: BTreeMap<String, Member>,
    /// Members of some group already.
    used: Vec<Member>,
    has_quorum: bool,
}

impl Reader {
    fn line(&mut self, words: &[&str]) -> Result<(), String> {
        match words {
            ["log", key] => self.log(key, None),
            ["log", key, url] => self.log(key, Some(url)),
            ["witness", name, key] => self.witness(name, key, None),
            ["witness", name, key, url] => self.witness(name, key, Some(url)),
            ["group", name, threshold, members @ ..] if !members.is_empty() => {
                self.group(name, threshold, members)
            }
            ["quorum", name] => self.quorum(name),
            _ => Err("not a log, witness, group or quorum line".to_owned()),
        }
    }

    fn log(&mut self, key: &str, url: Option<&str>) -> Result<(), String> {
        let key: VerifierKey = key.parse().map_err(|e: KeyError| e.to_string())?;
        let logs = &mut self.policy.logs;
        if logs.iter().any(|(known, _)| same_key(known, &key)) {
            return Err("a log with this key is there already".to_owned());
        }
        room(logs.len())?;
        logs.push((key, url.map(str::to_owned)));
        Ok(())
    }

    fn witness(&mut self, name: &str, key: &str, url: Option<&str>) -> Result<(), String> {
        let key: WitnessKey = key.parse().map_err(|e: KeyError| e.to_string())?;
        let witnesses = &self.policy.witnesses;
        if witnesses
            .iter()
            .any(|known| known.key.public_key() == key.public_key())
        {
            return Err("a witness with this key is there already".to_owned());
        }
        let index = witnesses.len();
        room(index)?;
        self.define(name, Member::Witness(index))?;
        self.policy.witnesses.push(PolicyWitness {
            name: name.to_owned(),
            key,
            url: url.map(str::to_owned),
        });
        Ok(())
    }

    fn group(&mut self, name: &str, threshold: &str, names: &[&str]) -> Result<(), String> {
        let mut members = Vec::new();
        for name in names {
            let member = self.member(name)?;
            if self.used.contains(&member) {
                return Err(format!("{name} is a member already"));
            }
            self.used.push(member);
            members.push(member);
        }
        let threshold = match threshold {
            "any" => 1,
            "all" => members.len(),
            number => number
                .parse()
                .ok()
                .filter(|k: &usize| k.to_string() == number && (1..=members.len()).contains(k))
                .ok_or_else(|| "the threshold is not a number of members".to_owned())?,
        };
        let index = self.policy.groups.len();
        room(index)?;
        self.define(name, Member::Group(index))?;
        self.policy.groups.push(Group { threshold, members });
        Ok(())
    }

    fn quorum(&mut self, name: &str) -> Result<(), String> {
        if std::mem::replace(&mut self.has_quorum, true) {
            return Err("there is a quorum line already".to_owned());
        }
        if name != "none" {
            self.policy.quorum = Some(self.member(name)?);
        }
        Ok(())
    }

    fn define(&mut self, name: &str, member: Member) -> Result<(), String> {
        if name == "none" || self.names.contains_key(name) {
            return Err(format!("the name {name} is taken"));
        }
        self.names.insert(name.to_owned(), member);
        Ok(())
    }

    fn member(&self, name: &str) -> Result<Member, String> {
        let known = self.names.get(name).copied();
        known.ok_or_else(|| format!("{name} is not defined before this line"))
    }
}

fn room(taken: usize) -> Result<(), String> {
    if taken < MAX_ITEMS {
        Ok(())
    } else {
        Err(format!("more than {MAX_ITEMS} of a kind"))
    }
}

/// Whether two log keys wrap the same public key, whatever their names.
fn same_key(one: &VerifierKey, other: &VerifierKey) -> bool {
    // Names hold no plus sign, base64 may.
    let material = |key: &VerifierKey| key.to_string().splitn(3, '+').nth(2).map(str::to_owned);
    material(one) == material(other)
}
