//! International bank account numbers, compact or in groups of four.

use super::scan::{Reach, byte_before, floor_boundary, is_alnum, word_starts};

/// Longest number with its separators, in bytes, with room to spare.
const WIDTH_MAX: usize = 80;

/// Countries of the registry and the length of their numbers.
const LENGTHS: &[(&str, usize)] = &[
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BI", 27),
    ("BR", 29),
    ("BY", 28),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DJ", 27),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FK", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IQ", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LC", 32),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("LY", 25),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MN", 20),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NI", 28),
    ("NL", 18),
    ("NO", 15),
    ("OM", 23),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("RU", 33),
    ("SA", 24),
    ("SC", 31),
    ("SD", 18),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("SO", 23),
    ("ST", 25),
    ("SV", 28),
    ("TL", 23),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VA", 22),
    ("VG", 24),
    ("XK", 20),
    ("YE", 30),
];

/// Whether a number starts at a word's start.
pub(super) fn at(text: &str, start: usize) -> Reach {
    if is_alnum(byte_before(text, start)) {
        return Reach::No;
    }
    let mut symbols = [0_u8; 34];
    let mut taken = 0;
    let mut expected = None;
    let mut is_grouped = false;
    let mut was_separator = false;
    for (offset, c) in text.get(start..).unwrap_or_default().char_indices() {
        if expected == Some(taken) {
            let ends = !c.is_ascii_alphanumeric();
            return if ends && is_valid(&symbols, taken, is_grouped) {
                Reach::Closed(start + offset)
            } else {
                Reach::No
            };
        }
        if is_separator(c) && taken > 0 && taken % 4 == 0 && !was_separator {
            (is_grouped, was_separator) = (true, true);
            continue;
        }
        was_separator = false;
        let fits = match taken {
            0 | 1 => c.is_ascii_alphabetic(),
            2 | 3 => c.is_ascii_digit(),
            _ => c.is_ascii_alphanumeric(),
        };
        let (true, Ok(symbol)) = (fits, u8::try_from(c)) else {
            return Reach::No;
        };
        let Some(slot) = symbols.get_mut(taken) else {
            return Reach::No;
        };
        *slot = symbol;
        taken += 1;
        if taken == 2 {
            expected = length_of(&symbols);
            if expected.is_none() {
                return Reach::No;
            }
        }
    }
    match expected {
        Some(length) if length == taken => {
            if is_valid(&symbols, taken, is_grouped) {
                Reach::Open(Some(text.len()))
            } else {
                Reach::No
            }
        }
        _ => Reach::Open(None),
    }
}

/// Where a number starts that the end of the text leaves open.
pub(super) fn open_from(text: &str) -> Option<usize> {
    let from = floor_boundary(text, text.len().saturating_sub(WIDTH_MAX));
    let tail = text.get(from..)?;
    word_starts(tail)
        .map(|at| from + at)
        .find(|start| matches!(at(text, *start), Reach::Open(_)))
}

fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '-' | '\u{a0}' | '\u{202f}')
}

fn length_of(symbols: &[u8]) -> Option<usize> {
    let country = symbols.get(..2)?;
    let known = LENGTHS
        .iter()
        .find(|(code, _)| code.as_bytes().eq_ignore_ascii_case(country));
    known.map(|(_, length)| *length)
}

/// ISO 7064 mod 97-10 over the number with its first four characters moved to the end. Letters in
/// groups must be capitals: prose comes in groups too.
fn is_valid(symbols: &[u8], length: usize, is_grouped: bool) -> bool {
    let Some(symbols) = symbols.get(..length) else {
        return false;
    };
    if is_grouped && symbols.iter().any(u8::is_ascii_lowercase) {
        return false;
    }
    let Some((head, tail)) = symbols.split_at_checked(4) else {
        return false;
    };
    let remainder = tail
        .iter()
        .chain(head)
        .fold(0_u32, |remainder, symbol| match symbol {
            b'0'..=b'9' => (remainder * 10 + u32::from(symbol - b'0')) % 97,
            letter => (remainder * 100 + u32::from(letter.to_ascii_uppercase() - b'A') + 10) % 97,
        });
    remainder == 1
}
