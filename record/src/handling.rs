//! What was done with records and their content: kept, erased, handed out.

use serde::{Deserialize, Serialize};

use crate::{
    ExchangeId,
    wellformed::{
        ITEMS_MAX, Malformed, code, digest, ensure, in_order, instant, optional, reference,
    },
};

/// Records that must be kept until the hold is released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Its id.
    pub hold: String,
    /// A code for why, for example `incident` or `litigation`.
    pub cause: String,
    /// The matter's or incident's own reference.
    pub matter: String,
    /// The exchanges that it covers; with none, all records of the period.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exchanges: Vec<ExchangeId>,
    /// Covers records from this instant on (RFC 3339, UTC); absent: from the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Covers records before this instant; absent: later ones too, as they are made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Who or what placed it, by a pseudonym or code.
    pub actor: String,
}

impl Hold {
    /// # Errors
    /// [`Malformed`] names the member.
    pub fn validate(&self) -> Result<(), Malformed> {
        reference("hold", &self.hold)?;
        code("cause", &self.cause)?;
        reference("matter", &self.matter)?;
        crate::wellformed::exchanges(self.exchanges.len())?;
        optional(instant, "from", self.from.as_deref())?;
        optional(instant, "to", self.to.as_deref())?;
        if let (Some(from), Some(to)) = (&self.from, &self.to) {
            in_order("to", from, to)?;
        }
        reference("actor", &self.actor)
    }
}

/// A hold ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldRelease {
    /// The hold's id.
    pub hold: String,
    /// Who released it, by a pseudonym or code.
    pub actor: String,
    /// A code for why.
    pub reason: String,
}

impl HoldRelease {
    /// # Errors
    /// [`Malformed`] names the member.
    pub fn validate(&self) -> Result<(), Malformed> {
        reference("hold", &self.hold)?;
        reference("actor", &self.actor)?;
        code("reason", &self.reason)
    }
}

/// How a request to erase ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErasureResult {
    /// Keys and ciphertext were destroyed.
    Done,
    /// Some were; the rest is kept on the ground stated.
    Partial,
    /// Nothing was destroyed, on the ground stated.
    Refused,
}

/// Content was erased, or the request refused. It names the request, never the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// The request's own reference.
    pub request: String,
    /// How it ended.
    pub result: ErasureResult,
    /// A code for the ground: of the request when done, of the refusal otherwise.
    pub ground: String,
    /// When it was asked for (RFC 3339, UTC).
    pub requested_at: String,
    /// When it was carried out or refused.
    pub decided_at: String,
    /// Ids of the keys destroyed, at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// Pieces of content that cannot be read any more.
    pub pieces: u64,
    /// Who did it, by a pseudonym or code.
    pub actor: String,
}

impl Erasure {
    /// # Errors
    /// [`Malformed`] names the member; a refusal that destroyed something is one.
    pub fn validate(&self) -> Result<(), Malformed> {
        reference("request", &self.request)?;
        code("ground", &self.ground)?;
        instant("requested_at", &self.requested_at)?;
        instant("decided_at", &self.decided_at)?;
        in_order("decided_at", &self.requested_at, &self.decided_at)?;
        ensure(self.keys.len() <= ITEMS_MAX, "keys", "must be at most 100")?;
        self.keys
            .iter()
            .try_for_each(|key| reference("keys", key))?;
        let nothing = self.keys.is_empty() && self.pieces == 0;
        ensure(
            nothing || self.result != ErasureResult::Refused,
            "result",
            "a refused request destroyed nothing",
        )?;
        reference("actor", &self.actor)
    }
}

/// A bundle or report left the house.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// `sha256:` of what was exported.
    pub bundle: String,
    /// A code for what it is, for example `evidence_bundle` or `log_extract`.
    pub kind: String,
    /// A code for what it is for.
    pub purpose: String,
    /// Who gets it, by a pseudonym.
    pub recipient: String,
    /// Who exported it, by a pseudonym or code.
    pub actor: String,
    /// First entry in it, when it holds entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Last entry in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
}

impl Export {
    /// # Errors
    /// [`Malformed`] names the member.
    pub fn validate(&self) -> Result<(), Malformed> {
        digest("bundle", &self.bundle)?;
        code("kind", &self.kind)?;
        code("purpose", &self.purpose)?;
        reference("recipient", &self.recipient)?;
        reference("actor", &self.actor)?;
        ensure(
            self.first.is_some() == self.last.is_some() && self.first <= self.last,
            "last",
            "must be stated with first and not lie before it",
        )
    }
}

/// Something that an authority got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handed {
    /// A code for what it is.
    pub kind: String,
    /// `sha256:` of it.
    pub digest: String,
}

/// An authority asked for something and got it, or did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityDisclosure {
    /// The request's own reference.
    pub request: String,
    /// The authority, by a code.
    pub authority: String,
    /// A code for the basis that the authority stated, for example `eu-aia-21`.
    pub basis: String,
    /// When it asked (RFC 3339, UTC).
    pub requested_at: String,
    /// When it was handed over; absent when it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handed_over_at: Option<String>,
    /// What was handed over, at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Handed>,
    /// Whether confidentiality was claimed.
    pub confidential: bool,
}

impl AuthorityDisclosure {
    /// # Errors
    /// [`Malformed`] names the member; items without a time of handing over are one.
    pub fn validate(&self) -> Result<(), Malformed> {
        reference("request", &self.request)?;
        code("authority", &self.authority)?;
        code("basis", &self.basis)?;
        instant("requested_at", &self.requested_at)?;
        if let Some(handed) = &self.handed_over_at {
            instant("handed_over_at", handed)?;
            in_order("handed_over_at", &self.requested_at, handed)?;
        }
        ensure(
            self.handed_over_at.is_some() != self.items.is_empty(),
            "items",
            "what was handed over has a time, and the other way round",
        )?;
        ensure(
            self.items.len() <= ITEMS_MAX,
            "items",
            "must be at most 100",
        )?;
        self.items.iter().try_for_each(|item| {
            code("items.kind", &item.kind)?;
            digest("items.digest", &item.digest)
        })
    }
}
