//! Every bound of the data plane, named, with unit and default.

use std::time::Duration;

/// Bounds. Reaching one is a typed refusal in the caller's dialect.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest body in bytes, as sent and after decoding. Default 32 MiB.
    pub body_bytes_max: usize,
    /// Longest time to read a request's head. Default 10 s.
    pub header_read_max: Duration,
    /// Longest time to read a whole request body. Default 60 s.
    pub body_read_max: Duration,
    /// Longest wait for the upstream's response head. Default 600 s.
    pub upstream_head_max: Duration,
    /// Longest silence of an upstream body. Default 120 s.
    pub upstream_idle_max: Duration,
    /// Longest time to open a connection to the upstream. Default 10 s.
    pub upstream_connect_max: Duration,
    /// Longest time that a caller takes nothing of a stream that waits for it. Default 60 s.
    pub caller_stall_max: Duration,
    /// Longest stream. Default 1 h.
    pub stream_duration_max: Duration,
    /// Most bytes of a stream that are held back unjudged. Default 8 MiB.
    pub stream_held_bytes_max: usize,
    /// Time the detectors have for one side (per stride on streams). Default 30 s.
    pub judge_budget: Duration,
    /// Exchanges served at once; more are shed. Default 1024.
    pub exchanges_max: usize,
    /// Connections open at once. Default 4096.
    pub connections_max: usize,
    /// Longest drain at shutdown. Default 30 s.
    pub drain_max: Duration,
    /// Bounds of parsing.
    pub wire: countersign_wire::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 32 << 20,
            header_read_max: Duration::from_secs(10),
            body_read_max: Duration::from_secs(60),
            upstream_head_max: Duration::from_secs(600),
            upstream_idle_max: Duration::from_secs(120),
            upstream_connect_max: Duration::from_secs(10),
            caller_stall_max: Duration::from_secs(60),
            stream_duration_max: Duration::from_secs(3600),
            stream_held_bytes_max: 8 << 20,
            judge_budget: Duration::from_secs(30),
            exchanges_max: 1024,
            connections_max: 4096,
            drain_max: Duration::from_secs(30),
            wire: countersign_wire::Limits::default(),
        }
    }
}
