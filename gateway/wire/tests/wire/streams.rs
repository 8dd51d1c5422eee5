//! Events to frames: completeness and channels.

use countersign_record::Usage;
use countersign_wire::{
    Dialect, Frame, Framing, Limits, StreamDecoder, StreamError, StreamReader, decision_comment,
};
use serde_json::{Value, json};

use crate::recordings::{
    ALL, ANTHROPIC, OPENAI, RAW, channels, decode, events, frames, reader, variants,
};
use crate::stream_redaction::rewritten;

pub(crate) fn read(dialect: Dialect, stream: &str) -> Result<Vec<Frame>, StreamError> {
    read_as(dialect, Framing::Sse, stream)
}

pub(crate) fn read_as(
    dialect: Dialect,
    framing: Framing,
    stream: &str,
) -> Result<Vec<Frame>, StreamError> {
    let mut reader = reader(dialect, framing);
    decode(framing, [stream.as_bytes()])
        .unwrap()
        .into_iter()
        .map(|event| reader.read(event))
        .collect()
}

#[test]
fn text_of_an_openai_stream_is_joined_per_choice_and_kind() {
    let (frames, reader) = frames(Dialect::OpenAiChat, Framing::Sse, OPENAI);
    let texts = channels(&frames);
    for expected in [
        "My card is 4111 1111 1111 1111, keep it.",
        "Zwölf Boxkämpfer 😀",
        "send_mail",
        r#"{"to":"ann@example.com"}"#,
    ] {
        assert!(
            texts.iter().any(|t| t == expected),
            "{expected}: {texts:#?}"
        );
    }
    assert!(texts[0].starts_with(": OPENROUTER PROCESSING\n"));
    assert_eq!(
        texts[0].matches("chatcmpl-9xKq").count(),
        1,
        "an id is scanned once"
    );
    assert_eq!(reader.served_model(), Some("gpt-4o-mini-2024-07-18"));
    assert_eq!(
        reader.usage(),
        Some(Usage {
            input_tokens: 21,
            output_tokens: 34
        })
    );
    assert_eq!(reader.finish_reason(), Some("tool_calls"));
    assert!(reader.saw_terminal());
    assert_eq!(frames.iter().filter(|f| f.terminal).count(), 1);
}

#[test]
fn text_of_an_anthropic_stream_is_joined_per_block_and_kind() {
    let (frames, reader) = frames(Dialect::AnthropicMessages, Framing::Sse, ANTHROPIC);
    let texts = channels(&frames);
    for expected in [
        "The card is 4111 1111 1111 1111 — noted",
        "Schön 😀",
        "pay",
        r#"{"card": "4111 1111 1111 1111"}"#,
    ] {
        assert!(
            texts.iter().any(|t| t == expected),
            "{expected}: {texts:#?}"
        );
    }
    assert_eq!(reader.served_model(), Some("claude-sonnet-4-5"));
    assert_eq!(
        reader.usage(),
        Some(Usage {
            input_tokens: 25,
            output_tokens: 89
        })
    );
    assert_eq!(reader.finish_reason(), Some("tool_use"));
    assert!(reader.saw_terminal() && frames.last().unwrap().terminal);
}

#[test]
fn text_of_any_other_stream_is_joined_per_place_and_plain_text_is_text() {
    let (frames, reader) = frames(Dialect::Raw, Framing::Sse, RAW);
    let texts = channels(&frames);
    assert!(
        texts.iter().any(|t| t == "The card is 4111 1111 1111 1111"),
        "{texts:#?}"
    );
    assert!(
        texts.iter().any(|t| t == "plain words are text too"),
        "{texts:#?}"
    );
    assert_eq!(
        reader.usage(),
        Some(Usage {
            input_tokens: 3,
            output_tokens: 9
        })
    );
    assert!(!reader.saw_terminal(), "this stream has no terminal marker");
}

#[test]
fn frames_carry_the_bytes_of_the_stream_however_it_is_written() {
    for (dialect, framing, recording) in ALL {
        for stream in variants(framing, recording) {
            let (frames, _) = frames(dialect, framing, &stream);
            let bytes: Vec<u8> = frames.iter().flat_map(|f| f.bytes().to_vec()).collect();
            let bytes = String::from_utf8(bytes).unwrap();
            // Blank lines after the terminal event stay out; an event without its end gets one.
            let left_out = stream.strip_prefix(&bytes).unwrap_or_default();
            let added = bytes.strip_prefix(&stream).unwrap_or_default();
            assert_eq!([&bytes, left_out].concat(), [&stream, added].concat());
            let over = frames.iter().any(|frame| frame.terminal);
            assert!(left_out.trim().is_empty() && (left_out.is_empty() || over));
            let open = framing == Framing::Sse || !stream.ends_with('\n');
            assert!(added.trim().is_empty() && (added.is_empty() || open && !over));
            assert_eq!(rewritten(&frames, &[]), bytes);
        }
    }
}

#[test]
fn a_canary_in_a_comment_id_name_or_unknown_key_is_seen() {
    for stream in [
        ": the canary sings\n\n",
        "id: the canary sings\ndata: {}\n\n",
        "event: the canary sings\ndata: {}\n\n",
        "event: the canary sings\nevent: x\ndata: {}\n\n",
        "unknown: the canary sings\ndata: {}\n\n",
        "data: {\"the canary sings\":1}\n\n",
        "data: {\"a\":{\"the canary sings\":[]}}\n\n",
    ] {
        for (dialect, ..) in ALL {
            let frames = read(dialect, stream).unwrap();
            let texts = channels(&frames);
            assert!(
                texts.iter().any(|t| t.contains("the canary sings")),
                "{stream:?}"
            );
        }
    }
}

