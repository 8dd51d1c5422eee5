//! Routes: which upstream, which policy, and what happens when something cannot be judged.

use std::sync::Arc;

use countersign_policy::Policy;
use countersign_record::{Mode, Side};
use countersign_wire::Extraction;
use http::Uri;

use crate::quota::Quota;
use crate::upstream::Upstream;

/// One route. The first whose pattern matches the path wins.
#[derive(Debug, Clone)]
pub struct Route {
    /// Name in records and metrics.
    pub name: String,
    /// Exact path, or a prefix followed by `*`.
    pub pattern: String,
    /// Base URL; the request's path is appended to its path.
    pub upstream: Uri,
    /// The API company, for records.
    pub vendor: String,
    /// The policy in force.
    pub policy: Arc<Policy>,
    /// How streams are released.
    pub stream: StreamMode,
    /// What not evaluated means, by side.
    pub on_not_evaluated: NotEvaluated,
    /// What happens to bodies that no detector can read.
    pub on_unreadable: Unreadable,
    /// What happens to requests for another protocol.
    pub upgrades: Upgrades,
    /// Values that the policy is told, read out of whole JSON bodies by pointer.
    pub extract: Extractions,
    /// What each principal may use; routes may share it.
    pub quota: Arc<Quota>,
    /// The way to an upstream with its own TLS or protocol; the common way without it.
    pub way: Option<Upstream>,
}

/// Values read out of bodies, by side. They become the policy fact `metadata`.
#[derive(Debug, Clone, Default)]
pub struct Extractions {
    /// Of requests.
    pub input: Extraction,
    /// Of whole responses; a stream has no one body to point into.
    pub output: Extraction,
}

impl Extractions {
    /// The extraction of one side.
    pub fn of(&self, side: Side) -> &Extraction {
        match side {
            Side::Input => &self.input,
            Side::Output => &self.output,
        }
    }
}

/// What happens to requests for another protocol (websockets).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Upgrades {
    /// They are refused.
    #[default]
    Refuse,
    /// Websockets pass; their records say that nothing inside was evaluated.
    PassUnevaluated,
}

/// How a stream is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StreamMode {
    /// Frames leave once their text is judged and no pattern can still grow into them.
    #[default]
    Hold,
    /// Frames leave at once; a late deny ends the stream and the exposure is recorded.
    Optimistic,
    /// Nothing leaves before the whole answer is judged.
    Buffer,
    /// Frames leave at once; decisions are recorded and never acted on.
    Observe,
}

/// What happens when a detector did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FailMode {
    /// Withhold.
    #[default]
    Deny,
    /// Pass on; the record says that it was not evaluated.
    Permit,
}

/// Fail modes by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NotEvaluated {
    /// For requests.
    pub input: FailMode,
    /// For responses.
    pub output: FailMode,
}

impl NotEvaluated {
    /// The fail mode of one side.
    pub fn of(self, side: Side) -> FailMode {
        match side {
            Side::Input => self.input,
            Side::Output => self.output,
        }
    }
}

/// What happens to a body that is no JSON and no event stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unreadable {
    /// Refuse it.
    #[default]
    Refuse,
    /// Pass it on; the record says `not_evaluated{media_type}`.
    Pass,
}

impl Route {
    /// Whether this route serves `path`.
    pub fn matches(&self, path: &str) -> bool {
        match self.pattern.strip_suffix('*') {
            Some(prefix) => path.starts_with(prefix),
            None => path == self.pattern,
        }
    }

    /// Enforce, or observe.
    pub fn mode(&self) -> Mode {
        match self.stream {
            StreamMode::Observe => Mode::Observe,
            StreamMode::Hold | StreamMode::Optimistic | StreamMode::Buffer => Mode::Enforce,
        }
    }
}
