//! The port through which a model is run.

use countersign_record::{DetectorRef, Score, Span};

/// A label that a model scores, with the thresholds that its calibration gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelLabel {
    /// Label of the taxonomy.
    pub name: String,
    /// Threshold for drawing attention.
    pub flag: Score,
    /// Threshold for blocking.
    pub block: Score,
}

/// A slice of a text as a model reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Token ids, special tokens included.
    pub ids: Vec<u32>,
    /// The bytes of the text that the tokens cover.
    pub span: Span,
}

/// Why a backend could not plan or score.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct BackendError {
    /// A short reason without content.
    pub reason: String,
}

impl BackendError {
    /// An error with this content-free reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}

/// A model on some hardware. It is owned by one thread, which alone calls it.
///
/// # Contract
/// - `plan` covers the whole text with windows, or fails; it never truncates. The same text gives
///   the same windows.
/// - `score` answers one row per window, in order, with one score per label, in the order of
///   `labels`. A window's scores depend on its ids alone, not on its neighbours in the call.
/// - Neither blocks for anything but its own computation; a failure leaves the backend usable.
/// - Several backends of one detector are replicas: they describe themselves alike.
pub trait Backend: Send + 'static {
    /// Which model, exactly.
    fn describe(&self) -> DetectorRef;

    /// The labels it scores.
    fn labels(&self) -> Vec<ModelLabel>;

    /// Cuts `text` into windows.
    ///
    /// # Errors
    /// [`BackendError`] when the text could not be turned into tokens.
    fn plan(&self, text: &str) -> Result<Vec<Window>, BackendError>;

    /// Scores windows.
    ///
    /// # Errors
    /// [`BackendError`] when the computation failed or gave no usable number.
    fn score(&mut self, windows: &[&Window]) -> Result<Vec<Vec<Score>>, BackendError>;
}
