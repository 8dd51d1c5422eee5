//! Look-alike letters folded to Latin, word by word.
//!
//! A word is folded when it mixes Latin with look-alikes of other scripts and holds no letter that
//! has no Latin look-alike. A word of look-alikes alone is folded only when the text before it is
//! Latin. Russian and Greek prose therefore stays as it is: nearly each of its words holds a letter
//! that looks like no Latin one. Also here: digits of other scripts in groups of four or more, and
//! strokes and dots that zalgo and underlined texts pile on plain characters.

use std::ops::Range;
use std::sync::LazyLock;

use unicode_normalization::char::{compose, is_combining_mark};

use super::Step;
use super::map::{OverBudget, Rewriter};

/// A word of look-alikes alone has at least so many; a shorter one is a sign of mathematics or a
/// Russian preposition.
const ALIKE_MIN: usize = 3;
/// A word of look-alikes and digits is taken for a key from this length on.
const KEY_MIN: usize = 8;
/// Digits of other scripts are folded in groups from this length on.
const DIGITS_MIN: usize = 4;
/// How many times more Latin letters than others make a text Latin.
const LATIN_SHARE: usize = 4;

/// Zero of each script that writes numbers with ten digits.
const ZEROS: [u32; 17] = [
    0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66,
    0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x17e0,
];

/// Small capitals, which fancy-text generators write and the confusables of Unicode lack.
const SMALL_CAPITALS: [(char, char); 24] = [
    ('ᴀ', 'a'),
    ('ʙ', 'b'),
    ('ᴄ', 'c'),
    ('ᴅ', 'd'),
    ('ᴇ', 'e'),
    ('ꜰ', 'f'),
    ('ɢ', 'g'),
    ('ʜ', 'h'),
    ('ɪ', 'i'),
    ('ᴊ', 'j'),
    ('ᴋ', 'k'),
    ('ʟ', 'l'),
    ('ᴍ', 'm'),
    ('ɴ', 'n'),
    ('ᴏ', 'o'),
    ('ᴘ', 'p'),
    ('ǫ', 'q'),
    ('ʀ', 'r'),
    ('ꜱ', 's'),
    ('ᴛ', 't'),
    ('ᴜ', 'u'),
    ('ᴠ', 'v'),
    ('ᴡ', 'w'),
    ('ᴢ', 'z'),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    AsciiLetter,
    AsciiDigit,
    /// A Latin letter beyond ASCII.
    Latin,
    /// Looks like this ASCII letter or digit.
    Alike(char),
    /// A Latin letter in a form of its own: a small capital or a boxed one.
    Fancy(char),
    /// A digit of another script.
    Digit(char),
    /// A mark on the letter before it; whether it is piled on a plain one.
    Mark {
        is_piled: bool,
    },
    /// A letter of a script that has look-alikes, without one.
    Foreign,
    /// Not part of a word here: white space, signs, and letters of scripts without look-alikes.
    Outside,
}

/// What a word is made of.
#[derive(Debug, Default)]
struct Word {
    /// Characters that would change, with what they become.
    changes: Vec<(Range<usize>, Kind)>,
    ascii_letters: usize,
    ascii_digits: usize,
    latin: usize,
    alike: usize,
    /// Those of `alike` that are Latin anyway.
    fancy: usize,
    digits: usize,
    foreign: usize,
    /// Where its first character stands that is not ASCII.
    first_other: Option<usize>,
}

/// Letters seen so far.
#[derive(Debug, Default)]
struct Seen {
    latin: usize,
    foreign: usize,
}

pub(super) fn undo(source: &str, budget: usize) -> Result<Step, OverBudget> {
    if source.is_ascii() {
        return Ok(Step::unchanged(source));
    }
    let mut rewriter = Rewriter::new(source, budget);
    let mut seen = Seen::default();
    let mut word = Word::default();
    let mut before = None;
    for (at, c) in source.char_indices() {
        match kind(c, before) {
            Kind::Outside => {
                seen.close(&mut word, &mut rewriter);
                seen.foreign += usize::from(c.is_alphabetic());
            }
            kind => word.take(at, c, kind),
        }
        before = Some(c);
        if rewriter.is_full() {
            return Err(OverBudget);
        }
    }
    let settled = word.settled(source.len());
    seen.close(&mut word, &mut rewriter);
    Step::of(rewriter, settled)
}

impl Word {
    fn take(&mut self, at: usize, c: char, kind: Kind) {
        match kind {
            Kind::AsciiLetter => self.ascii_letters += 1,
            Kind::AsciiDigit => self.ascii_digits += 1,
            Kind::Latin => self.latin += 1,
            Kind::Alike(_) => self.alike += 1,
            Kind::Fancy(_) => {
                self.alike += 1;
                self.fancy += 1;
            }
            Kind::Digit(_) => self.digits += 1,
            Kind::Foreign => self.foreign += 1,
            Kind::Mark { .. } | Kind::Outside => {}
        }
        let changes = match kind {
            Kind::Mark { is_piled } => is_piled,
            Kind::Alike(_) | Kind::Fancy(_) | Kind::Digit(_) => true,
            _ => false,
        };
        if changes {
            self.changes.push((at..at + c.len_utf8(), kind));
        }
        if !c.is_ascii() {
            self.first_other.get_or_insert(at);
        }
    }

    /// Until where the word is decided when the text ends with it.
    fn settled(&self, end: usize) -> usize {
        self.first_other
            .filter(|_| self.foreign == 0)
            .unwrap_or(end)
    }

