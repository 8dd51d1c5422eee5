//! Prints values in canonical form (RFC 8785) and refuses what has none here, in one pass. A quarter
//! of what an append cost went into a general canonicaliser, which sorts text that it has printed.

use std::{cmp::Ordering, fmt::Write as _};

use serde_json::{Map, Number, Value};

use super::{EntryError, MAX_DEPTH, MAX_INTEGER};

/// Appends `value`, which stands `depth` levels deep.
pub(super) fn value(out: &mut String, value: &Value, depth: usize) -> Result<(), EntryError> {
    if depth > MAX_DEPTH {
        return Err(EntryError::Depth);
    }
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => integer(out, number)?,
        Value::String(text) => string(out, text),
        Value::Array(items) => {
            out.push('[');
            for (number, item) in items.iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                self::value(out, item, depth + 1)?;
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (number, (name, value)) in in_order(members).into_iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                member(out, name, value, depth)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

/// Appends a member of an object that stands `depth` levels deep.
pub(super) fn member(
    out: &mut String,
    name: &str,
    value: &Value,
    depth: usize,
) -> Result<(), EntryError> {
    string(out, name);
    out.push(':');
    self::value(out, value, depth + 1)
}

/// The members of an object by the UTF-16 code units of their names (RFC 8785 section 3.2.3).
pub(super) fn in_order(members: &Map<String, Value>) -> Vec<(&str, &Value)> {
    let mut members: Vec<_> = members
        .iter()
        .map(|(n, value)| (n.as_str(), value))
        .collect();
    members.sort_unstable_by(|(a, _), (b, _)| order(a, b));
    members
}

fn order(a: &str, b: &str) -> Ordering {
    // Bytes order as UTF-16 does, unless a surrogate pair meets a character above it.
    if a.is_ascii() || b.is_ascii() {
        a.cmp(b)
    } else {
        a.encode_utf16().cmp(b.encode_utf16())
    }
}

fn integer(out: &mut String, number: &Number) -> Result<(), EntryError> {
    let magnitude = number
        .as_u64()
        .or_else(|| number.as_i64().map(i64::unsigned_abs));
    match magnitude {
        Some(magnitude) if magnitude <= MAX_INTEGER => {
            // Writing to a string does not fail.
            let _ = write!(out, "{number}");
            Ok(())
        }
        _ => Err(EntryError::Number),
    }
}

/// RFC 8785 section 3.2.2.2: short escapes where there are any, lower case otherwise.
pub(super) fn string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest
        .bytes()
        .position(|b| b < 0x20 || b == b'"' || b == b'\\')
    {
        // All that is escaped is one byte long.
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        match special.as_bytes()[0] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            b'\t' => out.push_str("\\t"),
            b'\n' => out.push_str("\\n"),
            0x0c => out.push_str("\\f"),
            b'\r' => out.push_str("\\r"),
            control => {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{control:04x}");
            }
        }
        rest = &special[1..];
    }
    out.push_str(rest);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entry::canonical::tests::value as any_value;

    proptest! {
        #[test]
        fn prints_what_the_general_canonicaliser_prints(value in any_value()) {
            let mut printed = String::new();
            match self::value(&mut printed, &value, 1) {
                Ok(()) => {
                    let other = serde_json_canonicalizer::to_string(&value).unwrap();
                    prop_assert_eq!(printed, other);
                }
                // The values are not nested deep; the odd number is too large.
                Err(error) => prop_assert_eq!(error, EntryError::Number),
            }
        }

        #[test]
        fn strings_are_escaped_as_the_general_canonicaliser_escapes(
            text in "[\\x00-\\x22\\\\\u{7f}-\u{ff}\u{2028}\u{e000}\u{ffff}\u{10000}]{0,20}",
        ) {
            let mut printed = String::new();
            string(&mut printed, &text);
            prop_assert_eq!(printed, serde_json_canonicalizer::to_string(&text).unwrap());
        }
    }

    #[test]
    fn the_sixty_fifth_level_is_refused() {
        let nested = |levels| (0..levels).fold(Value::Null, |inner, _| Value::from(vec![inner]));
        let printed = |value: &Value| self::value(&mut String::new(), value, 1);
        assert_eq!(printed(&nested(MAX_DEPTH - 1)), Ok(()));
        assert_eq!(printed(&nested(MAX_DEPTH)), Err(EntryError::Depth));
    }
}
