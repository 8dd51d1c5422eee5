//! Text in base64 and hexadecimal: found by its alphabet, decoded, and believed when it is text.

mod alphabet;

use std::ops::Range;

use self::alphabet::{Verdict, from_base64, from_hex, judge};
use super::{BREAK, Children};

/// Fewer base64 characters decode to fewer than the eight characters that count as text.
const BASE64_MIN: usize = 11;
const HEX_MIN: usize = 16;
/// Pairs of hexadecimal digits with separators between them.
const PAIRS_MIN: usize = 8;
/// A long run is looked at by its beginning before all of it is decoded. A multiple of 4.
const PROBE: usize = 64;

/// Reads every encoded piece of `source`; each is parted from the next by a [`BREAK`].
///
/// Stops once more than `budget` bytes came out.
pub(super) fn read(source: &str, budget: usize) -> Children {
    let mut found = Children::default();
    let bytes = source.as_bytes();
    let mut at = 0;
    while let Some(start) = next_run(bytes, at) {
        let run = Run::at(bytes, start);
        if run.end == bytes.len() {
            found.open = run.open_from(bytes);
        }
        run.decode(bytes, &mut found);
        if found.made.text.len() > budget {
            found.is_cut = true;
            return found;
        }
        at = run.end.max(start + 1);
    }
    found
}

/// The next run that is long enough, or reaches the end.
fn next_run(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while at < bytes.len() {
        if !is_symbol(*bytes.get(at)?) {
            at += 1;
            continue;
        }
        let length = symbols(bytes, at);
        let is_pair = is_pair(bytes, at, length) && is_pair_separator(bytes.get(at + 2).copied());
        if length >= BASE64_MIN || is_pair || at + length + 3 >= bytes.len() {
            return Some(at);
        }
        // A short line of a longer whole is part of a run too.
        if length.is_multiple_of(4) && line_break(bytes, at + length).is_some() {
            return Some(at);
        }
        at += length;
    }
    None
}

/// Characters of both base64 alphabets; hexadecimal digits are among them.
fn is_symbol(byte: u8) -> bool {
    SYMBOLS.get(usize::from(byte)).copied().unwrap_or(false)
}

/// Every byte of every text is looked up here.
const SYMBOLS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || is_mark(byte);
        byte += 1;
    }
    table
};

/// Those that also part words and path segments.
const fn is_mark(byte: u8) -> bool {
    matches!(byte, b'+' | b'/' | b'-' | b'_')
}

fn symbols(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter().take_while(|b| is_symbol(**b)).count()
}

/// Where the line break ends that stands at `at`.
fn line_break(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at..)? {
        [b'\r', b'\n', ..] => Some(at + 2),
        // After a carriage return at the end, the rest of the line break may still come.
        [b'\n', ..] | [b'\r'] => Some(at + 1),
        _ => None,
    }
}

/// Whether two hexadecimal digits stand there and nothing else with them.
fn is_pair(bytes: &[u8], at: usize, length: usize) -> bool {
    let digits = bytes.get(at..at + length).filter(|d| d.len() == 2);
    digits.is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit))
}

fn is_pair_separator(byte: Option<u8>) -> bool {
    matches!(byte, Some(b' ' | b':' | b','))
}

/// Lines of symbols that belong together, or pairs of hexadecimal digits.
struct Run {
    lines: Vec<Range<usize>>,
    is_pairs: bool,
    /// With its padding and, at the end of a text, a last line break or separator.
    end: usize,
}

impl Run {
    fn at(bytes: &[u8], start: usize) -> Self {
        Self::pairs(bytes, start).unwrap_or_else(|| Self::lines(bytes, start))
    }

    /// `41 4b 49 41`: pairs with the same separator between any two.
    fn pairs(bytes: &[u8], start: usize) -> Option<Self> {
        let is_pair = |at: usize| is_pair(bytes, at, symbols(bytes, at));
        let separator = bytes.get(start + 2).copied();
        if !is_pair(start) || !is_pair_separator(separator) {
            return None;
        }
        let mut end = start + 2;
        while bytes.get(end).copied() == separator && is_pair(end + 1) {
            end += 3;
        }
        let lines = (start..end).step_by(3).map(|at| at..at + 2).collect();
        // Half a pair may follow.
        let is_at_end = end == bytes.len()
            || bytes.get(end).copied() == separator
                && (end + 1 == bytes.len()
                    || end + 2 == bytes.len() && symbols(bytes, end + 1) == 1);
        Some(Self {
            lines,
            is_pairs: true,
            end: if is_at_end { bytes.len() } else { end },
        })
    }

    fn lines(bytes: &[u8], start: usize) -> Self {
        let mut lines = Vec::new();
        let mut at = start;
        loop {
            let length = symbols(bytes, at);
            let end = at + length;
            lines.push(at..end);
            let goes_on = length >= 4 && length.is_multiple_of(4);
            let is_text = || bytes.get(at..end).is_some_and(could_be_base64);
            match line_break(bytes, end).filter(|_| goes_on && is_text()) {
                Some(next) if next == bytes.len() || symbols(bytes, next) > 0 => {
                    if next == bytes.len() {
                        return Self::of_lines(lines, next);
                    }
                    at = next;
                }
                _ => {
                    let rest = bytes.get(end..).unwrap_or_default();
                    let padding = rest.iter().take(2).take_while(|b| **b == b'=').count();
                    return Self::of_lines(lines, end + padding);
                }
            }
        }
    }

