//! What is written in digits: payment cards, social security numbers, telephone numbers.
//!
//! A run of number characters is taken apart into groups of digits and the gaps between them; each
//! rule asks for a shape of groups.

mod card;
mod phone;

use super::label;
use super::scan::byte_before;
use super::scan::{has_word_before, is_alnum, is_attached_after, is_attached_before, is_digit};
use super::secret::Name;

const SSN_WORDS: [&str; 4] = ["ssn", "ssns", "social", "taxpayer"];

/// Groups of digits of one run, in order.
struct Run<'a> {
    text: &'a str,
    groups: Vec<Group>,
}

#[derive(Clone, Copy)]
struct Group {
    start: usize,
    end: usize,
}

impl Group {
    fn len(self) -> usize {
        self.end - self.start
    }
}

/// Some groups in a row that a rule accepted: the index of the last one.
type Accepted = usize;

/// Reports what the rules find. No place is reported twice.
pub(super) fn search(text: &str, claim: &mut impl FnMut(Name, usize, usize)) {
    let mut at = 0;
    while let Some(run) = Run::next(text, at) {
        at = run.groups.last().map_or(text.len(), |group| group.end);
        let mut index = 0;
        while index < run.groups.len() {
            index = match run.read(index) {
                Some((name, start, last)) => {
                    claim(name, start, run.end(last));
                    last + 1
                }
                None => index + 1,
            };
        }
    }
}

/// Where the run starts that the text ends with; the end of the text when it ends with none.
pub(super) fn last_run(text: &str) -> usize {
    let outside = text.char_indices().rev().find(|(_, c)| !is_number_char(*c));
    let from = outside.map_or(0, |(at, c)| at + c.len_utf8());
    let run = text.get(from..).unwrap_or_default();
    let starts = run.find(|c: char| c.is_ascii_digit() || c == '+' || c == '(');
    starts.map_or(text.len(), |at| from + at)
}

fn is_number_char(c: char) -> bool {
    c.is_ascii_digit() || c == '+' || is_gap(c)
}

fn is_gap(c: char) -> bool {
    is_separator(c) || matches!(c, '(' | ')' | '/')
}

/// What people and typesetters put between groups.
fn is_separator(c: char) -> bool {
    matches!(
        c,
        ' ' | '-' | '.' | '\u{a0}' | '\u{202f}' | '\u{2009}' | '\u{2010}'..='\u{2013}' | '\u{2212}'
    )
}

impl<'a> Run<'a> {
    fn next(text: &'a str, from: usize) -> Option<Self> {
        let first = from + text.get(from..)?.find(|c: char| c.is_ascii_digit())?;
        let mut groups: Vec<Group> = Vec::new();
        for (offset, c) in text.get(first..)?.char_indices() {
            let at = first + offset;
            if c.is_ascii_digit() {
                match groups.last_mut() {
                    Some(group) if group.end == at => group.end += 1,
                    _ => groups.push(Group {
                        start: at,
                        end: at + 1,
                    }),
                }
            } else if !is_number_char(c) {
                break;
            }
        }
        Some(Self { text, groups })
    }

    fn read(&self, index: usize) -> Option<(Name, usize, Accepted)> {
        let start = self.groups.get(index)?.start;
        if let Some(last) = card::read(self, index) {
            return Some((label::CARD, start, last));
        }
        if let Some(last) = self.read_ssn(index) {
            return Some((label::SSN, start, last));
        }
        let (start, last) = phone::read(self, index)?;
        Some((label::PHONE, start, last))
    }

    fn end(&self, index: usize) -> usize {
        self.groups
            .get(index)
            .map_or(self.text.len(), |group| group.end)
    }

    /// The characters between a group and the next one.
    fn gap_after(&self, index: usize) -> Option<&'a str> {
        let (left, right) = (self.groups.get(index)?, self.groups.get(index + 1)?);
        self.text.get(left.end..right.start)
    }

    fn digits(&self, index: usize) -> &'a str {
        self.groups
            .get(index)
            .and_then(|g| self.text.get(g.start..g.end))
            .unwrap_or_default()
    }

    /// Whether groups from `index` on have these lengths with the same single separator between
    /// them, and no group is joined to them by that separator on either side.
    fn has_shape(&self, index: usize, lengths: &[usize]) -> bool {
        let fits = lengths.iter().enumerate().all(|(nth, length)| {
            self.groups
                .get(index + nth)
                .is_some_and(|group| group.len() == *length)
        });
        let last = index + lengths.len() - 1;
        let Some(separator) = self.gap_after(index).filter(|_| fits && last > index) else {
            return false;
        };
        let is_single = separator.chars().count() == 1 && separator.chars().all(is_separator);
        is_single
            && (index..last).all(|i| self.gap_after(i) == Some(separator))
            && index.checked_sub(1).and_then(|i| self.gap_after(i)) != Some(separator)
            && self.gap_after(last) != Some(separator)
    }

    /// Whether letters or an identifier touch the groups.
    fn is_attached(&self, first: usize, last: usize) -> bool {
        let Some(group) = self.groups.get(first) else {
            return true;
        };
        is_attached_before(self.text, group.start) || is_attached_after(self.text, self.end(last))
    }

    fn read_ssn(&self, index: usize) -> Option<Accepted> {
        let group = self.groups.get(index)?;
        let (area, middle, serial, last) = if self.has_shape(index, &[3, 2, 4]) {
            let parts = (
                self.digits(index),
                self.digits(index + 1),
                self.digits(index + 2),
            );
            (parts.0, parts.1, parts.2, index + 2)
        } else {
            let digits = self.digits(index);
            let told = digits.len() == 9 && has_word_before(self.text, group.start, 32, &SSN_WORDS);
            let (area, rest) = digits.split_at_checked(3).filter(|_| told)?;
            let (middle, serial) = rest.split_at_checked(2)?;
            (area, middle, serial, index)
        };
        let is_dotted = self
            .gap_after(index)
            .is_some_and(|gap| last > index && gap == ".");
        let is_issued = !matches!(area, "000" | "666")
            && !area.starts_with('9')
            && middle != "00"
            && serial != "0000";
        (is_issued && !is_dotted && !self.is_attached(index, last)).then_some(last)
    }

    /// Whether the group starts right after a decimal point, or one follows it.
    fn is_fraction(&self, index: usize) -> bool {
        let Some(group) = self.groups.get(index) else {
            return false;
        };
        let bytes = self.text.as_bytes();
        let left = byte_before(self.text, group.start) == Some(b'.')
            && is_digit(
                group
                    .start
                    .checked_sub(2)
                    .and_then(|at| bytes.get(at).copied()),
            );
        let right =
            bytes.get(group.end) == Some(&b'.') && is_digit(bytes.get(group.end + 1).copied());
        left || right
    }

    /// Whether a letter, a digit or an underscore touches the groups.
    fn is_inside_word(&self, first: usize, last: usize) -> bool {
        let touches = |byte: Option<u8>| is_alnum(byte) || byte == Some(b'_');
        let before = self
            .groups
            .get(first)
            .and_then(|g| byte_before(self.text, g.start));
        touches(before) || touches(self.text.as_bytes().get(self.end(last)).copied())
    }
}
