//! Mail and network addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::label;
use super::scan::{
    byte_at, byte_before, has_word_before, is_alnum, is_attached_before, is_digit, is_told,
};
use super::secret::Name;

const LOCAL_MAX: usize = 64;
const DOMAIN_MAX: usize = 253;
const LABEL_MAX: usize = 63;
/// What stands after an `@` in a file name such as `icon@2x.png`.
const FILE_ENDINGS: [&str; 10] = [
    "png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "html", "json",
];
const VERSION_WORDS: [&str; 10] = [
    "version", "versions", "ver", "v", "release", "build", "firmware", "revision", "rev", "sdk",
];
const HOST_WORDS: [&str; 8] = [
    "ip", "ipv4", "address", "host", "server", "addr", "dns", "client",
];

/// Mail addresses, in order.
pub(super) fn emails(text: &str) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (at, _) in text.match_indices('@') {
        let floor = found.last().map_or(0, |(_, end)| *end);
        if let Some((start, end)) = email_around(text, at)
            && start >= floor
        {
            found.push((start, end));
        }
    }
    found
}

fn email_around(text: &str, at: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let before = bytes.get(at.saturating_sub(LOCAL_MAX)..at)?;
    let local = before.iter().rev().take_while(|b| is_local(**b)).count();
    let start = at - local;
    let leading = bytes
        .get(start..at)?
        .iter()
        .take_while(|b| !b.is_ascii_alphanumeric())
        .count();
    let start = start + leading;
    let local = text.get(start..at)?;
    if local.is_empty() || local.ends_with('.') || local.contains("..") {
        return None;
    }
    let after = bytes.get(at + 1..)?;
    let length = after
        .iter()
        .take(DOMAIN_MAX + 1)
        .take_while(|b| is_host(**b))
        .count();
    let domain = text.get(at + 1..at + 1 + length)?;
    if length > DOMAIN_MAX {
        return None;
    }
    let domain = domain.trim_end_matches(['.', '-']);
    let end = at + 1 + domain.len();
    // `git@host:path` names a repository.
    let is_remote = local == "git" && byte_at(text, end) == Some(b':');
    let goes_on = matches!(byte_at(text, end), Some(b'_' | b'@'));
    (is_domain(domain) && !is_remote && !goes_on).then_some((start, end))
}

fn is_domain(domain: &str) -> bool {
    let labels: Vec<&str> = domain.split('.').collect();
    let [.., top] = labels.as_slice() else {
        return false;
    };
    let is_label = |label: &&str| {
        !label.is_empty()
            && label.len() <= LABEL_MAX
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_top = (2..=24).contains(&top.len()) && top.bytes().all(|b| b.is_ascii_alphabetic())
        || top.starts_with("xn--");
    let is_number =
        |label: Option<&&str>| label.is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()));
    let is_version = is_number(labels.first()) && is_number(labels.get(1));
    labels.len() >= 2
        && labels.iter().all(is_label)
        && is_top
        && !is_version
        && !FILE_ENDINGS.contains(top)
}

fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-')
}

fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')
}

/// What network or hardware address starts at a word's start, and its end.
pub(super) fn network_at(text: &str, start: usize) -> Option<(Name, usize)> {
    let named = |name: Name| move |end: usize| (name, end);
    ipv4_at(text, start)
        .map(named(label::IPV4))
        .or_else(|| ipv6_at(text, start).map(named(label::IPV6)))
        .or_else(|| mac_at(text, start).map(named(label::MAC)))
}

/// Six pairs of hexadecimal digits. Group addresses belong to nobody; locally administered ones are
/// drawn anew for each network, or invented, so that a word must tell them.
fn mac_at(text: &str, start: usize) -> Option<usize> {
    let written = text.as_bytes().get(start..start + 17)?;
    let separator = *written.get(2).filter(|b| matches!(b, b':' | b'-'))?;
    let fits = written
        .iter()
        .enumerate()
        .all(|(place, byte)| match place % 3 {
            2 => *byte == separator,
            _ => byte.is_ascii_hexdigit(),
        });
    let end = start + written.len();
    let around = [byte_before(text, start), byte_at(text, end)];
    let is_longer = around
        .into_iter()
        .any(|b| b == Some(separator) || b == Some(b'_') || is_alnum(b));
    let first = u8::from_str_radix(text.get(start..start + 2)?, 16).ok()?;
    let is_zero = written.iter().all(|b| *b == separator || *b == b'0');
    let told = || {
        is_told(
            text,
            start,
            24,
            &["mac", "hwaddr", "ether", "bssid", "hardware address"],
        )
    };
    let is_own = first & 1 == 0 && !is_zero && (first & 2 == 0 || told());
    (fits && !is_longer && is_own).then_some(end)
}

fn ipv4_at(text: &str, start: usize) -> Option<usize> {
    let rest = text.as_bytes().get(start..)?;
    let is_part = |b: &&u8| b.is_ascii_digit() || **b == b'.';
    let length = rest.iter().take(17).take_while(is_part).count();
    let run = text.get(start..start + length)?;
    let written = run.trim_end_matches('.');
    let address: Ipv4Addr = written.parse().ok()?;
    let end = start + written.len();
    let goes_on = match byte_at(text, end) {
        Some(b'.') => is_digit(byte_at(text, end + 1)),
        Some(b'-' | b'+') => is_alnum(byte_at(text, end + 1)),
        Some(b'_') => true,
        byte => is_alnum(byte),
    };
    let says_nothing = address.is_loopback()
        || address.is_unspecified()
        || address.is_broadcast()
        || address.octets()[0] == 0;
    // Four single digits are a version number more often than a host.
    let needs_word = address.octets().iter().all(|octet| *octet < 10);
    let is_host = !needs_word || has_word_before(text, start, 24, &HOST_WORDS);
    let is_version = has_word_before(text, start, 16, &VERSION_WORDS);
    let is_tail = is_attached_before(text, start);
    (!goes_on && !says_nothing && is_host && !is_version && !is_tail).then_some(end)
}

/// Only global, unique-local and link-local addresses: shorter ones look like code (`a::b`).
fn ipv6_at(text: &str, start: usize) -> Option<usize> {
    let rest = text.as_bytes().get(start..)?;
    let is_part = |b: &&u8| b.is_ascii_hexdigit() || matches!(**b, b':' | b'.');
    let length = rest.iter().take(64).take_while(is_part).count();
    let run = text.get(start..start + length)?;
    let written = run.trim_end_matches('.');
    let end = start + written.len();
    if written.bytes().filter(|b| *b == b':').count() < 2 || is_alnum(byte_at(text, end)) {
        return None;
    }
    // A colon may end the sentence's clause rather than the address.
    let trimmed = written.strip_suffix(':').filter(|w| !w.ends_with(':'));
    let (address, end) = match (written.parse::<Ipv6Addr>(), trimmed) {
        (Ok(address), _) => (address, end),
        (Err(_), Some(shorter)) => (shorter.parse::<Ipv6Addr>().ok()?, end - 1),
        (Err(_), None) => return None,
    };
    let [first, ..] = address.segments();
    let is_routed = matches!(first, 0x2000..=0x3fff | 0xfc00..=0xfdff | 0xfe80..=0xfebf);
    let is_tail = matches!(byte_before(text, start), Some(b':' | b'_' | b'.'));
    (is_routed && !is_tail).then_some(end)
}
