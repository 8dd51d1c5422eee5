//! The ledger indexes that a number was counted from.

/// A set of indexes as ascending closed ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Indexes {
    ranges: Vec<(u64, u64)>,
}

impl Indexes {
    pub(crate) fn of(mut indexes: Vec<u64>) -> Self {
        indexes.sort_unstable();
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for index in indexes {
            match ranges.last_mut() {
                Some((_, end)) if index <= end.saturating_add(1) => *end = index,
                _ => ranges.push((index, index)),
            }
        }
        Self { ranges }
    }

    /// How many different indexes.
    pub(crate) fn count(&self) -> u64 {
        self.ranges.iter().map(|(start, end)| end - start + 1).sum()
    }

    pub(crate) fn first(&self) -> Option<u64> {
        self.ranges.first().map(|(start, _)| *start)
    }

    pub(crate) fn last(&self) -> Option<u64> {
        self.ranges.last().map(|(_, end)| *end)
    }

    /// At most `max` ranges as text, and how many indexes are left out.
    pub(crate) fn shown(&self, max: usize) -> (Vec<String>, u64) {
        let shown = self.ranges.iter().take(max).map(|(start, end)| {
            if start == end {
                start.to_string()
            } else {
                format!("{start}-{end}")
            }
        });
        let omitted = self
            .ranges
            .iter()
            .skip(max)
            .map(|(start, end)| end - start + 1)
            .sum();
        (shown.collect(), omitted)
    }

    /// [`Indexes::shown`] as one line.
    pub(crate) fn line(&self, max: usize) -> String {
        let (shown, omitted) = self.shown(max);
        let mut line = shown.join(", ");
        if omitted > 0 {
            line.extend([" and ", &omitted.to_string(), " more"]);
        }
        line
    }
}

#[cfg(test)]
mod tests;
