//! A look at a condition before the CEL parser sees it, so that hostile input can neither
//! overflow the stack nor hide its nesting from the bound.

/// Bytes a condition may have.
pub(crate) const BYTES_MAX: usize = 4096;
/// Levels of nesting a condition may have: open brackets plus chained operators.
pub(crate) const DEPTH_MAX: usize = 32;

/// A fault at a byte offset of the condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) offset: usize,
    pub(crate) message: String,
}

impl Finding {
    pub(crate) fn new(offset: usize, message: impl Into<String>) -> Self {
        Self {
            offset,
            message: message.into(),
        }
    }
}

/// One bracket level: operators chained since the last separator, and conditionals, which nest to
/// the right across separators.
#[derive(Default, Clone, Copy)]
struct Level {
    chained: usize,
    conditionals: usize,
    close: u8,
}

/// Refuses a condition that is too long, nests too deeply, has unbalanced brackets or an
/// unfinished string, or uses characters that mean nothing outside strings.
///
/// The bound counts more than the parser's tree can hold: chains of `.`, `[`, arithmetic,
/// comparison and unary operators nest in the tree, while `&&` and `||` are balanced by the parser.
pub(crate) fn prescan(text: &str) -> Result<(), Finding> {
    if text.len() > BYTES_MAX {
        return Err(Finding::new(
            0,
            format!("the condition is longer than {BYTES_MAX} bytes"),
        ));
    }
    let bytes = text.as_bytes();
    let mut levels = vec![Level::default()];
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        let next = bytes.get(index + 1).copied();
        let mut width = 1;
        let outermost = levels.len() == 1;
        let Some(level) = levels.last_mut() else {
            break;
        };
        match byte {
            b'"' | b'\'' => width = string_width(bytes, index)?,
            b'/' if next == Some(b'/') => {
                return Err(Finding::new(index, "comments belong outside the condition"));
            }
            b'(' | b'[' | b'{' => {
                level.chained += 1;
                levels.push(Level {
                    close: closing(byte),
                    ..Level::default()
                });
            }
            b')' | b']' | b'}' => {
                if outermost || level.close != byte {
                    return Err(Finding::new(index, "this bracket closes none that is open"));
                }
                levels.pop();
            }
            b'&' | b'|' | b':' => level.chained = 0,
            b',' => (level.chained, level.conditionals) = (0, 0),
            b'?' => (level.chained, level.conditionals) = (0, level.conditionals + 1),
            b'.' | b'!' | b'-' | b'+' | b'*' | b'/' | b'%' | b'<' | b'>' | b'=' => {
                level.chained += 1;
                // `<=`, `>=`, `==` and `!=` are one operator each.
                if matches!(byte, b'<' | b'>' | b'=' | b'!') && next == Some(b'=') {
                    width = 2;
                }
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                width = word_width(bytes, index);
                if &bytes[index..index + width] == b"in" {
                    level.chained += 1;
                }
            }
            b'0'..=b'9' | b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => return Err(Finding::new(index, "this character has no meaning here")),
        }
        if depth(&levels) > DEPTH_MAX {
            let message = format!("the condition nests deeper than {DEPTH_MAX} levels");
            return Err(Finding::new(index, message));
        }
        index += width;
    }
    if levels.len() > 1 {
        return Err(Finding::new(text.len(), "a bracket is not closed"));
    }
    Ok(())
}

fn depth(levels: &[Level]) -> usize {
    levels
        .iter()
        .map(|level| level.chained + level.conditionals)
        .sum()
}

fn closing(open: u8) -> u8 {
    match open {
        b'(' => b')',
        b'[' => b']',
        _ => b'}',
    }
}

fn word_width(bytes: &[u8], start: usize) -> usize {
    let part_of_word = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
    bytes[start..].iter().take_while(part_of_word).count()
}

/// Width of the string literal whose opening quote is at `start`. Prefixed and triple-quoted
/// literals are refused, so that there is one simple rule for where a string ends.
fn string_width(bytes: &[u8], start: usize) -> Result<usize, Finding> {
    let quote = bytes[start];
    if start > 0 && (bytes[start - 1].is_ascii_alphanumeric() || bytes[start - 1] == b'_') {
        return Err(Finding::new(start, "a string literal takes no prefix here"));
    }
    if bytes[start..].starts_with(&[quote, quote, quote]) {
        return Err(Finding::new(
            start,
            "triple-quoted strings are not supported",
        ));
    }
    let mut index = start + 1;
    while let Some(&byte) = bytes.get(index) {
        match byte {
            b'\\' => index += 2,
            b'\r' | b'\n' => break,
            _ if byte == quote => return Ok(index + 1 - start),
            _ => index += 1,
        }
    }
    Err(Finding::new(start, "this string does not end on its line"))
}

#[cfg(test)]
mod tests;
