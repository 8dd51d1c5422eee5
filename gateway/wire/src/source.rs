//! Places in the source of JSON that was parsed already.

use std::ops::Range;

use crate::Scalar;

/// The scalar at the end of `steps`; object keys and array indexes, from the outermost.
pub(crate) fn scalar_at(json: &str, steps: &[String]) -> Option<Scalar> {
    let mut at = skip_space(json, 0);
    for step in steps {
        at = member(json, at, step)?;
    }
    let token = json.get(at..skip_value(json, at))?;
    match token.as_bytes().first()? {
        b'"' => serde_json::from_str(token).ok().map(Scalar::Text),
        b't' => Some(Scalar::Bool(true)),
        b'f' => Some(Scalar::Bool(false)),
        b'-' | b'0'..=b'9' => Some(Scalar::Number(token.to_owned())),
        _ => None,
    }
}

/// Where the value under `step` of the array or object at `at` begins.
fn member(json: &str, at: usize, step: &str) -> Option<usize> {
    match json.as_bytes().get(at)? {
        b'{' => {
            let mut at = skip_space(json, at + 1);
            while json.as_bytes().get(at)? == &b'"' {
                let end = skip_value(json, at);
                let key: String = serde_json::from_str(json.get(at..end)?).ok()?;
                let value = skip_space(json, skip_space(json, end) + 1);
                if key == step {
                    return Some(value);
                }
                at = skip_comma(json, skip_value(json, value));
            }
            None
        }
        b'[' => {
            let index = array_index(step)?;
            let mut at = skip_space(json, at + 1);
            for _ in 0..index {
                if json.as_bytes().get(at)? == &b']' {
                    return None;
                }
                at = skip_comma(json, skip_value(json, at));
            }
            (json.as_bytes().get(at)? != &b']').then_some(at)
        }
        _ => None,
    }
}

/// RFC 6901: digits, and no leading zero.
fn array_index(step: &str) -> Option<usize> {
    let plain = step == "0" || !step.starts_with('0') && step.bytes().all(|b| b.is_ascii_digit());
    if plain { step.parse().ok() } else { None }
}

fn skip_space(json: &str, at: usize) -> usize {
    let rest = json.as_bytes().get(at..).unwrap_or_default();
    at + rest.iter().take_while(|b| b" \t\r\n".contains(b)).count()
}

fn skip_comma(json: &str, at: usize) -> usize {
    let at = skip_space(json, at);
    if json.as_bytes().get(at) == Some(&b',') {
        skip_space(json, at + 1)
    } else {
        at
    }
}

/// Where the value that begins at `at` ends.
fn skip_value(json: &str, at: usize) -> usize {
    let bytes = json.as_bytes();
    let mut depth = 0_usize;
    let mut at = at;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at),
            b'[' | b'{' => {
                depth += 1;
                at += 1;
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' => {
                at += 1;
                continue;
            }
            _ => at += word_len(bytes, at),
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// Bytes of a number, `true`, `false` or `null`.
fn word_len(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let inside = |b: &u8| b.is_ascii_alphanumeric() || b"+-.".contains(b);
    rest.iter().take_while(|b| inside(b)).count().max(1)
}

/// Where the string token that begins at `at` ends.
pub(crate) fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(stop) = memchr::memchr2(b'"', b'\\', rest).map(|found| at + found) else {
            return bytes.len();
        };
        if bytes.get(stop) == Some(&b'"') {
            return stop + 1;
        }
        at = stop + 2;
    }
}

/// Where things stand in a source of valid JSON, each kind in the order of its beginnings.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// String tokens, quotes and keys included.
    strings: Vec<Range<usize>>,
    /// Arrays, brackets included.
    lists: Vec<Range<usize>>,
}

impl Places {
    /// Where the `nth` string token is.
    pub(crate) fn string(&self, nth: usize) -> Range<usize> {
        self.strings.get(nth).cloned().unwrap_or_default()
    }

    /// Where the `nth` array is.
    pub(crate) fn list(&self, nth: usize) -> Range<usize> {
        self.lists.get(nth).cloned().unwrap_or_default()
    }

    pub(crate) fn of(json: &str) -> Self {
        let bytes = json.as_bytes();
        let mut places = Self::default();
        let mut open = Vec::new();
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'"' => {
                    let end = string_end(bytes, at);
                    places.strings.push(at..end);
                    at = end;
                    continue;
                }
                b'[' => {
                    open.push(places.lists.len());
                    places.lists.push(at..at);
                }
                b']' => {
                    if let Some(list) = open.pop().and_then(|list| places.lists.get_mut(list)) {
                        list.end = at + 1;
                    }
                }
                _ => {}
            }
            at += 1;
        }
        places
    }
}
