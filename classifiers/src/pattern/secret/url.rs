//! Credentials inside addresses: `scheme://user:password@host`, webhooks, signed addresses.

use super::placeholder::is_placeholder;
use super::{Name, is_random, is_url_safe};
use crate::pattern::scan::{Reach, byte_at, byte_before, floor_boundary};

pub(super) const NAMES: &[Name] = &[URL, DATABASE, SLACK, DISCORD, SAS];
const URL: Name = ("url_credentials", "secret.url_credentials");
const DATABASE: Name = ("database_url", "secret.url_credentials");
const SLACK: Name = ("slack_webhook", "secret.slack_token");
const DISCORD: Name = ("discord_webhook", "secret.messaging_token");
const SAS: Name = ("azure_sas", "secret.azure_key");

/// Longest part of an address before its path, in bytes.
const AUTHORITY_MAX: usize = 300;
const DATABASES: &[&str] = &[
    "postgres",
    "postgresql",
    "mysql",
    "mariadb",
    "mongodb",
    "srv",
    "redis",
    "rediss",
    "amqp",
    "amqps",
    "mssql",
    "sqlserver",
    "oracle",
    "clickhouse",
    "cockroachdb",
    "snowflake",
    "jdbc",
];
const WEBHOOKS: &[(&str, Name)] = &[
    ("hooks.slack.com/services/", SLACK),
    ("hooks.slack.com/workflows/", SLACK),
    ("discord.com/api/webhooks/", DISCORD),
    ("discordapp.com/api/webhooks/", DISCORD),
];

/// A part of an address that is a credential.
pub(in crate::pattern) struct Found {
    pub(in crate::pattern) name: Name,
    pub(in crate::pattern) start: usize,
    pub(in crate::pattern) end: usize,
}

/// Credentials in addresses, in order.
pub(in crate::pattern) fn search(text: &str, found: &mut impl FnMut(Found)) {
    for (at, _) in text.match_indices("://") {
        if let (Some(start), Reach::Closed(end) | Reach::Open(Some(end))) = password_after(text, at)
        {
            let scheme = text.get(..at).unwrap_or_default().as_bytes();
            let letters = scheme
                .iter()
                .rev()
                .take(16)
                .take_while(|b| b.is_ascii_alphanumeric());
            let scheme = text.get(at - letters.count()..at).unwrap_or_default();
            let is_database = DATABASES
                .iter()
                .any(|known| known.eq_ignore_ascii_case(scheme));
            let name = if is_database { DATABASE } else { URL };
            found(Found { name, start, end });
        }
        webhook_after(text, at + 3)
            .into_iter()
            .for_each(&mut *found);
    }
    for (at, _) in text.match_indices("sig=") {
        signature_after(text, at).into_iter().for_each(&mut *found);
    }
}

/// Where a password starts that the end of the text leaves open. What else is in an address lies
/// within one run of its characters.
pub(in crate::pattern) fn open_from(text: &str) -> Option<usize> {
    let from = floor_boundary(text, text.len().saturating_sub(AUTHORITY_MAX + 4));
    let tail = text.get(from..)?;
    let mut starts = tail.match_indices("://").map(|(at, _)| from + at);
    starts.find_map(|at| match password_after(text, at) {
        (Some(start), Reach::Open(_)) => Some(start),
        _ => None,
    })
}

/// Where the password after a scheme starts, and how far it reaches.
fn password_after(text: &str, scheme_end: usize) -> (Option<usize>, Reach) {
    let start = scheme_end + 3;
    let rest = text.as_bytes().get(start..).unwrap_or_default();
    let is_inside = |b: &&u8| {
        b.is_ascii_graphic()
            && !matches!(**b, b'/' | b'?' | b'#' | b'"' | b'<' | b'>' | b'`' | b'\\')
    };
    let length = rest
        .iter()
        .take(AUTHORITY_MAX)
        .take_while(is_inside)
        .count();
    let authority = text.get(start..start + length).unwrap_or_default();
    let Some(colon) = authority.find(':').filter(|_| length < AUTHORITY_MAX) else {
        return (None, Reach::No);
    };
    let password = start + colon + 1;
    let end = authority
        .rfind('@')
        .map(|at| start + at)
        .filter(|end| *end > password);
    let is_cut = start + length == text.len();
    let meant = end.filter(|end| {
        let value = text.get(password..*end).unwrap_or_default();
        let host = byte_at(text, *end + 1);
        // A variable or a lone word such as `user:pass@` is documentation.
        let is_meant = value.len() >= 4 && !is_documentation(value);
        is_meant && host.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'[')
    });
    match (meant, is_cut) {
        (end, true) => (Some(password), Reach::Open(end)),
        (Some(end), false) => (Some(password), Reach::Closed(end)),
        (None, false) => (None, Reach::No),
    }
}

fn is_documentation(value: &str) -> bool {
    let known = [
        "pass", "pwd", "passwd", "secret", "token", "user", "root", "admin", "test",
    ];
    known.iter().any(|known| value.eq_ignore_ascii_case(known))
        || value.starts_with(['$', '{', '<', '%', '['])
        || is_placeholder(value)
}

fn webhook_after(text: &str, start: usize) -> Option<Found> {
    let rest = text.get(start..)?;
    let (host, name) = WEBHOOKS.iter().find(|(host, _)| rest.starts_with(host))?;
    let path = rest.as_bytes().get(host.len()..)?;
    let is_path = |b: &&u8| is_url_safe(**b) || **b == b'/';
    let length = path.iter().take(200).take_while(is_path).count();
    let start = start + host.len();
    let body = path.get(..length)?;
    let is_whole = body.contains(&b'/') && (40..200).contains(&length);
    let value = text.get(start..start + length)?;
    (is_whole && is_random(body) && !is_placeholder(value)).then_some(Found {
        name: *name,
        start,
        end: start + length,
    })
}

/// The signature of a shared access signature, whose other parameters stand around it.
fn signature_after(text: &str, at: usize) -> Option<Found> {
    if !matches!(byte_before(text, at), Some(b'&' | b'?')) {
        return None;
    }
    let before = text.get(floor_boundary(text, at.saturating_sub(200))..at)?;
    let run = before
        .rfind(|c: char| c.is_whitespace() || c == '"')
        .map_or(0, |i| i + 1);
    let parameters = before.get(run..).unwrap_or_default();
    let start = at + 4;
    let is_symbol = |b: &&u8| is_url_safe(**b) || matches!(**b, b'%' | b'+' | b'/' | b'=');
    let length = text
        .as_bytes()
        .get(start..)?
        .iter()
        .take(121)
        .take_while(is_symbol)
        .count();
    let is_signed =
        parameters.contains("sv=") || parameters.contains("se=") || parameters.contains("sr=");
    let value = text.get(start..start + length)?;
    (is_signed && (43..=120).contains(&length) && is_random(value.as_bytes())).then_some(Found {
        name: SAS,
        start,
        end: start + length,
    })
}
