//! Values assigned to names such as `password` or `api_key`, in code, settings and prose.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

use super::placeholder::{classes, entropy, is_placeholder, is_wordy};
use super::{Name, vendors};
use crate::pattern::scan::{Reach, byte_at, floor_boundary};

pub(super) const NAMES: &[Name] = &[PASSWORD, KEY, AWS, AZURE, GOOGLE];
const PASSWORD: Name = ("password", "secret.password");
const KEY: Name = ("assigned_key", "secret.password");
const AWS: Name = ("aws_secret_key", "secret.aws_secret_key");
const AZURE: Name = ("azure_account_key", "secret.azure_key");
const GOOGLE: Name = ("gcp_service_account", "secret.google_api_key");

/// Longest value, in bytes.
const VALUE_MAX: usize = 200;
/// Longest name with what stands between it and its value.
const NAME_MAX: usize = 64;
/// Most spaces on each side of the sign between name and value.
const SPACES_MAX: usize = 8;

/// What may be assigned to a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Something that a person chose.
    Password,
    /// Something that a machine drew.
    Key,
    /// As many symbols of base64.
    Base64(Name, usize),
    /// As many hexadecimal digits.
    Hex(Name, usize),
}

/// Names by their end, in small letters.
const KINDS: &[(&str, Kind)] = &[
    ("password", Kind::Password),
    ("passwd", Kind::Password),
    ("passphrase", Kind::Password),
    ("passwort", Kind::Password),
    ("kennwort", Kind::Password),
    ("contraseña", Kind::Password),
    ("mot de passe", Kind::Password),
    ("pwd", Kind::Password),
    ("passcode", Kind::Password),
    ("secret", Kind::Key),
    ("secret_key", Kind::Key),
    ("secretkey", Kind::Key),
    ("secret-key", Kind::Key),
    ("api_key", Kind::Key),
    ("apikey", Kind::Key),
    ("api-key", Kind::Key),
    ("api key", Kind::Key),
    ("access_key", Kind::Key),
    ("access-key", Kind::Key),
    ("accesskey", Kind::Key),
    ("encryption_key", Kind::Key),
    ("encryptionkey", Kind::Key),
    ("signing_key", Kind::Key),
    ("auth_key", Kind::Key),
    ("token", Kind::Key),
    ("secret_access_key", Kind::Base64(AWS, 40)),
    ("secretaccesskey", Kind::Base64(AWS, 40)),
    ("secret access key", Kind::Base64(AWS, 40)),
    ("accountkey", Kind::Base64(AZURE, 88)),
    ("sharedaccesskey", Kind::Base64(AZURE, 44)),
    ("private_key_id", Kind::Hex(GOOGLE, 40)),
];

/// A value that is assigned to a name.
#[derive(Debug, Clone, Copy)]
struct Value {
    kind: Kind,
    start: usize,
    reach: Reach,
}

/// Assigned credentials, in order: what each is, where it starts and ends.
pub(in crate::pattern) fn search(text: &str, found: &mut impl FnMut(Name, usize, usize)) {
    for value in values(text) {
        if let Reach::Closed(end) | Reach::Open(Some(end)) = value.reach {
            found(value.kind.name(), value.start, end);
        }
    }
}

/// Where a value starts that the end of the text leaves open.
pub(in crate::pattern) fn open_from(text: &str) -> Option<usize> {
    let from = floor_boundary(text, text.len().saturating_sub(VALUE_MAX + NAME_MAX));
    let mut tail = values(text.get(from..)?);
    let open = tail.find(|value| matches!(value.reach, Reach::Open(_)))?;
    Some(from + open.start)
}

impl Kind {
    fn name(self) -> Name {
        match self {
            Self::Password => PASSWORD,
            Self::Key => KEY,
            Self::Base64(name, _) | Self::Hex(name, _) => name,
        }
    }
}

fn values(text: &str) -> impl Iterator<Item = Value> {
    static NAMES: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
        AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostLongest)
            .build(KINDS.iter().map(|(name, _)| name))
            .ok()
    });
    let matches = NAMES.iter().flat_map(move |names| names.find_iter(text));
    matches.filter_map(move |found| {
        let (_, kind) = KINDS.get(found.pattern().as_usize())?;
        value_after(text, found.end(), *kind)
    })
}

/// The value after a name that ends at `at`.
fn value_after(text: &str, at: usize, kind: Kind) -> Option<Value> {
    let (start, sign) = sign_after(text, at, kind)?;
    let opening = text.get(start..)?;
    let (quote, width) = match opening.as_bytes() {
        [b'\\', quote @ (b'"' | b'\''), ..] => (Some(*quote), 2),
        [quote @ (b'"' | b'\'' | b'`'), ..] => (Some(*quote), 1),
        _ => (None, 0),
    };
    let start = start + width;
    let rest = text.as_bytes().get(start..)?;
    let ends = |byte: &u8| match quote {
        Some(quote) => *byte == quote || matches!(byte, b'\n' | b'\r' | b'\\'),
        None => byte.is_ascii_whitespace() || b"\"'`,;)]}<>|\\".contains(byte),
    };
    let length = rest
        .iter()
        .take(VALUE_MAX + 1)
        .take_while(|b| !ends(b))
        .count();
    if rest.is_empty() || length > VALUE_MAX {
        return None;
    }
    let is_cut = length == rest.len();
    let value = text.get(start..start + length)?;
    let value = if sign == Sign::Verb {
        value.trim_end_matches(['.', '!', '?', ':'])
    } else {
        value
    };
    // A quotation that breaks off is none, but inside a string it ends with a backslash.
    let is_whole = quote.is_none_or(|quote| byte_at(text, start + length) == Some(quote));
    let is_whole = is_cut || width == 2 || is_whole;
    let meant = is_whole && is_meant(value, kind, quote.is_some(), sign);
    let end = start + value.len();
    let reach = match (is_cut, meant) {
        (true, meant) => Reach::Open(meant.then_some(end)),
        (false, true) => Reach::Closed(end),
        (false, false) => Reach::No,
    };
    Some(Value { kind, start, reach })
}

