//! Whole bodies: strictness, and completeness of the texts.

use bytes::Bytes;
use countersign_record::{Unscanned, Usage};
use countersign_wire::{BodyError, BodyFault, Dialect, Document, Framing, Limits};
use serde_json::{Value, json};

use crate::streams::read_as;
use crate::values::string_paths;

const DIALECTS: [Dialect; 3] = [
    Dialect::OpenAiChat,
    Dialect::AnthropicMessages,
    Dialect::Raw,
];

pub(crate) fn parse(dialect: Dialect, body: &[u8]) -> Result<Document, BodyError> {
    Document::parse(Bytes::copy_from_slice(body), dialect, &Limits::default())
}

pub(crate) fn document(dialect: Dialect, body: &Value) -> Document {
    parse(dialect, body.to_string().as_bytes()).unwrap()
}

fn chat() -> Value {
    json!({
        "model": "gpt-4o", "stream": true, "user": "u-1", "temperature": 0.5,
        "messages": [
            { "role": "system", "content": "Be kind." },
            { "role": "user", "name": "ann", "content": [
                { "type": "text", "text": "Hello" },
                { "type": "image_url", "image_url": { "url": "https://example.com/a.png", "detail": "low" } },
            ]},
            { "role": "assistant", "content": null, "tool_calls": [
                { "id": "call_1", "type": "function",
                  "function": { "name": "find", "arguments": "{\"q\":\"x\"}" } },
            ]},
            { "role": "tool", "tool_call_id": "call_1", "content": "found" },
        ],
        "tools": [{ "type": "function", "function": { "name": "find", "description": "Finds",
            "parameters": { "type": "object", "properties": { "q": { "type": "string" } } } } }],
        "response_format": { "type": "json_schema", "json_schema": { "name": "s", "schema": {} } },
        "stop": ["END"], "metadata": { "team": "blue" }, "brand_new": { "deep": ["field"] },
    })
}

fn messages() -> Value {
    json!({
        "model": "claude", "max_tokens": 10, "system": [{ "type": "text", "text": "Be kind." }],
        "messages": [
            { "role": "user", "content": "Hi" },
            { "role": "assistant", "content": [
                { "type": "thinking", "thinking": "hm", "signature": "c2ln" },
                { "type": "tool_use", "id": "t1", "name": "find", "input": { "query": "cats" } },
            ]},
            { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "t1",
                "content": [{ "type": "text", "text": "found" }] }] },
        ],
        "metadata": { "user_id": "u" }, "brand_new": "field",
    })
}

#[test]
fn a_body_that_two_parsers_could_read_differently_is_refused_with_its_place() {
    let deep = format!("{}1{}", "[".repeat(65), "]".repeat(65));
    let table: [(&[u8], &str); 14] = [
        (
            b"{\"a\":1,\n \"a\":2}",
            "an object has the same key twice at line 2 column",
        ),
        (
            b"{\"a\":1,\"\\u0061\":2}",
            "an object has the same key twice at line 1",
        ),
        (
            b"{\"a\":{\"b\":1,\"b\":1}}",
            "an object has the same key twice at line 1",
        ),
        (
            b"{\"a\":\"\\ud800\"}",
            "unexpected end of hex escape at line 1 column",
        ),
        (
            b"{\"a\":\"\\udc00\"}",
            "lone leading surrogate in hex escape at line 1 column",
        ),
        (
            b"{\n\"a\":\"\xff\"}",
            "invalid UTF-8 at line 2 column 6 (byte 7)",
        ),
        (b"{\"a\":NaN}", "expected value at line 1 column 6 (byte 5)"),
        (b"{\"a\":1e999}", "number out of range at line 1"),
        (b"{\"a\":Infinity}", "expected value at line 1 column 6"),
        (b"{} x", "trailing characters at line 1 column 4 (byte 3)"),
        (b"{\"a\":1,}", "trailing comma at line 1 column 8"),
        (b"{\"a\":\"\n\"}", "control character"),
        (b"", "EOF while parsing a value at line 1"),
        (
            deep.as_bytes(),
            "nested deeper than 64 levels at line 1 column 65",
        ),
    ];
    for (body, said) in table {
        let error = parse(Dialect::Raw, body).unwrap_err().to_string();
        assert!(
            error.contains(said),
            "{}: {error}",
            String::from_utf8_lossy(body)
        );
    }
}

