//! One pass over bytes that says whether they are an object in canonical form (RFC 8785), with
//! integers alone for numbers. Nothing is built, so that a verifier reads at the speed of the disk.

use std::{cmp::Ordering, ops::Range};

use super::{EntryError, MAX_DEPTH, MAX_INTEGER};

/// Walks `bytes` and tells `member` the name and the value's range of each top-level member. Names
/// are as written, without their quotation marks.
pub(super) fn scan<'a>(
    bytes: &'a [u8],
    mut member: impl FnMut(&'a str, Range<usize>),
) -> Result<(), EntryError> {
    let text = std::str::from_utf8(bytes).map_err(|_| EntryError::NotCanonical)?;
    let mut walk = Walk { text, at: 0 };
    walk.object(0, &mut member)?;
    if walk.at == bytes.len() {
        Ok(())
    } else {
        Err(EntryError::NotCanonical)
    }
}

struct Walk<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Walk<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Result<(), EntryError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(EntryError::NotCanonical)
        }
    }

    fn object(
        &mut self,
        depth: usize,
        member: &mut dyn FnMut(&'a str, Range<usize>),
    ) -> Result<(), EntryError> {
        self.take(b'{')?;
        if self.peek() == Some(b'}') {
            return self.take(b'}');
        }
        let mut before: Option<&str> = None;
        loop {
            let name = self.string()?;
            // Strictly ascending: that also leaves no name twice.
            if before.is_some_and(|before| order(before, name) != Ordering::Less) {
                return Err(EntryError::NotCanonical);
            }
            before = Some(name);
            self.take(b':')?;
            let start = self.at;
            self.value(depth + 1)?;
            member(name, start..self.at);
            if self.peek() == Some(b'}') {
                return self.take(b'}');
            }
            self.take(b',')?;
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), EntryError> {
        self.take(b'[')?;
        if self.peek() == Some(b']') {
            return self.take(b']');
        }
        loop {
            self.value(depth + 1)?;
            if self.peek() == Some(b']') {
                return self.take(b']');
            }
            self.take(b',')?;
        }
    }

    fn value(&mut self, depth: usize) -> Result<(), EntryError> {
        if depth > MAX_DEPTH {
            return Err(EntryError::Depth);
        }
        match self.peek() {
            Some(b'"') => self.string().map(|_| ()),
            Some(b'{') => self.object(depth, &mut |_, _| {}),
            Some(b'[') => self.array(depth),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => self.integer(),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), EntryError> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            Ok(())
        } else {
            Err(EntryError::NotCanonical)
        }
    }

    fn integer(&mut self) -> Result<(), EntryError> {
        let negative = self.peek() == Some(b'-');
        self.at += usize::from(negative);
        let start = self.at;
        let mut magnitude = 0_u64;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            magnitude = magnitude
                .saturating_mul(10)
                .saturating_add((digit - b'0').into());
            self.at += 1;
        }
        let digits = self.at - start;
        if matches!(self.peek(), Some(b'.' | b'e' | b'E')) || magnitude > MAX_INTEGER {
            return Err(EntryError::Number);
        }
        let padded = digits > 1 && self.text.as_bytes()[start] == b'0';
        if digits == 0 || padded || (negative && magnitude == 0) {
            return Err(EntryError::NotCanonical);
        }
        Ok(())
    }

    /// A string in the one spelling that RFC 8785 section 3.2.2.2 allows; gives what stands between
    /// its quotation marks.
    fn string(&mut self) -> Result<&'a str, EntryError> {
        self.take(b'"')?;
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(0..0x20) | None => return Err(EntryError::NotCanonical),
                Some(_) => self.at += 1,
            }
        }
        let inside = &self.text[start..self.at];
        self.at += 1;
        Ok(inside)
    }

    fn escape(&mut self) -> Result<(), EntryError> {
        let rest = &self.text.as_bytes()[self.at..];
        let length = match rest.get(1) {
            Some(b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') => match rest.get(2..6) {
                // Control characters without a short form, in lower case.
                Some(
                    [b'0', b'0', b'0', b'0'..=b'7' | b'b' | b'e' | b'f']
                    | [b'0', b'0', b'1', b'0'..=b'9' | b'a'..=b'f'],
                ) => 6,
                _ => return Err(EntryError::NotCanonical),
            },
            _ => return Err(EntryError::NotCanonical),
        };
        self.at += length;
        Ok(())
    }
}

