//! Bytes to typed events of each model API dialect, and back
