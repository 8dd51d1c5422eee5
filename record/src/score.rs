//! Scores as parts per million, so that no float is ever hashed.

use serde::{Deserialize, Serialize};

/// A calibrated score in parts per million: 0 is 0.0, 1 000 000 is 1.0.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(try_from = "u32", into = "u32")]
pub struct Score(u32);

impl Score {
    /// The highest score, 1.0.
    pub const MAX: Self = Self(1_000_000);
    /// The lowest score, 0.0.
    pub const ZERO: Self = Self(0);

    /// Makes a score from parts per million.
    ///
    /// # Errors
    /// [`ScoreError`] when `ppm` is over 1 000 000.
    pub fn from_ppm(ppm: u32) -> Result<Self, ScoreError> {
        if ppm > Self::MAX.0 {
            Err(ScoreError { ppm })
        } else {
            Ok(Self(ppm))
        }
    }

    /// The score in parts per million.
    pub const fn ppm(self) -> u32 {
        self.0
    }
}

/// A score outside 0..=1 000 000 parts per million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("score of {ppm} ppm is over 1000000")]
pub struct ScoreError {
    /// The refused value.
    pub ppm: u32,
}

impl TryFrom<u32> for Score {
    type Error = ScoreError;
    fn try_from(ppm: u32) -> Result<Self, ScoreError> {
        Self::from_ppm(ppm)
    }
}

impl From<Score> for u32 {
    fn from(score: Score) -> Self {
        score.0
    }
}
