//! Identifiers of fixed shape: how they are written, which check they pass, which words tell them.

use std::sync::LazyLock;

use super::scan::{
    byte_at, byte_before, floor_boundary, is_attached_after, is_attached_before, is_digit, is_told,
    word_starts,
};

/// One kind of identifier.
///
/// In a shape `#` is a digit, `@` a capital, `&` a letter, `*` a digit or capital, `?` a digit or
/// letter, a space or a dash any of their kind, and everything else itself.
#[derive(Debug)]
pub(super) struct Rule {
    /// Its name in `docs/pii.md`.
    pub(super) entity: &'static str,
    pub(super) label: &'static str,
    /// Shapes that stand for themselves.
    pub(super) alone: &'static [&'static str],
    /// Shapes that need one of `words` before them.
    pub(super) told: &'static [&'static str],
    pub(super) words: &'static [&'static str],
    /// Whether the symbols, separators left out and letters as capitals, pass the check.
    pub(super) check: fn(&str) -> bool,
}

/// Longest shape with its separators, in bytes, with room to spare.
const WIDTH_MAX: usize = 64;
/// How far before an identifier the word that tells it may stand, in bytes.
const WORDS_REACH: usize = 40;
/// Words that say that a bare number is no identifier of a person.
const OTHER_WORDS: &[&str] = &[
    "order",
    "invoice",
    "isbn",
    "issn",
    "tracking",
    "ticket",
    "version",
    "build",
    "commit",
    "sku",
    "ean",
    "phone",
    "tel",
    "fax",
    "timestamp",
    "rechnung",
    "bestellung",
];

/// A shape with what its rule says of it.
struct Entry {
    rule: &'static Rule,
    shape: &'static [u8],
    needs_word: bool,
}

/// Shapes by how they begin.
struct Index {
    entries: Vec<Entry>,
    by_digits: [Vec<usize>; LEADS],
    by_letters: [Vec<usize>; LEADS],
}

/// One more than the longest run of digits or letters at the front of a shape.
const LEADS: usize = 33;

static INDEX: LazyLock<Index> = LazyLock::new(|| Index::of(super::national::rules()));

enum Fit {
    No,
    /// The text ends within the shape.
    Open,
    /// The end.
    Ends(usize),
}

