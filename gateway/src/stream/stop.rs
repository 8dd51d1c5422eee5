//! Why a stream is stopped before its own end.

use countersign_record::Finish;
use countersign_wire::RefusalKind;

use super::engine::StreamFault;
use super::outlet::CallerGone;
use super::transcript::Stride;
use crate::judge::Judgement;
use crate::refusal::Fault;

/// Why the pump stops before the stream's own end.
pub(super) enum Stop {
    /// The judgement of this text withholds.
    Withheld(Stride, Box<Judgement>),
    /// The upstream failed; the caller is told.
    Upstream(Fault, Finish),
    /// The caller left.
    CallerGone,
}

impl From<StreamFault> for Stop {
    fn from(fault: StreamFault) -> Self {
        let message = format!("The upstream's stream could not be read: {fault}.");
        let fault = Fault::new(RefusalKind::UpstreamFault, message);
        Self::Upstream(fault, Finish::UpstreamFault)
    }
}

impl From<CallerGone> for Stop {
    fn from(_gone: CallerGone) -> Self {
        Self::CallerGone
    }
}

impl Stop {
    pub(super) fn cut(what: &str) -> Self {
        let message = format!("The upstream's stream was cut: {what}.");
        let fault = Fault::new(RefusalKind::UpstreamFault, message);
        Self::Upstream(fault, Finish::UpstreamCut)
    }

    pub(super) fn idle() -> Self {
        let message = "The upstream's stream fell silent.";
        let fault = Fault::new(RefusalKind::UpstreamTimeout, message);
        Self::Upstream(fault, Finish::UpstreamCut)
    }

    pub(super) fn overlong() -> Self {
        let message = "The stream lasted longer than the limit.";
        let fault = Fault::new(RefusalKind::UpstreamTimeout, message);
        Self::Upstream(fault, Finish::UpstreamCut)
    }
}
