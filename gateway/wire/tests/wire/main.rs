//! The crate through its public API.

mod bodies;
mod events;
mod recordings;
mod refusals;
mod streams;
