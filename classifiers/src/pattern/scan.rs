//! What the rules share: character classes, boundaries, words nearby.

/// How far a rule that starts at some place reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// It does not match there, whatever follows.
    No,
    /// The text ends too early to tell; the end of the match as things stand, if there is one.
    Open(Option<usize>),
    /// It matches up to here, whatever follows.
    Closed(usize),
}

/// Characters that tokens, addresses and host names are made of.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-' | b'@' | b':' | b'=')
}

pub(super) fn byte_at(text: &str, at: usize) -> Option<u8> {
    text.as_bytes().get(at).copied()
}

pub(super) fn byte_before(text: &str, at: usize) -> Option<u8> {
    byte_at(text, at.checked_sub(1)?)
}

pub(super) fn is_alnum(byte: Option<u8>) -> bool {
    byte.is_some_and(|b| b.is_ascii_alphanumeric())
}

pub(super) fn is_digit(byte: Option<u8>) -> bool {
    byte.is_some_and(|b| b.is_ascii_digit())
}

/// Positions where an ASCII letter or digit follows something else.
pub(super) fn word_starts(text: &str) -> impl Iterator<Item = usize> {
    let mut inside = false;
    text.bytes().enumerate().filter_map(move |(at, byte)| {
        let before = std::mem::replace(&mut inside, byte.is_ascii_alphanumeric());
        (inside && !before).then_some(at)
    })
}

/// Whether the place is the tail of an identifier such as `ABC-` or `x/`.
pub(super) fn is_attached_before(text: &str, start: usize) -> bool {
    match byte_before(text, start) {
        Some(b'-' | b'/' | b'.' | b'#' | b'=') => {
            is_alnum(start.checked_sub(2).and_then(|at| byte_at(text, at)))
                && byte_before(text, start) != Some(b'=')
        }
        Some(b'_') => true,
        byte => is_alnum(byte),
    }
}

/// Whether an identifier goes on after the place.
pub(super) fn is_attached_after(text: &str, end: usize) -> bool {
    match byte_at(text, end) {
        Some(b'-') => is_alnum(byte_at(text, end + 1)),
        Some(b'.') => is_digit(byte_at(text, end + 1)),
        Some(b'_') => true,
        byte => is_alnum(byte),
    }
}

/// The nearest character boundary at or before `at`.
pub(super) fn floor_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|i| text.is_char_boundary(*i))
        .unwrap_or(0)
}

/// Whether one of `phrases` (lower case, any script) stands within `reach` bytes before `at`. A phrase
/// of Latin letters must be whole words; in other scripts words have no such ends.
pub(super) fn is_told(text: &str, at: usize, reach: usize, phrases: &[&str]) -> bool {
    let mut from = floor_boundary(text, at.saturating_sub(reach));
    // A word that the reach cuts in two is read whole.
    while from > 0 && is_alnum(byte_before(text, from)) && at - from < 2 * reach {
        from -= 1;
    }
    let near = text.get(from..at).unwrap_or_default().to_lowercase();
    let is_free = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    phrases.iter().any(|phrase| {
        near.match_indices(phrase).any(|(start, _)| {
            let before = near.get(..start).and_then(|left| left.chars().next_back());
            let after = near.get(start + phrase.len()..);
            let after = after.and_then(|right| right.chars().next());
            !phrase.starts_with(|c: char| c.is_ascii() || ('\u{c0}'..='\u{24f}').contains(&c))
                || is_free(before) && is_free(after)
        })
    })
}

/// Whether one of `words` (lower case) stands within `reach` bytes before `at`.
pub(super) fn has_word_before(text: &str, at: usize, reach: usize, words: &[&str]) -> bool {
    let mut from = floor_boundary(text, at.saturating_sub(reach));
    // A word that the reach cuts in two is read whole.
    while from > 0 && is_alnum(byte_before(text, from)) && at - from < 2 * reach {
        from -= 1;
    }
    let near = text.get(from..at).unwrap_or_default();
    near.split(|c: char| !c.is_ascii_alphanumeric())
        .any(|word| words.iter().any(|known| word.eq_ignore_ascii_case(known)))
}
