//! What a caller is told, whole and in the middle of a stream.

use countersign_wire::{
    Dialect, Frame, Framing, Refusal, RefusalKind, decision_comment, refusal_body,
};
use serde_json::{Value, json};

use crate::recordings::{ALL, ANTHROPIC, OPENAI, blocked, decode, events, reader};

fn body(dialect: Dialect, kind: RefusalKind) -> Value {
    serde_json::from_slice(&refusal_body(dialect, &Refusal { kind, ..blocked() })).unwrap()
}

fn every_kind() -> [(RefusalKind, u16, &'static str, &'static str); 12] {
    use RefusalKind as K;
    let rules = vec!["no-cards".to_owned()];
    [
        (
            K::Blocked { rules },
            400,
            "content_filter",
            "invalid_request_error",
        ),
        (K::BadRequest, 400, "bad_request", "invalid_request_error"),
        (K::NotFound, 404, "not_found", "not_found_error"),
        (K::TooLarge, 413, "too_large", "request_too_large"),
        (K::Unsupported, 415, "unsupported", "invalid_request_error"),
        (K::RateLimited, 429, "rate_limited", "rate_limit_error"),
        (K::UpstreamFault, 502, "upstream_fault", "api_error"),
        (K::UpstreamTimeout, 504, "upstream_timeout", "timeout_error"),
        (K::NotEvaluated, 503, "not_evaluated", "api_error"),
        (
            K::EvidenceUnavailable,
            503,
            "evidence_unavailable",
            "api_error",
        ),
        (K::Overloaded, 503, "overloaded", "overloaded_error"),
        (K::Internal, 500, "internal", "api_error"),
    ]
}

#[test]
fn every_kind_has_its_status_and_code_in_every_dialect() {
    for (kind, status, code, anthropic) in every_kind() {
        assert_eq!((kind.status(), kind.code()), (status, code));
        for dialect in Dialect::ALL {
            let body = body(dialect, kind.clone());
            match dialect.name().split('.').next().unwrap() {
                "anthropic" => {
                    let expected = json!({ "type": "error", "request_id": "0199-x",
                        "error": { "type": anthropic, "message": "Withheld by policy." } });
                    assert_eq!(body, expected);
                }
                "ollama" | "kserve" => {
                    assert_eq!(body["error"], "Withheld by policy.");
                    assert_eq!(body["code"], code);
                    assert_eq!(body["exchange"], "0199-x");
                }
                "gemini" => {
                    let error = &body["error"];
                    assert_eq!(error["code"], status);
                    assert_eq!(error["message"], "Withheld by policy.");
                    let details = &error["details"][0];
                    assert_eq!(details["reason"], code.to_ascii_uppercase());
                    assert_eq!(details["metadata"]["exchange"], "0199-x");
                }
                _ => {
                    let error = &body["error"];
                    assert_eq!(error["code"], code);
                    assert_eq!(error["message"], "Withheld by policy.");
                    assert_eq!(error["innererror"]["exchange"], "0199-x");
                    assert!(error["param"].is_null() && error["type"].is_string());
                }
            }
        }
    }
}

#[test]
fn a_google_status_is_one_of_the_canonical_codes() {
    let table = [
        (RefusalKind::BadRequest, "INVALID_ARGUMENT"),
        (RefusalKind::NotFound, "NOT_FOUND"),
        (RefusalKind::RateLimited, "RESOURCE_EXHAUSTED"),
        (RefusalKind::NotEvaluated, "UNAVAILABLE"),
        (RefusalKind::UpstreamTimeout, "DEADLINE_EXCEEDED"),
        (RefusalKind::Internal, "INTERNAL"),
    ];
    for (kind, status) in table {
        assert_eq!(body(Dialect::Gemini, kind)["error"]["status"], status);
    }
    let expected = json!({ "error": {
        "code": 400, "message": "Withheld by policy.", "status": "INVALID_ARGUMENT",
        "details": [{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "CONTENT_FILTER",
            "domain": "countersign", "metadata": {
                "exchange": "0199-x", "policy": "default@abc", "rules": "no-cards" },
        }],
    }});
    assert_eq!(body(Dialect::Gemini, blocked().kind), expected);
}

#[test]
fn a_block_has_the_inner_error_that_filter_handlers_know() {
    let kind = blocked().kind;
    let expected = json!({ "error": {
        "message": "Withheld by policy.", "type": "invalid_request_error", "param": null,
        "code": "content_filter",
        "innererror": {
            "code": "PolicyViolation", "exchange": "0199-x", "policy": "default@abc",
            "rules": ["no-cards"],
            "content_filter_result": { "no-cards": { "filtered": true, "detected": true } },
        },
    }});
    assert_eq!(body(Dialect::OpenAiChat, kind), expected);
}

#[test]
fn a_decision_comment_is_one_comment_whatever_it_is_given() {
    assert_eq!(
        decision_comment(Dialect::OpenAiChat, Framing::Sse, "e1", "permit"),
        b": countersign exchange=e1 decision=permit\n\n"
    );
    for (dialect, framing) in [
        (Dialect::OllamaChat, Framing::Lines),
        (Dialect::Gemini, Framing::Sse),
    ] {
        assert!(decision_comment(dialect, framing, "e1", "permit").is_empty());
    }
    let odd = decision_comment(
        Dialect::OpenAiChat,
        Framing::Sse,
        "e\r\n\r\ndata: x",
        "a\nb",
    );
    let events = events([odd.as_slice()]);
    assert!(events.len() == 1 && events[0].data.is_empty());
}

