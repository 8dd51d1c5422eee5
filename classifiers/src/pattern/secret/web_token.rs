//! JSON web tokens (RFC 7519) in their compact form.

use super::is_url_safe;
use crate::pattern::scan::{Reach, byte_at, byte_before, floor_boundary, word_starts};

/// A longer web token is not recognised.
const JWT_MAX: usize = 4096;
/// Shortest part of a web token.
const JWT_PART_MIN: usize = 8;

/// The end of the token that starts at a word's start.
pub(super) fn end_at(text: &str, start: usize) -> Option<usize> {
    match jwt_at(text, start) {
        Reach::Closed(end) | Reach::Open(Some(end)) => Some(end),
        _ => None,
    }
}

/// Whether a header decodes to a JSON object that names its algorithm.
fn is_header(part: &[u8]) -> bool {
    let mut decoded = Vec::with_capacity(part.len());
    let (mut held, mut bits) = (0_u32, 0);
    for symbol in part {
        let value = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            b'-' => 62,
            _ => 63,
        };
        held = held << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            decoded.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    let algorithm: &[u8] = b"\"alg\"";
    decoded.starts_with(b"{")
        && decoded.ends_with(b"}")
        && decoded
            .windows(algorithm.len())
            .any(|window| window == algorithm)
}

/// `header.payload.signature`, each in URL-safe base64, the first two of a JSON object.
fn jwt_at(text: &str, start: usize) -> Reach {
    if byte_before(text, start).is_some_and(is_url_safe) {
        return Reach::No;
    }
    let bytes = text.as_bytes();
    let mut at = start;
    for part in 0..3 {
        let head: &[u8] = if part < 2 { b"eyJ" } else { b"" };
        let limit = bytes.len().min(start + JWT_MAX);
        let rest = bytes.get(at..limit).unwrap_or_default();
        let length = rest.iter().take_while(|b| is_url_safe(**b)).count();
        let body = rest.get(..length).unwrap_or_default();
        if !body.starts_with(
            head.get(..length.min(3).min(head.len()))
                .unwrap_or_default(),
        ) {
            return Reach::No;
        }
        at += length;
        if at >= start + JWT_MAX {
            return Reach::No;
        }
        if at == bytes.len() {
            let complete = part == 2 && length >= JWT_PART_MIN;
            return Reach::Open(complete.then_some(at));
        }
        if length < JWT_PART_MIN {
            return Reach::No;
        }
        if part == 0 && !is_header(body) {
            return Reach::No;
        }
        if part < 2 {
            if byte_at(text, at) != Some(b'.') {
                return Reach::No;
            }
            at += 1;
        }
    }
    Reach::Closed(at)
}

/// Where a web token starts that the end of the text leaves open. All other credentials with a
/// prefix are shorter than the hold.
pub(in crate::pattern) fn open_from(text: &str) -> Option<usize> {
    let from = floor_boundary(text, text.len().saturating_sub(JWT_MAX));
    let is_part = |b: u8| is_url_safe(b) || b == b'.';
    let run = text
        .as_bytes()
        .iter()
        .rposition(|b| !is_part(*b))
        .map_or(0, |at| at + 1);
    let tail = text.get(from.max(run)..)?;
    let base = text.len() - tail.len();
    word_starts(tail)
        .map(|at| base + at)
        .filter(|at| {
            text.as_bytes()
                .get(*at..)
                .is_some_and(|rest| rest.starts_with(b"eyJ"))
        })
        .find(|at| matches!(jwt_at(text, *at), Reach::Open(_)))
}
