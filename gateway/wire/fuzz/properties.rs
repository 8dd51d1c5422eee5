//! What holds for any bytes at all. The fuzz targets look for bytes for which it does not hold, and
//! the tests of the crate replay the bytes that fuzzing has found.

use bytes::Bytes;
use countersign_record::Span;
use countersign_wire::{
    Dialect, Document, Edit, Extraction, Frame, Framing, Limits, Pointer, Scalar, StreamDecoder,
    StreamEvent, StreamReader,
};
use serde_json::Value;

/// Most bytes that one event may have.
const EVENT_MAX: usize = 1 << 16;
/// Texts shorter than this may be in the rest of a redacted stream by chance.
const TELLING: usize = 12;

/// Chunk lengths that the bytes themselves determine.
struct Chunks<'b> {
    rest: &'b [u8],
    state: u64,
}

impl<'b> Chunks<'b> {
    fn of(bytes: &'b [u8], seed: u64) -> Self {
        let mix = |state: u64, byte: &u8| (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        let state = bytes.iter().fold(0xcbf2_9ce4_8422_2325 ^ seed, mix);
        Self { rest: bytes, state }
    }
}

impl<'b> Iterator for Chunks<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // Mostly a few bytes, sometimes many, sometimes none.
        let width = if self.state >> 61 == 0 { 700 } else { 9 };
        let length = ((self.state >> 33) as usize % width).min(self.rest.len());
        let (chunk, rest) = self.rest.split_at(length);
        self.rest = rest;
        Some(chunk)
    }
}

fn events<'c>(
    framing: Framing,
    chunks: impl IntoIterator<Item = &'c [u8]>,
) -> Option<Vec<StreamEvent>> {
    let mut decoder = StreamDecoder::new(framing, EVENT_MAX);
    let mut events = Vec::new();
    for chunk in chunks {
        events.extend(decoder.push(chunk).ok()?);
    }
    events.extend(decoder.finish().ok()?);
    Some(events)
}

/// Any chunks give the same events, and the events are the bytes.
pub fn framing(framing: Framing, bytes: &[u8]) {
    let whole = events(framing, [bytes]);
    for seed in 0..3 {
        assert_eq!(events(framing, Chunks::of(bytes, seed)), whole);
    }
    if let Some(whole) = whole {
        let raw: Vec<u8> = whole.iter().flat_map(|e| e.raw.to_vec()).collect();
        assert_eq!(raw, bytes, "the events are the bytes");
    }
}

fn limits() -> Limits {
    Limits {
        leaves_max: 5000,
        ..Limits::default()
    }
}

fn frames(dialect: Dialect, framing: Framing, events: Vec<StreamEvent>) -> Option<Vec<Frame>> {
    let mut reader = StreamReader::new(dialect, framing, &limits());
    let mut frames = Vec::new();
    for event in events {
        frames.push(reader.read(event).ok()?);
    }
    let ended = frames.iter().any(|frame| frame.terminal);
    assert_eq!(reader.saw_terminal(), ended);
    assert!(!ended || reader.is_complete_at_end());
    Some(frames)
}

/// The whole of each channel, redacted.
fn everything(frames: &[Frame]) -> Vec<Edit> {
    let mut lengths: Vec<usize> = Vec::new();
    for piece in frames.iter().flat_map(|frame| &frame.pieces) {
        lengths.resize(lengths.len().max(piece.channel + 1), 0);
        let length = &mut lengths[piece.channel];
        assert_eq!(piece.start, *length, "pieces follow each other");
        *length += piece.text.len();
    }
    let edit = |(channel, end): (usize, usize)| Edit {
        channel,
        span: Span { start: 0, end },
        replacement: String::new(),
    };
    lengths.into_iter().enumerate().map(edit).collect()
}

/// What stays of a text that was redacted whole: numbers that keep keys apart, and escapes whose
/// other half is in another event.
fn is_residue(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_hexdigit() || "#\\u/\n".contains(c);
    text.len() <= 2 * TELLING && text.chars().all(inside)
}

