//! Streams of each dialect that say given deltas, and repeat them where the dialect does.

use countersign_wire::{Dialect, Framing};
use serde_json::{Value, json};

/// The dialects that stream text.
pub(crate) const SPOKEN: [(Dialect, Framing); 9] = [
    (Dialect::OpenAiChat, Framing::Sse),
    (Dialect::OpenAiCompletions, Framing::Sse),
    (Dialect::OpenAiResponses, Framing::Sse),
    (Dialect::AnthropicMessages, Framing::Sse),
    (Dialect::Gemini, Framing::Sse),
    (Dialect::OllamaChat, Framing::Lines),
    (Dialect::OllamaGenerate, Framing::Lines),
    (Dialect::KserveV2, Framing::Sse),
    (Dialect::Raw, Framing::Lines),
];

/// A stream that says `deltas` in each channel in which the dialect can say text.
pub(crate) fn stream(dialect: Dialect, deltas: &[String]) -> String {
    match dialect {
        Dialect::OpenAiChat => chat(deltas),
        Dialect::OpenAiCompletions => completions(deltas),
        Dialect::OpenAiResponses => responses(deltas),
        Dialect::AnthropicMessages => anthropic(deltas),
        Dialect::Gemini => sse(deltas
            .iter()
            .map(|d| gemini(d, false))
            .chain([gemini("", true)])),
        Dialect::OllamaChat => lines(
            deltas
                .iter()
                .map(|d| ollama_chat(d, false))
                .chain([ollama_chat("", true)]),
        ),
        Dialect::OllamaGenerate => lines(
            deltas
                .iter()
                .map(|d| json!({ "model": "m", "response": d, "thinking": d, "done": false }))
                .chain([
                    json!({ "model": "m", "response": "", "done": true, "context": [11, 41] }),
                ]),
        ),
        Dialect::KserveV2 => sse(deltas.iter().map(|d| json!({ "text_output": d }))),
        _ => lines(
            deltas
                .iter()
                .map(|d| json!({ "piece": d, "bytes": d.as_bytes() })),
        ),
    }
}

fn sse(events: impl Iterator<Item = Value>) -> String {
    events.map(|event| format!("data: {event}\n\n")).collect()
}

fn lines(events: impl Iterator<Item = Value>) -> String {
    events.map(|event| format!("{event}\n")).collect()
}

fn named(events: &[Value]) -> String {
    events
        .iter()
        .map(|event| {
            let name = event["type"].as_str().unwrap();
            format!("event: {name}\ndata: {event}\n\n")
        })
        .collect()
}

/// A token that says `text`, with itself as the first of two alternatives.
fn token(text: &str, bytes: &[u8]) -> Value {
    json!({ "token": text, "logprob": -0.1, "bytes": bytes, "top_logprobs": [
        { "token": text, "logprob": -0.1, "bytes": bytes },
        { "token": "x", "logprob": -3.0, "bytes": [120] },
    ] })
}

