//! Streams in the shape that upstreams send them, and ways to read them.

use countersign_wire::{
    Dialect, Frame, Framing, Limits, Refusal, RefusalKind, StreamDecoder, StreamEvent, StreamReader,
};

pub(crate) const OPENAI: &str = include_str!("recordings/openai.sse");
pub(crate) const ANTHROPIC: &str = include_str!("recordings/anthropic.sse");
pub(crate) const RAW: &str = include_str!("recordings/raw.sse");

pub(crate) const ALL: [(Dialect, &str); 3] = [
    (Dialect::OpenAiChat, OPENAI),
    (Dialect::AnthropicMessages, ANTHROPIC),
    (Dialect::Raw, RAW),
];

pub(crate) fn events<'c>(chunks: impl IntoIterator<Item = &'c [u8]>) -> Vec<StreamEvent> {
    let mut decoder = StreamDecoder::new(Framing::Sse, 1 << 20);
    let mut events = Vec::new();
    for chunk in chunks {
        events.extend(decoder.push(chunk).unwrap());
    }
    events.extend(decoder.finish().unwrap());
    events
}

pub(crate) fn frames(dialect: Dialect, stream: &str) -> (Vec<Frame>, StreamReader) {
    let mut reader = StreamReader::new(dialect, Framing::Sse, &Limits::default());
    let events = events([stream.as_bytes()]);
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
