//! What an index says about itself: enough to notice rows that are missing or strange.

use sha2::{Digest, Sha256};

/// The mark, and number and digest of all rows, written together with them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    /// Number of entries that the index covers.
    pub(crate) applied: u64,
    /// The highest index of any row; zero without rows.
    pub(crate) highest: u64,
    /// Number of rows.
    pub(crate) rows: u64,
    /// Sum of the rows' hashes, so that it depends on no order. Against accidents, not forgers.
    pub(crate) digest: u128,
}

impl Sums {
    const BYTES: usize = 8 + 8 + 8 + 16;

    /// Counts one more row.
    pub(crate) fn add(&mut self, key: &[u8]) {
        let hash: [u8; 32] = Sha256::digest(key).into();
        let half = hash.first_chunk().copied().map_or(0, u128::from_be_bytes);
        self.rows = self.rows.wrapping_add(1);
        self.digest = self.digest.wrapping_add(half);
    }

    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let (numbers, digest) = bytes.split_at_mut(24);
        for (place, number) in
            numbers
                .chunks_exact_mut(8)
                .zip([self.applied, self.highest, self.rows])
        {
            place.copy_from_slice(&number.to_be_bytes());
        }
        digest.copy_from_slice(&self.digest.to_be_bytes());
        bytes
    }

    /// `None` for any other length.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (applied, rest) = bytes.split_first_chunk()?;
        let (highest, rest) = rest.split_first_chunk()?;
        let (rows, rest) = rest.split_first_chunk()?;
        Some(Self {
            applied: u64::from_be_bytes(*applied),
            highest: u64::from_be_bytes(*highest),
            rows: u64::from_be_bytes(*rows),
            digest: u128::from_be_bytes(rest.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_read_as_they_were_written_and_no_other_length_does() {
        let mut sums = Sums {
            applied: 1,
            highest: 2,
            ..Sums::default()
        };
        sums.add(b"row");
        assert_eq!(Sums::from_bytes(&sums.to_bytes()), Some(sums));
        assert_eq!(Sums::from_bytes(&sums.to_bytes()[1..]), None);
        assert_eq!(Sums::from_bytes(&[0; 41]), None);
    }

    #[test]
    fn the_digest_depends_on_the_rows_and_not_on_their_order() {
        let of = |keys: &[&str]| {
            let mut sums = Sums::default();
            for key in keys {
                sums.add(key.as_bytes());
            }
            sums
        };
        assert_eq!(of(&["a", "b"]), of(&["b", "a"]));
        assert_ne!(of(&["a", "b"]), of(&["a", "c"]));
        assert_ne!(of(&["a", "b"]), of(&["a"]));
    }
}
