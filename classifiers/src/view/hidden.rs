//! Text that is written in characters nobody sees: Unicode tags, and bytes as variation selectors.

use std::ops::Range;

use super::invisible::{Group, is_han, is_invisible};
use super::map::Rewritten;
use super::{BREAK, Children};

/// As many visible characters between two hidden ones end a message.
const GAP_MAX: usize = 8;
/// Fewer characters are no message.
const CHARS_MIN: usize = 4;

/// A hidden character or byte.
enum Mark {
    Tag(char),
    Byte(u8),
}

/// A message that is being read.
#[derive(Default)]
struct Message {
    text: Vec<(char, Range<usize>)>,
    /// Bytes that do not make a character yet.
    bytes: Vec<u8>,
    from: usize,
    /// Visible characters since its last hidden one.
    gap: usize,
}

/// Reads hidden messages; each is parted from the next by a [`BREAK`].
pub(super) fn read(source: &str) -> Children {
    let mut found = Children::default();
    if source.is_ascii() {
        return found;
    }
    let mut message = Message::default();
    let mut left = None;
    let mut chars = source.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if !is_invisible(c) {
            left = Some(c);
            message.gap += 1;
            if message.gap > GAP_MAX {
                message.end(&mut found);
            }
            continue;
        }
        let mut end = at + c.len_utf8();
        while let Some((next, more)) = chars.next_if(|(_, c)| is_invisible(*c)) {
            end = next + more.len_utf8();
        }
        let text = source.get(at..end).unwrap_or_default();
        let right = chars.peek().map(|(_, c)| *c);
        let group = Group { text, left, right };
        if !group.is_flag() {
            message.take(at, &group);
        }
    }
    found.open = message.start();
    message.end(&mut found);
    found
}

impl Message {
    fn take(&mut self, start: usize, group: &Group<'_>) {
        let is_alone = group.text.chars().filter(|c| is_selector(*c)).count() < 2;
        for (offset, c) in group.text.char_indices() {
            let place = start + offset..start + offset + c.len_utf8();
            match mark(c, is_alone, group.left) {
                Some(Mark::Tag(c)) => self.text.push((c, place)),
                Some(Mark::Byte(byte)) => self.push_byte(byte, &place),
                None => continue,
            }
            self.gap = 0;
        }
    }

    fn push_byte(&mut self, byte: u8, place: &Range<usize>) {
        if self.bytes.is_empty() {
            self.from = place.start;
        }
        self.bytes.push(byte);
        match std::str::from_utf8(&self.bytes) {
            Ok(whole) => {
                let made = whole.chars().map(|c| (c, self.from..place.end));
                self.text.extend(made);
                self.bytes.clear();
            }
            Err(error) if error.error_len().is_some() => self.bytes.clear(),
            Err(_) => {}
        }
    }

    fn start(&self) -> Option<usize> {
        let bytes = (!self.bytes.is_empty()).then_some(self.from);
        self.text.first().map(|(_, place)| place.start).or(bytes)
    }

    fn end(&mut self, found: &mut Children) {
        let message = std::mem::take(self);
        let visible = message.text.iter().filter(|(c, _)| !c.is_control());
        if visible.count() < CHARS_MIN {
            return;
        }
        let made: &mut Rewritten = &mut found.made;
        if let (false, Some((_, first))) = (made.text.is_empty(), message.text.first()) {
            made.append(BREAK, &(first.start..first.start));
        }
        for (c, place) in &message.text {
            made.append(c.encode_utf8(&mut [0; 4]), place);
        }
    }
}

fn is_selector(c: char) -> bool {
    matches!(u32::from(c), 0xfe00..=0xfe0f | 0xe_0100..=0xe_01ef)
}

/// What a hidden character stands for. Single variation selectors after a sign or a Han character
/// choose its form and stand for nothing.
fn mark(c: char, is_alone: bool, left: Option<char>) -> Option<Mark> {
    let value = u32::from(c);
    let byte = |n: u32| u8::try_from(n).ok().map(Mark::Byte);
    match value {
        0xe_0020..=0xe_007e => char::from_u32(value - 0xe_0000).map(Mark::Tag),
        0xfe00..=0xfe0f if !is_alone => byte(value - 0xfe00),
        0xe_0100..=0xe_01ef if !is_alone || !left.is_some_and(is_han) => {
            byte(value - 0xe_0100 + 16)
        }
        _ => None,
    }
}
