//! What can be asked of any body.

use crate::{Body, ExchangeId, wellformed::Malformed};

impl Body {
    /// The type, as records spell it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Genesis(_) => "genesis",
            Self::Decision(_) => "decision",
            Self::Change(_) => "change",
            Self::Heartbeat(_) => "heartbeat",
            Self::Gap(_) => "gap",
            Self::Key(_) => "key",
            Self::Clock(_) => "clock",
            Self::Retention(_) => "retention",
            Self::Outcome(_) => "outcome",
            Self::HumanReview(_) => "human_review",
            Self::Incident(_) => "incident",
            Self::Evaluation(_) => "evaluation",
            Self::Reconciliation(_) => "reconciliation",
            Self::Complaint(_) => "complaint",
            Self::DemographicImport(_) => "demographic_import",
            Self::Hold(_) => "hold",
            Self::HoldRelease(_) => "hold_release",
            Self::Erasure(_) => "erasure",
            Self::Export(_) => "export",
            Self::DisclosureToAuthority(_) => "disclosure_to_authority",
        }
    }

    /// Whether a reported body is well formed; what the gateway itself writes always is.
    ///
    /// # Errors
    /// [`Malformed`] names the member and what it must be.
    pub fn validate(&self) -> Result<(), Malformed> {
        match self {
            Self::Outcome(body) => body.validate(),
            Self::HumanReview(body) => body.validate(),
            Self::Incident(body) => body.validate(),
            Self::Evaluation(body) => body.validate(),
            Self::Reconciliation(body) => body.validate(),
            Self::Complaint(body) => body.validate(),
            Self::DemographicImport(body) => body.validate(),
            Self::Hold(body) => body.validate(),
            Self::HoldRelease(body) => body.validate(),
            Self::Erasure(body) => body.validate(),
            Self::Export(body) => body.validate(),
            Self::DisclosureToAuthority(body) => body.validate(),
            Self::Genesis(_)
            | Self::Decision(_)
            | Self::Change(_)
            | Self::Heartbeat(_)
            | Self::Gap(_)
            | Self::Key(_)
            | Self::Clock(_)
            | Self::Retention(_) => Ok(()),
        }
    }

    /// The exchanges that it names.
    pub fn exchanges(&self) -> &[ExchangeId] {
        use std::slice::from_ref;
        match self {
            Self::Decision(body) => from_ref(&body.exchange),
            Self::Gap(body) => &body.exchanges,
            Self::Outcome(body) => from_ref(&body.exchange),
            Self::HumanReview(body) => from_ref(&body.exchange),
            Self::Incident(body) => &body.exchanges,
            Self::Complaint(body) => body.exchange.as_slice(),
            Self::Hold(body) => &body.exchanges,
            Self::Genesis(_)
            | Self::Change(_)
            | Self::Heartbeat(_)
            | Self::Key(_)
            | Self::Clock(_)
            | Self::Retention(_)
            | Self::Evaluation(_)
            | Self::Reconciliation(_)
            | Self::DemographicImport(_)
            | Self::HoldRelease(_)
            | Self::Erasure(_)
            | Self::Export(_)
            | Self::DisclosureToAuthority(_) => &[],
        }
    }
}
