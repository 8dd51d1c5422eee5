//! Events to frames: completeness, channels, redaction across frames.

use countersign_record::{Span, Usage};
use countersign_wire::{
    Dialect, Edit, Frame, Limits, SseDecoder, StreamError, StreamReader, decision_comment,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::recordings::{ALL, ANTHROPIC, OPENAI, RAW, channels, events, frames};

fn reader(dialect: Dialect) -> StreamReader {
    StreamReader::new(dialect, &Limits::default())
}

fn read(dialect: Dialect, stream: &str) -> Result<Vec<Frame>, StreamError> {
    let mut reader = reader(dialect);
    events([stream.as_bytes()])
        .into_iter()
        .map(|event| reader.read(event))
        .collect()
}

fn rewritten(frames: &[Frame], edits: &[Edit]) -> String {
    String::from_utf8(frames.iter().flat_map(|f| f.rewritten(edits)).collect()).unwrap()
}

/// An edit for each place where `needle` is in a channel.
fn edits_for(frames: &[Frame], needle: &str) -> Vec<Edit> {
    let texts = channels(frames);
    let in_channel = |(channel, text): (usize, &String)| -> Vec<Edit> {
        text.match_indices(needle)
            .map(|(start, found)| Edit {
                channel,
                span: Span {
                    start,
                    end: start + found.len(),
                },
                replacement: "[redacted:card]".to_owned(),
            })
            .collect()
    };
    texts.iter().enumerate().flat_map(in_channel).collect()
}

/// Paths of all strings of a value.
fn string_paths(value: &Value, path: &str, out: &mut Vec<String>) {
    match value {
        Value::String(_) => out.push(path.to_owned()),
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                string_paths(item, &format!("{path}/{i}"), out);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                string_paths(member, &format!("{path}/{key}"), out);
            }
        }
        _ => {}
    }
}

