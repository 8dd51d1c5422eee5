//! JSON inside a JSON string, as tool-call arguments are: the escapes within its own strings are
//! undone for the detectors, also when they are cut apart by event boundaries.

use std::ops::Range;

/// A part of the decoded text and the source bytes it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Where in the decoded text.
    pub(crate) view: Range<usize>,
    /// Where in the source fragment.
    pub(crate) source: Range<usize>,
    /// Whether source and text are the same bytes; otherwise an escape, which stays whole.
    pub(crate) verbatim: bool,
}

/// A decoded fragment.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    pub(crate) text: String,
    pub(crate) segments: Vec<Segment>,
}

/// Undoes string escapes in JSON text that arrives in fragments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unescaper {
    in_string: bool,
    /// The escape begun and not ended: a backslash, perhaps `u` and up to three hex digits.
    escape: String,
    /// A leading surrogate that waits for its trailing one.
    leading: Option<u32>,
}

impl Unescaper {
    /// Decodes the next fragment.
    pub(crate) fn feed(&mut self, fragment: &str) -> Decoded {
        let mut out = Decoded::default();
        // Where the source of what is not yet in the text begins.
        let mut from = 0;
        for (at, c) in fragment.char_indices() {
            let end = at + c.len_utf8();
            if self.escape.is_empty() && !(self.in_string && c == '\\') {
                self.lone(&mut out, &mut from, at);
                self.in_string ^= c == '"';
                out.verbatim(c, at..end);
                from = end;
                continue;
            }
            if self.escape.is_empty() {
                self.escape.push(c);
                continue;
            }
            self.continue_escape(c, at..end, &mut out, &mut from);
        }
        out
    }

    /// How a source whose escape was cut off must go on when its character is redacted: with any
    /// other character. `None` when only the original is sure to be valid.
    pub(crate) fn substitute(&self) -> Option<&'static str> {
        if self.leading.is_some() {
            return None;
        }
        match self.escape.as_bytes() {
            [_backslash] => Some("/"),
            [_, _] => Some("fffd"),
            [_, _, b'd' | b'D'] => Some("000"),
            []
            | [
                _,
                _,
                b'd' | b'D',
                b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F',
                ..,
            ] => None,
            [_, _, rest @ ..] => "fffd".get(rest.len()..),
        }
    }

    /// Whether the fragment that comes next begins inside an escape.
    pub(crate) fn is_inside_escape(&self) -> bool {
        !self.escape.is_empty() || self.leading.is_some()
    }

    fn continue_escape(
        &mut self,
        c: char,
        place: Range<usize>,
        out: &mut Decoded,
        from: &mut usize,
    ) {
        let unicode = self.escape.len() > 1;
        if !unicode && c == 'u' || unicode && c.is_ascii_hexdigit() {
            self.escape.push(c);
            if self.escape.len() == 6 {
                self.end_unicode(place.end, out, from);
            }
            return;
        }
        if !unicode && let Some(simple) = simple_escape(c) {
            self.lone(out, from, *from);
            out.decoded(simple, *from..place.end);
        } else {
            // No escape of JSON: what is there is there literally.
            self.lone(out, from, *from);
            let literal = std::mem::take(&mut self.escape);
            for broken in literal.chars() {
                out.decoded(broken, *from..place.start);
                *from = place.start;
            }
            self.in_string ^= c == '"';
            out.verbatim(c, place.clone());
        }
        self.escape.clear();
        *from = place.end;
    }

    fn end_unicode(&mut self, end: usize, out: &mut Decoded, from: &mut usize) {
        let digits = self.escape.get(2..).unwrap_or_default();
        let unit = u32::from_str_radix(digits, 16).unwrap_or(0xfffd);
        self.escape.clear();
        let is_trailing = (0xdc00..0xe000).contains(&unit);
        let unit = match self.leading.take() {
            Some(leading) if is_trailing => 0x1_0000 + ((leading - 0xd800) << 10) + (unit - 0xdc00),
            Some(_lone) => {
                out.decoded(char::REPLACEMENT_CHARACTER, *from..*from);
                unit
            }
            None => unit,
        };
        if (0xd800..0xdc00).contains(&unit) {
            self.leading = Some(unit);
            return;
        }
        let c = char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
        out.decoded(c, *from..end);
        *from = end;
    }

    /// Gives up on a leading surrogate that nothing follows.
    fn lone(&mut self, out: &mut Decoded, from: &mut usize, until: usize) {
        if self.leading.take().is_some() {
            out.decoded(char::REPLACEMENT_CHARACTER, *from..until);
            *from = until;
        }
    }
}

fn simple_escape(c: char) -> Option<char> {
    Some(match c {
        '"' | '\\' | '/' => c,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        _ => return None,
    })
}

impl Decoded {
    fn verbatim(&mut self, c: char, source: Range<usize>) {
        let start = self.text.len();
        self.text.push(c);
        match self.segments.last_mut() {
            Some(last) if last.verbatim && last.source.end == source.start => {
                last.view.end = self.text.len();
                last.source.end = source.end;
            }
            _ => {
                let view = start..self.text.len();
                self.segments.push(Segment {
                    view,
                    source,
                    verbatim: true,
                });
            }
        }
    }

    fn decoded(&mut self, c: char, source: Range<usize>) {
        let start = self.text.len();
        self.text.push(c);
        let view = start..self.text.len();
        self.segments.push(Segment {
            view,
            source,
            verbatim: false,
        });
    }
}

#[cfg(test)]
mod tests;
