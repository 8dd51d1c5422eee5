//! Reading an entry: form first, signature when a key is at hand.

use std::ops::Range;

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::Signature;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{DOMAIN, EntryError, Event, Link, MAX_ENTRY, SIGNATURE_TEXT, canonical};
use crate::{keys::VerifierKey, merkle::Hash};

const BEFORE_AUTHORITY: &str = "{\"algorithm\":\"Ed25519\",\"algorithm_id\":99,\"authority_uid\":";
const BEFORE_KEY: &str = ",\"key_uid\":\"";
const BEFORE_SIGNATURES: &str = "\",\"serialization_id\":2";
const BEFORE_SIGNATURE: &str = ",\"signatures\":[\"";
const AFTER_SIGNATURE: &str = "\"]}";
const KEY_TEXT: usize = 8;
const BASE64_TEXT: usize = 88;

/// An entry in canonical form, taken apart. Its signature is not yet checked.
#[derive(Debug, Clone)]
pub struct Reading<'a> {
    bytes: &'a [u8],
    /// Its place in the chain.
    pub link: Link,
    /// What the ledger itself says in it.
    pub event: Option<Event>,
    /// Its attestation, unless that is malformed.
    attestation: Option<Attestation<'a>>,
}

#[derive(Debug, Clone)]
struct Attestation<'a> {
    authority: String,
    key_uid: &'a str,
    signature: Signature,
    /// Where the signature and its member name stand.
    signatures: Range<usize>,
}

/// Takes an entry apart; checks canonical form and what the ledger wrote, not the signature.
///
/// # Errors
/// [`EntryError`] naming what is wrong.
pub fn parse(bytes: &[u8]) -> Result<Reading<'_>, EntryError> {
    if bytes.len() > MAX_ENTRY {
        return Err(EntryError::TooLarge(bytes.len()));
    }
    let (mut attested, mut chain_uid, mut event, mut prev, mut seq) =
        (None, None, None, None, None);
    canonical::scan(bytes, |name, value| match name {
        "attestation" => attested = Some(value),
        "chain_uid" => chain_uid = Some(value),
        "ledger" => event = Some(value),
        "prev" => prev = Some(value),
        "seq" => seq = Some(value),
        _ => {}
    })?;
    let text = |range: Option<Range<usize>>| {
        let range = range?;
        std::str::from_utf8(bytes.get(range)?).ok()
    };
    let link = Link {
        chain_uid: read_chain(text(chain_uid)).ok_or(EntryError::Malformed("chain_uid"))?,
        seq: text(seq)
            .and_then(|digits| digits.parse().ok())
            .ok_or(EntryError::Malformed("seq"))?,
        prev: read_hash(text(prev)).ok_or(EntryError::Malformed("prev"))?,
    };
    let event = match event {
        None => None,
        Some(range) => Some(
            text(Some(range))
                .and_then(|value| serde_json::from_str::<Value>(value).ok())
                .and_then(|value| Event::from_value(&value))
                .ok_or(EntryError::Malformed("ledger"))?,
        ),
    };
    let start = attested.as_ref().map_or(0, |range| range.start);
    let attestation = text(attested).and_then(|value| Attestation::read(value, start));
    Ok(Reading {
        bytes,
        link,
        event,
        attestation,
    })
}

/// Checks everything an entry says about itself: form, authority, key and signature.
///
/// # Errors
/// [`EntryError`] naming what is wrong.
pub fn open<'a>(bytes: &'a [u8], key: &VerifierKey) -> Result<Reading<'a>, EntryError> {
    let reading = parse(bytes)?;
    let (message, signature) = reading.attested(key)?;
    key.verify(&message, &signature)
        .map_err(|_| EntryError::Signature)?;
    Ok(reading)
}

impl Reading<'_> {
    /// The id of the key that attests the entry, in lower-case hex.
    pub fn key_uid(&self) -> Option<&str> {
        self.attestation.as_ref().map(|found| found.key_uid)
    }

    /// The signed message and its signature, when `key` is said to have made it. The signature is
    /// still to be verified.
    ///
    /// # Errors
    /// [`EntryError::Malformed`] or [`EntryError::Authority`].
    pub fn attested(&self, key: &VerifierKey) -> Result<(Vec<u8>, Signature), EntryError> {
        let malformed = EntryError::Malformed("attestation");
        let found = self.attestation.as_ref().ok_or(malformed)?;
        if found.authority != key.name() || found.key_uid != key.id_hex() {
            let (authority, key) = (found.authority.clone(), found.key_uid.to_owned());
            return Err(EntryError::Authority { authority, key });
        }
        Ok((self.message(), found.signature))
    }

    /// What the next entry of the chain carries as `prev`.
    pub fn hash(&self) -> Hash {
        let (before, after) = self.unsigned();
        Sha256::new()
            .chain_update(DOMAIN)
            .chain_update(before)
            .chain_update(after)
            .finalize()
            .into()
    }

    /// The link of the entry that follows in the chain.
    pub fn next(&self) -> Link {
        Link {
            chain_uid: self.link.chain_uid.clone(),
            seq: self.link.seq + 1,
            prev: self.hash(),
        }
    }

    fn message(&self) -> Vec<u8> {
        let (before, after) = self.unsigned();
        [DOMAIN, before, after].concat()
    }

    /// The entry without its signature.
    fn unsigned(&self) -> (&[u8], &[u8]) {
        let end = self.bytes.len();
        let gap = self.attestation.as_ref().map(|a| a.signatures.clone());
        let gap = gap.unwrap_or(end..end);
        (&self.bytes[..gap.start], &self.bytes[gap.end..])
    }
}

impl<'a> Attestation<'a> {
    /// Reads the one form that an attestation has; `start` is its place in the entry.
    fn read(text: &'a str, start: usize) -> Option<Self> {
        let rest = text.strip_suffix(AFTER_SIGNATURE)?;
        let (rest, encoded) = split_end(rest, BASE64_TEXT)?;
        let rest = rest.strip_suffix(BEFORE_SIGNATURE)?;
        let signatures = start + rest.len();
        let rest = rest.strip_suffix(BEFORE_SIGNATURES)?;
        let (rest, key_uid) = split_end(rest, KEY_TEXT)?;
        let authority = rest
            .strip_suffix(BEFORE_KEY)?
            .strip_prefix(BEFORE_AUTHORITY)?;
        let mut decoded = [0; 66];
        let length = STANDARD.decode_slice(encoded, &mut decoded).ok()?;
        Some(Self {
            authority: serde_json::from_str(authority).ok()?,
            key_uid,
            signature: Signature::from_slice(decoded.get(..length)?).ok()?,
            signatures: signatures..signatures + SIGNATURE_TEXT,
        })
    }
}

fn split_end(text: &str, length: usize) -> Option<(&str, &str)> {
    text.split_at_checked(text.len().checked_sub(length)?)
}

fn unquoted(value: Option<&str>) -> Option<&str> {
    value?.strip_prefix('"')?.strip_suffix('"')
}

fn read_chain(value: Option<&str>) -> Option<String> {
    let uid = unquoted(value)?;
    uuid::Uuid::parse_str(uid).ok()?;
    Some(uid.to_owned())
}

fn read_hash(value: Option<&str>) -> Option<Hash> {
    let text = unquoted(value)?;
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash).ok()?;
    (hex::encode(hash) == text).then_some(hash)
}
