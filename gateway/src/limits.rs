//! Every bound of the data plane, named, with unit and default.

use std::time::Duration;

/// Bounds. Reaching one is a typed refusal in the caller's dialect.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest body in bytes, as sent and after decoding. Default 32 MiB.
    pub body_bytes_max: usize,
    /// Most that a body may grow by decoding, as a multiple of its bytes as sent, once it is past
    /// `decode_ratio_from_bytes`. Default 100.
    pub decode_ratio_max: usize,
    /// Decoded bytes up to which no ratio is looked at. Default 1 MiB.
    pub decode_ratio_from_bytes: usize,
    /// Largest head of a request in bytes. Default 64 KiB.
    pub head_bytes_max: usize,
    /// Most headers of a request. Default 100.
    pub headers_max: usize,
    /// Longest time to read a request's head, from its first byte (of the first request: from the
    /// connection's first moment). Default 10 s.
    pub header_read_max: Duration,
    /// Longest time that a connection stays open between two requests. Default 75 s.
    pub keep_alive_max: Duration,
    /// Longest time to read a whole request body. Default 300 s.
    pub body_read_max: Duration,
    /// Slowest request body in bytes per second, on average. Default 8192.
    pub body_rate_min: u32,
    /// Time before the slowest rate is asked for. Default 10 s.
    pub body_grace: Duration,
    /// Longest time that a caller reads nothing of what is sent. Default 60 s.
    pub write_stall_max: Duration,
    /// Longest TLS handshake. Default 10 s.
    pub handshake_max: Duration,
    /// Most streams at once on one HTTP/2 connection. Default 128.
    pub http2_streams_max: u32,
    /// Longest wait for the upstream's response head. Default 600 s.
    pub upstream_head_max: Duration,
    /// Longest silence of an upstream body. Default 120 s.
    pub upstream_idle_max: Duration,
    /// Longest time to open a connection to the upstream. Default 10 s.
    pub upstream_connect_max: Duration,
    /// Longest time that an unused connection to an upstream is kept. Default 30 s.
    pub upstream_pool_idle_max: Duration,
    /// Most unused connections kept per upstream. Default 64.
    pub upstream_pool_max: usize,
    /// Longest stream. Default 1 h.
    pub stream_duration_max: Duration,
    /// Most bytes of a stream that are held back unjudged. Default 8 MiB.
    pub stream_held_bytes_max: usize,
    /// Time the detectors have for one side (per stride on streams). Default 30 s.
    pub judge_budget: Duration,
    /// Exchanges served at once; more are shed. Default 1024.
    pub exchanges_max: usize,
    /// Connections open at once. Beyond it the one that has been silent for longest is ended;
    /// if none is silent the new one is. Default 4096.
    pub connections_max: usize,
    /// Connections from one address at once, likewise. Default 2048.
    pub connections_per_address_max: usize,
    /// Upgraded connections (websockets) open at once. Default 256.
    pub upgrades_max: usize,
    /// Longest silence of both ends of an upgraded connection. Default 300 s.
    pub upgrade_idle_max: Duration,
    /// Longest upgraded connection. Default 1 h.
    pub upgrade_duration_max: Duration,
    /// Longest drain at shutdown. Default 30 s.
    pub drain_max: Duration,
    /// Bounds of parsing.
    pub wire: countersign_wire::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 32 << 20,
            decode_ratio_max: 100,
            decode_ratio_from_bytes: 1 << 20,
            head_bytes_max: 64 << 10,
            headers_max: 100,
            header_read_max: Duration::from_secs(10),
            keep_alive_max: Duration::from_secs(75),
            body_read_max: Duration::from_secs(300),
            body_rate_min: 8192,
            body_grace: Duration::from_secs(10),
            write_stall_max: Duration::from_secs(60),
            handshake_max: Duration::from_secs(10),
            http2_streams_max: 128,
            upstream_head_max: Duration::from_secs(600),
            upstream_idle_max: Duration::from_secs(120),
            upstream_connect_max: Duration::from_secs(10),
            upstream_pool_idle_max: Duration::from_secs(30),
            upstream_pool_max: 64,
            stream_duration_max: Duration::from_secs(3600),
            stream_held_bytes_max: 8 << 20,
            judge_budget: Duration::from_secs(30),
            exchanges_max: 1024,
            connections_max: 4096,
            connections_per_address_max: 2048,
            upgrades_max: 256,
            upgrade_idle_max: Duration::from_secs(300),
            upgrade_duration_max: Duration::from_secs(3600),
            drain_max: Duration::from_secs(30),
            wire: countersign_wire::Limits::default(),
        }
    }
}