#[test]
fn data_that_is_not_understood_is_refused() {
    let table = [
        (Dialect::OpenAiChat, "data: hello\n\n"),
        (Dialect::OpenAiChat, "data: {\"a\":1,\"a\":2}\n\n"),
        (Dialect::OpenAiChat, "data: {\"a\":1} x\n\n"),
        (Dialect::OpenAiChat, "data: \"text\"\n\n"),
        (Dialect::AnthropicMessages, "data: [DONE]\n\n"),
        (Dialect::AnthropicMessages, "data: [{}]\n\n"),
        (Dialect::Raw, "data: {\"a\":1,\"a\":\"\\u0041\"}\n\n"),
        (Dialect::Raw, "data:  [1,\n\n"),
        (Dialect::Raw, "data: \"\\ud800\"\n\n"),
    ];
    for (dialect, stream) in table {
        assert!(read(dialect, stream).is_err(), "{stream:?}");
    }
}

#[test]
fn keep_alives_have_bytes_and_no_text() {
    for stream in ["\n", ":\n\n", "event: \ndata:\n\n"] {
        let frames = read(Dialect::OpenAiChat, stream).unwrap();
        let text = channels(&frames).concat();
        assert!(text.is_empty() || text == ":\n", "{stream:?}: {text:?}");
        assert!(!frames[0].bytes().is_empty() && !frames[0].terminal);
    }
}

#[test]
fn nothing_after_the_terminal_event_goes_on() {
    let tail =
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"more\"}}]}\n\ndata: junk\n\n";
    let frames = read(Dialect::OpenAiChat, &format!("data: [DONE]\n\n{tail}")).unwrap();
    assert!(frames[0].terminal);
    for frame in &frames[1..] {
        assert!(frame.bytes().is_empty() && frame.pieces.is_empty() && !frame.terminal);
    }
}

#[test]
fn an_error_of_the_upstream_ends_the_stream_and_is_text() {
    let table = [
        (
            Dialect::OpenAiChat,
            "data: {\"error\":{\"message\":\"boom\"}}\n\n",
        ),
        (
            Dialect::AnthropicMessages,
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"boom\"}}\n\n",
        ),
    ];
    for (dialect, stream) in table {
        let (frames, reader) = frames(dialect, Framing::Sse, stream);
        assert!(frames[0].terminal && reader.finish_reason() == Some("error"));
        assert!(channels(&frames).iter().any(|t| t.contains("boom")));
    }
}

#[test]
fn a_last_event_without_blank_line_does_not_run_into_what_follows() {
    let frames = read(Dialect::Raw, "data: a").unwrap();
    let sent = [
        frames[0].bytes().to_vec(),
        decision_comment(Dialect::OpenAiChat, Framing::Sse, "e", "permit"),
    ]
    .concat();
    let again = events([sent.as_slice()]);
    assert_eq!(again[0].data, "a");
    assert_eq!(
        again[1].raw,
        ": countersign exchange=e decision=permit

"
        .as_bytes()
    );
}

#[test]
fn channels_and_parts_are_bounded() {
    let limits = Limits {
        channels_max: 3,
        ..Limits::default()
    };
    let wide = |keys: usize| -> Result<Frame, StreamError> {
        let members: serde_json::Map<String, Value> =
            (0..keys).map(|i| (format!("k{i}"), json!("v"))).collect();
        let stream = format!("data: {}\n\n", Value::from(members));
        let event = StreamDecoder::new(Framing::Sse, 1 << 20)
            .push(stream.as_bytes())
            .unwrap()
            .remove(0);
        StreamReader::new(Dialect::OpenAiChat, Framing::Sse, &limits).read(event)
    };
    assert!(wide(2).is_ok(), "two and the one for keys");
    assert_eq!(
        wide(3).unwrap_err(),
        StreamError::TooManyChannels { limit: 3 }
    );
    let choices: Vec<Value> = (0..4).map(|i| json!({ "index": i })).collect();
    let stream = format!("data: {}\n\n", json!({ "choices": choices }));
    let event = StreamDecoder::new(Framing::Sse, 1 << 20)
        .push(stream.as_bytes())
        .unwrap()
        .remove(0);
    assert!(
        StreamReader::new(Dialect::OpenAiChat, Framing::Sse, &limits)
            .read(event)
            .is_err()
    );
}

#[test]
fn a_value_that_is_not_remembered_is_scanned_again() {
    let limits = Limits {
        meta_values_max: 1,
        ..Limits::default()
    };
    let mut reader = StreamReader::new(Dialect::OpenAiChat, Framing::Sse, &limits);
    let stream = "data: {\"id\":\"a\",\"model\":\"b\"}\n\n".repeat(3);
    let frames: Vec<_> = events([stream.as_bytes()])
        .into_iter()
        .map(|e| reader.read(e).unwrap())
        .collect();
    assert_eq!(channels(&frames), ["a\nb\nb\nb\n"]);
}

#[test]
fn a_key_cannot_pass_for_a_longer_path() {
    let stream = concat!(
        "data: {\"delta\":{\"content\":\"se\"},\"delta/7:content\":\"x\",\"/5:delta/7:content\":\"y\"}\n\n",
        "data: {\"delta\":{\"content\":\"same\"}}\n\n",
    );
    let frames = read(Dialect::OpenAiChat, stream).unwrap();
    assert!(channels(&frames).iter().any(|t| t == "sesame"));
}
