//! Signed heads: the checkpoint, the guard and older checkpoints, each by the key in force at its
//! size; then the files that hold the key and the clock.

use std::collections::BTreeMap;

use crate::{
    guard::read_clock,
    keys::KeyRing,
    layout::WIDTH,
    merkle::Hash,
    note::{Checkpoint, Note},
    verify::{FaultKind, Since, Unreadable, Verification, pass::Pass, target::Target},
};

/// Name of the guard.
pub(crate) const GUARD: &str = "guard/checkpoint";
/// Name of the time of the last signature.
const CLOCK: &str = "guard/clock";

/// A head as it was read, before anything is known about its signature.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) note: String,
    /// What its text says, when that can be read.
    pub(crate) text: Option<Checkpoint>,
}

impl Head {
    fn new(bytes: Vec<u8>) -> Self {
        // What is not UTF-8 is no note; the empty text is none either.
        let note = String::from_utf8(bytes).unwrap_or_default();
        let text = Note::parse(&note)
            .and_then(|note| Checkpoint::parse(note.text()))
            .ok();
        Self { note, text }
    }

    pub(crate) fn size(&self) -> u64 {
        self.text.as_ref().map_or(0, |checkpoint| checkpoint.size)
    }
}

/// The heads that lie in the target.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heads {
    pub(crate) checkpoint: Option<Head>,
    pub(crate) guard: Option<Head>,
    /// Files in the tile directory.
    files: u64,
}

impl Heads {
    pub(crate) fn read(target: &Target) -> Result<Self, Unreadable> {
        let mut files = 0_u64;
        target.walk_tiles(|_| files += 1)?;
        let guard = if target.is_data_dir() {
            target.read(GUARD)?
        } else {
            None
        };
        let checkpoint = target.read(&target.checkpoint_name())?;
        Ok(Self {
            checkpoint: checkpoint.map(Head::new),
            guard: guard.map(Head::new),
            files,
        })
    }

    /// The size that the files are worth looking at for; a forged checkpoint may name any.
    pub(crate) fn plausible_size(&self) -> Option<u64> {
        let text = self.checkpoint.as_ref()?.text.as_ref()?;
        (text.size <= WIDTH.saturating_mul(self.files)).then_some(text.size)
    }

    /// The sizes that the heads name, signed or not.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = u64> {
        let heads = [&self.checkpoint, &self.guard];
        heads.into_iter().flatten().map(Head::size)
    }

    /// Size of the newest head, zero without one, when every head is signed and the leaves bear it
    /// out.
    pub(crate) fn proven(
        &self,
        ring: &KeyRing,
        roots: &BTreeMap<u64, Option<Hash>>,
    ) -> Option<u64> {
        let mut newest = 0;
        for head in [&self.checkpoint, &self.guard].into_iter().flatten() {
            let checkpoint = Checkpoint::open_with(&head.note, ring).ok()?;
            if roots.get(&checkpoint.size) != Some(&Some(checkpoint.root)) {
                return None;
            }
            newest = newest.max(checkpoint.size);
        }
        Some(newest)
    }

    /// Checks the checkpoint's form and signature.
    pub(crate) fn check_checkpoint(
        &self,
        target: &Target,
        ring: &KeyRing,
        found: &mut Verification,
    ) {
        let name = target.checkpoint_name();
        let Some(head) = &self.checkpoint else {
            // A crash in the first publication leaves tiles and perhaps the guard; the log then still
            // reaches back to the first entry, and the next open finishes it.
            let crashed = target.is_data_dir()
                && !target.path("wal/clean").exists()
                && target.path("wal/0000000000000000.wal").exists();
            if !crashed && (self.guard.is_some() || self.files > 0) {
                found.fault(FaultKind::Checkpoint, name, "there is no checkpoint");
            } else {
                found.notes.push("nothing is published yet".to_owned());
            }
            return;
        };
        if let Err(error) = Checkpoint::open_with(&head.note, ring) {
            found.fault(FaultKind::Checkpoint, name.clone(), error.to_string());
        }
        // Even unsigned its text says where to look for further faults.
        let Some(text) = &head.text else { return };
        found.checkpoint = Some(text.clone());
        if self.plausible_size().is_none() {
            let detail = format!("there are too few files for {} entries", text.size);
            found.fault(FaultKind::MissingFile, name, detail);
        }
    }

    /// Checks what the pass made of the heads: roots, the guard, older checkpoints, the key file.
    pub(crate) fn check_roots(
        &self,
        pass: &Pass<'_>,
        since: &[Since],
        found: &mut Verification,
    ) -> Result<(), Unreadable> {
        let size = found
            .checkpoint
            .as_ref()
            .map_or(0, |checkpoint| checkpoint.size);
        if let Some(checkpoint) = found.checkpoint.clone()
            && !pass.lost(size)
            && pass.root_at(size) != Some(checkpoint.root)
        {
            let name = pass.target.checkpoint_name();
            found.fault(FaultKind::Root, name, "the entries have another root");
        }
        for since in since {
            check_since(since, size, pass, found);
        }
        if !pass.target.is_data_dir() {
            return Ok(());
        }
        self.check_guard(pass, size, found);
        check_guard_files(pass, found)?;
        check_key(pass, found)
    }

    fn check_guard(&self, pass: &Pass<'_>, size: u64, found: &mut Verification) {
        let Some(guard) = &self.guard else {
            if found.checkpoint.is_some() {
                found.fault(FaultKind::Guard, GUARD, "the guard is missing");
            }
            return;
        };
        let guard = match Checkpoint::open_with(&guard.note, pass.ring) {
            Ok(guard) => guard,
            Err(error) => {
                found.fault(FaultKind::Guard, GUARD, error.to_string());
                return;
            }
        };
        if guard.size < size {
            let detail = "the guard is older than the checkpoint";
            found.fault(FaultKind::Rollback, GUARD, detail);
        } else if !pass.lost(guard.size) && pass.root_at(guard.size) != Some(guard.root) {
            let detail = format!("{} entries were signed and are not all here", guard.size);
            found.fault(FaultKind::Rollback, GUARD, detail);
        } else if guard.size > size {
            let detail = format!(
                "the guard is ahead: size {}, a crash explains it",
                guard.size
            );
            found.notes.push(detail);
        }
    }
}

