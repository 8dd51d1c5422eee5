//! C2SP signed notes and checkpoints: strict parsing, exact printing.

mod line;

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::Signature;

use crate::{
    keys::{KeyRing, VerifierKey},
    merkle::Hash,
    signer::{Signer, SignerError},
};

pub use self::line::SignatureLine;

/// Most signature lines accepted in one note.
const MAX_SIGNATURES: usize = 64;
/// Most bytes accepted in one note.
const MAX_NOTE: usize = 1 << 20;

/// Why a note or checkpoint was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The bytes do not follow the format.
    #[error("malformed note: {0}")]
    Malformed(&'static str),
    /// No signature line names the given key.
    #[error("the note carries no signature by {0}")]
    NotSigned(String),
    /// A signature line names the given key but does not verify.
    #[error("the signature by {0} does not verify")]
    BadSignature(String),
    /// The origin line is not the name of the key.
    #[error("the checkpoint's origin is {found}, the key's name is {expected}")]
    Origin {
        /// Name of the key.
        expected: String,
        /// Origin line of the checkpoint.
        found: String,
    },
    /// The signer gave no signature.
    #[error(transparent)]
    Signer(#[from] SignerError),
}

/// A signed note: text and signature lines (C2SP signed-note v1.0.0).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<SignatureLine>,
}

impl Note {
    /// Signs `text`, which must end in a newline.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] when the text is empty, lacks its last newline or holds control
    /// characters; otherwise as [`Note::add_signature`].
    pub fn sign(text: String, name: &VerifierKey, signer: &dyn Signer) -> Result<Self, NoteError> {
        check_text(&text)?;
        let mut note = Self {
            text,
            signatures: Vec::new(),
        };
        note.add_signature(name, signer)?;
        Ok(note)
    }

    /// Signs the text once more and adds the line. The signature is checked before it is added, so
    /// that no faulty one gets out.
    ///
    /// # Errors
    /// [`NoteError::Signer`] when there is no signature, [`NoteError::BadSignature`] when it is
    /// not by the key of `name`; otherwise as [`Note::add_line`].
    pub fn add_signature(
        &mut self,
        name: &VerifierKey,
        signer: &dyn Signer,
    ) -> Result<(), NoteError> {
        let signature = signer.sign(self.text.as_bytes())?;
        name.verify(self.text.as_bytes(), &signature)
            .map_err(|_| NoteError::BadSignature(name.to_string()))?;
        let bytes = signature.to_bytes().to_vec();
        self.add_line(SignatureLine::new(name.name(), name.id(), bytes)?)
    }

    /// Adds a signature line made elsewhere, as by a witness; it is not checked. It takes the place
    /// of a line with the same name and key id.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] when the note has all the lines it may have.
    pub fn add_line(&mut self, line: SignatureLine) -> Result<(), NoteError> {
        let same = |old: &&mut SignatureLine| old.name == line.name && old.id == line.id;
        if let Some(old) = self.signatures.iter_mut().find(same) {
            *old = line;
        } else if self.signatures.len() == MAX_SIGNATURES {
            return Err(NoteError::Malformed("too many signatures"));
        } else {
            self.signatures.push(line);
        }
        Ok(())
    }

