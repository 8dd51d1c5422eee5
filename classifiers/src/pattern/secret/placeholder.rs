//! Telling what someone chose or drew at random from what stands in its place.

const WORDS: &[&str] = &[
    "example",
    "placeholder",
    "your",
    "changeme",
    "change_me",
    "change-me",
    "xxxx",
    "****",
    "....",
    "dummy",
    "sample",
    "fake",
    "redacted",
    "insert",
    "todo",
    "replace",
    "secret_",
    "password",
    "passwd",
    "undefined",
    "null",
    "none",
    "12345678",
    "abcdef",
    "qwerty",
    "foobar",
    "hidden",
    "masked",
    "<",
    "${",
    "{{",
    "%s",
    "$(",
    "#{",
    "test_",
    "test-",
    "testtest",
    "not-",
    "enter",
    "my_",
    "my-",
    "default",
    "value",
    "string",
    "____",
    "----",
    "process.env",
    "os.environ",
];

/// Whether a value only says what belongs in its place.
pub(super) fn is_placeholder(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let is_marked = WORDS.iter().any(|word| lower.contains(word));
    let is_reference = value.starts_with(['$', '%', '@', '&', '*', '{', '[', '<', '#']);
    let kinds = value
        .bytes()
        .collect::<std::collections::BTreeSet<u8>>()
        .len();
    is_marked || is_reference && !value.bytes().any(|b| b.is_ascii_digit()) || kinds < 4
}

/// Shannon entropy in bits for each byte.
pub(super) fn entropy(value: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in value.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let length = value.len().max(1) as f64;
    let shares = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / length);
    shares.map(|share| -share * share.log2()).sum()
}

/// Whether more than half of a value is words: runs of four or more letters, none but the first of
/// them a capital.
pub(super) fn is_wordy(value: &str) -> bool {
    let mut words = 0;
    let mut run = 0;
    for byte in value.bytes().chain([b' ']) {
        if byte.is_ascii_lowercase() || run == 0 && byte.is_ascii_uppercase() {
            run += 1;
            continue;
        }
        words += if run >= 4 { run } else { 0 };
        run = usize::from(byte.is_ascii_uppercase());
    }
    2 * words > value.len()
}

/// How many of these a value has: small letters, capitals, digits, other characters.
pub(super) fn classes(value: &str) -> usize {
    let has = |is: fn(&u8) -> bool| usize::from(value.bytes().any(|b| is(&b)));
    let is_other: fn(&u8) -> bool =
        |b| !b.is_ascii_alphanumeric() && !matches!(b, b'_' | b'-' | b'.');
    has(u8::is_ascii_lowercase)
        + has(u8::is_ascii_uppercase)
        + has(u8::is_ascii_digit)
        + has(is_other)
}
