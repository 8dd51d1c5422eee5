//! Handover statements: the old and the new key of a ledger say together that one follows the
//! other.

use std::fmt;

use super::{KeyError, VerifierKey};
use crate::{
    note::{Note, NoteError},
    signer::Signer,
};

const HEADER: &str = "countersign/handover/v1";
/// Lines of a printed statement: five of text, a blank one, two signatures.
const LINES: usize = 8;
/// Most bytes of one statement.
pub(super) const MAX_STATEMENT: usize = 4096;

/// Why a handover was refused.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// Not the exact form of a handover.
    #[error("malformed handover: {0}")]
    Malformed(&'static str),
    /// A key in it is no key.
    #[error("handover: {0}")]
    Key(#[from] Box<KeyError>),
    /// Not a note, or a signature that could not be made or does not verify.
    #[error("handover: {0}")]
    Note(#[from] NoteError),
    /// More statements than a list may hold.
    #[error("more than {} handovers", super::ring::MAX_HANDOVERS)]
    TooMany,
}

/// A verified statement that one key of a ledger follows another. A C2SP signed note of five lines
/// (`countersign/handover/v1`, the origin, the old verifier key, the new one, the index of the
/// entry that carries it), signed by the old and then by the new key.
///
/// A value of this type always verifies; it proves nothing to a reader who trusts neither key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handover {
    old: VerifierKey,
    new: VerifierKey,
    index: u64,
    note: Note,
}

impl Handover {
    /// The statement that `new` follows `old` in the ledger `origin`, carried by the entry at
    /// `index`. That entry is the last one attested by `old`.
    ///
    /// # Errors
    /// When the origin is no name, both keys are the same or have the same id, or a signer gives
    /// no signature that verifies.
    pub fn make(
        origin: &str,
        old: &dyn Signer,
        new: &dyn Signer,
        index: u64,
    ) -> Result<Self, HandoverError> {
        let key = |signer: &dyn Signer| VerifierKey::new(origin, signer.public_key());
        let (old_key, new_key) = (key(old).map_err(Box::new)?, key(new).map_err(Box::new)?);
        if old_key.id() == new_key.id() {
            return Err(HandoverError::Malformed("both keys have the same id"));
        }
        let text = format!("{HEADER}\n{origin}\n{old_key}\n{new_key}\n{index}\n");
        let mut note = Note::sign(text, &old_key, old)?;
        note.add_signature(&new_key, new)?;
        Self::parse(&note.to_string())
    }

    /// Parses a statement and checks both signatures.
    ///
    /// # Errors
    /// For anything but the exact form, and when a signature does not verify.
    pub fn parse(text: &str) -> Result<Self, HandoverError> {
        let malformed = HandoverError::Malformed;
        if text.len() > MAX_STATEMENT {
            return Err(malformed("too long"));
        }
        let note = Note::parse(text)?;
        let lines: Vec<&str> = note.text().lines().collect();
        let &[HEADER, origin, old, new, digits] = lines.as_slice() else {
            return Err(malformed("not the five lines of a handover"));
        };
        let index: u64 = digits.parse().map_err(|_| malformed("index"))?;
        let key = |text: &str| text.parse::<VerifierKey>().map_err(Box::new);
        let (old, new) = (key(old)?, key(new)?);
        if old.name() != origin || new.name() != origin {
            return Err(malformed("a key's name is not the origin"));
        }
        if old.id() == new.id() {
            return Err(malformed("both keys have the same id"));
        }
        let signers: Vec<_> = note
            .signatures()
            .iter()
            .map(|l| (l.name(), l.id()))
            .collect();
        if signers != [(origin, old.id()), (origin, new.id())] {
            return Err(malformed(
                "not signed by the old and then the new key alone",
            ));
        }
        note.verify(&old)?;
        note.verify(&new)?;
        if note.to_string() != text || index.to_string() != digits {
            return Err(malformed("not in its only spelling"));
        }
        Ok(Self {
            old,
            new,
            index,
            note,
        })
    }

    /// Name of the ledger.
    pub fn origin(&self) -> &str {
        self.old.name()
    }

    /// The key that hands over.
    pub fn old_key(&self) -> &VerifierKey {
        &self.old
    }

    /// The key that follows.
    pub fn new_key(&self) -> &VerifierKey {
        &self.new
    }

    /// Index of the entry that carries the statement, the last one attested by the old key.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Whether both say the same. Signatures may differ: not every signer is deterministic.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.note.text() == other.note.text()
    }
}

/// The signed note.
impl fmt::Display for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

/// Prints statements one after the other with a blank line between them; nothing for none. A
/// receipt may carry this in its `extra` line, as base64.
///
/// # Errors
/// [`HandoverError::TooMany`].
pub fn handovers_to_text(handovers: &[Handover]) -> Result<String, HandoverError> {
    if handovers.len() > super::ring::MAX_HANDOVERS {
        return Err(HandoverError::TooMany);
    }
    let printed: Vec<String> = handovers.iter().map(Handover::to_string).collect();
    Ok(printed.join("\n"))
}

/// Reads what [`handovers_to_text`] printed, and nothing else. Every statement is verified.
///
/// # Errors
/// When there are too many or one is refused.
pub fn handovers_from_text(text: &str) -> Result<Vec<Handover>, HandoverError> {
    let mut found = Vec::new();
    let mut lines = text.split_inclusive('\n').peekable();
    while lines.peek().is_some() {
        if found.len() == super::ring::MAX_HANDOVERS {
            return Err(HandoverError::TooMany);
        }
        if !found.is_empty() && lines.next() != Some("\n") {
            return Err(HandoverError::Malformed("no blank line between statements"));
        }
        let statement: String = lines.by_ref().take(LINES).collect();
        found.push(Handover::parse(&statement)?);
    }
    Ok(found)
}
