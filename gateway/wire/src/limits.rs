//! Bounds on what is parsed.

/// Bounds on one body or one stream. Beyond each of them is a typed refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Deepest nesting of arrays and objects. More than 127 has no effect.
    pub depth_max: usize,
    /// Most values and object keys in one body or event.
    pub leaves_max: usize,
    /// Most bytes of one event of a stream, its line ends and comments included.
    pub event_bytes_max: usize,
    /// Most text channels, and most choices or content blocks, of one stream.
    pub channels_max: usize,
    /// Most distinct short values (ids, roles, types) remembered per stream so that each is
    /// scanned once; further ones are scanned each time they come.
    pub meta_values_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth_max: 64,
            leaves_max: 100_000,
            event_bytes_max: 1 << 20,
            channels_max: 1024,
            meta_values_max: 4096,
        }
    }
}
