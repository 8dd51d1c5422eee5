//! Undoing escapes where they stand: percent-encoding, HTML character references, `\u0041`,
//! `\u{41}`, `\U00000041` and `\x41`.

use super::Step;
use super::map::{OverBudget, Rewriter};

/// Named references for characters that can hide or stand in a match. References for letters with
/// accents change nothing that a detector looks for.
const NAMED: [(&str, char); 32] = [
    ("amp", '&'),
    ("apos", '\''),
    ("ast", '*'),
    ("bsol", '\\'),
    ("colon", ':'),
    ("comma", ','),
    ("commat", '@'),
    ("dash", '\u{2010}'),
    ("dollar", '$'),
    ("equals", '='),
    ("excl", '!'),
    ("gt", '>'),
    ("hyphen", '\u{2010}'),
    ("lowbar", '_'),
    ("lpar", '('),
    ("lrm", '\u{200e}'),
    ("lt", '<'),
    ("nbsp", '\u{a0}'),
    ("NewLine", '\n'),
    ("num", '#'),
    ("percnt", '%'),
    ("period", '.'),
    ("plus", '+'),
    ("quest", '?'),
    ("quot", '"'),
    ("rlm", '\u{200f}'),
    ("rpar", ')'),
    ("semi", ';'),
    ("shy", '\u{ad}'),
    ("sol", '/'),
    ("zwj", '\u{200d}'),
    ("zwnj", '\u{200c}'),
];
/// Digits of a numeric reference, leading zeros included.
const REFERENCE_DIGITS_MAX: usize = 10;
const BRACED_DIGITS_MAX: usize = 8;

/// What stands at an escape's first character.
enum Parsed {
    No,
    /// The text ends before it can be told.
    Open,
    /// A character, and where the escape ends.
    Char(char, usize),
}

pub(super) fn undo(source: &str, budget: usize) -> Result<Step, OverBudget> {
    let bytes = source.as_bytes();
    let mut rewriter = Rewriter::new(source, budget);
    let mut settled = source.len();
    let mut at = 0;
    while let Some(offset) = bytes
        .get(at..)
        .and_then(|rest| memchr::memchr3(b'%', b'&', b'\\', rest))
    {
        at += offset;
        match parse(bytes, at) {
            Parsed::Char(c, end) => {
                rewriter.replace(&(at..end), c.encode_utf8(&mut [0; 4]));
                if rewriter.is_full() {
                    return Err(OverBudget);
                }
                at = end;
            }
            Parsed::Open => {
                settled = settled.min(at);
                at += 1;
            }
            Parsed::No => at += 1,
        }
    }
    Step::of(rewriter, settled)
}

fn parse(bytes: &[u8], at: usize) -> Parsed {
    match bytes.get(at) {
        Some(b'%') => octets(bytes, at, b"%"),
        Some(b'&') => reference(bytes, at),
        _ => match bytes.get(at + 1) {
            None => Parsed::Open,
            Some(b'x') => octets(bytes, at, b"\\x"),
            Some(b'u') if bytes.get(at + 2) == Some(&b'{') => {
                numeric(bytes, at + 3, 16, BRACED_DIGITS_MAX, b'}')
            }
            Some(b'u') => utf16(bytes, at),
            Some(b'U') => match fixed_hex(bytes, at + 2, 8) {
                Hex::Value(value) => char_or_no(value, at + 10),
                Hex::Open => Parsed::Open,
                Hex::No => Parsed::No,
            },
            Some(_) => Parsed::No,
        },
    }
}

enum Hex {
    No,
    Open,
    Value(u32),
}

/// Exactly `digits` hexadecimal digits.
fn fixed_hex(bytes: &[u8], at: usize, digits: usize) -> Hex {
    let mut value = 0_u32;
    for index in at..at + digits {
        let Some(byte) = bytes.get(index) else {
            return Hex::Open;
        };
        let Some(digit) = char::from(*byte).to_digit(16) else {
            return Hex::No;
        };
        value = (value << 4) | digit;
    }
    Hex::Value(value)
}

fn char_or_no(value: u32, end: usize) -> Parsed {
    char::from_u32(value).map_or(Parsed::No, |c| Parsed::Char(c, end))
}

