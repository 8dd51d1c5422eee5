//! The data plane of Countersign: a reverse proxy that lets nothing pass without a decision, and
//! nothing go without a record.
//!
//! The whole life of a request is one function, [`exchange`]'s `Gateway::exchange`, read top to
//! bottom. The other modules are its verbs:
//!
//! | module | does |
//! |---|---|
//! | [`server`] | accepts connections, bounds them, drains them |
//! | [`connection`], [`framing`] | one connection: strict framing, silence, stalls |
//! | [`tls`] | TLS of listeners and private upstreams, reloaded while serving |
//! | [`hygiene`] | refuses heads with two meanings |
//! | [`caller`], [`quota`] | who asks, and how much they may use |
//! | [`open`] | which exchanges are open, and what the ledger is owed about others |
//! | [`last_run`] | how the last run left the ledger |
//! | [`clock_watch`] | whether the wall clock was set, or nothing ran |
//! | [`shed`] | what was turned away unread, told to the ledger once a second |
//! | [`intake`] | reads and decodes a body within limits |
//! | [`judge`] | detectors, then policy: what is in it, and what follows |
//! | [`permit`] | the value that only a recorded decision can make, and that forwarding takes |
//! | [`evidence`] | builds records and makes them durable |
//! | `forward` | what of a request is read, and what of it goes on |
//! | [`upstream`] | sends what was permitted |
//! | [`release`] | holds, redacts, releases or blocks a plain answer |
//! | [`stream`] | the same for a stream, frame by frame |
//! | [`under_way`] | how many streams there may be, and what a drain waits for |
//! | [`upgrade`] | websockets, where a route passes them |
//! | [`refusal`] | every fault, in the caller's dialect |
//! | [`trace`] | spans and the access log's line |
//! | [`admin`] | health, metrics, receipts, the ledger's read API |
//!
//! What is *not* here: adapters (sled, candle), files of configuration, the command line. The
//! `countersign` crate chooses and wires those.

pub mod admin;
pub mod caller;
pub mod clock_watch;
pub mod connection;
pub mod evidence;
pub mod exchange;
pub mod framing;
pub mod hygiene;
pub mod intake;
pub mod judge;
pub mod last_run;
pub mod limits;
pub mod metrics;
pub mod open;
pub mod permit;
pub mod quota;
pub mod refusal;
pub mod release;
pub mod route;
pub mod server;
pub mod shed;
pub mod stream;
pub mod tls;
pub mod trace;
pub mod under_way;
pub mod upgrade;
pub mod upstream;

mod body;
mod clock;
mod forward;

pub use body::{Body, BoxError};
pub use clock::{new_exchange_id, now};
