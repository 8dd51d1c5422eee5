//! What went wrong, and what somebody complained of.

use serde::{Deserialize, Serialize};

use crate::{
    ExchangeId,
    wellformed::{
        ITEMS_MAX, Malformed, code, digest, ensure, in_order, instant, optional, reference,
    },
};

/// What an incident is, by Art. 3(49) of Regulation (EU) 2024/1689. The reporter says so; the
/// product does not judge it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentCategory {
    /// Death of a person.
    Death,
    /// Serious harm to a person's health.
    HealthHarm,
    /// Serious and irreversible disruption of critical infrastructure.
    CriticalInfrastructure,
    /// Infringement of obligations that protect fundamental rights.
    FundamentalRights,
    /// Serious harm to property or the environment.
    PropertyOrEnvironment,
    /// A widespread infringement.
    WidespreadInfringement,
    /// Not yet known.
    Undetermined,
}

/// Where the handling of an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentStage {
    /// It became known.
    Opened,
    /// The first report went out.
    Initial,
    /// Another report went out.
    FollowUp,
    /// The last report went out.
    Final,
    /// It is over.
    Closed,
}

/// Something went wrong, or the handling of it went on. All records of one incident share its
/// reference; the last states how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// The reporter's own reference.
    pub incident: String,
    /// What happened with it.
    pub stage: IncidentStage,
    /// What it is.
    pub category: IncidentCategory,
    /// When the reporter became aware (RFC 3339, UTC).
    pub aware_at: String,
    /// When the causal link, or its likelihood, was established.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_at: Option<String>,
    /// When this stage was reached.
    pub stage_at: String,
    /// Time zone of the Member State, by its IANA name, for example `Europe/Berlin`.
    pub zone: String,
    /// Member States concerned, by ISO 3166-1 code.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<String>,
    /// Exchanges concerned; at most 1000, the others in further records.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exchanges: Vec<ExchangeId>,
    /// Persons affected, when counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persons: Option<u64>,
    /// Salted commitment to the description, which is kept elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The hold that keeps its records, see [`crate::Hold`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
}

impl Incident {
    /// # Errors
    /// [`Malformed`] names the member, for example a stage before awareness.
    pub fn validate(&self) -> Result<(), Malformed> {
        reference("incident", &self.incident)?;
        instant("aware_at", &self.aware_at)?;
        optional(instant, "link_at", self.link_at.as_deref())?;
        instant("stage_at", &self.stage_at)?;
        in_order("stage_at", &self.aware_at, &self.stage_at)?;
        let part = |b: u8| b.is_ascii_alphanumeric() || b"/_+-".contains(&b);
        ensure(
            matches!(self.zone.len(), 1..=64) && self.zone.bytes().all(part),
            "zone",
            "must be the IANA name of a time zone, for example Europe/Berlin",
        )?;
        let state =
            |state: &String| state.len() == 2 && state.bytes().all(|b| b.is_ascii_uppercase());
        ensure(
            self.states.len() <= ITEMS_MAX && self.states.iter().all(state),
            "states",
            "must be codes of two capital letters, at most 100",
        )?;
        crate::wellformed::exchanges(self.exchanges.len())?;
        optional(digest, "description", self.description.as_deref())?;
        optional(reference, "hold", self.hold.as_deref())
    }
}

/// How a complaint stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComplaintStatus {
    /// It came in.
    Received,
    /// It was found to be right.
    Upheld,
    /// It was found not to be right.
    Rejected,
    /// It was taken back.
    Withdrawn,
}

/// Somebody complained, or a complaint was answered. All records of one complaint share its
/// reference; the last states how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complaint {
    /// The reporter's own reference.
    pub complaint: String,
    /// The exchange that it is about, when one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<ExchangeId>,
    /// A code for what it is about, for example `wrongly_blocked`.
    pub category: String,
    /// A code for how it came, for example `form`.
    pub channel: String,
    /// How it stands.
    pub status: ComplaintStatus,
    /// When that came to be (RFC 3339, UTC).
    pub status_at: String,
}

impl Complaint {
    /// # Errors
    /// [`Malformed`] names the member.
    pub fn validate(&self) -> Result<(), Malformed> {
        reference("complaint", &self.complaint)?;
        code("category", &self.category)?;
        code("channel", &self.channel)?;
        instant("status_at", &self.status_at)
    }
}
