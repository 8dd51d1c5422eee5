//! Decoding, and telling text from other data.

/// Fewer characters are too few to tell.
const CHARS_MIN: usize = 8;

/// What decoded bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Text.
    Text,
    /// Not enough to tell, or not like text yet; more bytes could change it.
    Open,
    /// No text, whatever follows.
    Data,
}

/// Text is UTF-8 without control characters, of at least eight characters, half of them letters,
/// digits or white space.
pub(super) fn judge(decoded: &[u8]) -> Verdict {
    let (text, is_whole) = match std::str::from_utf8(decoded) {
        Ok(text) => (text, true),
        Err(error) if error.error_len().is_none() => {
            let valid = decoded.get(..error.valid_up_to()).unwrap_or_default();
            (std::str::from_utf8(valid).unwrap_or_default(), false)
        }
        Err(_) => return Verdict::Data,
    };
    let (mut chars, mut plain) = (0, 0);
    for c in text.chars() {
        if c.is_control() && !matches!(c, '\t' | '\n' | '\r') {
            return Verdict::Data;
        }
        chars += 1;
        plain += usize::from(c.is_alphanumeric() || c.is_whitespace());
    }
    if is_whole && chars >= CHARS_MIN && plain * 2 >= chars {
        Verdict::Text
    } else {
        Verdict::Open
    }
}

/// Decodes symbols of either alphabet. A last symbol that makes no byte is left out.
pub(super) fn from_base64(symbols: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(symbols.len() / 4 * 3 + 2);
    let mut bits = 0_u32;
    let mut held = 0;
    for symbol in symbols {
        bits = (bits << 6) | sextet(*symbol);
        held += 6;
        if held >= 8 {
            held -= 8;
            decoded.push(low_byte(bits >> held));
        }
    }
    decoded
}

fn sextet(symbol: u8) -> u32 {
    u32::from(match symbol {
        b'A'..=b'Z' => symbol - b'A',
        b'a'..=b'z' => symbol - b'a' + 26,
        b'0'..=b'9' => symbol - b'0' + 52,
        b'+' | b'-' => 62,
        _ => 63,
    })
}

fn low_byte(bits: u32) -> u8 {
    (bits & 0xff) as u8
}

/// Decodes pairs of digits; `None` when something else is among them or one is left over.
pub(super) fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    hex::decode(digits).ok()
}
