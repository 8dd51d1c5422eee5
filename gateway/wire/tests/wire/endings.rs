//! How the streams of each dialect end: by themselves, cut, with an error, blocked, or faulty.

use countersign_record::Usage;
use countersign_wire::{Dialect, Framing, Refusal, RefusalKind};
use serde_json::{Value, json};

use crate::recordings::{
    ALL, COMPLETIONS, GEMINI, KSERVE, OLLAMA_CHAT, OLLAMA_GENERATE, RAW_LINES, RESPONSES, blocked,
    decode, frames, reader,
};
use crate::refusals::block_after;

fn fault() -> Refusal<'static> {
    Refusal {
        kind: RefusalKind::UpstreamFault,
        message: "The upstream ended early.",
        ..blocked()
    }
}

#[test]
fn a_recording_is_complete_at_its_end_and_cut_before_it() {
    for (dialect, framing, recording) in ALL {
        let events = decode(framing, [recording.as_bytes()]).unwrap();
        let mut reader = reader(dialect, framing);
        let markless = matches!(dialect, Dialect::Raw | Dialect::KserveV2);
        for (nth, event) in events.iter().enumerate() {
            let data = event.data.clone();
            assert!(
                !reader.saw_terminal() || data.is_empty(),
                "{dialect:?} {nth}"
            );
            reader.read(event.clone()).unwrap();
            // A candidate that finished is an end for Gemini, which has no marker of its own.
            let unfinished = dialect == Dialect::Gemini && nth < 5;
            if !markless && (dialect != Dialect::Gemini || unfinished) && nth + 1 < events.len() {
                assert!(!reader.is_complete_at_end() || reader.saw_terminal());
            }
            if unfinished {
                assert!(!reader.is_complete_at_end());
            }
        }
        assert!(
            reader.is_complete_at_end() && !reader.ended_in_error(),
            "{dialect:?}"
        );
        let marked = !markless && dialect != Dialect::Gemini;
        assert_eq!(reader.saw_terminal(), marked, "{dialect:?}");
    }
}

#[test]
fn what_records_need_is_read_from_every_dialects_stream() {
    let table = [
        (
            Dialect::OpenAiCompletions,
            Framing::Sse,
            COMPLETIONS,
            "gpt-3.5-turbo-instruct",
            "length",
            (5, 17),
        ),
        (
            Dialect::OpenAiResponses,
            Framing::Sse,
            RESPONSES,
            "gpt-5-2025-08-07",
            "completed",
            (31, 52),
        ),
        (
            Dialect::Gemini,
            Framing::Sse,
            GEMINI,
            "gemini-2.5-flash",
            "STOP",
            (7, 17),
        ),
        (
            Dialect::OllamaChat,
            Framing::Lines,
            OLLAMA_CHAT,
            "qwen3:8b",
            "stop",
            (26, 282),
        ),
        (
            Dialect::OllamaGenerate,
            Framing::Lines,
            OLLAMA_GENERATE,
            "llama3.2",
            "stop",
            (8, 12),
        ),
    ];
    for (dialect, framing, recording, model, finish, (input_tokens, output_tokens)) in table {
        let (_, reader) = frames(dialect, framing, recording);
        assert_eq!(reader.served_model(), Some(model));
        assert_eq!(reader.finish_reason(), Some(finish));
        let usage = Usage {
            input_tokens,
            output_tokens,
        };
        assert_eq!(reader.usage(), Some(usage), "{dialect:?}");
    }
}

#[test]
fn an_error_event_of_any_dialect_is_an_end_in_error() {
    let error = r#"{"error":{"code":500,"message":"boom","status":"INTERNAL"}}"#;
    let failed = r#"{"type":"response.failed","response":{"id":"r","status":"failed","error":{"message":"boom"}}}"#;
    let table = [
        (Dialect::OpenAiChat, format!("data: {error}\n\n")),
        (Dialect::OpenAiCompletions, format!("data: {error}\n\n")),
        (
            Dialect::OpenAiResponses,
            format!("event: response.failed\ndata: {failed}\n\n"),
        ),
        (
            Dialect::OpenAiResponses,
            "data: {\"type\":\"error\",\"message\":\"boom\"}\n\n".to_owned(),
        ),
        (
            Dialect::AnthropicMessages,
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"message\":\"boom\"}}\n\n"
                .to_owned(),
        ),
        (Dialect::Gemini, format!("data: {error}\n\n")),
        (Dialect::OllamaChat, "{\"error\":\"boom\"}\n".to_owned()),
        (Dialect::OllamaGenerate, "{\"error\":\"boom\"}\n".to_owned()),
    ];
    for (dialect, stream) in table {
        let framing = if stream.starts_with('{') {
            Framing::Lines
        } else {
            Framing::Sse
        };
        let (frames, reader) = frames(dialect, framing, &stream);
        assert!(reader.ended_in_error() && reader.saw_terminal(), "{stream}");
        assert!(frames[0].pieces.iter().any(|p| p.text.contains("boom")));
    }
}

