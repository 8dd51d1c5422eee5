//! Whole-system tests against the real binary
