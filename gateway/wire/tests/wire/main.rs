//! The crate through its public API.

#[cfg(test)]
mod bodies;
#[cfg(test)]
mod body_redaction;
#[cfg(test)]
mod canaries;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod events;
#[cfg(test)]
mod extraction;
#[cfg(test)]
mod made;
#[cfg(test)]
#[path = "../../fuzz/properties.rs"]
#[allow(unreachable_pub, reason = "public in the fuzz crate")]
mod properties;
#[cfg(test)]
mod rechunking;
#[cfg(test)]
mod recordings;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod splitting;
#[cfg(test)]
mod stream_redaction;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod unread;
#[cfg(test)]
mod values;