/// Everything that starts at a word's start: each rule, and its end. What a word tells is no other
/// thing that needs none.
pub(super) fn at(text: &str, start: usize, found: &mut impl FnMut(&'static Rule, usize)) {
    if is_attached_before(text, start) {
        return;
    }
    let mut alone = Vec::new();
    let mut is_told = false;
    for entry in INDEX.candidates(text, start) {
        if let Some(end) = end_of(text, start, entry) {
            if entry.needs_word {
                is_told = true;
                found(entry.rule, end);
            } else {
                alone.push((entry.rule, end));
            }
        }
    }
    if !is_told {
        for (rule, end) in alone {
            found(rule, end);
        }
    }
}

/// The end of what a shape stands for at `start`.
fn end_of(text: &str, start: usize, entry: &Entry) -> Option<usize> {
    let Fit::Ends(end) = fit(text, start, entry.shape) else {
        return None;
    };
    let is_free = !is_attached_after(text, end) && !goes_on(text, start, end, entry.shape);
    let written = text.get(start..end)?;
    let is_valid = is_free && (entry.rule.check)(&symbols(written)) && is_meant(text, start, entry);
    is_valid.then_some(end)
}

/// Where a shape with spaces starts that the end of the text leaves open. Others lie within one
/// run of token characters or of number characters.
pub(super) fn open_from(text: &str) -> Option<usize> {
    let from = floor_boundary(text, text.len().saturating_sub(WIDTH_MAX));
    let tail = text.get(from..)?;
    word_starts(tail).map(|at| from + at).find(|start| {
        INDEX.candidates(text, *start).any(|entry| {
            entry.shape.contains(&b' ') && matches!(fit(text, *start, entry.shape), Fit::Open)
        })
    })
}

fn is_meant(text: &str, start: usize, entry: &Entry) -> bool {
    if entry.needs_word {
        is_told(text, start, WORDS_REACH, entry.rule.words)
    } else {
        let is_bare = entry.shape.iter().all(|symbol| *symbol == b'#');
        !is_bare || !is_told(text, start, WORDS_REACH / 2, OTHER_WORDS)
    }
}

/// Whether the groups belong to a longer row of groups.
fn goes_on(text: &str, start: usize, end: usize, shape: &[u8]) -> bool {
    let Some(separator) = shape.iter().rev().find(|s| !is_symbol(**s)) else {
        return false;
    };
    let is_number = shape.iter().all(|s| *s == b'#' || !is_symbol(*s));
    if !is_number {
        return false;
    }
    let same = |byte: Option<u8>| byte == Some(*separator);
    let after = same(byte_at(text, end)) && is_digit(byte_at(text, end + 1));
    let before = same(byte_before(text, start))
        && is_digit(start.checked_sub(2).and_then(|at| byte_at(text, at)));
    after || before
}

fn is_symbol(symbol: u8) -> bool {
    symbol.is_ascii_alphanumeric() || matches!(symbol, b'#' | b'@' | b'&' | b'*' | b'?')
}

fn fit(text: &str, start: usize, shape: &[u8]) -> Fit {
    let mut chars = text.get(start..).unwrap_or_default().chars();
    let mut end = start;
    for symbol in shape {
        let Some(c) = chars.next() else {
            return Fit::Open;
        };
        let fits = match symbol {
            b'#' => c.is_ascii_digit(),
            b'@' => c.is_ascii_uppercase(),
            b'&' => c.is_ascii_alphabetic(),
            b'*' => c.is_ascii_digit() || c.is_ascii_uppercase(),
            b'?' => c.is_ascii_alphanumeric(),
            b' ' => matches!(c, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}'),
            b'-' => matches!(c, '-' | '\u{2010}'..='\u{2013}' | '\u{2212}'),
            other => c == char::from(*other),
        };
        if !fits {
            return Fit::No;
        }
        end += c.len_utf8();
    }
    Fit::Ends(end)
}

/// Letters, as capitals, and digits.
fn symbols(written: &str) -> String {
    let symbols = written.chars().filter(char::is_ascii_alphanumeric);
    symbols.map(|c| c.to_ascii_uppercase()).collect()
}

impl Index {
    fn of(rules: impl Iterator<Item = &'static Rule>) -> Self {
        let mut index = Self {
            entries: Vec::new(),
            by_digits: std::array::from_fn(|_| Vec::new()),
            by_letters: std::array::from_fn(|_| Vec::new()),
        };
        for rule in rules {
            for (shapes, needs_word) in [(rule.alone, false), (rule.told, true)] {
                for shape in shapes {
                    index.add(Entry {
                        rule,
                        shape: shape.as_bytes(),
                        needs_word,
                    });
                }
            }
        }
        index
    }

    fn add(&mut self, entry: Entry) {
        let number = self.entries.len();
        for (buckets, of_digits) in [(&mut self.by_digits, true), (&mut self.by_letters, false)] {
            for lead in leads(entry.shape, of_digits) {
                if let Some(bucket) = buckets.get_mut(lead) {
                    bucket.push(number);
                }
            }
        }
        self.entries.push(entry);
    }

    /// The shapes that begin with as many digits or letters as the text does at `start`.
    fn candidates(&self, text: &str, start: usize) -> impl Iterator<Item = &Entry> {
        let rest = text.as_bytes().get(start..).unwrap_or_default();
        let of_digits = rest.first().is_some_and(u8::is_ascii_digit);
        let is_lead = |byte: &&u8| {
            if of_digits {
                byte.is_ascii_digit()
            } else {
                byte.is_ascii_alphabetic()
            }
        };
        let lead = rest.iter().take(LEADS).take_while(is_lead).count();
        let buckets = if of_digits {
            &self.by_digits
        } else {
            &self.by_letters
        };
        let bucket = buckets.get(lead).map(Vec::as_slice).unwrap_or_default();
        bucket.iter().filter_map(|number| self.entries.get(*number))
    }
}

/// How many digits, or letters, texts of a shape can begin with.
fn leads(shape: &[u8], of_digits: bool) -> Vec<usize> {
    let mut found = Vec::new();
    for (at, symbol) in shape.iter().enumerate() {
        let (digit, letter) = match symbol {
            b'#' => (true, false),
            b'@' | b'&' => (false, true),
            b'*' | b'?' => (true, true),
            other => (other.is_ascii_digit(), other.is_ascii_alphabetic()),
        };
        let (fits, other) = if of_digits {
            (digit, letter)
        } else {
            (letter, digit)
        };
        if at > 0 && (other || !fits) {
            found.push(at);
        }
        if !fits {
            return found;
        }
    }
    found.push(shape.len());
    found
}
