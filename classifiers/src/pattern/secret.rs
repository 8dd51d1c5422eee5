//! Credentials that start with their issuer's prefix, and JSON web tokens.

pub(super) mod assigned;
mod placeholder;
mod unprefixed;
pub(super) mod url;
mod vendors;
mod web_token;

use self::vendors::{BODY_MAX, Rule};
use super::HOLD_MAX;
use super::scan::{byte_at, is_told};

pub(super) use self::web_token::open_from;

const _: () = assert!(BODY_MAX + 48 < HOLD_MAX, "a key must fit into the hold");

/// Least different symbols of a body that should end in its checksum and does not.
const KINDS_UNCHECKED: usize = 12;

/// What a credential is: its entity and its label.
pub(super) type Name = (&'static str, &'static str);

/// The credential that starts at a word's start, and its end.
pub(super) fn token_at(text: &str, start: usize) -> Option<(Name, usize)> {
    if let Some(end) = web_token::end_at(text, start) {
        return Some((("jwt", "secret.jwt"), end));
    }
    let rest = text.as_bytes().get(start..)?;
    let prefixed = vendors::starting_like(rest)
        .find_map(|rule| Some(((rule.entity, rule.label), start + length_of(rule, rest)?)));
    prefixed
        .or_else(|| unprefixed::at(text, start))
        .or_else(|| told_at(text, start))
        .filter(|(_, end)| !byte_at(text, *end).is_some_and(is_word))
}

/// How long a credential of `rule` is that `rest` starts with.
fn length_of(rule: &Rule, rest: &[u8]) -> Option<usize> {
    let body = rest.strip_prefix(rule.prefix.as_bytes())?;
    let symbols = body.iter().take(rule.max + 1);
    let length = symbols.take_while(|b| (rule.body)(**b)).count();
    let body = body.get(..length)?;
    let is_meant = if rule.is_checksummed {
        vendors::ends_in_checksum(body) || is_random(body) && kinds(body) >= KINDS_UNCHECKED
    } else {
        is_random(body)
    };
    let fits = (rule.min..=rule.max).contains(&length) && is_meant;
    fits.then_some(rule.prefix.len() + length)
}

/// Keys that are bare hexadecimal numbers, after their issuer's name.
fn told_at(text: &str, start: usize) -> Option<(Name, usize)> {
    let rest = text.as_bytes().get(start..)?;
    let is_symbol = |b: &&u8| b.is_ascii_hexdigit() || **b == b'-';
    let length = rest.iter().take(41).take_while(is_symbol).count();
    let body = rest
        .get(..length)
        .filter(|_| matches!(length, 32 | 36 | 37 | 40))?;
    let rule = vendors::TOLD.iter().find(|rule| {
        let is_shape = if rule.is_uuid {
            vendors::is_uuid(body)
        } else {
            body.iter().all(u8::is_ascii_hexdigit)
        };
        is_shape && rule.lengths.contains(&length) && is_told(text, start, 48, rule.words)
    })?;
    is_random(body).then_some(((rule.entity, rule.label), start + length))
}

/// Whether a body looks drawn at random. Placeholders (`sk-XXXX…`) and words are not.
fn is_random(body: &[u8]) -> bool {
    let is_mixed = body.iter().any(u8::is_ascii_digit) || body.iter().any(u8::is_ascii_uppercase);
    kinds(body) >= 6 && is_mixed
}

/// How many different symbols a body has.
fn kinds(body: &[u8]) -> usize {
    let mut seen = [false; 256];
    for byte in body {
        if let Some(slot) = seen.get_mut(usize::from(*byte)) {
            *slot = true;
        }
    }
    seen.iter().filter(|s| **s).count()
}

pub(super) fn is_upper_or_digit(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

pub(super) fn is_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

pub(super) fn is_url_safe(byte: u8) -> bool {
    is_word(byte) || byte == b'-'
}

pub(super) fn is_alnum_or_dash(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

pub(super) fn is_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

/// Every entity of this module with its label.
pub(super) fn names() -> impl Iterator<Item = Name> {
    let others = [("jwt", "secret.jwt")];
    let rooms = assigned::NAMES.iter().chain(url::NAMES).copied();
    vendors::names()
        .chain(unprefixed::names())
        .chain(others)
        .chain(rooms)
}
