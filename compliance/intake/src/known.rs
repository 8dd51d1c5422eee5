//! What is known already, so that nothing is told twice and nothing contradicts itself unseen.

use std::collections::{BTreeMap, BTreeSet};

use countersign_record::{Body, ExchangeId};
use sha2::{Digest, Sha256};

/// Records that the ledger holds, or that a batch has told so far.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// By what a body is about: the digest of what it says.
    told: BTreeMap<[u8; 32], [u8; 32]>,
    exchanges: BTreeSet<ExchangeId>,
}

/// How a body stands to what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    New,
    Duplicate,
    Contradiction,
}

impl Known {
    /// Knows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Learns a body that the ledger holds. Takes 64 bytes for each reported body and 16 for each
    /// exchange.
    pub fn learn(&mut self, body: &Body) {
        if let Body::Decision(decision) = body {
            self.exchanges.insert(decision.exchange);
        }
        if let Some((about, says)) = digests(body) {
            self.told.entry(about).or_insert(says);
        }
    }

    /// Whether a decision record about `exchange` was learnt.
    pub fn has_decided(&self, exchange: &ExchangeId) -> bool {
        self.exchanges.contains(exchange)
    }

    pub(crate) fn standing(&self, body: &Body) -> Standing {
        match digests(body).map(|(about, says)| (self.told.get(&about), says)) {
            None | Some((None, _)) => Standing::New,
            Some((Some(told), says)) if *told == says => Standing::Duplicate,
            Some((Some(_), _)) => Standing::Contradiction,
        }
    }
}

/// Of what a body is about, and of what it says; `None` for what is not reported.
fn digests(body: &Body) -> Option<([u8; 32], [u8; 32])> {
    let about = about(body)?;
    let says = match body {
        // When it was reported is not what it says.
        Body::Outcome(outcome) => {
            let mut outcome = outcome.clone();
            outcome.late = false;
            format!("{outcome:?}")
        }
        _ => format!("{body:?}"),
    };
    let about = format!("{}\0{about}", body.kind());
    Some((Sha256::digest(about).into(), Sha256::digest(says).into()))
}

/// What two records of a type must share to be about the same.
fn about(body: &Body) -> Option<String> {
    let about = match body {
        Body::Outcome(b) => {
            let replaced = b.supersedes.map(|id| id.to_string()).unwrap_or_default();
            format!("{}\0{}\0{}\0{replaced}", b.exchange, b.kind, b.source)
        }
        Body::HumanReview(b) => {
            let decision = b.decision.map(|id| id.to_string()).unwrap_or_default();
            format!(
                "{}\0{:?}\0{decision}\0{}\0{}",
                b.exchange, b.side, b.reviewer, b.closed_at
            )
        }
        Body::Incident(b) => format!("{}\0{:?}\0{}", b.incident, b.stage, b.stage_at),
        Body::Evaluation(b) => b.evaluation.clone(),
        Body::Reconciliation(b) => {
            let lists = (&b.vendor_list, &b.our_list);
            format!("{}\0{}\0{}\0{lists:?}", b.vendor, b.from, b.to)
        }
        Body::Complaint(b) => format!("{}\0{:?}\0{}", b.complaint, b.status, b.status_at),
        Body::DemographicImport(b) => b.file.clone(),
        // A hold's id is used once.
        Body::Hold(b) => b.hold.clone(),
        Body::HoldRelease(b) => b.hold.clone(),
        Body::Erasure(b) => format!("{}\0{}", b.request, b.decided_at),
        Body::Export(b) => format!("{}\0{}\0{}", b.bundle, b.recipient, b.purpose),
        Body::DisclosureToAuthority(b) => {
            format!("{}\0{}\0{:?}", b.request, b.authority, b.handed_over_at)
        }
        Body::Genesis(_)
        | Body::Decision(_)
        | Body::Change(_)
        | Body::Heartbeat(_)
        | Body::Gap(_)
        | Body::Key(_)
        | Body::Clock(_)
        | Body::Retention(_) => return None,
    };
    Some(about)
}
