//! Compatible forms of characters folded (NFKC, one character at a time), invisible ones dropped.
//!
//! What is ASCII stays as it is, so nothing that follows can change it. Typographic signs (`™`,
//! `…`, `½`, full-width commas of Chinese) stay too unless they stand where letters and digits do.

use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

use super::Step;
use super::invisible::{Group, is_invisible, is_plain};
use super::map::{OverBudget, Rewriter};

/// Signs that are read as what they are, although they fold to letters or digits.
const SIGNS: [char; 15] = [
    'ª', 'º', '¼', '½', '¾', '™', '℠', '№', '℃', '℉', 'Å', 'K', '℡', '㏂', '㏘',
];

pub(super) fn undo(source: &str, budget: usize) -> Result<Step, OverBudget> {
    if is_plain(source) {
        return Ok(Step::unchanged(source));
    }
    let mut rewriter = Rewriter::new(source, budget);
    let mut left = None;
    let mut at = 0;
    while let Some(c) = char_at(source, at) {
        if is_invisible(c) {
            let end = group_end(source, at);
            drop_strangers(source, at, end, left, &mut rewriter);
            at = end;
        } else {
            let end = at + c.len_utf8();
            let right = char_at(source, end);
            if let Some(folded) = folded(c, left, right) {
                rewriter.replace(&(at..end), &folded);
            }
            left = Some(c);
            at = end;
        }
        if rewriter.is_full() {
            return Err(OverBudget);
        }
    }
    Step::of(rewriter, settled(source))
}

fn char_at(text: &str, at: usize) -> Option<char> {
    // Most characters are of one byte.
    match text.as_bytes().get(at) {
        Some(byte) if byte.is_ascii() => Some(char::from(*byte)),
        Some(_) => text.get(at..)?.chars().next(),
        None => None,
    }
}

fn group_end(source: &str, start: usize) -> usize {
    let rest = source.get(start..).unwrap_or_default();
    rest.find(|c| !is_invisible(c))
        .map_or(source.len(), |length| start + length)
}

fn drop_strangers(
    source: &str,
    start: usize,
    end: usize,
    left: Option<char>,
    rewriter: &mut Rewriter<'_>,
) {
    let text = source.get(start..end).unwrap_or_default();
    let right = char_at(source, end);
    let group = Group { text, left, right };
    for (offset, c) in text.char_indices() {
        if !group.is_at_home(c) {
            let at = start + offset;
            rewriter.replace(&(at..at + c.len_utf8()), "");
        }
    }
}

/// What `c` becomes between its neighbours; `None` when it stays.
fn folded(c: char, left: Option<char>, right: Option<char>) -> Option<String> {
    if c.is_ascii() || is_own_form(c) || right == Some('\u{fe0f}') || SIGNS.contains(&c) {
        return None;
    }
    if is_script_digit(c) {
        let joined = |c: Option<char>| c.is_some_and(is_script_digit);
        return (joined(left) || joined(right)).then(|| compatible(c));
    }
    let folded = compatible(c);
    let mut chars = folded.chars();
    let (first, second) = (chars.next()?, chars.next());
    if folded.chars().any(|c| c.is_ascii_alphanumeric()) || is_compatibility_letter(c) {
        return Some(folded);
    }
    // Native separators of numbers stay; other signs count where they join letters or digits.
    let is_native = matches!(c, '\u{a0}' | '\u{202f}' | '\u{2009}');
    let joins = is_alphanumeric(left) && is_alphanumeric(right);
    (second.is_none() && first.is_ascii() && !is_native && joins).then_some(folded)
}

/// Whether `c` is its own compatible form. Known by heart for the common scripts.
fn is_own_form(c: char) -> bool {
    const KNOWN: u32 = 0x3400;
    static OWN_FORMS: LazyLock<Vec<bool>> = LazyLock::new(|| {
        let of = |value| char::from_u32(value).is_some_and(|c| compatible(c).chars().eq([c]));
        (0..KNOWN).map(of).collect()
    });
    let value = u32::from(c);
    match value {
        0..KNOWN => OWN_FORMS.get(value as usize).copied().unwrap_or(false),
        // Han characters and Hangul syllables.
        KNOWN..=0x9fff | 0xac00..=0xd7a3 => true,
        _ => compatible(c).chars().eq([c]),
    }
}

fn compatible(c: char) -> String {
    std::iter::once(c).nfkc().collect()
}

fn is_alphanumeric(c: Option<char>) -> bool {
    c.is_some_and(|c| {
        c.is_ascii_alphanumeric() || !c.is_ascii() && compatible(c).bytes().all(is_alnum)
    })
}

fn is_alnum(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

/// Superscript and subscript digits: `m²` is a square metre, `⁴¹¹¹` a number.
fn is_script_digit(c: char) -> bool {
    matches!(u32::from(c), 0xb2 | 0xb3 | 0xb9 | 0x2070 | 0x2074..=0x2079 | 0x2080..=0x2089)
}

/// Other forms of letters of any script: ligatures, half-width and presentation forms.
fn is_compatibility_letter(c: char) -> bool {
    let is_form = matches!(u32::from(c),
        0xfb00..=0xfb4f | 0xfb50..=0xfdff | 0xfe70..=0xfefc | 0xff66..=0xffdc
        | 0x1_d400..=0x1_d7ff | 0x1_ee00..=0x1_eeff);
    is_form && c.is_alphanumeric()
}

/// Until where nothing that follows can change the result: a last character that is not ASCII, and
/// invisible ones at the end, depend on what comes next.
fn settled(source: &str) -> usize {
    let seen = source.trim_end_matches(is_invisible);
    match seen.chars().next_back() {
        Some(c) if !is_own_form(c) => seen.len() - c.len_utf8(),
        Some(_) | None => seen.len(),
    }
}
