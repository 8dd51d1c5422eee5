//! Whole bodies: redaction.

use countersign_record::Span;
use countersign_wire::{Dialect, Edit};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::bodies::{document, parse};
use crate::values::collect_strings;

fn edit(channel: usize, start: usize, end: usize, replacement: &str) -> Edit {
    Edit {
        channel,
        span: Span { start, end },
        replacement: replacement.to_owned(),
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

#[test]
fn escapes_inside_tool_arguments_hide_nothing() {
    let arguments = r#"{"q":"\u0041KIA\u0049OSF"}"#;
    let body = json!({ "tool_calls": [{ "function": { "arguments": arguments } }] });
    let document = document(Dialect::OpenAiChat, &body);
    assert_eq!(document.texts(), [r#"{"q":"AKIAIOSF"}"#]);
    let redacted = document.redacted(&[edit(0, 6, 14, "[redacted]")]);
    let redacted: Value = serde_json::from_slice(&redacted).unwrap();
    assert_eq!(
        redacted["tool_calls"][0]["function"]["arguments"],
        r#"{"q":"[redacted]"}"#
    );
}

#[test]
fn a_redaction_changes_its_span_and_no_other_byte() {
    let body = "{ \"b\" : 1.50e1,\t\"content\":\"tel \\u00e9 555-1234 \\n end\", \"a\":12345678901234567890123 }";
    let document = parse(Dialect::OpenAiChat, body.as_bytes()).unwrap();
    let channel = document
        .texts()
        .iter()
        .position(|t| t.contains("555"))
        .unwrap();
    let start = document.texts()[channel].find("555").unwrap();
    let redacted = document.redacted(&[edit(channel, start, start + 8, "\"x\"")]);
    let expected = body.replace("tel \\u00e9 555-1234 \\n end", "tel é \\\"x\\\" \\n end");
    assert_eq!(String::from_utf8(redacted).unwrap(), expected);
    assert_eq!(document.redacted(&[]), body.as_bytes());
}

#[test]
fn overlapping_edits_are_one_and_the_first_names_it() {
    let document = document(Dialect::OpenAiChat, &json!({ "content": "0123456789" }));
    let edits = [
        edit(0, 4, 8, "B"),
        edit(0, 2, 5, "A"),
        edit(0, 9, 10, "C"),
        edit(7, 0, 9, "?"),
    ];
    assert_eq!(document.redacted(&edits), br#"{"content":"01A8C"}"#);
}

#[test]
fn a_span_that_cuts_a_character_takes_it_whole_and_a_wild_one_stops_at_the_end() {
    let document = document(Dialect::OpenAiChat, &json!({ "content": "aéb" }));
    assert_eq!(
        document.redacted(&[edit(0, 2, 3, "x")]),
        r#"{"content":"axb"}"#.as_bytes()
    );
    assert_eq!(
        document.redacted(&[edit(0, 1, 900, "x")]),
        r#"{"content":"ax"}"#.as_bytes()
    );
    assert_eq!(
        document.redacted(&[edit(0, 900, 901, "x")]),
        r#"{"content":"aéb"}"#.as_bytes()
    );
}

#[test]
fn redacted_keys_stay_apart_wherever_they_come() {
    let body = json!({ "a": { "ann@x.io": 1, "bob@x.io": 2 }, "b": { "ann@x.io": 3 } });
    let document = document(Dialect::OpenAiChat, &body);
    let edits: Vec<Edit> = document
        .texts()
        .iter()
        .enumerate()
        .filter(|(_, text)| text.contains('@'))
        .map(|(channel, text)| edit(channel, 0, text.len(), "[mail]"))
        .collect();
    let redacted = document.redacted(&edits);
    assert!(!String::from_utf8_lossy(&redacted).contains('@'));
    assert!(
        parse(Dialect::OpenAiChat, &redacted).is_ok(),
        "no key comes twice"
    );
}

#[test]
fn the_head_of_a_data_url_can_be_redacted_without_its_data() {
    let body = json!({ "url": "data:image/png;base64,AAAA" });
    let document = document(Dialect::OpenAiChat, &body);
    assert_eq!(document.texts(), ["data:image/png;base64,"]);
    let redacted = document.redacted(&[edit(0, 5, 14, "x/y")]);
    assert_eq!(redacted, br#"{"url":"data:x/y;base64,AAAA"}"#);
}

proptest! {
    #[test]
    fn every_string_of_any_json_is_a_text(body in any_json()) {
        let document = document(Dialect::Raw, &body);
        let mut strings = Vec::new();
        collect_strings(&body, &mut strings);
        for string in strings.into_iter().filter(|s| !s.is_empty()) {
            prop_assert!(document.texts().contains(&string), "{string:?}");
        }
        prop_assert_eq!(document.redacted(&[]), document.bytes().to_vec());
    }

    #[test]
    fn a_redaction_of_everything_leaves_strict_json_without_any_of_it(body in any_json()) {
        let document = document(Dialect::Raw, &body);
        let all = document.texts().iter().enumerate();
        let edits: Vec<Edit> = all.map(|(i, text)| edit(i, 0, text.len(), "")).collect();
        let again = parse(Dialect::Raw, &document.redacted(&edits)).unwrap();
        let mut strings = Vec::new();
        collect_strings(&serde_json::from_slice(again.bytes()).unwrap(), &mut strings);
        prop_assert!(strings.iter().all(|s| s.is_empty() || s.starts_with('#')), "{strings:?}");
    }

    #[test]
    fn any_bytes_are_a_document_or_a_refusal(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(document) = parse(Dialect::OpenAiChat, &bytes) {
            prop_assert!(serde_json::from_slice::<Value>(document.bytes()).is_ok());
        }
    }
}
