//! The data plane: accept, inspect, decide, record, forward, release
