//! Machine-readable lines of passports, visas and identity cards (ICAO Doc 9303).
//!
//! Each line stands for itself: the lines with numbers by their check digits, the first line of a
//! passport by its shape.

use super::checksum::is_day;
use super::scan::{byte_at, byte_before};

/// Line lengths of passports, of smaller visas and cards, and of cards with three lines.
const LENGTHS: [usize; 3] = [44, 36, 30];

/// The end of a line that starts at a word's start.
pub(super) fn line_at(text: &str, start: usize) -> Option<usize> {
    let rest = text.as_bytes().get(start..)?;
    if byte_before(text, start).is_some_and(is_line) {
        return None;
    }
    let length = rest.iter().take(45).take_while(|b| is_line(**b)).count();
    let line = rest.get(..length).filter(|_| LENGTHS.contains(&length))?;
    let end = start + length;
    // Whatever else goes on after it is a longer word.
    let goes_on = byte_at(text, end).is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    let is_known = is_name_line(line) || is_number_line(line) || is_date_line(line);
    (is_known && !goes_on).then_some(end)
}

fn is_line(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'<'
}

/// `P<UTOERIKSSON<<ANNA<MARIA<<<<…`: a document, a state, a name.
fn is_name_line(line: &[u8]) -> bool {
    let is_document = matches!(line, [b'P' | b'V' | b'I' | b'A' | b'C', ..]);
    let state = line.get(2..5).unwrap_or_default();
    let name = line.get(5..).unwrap_or_default();
    let letters = |part: &[u8]| part.iter().all(|b| b.is_ascii_uppercase() || *b == b'<');
    line.len() >= 36
        && is_document
        && state.first().is_some_and(u8::is_ascii_uppercase)
        && letters(line)
        && name.first().is_some_and(u8::is_ascii_uppercase)
        && name.windows(2).any(|pair| pair == b"<<")
}

/// Number, state, birth, sex, expiry, of a passport or visa.
fn is_number_line(line: &[u8]) -> bool {
    line.len() >= 36
        && is_checked(line, 0..9)
        && is_checked(line, 13..19)
        && is_checked(line, 21..27)
        && is_date(line, 13)
        && matches!(line.get(20), Some(b'M' | b'F' | b'X' | b'<'))
}

/// Birth, sex, expiry, state: the second of three lines.
fn is_date_line(line: &[u8]) -> bool {
    let state = line.get(15..18).unwrap_or_default();
    line.len() == 30
        && is_checked(line, 0..6)
        && is_checked(line, 8..14)
        && is_date(line, 0)
        && matches!(line.get(7), Some(b'M' | b'F' | b'X' | b'<'))
        && state.iter().all(|b| b.is_ascii_uppercase() || *b == b'<')
}

fn is_date(line: &[u8], at: usize) -> bool {
    let part = |from: usize| {
        let digits = line
            .get(from..from + 2)
            .and_then(|d| std::str::from_utf8(d).ok());
        digits.and_then(|d| d.parse::<u64>().ok()).unwrap_or(0)
    };
    is_day(part(at + 4), part(at + 2))
}

/// Whether the symbol after a field is its check digit: weights 7, 3, 1 over values to 35.
fn is_checked(line: &[u8], field: std::ops::Range<usize>) -> bool {
    let check = line.get(field.end).copied();
    let values = line
        .get(field)
        .unwrap_or_default()
        .iter()
        .map(|byte| match byte {
            b'0'..=b'9' => u32::from(byte - b'0'),
            b'A'..=b'Z' => u32::from(byte - b'A') + 10,
            _ => 0,
        });
    let sum: u32 = values
        .zip([7, 3, 1].into_iter().cycle())
        .map(|(v, w)| v * w)
        .sum();
    check.is_some_and(|check| check.is_ascii_digit() && u32::from(check - b'0') == sum % 10)
}
