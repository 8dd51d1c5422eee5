//! One entry: canonical bytes, chain link, signature, and what the ledger itself has to say. Pure.

use serde_json::{Map, Value, json};

use crate::{
    keys::VerifierKey,
    merkle::Hash,
    signer::{Signer, SignerError},
};

mod canonical;
mod draft;
mod print;
mod reading;

pub use draft::Draft;
pub(crate) use draft::Linked;
pub use reading::{Reading, open, parse};

/// Longest entry in bytes: an entry bundle gives its length 16 bits.
pub const MAX_ENTRY: usize = 65_535;
/// Members that only the ledger writes.
pub const RESERVED: [&str; 5] = ["attestation", "chain_uid", "ledger", "prev", "seq"];
/// Prefix of every signed message, so that an entry's signature can serve as nothing else.
pub const DOMAIN: &[u8] = b"countersign/entry/v1\n";
/// Largest integer that RFC 8785 keeps exact.
const MAX_INTEGER: u64 = (1 << 53) - 1;
/// Deepest nesting accepted.
const MAX_DEPTH: usize = 64;
/// Length of `,"signatures":["…"]` with 88 characters of base64.
const SIGNATURE_TEXT: usize = 106;

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
    /// No signature could be had.
    #[error(transparent)]
    Signer(#[from] SignerError),
}

/// The place of an entry in its writer's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Names the chain.
    pub chain_uid: String,
    /// Position in the chain, from zero without gaps.
    pub seq: u64,
    /// SHA-256 of the signed message of the chain's previous entry; zeros for the first. The
    /// message is the entry without its signature, so that a batch of entries can be linked first
    /// and signed on several cores afterwards; the tree covers the signatures.
    pub prev: Hash,
}

/// What the ledger itself has to say, in the member `ledger`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// From the next entry on another key signs; the statement is a note that both keys signed.
    Handover(String),
    /// Bundles of entries that end at or before this index may be absent from here on.
    PrunedBefore(u64),
}

impl Event {
    fn to_value(&self) -> Value {
        match self {
            Self::Handover(note) => json!({ "handover": note }),
            Self::PrunedBefore(index) => json!({ "pruned_before": index }),
        }
    }

    fn from_value(value: &Value) -> Option<Self> {
        let members = value.as_object().filter(|members| members.len() == 1)?;
        let handover = members.get("handover").and_then(Value::as_str);
        let pruned = members.get("pruned_before").and_then(Value::as_u64);
        handover
            .map(|note| Self::Handover(note.to_owned()))
            .or(pruned.map(Self::PrunedBefore))
    }
}

/// Links, signs and canonicalises one entry.
///
/// # Errors
/// [`EntryError`] when the map holds reserved members or floats or is too large, or the signer
/// fails.
pub fn seal(
    members: &Map<String, Value>,
    link: &Link,
    name: &VerifierKey,
    signer: &dyn Signer,
) -> Result<Vec<u8>, EntryError> {
    Ok(Draft::new(members)?.link(link, name)?.sign(signer)?)
}

/// Leaves the ledger's own members to the ledger.
fn check_names(members: &Map<String, Value>) -> Result<(), EntryError> {
    let found = RESERVED
        .into_iter()
        .find(|name| members.contains_key(*name));
    found.map_or(Ok(()), |name| Err(EntryError::Reserved(name)))
}

#[cfg(test)]
mod tests;
