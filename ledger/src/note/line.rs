//! Signature lines of notes.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::NoteError;

/// One signature line of a note: name, key id and the bytes that follow the id, whose form depends
/// on the signature type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureLine {
    pub(super) name: String,
    pub(super) id: [u8; 4],
    pub(super) bytes: Vec<u8>,
}

impl SignatureLine {
    /// A line by the key `id` of `name`.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] when the name is no key name or there are no bytes.
    pub fn new(name: &str, id: [u8; 4], bytes: Vec<u8>) -> Result<Self, NoteError> {
        if !crate::keys::valid_name(name) || bytes.is_empty() {
            return Err(NoteError::Malformed("signature line"));
        }
        let name = name.to_owned();
        Ok(Self { name, id, bytes })
    }

    /// Parses a line without its newline.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] for anything but the exact form.
    pub fn parse(line: &str) -> Result<Self, NoteError> {
        let malformed = NoteError::Malformed("signature line");
        let (name, payload) = line
            .strip_prefix("\u{2014} ")
            .and_then(|rest| rest.split_once(' '))
            .ok_or_else(|| malformed.clone())?;
        let payload = STANDARD.decode(payload).map_err(|_| malformed.clone())?;
        let (id, bytes) = payload.split_first_chunk::<4>().ok_or(malformed)?;
        Self::new(name, *id, bytes.to_vec())
    }

    /// Name of the signer's key.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Id of the signer's key.
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// What follows the id: a bare signature, or a timestamp and a signature.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The line without its newline.
impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let payload = [self.id.as_slice(), &self.bytes].concat();
        write!(f, "\u{2014} {} {}", self.name, STANDARD.encode(payload))
    }
}
