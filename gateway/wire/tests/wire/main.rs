//! The crate through its public API.

#[cfg(test)]
mod bodies;
#[cfg(test)]
mod body_redaction;
#[cfg(test)]
mod events;
#[cfg(test)]
mod recordings;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod stream_redaction;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod values;
