//! Dates of birth: any date right after words that say so.

use super::checksum::is_day;
use super::scan::{
    Reach, byte_at, byte_before, floor_boundary, is_alnum, is_digit, is_told, word_starts,
};

const WORDS: &[&str] = &[
    "born",
    "born on",
    "dob",
    "d.o.b.",
    "date of birth",
    "birth date",
    "birthdate",
    "birthday",
    "birth day",
    "geboren",
    "geburtsdatum",
    "geb.",
    "né le",
    "née le",
    "date de naissance",
    "nacido",
    "nacida",
    "fecha de nacimiento",
    "nato il",
    "nata il",
    "data di nascita",
    "data de nascimento",
    "nascido",
    "geboortedatum",
    "geboren op",
    "data urodzenia",
    "urodzony",
    "urodzona",
    "födelsedatum",
    "född",
    "fødselsdato",
    "født",
    "syntymäaika",
    "出生日期",
    "生年月日",
    "생년월일",
];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
/// How far before the date the words may stand, in bytes.
const REACH: usize = 24;
/// Longest date, in bytes.
const WIDTH_MAX: usize = 24;

/// Whether a date of birth starts at a word's start.
pub(super) fn at(text: &str, start: usize) -> Reach {
    if byte_before(text, start).is_some_and(|b| matches!(b, b'-' | b'/' | b'.' | b'_'))
        || is_alnum(byte_before(text, start))
    {
        return Reach::No;
    }
    let reach = match byte_at(text, start) {
        Some(byte) if byte.is_ascii_digit() => in_digits(text, start),
        Some(byte) if b"jfmasond".contains(&byte.to_ascii_lowercase()) => month_first(text, start),
        _ => Reach::No,
    };
    match reach {
        Reach::No => Reach::No,
        reach if is_told(text, start, REACH, WORDS) => reach,
        _ => Reach::No,
    }
}

/// Where a date starts that the end of the text leaves open.
pub(super) fn open_from(text: &str) -> Option<usize> {
    let from = floor_boundary(text, text.len().saturating_sub(WIDTH_MAX));
    word_starts(text.get(from..)?)
        .map(|start| from + start)
        .find(|start| matches!(at(text, *start), Reach::Open(_)))
}

/// Reads a text from left to right; where it ends too early, `None` with `is_cut`.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    is_cut: bool,
}

impl Reader<'_> {
    fn number(&mut self, max: usize) -> Option<(u64, usize)> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let length = rest
            .iter()
            .take(max)
            .take_while(|b| b.is_ascii_digit())
            .count();
        let value = self.text.get(self.at..self.at + length)?.parse().ok();
        self.at += length;
        self.is_cut |= self.at == self.text.len();
        value.map(|value| (value, length))
    }

    /// Takes one of `bytes`, if it is next.
    fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let byte = byte_at(self.text, self.at);
        self.is_cut |= byte.is_none();
        let byte = byte.filter(|b| bytes.contains(b))?;
        self.at += 1;
        Some(byte)
    }

    /// An English month, whole or by its first three letters.
    fn month(&mut self) -> Option<u64> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let length = rest
            .iter()
            .take(10)
            .take_while(|b| b.is_ascii_alphabetic())
            .count();
        let word = self.text.get(self.at..self.at + length)?;
        let is_last = self.at + length == self.text.len();
        let month = MONTHS.iter().position(|month| {
            let fits = is_last || length == 3 || length == month.len();
            let front = month.get(..length);
            fits && front.is_some_and(|front| front.eq_ignore_ascii_case(word))
        });
        self.is_cut |= is_last && month.is_some();
        self.at += length;
        Some(month? as u64 + 1)
    }

    fn settle(&self, date: Option<(u64, u64, u64)>) -> Reach {
        let ends = !is_alnum(byte_at(self.text, self.at));
        match date {
            Some((day, month, year)) if ends && is_plausible(day, month, year) => {
                if self.is_cut {
                    Reach::Open(Some(self.at))
                } else {
                    Reach::Closed(self.at)
                }
            }
            None if self.is_cut => Reach::Open(None),
            _ => Reach::No,
        }
    }
}

fn is_plausible(day: u64, month: u64, year: u64) -> bool {
    let in_order = is_day(day, month) || is_day(month, day);
    in_order && (1880..=2100).contains(&year)
}

/// `1985-03-12`, `12.03.1985`, `3/12/85`, `12 March 1985`, `12th of March, 1985`.
fn in_digits(text: &str, start: usize) -> Reach {
    let mut reader = Reader {
        text,
        at: start,
        is_cut: false,
    };
    let date = read_digits(&mut reader);
    if date.is_some() && is_digit(byte_at(text, reader.at)) {
        return Reach::No;
    }
    reader.settle(date)
}

fn read_digits(reader: &mut Reader<'_>) -> Option<(u64, u64, u64)> {
    let (first, digits) = reader.number(4)?;
    let separator = reader.one_of(b"-/. snrt")?;
    if matches!(separator, b'-' | b'/' | b'.') {
        if separator == b'.' && reader.one_of(b" ").is_some() {
            return read_named(reader, first, digits);
        }
        let (second, _) = reader.number(2)?;
        reader.one_of(&[separator])?;
        let (third, length) = reader.number(4)?;
        return match (digits, length) {
            (4, 1 | 2) => Some((third, second, first)),
            (1 | 2, 4) => Some((first, second, third)),
            (1 | 2, 2) => Some((first, second, 1900 + third)),
            _ => None,
        };
    }
    if separator != b' ' {
        reader.one_of(b"tdh")?;
        reader.one_of(b" ")?;
    }
    read_named(reader, first, digits)
}

fn read_named(reader: &mut Reader<'_>, day: u64, digits: usize) -> Option<(u64, u64, u64)> {
    if reader.one_of(b"o").is_some() {
        reader.one_of(b"f")?;
        reader.one_of(b" ")?;
    }
    let month = reader.month()?;
    reader.one_of(b",.");
    reader.one_of(b" ")?;
    let (year, length) = reader.number(4)?;
    (digits <= 2 && length == 4).then_some((day, month, year))
}

/// `March 12, 1985`.
fn month_first(text: &str, start: usize) -> Reach {
    let mut reader = Reader {
        text,
        at: start,
        is_cut: false,
    };
    let mut read = || {
        let month = reader.month()?;
        reader.one_of(b".");
        reader.one_of(b" ")?;
        let (day, _) = reader.number(2)?;
        if reader.one_of(b"snrt").is_some() {
            reader.one_of(b"tdh")?;
        }
        reader.one_of(b",");
        reader.one_of(b" ")?;
        let (year, length) = reader.number(4)?;
        (length == 4).then_some((day, month, year))
    };
    let date = read();
    reader.settle(date)
}
