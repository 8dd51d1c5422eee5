//! Credentials that no prefix, but the shape of their parts gives away.

use super::{Name, is_hex, is_random, is_url_safe};
use crate::pattern::scan::byte_before;

const MESSAGING: &str = "secret.messaging_token";
const CLOUD: &str = "secret.cloud_token";

/// How long a credential is at the front of a text.
type Measure = fn(&[u8]) -> Option<usize>;

const SHAPES: &[(Name, Measure)] = &[
    (("sendgrid_key", MESSAGING), sendgrid),
    (("telegram_bot_token", MESSAGING), telegram),
    (("discord_bot_token", MESSAGING), discord),
    (("mailchimp_key", MESSAGING), mailchimp),
    (("terraform_token", CLOUD), terraform),
    (("azure_client_secret", "secret.azure_key"), azure_client),
];

/// The credential that starts at a word's start, and its end.
pub(super) fn at(text: &str, start: usize) -> Option<(Name, usize)> {
    if byte_before(text, start).is_some_and(|b| is_url_safe(b) || matches!(b, b'.' | b'~' | b'/')) {
        return None;
    }
    let rest = text.as_bytes().get(start..)?;
    let mut found = SHAPES.iter().filter_map(|(name, measure)| {
        let length = measure(rest)?;
        let body = rest.get(..length)?;
        is_random(body).then_some((*name, start + length))
    });
    found.next()
}

/// The lengths of the parts between dots, as far as symbols of tokens go.
fn parts(rest: &[u8]) -> impl Iterator<Item = usize> {
    let is_part = |b: &&u8| is_url_safe(**b) || **b == b'.';
    let run = rest.iter().take(256).take_while(is_part).count();
    let run = rest.get(..run).unwrap_or_default();
    run.split(|b| *b == b'.').map(<[u8]>::len)
}

fn sendgrid(rest: &[u8]) -> Option<usize> {
    if !rest.starts_with(b"SG.") {
        return None;
    }
    let mut lengths = parts(rest).skip(1);
    (lengths.next() == Some(22) && lengths.next() == Some(43)).then_some(69)
}

fn telegram(rest: &[u8]) -> Option<usize> {
    let id = rest
        .iter()
        .take(11)
        .take_while(|b| b.is_ascii_digit())
        .count();
    let body = rest.get(id..)?.strip_prefix(b":AA")?;
    let length = body
        .iter()
        .take(34)
        .take_while(|b| is_url_safe(**b))
        .count();
    ((8..=10).contains(&id) && length == 33).then_some(id + 3 + length)
}

fn discord(rest: &[u8]) -> Option<usize> {
    if !matches!(rest.first(), Some(b'M' | b'N' | b'O')) {
        return None;
    }
    let mut lengths = parts(rest);
    let (id, time, body) = (lengths.next()?, lengths.next()?, lengths.next()?);
    let fits = matches!(id, 24 | 26 | 28) && time == 6 && (27..=38).contains(&body);
    fits.then_some(id + time + body + 2)
}

fn mailchimp(rest: &[u8]) -> Option<usize> {
    let key = rest.iter().take(33).take_while(|b| is_hex(**b)).count();
    let place = rest.get(key..)?.strip_prefix(b"-us")?;
    let digits = place
        .iter()
        .take(3)
        .take_while(|b| b.is_ascii_digit())
        .count();
    (key == 32 && matches!(digits, 1 | 2)).then_some(key + 3 + digits)
}

fn terraform(rest: &[u8]) -> Option<usize> {
    if rest.get(14..23) != Some(b".atlasv1.".as_slice()) {
        return None;
    }
    let body = rest.get(23..)?;
    let length = body
        .iter()
        .take(200)
        .take_while(|b| is_url_safe(**b))
        .count();
    (60..200).contains(&length).then_some(23 + length)
}

fn azure_client(rest: &[u8]) -> Option<usize> {
    let is_symbol = |b: &u8| is_url_safe(*b) || matches!(b, b'~' | b'.');
    let [a, b, c, version, b'Q', b'~', body @ ..] = rest else {
        return None;
    };
    let fits = [a, b, c].into_iter().all(is_symbol) && version.is_ascii_digit();
    let length = body.iter().take(35).take_while(|b| is_symbol(b)).count();
    (fits && matches!(length, 31..=34)).then_some(6 + length)
}

/// Every entity of this module with its label.
pub(super) fn names() -> impl Iterator<Item = Name> {
    SHAPES.iter().map(|(name, _)| *name)
}
