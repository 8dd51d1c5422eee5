//! Rows in bulk, as JSON Lines or CSV, to the bodies of reported records.
//!
//! A batch is taken whole or not at all: [`read`] gives the bodies and everything that is wrong,
//! each with its line, and whoever appends them looks at [`Batch::is_clean`] first. It remembers
//! nothing between two calls; what the ledger holds already is told to it with [`Known`], so that
//! a file that is taken in twice adds nothing, and one that contradicts the ledger is refused.
//!
//! There are no files, sockets, clocks or randomness here: the time of receipt is given.
//!
//! Start at [`read`]. `docs/intake.md` lists the members of each kind.

mod batch;
mod cells;
mod kind;
mod known;
mod row;

pub use batch::{Batch, Fault, Limits, Problem, Received, read};
pub use kind::{Form, Kind, UnknownName};
pub use known::Known;
