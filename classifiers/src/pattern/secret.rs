//! Credentials that start with their issuer's prefix, and JSON web tokens.

use super::HOLD_MAX;
use super::scan::{Reach, byte_at, byte_before, floor_boundary, word_starts};

struct Rule {
    label: &'static str,
    prefix: &'static str,
    body: fn(u8) -> bool,
    min: usize,
    max: usize,
}

/// Longer than any key of these issuers, and short enough for the hold.
const BODY_MAX: usize = 400;
/// A longer web token is not recognised.
const JWT_MAX: usize = 4096;
/// Shortest part of a web token.
const JWT_PART_MIN: usize = 8;

const AWS: &str = "secret.aws_access_key";
const GITHUB: &str = "secret.github_token";
const OPENAI: &str = "secret.openai_key";
const SLACK: &str = "secret.slack_token";
const STRIPE: &str = "secret.stripe_key";

/// A longer prefix stands before a shorter one that it starts with.
const RULES: [Rule; 29] = [
    rule(AWS, "AKIA", is_upper_or_digit, 16, 16),
    rule(AWS, "ASIA", is_upper_or_digit, 16, 16),
    rule(AWS, "ABIA", is_upper_or_digit, 16, 16),
    rule(AWS, "ACCA", is_upper_or_digit, 16, 16),
    rule(GITHUB, "github_pat_", is_word, 40, BODY_MAX),
    rule(GITHUB, "ghp_", is_alphanumeric, 30, BODY_MAX),
    rule(GITHUB, "gho_", is_alphanumeric, 30, BODY_MAX),
    rule(GITHUB, "ghu_", is_alphanumeric, 30, BODY_MAX),
    rule(GITHUB, "ghs_", is_alphanumeric, 30, BODY_MAX),
    rule(GITHUB, "ghr_", is_alphanumeric, 30, BODY_MAX),
    rule("secret.anthropic_key", "sk-ant-", is_url_safe, 20, BODY_MAX),
    rule(OPENAI, "sk-proj-", is_url_safe, 20, BODY_MAX),
    rule(OPENAI, "sk-svcacct-", is_url_safe, 20, BODY_MAX),
    rule(OPENAI, "sk-admin-", is_url_safe, 20, BODY_MAX),
    rule(OPENAI, "sk-None-", is_url_safe, 20, BODY_MAX),
    rule(OPENAI, "sk-", is_alphanumeric, 20, BODY_MAX),
    rule("secret.google_api_key", "AIza", is_url_safe, 35, 35),
    rule(SLACK, "xoxb-", is_alnum_or_dash, 16, BODY_MAX),
    rule(SLACK, "xoxa-", is_alnum_or_dash, 16, BODY_MAX),
    rule(SLACK, "xoxp-", is_alnum_or_dash, 16, BODY_MAX),
    rule(SLACK, "xoxr-", is_alnum_or_dash, 16, BODY_MAX),
    rule(SLACK, "xoxs-", is_alnum_or_dash, 16, BODY_MAX),
    rule(SLACK, "xoxe-", is_alnum_or_dash, 16, BODY_MAX),
    rule(SLACK, "xapp-", is_alnum_or_dash, 16, BODY_MAX),
    rule(STRIPE, "sk_live_", is_alphanumeric, 16, BODY_MAX),
    rule(STRIPE, "sk_test_", is_alphanumeric, 16, BODY_MAX),
    rule(STRIPE, "rk_live_", is_alphanumeric, 16, BODY_MAX),
    rule(STRIPE, "rk_test_", is_alphanumeric, 16, BODY_MAX),
    rule(STRIPE, "whsec_", is_alphanumeric, 24, BODY_MAX),
];

const _: () = assert!(BODY_MAX + 16 < HOLD_MAX, "a key must fit into the hold");

const fn rule(
    label: &'static str,
    prefix: &'static str,
    body: fn(u8) -> bool,
    min: usize,
    max: usize,
) -> Rule {
    Rule {
        label,
        prefix,
        body,
        min,
        max,
    }
}

/// The credential that starts at a word's start, and its end.
pub(super) fn token_at(text: &str, start: usize) -> Option<(&'static str, usize)> {
    if let Reach::Closed(end) | Reach::Open(Some(end)) = jwt_at(text, start) {
        return Some(("secret.jwt", end));
    }
    let rest = text.as_bytes().get(start..)?;
    let rule = RULES
        .iter()
        .find(|rule| rest.starts_with(rule.prefix.as_bytes()))?;
    let body = rest.get(rule.prefix.len()..)?;
    let length = body
        .iter()
        .take(rule.max + 1)
        .take_while(|b| (rule.body)(**b))
        .count();
    let body = body.get(..length)?;
    let end = start + rule.prefix.len() + length;
    let ended = !byte_at(text, end).is_some_and(is_word);
    let fits = (rule.min..=rule.max).contains(&length) && ended && is_random(body);
    fits.then_some((rule.label, end))
}

/// Whether a body looks drawn at random. Placeholders (`sk-XXXX…`) and words are not.
fn is_random(body: &[u8]) -> bool {
    let mut seen = [false; 256];
    for byte in body {
        if let Some(slot) = seen.get_mut(usize::from(*byte)) {
            *slot = true;
        }
    }
    let kinds = seen.iter().filter(|s| **s).count();
    let is_mixed = body.iter().any(u8::is_ascii_digit) || body.iter().any(u8::is_ascii_uppercase);
    kinds >= 6 && is_mixed
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
        if part < 2 {
            if byte_at(text, at) != Some(b'.') {
                return Reach::No;
            }
            at += 1;
        }
    }
    Reach::Closed(at)
}

/// Where a web token starts that the end of the text leaves open. Everything else of this module
/// is shorter than the hold.
pub(super) fn open_from(text: &str) -> Option<usize> {
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

fn is_upper_or_digit(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn is_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_url_safe(byte: u8) -> bool {
    is_word(byte) || byte == b'-'
}

fn is_alnum_or_dash(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}
