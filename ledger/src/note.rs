//! C2SP signed notes and checkpoints: strict parsing, exact printing.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer, SigningKey};

use crate::{keys::VerifierKey, merkle::Hash};

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
}

/// A signed note: text and signature lines (C2SP signed-note v1.0.0).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct NoteSignature {
    name: String,
    id: [u8; 4],
    bytes: Vec<u8>,
}

impl Note {
    /// Signs `text`, which must end in a newline.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] when the text is empty, lacks its last newline or holds control
    /// characters.
    pub fn sign(text: String, name: &VerifierKey, key: &SigningKey) -> Result<Self, NoteError> {
        check_text(&text)?;
        let signature = NoteSignature {
            name: name.name().to_owned(),
            id: name.id(),
            bytes: key.sign(text.as_bytes()).to_bytes().to_vec(),
        };
        Ok(Self {
            text,
            signatures: vec![signature],
        })
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
            .map(parse_signature)
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
        for line in &self.signatures {
            let payload = [line.id.as_slice(), &line.bytes].concat();
            writeln!(f, "\u{2014} {} {}", line.name, STANDARD.encode(payload))?;
        }
        Ok(())
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

fn parse_signature(line: &str) -> Result<NoteSignature, NoteError> {
    let bad = NoteError::Malformed("signature line");
    let rest = line.strip_prefix("\u{2014} ").ok_or_else(|| bad.clone())?;
    let (name, encoded) = rest.split_once(' ').ok_or_else(|| bad.clone())?;
    if !crate::keys::valid_name(name) {
        return Err(bad);
    }
    let payload = STANDARD.decode(encoded).map_err(|_| bad.clone())?;
    match payload.split_first_chunk::<4>() {
        Some((id, bytes)) if !bytes.is_empty() => Ok(NoteSignature {
            name: name.to_owned(),
            id: *id,
            bytes: bytes.to_vec(),
        }),
        _ => Err(bad),
    }
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
        let checkpoint = Self::parse(note.text())?;
        if checkpoint.origin != key.name() {
            let (expected, found) = (key.name().to_owned(), checkpoint.origin);
            return Err(NoteError::Origin { expected, found });
        }
        Ok(checkpoint)
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
