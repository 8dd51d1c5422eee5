//! Signature lines of a signed note, as text.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    keys::valid_name,
    note::{Note, NoteError},
};

/// One signature line: `— <name> base64(id || signature)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    pub(super) id: [u8; 4],
    pub(super) signature: Vec<u8>,
}

impl<'a> Line<'a> {
    /// Reads a line without its newline.
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let payload = STANDARD.decode(encoded).ok()?;
        let (id, signature) = payload.split_first_chunk::<4>()?;
        (valid_name(name) && !signature.is_empty()).then(|| Self {
            name,
            id: *id,
            signature: signature.to_vec(),
        })
    }

    pub(super) fn print(name: &str, id: [u8; 4], signature: &[u8]) -> String {
        let payload = [id.as_slice(), signature].concat();
        format!("\u{2014} {name} {}", STANDARD.encode(payload))
    }
}

/// The signed text of a note (with its last newline) and its signature lines (without newlines).
/// The note's form is checked, its signatures are not.
///
/// # Errors
/// [`NoteError::Malformed`].
pub fn parts(note: &str) -> Result<(&str, Vec<&str>), NoteError> {
    Note::parse(note)?;
    let malformed = NoteError::Malformed("no blank line");
    let split = note.rfind("\n\n").ok_or(malformed)?;
    let (text, lines) = note.split_at(split + 1);
    Ok((text, lines.trim_matches('\n').split('\n').collect()))
}

/// Puts signature lines under a note; lines that it already has are not repeated.
///
/// # Errors
/// [`NoteError::Malformed`] when the note or a line has another form, or there are too many.
pub fn append(note: &str, lines: &[String]) -> Result<String, NoteError> {
    let (_, present) = parts(note)?;
    let mut merged = note.to_owned();
    for line in lines {
        if line.contains('\n') {
            return Err(NoteError::Malformed("signature line"));
        }
        if !present.contains(&line.as_str()) {
            merged.push_str(line);
            merged.push('\n');
        }
    }
    Note::parse(&merged)?;
    Ok(merged)
}