fn in_json(text: &str) -> String {
    let quoted = json!(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn chat(deltas: &[String]) -> String {
    let mut choices: Vec<Value> = vec![json!({ "index": 0, "delta": { "tool_calls": [
        { "index": 0, "id": "c", "type": "function", "function": { "name": "f", "arguments": "{\"a\":\"" } } ] } })];
    for delta in deltas {
        let (content, logprobs) = (json!([token(delta, delta.as_bytes())]), Value::Null);
        choices.extend([
            json!({ "index": 0, "delta": { "content": delta, "reasoning_content": delta },
                "logprobs": { "content": content, "refusal": logprobs } }),
            json!({ "index": 1, "delta": { "refusal": delta, "reasoning": delta } }),
            json!({ "index": 0, "delta": { "tool_calls": [{ "index": 0, "function": { "arguments": in_json(delta) } }] } }),
            json!({ "index": 1, "delta": { "audio": { "transcript": delta } } }),
        ]);
    }
    let mut out = sse(choices
        .into_iter()
        .map(|choice| json!({ "choices": [choice] })));
    out.push_str("data: [DONE]\n\n");
    out
}

pub(crate) fn chat_with_bytes(deltas: &[String], bytes: &[&[u8]]) -> String {
    let said = deltas.iter().zip(bytes);
    sse(said.map(|(delta, bytes)| {
        json!({ "choices": [{ "index": 0, "delta": {},
            "logprobs": { "content": [token(delta, bytes)] } }] })
    }))
}

fn completions(deltas: &[String]) -> String {
    let mut out = sse(deltas.iter().map(|delta| {
        json!({ "choices": [{ "index": 0, "text": delta, "logprobs": {
            "tokens": [delta], "token_logprobs": [-0.1], "text_offset": [0],
            "top_logprobs": [{ delta: -0.1, "x": -2.0 }] } }] })
    }));
    out.push_str("data: [DONE]\n\n");
    out
}

fn responses(deltas: &[String]) -> String {
    let text = deltas.concat();
    let arguments = format!("{{\"a\":\"{}\"}}", in_json(&text));
    let tokens: Vec<Value> = deltas.iter().map(|d| token(d, d.as_bytes())).collect();
    let part =
        json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": tokens });
    let message = json!({ "id": "m", "type": "message", "role": "assistant", "content": [part] });
    let call = json!({ "id": "f", "type": "function_call", "name": "f", "arguments": arguments });
    let thought = json!({ "id": "r", "type": "reasoning", "summary": [{ "type": "summary_text", "text": text }] });
    let mut events = vec![
        json!({ "type": "response.created", "response": { "id": "r", "status": "in_progress" } }),
    ];
    let args = ["{\"a\":\"".to_owned()];
    let args = args
        .into_iter()
        .chain(deltas.iter().map(|d| in_json(d)))
        .chain(["\"}".to_owned()]);
    for delta in args {
        events.push(json!({ "type": "response.function_call_arguments.delta", "output_index": 1, "delta": delta }));
    }
    for delta in deltas {
        events.extend([
            json!({ "type": "response.output_text.delta", "output_index": 0, "content_index": 0,
                "delta": delta, "logprobs": [token(delta, delta.as_bytes())] }),
            json!({ "type": "response.reasoning_summary_text.delta", "output_index": 2, "summary_index": 0, "delta": delta }),
            json!({ "type": "response.refusal.delta", "output_index": 3, "content_index": 0, "delta": delta }),
        ]);
    }
    events.extend([
        json!({ "type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": text, "logprobs": tokens }),
        json!({ "type": "response.content_part.done", "output_index": 0, "content_index": 0, "part": part }),
        json!({ "type": "response.function_call_arguments.done", "output_index": 1, "arguments": arguments }),
        json!({ "type": "response.refusal.done", "output_index": 3, "content_index": 0, "refusal": text }),
        json!({ "type": "response.output_item.done", "output_index": 0, "item": message }),
        json!({ "type": "response.completed", "response": { "id": "r", "status": "completed", "output": [thought, message, call] } }),
    ]);
    named(&events)
}

fn anthropic(deltas: &[String]) -> String {
    let mut events = vec![
        json!({ "type": "message_start", "message": { "id": "m", "model": "c", "content": [] } }),
        json!({ "type": "content_block_delta", "index": 2, "delta": { "type": "input_json_delta", "partial_json": "{\"a\":\"" } }),
    ];
    for delta in deltas {
        events.extend([
            json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "thinking_delta", "thinking": delta } }),
            json!({ "type": "content_block_delta", "index": 1, "delta": { "type": "text_delta", "text": delta } }),
            json!({ "type": "content_block_delta", "index": 2, "delta": { "type": "input_json_delta", "partial_json": in_json(delta) } }),
        ]);
    }
    let text = deltas.concat();
    events.push(json!({ "type": "content_block_start", "index": 3, "content_block": { "type": "web_search_tool_result", "content": [{ "type": "web_search_result", "encrypted_content": text }] } }));
    events.push(json!({ "type": "message_stop" }));
    named(&events)
}

fn gemini(delta: &str, last: bool) -> Value {
    let chosen = json!([{ "token": delta, "tokenId": 7, "logProbability": -0.1 }]);
    let top = json!([{ "candidates": [
        { "token": delta, "tokenId": 7, "logProbability": -0.1 },
        { "token": "x", "tokenId": 8, "logProbability": -2.0 },
    ] }]);
    let mut value = json!({ "candidates": [
        { "content": { "parts": [{ "text": delta }, { "text": delta, "thought": true }], "role": "model" },
          "logprobsResult": { "topCandidates": top, "chosenCandidates": chosen } },
        { "index": 1, "content": { "parts": [{ "functionCall": { "name": "f", "args": { "a": delta } } }] } },
    ] });
    if last {
        value["candidates"][0]["finishReason"] = json!("STOP");
    }
    value
}

fn ollama_chat(delta: &str, done: bool) -> Value {
    json!({ "model": "m", "message": { "role": "assistant", "content": delta, "thinking": delta },
        "logprobs": [token(delta, delta.as_bytes())], "done": done })
}