/// Any chunks of a stream give the same frames; without an edit their bytes are the stream's; and
/// when all text is redacted, nothing of it is left, and what is left can be read.
pub fn stream(dialect: Dialect, framing: Framing, bytes: &[u8]) {
    self::framing(framing, bytes);
    let Some(whole) = events(framing, [bytes]) else {
        return;
    };
    let Some(frames) = frames(dialect, framing, whole) else {
        return;
    };
    let sent: Vec<u8> = frames.iter().flat_map(|f| f.bytes().to_vec()).collect();
    let common = sent.len().min(bytes.len());
    assert_eq!(sent[..common], bytes[..common], "what goes on is what came");
    assert!(sent[common..].iter().all(|b| *b == b'\n') && sent.len() - common <= 2);
    let kept: Vec<u8> = frames.iter().flat_map(|f| f.rewritten(&[])).collect();
    assert_eq!(kept, sent);

    let edits = everything(&frames);
    let rewritten: Vec<u8> = frames.iter().flat_map(|f| f.rewritten(&edits)).collect();
    // What nobody reads may be text once its surroundings are gone.
    if frames.iter().any(|frame| !frame.unscanned.is_empty()) {
        return;
    }
    let again = events(framing, [rewritten.as_slice()]).expect("our own events are events");
    let again = self::frames(dialect, framing, again).expect("our own events can be read");
    for piece in again.iter().flat_map(|frame| &frame.pieces) {
        assert!(is_residue(&piece.text), "{:?}", piece.text);
    }
    let rewritten = String::from_utf8(rewritten).expect("our own events are text");
    for piece in frames.iter().flat_map(|frame| &frame.pieces) {
        let text = piece.text.trim_end();
        assert!(!is_prose(text) || !rewritten.contains(text), "{text:?}");
    }
}

/// Whether a text is long enough to mean something and cannot be JSON around a text.
fn is_prose(text: &str) -> bool {
    let syntax = |c: char| "{}[]\":,".contains(c);
    let words = text
        .split(' ')
        .filter(|word| word.bytes().all(|b| b.is_ascii_alphabetic()) && !word.is_empty());
    text.len() >= TELLING && !text.contains(syntax) && words.count() > 1
}

/// The end of a stream that is blocked or faulty after any of its frames can be read.
pub fn endings(dialect: Dialect, framing: Framing, bytes: &[u8]) {
    let Some(events) = events(framing, [bytes]) else {
        return;
    };
    let mut reader = StreamReader::new(dialect, framing, &limits());
    for event in events {
        let Ok(frame) = reader.read(event) else {
            return;
        };
        reader.released(&frame);
        let refusal = countersign_wire::Refusal {
            kind: countersign_wire::RefusalKind::UpstreamFault,
            message: "It broke.",
            exchange: "0199-x",
            policy: None,
        };
        for end in [reader.block_frames(&refusal), reader.fault_frames(&refusal)] {
            let events = self::events(framing, [end.as_slice()]).expect("our own end is events");
            frames(dialect, framing, events).expect("our own end can be read");
        }
    }
}