impl Pass<'_> {
    /// Whether the root at `size` cannot be told because leaves are lost: other faults say so.
    fn lost(&self, size: u64) -> bool {
        size <= self.frontier.size() && self.root_at(size).is_none()
    }
}

fn check_since(since: &Since, size: u64, pass: &Pass<'_>, found: &mut Verification) {
    let place = since.place.as_str();
    let checkpoint = match &since.note {
        None => since.text.clone(),
        Some(note) => match Checkpoint::open_with(note, pass.ring) {
            Ok(checkpoint) => checkpoint,
            Err(error) => {
                found.fault(FaultKind::Rollback, place, error.to_string());
                return;
            }
        },
    };
    if checkpoint.origin != pass.ring.current().name() {
        found.fault(FaultKind::Rollback, place, "it is of another log");
    } else if checkpoint.size > size {
        let detail = format!("it had {} entries, now there are {size}", checkpoint.size);
        found.fault(FaultKind::Rollback, place, detail);
    } else if !pass.lost(checkpoint.size) && pass.root_at(checkpoint.size) != Some(checkpoint.root)
    {
        let detail = "the history up to it has changed";
        found.fault(FaultKind::Rollback, place, detail);
    }
}

/// Checks what else lies in `guard/`: the clock of the last signature, and nothing more.
fn check_guard_files(pass: &Pass<'_>, found: &mut Verification) -> Result<(), Unreadable> {
    let target = pass.target;
    if !target.path("guard").is_dir() {
        return Ok(());
    }
    let mut names = Vec::new();
    target.walk("guard", |name| names.push(name))?;
    for name in names {
        match name.as_str() {
            GUARD => {}
            CLOCK => {
                let bytes = target.read(&name)?.unwrap_or_default();
                if !tells_a_time(&bytes, pass.ring) {
                    let detail = "it is not a time that a key of this ledger signed";
                    found.fault(FaultKind::Guard, name, detail);
                }
            }
            _ => {
                let detail = "no such file belongs here";
                found.fault(FaultKind::UnexpectedFile, name, detail);
            }
        }
    }
    Ok(())
}

fn tells_a_time(bytes: &[u8], ring: &KeyRing) -> bool {
    let note = std::str::from_utf8(bytes).ok().map(Note::parse);
    let Some(Ok(note)) = note else {
        return false;
    };
    let by = ring.keys().iter().find(|key| note.verify(key).is_ok());
    by.is_some_and(|key| read_clock(note.text(), key.name()).is_some())
}

/// The key file holds the key that signs next.
fn check_key(pass: &Pass<'_>, found: &mut Verification) -> Result<(), Unreadable> {
    let name = "keys/ledger.vkey";
    let key = pass.ring.entry_key(pass.frontier.size());
    match pass.target.read(name)? {
        None => found.fault(FaultKind::Key, name, "the file is missing"),
        Some(bytes) if bytes != format!("{key}\n").as_bytes() => {
            let rotated = pass.ring.keys().len() > 1;
            let detail = if rotated {
                "it is not the key in force"
            } else {
                "it is not the given key"
            };
            found.fault(FaultKind::Key, name, detail);
        }
        Some(_) => {}
    }
    Ok(())
}