    fn letters(&self) -> usize {
        self.ascii_letters + self.latin + self.alike + self.foreign
    }
}

impl Seen {
    /// Ends a word: folds what is to be folded, and counts its letters.
    fn close(&mut self, word: &mut Word, rewriter: &mut Rewriter<'_>) {
        let word = std::mem::take(word);
        let is_latin_so_far = self.latin > LATIN_SHARE * self.foreign;
        let is_key = word.ascii_digits > 0 && word.letters() + word.ascii_digits >= KEY_MIN;
        let is_latin = word.ascii_letters > 0
            || word.fancy > 1
            || is_key
            || word.alike >= ALIKE_MIN && is_latin_so_far;
        let is_disguise = word.alike > 0 && word.foreign == 0 && is_latin;
        let is_number = word.letters() == 0 && word.digits + word.ascii_digits >= DIGITS_MIN;
        for (place, kind) in &word.changes {
            match kind {
                Kind::Alike(c) | Kind::Fancy(c) if is_disguise => {
                    rewriter.replace(place, c.encode_utf8(&mut [0; 4]));
                }
                Kind::Digit(c) if is_number => {
                    rewriter.replace(place, c.encode_utf8(&mut [0; 4]));
                }
                Kind::Mark { .. } => rewriter.replace(place, ""),
                _ => {}
            }
        }
        self.latin += word.ascii_letters + word.latin;
        if is_disguise {
            self.latin += word.alike;
        } else {
            self.foreign += word.foreign + word.alike;
        }
    }
}

fn kind(c: char, before: Option<char>) -> Kind {
    if c.is_ascii_alphabetic() {
        return Kind::AsciiLetter;
    }
    if c.is_ascii_digit() {
        return Kind::AsciiDigit;
    }
    if c.is_ascii() {
        return Kind::Outside;
    }
    if is_mark(c) {
        let base = before.filter(|b| b.is_ascii_graphic() || is_mark(*b));
        let is_piled = base.is_some_and(|base| compose(base, c).is_none());
        return Kind::Mark { is_piled };
    }
    kind_alone(c)
}

/// The kind of a character that is no mark. Known by heart for Latin, Greek and Cyrillic.
fn kind_alone(c: char) -> Kind {
    const KNOWN: u32 = 0x0590;
    static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
        let of = |value| char::from_u32(value).map_or(Kind::Outside, look_up);
        (0..KNOWN).map(of).collect()
    });
    let known = KINDS.get(u32::from(c) as usize);
    known.copied().unwrap_or_else(|| look_up(c))
}

fn look_up(c: char) -> Kind {
    if let Some(digit) = digit_of(c) {
        return Kind::Digit(digit);
    }
    if !is_kin(c) {
        return Kind::Outside;
    }
    if let Some(plain) = fancy(c) {
        return Kind::Fancy(plain);
    }
    match look_alike(c) {
        Some(alike) => Kind::Alike(alike),
        None if matches!(u32::from(c), 0xaa..=0x24f | 0x1e00..=0x1eff) => Kind::Latin,
        None => Kind::Foreign,
    }
}

/// Marks of Latin, Greek and Cyrillic, and the general ones; not the key caps of emoji.
fn is_mark(c: char) -> bool {
    let is_in_block = matches!(u32::from(c),
        0x0300..=0x036f | 0x0483..=0x0489 | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff
        | 0x20d0..=0x20e2 | 0x20e4..=0x20f0 | 0xfe20..=0xfe2f);
    is_in_block && is_combining_mark(c)
}

fn digit_of(c: char) -> Option<char> {
    let offset = |zero: &u32| u32::from(c).checked_sub(*zero).filter(|d| *d < 10);
    char::from_digit(ZEROS.iter().find_map(offset)?, 10)
}

/// Letters of scripts with Latin look-alikes.
fn is_kin(c: char) -> bool {
    let is_in_block = matches!(u32::from(c),
        0xaa..=0x058f | 0x13a0..=0x13ff | 0x1c80..=0x1c8f | 0x1d00..=0x1dbf | 0x1e00..=0x1fff
        | 0x2100..=0x214f | 0x2c00..=0x2dff | 0xa4d0..=0xa4ff | 0xa640..=0xa69f
        | 0xa720..=0xa7ff | 0xab30..=0xabbf | 0x1_0280..=0x1_031f | 0x1_0400..=0x1_04ff
        | 0x1_f130..=0x1_f189);
    is_in_block && c.is_alphabetic()
}

fn fancy(c: char) -> Option<char> {
    let boxed = |first: u32| {
        let letter = char::from_digit(u32::from(c) - first + 10, 36);
        letter.map(|c| c.to_ascii_uppercase())
    };
    match u32::from(c) {
        0x1_f150..=0x1_f169 => boxed(0x1_f150),
        0x1_f170..=0x1_f189 => boxed(0x1_f170),
        _ => SMALL_CAPITALS
            .iter()
            .find(|(small, _)| *small == c)
            .map(|(_, plain)| *plain),
    }
}

/// The one ASCII letter or digit that a letter looks like.
fn look_alike(c: char) -> Option<char> {
    let mut encoded = [0; 4];
    let text: &str = c.encode_utf8(&mut encoded);
    let mut prototype = unicode_security::skeleton(text);
    let (first, more) = (prototype.next()?, prototype.next());
    // The prototype of a capital I is a small l.
    let plain = if first == 'l' && c.is_uppercase() {
        'I'
    } else {
        first
    };
    (more.is_none() && plain.is_ascii_alphanumeric()).then_some(plain)
}