/// A body that is strict JSON: each of its strings is a text, each of its scalars is where its
/// pointer says, and when all text is redacted, none is left.
pub fn document(dialect: Dialect, bytes: &[u8]) {
    let Ok(document) = Document::parse(Bytes::copy_from_slice(bytes), dialect, &limits()) else {
        return;
    };
    assert_eq!(document.redacted(&[]), bytes);
    let value: Value = serde_json::from_slice(bytes).expect("strict JSON is JSON");
    let mut leaves = Vec::new();
    walk(&value, String::new(), &mut leaves);
    for (pointer, leaf) in leaves.iter().take(200) {
        at(&document, pointer, leaf);
    }
    let texts = document.texts();
    if document.unscanned().is_empty() {
        for text in leaves.iter().filter_map(|(_, leaf)| leaf.as_str()) {
            // Escapes inside are undone, and base64 is decoded.
            let plain = !text.contains('\\') && text.contains([' ', '.', '"', '{']);
            assert!(!plain || texts.iter().any(|t| t.contains(text)), "{text:?}");
        }
    }
    let edit = |(channel, text): (usize, &String)| Edit {
        channel,
        span: Span {
            start: 0,
            end: text.len(),
        },
        replacement: String::new(),
    };
    let edits: Vec<Edit> = texts.iter().enumerate().map(edit).collect();
    let redacted = Bytes::from(document.redacted(&edits));
    let again = Document::parse(redacted, dialect, &limits()).expect("our own body can be read");
    if document.unscanned().is_empty() {
        assert!(
            again.texts().iter().all(|t| is_residue(t)),
            "{:?}",
            again.texts()
        );
    }
}

fn at(document: &Document, pointer: &str, leaf: &Value) {
    let Ok(parsed) = Pointer::parse(pointer) else {
        return;
    };
    match (document.at(&parsed), leaf) {
        (Some(Scalar::Text(text)), Value::String(leaf)) => assert_eq!(text, *leaf),
        (Some(Scalar::Bool(is)), Value::Bool(leaf)) => assert_eq!(is, *leaf),
        (Some(Scalar::Number(text)), Value::Number(leaf)) => {
            let read: serde_json::Number = serde_json::from_str(&text).expect("a number");
            assert_eq!(read, *leaf);
        }
        (None, Value::Null | Value::Array(_) | Value::Object(_)) => {}
        (found, leaf) => panic!("{pointer}: {found:?} is not {leaf}"),
    }
    let extraction = Extraction::new([("value", pointer)]).expect("a name and a pointer");
    assert!(extraction.of(document).len() <= 1);
}

fn walk(value: &Value, path: String, out: &mut Vec<(String, Value)>) {
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Array(items) => {
            for (nth, item) in items.iter().enumerate() {
                walk(item, format!("{path}/{nth}"), out);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                walk(member, format!("{path}/{}", escaped(key)), out);
            }
        }
        leaf => out.push((path, leaf.clone())),
    }
}

/// A dialect's streams and bodies, in either framing.
pub fn dialect(dialect: Dialect, bytes: &[u8]) {
    let native = if matches!(dialect, Dialect::OllamaChat | Dialect::OllamaGenerate) {
        Framing::Lines
    } else {
        Framing::Sse
    };
    stream(dialect, native, bytes);
    endings(dialect, native, bytes);
}

/// Everything that holds for the bytes of one fuzz target.
pub fn target(name: &str, bytes: &[u8]) {
    match name {
        "sse" => framing(Framing::Sse, bytes),
        "lines" => {
            framing(Framing::Lines, bytes);
            stream(Dialect::Raw, Framing::Lines, bytes);
        }
        "json_document" => {
            for dialect in Dialect::ALL {
                document(dialect, bytes);
            }
        }
        "openai_chat" => dialect(Dialect::OpenAiChat, bytes),
        "openai_responses" => dialect(Dialect::OpenAiResponses, bytes),
        "openai_completions" => dialect(Dialect::OpenAiCompletions, bytes),
        "anthropic_messages" => dialect(Dialect::AnthropicMessages, bytes),
        "gemini" => dialect(Dialect::Gemini, bytes),
        "ollama" => {
            dialect(Dialect::OllamaChat, bytes);
            dialect(Dialect::OllamaGenerate, bytes);
        }
        "kserve_raw" => {
            dialect(Dialect::KserveV2, bytes);
            dialect(Dialect::Raw, bytes);
        }
        _ => panic!("no target is called {name}"),
    }
}

/// The fuzz targets.
pub const TARGETS: [&str; 10] = [
    "sse",
    "lines",
    "json_document",
    "openai_chat",
    "openai_responses",
    "openai_completions",
    "anthropic_messages",
    "gemini",
    "ollama",
    "kserve_raw",
];
