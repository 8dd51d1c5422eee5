//! Making an entry: most of the work is done before its place in the chain is known.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{
    DOMAIN, EntryError, Event, Link, MAX_ENTRY, RESERVED, SIGNATURE_TEXT, check_members,
    check_value,
};
use crate::{
    keys::VerifierKey,
    merkle::Hash,
    signer::{Signer, SignerError},
};

/// Members that the ledger fills in once it knows an entry's place, in canonical order.
const FILLED: [&str; 4] = ["attestation", "chain_uid", "prev", "seq"];

/// The members of an entry in canonical form, with room for those that the ledger fills in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// What stands before, between and after the four members of [`FILLED`], without outer commas.
    parts: [String; 5],
}

impl Draft {
    /// Canonicalises what a caller hands in.
    ///
    /// # Errors
    /// [`EntryError`] when the map holds reserved members, floats, or is nested too deep.
    pub fn new(members: &Map<String, Value>) -> Result<Self, EntryError> {
        check_members(members)?;
        Self::of(members)
    }

    /// A draft that carries an event of the ledger's own. [`crate::Ledger`] appends these; others
    /// need them only to make test data.
    ///
    /// # Errors
    /// As [`Draft::new`].
    pub fn with_event(mut members: Map<String, Value>, event: &Event) -> Result<Self, EntryError> {
        check_members(&members)?;
        members.insert(RESERVED[2].into(), event.to_value());
        Self::of(&members)
    }

    fn of(members: &Map<String, Value>) -> Result<Self, EntryError> {
        // Members come in any order. ASCII names stand in the same order by bytes and by UTF-16 units.
        let mut between: [BTreeMap<&str, &Value>; 5] = Default::default();
        for (name, value) in members {
            check_value(value, 1)?;
            let before = FILLED.iter().filter(|filled| **filled < name.as_str());
            between[before.count()].insert(name, value);
        }
        let mut parts: [String; 5] = Default::default();
        for (part, between) in parts.iter_mut().zip(&between) {
            if !between.is_empty() {
                let text = serde_json_canonicalizer::to_string(between)
                    .map_err(|_| EntryError::NotCanonical)?;
                text.get(1..text.len() - 1)
                    .ok_or(EntryError::NotCanonical)?
                    .clone_into(part);
            }
        }
        Ok(Self { parts })
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
        let length: usize = self.parts.iter().chain(&filled).map(|p| p.len() + 1).sum();
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
        for (number, part) in self.parts.iter().enumerate() {
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