/// What stands between a name and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Equals,
    Colon,
    /// `is`, after a password.
    Verb,
}

/// Where the value after a sign starts.
fn sign_after(text: &str, at: usize, kind: Kind) -> Option<(usize, Sign)> {
    let mut rest = text.get(at..)?;
    rest = rest.strip_prefix('\\').unwrap_or(rest);
    rest = rest.strip_prefix(['"', '\'', '`']).unwrap_or(rest);
    rest = rest.strip_prefix(']').unwrap_or(rest);
    let spaced = trim_spaces(rest);
    let verbs = ["is ", "was ", "ist ", "est ", "es "];
    let verb = verbs.iter().find_map(|verb| spaced.strip_prefix(verb));
    let (rest, sign) =
        if let Some(after) = verb.filter(|_| kind == Kind::Password && spaced != rest) {
            (after.strip_prefix(": ").unwrap_or(after), Sign::Verb)
        } else if let Some(after) = spaced
            .strip_prefix(":=")
            .or_else(|| spaced.strip_prefix("=>"))
        {
            (after, Sign::Equals)
        } else if let Some(after) = spaced.strip_prefix('=') {
            (after, Sign::Equals)
        } else {
            (spaced.strip_prefix(':')?, Sign::Colon)
        };
    let doubled = rest.starts_with(['=', ':', '~']);
    let value = trim_spaces(rest);
    (!doubled).then_some((text.len() - value.len(), sign))
}

fn trim_spaces(text: &str) -> &str {
    let spaces = text
        .bytes()
        .take(SPACES_MAX)
        .take_while(|b| matches!(b, b' ' | b'\t'));
    text.get(spaces.count()..).unwrap_or_default()
}

fn is_meant(value: &str, kind: Kind, is_quoted: bool, sign: Sign) -> bool {
    match kind {
        Kind::Base64(_, length) => {
            let is_base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
            value.len() == length && value.bytes().all(is_base64) && is_drawn(value, 3.5)
        }
        Kind::Hex(_, length) => {
            let is_hex = value.bytes().all(|b| b.is_ascii_hexdigit());
            value.len() == length && is_hex && is_drawn(value, 3.0)
        }
        Kind::Key => is_key(value, is_quoted),
        Kind::Password => is_password(value, is_quoted, sign),
    }
}

fn is_drawn(value: &str, bits: f64) -> bool {
    entropy(value) >= bits && !is_placeholder(value)
}

fn is_key(value: &str, is_quoted: bool) -> bool {
    let is_symbol = |b: u8| b.is_ascii_alphanumeric() || b"+/=_-.~".contains(&b);
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let letters = value.bytes().any(|b| b.is_ascii_alphabetic());
    let least = if is_quoted { 16 } else { 20 };
    // Paths, package names and member accesses are made of dots and slashes.
    let is_path = !is_quoted && value.contains(['.', '/'])
        || value.starts_with(['.', '/'])
        || value.contains('/') && !value.bytes().any(|b| b.is_ascii_uppercase());
    value.len() >= least
        && value.bytes().all(is_symbol)
        && digits >= 2
        && letters
        && !is_path
        && !vendors::is_uuid(value.as_bytes())
        && !is_wordy(value)
        && is_drawn(value, 3.0)
}

fn is_password(value: &str, is_quoted: bool, sign: Sign) -> bool {
    let has_letter = value.bytes().any(|b| b.is_ascii_alphabetic());
    // `password=hash(input)`, `password: Option<String>`, `password = self.password`.
    let is_code = value.contains(['(', ')', '{', '}', '[', ']'])
        || value.contains("::")
        || value.contains("->")
        || value.contains("//");
    let is_member = value.contains('.')
        && value
            .bytes()
            .all(|b| b.is_ascii_alphabetic() || matches!(b, b'.' | b'_'));
    let is_setting = !is_quoted && sign == Sign::Equals;
    let (least, kinds) = if is_setting { (8, 3) } else { (6, 2) };
    let chosen = classes(value);
    // One capital at the front is a word's or a type's.
    let is_word = value.bytes().skip(1).all(|b| b.is_ascii_lowercase());
    let is_name = !is_quoted
        && value
            .bytes()
            .all(|b| b.is_ascii_alphabetic() || b == b'_' || b == b'-');
    has_letter
        && (least..=128).contains(&value.len())
        && chosen >= kinds
        && !(is_code && !is_quoted || is_member || is_word || is_name)
        && !value.contains(' ')
        && !(is_quoted && is_sentence(value))
        && !is_placeholder(value)
}

/// Names of things joined by signs: keys of translations, selectors, addresses.
fn is_sentence(value: &str) -> bool {
    is_wordy(value) && !value.bytes().any(|b| b.is_ascii_digit())
}
