//! The encoder classifier on candle.
//!
//! [`CandleBackend`] loads a model folder (`manifest.json`, `model.safetensors`, `tokenizer.json`),
//! checks every file against the digest in the manifest, and scores windows with an encoder of its
//! own: f32 on the CPU, one window at a time, so that a window's scores depend on nothing else.
//! Weights are stored with 8 bits each and one scale per row, and expanded when loaded.

mod backend;
mod encoder;
mod error;
mod kernel;
mod manifest;
mod weights;

pub use backend::{CandleBackend, Device, load_set};
pub use error::LoadError;