#[test]
fn a_byte_order_mark_before_a_body_or_an_event_is_refused() {
    let fault = parse(Dialect::OpenAiChat, "\u{feff}{}".as_bytes()).unwrap_err();
    assert_eq!(fault.fault, BodyFault::ByteOrderMark);
    for (dialect, framing, stream) in [
        (Dialect::OpenAiChat, Framing::Sse, "data: \u{feff}{}\n\n"),
        (Dialect::Raw, Framing::Sse, "data: \u{feff}{}\n\n"),
        (Dialect::OllamaChat, Framing::Lines, "\u{feff}{}\n"),
    ] {
        assert!(read_as(dialect, framing, stream).is_err(), "{stream:?}");
    }
}

#[test]
fn keys_that_a_lax_receiver_takes_for_a_word_of_the_dialect_are_refused_beside_it() {
    let refused = [
        (
            Dialect::OpenAiChat,
            r#"{"messages":[{"content":"a","Content":"b"}]}"#,
        ),
        (Dialect::AnthropicMessages, r#"{"SYSTEM":"a","system":"b"}"#),
        (Dialect::OllamaChat, r#"{"\u017fystem":"a","system":"b"}"#),
        (
            Dialect::Gemini,
            r#"{"parts":[{"inlineData":{},"inline_data":{}}]}"#,
        ),
        (Dialect::KserveV2, r#"{"inputs":[],"Inputs":[]}"#),
    ];
    for (dialect, body) in refused {
        let error = parse(dialect, body.as_bytes()).unwrap_err();
        assert_eq!(error.fault, BodyFault::AmbiguousKey, "{body}");
        let stream = format!("data: {body}\n\n");
        if dialect != Dialect::OllamaChat {
            assert!(read_as(dialect, Framing::Sse, &stream).is_err(), "{body}");
        }
    }
    let error = parse(Dialect::OpenAiChat, b"{\"model\":\"m\",\n \"Model\":\"n\"}");
    assert_eq!(error.unwrap_err().line, 2);
    let fine = [
        (Dialect::OpenAiChat, r#"{"Content":"alone"}"#),
        (
            Dialect::OpenAiChat,
            r#"{"properties":{"colour":1,"Colour":2}}"#,
        ),
        (Dialect::Raw, r#"{"content":"a","Content":"b"}"#),
    ];
    for (dialect, body) in fine {
        assert!(parse(dialect, body.as_bytes()).is_ok(), "{body}");
    }
}

#[test]
fn a_duplicate_key_is_found_in_a_large_object_too() {
    let members: Vec<String> = (0..200).map(|i| format!("\"k{i}\":{i}")).collect();
    let fine = format!("{{{}}}", members.join(","));
    assert!(parse(Dialect::Raw, fine.as_bytes()).is_ok());
    let twice = format!("{{{},\"k150\":0}}", members.join(","));
    assert_eq!(
        parse(Dialect::Raw, twice.as_bytes()).unwrap_err().fault,
        BodyFault::DuplicateKey
    );
}

#[test]
fn an_error_never_quotes_the_content() {
    for body in [
        "{\"sesame\":1,\"sesame\":2}",
        "{\"a\":sesame}",
        "\"sesame\" sesame",
    ] {
        let error = parse(Dialect::Raw, body.as_bytes()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("sesame"), "{error}");
    }
}

#[test]
fn depth_and_number_of_values_are_bounded_exactly() {
    let limits = Limits {
        depth_max: 3,
        leaves_max: 5,
        ..Limits::default()
    };
    let read = |body: &'static str| Document::parse(body.into(), Dialect::Raw, &limits);
    assert!(read("[[[1]]]").is_ok());
    assert_eq!(
        read("[[[[]]]]").unwrap_err().fault,
        BodyFault::TooDeep { limit: 3 }
    );
    assert!(read("[1,2,3,4]").is_ok());
    assert_eq!(
        read("[1,2,3,4,5]").unwrap_err().fault,
        BodyFault::TooManyValues { limit: 5 }
    );
    assert_eq!(read("{\"a\":1,\"b\":2}").map(drop), Ok(()));
    assert!(read("{\"a\":1,\"b\":2,\"c\":3}").is_err(), "keys count");
}

#[test]
fn a_canary_in_any_string_of_a_body_is_seen() {
    for (dialect, body) in [
        (Dialect::OpenAiChat, chat()),
        (Dialect::AnthropicMessages, messages()),
        (Dialect::Raw, chat()),
    ] {
        let mut paths = Vec::new();
        string_paths(&body, "", &mut paths);
        assert!(paths.len() > 10);
        for path in paths {
            let mut body = body.clone();
            *body.pointer_mut(&path).unwrap() = "the canary sings".into();
            let document = document(dialect, &body);
            let seen = document
                .texts()
                .iter()
                .filter(|t| t.contains("the canary sings"))
                .count();
            assert_eq!(seen, 1, "{path}");
            let read = |u: &Unscanned| u.reason == "media_reference";
            assert!(document.unscanned().iter().all(read), "{path}");
        }
    }
}

#[test]
fn a_canary_in_any_key_is_seen_unless_the_key_is_a_word_of_the_dialect() {
    for dialect in DIALECTS {
        let body = json!({ "messages": [{ "content": { "canary": 1 } }], "x": [{ "canary": 2 }] });
        let document = document(dialect, &body);
        assert_eq!(
            document.texts().iter().filter(|t| *t == "canary").count(),
            1
        );
        let listed = document.texts().iter().any(|t| t == "messages");
        assert_eq!(listed, dialect == Dialect::Raw);
    }
}

#[test]
fn a_body_that_is_one_string_is_one_text() {
    assert_eq!(parse(Dialect::Raw, b" \"hi\" ").unwrap().texts(), ["hi"]);
    assert!(parse(Dialect::Raw, b"12").unwrap().texts().is_empty());
}

#[test]
fn what_records_need_is_read_in_either_vendors_words() {
    let request = document(Dialect::OpenAiChat, &chat());
    assert_eq!(request.model(), Some("gpt-4o"));
    assert!(request.wants_stream());
    assert!(!document(Dialect::AnthropicMessages, &messages()).wants_stream());
    assert!(!document(Dialect::OpenAiChat, &json!({ "stream": "true" })).wants_stream());

    let openai = json!({ "model": "m", "usage": { "prompt_tokens": 3, "completion_tokens": 4 },
        "choices": [{ "finish_reason": "length" }] });
    let answer = document(Dialect::OpenAiChat, &openai);
    assert_eq!(
        answer.usage(),
        Some(Usage {
            input_tokens: 3,
            output_tokens: 4
        })
    );
    assert_eq!(answer.finish().as_deref(), Some("length"));

    let anthropic = json!({ "usage": { "input_tokens": 5, "output_tokens": 6 },
        "stop_reason": "end_turn" });
    let answer = document(Dialect::AnthropicMessages, &anthropic);
    assert_eq!(
        answer.usage(),
        Some(Usage {
            input_tokens: 5,
            output_tokens: 6
        })
    );
    assert_eq!(answer.finish().as_deref(), Some("end_turn"));
}

#[test]
fn base64_media_are_listed_and_nothing_else_is_left_out() {
    let png = "iVBORw0KGgo=";
    let url = format!("data:image/png;base64,{png}");
    let table = [
        (json!({ "image_url": { "url": url } }), "image/png"),
        (json!({ "image_url": url }), "image/png"),
        (
            json!({ "file": { "file_data": "data:application/pdf;base64,JVBERg==" } }),
            "application/pdf",
        ),
        (
            json!({ "input_audio": { "data": "UklGRg==", "format": "wav" } }),
            "audio/wav",
        ),
        (
            json!({ "source": { "type": "base64", "media_type": "image/jpeg", "data": png } }),
            "image/jpeg",
        ),
        (
            json!({ "source": { "type": "base64", "media_type": "my secret!", "data": png } }),
            "unknown",
        ),
    ];
    for (body, kind) in table {
        let document = document(Dialect::OpenAiChat, &body);
        let listed = Unscanned {
            reason: "media_type".to_owned(),
            kind: kind.to_owned(),
        };
        assert_eq!(document.unscanned(), [listed], "{body}");
        let media = [png, "JVBERg==", "UklGRg=="];
        assert!(
            !document
                .texts()
                .iter()
                .any(|t| media.iter().any(|m| t.contains(m))),
            "{body}"
        );
    }
}

#[test]
fn text_that_only_claims_to_be_media_is_scanned() {
    let table = [
        json!({ "image_url": { "url": "data:image/png;base64,kill them all" } }),
        json!({ "image_url": { "url": "data:text/plain,kill them all" } }),
        json!({ "text": "data:image/png;base64,kill them all" }),
        json!({ "input_audio": { "data": "kill them all", "format": "wav" } }),
        json!({ "type": "base64", "media_type": "image/png", "data": "kill them all" }),
        json!({ "data": "kill them all" }),
        json!({ "image_url": { "url": "data:kill them all;base64,AAAA" } }),
    ];
    for body in table {
        let document = document(Dialect::OpenAiChat, &body);
        assert!(
            document.texts().iter().any(|t| t.contains("kill them all")),
            "{body}"
        );
    }
}