#[test]
fn text_of_an_openai_stream_is_joined_per_choice_and_kind() {
    let (frames, reader) = frames(Dialect::OpenAiChat, OPENAI);
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
    let (frames, reader) = frames(Dialect::AnthropicMessages, ANTHROPIC);
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
    let (frames, reader) = frames(Dialect::Raw, RAW);
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
fn frames_carry_the_bytes_of_the_stream() {
    for (dialect, recording) in ALL {
        let (frames, _) = frames(dialect, recording);
        let bytes: Vec<u8> = frames.iter().flat_map(|f| f.bytes().to_vec()).collect();
        assert_eq!(bytes, recording.as_bytes());
        assert_eq!(rewritten(&frames, &[]), recording);
    }
}

#[test]
fn a_canary_in_any_string_of_any_event_is_seen() {
    for (dialect, recording) in ALL {
        let events = events([recording.as_bytes()]);
        let mut tried = 0;
        for (nth, event) in events.iter().enumerate() {
            let Ok(data) = serde_json::from_str::<Value>(&event.data) else {
                continue;
            };
            let mut paths = Vec::new();
            string_paths(&data, "", &mut paths);
            for path in paths {
                let mut data = data.clone();
                let old = data.pointer(&path).unwrap().as_str().unwrap().to_owned();
                *data.pointer_mut(&path).unwrap() = format!("{old} the canary sings").into();
                let mut events = events.clone();
                events[nth].data = data.to_string();
                let mut reader = reader(dialect);
                let frames: Vec<_> = events
                    .into_iter()
                    .map(|event| reader.read(event).unwrap())
                    .collect();
                let seen = channels(&frames)
                    .iter()
                    .any(|t| t.contains("the canary sings"));
                assert!(seen, "{dialect:?} event {nth} {path}");
                tried += 1;
            }
        }
        assert!(tried > 10, "{dialect:?}: {tried}");
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
        for (dialect, _) in ALL {
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
fn a_redaction_across_frames_leaves_nothing_of_its_span() {
    for (dialect, recording) in ALL {
        let (frames, _) = frames(dialect, recording);
        let edits = edits_for(&frames, "4111 1111 1111 1111");
        assert!(!edits.is_empty());
        let out = rewritten(&frames, &edits);
        assert!(!out.contains("1111"), "{out}");
        let again = read(dialect, &out).unwrap();
        let texts = channels(&again).join("\n");
        assert_eq!(
            texts.matches("[redacted:card]").count(),
            edits.len(),
            "{texts}"
        );
        assert!(!texts.contains("4111"));
        let kept = channels(&frames)
            .join("\n")
            .replace("4111 1111 1111 1111", "[redacted:card]");
        assert_eq!(texts.lines().count(), kept.lines().count());
    }
}

#[test]
fn a_redacted_stream_says_otherwise_what_it_said() {
    let (before, _) = frames(Dialect::OpenAiChat, OPENAI);
    let out = rewritten(&before, &edits_for(&before, "4111 1111 1111 1111"));
    let texts = channels(&read(Dialect::OpenAiChat, &out).unwrap());
    assert!(
        texts
            .iter()
            .any(|t| t == "My card is [redacted:card], keep it."),
        "{texts:#?}"
    );
    assert!(
        texts.iter().any(|t| t == r#"{"to":"ann@example.com"}"#),
        "{texts:#?}"
    );
    assert!(out.contains(": OPENROUTER PROCESSING\n\n") && out.ends_with("data: [DONE]\n\n"));
    assert_eq!(
        out.matches("data: ").count(),
        OPENAI.matches("data: ").count()
    );
}

#[test]
fn a_redaction_inside_split_tool_arguments_leaves_json() {
    let (before, _) = frames(Dialect::OpenAiChat, OPENAI);
    let out = rewritten(&before, &edits_for(&before, "ann@example.com"));
    let texts = channels(&read(Dialect::OpenAiChat, &out).unwrap());
    let arguments = texts.iter().find(|t| t.starts_with("{\"to\"")).unwrap();
    assert_eq!(arguments, r#"{"to":"[redacted:card]"}"#);
    let (before, _) = frames(Dialect::AnthropicMessages, ANTHROPIC);
    let out = rewritten(&before, &edits_for(&before, "1111 1111 1111"));
    let texts = channels(&read(Dialect::AnthropicMessages, &out).unwrap());
    let arguments = texts.iter().find(|t| t.starts_with("{\"card\"")).unwrap();
    let parsed: Value = serde_json::from_str(arguments).unwrap();
    assert!(
        !parsed["card"].as_str().unwrap().contains('1'),
        "{arguments}"
    );
    assert!(
        parsed["card"]
            .as_str()
            .unwrap()
            .ends_with("[redacted:card]"),
        "{arguments}"
    );
}

#[test]
fn a_value_scanned_once_is_redacted_each_time() {
    let (before, _) = frames(Dialect::OpenAiChat, OPENAI);
    let out = rewritten(&before, &edits_for(&before, "fp_51db84afab"));
    assert!(!out.contains("fp_51"), "{out}");
    assert_eq!(
        out.matches("[redacted:card]").count(),
        OPENAI.matches("fp_51").count()
    );
}

#[test]
fn a_redacted_comment_or_name_is_left_out() {
    let stream = ": call 4111 now\nid: 9\nevent: n 4111\ndata: {\"a\":\"b\"}\n\n";
    let frames = read(Dialect::Raw, stream).unwrap();
    let out = rewritten(&frames, &edits_for(&frames, "4111"));
    assert_eq!(out, "id: 9\ndata: {\"a\":\"b\"}\n\n");
}

#[test]
fn plain_text_data_is_redacted_as_text() {
    let frames = read(Dialect::Raw, "data: call 4111\ndata: now\n\n").unwrap();
    let out = rewritten(&frames, &edits_for(&frames, "4111\nnow"));
    assert_eq!(out, "data: call [redacted:card]\n\n");
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
        let (frames, reader) = frames(dialect, stream);
        assert!(frames[0].terminal && reader.finish_reason() == Some("error"));
        assert!(channels(&frames).iter().any(|t| t.contains("boom")));
    }
}

#[test]
fn a_last_event_without_blank_line_does_not_run_into_what_follows() {
    let frames = read(Dialect::Raw, "data: a").unwrap();
    let sent = [frames[0].bytes().to_vec(), decision_comment("e", "permit")].concat();
    let again = events([sent.as_slice()]);
    assert_eq!(again[0].data, "a");
    assert_eq!(
        again[1].asides,
        [": countersign exchange=e decision=permit"]
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
        let event = SseDecoder::new(1 << 20)
            .push(stream.as_bytes())
            .unwrap()
            .remove(0);
        StreamReader::new(Dialect::OpenAiChat, &limits).read(event)
    };
    assert!(wide(2).is_ok(), "two and the one for keys");
    assert_eq!(
        wide(3).unwrap_err(),
        StreamError::TooManyChannels { limit: 3 }
    );
    let choices: Vec<Value> = (0..4).map(|i| json!({ "index": i })).collect();
    let stream = format!("data: {}\n\n", json!({ "choices": choices }));
    let event = SseDecoder::new(1 << 20)
        .push(stream.as_bytes())
        .unwrap()
        .remove(0);
    assert!(
        StreamReader::new(Dialect::OpenAiChat, &limits)
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
    let mut reader = StreamReader::new(Dialect::OpenAiChat, &limits);
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_chunks_give_the_same_frames_and_the_same_redactions(
        which in 0..ALL.len(),
        line_end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let (dialect, recording) = ALL[which];
        let stream = recording.replace('\n', line_end);
        let mut at: Vec<usize> = places.iter().map(|i| i.index(stream.len() + 1)).collect();
        at.sort_unstable();
        let mut chunks = Vec::new();
        let mut from = 0;
        for to in at.into_iter().chain([stream.len()]) {
            chunks.push(&stream.as_bytes()[from..to]);
            from = to;
        }
        let run = |chunks: Vec<&[u8]>| {
            let mut reader = reader(dialect);
            let frames: Vec<Frame> =
                events(chunks).into_iter().map(|e| reader.read(e).unwrap()).collect();
            let edits = edits_for(&frames, "4111 1111 1111 1111");
            let pieces: Vec<_> = frames.iter().map(|f| f.pieces.clone()).collect();
            (pieces, rewritten(&frames, &edits), edits)
        };
        prop_assert_eq!(run(chunks), run(vec![stream.as_bytes()]));
    }

    #[test]
    fn a_text_redacted_anywhere_is_the_text_with_the_span_replaced(
        deltas in prop::collection::vec("[a-zé😀\"\\\\]{0,5}", 1..6),
        a in any::<prop::sample::Index>(),
        b in any::<prop::sample::Index>(),
    ) {
        let chunk = |t: &String| {
            format!("data: {}\n\n", json!({ "choices": [{ "index": 0, "delta": { "content": t } }] }))
        };
        let stream: String = deltas.iter().map(chunk).collect();
        let frames = read(Dialect::OpenAiChat, &stream).unwrap();
        let text = deltas.concat();
        let places: Vec<usize> = (0..=text.len()).filter(|i| text.is_char_boundary(*i)).collect();
        let (a, b) = (*a.get(&places), *b.get(&places));
        let span = Span { start: a.min(b), end: a.max(b) };
        let edit = Edit { channel: 0, span, replacement: "<\"X\">".to_owned() };
        let out = rewritten(&frames, &[edit]);
        let mut expected = text.clone();
        if span.start < span.end {
            expected.replace_range(span.start..span.end, "<\"X\">");
        }
        prop_assert_eq!(channels(&read(Dialect::OpenAiChat, &out).unwrap()).concat(), expected);
    }
}
