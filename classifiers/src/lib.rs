//! What reads text: the [`Detector`] and [`Backend`] ports, and everything around them that needs
//! no model.
//!
//! An [`Inspector`] runs every detector over one side of an exchange and always answers with an
//! [`Assessment`]; a detector that could not answer is a typed, content-free reason in it, never an
//! error and never a pass.
//!
//! - [`PatternDetector`] finds personal data and credentials by their structure, and says how much
//!   of a growing text must be held back ([`PatternDetector::live_from`]).
//! - [`ModelDetector`] drives one or more [`Backend`]s, each on a thread of its own, behind a
//!   bounded queue.
//! - [`view`] takes the disguise off a text: full-width letters, invisible characters, look-alikes,
//!   encodings. Detectors read the views beside the text.
//! - [`window`] cuts a text of any length into windows that a model can read. Nothing is truncated.
//!
//! Scores are integers in parts per million; spans are byte ranges.

mod backend;
mod detector;
mod inspector;
mod model;
mod pattern;
pub mod view;
pub mod window;

pub use backend::{Backend, BackendError, ModelLabel, Window};
pub use detector::{Detector, Inspection, LabelScore, LabelledSpan};
pub use inspector::{Assessment, Inspector};
pub use model::{Limits, ModelDetector};
pub use pattern::PatternDetector;