    /// Parses a note; signatures are not checked.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] for anything but the exact format.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > MAX_NOTE {
            return Err(NoteError::Malformed("too long"));
        }
        check_text(note)?;
        let split = note
            .rfind("\n\n")
            .ok_or(NoteError::Malformed("no blank line"))?;
        let (text, lines) = note.split_at(split + 1);
        let lines = lines.strip_prefix('\n').unwrap_or(lines);
        let lines = lines
            .strip_suffix('\n')
            .ok_or(NoteError::Malformed("no last newline"))?;
        let signatures = lines
            .split('\n')
            .take(MAX_SIGNATURES + 1)
            .map(SignatureLine::parse)
            .collect::<Result<Vec<_>, _>>()?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(NoteError::Malformed("too many signatures"));
        }
        check_text(text)?;
        Ok(Self {
            text: text.to_owned(),
            signatures,
        })
    }

    /// The signed text, with its last newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines in their order, checked or not.
    pub fn signatures(&self) -> &[SignatureLine] {
        &self.signatures
    }

    /// Checks that `key` signed this note. Lines of unknown keys are ignored; every line that
    /// names `key` must verify.
    ///
    /// # Errors
    /// [`NoteError::NotSigned`] or [`NoteError::BadSignature`].
    pub fn verify(&self, key: &VerifierKey) -> Result<(), NoteError> {
        let mut found = false;
        for line in &self.signatures {
            if line.name != key.name() || line.id != key.id() {
                continue;
            }
            let bad = || NoteError::BadSignature(key.to_string());
            let signature = Signature::from_slice(&line.bytes).map_err(|_| bad())?;
            key.verify(self.text.as_bytes(), &signature)
                .map_err(|_| bad())?;
            found = true;
        }
        if found {
            Ok(())
        } else {
            Err(NoteError::NotSigned(key.to_string()))
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures
            .iter()
            .try_for_each(|line| writeln!(f, "{line}"))
    }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if !text.ends_with('\n') {
        return Err(NoteError::Malformed("no last newline"));
    }
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(NoteError::Malformed("control character"));
    }
    Ok(())
}

/// A tree head: origin, size and root (C2SP tlog-checkpoint v1.0.0, without extension lines).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root hash over those entries.
    pub root: Hash,
}

impl Checkpoint {
    /// Parses the text of a checkpoint, without signatures.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] for anything but the exact three lines.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let lines: Vec<&str> = text
            .strip_suffix('\n')
            .ok_or(NoteError::Malformed("no last newline"))?
            .split('\n')
            .collect();
        let [origin, size, root] = lines.as_slice() else {
            return Err(NoteError::Malformed("a checkpoint has three lines"));
        };
        if origin.is_empty() {
            return Err(NoteError::Malformed("empty origin"));
        }
        let parsed: u64 = size
            .parse()
            .map_err(|_| NoteError::Malformed("tree size"))?;
        if parsed.to_string() != **size {
            return Err(NoteError::Malformed("tree size"));
        }
        let root = STANDARD
            .decode(root)
            .map_err(|_| NoteError::Malformed("root hash"))?;
        let root = root
            .try_into()
            .map_err(|_| NoteError::Malformed("root hash"))?;
        Ok(Self {
            origin: (*origin).to_owned(),
            size: parsed,
            root,
        })
    }

    /// Parses a signed checkpoint and checks that `key`, whose name must be the origin, signed it.
    ///
    /// # Errors
    /// Any [`NoteError`].
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, NoteError> {
        let note = Note::parse(note)?;
        note.verify(key)?;
        Self::parse(note.text())?.of(key)
    }

    /// Parses a signed checkpoint and checks that the one key of `ring` signed it that is in force
    /// at its size ([`KeyRing::checkpoint_key`]).
    ///
    /// # Errors
    /// Any [`NoteError`].
    pub fn open_with(note: &str, ring: &KeyRing) -> Result<Self, NoteError> {
        let note = Note::parse(note)?;
        let checkpoint = Self::parse(note.text())?;
        let key = ring.checkpoint_key(checkpoint.size);
        note.verify(key)?;
        checkpoint.of(key)
    }

    fn of(self, key: &VerifierKey) -> Result<Self, NoteError> {
        if self.origin == key.name() {
            return Ok(self);
        }
        let (expected, found) = (key.name().to_owned(), self.origin);
        Err(NoteError::Origin { expected, found })
    }
}

/// The exact text that is signed.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}\n{}\n{}",
            self.origin,
            self.size,
            STANDARD.encode(self.root)
        )
    }
}

#[cfg(test)]
mod tests;