#[test]
fn a_fault_in_any_dialect_is_told_in_its_own_error_event() {
    for (dialect, framing, recording) in ALL {
        let (_, reader) = frames(dialect, framing, recording);
        let bytes = reader.fault_frames(&fault());
        let mut again = self::reader(dialect, framing);
        for event in decode(framing, [bytes.as_slice()]).unwrap() {
            again.read(event).unwrap();
        }
        let told = String::from_utf8(bytes).unwrap();
        assert!(told.contains("The upstream ended early."), "{told}");
        let unmarked = matches!(dialect, Dialect::Raw | Dialect::KserveV2);
        assert_eq!(again.ended_in_error(), !unmarked, "{dialect:?}: {told}");
    }
}

fn data(frames: &[(Option<String>, Value)]) -> Vec<&Value> {
    frames.iter().map(|(_, data)| data).collect()
}

#[test]
fn a_blocked_completion_finishes_each_choice_then_is_done() {
    let frames = block_after(Dialect::OpenAiCompletions, Framing::Sse, COMPLETIONS, 3);
    let data = data(&frames);
    assert_eq!(data.len(), 3);
    for (index, chunk) in data[..2].iter().enumerate() {
        assert_eq!(chunk["object"], "text_completion");
        assert_eq!(chunk["id"], "cmpl-7");
        let choice = json!({ "index": index, "text": "", "logprobs": null,
            "finish_reason": "content_filter" });
        assert_eq!(chunk["choices"][0], choice);
    }
    assert_eq!(data[2], &json!("[DONE]"));
}

#[test]
fn a_blocked_response_closes_its_open_item_and_is_incomplete_by_the_filter() {
    let frames = block_after(Dialect::OpenAiResponses, Framing::Sse, RESPONSES, 12);
    let numbers: Vec<u64> = data(&frames)
        .iter()
        .map(|event| event["sequence_number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, [12, 13], "numbers go on where the caller's stop");
    for (name, data) in &frames {
        assert_eq!(name.as_deref(), data["type"].as_str());
    }
    assert_eq!(frames[0].1["type"], "response.output_item.done");
    assert_eq!(frames[0].1["item"]["id"], "msg_1");
    assert_eq!(frames[0].1["item"]["status"], "incomplete");
    let end = &frames[1].1;
    assert_eq!(end["type"], "response.incomplete");
    assert_eq!(end["response"]["id"], "resp_68");
    assert_eq!(end["response"]["status"], "incomplete");
    let details = json!({ "reason": "content_filter" });
    assert_eq!(end["response"]["incomplete_details"], details);

    let nothing = block_after(Dialect::OpenAiResponses, Framing::Sse, RESPONSES, 0);
    let kinds: Vec<_> = data(&nothing).iter().map(|e| e["type"].clone()).collect();
    assert_eq!(kinds, ["response.created", "response.incomplete"]);
}

#[test]
fn a_blocked_gemini_stream_ends_with_safety() {
    let frames = block_after(Dialect::Gemini, Framing::Sse, GEMINI, 6);
    assert_eq!(frames.len(), 1);
    let part = &frames[0].1;
    let candidates = json!([{ "index": 0, "finishReason": "SAFETY" },
        { "index": 1, "finishReason": "SAFETY" }]);
    assert_eq!(part["candidates"], candidates);
    assert_eq!(part["modelVersion"], "gemini-2.5-flash");
    assert!(part.get("promptFeedback").is_none());
    let nothing = block_after(Dialect::Gemini, Framing::Sse, GEMINI, 0);
    let feedback = json!({ "blockReason": "OTHER" });
    assert_eq!(nothing[0].1["promptFeedback"], feedback);
}

#[test]
fn a_blocked_ollama_stream_is_done_by_the_filter() {
    let chat = block_after(Dialect::OllamaChat, Framing::Lines, OLLAMA_CHAT, 2);
    assert_eq!(chat.len(), 1);
    let line = &chat[0].1;
    assert_eq!(line["done"], true);
    assert_eq!(line["done_reason"], "content_filter");
    assert_eq!(line["model"], "qwen3:8b");
    assert_eq!(line["created_at"], "2025-11-24T10:00:00.123456Z");
    let message = json!({ "role": "assistant", "content": "" });
    assert_eq!(line["message"], message);
    let generate = block_after(Dialect::OllamaGenerate, Framing::Lines, OLLAMA_GENERATE, 2);
    assert_eq!(generate[0].1["response"], "");
}

#[test]
fn a_blocked_stream_of_an_unknown_api_ends_with_an_error_in_its_framing() {
    let lines = block_after(Dialect::Raw, Framing::Lines, RAW_LINES, 1);
    assert_eq!(lines[0].1["error"]["code"], "content_filter");
    let events = block_after(Dialect::KserveV2, Framing::Sse, KSERVE, 1);
    assert_eq!(events[0].1["code"], "content_filter");
    assert_eq!(events[0].1["error"], "Withheld by policy.");
}

#[test]
fn an_ollama_path_that_answers_with_events_is_read_as_an_unknown_api() {
    let (frames, reader) = frames(Dialect::OllamaChat, Framing::Sse, "data: plain words\n\n");
    assert_eq!(frames[0].pieces[0].text, "plain words");
    assert!(reader.is_complete_at_end());
}
