//! Joining words that are spelled out: `i g n o r e`, `i.g.n.o.r.e`, `4 1 1 1 …`.
//!
//! A spelled word is a row of single characters with the same separator between any two; a wider
//! gap between two of them is the space between words.

use std::ops::Range;

use super::Step;
use super::map::{OverBudget, Rewriter};

/// Fewer letters in a row are an enumeration or an abbreviation (`U.S.A.`).
const LETTERS_MIN: usize = 5;
/// Fewer digits in a row are a list of numbers; the shortest number with a label has nine.
const DIGITS_MIN: usize = 9;
/// Spaces between two spelled words.
const GAP_MAX: usize = 4;

/// A row of single characters.
struct Row {
    end: usize,
    units: usize,
    /// Units that are letters or digits, and those that are digits.
    alphanumeric: usize,
    digits: usize,
    /// Digits in a row at its end.
    digits_last: usize,
    /// What stands between units.
    gaps: Vec<Gap>,
}

struct Gap {
    place: Range<usize>,
    /// Whether it is wide enough to part two words.
    is_wide: bool,
    /// How many digits in a row stand before it, and after it.
    digits_before: usize,
    digits_after: usize,
}

impl Gap {
    /// A long number is not joined to a letter beside it: `a 4 1 1 1 …` is not `a4111…`.
    fn is_kept(&self) -> bool {
        let (before, after) = (self.digits_before, self.digits_after);
        self.is_wide || before.max(after) >= DIGITS_MIN && before.min(after) == 0
    }
}

impl Row {
    fn is_spelled(&self) -> bool {
        let min = if self.digits == self.alphanumeric {
            DIGITS_MIN
        } else {
            LETTERS_MIN
        };
        self.alphanumeric >= min && self.alphanumeric * 3 >= self.units * 2
    }
}

pub(super) fn undo(source: &str, budget: usize) -> Result<Step, OverBudget> {
    let mut rewriter = Rewriter::new(source, budget);
    let mut settled = source.len();
    let mut at = 0;
    while let Some(start) = next_start(source, at) {
        let mut row = read_row(source, start);
        if row.end == source.len() {
            // Its first character stays as it is; what follows it may be dropped.
            settled = settled.min(unit(source, start, false).unwrap_or(start));
        }
        if row.is_spelled() {
            row.count_digits_after();
            for gap in &row.gaps {
                rewriter.replace(&gap.place, if gap.is_kept() { " " } else { "" });
            }
            if rewriter.is_full() {
                return Err(OverBudget);
            }
        }
        at = row.end;
    }
    Step::of(rewriter, settled)
}

/// Where the next row could start: a letter or digit that stands alone.
fn next_start(source: &str, from: usize) -> Option<usize> {
    let bytes = source.as_bytes();
    let before = from.checked_sub(1).and_then(|i| bytes.get(i));
    let mut was_inside = before.is_some_and(|b| is_word(*b));
    let mut rest = bytes.get(from..)?.iter().enumerate().peekable();
    while let Some((offset, byte)) = rest.next() {
        let is_inside = is_word(*byte);
        let is_start = is_inside && !was_inside;
        was_inside = is_inside;
        // The common case, a second letter, is seen without decoding.
        let is_alone = byte.is_ascii() && !rest.peek().is_some_and(|(_, next)| is_word(**next));
        if is_start
            && (is_alone || !byte.is_ascii())
            && unit(source, from + offset, false).is_some()
        {
            return Some(from + offset);
        }
    }
    None
}

/// Bytes of words: ASCII letters and digits, and everything that is not ASCII.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// The end of the single character at `at`; `None` when a word goes on after it.
fn unit(source: &str, at: usize, is_mark_allowed: bool) -> Option<usize> {
    let rest = source.get(at..)?;
    let mut chars = rest.chars();
    let c = chars.next()?;
    let is_mark = is_mark_allowed && c.is_ascii_punctuation();
    let end = at + c.len_utf8();
    if is_mark {
        return Some(end);
    }
    let goes_on = chars.next().is_some_and(|next| {
        next.is_alphanumeric() || unicode_normalization::char::is_combining_mark(next)
    });
    (c.is_alphanumeric() && !goes_on).then_some(end)
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'.' | b'-' | b'_' | b'*' | b'/' | b'|')
}

/// The row that starts with the single character at `start`.
fn read_row(source: &str, start: usize) -> Row {
    let bytes = source.as_bytes();
    let mut row = Row {
        end: start,
        units: 0,
        alphanumeric: 0,
        digits: 0,
        digits_last: 0,
        gaps: Vec::new(),
    };
    row.take(source, start, unit(source, start, false));
    let Some(separator) = bytes.get(row.end).copied().filter(|b| is_separator(*b)) else {
        return row;
    };
    loop {
        let rest = bytes.get(row.end..).unwrap_or_default();
        let spaces = rest.iter().take_while(|b| **b == b' ').count();
        let (gap, is_wide) = if separator == b' ' {
            (spaces, spaces > 1)
        } else if rest.first() == Some(&separator) {
            (1, false)
        } else {
            (spaces, true)
        };
        if gap == 0 || gap > GAP_MAX {
            return row;
        }
        let next = row.end + gap;
        if next == source.len() {
            // What follows decides; until then the row reaches to the end.
            row.end = next;
            return row;
        }
        let is_mark_allowed = separator == b' ' || bytes.get(next) == Some(&b'@');
        let Some(end) = unit(source, next, is_mark_allowed) else {
            return row;
        };
        row.gaps.push(Gap {
            place: row.end..next,
            is_wide,
            digits_before: row.digits_last,
            digits_after: 0,
        });
        row.take(source, next, Some(end));
    }
}

impl Row {
    fn take(&mut self, source: &str, start: usize, end: Option<usize>) {
        let Some(end) = end else { return };
        let taken = source.get(start..end).unwrap_or_default();
        self.units += 1;
        self.alphanumeric += usize::from(taken.chars().all(char::is_alphanumeric));
        let is_digit = taken.bytes().all(|b| b.is_ascii_digit());
        self.digits += usize::from(is_digit);
        self.digits_last = if is_digit { self.digits_last + 1 } else { 0 };
        self.end = end;
    }

    fn count_digits_after(&mut self) {
        let mut after = usize::from(self.digits_last > 0);
        for gap in self.gaps.iter_mut().rev() {
            gap.digits_after = after;
            after = if gap.digits_before > 0 { after + 1 } else { 0 };
        }
    }
}
