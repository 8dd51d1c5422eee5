//! Streams in the shape that upstreams send them, and ways to read them.

use countersign_wire::{
    DecodeError, Dialect, Frame, Framing, Limits, Refusal, RefusalKind, StreamDecoder, StreamEvent,
    StreamReader,
};

pub(crate) const OPENAI: &str = include_str!("recordings/openai.sse");
pub(crate) const LOGPROBS: &str = include_str!("recordings/openai_logprobs.sse");
pub(crate) const COMPLETIONS: &str = include_str!("recordings/openai_completions.sse");
pub(crate) const RESPONSES: &str = include_str!("recordings/openai_responses.sse");
pub(crate) const ANTHROPIC: &str = include_str!("recordings/anthropic.sse");
pub(crate) const GEMINI: &str = include_str!("recordings/gemini.sse");
pub(crate) const OLLAMA_CHAT: &str = include_str!("recordings/ollama_chat.ndjson");
pub(crate) const OLLAMA_GENERATE: &str = include_str!("recordings/ollama_generate.ndjson");
pub(crate) const KSERVE: &str = include_str!("recordings/kserve_generate.sse");
pub(crate) const RAW: &str = include_str!("recordings/raw.sse");
pub(crate) const RAW_LINES: &str = include_str!("recordings/raw.ndjson");

pub(crate) const ALL: [(Dialect, Framing, &str); 11] = [
    (Dialect::OpenAiChat, Framing::Sse, OPENAI),
    (Dialect::OpenAiChat, Framing::Sse, LOGPROBS),
    (Dialect::OpenAiCompletions, Framing::Sse, COMPLETIONS),
    (Dialect::OpenAiResponses, Framing::Sse, RESPONSES),
    (Dialect::AnthropicMessages, Framing::Sse, ANTHROPIC),
    (Dialect::Gemini, Framing::Sse, GEMINI),
    (Dialect::OllamaChat, Framing::Lines, OLLAMA_CHAT),
    (Dialect::OllamaGenerate, Framing::Lines, OLLAMA_GENERATE),
    (Dialect::KserveV2, Framing::Sse, KSERVE),
    (Dialect::Raw, Framing::Sse, RAW),
    (Dialect::Raw, Framing::Lines, RAW_LINES),
];

/// The same stream with other line ends, and with what else servers do.
pub(crate) fn variants(framing: Framing, stream: &str) -> Vec<String> {
    let stream = &stream.replace("\r\n", "\n");
    if framing == Framing::Lines {
        return vec![
            stream.clone(),
            stream.replace('\n', "\r\n"),
            stream.trim_end().to_owned(),
            stream.replace('\n', "\n\n"),
        ];
    }
    vec![
        stream.clone(),
        stream.replace('\n', "\r\n"),
        stream.replace('\n', "\r"),
        format!("\u{feff}{stream}"),
        stream.replace("data: ", "data:"),
        stream.trim_end().to_owned(),
        format!("{}\r", stream.replace('\n', "\r\n").trim_end()),
        stream.replace("data: ", ": keep-alive\r\ndata: "),
    ]
}

pub(crate) fn decode<'c>(
    framing: Framing,
    chunks: impl IntoIterator<Item = &'c [u8]>,
) -> Result<Vec<StreamEvent>, DecodeError> {
    let mut decoder = StreamDecoder::new(framing, 1 << 20);
    let mut events = Vec::new();
    for chunk in chunks {
        events.extend(decoder.push(chunk)?);
    }
    events.extend(decoder.finish()?);
    Ok(events)
}

pub(crate) fn events<'c>(chunks: impl IntoIterator<Item = &'c [u8]>) -> Vec<StreamEvent> {
    decode(Framing::Sse, chunks).unwrap()
}

pub(crate) fn reader(dialect: Dialect, framing: Framing) -> StreamReader {
    StreamReader::new(dialect, framing, &Limits::default())
}

pub(crate) fn frames(
    dialect: Dialect,
    framing: Framing,
    stream: &str,
) -> (Vec<Frame>, StreamReader) {
    let mut reader = reader(dialect, framing);
    let events = decode(framing, [stream.as_bytes()]).unwrap();
    let frames = events
        .into_iter()
        .map(|event| reader.read(event).unwrap())
        .collect();
    (frames, reader)
}

/// The text of each channel.
pub(crate) fn channels(frames: &[Frame]) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for piece in frames.iter().flat_map(|frame| &frame.pieces) {
        texts.resize(texts.len().max(piece.channel + 1), String::new());
        assert_eq!(
            piece.start,
            texts[piece.channel].len(),
            "pieces follow each other"
        );
        texts[piece.channel].push_str(&piece.text);
    }
    texts
}

pub(crate) fn blocked() -> Refusal<'static> {
    Refusal {
        kind: RefusalKind::Blocked {
            rules: vec!["no-cards".to_owned()],
        },
        message: "Withheld by policy.",
        exchange: "0199-x",
        policy: Some("default@abc"),
    }
}