/// One character of UTF-8 whose bytes are each written as `prefix` and two hexadecimal digits.
fn octets(bytes: &[u8], at: usize, prefix: &[u8]) -> Parsed {
    let mut encoded = [0_u8; 4];
    let mut needed = 1;
    let mut position = at;
    let mut taken = 0;
    while taken < needed {
        let head = bytes.get(position..).unwrap_or_default();
        if head.len() < prefix.len() && prefix.starts_with(head) {
            return Parsed::Open;
        }
        if !head.starts_with(prefix) {
            return Parsed::No;
        }
        let octet = match fixed_hex(bytes, position + prefix.len(), 2) {
            Hex::No => return Parsed::No,
            Hex::Open => return Parsed::Open,
            Hex::Value(value) => u8::try_from(value).unwrap_or(0),
        };
        if taken == 0 {
            needed = match octet {
                0x00..=0x7f => 1,
                0xc2..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf4 => 4,
                _ => return Parsed::No,
            };
        } else if !(0x80..=0xbf).contains(&octet) {
            return Parsed::No;
        }
        if let Some(slot) = encoded.get_mut(taken) {
            *slot = octet;
        }
        taken += 1;
        position += prefix.len() + 2;
    }
    let written = encoded.get(..taken).unwrap_or_default();
    match std::str::from_utf8(written).map(|text| text.chars().next()) {
        Ok(Some(c)) => Parsed::Char(c, position),
        _ => Parsed::No,
    }
}

/// `\u0041`, or two of them that form a surrogate pair.
fn utf16(bytes: &[u8], at: usize) -> Parsed {
    let high = match fixed_hex(bytes, at + 2, 4) {
        Hex::No => return Parsed::No,
        Hex::Open => return Parsed::Open,
        Hex::Value(value) => value,
    };
    if !(0xd800..0xdc00).contains(&high) {
        return char_or_no(high, at + 6);
    }
    let second = bytes.get(at + 6..).unwrap_or_default();
    if second.len() < 2 && b"\\u".starts_with(second) {
        return Parsed::Open;
    }
    if !second.starts_with(b"\\u") {
        return Parsed::No;
    }
    match fixed_hex(bytes, at + 8, 4) {
        Hex::Open => Parsed::Open,
        Hex::Value(low) if (0xdc00..0xe000).contains(&low) => {
            let value = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
            char_or_no(value, at + 12)
        }
        Hex::No | Hex::Value(_) => Parsed::No,
    }
}

/// `&#65;`, `&#x41;`, `&commat;`.
fn reference(bytes: &[u8], at: usize) -> Parsed {
    let rest = bytes.get(at + 1..).unwrap_or_default();
    match rest {
        [b'#', b'x' | b'X', ..] => numeric(bytes, at + 3, 16, REFERENCE_DIGITS_MAX, b';'),
        [b'#', ..] => numeric(bytes, at + 2, 10, REFERENCE_DIGITS_MAX, b';'),
        _ => named(rest, at + 1),
    }
}

/// Digits from `at` on and then `closing`.
fn numeric(bytes: &[u8], at: usize, radix: u32, digits_max: usize, closing: u8) -> Parsed {
    let mut value = 0_u32;
    for taken in 0..=digits_max {
        let Some(byte) = bytes.get(at + taken) else {
            return Parsed::Open;
        };
        if *byte == closing && taken > 0 {
            return char_or_no(value, at + taken + 1);
        }
        let Some(digit) = char::from(*byte).to_digit(radix) else {
            return Parsed::No;
        };
        value = value.saturating_mul(radix).saturating_add(digit);
    }
    Parsed::No
}

fn named(rest: &[u8], at: usize) -> Parsed {
    for (name, c) in NAMED {
        let name = name.as_bytes();
        if rest.starts_with(name) {
            match rest.get(name.len()) {
                Some(b';') => return Parsed::Char(c, at + name.len() + 1),
                Some(_) => {}
                None => return Parsed::Open,
            }
        } else if name.starts_with(rest) {
            return Parsed::Open;
        }
    }
    Parsed::No
}