    fn of_lines(lines: Vec<Range<usize>>, end: usize) -> Self {
        Self {
            lines,
            is_pairs: false,
            end,
        }
    }

    fn symbols(&self, bytes: &[u8]) -> Vec<u8> {
        let lines = self.lines.iter().filter_map(|line| bytes.get(line.clone()));
        lines.flatten().copied().collect()
    }

    /// Decodes all of it, or else each line, or else each piece of a line between marks.
    fn decode(&self, bytes: &[u8], found: &mut Children) {
        let (Some(first), Some(last)) = (self.lines.first(), self.lines.last()) else {
            return;
        };
        if self.is_pairs {
            if self.lines.len() >= PAIRS_MIN
                && let Some(text) = from_hex(&self.symbols(bytes)).and_then(text_of)
            {
                found.add(&text, first.start..last.end);
            }
            return;
        }
        let is_one = self.lines.len() == 1;
        if !is_one && let Some(text) = text_in(&self.symbols(bytes)) {
            return found.add(&text, first.start..self.end_of_last(bytes, last));
        }
        for line in &self.lines {
            let symbols = bytes.get(line.clone()).unwrap_or_default();
            if let Some(text) = text_in(symbols) {
                found.add(&text, line.start..self.end_of_last(bytes, line));
                continue;
            }
            for piece in pieces(bytes, line) {
                if let Some(text) = bytes.get(piece.clone()).and_then(text_in) {
                    found.add(&text, piece.start..self.end_of_last(bytes, &piece));
                }
            }
        }
    }

    /// The end of a line with the padding that follows it.
    fn end_of_last(&self, bytes: &[u8], line: &Range<usize>) -> usize {
        let rest = bytes.get(line.end..self.end).unwrap_or_default();
        line.end + rest.iter().take_while(|b| **b == b'=').count()
    }

    /// Where the part starts that could still become text, were the source to go on.
    fn open_from(&self, bytes: &[u8]) -> Option<usize> {
        let first = self.lines.first()?.start;
        let whole = self.symbols(bytes);
        if self.is_pairs {
            return could_be_hex(&whole).then_some(first);
        }
        let could_be = |symbols: &[u8]| could_be_base64(symbols) || could_be_hex(symbols);
        if could_be(&whole) {
            return Some(first);
        }
        let last = self.lines.last()?;
        if bytes.get(last.clone()).is_some_and(could_be) {
            return Some(last.start);
        }
        let piece = pieces(bytes, last).last()?;
        let is_open = bytes.get(piece.clone()).is_some_and(could_be);
        (is_open && piece.end == last.end).then_some(piece.start)
    }
}

/// The parts of a line between marks, when there are several.
fn pieces(bytes: &[u8], line: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let symbols = bytes.get(line.clone()).unwrap_or_default();
    let has_marks = symbols.iter().any(|b| is_mark(*b));
    let mut at = line.start;
    let parts = symbols.split(|b| is_mark(*b)).map(move |part| {
        let range = at..at + part.len();
        at = range.end + 1;
        range
    });
    parts.filter(move |part| has_marks && !part.is_empty())
}

/// What symbols say, as hexadecimal or as base64.
fn text_in(symbols: &[u8]) -> Option<String> {
    let digits = symbols.strip_prefix(b"0x").unwrap_or(symbols);
    let is_hex = digits.len() >= HEX_MIN && could_be_hex(digits.get(..PROBE.min(digits.len()))?);
    if is_hex && let Some(text) = from_hex(digits).and_then(text_of) {
        return Some(text);
    }
    let has = |is_kind: fn(&u8) -> bool| symbols.iter().any(is_kind);
    let is_base64 = symbols.len() >= BASE64_MIN
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && could_be_base64(symbols.get(..PROBE.min(symbols.len()))?);
    if is_base64 {
        return text_of(from_base64(symbols));
    }
    None
}

fn text_of(decoded: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(decoded).ok()?;
    (judge(text.as_bytes()) == Verdict::Text).then_some(text)
}

fn could_be_base64(symbols: &[u8]) -> bool {
    let whole = symbols.len() / 4 * 4;
    judge(&from_base64(symbols.get(..whole).unwrap_or_default())) != Verdict::Data
}

fn could_be_hex(symbols: &[u8]) -> bool {
    let digits = symbols.strip_prefix(b"0x").unwrap_or(symbols);
    let whole = digits.len() / 2 * 2;
    let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
    is_hex
        && from_hex(digits.get(..whole).unwrap_or_default())
            .is_some_and(|decoded| judge(&decoded) != Verdict::Data)
}

impl Children {
    fn add(&mut self, text: &str, place: Range<usize>) {
        if !self.made.text.is_empty() {
            self.made.append(BREAK, &(place.start..place.start));
        }
        self.made.append(text, &place);
    }
}
