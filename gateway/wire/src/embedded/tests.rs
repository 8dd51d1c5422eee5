use proptest::prelude::*;

use super::*;
use crate::edit::{Cuts, Place, Slot, View};
use crate::{Dialect, Edit, Limits, json};
use countersign_record::Span;

fn decode(fragments: &[&str]) -> String {
    let mut state = Unescaper::default();
    fragments.iter().map(|f| state.feed(f).text).collect()
}

#[test]
fn escapes_inside_strings_are_undone_and_all_else_stays() {
    let table = [
        (r#"{"a":"b"}"#, r#"{"a":"b"}"#),
        (r#"{"a":"\u0041KIA"}"#, r#"{"a":"AKIA"}"#),
        (r#"{"a":"x\n\t\/\\y"}"#, "{\"a\":\"x\n\t/\\y\"}"),
        (r#"{"a":"\"q\""}"#, r#"{"a":""q""}"#),
        (r#"{"a":"\ud83d\ude00!"}"#, r#"{"a":"😀!"}"#),
        (r#"{"a":"\ud83dx"}"#, "{\"a\":\"\u{fffd}x\"}"),
        (r#"{"a":"\ud83d\u0041"}"#, "{\"a\":\"\u{fffd}A\"}"),
        (r#"{"a":"\ude00"}"#, "{\"a\":\"\u{fffd}\"}"),
        (r#"{"a":"\q\u12x"}"#, r#"{"a":"\q\u12x"}"#),
        (r#"{"a":"\u12"} "b""#, r#"{"a":"\u12"} "b""#),
        (r"not \u0041 JSON", r"not \u0041 JSON"),
    ];
    for (source, text) in table {
        assert_eq!(decode(&[source]), text, "{source}");
    }
}

#[test]
fn every_cut_of_the_source_gives_the_same_text() {
    let source = r#"{"k":"a\u0041\\\"é\ud83d\ude00\n\ud83dz","n":[1,"\u00e9"]}"#;
    let whole = decode(&[source]);
    for first in (0..=source.len()).filter(|i| source.is_char_boundary(*i)) {
        for second in (first..=source.len()).filter(|i| source.is_char_boundary(*i)) {
            let parts = [&source[..first], &source[first..second], &source[second..]];
            assert_eq!(decode(&parts), whole, "{parts:?}");
        }
    }
}

/// Redacts the characters `span` of the text of `fragments` and puts the fragments together.
fn redact(fragments: &[&str], span: Span) -> String {
    let edits = [Edit {
        channel: 0,
        span,
        replacement: "\"X\"".to_owned(),
    }];
    let cuts = Cuts::of(&edits);
    let (mut state, mut start, mut out) = (Unescaper::default(), 0, String::new());
    for fragment in fragments {
        let before = state.clone();
        let len = state.feed(fragment).text.len();
        let view = View::Embedded(before);
        let slot = Slot {
            place: Place::Data,
            channel: 0,
            start,
            len,
            view,
        };
        out += &cuts
            .apply(&slot, fragment)
            .unwrap_or_else(|| (*fragment).to_owned());
        start += len;
    }
    out
}

#[test]
fn a_redaction_inside_a_string_leaves_json_and_the_replacement_is_escaped() {
    let source = r#"{"k":"a \u0041KIA\n b"}"#;
    let text = decode(&[source]);
    let start = text.find("AKIA").unwrap();
    let out = redact(
        &[source],
        Span {
            start,
            end: start + 5,
        },
    );
    assert_eq!(out, r#"{"k":"a \"X\" b"}"#);
}

#[test]
fn a_redaction_leaves_json_wherever_fragments_cut_the_escapes() {
    let source = r#"{"k":"a \u0041KI\u0041\n\\ b"}"#;
    let text = decode(&[source]);
    let start = text.find("AKIA").unwrap();
    for cut in 0..=source.len() {
        let out = redact(
            &[&source[..cut], &source[cut..]],
            Span {
                start,
                end: start + 6,
            },
        );
        let value: serde_json::Value = serde_json::from_str(&out).unwrap_or_else(|error| {
            panic!("cut at {cut}: {out}: {error}");
        });
        let said = value["k"].as_str().unwrap();
        assert!(said.contains("\"X\""), "cut at {cut}: {said}");
        assert!(!said.contains("KI"), "cut at {cut}: {said}");
    }
}

proptest! {
    #[test]
    fn what_a_string_says_is_what_is_seen(text in "\\PC{0,40}", escaped in any::<bool>()) {
        let token = if escaped {
            let units: Vec<String> = text.encode_utf16().map(|u| format!("\\u{u:04x}")).collect();
            format!("\"{}\"", units.concat())
        } else {
            serde_json::Value::from(text.as_str()).to_string()
        };
        prop_assert!(json::parse(&token, Dialect::Raw, &Limits::default()).is_ok());
        prop_assert_eq!(decode(&[&token]), format!("\"{text}\""));
    }
}
