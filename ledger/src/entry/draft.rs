//! Making an entry: most of the work is done before its place in the chain is known.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{
    DOMAIN, EntryError, Event, Link, MAX_ENTRY, RESERVED, SIGNATURE_TEXT, check_names, print,
};
use crate::{
    keys::VerifierKey,
    merkle::Hash,
    signer::{Signer, SignerError},
};

/// Members that the ledger fills in once it knows an entry's place, in canonical order.
const FILLED: [&str; 4] = ["attestation", "chain_uid", "prev", "seq"];

/// Room for a usual entry's members, in bytes.
const USUAL: usize = 1024;

/// The members of an entry in canonical form, with room for those that the ledger fills in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// What stands before, between and after the four members of [`FILLED`], without outer commas.
    text: String,
    /// Where in `text` each of the four belongs.
    gaps: [usize; 4],
}

impl Draft {
    /// Canonicalises what a caller hands in.
    ///
    /// # Errors
    /// [`EntryError`] when the map holds reserved members, floats, or is nested too deep.
    pub fn new(members: &Map<String, Value>) -> Result<Self, EntryError> {
        check_names(members)?;
        Self::of(members)
    }

    /// A draft that carries an event of the ledger's own. [`crate::Ledger`] appends these; others
    /// need them only to make test data.
    ///
    /// # Errors
    /// As [`Draft::new`].
    pub fn with_event(mut members: Map<String, Value>, event: &Event) -> Result<Self, EntryError> {
        check_names(&members)?;
        members.insert(RESERVED[2].into(), event.to_value());
        Self::of(&members)
    }

    fn of(members: &Map<String, Value>) -> Result<Self, EntryError> {
        let mut text = String::with_capacity(USUAL);
        let mut gaps = [0; 4];
        let (mut passed, mut part) = (0, 0);
        for (name, value) in print::in_order(members) {
            while FILLED.get(passed).is_some_and(|filled| *filled < name) {
                part = text.len();
                gaps[passed] = part;
                passed += 1;
            }
            if text.len() > part {
                text.push(',');
            }
            print::member(&mut text, name, value, 0)?;
        }
        gaps[passed..].fill(text.len());
        Ok(Self { text, gaps })
    }

    /// The parts of the text between the members that the ledger fills in.
    fn parts(&self) -> [&str; 5] {
        let [a, b, c, d] = self.gaps;
        [0..a, a..b, b..c, c..d, d..self.text.len()].map(|part| &self.text[part])
    }

    /// Gives the draft its place in the chain. What is left to do is to sign it.
    ///
    /// # Errors
    /// [`EntryError::TooLarge`].
    pub(crate) fn link(&self, link: &Link, name: &VerifierKey) -> Result<Linked, EntryError> {
        let filled = [
            attestation(name),
            format!("\"chain_uid\":\"{}\"", link.chain_uid),
            format!("\"prev\":\"{}\"", hex::encode(link.prev)),
            format!("\"seq\":{}", link.seq),
        ];
        let length = self.text.len() + filled.iter().map(|text| text.len() + 2).sum::<usize>();
        let mut message = Vec::with_capacity(DOMAIN.len() + length + SIGNATURE_TEXT);
        message.extend_from_slice(DOMAIN);
        message.push(b'{');
        let mut signatures_at = 0;
        let mut add = |text: &str| {
            if !text.is_empty() {
                if !message.ends_with(b"{") {
                    message.push(b',');
                }
                message.extend_from_slice(text.as_bytes());
            }
            message.len()
        };
        for (number, part) in self.parts().into_iter().enumerate() {
            add(part);
            if let Some(text) = filled.get(number) {
                let end = add(text);
                if number == 0 {
                    // Inside of the closing brace of the attestation.
                    signatures_at = end - 1;
                }
            }
        }
        message.push(b'}');
        let linked = Linked {
            message,
            signatures_at,
        };
        if linked.length() > MAX_ENTRY {
            return Err(EntryError::TooLarge(linked.length()));
        }
        Ok(linked)
    }
}

/// The attestation without its signature.
fn attestation(name: &VerifierKey) -> String {
    let authority = Value::from(name.name());
    let key = name.id_hex();
    format!(
        "\"attestation\":{{\"algorithm\":\"Ed25519\",\"algorithm_id\":99,\
         \"authority_uid\":{authority},\"key_uid\":\"{key}\",\"serialization_id\":2}}"
    )
}

/// An entry that has its place and lacks its signature.
#[derive(Debug, Clone)]
pub(crate) struct Linked {
    message: Vec<u8>,
    signatures_at: usize,
}

impl Linked {
    /// Length of the entry in bytes once it is signed.
    pub(crate) fn length(&self) -> usize {
        self.message.len() - DOMAIN.len() + SIGNATURE_TEXT
    }

    /// What the next entry of the chain carries as `prev`.
    pub(crate) fn hash(&self) -> Hash {
        Sha256::digest(&self.message).into()
    }

    /// Signs, and gives the entry's bytes.
    pub(crate) fn sign(mut self, signer: &dyn Signer) -> Result<Vec<u8>, SignerError> {
        let signature = signer.sign(&self.message)?;
        let text = format!(
            ",\"signatures\":[\"{}\"]",
            STANDARD.encode(signature.to_bytes())
        );
        let at = self.signatures_at;
        self.message.splice(at..at, text.bytes());
        self.message.drain(..DOMAIN.len());
        Ok(self.message)
    }
}
