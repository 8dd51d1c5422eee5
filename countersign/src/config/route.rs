//! Routes, as the file names them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use countersign_gateway::route::{FailMode, StreamMode, Unreadable, Upgrades};
use serde::{Deserialize, Serialize};

use super::limits::RouteLimitsConfig;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RouteConfig {
    /// Name in records and metrics; the pattern without one.
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(rename = "match")]
    pub(crate) matches: MatchConfig,
    pub(crate) upstream: UpstreamConfig,
    #[serde(default = "default_policy")]
    pub(crate) policy: String,
    #[serde(default)]
    pub(crate) stream: StreamConfig,
    #[serde(default)]
    pub(crate) evidence: EvidenceConfig,
    #[serde(default)]
    pub(crate) on_not_evaluated: NotEvaluatedConfig,
    #[serde(default)]
    pub(crate) on_unreadable: UnreadableConfig,
    /// Websockets: refused, or passed with a record that says that nothing was evaluated.
    #[serde(default)]
    pub(crate) upgrades: UpgradesConfig,
    /// Values read out of JSON bodies for the policy's `metadata`, as `name: /json/pointer`.
    #[serde(default)]
    pub(crate) extract: ExtractConfig,
    /// Limits of this route alone, in place of the common ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) limits: Option<RouteLimitsConfig>,
}

/// JSON Pointers (RFC 6901) by name, for requests and for whole answers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExtractConfig {
    #[serde(default)]
    pub(crate) input: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) output: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MatchConfig {
    pub(crate) path: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpstreamConfig {
    pub(crate) url: String,
    #[serde(default = "default_vendor")]
    pub(crate) vendor: String,
    /// The upstream speaks HTTP/2 without being asked, also in the clear.
    #[serde(default)]
    pub(crate) http2: bool,
    /// Authorities of its certificate (PEM), in place of the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<PathBuf>,
    /// Certificate shown to it (PEM).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_cert: Option<PathBuf>,
    /// The key of `client_cert` (PEM).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_key: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StreamConfig {
    #[default]
    Hold,
    Optimistic,
    Buffer,
    Observe,
}

impl From<StreamConfig> for StreamMode {
    fn from(mode: StreamConfig) -> Self {
        match mode {
            StreamConfig::Hold => Self::Hold,
            StreamConfig::Optimistic => Self::Optimistic,
            StreamConfig::Buffer => Self::Buffer,
            StreamConfig::Observe => Self::Observe,
        }
    }
}

/// Only evidence before release is offered; the weaker modes are refused rather than pretended.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EvidenceConfig {
    #[default]
    BeforeRelease,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NotEvaluatedConfig {
    #[serde(default)]
    pub(crate) input: FailModeConfig,
    #[serde(default)]
    pub(crate) output: FailModeConfig,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FailModeConfig {
    #[default]
    Deny,
    Permit,
}

impl From<FailModeConfig> for FailMode {
    fn from(mode: FailModeConfig) -> Self {
        match mode {
            FailModeConfig::Deny => Self::Deny,
            FailModeConfig::Permit => Self::Permit,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UnreadableConfig {
    #[default]
    Refuse,
    Pass,
}

impl From<UnreadableConfig> for Unreadable {
    fn from(mode: UnreadableConfig) -> Self {
        match mode {
            UnreadableConfig::Refuse => Self::Refuse,
            UnreadableConfig::Pass => Self::Pass,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UpgradesConfig {
    #[default]
    Refuse,
    PassUnevaluated,
}

impl From<UpgradesConfig> for Upgrades {
    fn from(mode: UpgradesConfig) -> Self {
        match mode {
            UpgradesConfig::Refuse => Self::Refuse,
            UpgradesConfig::PassUnevaluated => Self::PassUnevaluated,
        }
    }
}

pub(super) fn default_policy() -> String {
    "default".to_owned()
}

fn default_vendor() -> String {
    "unknown".to_owned()
}
