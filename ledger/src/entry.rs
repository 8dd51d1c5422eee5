//! One entry: canonical bytes, chain link and signature. Pure.

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer, SigningKey};
use serde_json::{Map, Value, json};

use crate::{
    keys::VerifierKey,
    merkle::{Hash, leaf_hash},
};

/// Longest entry in bytes: an entry bundle gives its length 16 bits.
pub const MAX_ENTRY: usize = 65_535;
/// Members that only the ledger writes.
pub const RESERVED: [&str; 4] = ["chain_uid", "seq", "prev", "attestation"];
/// Prefix of every signed message, so that an entry's signature can serve as nothing else.
pub const DOMAIN: &[u8] = b"countersign/entry/v1\n";
/// Largest integer that RFC 8785 keeps exact.
const MAX_INTEGER: u64 = (1 << 53) - 1;
/// Deepest nesting accepted.
const MAX_DEPTH: usize = 64;

/// Why bytes or a map are not an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// A member that only the ledger writes was given.
    #[error("the member {0} is reserved for the ledger")]
    Reserved(&'static str),
    /// A number is not an integer, or not one that JSON keeps exact.
    #[error("only integers of at most 53 bits are canonical")]
    Number,
    /// Nested deeper than 64 levels.
    #[error("nested too deep")]
    Depth,
    /// Longer than 65,535 bytes.
    #[error("the entry takes {0} bytes, 65535 is the most")]
    TooLarge(usize),
    /// Not JSON, not an object, or not in canonical form.
    #[error("not a canonical JSON object")]
    NotCanonical,
    /// A member that the ledger writes is missing or has another form.
    #[error("the member {0} is missing or malformed")]
    Malformed(&'static str),
    /// Another log or another key attests the entry.
    #[error("attested by {authority} with key {key}")]
    Authority {
        /// Who attests.
        authority: String,
        /// Its key id.
        key: String,
    },
    /// The signature does not verify.
    #[error("the signature does not verify")]
    Signature,
}

/// The place of an entry in its writer's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Names the chain.
    pub chain_uid: String,
    /// Position in the chain, from zero without gaps.
    pub seq: u64,
    /// Leaf hash of the chain's previous entry; zeros for the first.
    pub prev: Hash,
}

/// Links, signs and canonicalises one entry.
///
/// # Errors
/// [`EntryError`] when the map holds reserved members, floats, or is too large.
pub fn seal(
    mut members: Map<String, Value>,
    link: &Link,
    name: &VerifierKey,
    key: &SigningKey,
) -> Result<Vec<u8>, EntryError> {
    check_members(&members)?;
    members.insert("chain_uid".into(), link.chain_uid.clone().into());
    members.insert("seq".into(), link.seq.into());
    members.insert("prev".into(), hex::encode(link.prev).into());
    let mut attestation = attestation(name);
    members.insert("attestation".into(), Value::Object(attestation.clone()));
    let signature = key.sign(&message(&members)?).to_bytes();
    attestation.insert("signatures".into(), json!([STANDARD.encode(signature)]));
    members.insert("attestation".into(), Value::Object(attestation));
    let bytes = canonical(&members)?;
    if bytes.len() > MAX_ENTRY {
        Err(EntryError::TooLarge(bytes.len()))
    } else {
        Ok(bytes)
    }
}

/// Checks what a caller hands in, before it takes a place in the queue.
///
/// # Errors
/// [`EntryError`] for reserved members, floats and nesting.
pub fn check_members(members: &Map<String, Value>) -> Result<(), EntryError> {
    if let Some(name) = RESERVED
        .into_iter()
        .find(|name| members.contains_key(*name))
    {
        return Err(EntryError::Reserved(name));
    }
    members.values().try_for_each(|value| check_value(value, 1))
}