/// Reads a recording, releases its first `count` frames, and blocks.
pub(crate) fn block_after(
    dialect: Dialect,
    framing: Framing,
    recording: &str,
    count: usize,
) -> Vec<(Option<String>, Value)> {
    let mut reader = reader(dialect, framing);
    let frames: Vec<Frame> = decode(framing, [recording.as_bytes()])
        .unwrap()
        .into_iter()
        .map(|e| reader.read(e).unwrap())
        .collect();
    for frame in frames.iter().take(count) {
        reader.released(frame);
    }
    let bytes = reader.block_frames(&blocked());
    let parsed = decode(framing, [bytes.as_slice()]).unwrap();
    let end: &[u8] = if framing == Framing::Sse {
        b"\n\n"
    } else {
        b"\n"
    };
    assert!(parsed.iter().all(|e| e.raw.ends_with(end)));
    let mut again = self::reader(dialect, framing);
    for event in parsed.clone() {
        assert!(again.read(event).is_ok(), "our own frames are strict");
    }
    assert!(again.is_complete_at_end());
    let value = |data: &str| serde_json::from_str(data).unwrap_or_else(|_| json!(data));
    parsed
        .into_iter()
        .map(|e| (e.event, value(&e.data)))
        .collect()
}

#[test]
fn a_blocked_openai_stream_finishes_each_open_choice_then_is_done() {
    let frames = block_after(Dialect::OpenAiChat, Framing::Sse, OPENAI, 5);
    assert!(
        frames.iter().all(|(event, _)| event.is_none()),
        "no named event on this dialect"
    );
    let (done, chunks) = frames.split_last().unwrap();
    assert_eq!(done.1, json!("[DONE]"));
    let choices: Vec<&Value> = chunks
        .iter()
        .map(|(_, chunk)| &chunk["choices"][0])
        .collect();
    assert_eq!(choices.len(), 2);
    for (index, choice) in choices.into_iter().enumerate() {
        let expected = json!({ "index": index, "delta": {}, "logprobs": null,
            "finish_reason": "content_filter" });
        assert_eq!(*choice, expected);
    }
    for (_, chunk) in chunks {
        assert_eq!(chunk["id"], "chatcmpl-9xKq");
        assert_eq!(chunk["object"], "chat.completion.chunk");
        assert_eq!(chunk["created"], 1_763_970_000);
        assert_eq!(chunk["model"], "gpt-4o-mini-2024-07-18");
        assert_eq!(chunk["countersign"]["rules"], json!(["no-cards"]));
    }
}

#[test]
fn a_choice_that_the_caller_saw_finish_stays_finished_unless_all_did() {
    let indexes = |count: usize| -> Vec<u64> {
        let frames = block_after(Dialect::OpenAiChat, Framing::Sse, OPENAI, count);
        frames
            .iter()
            .filter_map(|(_, f)| f["choices"][0]["index"].as_u64())
            .collect()
    };
    let finished_one = OPENAI
        .split("\n\n")
        .position(|e| e.contains("\"stop\""))
        .unwrap()
        + 1;
    assert_eq!(indexes(finished_one - 1), [0, 1]);
    assert_eq!(indexes(finished_one), [0]);
    assert_eq!(indexes(finished_one + 1), [0, 1], "a block is never silent");
}

#[test]
fn a_blocked_anthropic_stream_closes_what_is_open_then_stops_with_a_refusal() {
    let names = |frames: &[(Option<String>, Value)]| -> Vec<String> {
        frames
            .iter()
            .map(|(event, data)| {
                let event = event.clone().unwrap();
                assert_eq!(data["type"], event.as_str(), "name and type agree");
                event
            })
            .collect()
    };
    let open = block_after(Dialect::AnthropicMessages, Framing::Sse, ANTHROPIC, 4);
    assert_eq!(
        names(&open),
        ["content_block_stop", "message_delta", "message_stop"]
    );
    assert_eq!(open[0].1["index"], 0);
    let expected = json!({ "type": "message_delta",
        "delta": { "stop_reason": "refusal", "stop_sequence": null, "stop_details": {
            "type": "refusal", "category": null, "explanation": "Withheld by policy." } },
        "usage": { "output_tokens": 89 } });
    assert_eq!(open[1].1, expected);

    let closed = block_after(Dialect::AnthropicMessages, Framing::Sse, ANTHROPIC, 7);
    assert_eq!(names(&closed), ["message_delta", "message_stop"]);

    let nothing = block_after(Dialect::AnthropicMessages, Framing::Sse, ANTHROPIC, 0);
    assert_eq!(
        names(&nothing),
        ["message_start", "message_delta", "message_stop"]
    );
    assert_eq!(nothing[0].1["message"]["content"], json!([]));
}

#[test]
fn a_blocked_stream_of_another_api_ends_with_the_error() {
    let frames = block_after(Dialect::Raw, Framing::Sse, "data: {\"a\":\"b\"}\n\n", 1);
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].1, body(Dialect::Raw, blocked().kind));
}

#[test]
fn a_block_after_any_number_of_frames_is_well_formed() {
    for (dialect, framing, recording) in ALL {
        for count in 0..=decode(framing, [recording.as_bytes()]).unwrap().len() {
            assert!(!block_after(dialect, framing, recording, count).is_empty());
        }
    }
}

#[test]
fn an_id_that_is_no_identifier_is_not_repeated() {
    let stream = "data: {\"id\":\"call me at 555\",\"model\":\"a b\",\"choices\":[]}\n\n";
    let frames = block_after(Dialect::OpenAiChat, Framing::Sse, stream, 1);
    assert_eq!(frames[0].1["id"], "chatcmpl-0199-x");
    assert_eq!(frames[0].1["model"], "unknown");
}
