//! Check digits that several countries and trades share.
//!
//! Every function takes ASCII symbols without separators and answers for any text whatever.

/// The value of a digit; other bytes count as zero.
pub(super) fn digit(byte: u8) -> u32 {
    if byte.is_ascii_digit() {
        u32::from(byte - b'0')
    } else {
        0
    }
}

/// The digit at `at`.
pub(super) fn nth(text: &str, at: usize) -> u32 {
    text.as_bytes().get(at).copied().map_or(0, digit)
}

/// The number that the bytes of a range write; zero when they write none.
pub(super) fn number(text: &str, range: std::ops::Range<usize>) -> u64 {
    text.get(range)
        .and_then(|part| part.parse().ok())
        .unwrap_or(0)
}

/// The sum of digit times weight, as far as both go.
pub(super) fn weighted(text: &str, weights: &[u32]) -> u32 {
    let pairs = text.bytes().zip(weights);
    pairs.map(|(byte, weight)| digit(byte) * weight).sum()
}

/// Whether all symbols are the same. Such a number passes many checks and is nobody's.
pub(super) fn is_uniform(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.windows(2).all(|pair| pair.first() == pair.last())
}

/// Luhn (ISO/IEC 7812-1 annex B), the check digit last.
pub(super) fn luhn(text: &str) -> bool {
    let doubled = |digit: u32| if digit > 4 { 2 * digit - 9 } else { 2 * digit };
    let places = text.bytes().rev().map(digit).enumerate();
    let sum: u32 = places
        .map(|(place, digit)| {
            if place % 2 == 1 {
                doubled(digit)
            } else {
                digit
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// ISO 7064 mod 11,10, the check digit last.
pub(super) fn mod_11_10(text: &str) -> bool {
    let Some((body, check)) = text.split_at_checked(text.len().saturating_sub(1)) else {
        return false;
    };
    let product = body.bytes().fold(10, |product, byte| {
        let sum = (product + digit(byte)) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == nth(check, 0)
}

/// EAN-13, the check digit last.
pub(super) fn ean_13(text: &str) -> bool {
    weighted(text, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_multiple_of(10)
}

/// ISO 7064 mod 97-10 over digits and capitals, the check digits last.
pub(super) fn mod_97(symbols: impl Iterator<Item = u8>) -> bool {
    let remainder = symbols.fold(0_u32, |remainder, symbol| match symbol {
        b'A'..=b'Z' => (remainder * 100 + u32::from(symbol - b'A') + 10) % 97,
        other => (remainder * 10 + digit(other)) % 97,
    });
    remainder == 1
}

const DIHEDRAL: [[u8; 10]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
    [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
    [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
    [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
    [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
    [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
    [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
    [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
    [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
];
/// What the place of a digit does to it: the first place leaves it, each next one applies this.
const TURN: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];

/// Verhoeff, the check digit last.
pub(super) fn verhoeff(text: &str) -> bool {
    let turned = |byte: u8, times: usize| {
        (0..times).fold(digit(byte) as usize, |value, _| {
            TURN.get(value).map_or(0, |turned| usize::from(*turned))
        })
    };
    let places = text.bytes().rev().enumerate();
    let product = places.fold(0_usize, |product, (place, byte)| {
        let row = DIHEDRAL.get(product);
        let next = row.and_then(|row| row.get(turned(byte, place % 8)));
        next.map_or(0, |next| usize::from(*next))
    });
    product == 0
}

/// Whether a day and a month can be in one year.
pub(super) fn is_day(day: u64, month: u64) -> bool {
    let days = match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

/// The day and month that `DDMM` at the front writes.
pub(super) fn starts_with_day(text: &str) -> bool {
    is_day(number(text, 0..2), number(text, 2..4))
}

/// The month and day that `YYMMDD` at the front writes.
pub(super) fn starts_with_year(text: &str) -> bool {
    is_day(number(text, 4..6), number(text, 2..4))
}

/// The remainder of a check of eleven as a check digit, 10 being none.
pub(super) fn eleven_minus(sum: u32) -> Option<u32> {
    match 11 - sum % 11 {
        11 => Some(0),
        10 => None,
        rest => Some(rest),
    }
}

/// CRC-32 (ISO-HDLC).
pub(super) fn crc_32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
    let rest = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc))
    });
    !rest
}