fn check_value(value: &Value, depth: usize) -> Result<(), EntryError> {
    if depth > MAX_DEPTH {
        return Err(EntryError::Depth);
    }
    match value {
        Value::Number(number) => {
            let magnitude = number
                .as_u64()
                .or_else(|| number.as_i64().map(i64::unsigned_abs));
            match magnitude {
                Some(magnitude) if magnitude <= MAX_INTEGER => Ok(()),
                _ => Err(EntryError::Number),
            }
        }
        Value::Array(items) => items
            .iter()
            .try_for_each(|item| check_value(item, depth + 1)),
        Value::Object(members) => members.values().try_for_each(|v| check_value(v, depth + 1)),
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

fn attestation(name: &VerifierKey) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("algorithm".into(), "Ed25519".into());
    members.insert("algorithm_id".into(), 99.into());
    members.insert("serialization_id".into(), 2.into());
    members.insert("authority_uid".into(), name.name().into());
    members.insert("key_uid".into(), name.id_hex().into());
    members
}

fn canonical(members: &Map<String, Value>) -> Result<Vec<u8>, EntryError> {
    serde_json_canonicalizer::to_vec(members).map_err(|_| EntryError::NotCanonical)
}

fn message(unsigned: &Map<String, Value>) -> Result<Vec<u8>, EntryError> {
    Ok([DOMAIN, &canonical(unsigned)?].concat())
}

/// Reads the link of an entry; checks canonical form, not the signature.
///
/// # Errors
/// [`EntryError`] naming what is wrong.
pub fn parse(bytes: &[u8]) -> Result<(Map<String, Value>, Link), EntryError> {
    if bytes.len() > MAX_ENTRY {
        return Err(EntryError::TooLarge(bytes.len()));
    }
    let members: Map<String, Value> =
        serde_json::from_slice(bytes).map_err(|_| EntryError::NotCanonical)?;
    members
        .values()
        .try_for_each(|value| check_value(value, 1))?;
    // Parsing forgets duplicate members, spacing and spelling; printing again brings all to light.
    if canonical(&members)? != bytes {
        return Err(EntryError::NotCanonical);
    }
    let chain_uid = text(&members, "chain_uid").ok_or(EntryError::Malformed("chain_uid"))?;
    uuid::Uuid::parse_str(chain_uid).map_err(|_| EntryError::Malformed("chain_uid"))?;
    let seq = members
        .get("seq")
        .and_then(Value::as_u64)
        .ok_or(EntryError::Malformed("seq"))?;
    let prev_text = text(&members, "prev").ok_or(EntryError::Malformed("prev"))?;
    let mut prev = [0u8; 32];
    hex::decode_to_slice(prev_text, &mut prev).map_err(|_| EntryError::Malformed("prev"))?;
    if hex::encode(prev) != prev_text {
        return Err(EntryError::Malformed("prev"));
    }
    let link = Link {
        chain_uid: chain_uid.to_owned(),
        seq,
        prev,
    };
    Ok((members, link))
}

/// Checks everything an entry says about itself: form, authority, key and signature.
///
/// # Errors
/// [`EntryError`] naming what is wrong.
pub fn open(bytes: &[u8], key: &VerifierKey) -> Result<Link, EntryError> {
    let (mut members, link) = parse(bytes)?;
    let malformed = || EntryError::Malformed("attestation");
    let Some(Value::Object(found)) = members.get_mut("attestation") else {
        return Err(malformed());
    };
    let signatures = found.remove("signatures").ok_or_else(malformed)?;
    let authority = text(found, "authority_uid").unwrap_or_default();
    let key_uid = text(found, "key_uid").unwrap_or_default();
    if authority != key.name() || key_uid != key.id_hex() {
        let (authority, key) = (authority.to_owned(), key_uid.to_owned());
        return Err(EntryError::Authority { authority, key });
    }
    if *found != attestation(key) {
        return Err(malformed());
    }
    let Some([Value::String(encoded)]) = signatures.as_array().map(Vec::as_slice) else {
        return Err(malformed());
    };
    let raw = STANDARD.decode(encoded).map_err(|_| malformed())?;
    let signature = Signature::from_slice(&raw).map_err(|_| malformed())?;
    key.verify(&message(&members)?, &signature)
        .map_err(|_| EntryError::Signature)?;
    Ok(link)
}

/// The link that the entry after `bytes` carries.
pub(crate) fn next_link(link: &Link, bytes: &[u8]) -> Link {
    Link {
        chain_uid: link.chain_uid.clone(),
        seq: link.seq + 1,
        prev: leaf_hash(bytes),
    }
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests;
