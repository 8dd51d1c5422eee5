//! Bounds, as the file names them. Every name ends in its unit.

use std::num::NonZeroU32;
use std::time::Duration;

use countersign_gateway::limits::Limits;
use countersign_gateway::quota::Allowance;
use serde::{Deserialize, Serialize};

/// `limits:`. Times are whole seconds (`_s_`) or milliseconds (`_ms_`), sizes are bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitsConfig {
    /// Largest body, as sent and after decoding.
    pub(crate) body_bytes_max: usize,
    /// Most that a body may grow by decoding once it is past 1 MiB, as a multiple of what was sent.
    pub(crate) decode_ratio_max: usize,
    /// Largest head of a request; at least 8192.
    pub(crate) head_bytes_max: usize,
    /// Most headers of a request.
    pub(crate) headers_max: usize,
    /// Longest time to read a request's head.
    pub(crate) head_read_s_max: u64,
    /// Longest time that a connection stays open between two requests.
    pub(crate) keep_alive_s_max: u64,
    /// Longest time to read a whole request body.
    pub(crate) body_read_s_max: u64,
    /// Slowest request body in bytes per second, on average, once `body_grace_s` are over.
    pub(crate) body_bytes_per_s_min: u32,
    /// Time before the slowest rate is asked for.
    pub(crate) body_grace_s: u64,
    /// Longest time that a caller reads nothing of what is sent.
    pub(crate) write_stall_s_max: u64,
    /// Longest TLS handshake.
    pub(crate) handshake_s_max: u64,
    /// Most streams at once on one HTTP/2 connection.
    pub(crate) http2_streams_max: u32,
    /// Requests served at once; more are refused with 503 and counted in the ledger.
    pub(crate) exchanges_max: usize,
    /// Connections open at once; beyond it the one silent for longest is ended.
    pub(crate) connections_max: usize,
    /// Connections open at once from one address, likewise.
    pub(crate) connections_per_address_max: usize,
    /// Upgraded connections (websockets) open at once.
    pub(crate) upgrades_max: usize,
    /// Longest silence of an upgraded connection.
    pub(crate) upgrade_idle_s_max: u64,
    /// Longest upgraded connection.
    pub(crate) upgrade_duration_s_max: u64,
    /// Longest time to open a connection to an upstream.
    pub(crate) upstream_connect_s_max: u64,
    /// Longest wait for an upstream's response head.
    pub(crate) upstream_head_s_max: u64,
    /// Longest silence of an upstream.
    pub(crate) upstream_idle_s_max: u64,
    /// Longest time that an unused connection to an upstream is kept.
    pub(crate) upstream_pool_idle_s_max: u64,
    /// Most unused connections kept per upstream.
    pub(crate) upstream_pool_max: usize,
    /// Longest stream.
    pub(crate) stream_duration_s_max: u64,
    /// Time the detectors have per side or stride.
    pub(crate) judge_ms_max: u64,
    /// Longest drain after SIGTERM.
    pub(crate) drain_s_max: u64,
    /// What each principal may use.
    pub(crate) per_principal: PrincipalConfig,
}

/// `limits.per_principal:`, and the same under a route's `limits:`. A principal is a client
/// certificate, else a credential, else an address. Nothing set is nothing limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PrincipalConfig {
    /// Requests per minute; as many may come at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) requests_per_minute: Option<NonZeroU32>,
    /// Tokens per minute, of prompts and answers, as the vendor reports them afterwards: a budget
    /// can be overdrawn, and is then refused until it is paid back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tokens_per_minute: Option<NonZeroU32>,
    /// Requests at once, streams included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) concurrent: Option<usize>,
}

/// A route's `limits:`.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RouteLimitsConfig {
    /// In place of `limits.per_principal`, counted for this route alone.
    pub(crate) per_principal: PrincipalConfig,
}

impl From<PrincipalConfig> for Allowance {
    fn from(given: PrincipalConfig) -> Self {
        Self {
            requests_per_minute: given.requests_per_minute,
            tokens_per_minute: given.tokens_per_minute,
            concurrent: given.concurrent,
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        let limits = Limits::default();
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            body_bytes_max: limits.body_bytes_max,
            decode_ratio_max: limits.decode_ratio_max,
            head_bytes_max: limits.head_bytes_max,
            headers_max: limits.headers_max,
            head_read_s_max: limits.header_read_max.as_secs(),
            keep_alive_s_max: limits.keep_alive_max.as_secs(),
            body_read_s_max: limits.body_read_max.as_secs(),
            body_bytes_per_s_min: limits.body_rate_min,
            body_grace_s: limits.body_grace.as_secs(),
            write_stall_s_max: limits.write_stall_max.as_secs(),
            handshake_s_max: limits.handshake_max.as_secs(),
            http2_streams_max: limits.http2_streams_max,
            exchanges_max: limits.exchanges_max,
            connections_max: limits.connections_max,
            connections_per_address_max: limits.connections_per_address_max,
            upgrades_max: limits.upgrades_max,
            upgrade_idle_s_max: limits.upgrade_idle_max.as_secs(),
            upgrade_duration_s_max: limits.upgrade_duration_max.as_secs(),
            upstream_connect_s_max: limits.upstream_connect_max.as_secs(),
            upstream_head_s_max: limits.upstream_head_max.as_secs(),
            upstream_idle_s_max: limits.upstream_idle_max.as_secs(),
            upstream_pool_idle_s_max: limits.upstream_pool_idle_max.as_secs(),
            upstream_pool_max: limits.upstream_pool_max,
            stream_duration_s_max: limits.stream_duration_max.as_secs(),
            judge_ms_max: millis(limits.judge_budget),
            drain_s_max: limits.drain_max.as_secs(),
            per_principal: PrincipalConfig::default(),
        }
    }
}

impl From<&LimitsConfig> for Limits {
    fn from(given: &LimitsConfig) -> Self {
        let seconds = Duration::from_secs;
        Self {
            body_bytes_max: given.body_bytes_max,
            decode_ratio_max: given.decode_ratio_max,
            head_bytes_max: given.head_bytes_max,
            headers_max: given.headers_max,
            header_read_max: seconds(given.head_read_s_max),
            keep_alive_max: seconds(given.keep_alive_s_max),
            body_read_max: seconds(given.body_read_s_max),
            body_rate_min: given.body_bytes_per_s_min,
            body_grace: seconds(given.body_grace_s),
            write_stall_max: seconds(given.write_stall_s_max),
            handshake_max: seconds(given.handshake_s_max),
            http2_streams_max: given.http2_streams_max,
            exchanges_max: given.exchanges_max,
            connections_max: given.connections_max,
            connections_per_address_max: given.connections_per_address_max,
            upgrades_max: given.upgrades_max,
            upgrade_idle_max: seconds(given.upgrade_idle_s_max),
            upgrade_duration_max: seconds(given.upgrade_duration_s_max),
            upstream_connect_max: seconds(given.upstream_connect_s_max),
            upstream_head_max: seconds(given.upstream_head_s_max),
            upstream_idle_max: seconds(given.upstream_idle_s_max),
            upstream_pool_idle_max: seconds(given.upstream_pool_idle_s_max),
            upstream_pool_max: given.upstream_pool_max,
            stream_duration_max: seconds(given.stream_duration_s_max),
            judge_budget: Duration::from_millis(given.judge_ms_max),
            drain_max: seconds(given.drain_s_max),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_of_the_file_are_the_defaults_of_the_gateway() {
        let given = Limits::from(&LimitsConfig::default());
        assert_eq!(format!("{given:?}"), format!("{:?}", Limits::default()));
    }
}