/// The order of two names by UTF-16 code units (RFC 8785 section 3.2.3).
fn order(a: &str, b: &str) -> Ordering {
    // Where bytes differ first decides, unless a surrogate pair meets a character above it or an
    // escape stands for something else than it looks like.
    if a.is_ascii() && b.is_ascii() && !a.contains('\\') && !b.contains('\\') {
        return a.cmp(b);
    }
    let plain = |name: &str| serde_json::from_str::<String>(&format!("\"{name}\""));
    match (plain(a), plain(b)) {
        (Ok(a), Ok(b)) => a.encode_utf16().cmp(b.encode_utf16()),
        // Not reached: both were just scanned. Equal refuses them.
        _ => Ordering::Equal,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;

    fn is_canonical(bytes: &[u8]) -> bool {
        scan(bytes, |_, _| {}).is_ok()
    }

    /// The other way to find out: parse, print canonically, compare.
    fn is_canonical_by_printing(bytes: &[u8]) -> bool {
        let Ok(members) = serde_json::from_slice::<Map<String, Value>>(bytes) else {
            return false;
        };
        members.values().all(|v| has_form(v, 1))
            && serde_json_canonicalizer::to_vec(&members).is_ok_and(|printed| printed == bytes)
    }

    /// Whether an entry may hold the value.
    fn has_form(value: &Value, depth: usize) -> bool {
        depth <= MAX_DEPTH
            && match value {
                Value::Number(number) => number
                    .as_i64()
                    .is_some_and(|number| number.unsigned_abs() <= MAX_INTEGER),
                Value::Array(items) => items.iter().all(|item| has_form(item, depth + 1)),
                Value::Object(members) => members.values().all(|v| has_form(v, depth + 1)),
                Value::Null | Value::Bool(_) | Value::String(_) => true,
            }
    }

    pub(in crate::entry) fn value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            any::<String>(),
            "[\\x00-\\x22\\\\\u{7f}-\u{ff}\u{e000}\u{ffff}\u{10000}\u{10ffff}]{0,6}",
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-9_007_199_254_740_993_i64..9_007_199_254_740_993).prop_map(Value::from),
            (-20_i64..20).prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(text.clone(), inner, 0..5)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_canonically_is_canonical(
            members in prop::collection::btree_map(any::<String>(), value(), 0..5),
        ) {
            let members: Map<String, Value> = members.into_iter().collect();
            let printed = serde_json_canonicalizer::to_vec(&members).unwrap();
            prop_assert_eq!(is_canonical(&printed), is_canonical_by_printing(&printed));
            let spaced = serde_json::to_vec_pretty(&members).unwrap();
            prop_assert_eq!(is_canonical(&spaced), is_canonical_by_printing(&spaced));
        }

        #[test]
        fn a_changed_byte_is_judged_as_by_printing(
            members in prop::collection::btree_map(any::<String>(), value(), 1..4),
            at in any::<prop::sample::Index>(),
            byte in prop::sample::select(b" \"\\/{}[]:,-0123456789.eEu\x1f\x7ffnrtb\xc3".to_vec()),
            insert in any::<bool>(),
        ) {
            let members: Map<String, Value> = members.into_iter().collect();
            let mut bytes = serde_json_canonicalizer::to_vec(&members).unwrap();
            let at = at.index(bytes.len());
            if insert { bytes.insert(at, byte) } else { bytes[at] = byte }
            prop_assert_eq!(
                is_canonical(&bytes),
                is_canonical_by_printing(&bytes),
                "{}", String::from_utf8_lossy(&bytes)
            );
        }
    }

    #[test]
    fn names_are_ordered_by_utf16_units() {
        // U+FFFF comes after the surrogates of U+10000 although its bytes come before.
        assert!(is_canonical("{\"\u{10000}\":1,\"\u{ffff}\":2}".as_bytes()));
        assert!(!is_canonical("{\"\u{ffff}\":1,\"\u{10000}\":2}".as_bytes()));
        // An escaped control character comes before every letter.
        assert!(is_canonical(b"{\"\\n\":1,\"A\":2}"));
        assert!(!is_canonical(b"{\"A\":1,\"\\n\":2}"));
    }
}
