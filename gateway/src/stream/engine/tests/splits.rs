//! However a stream is cut into chunks, and however slowly they come, its caller gets the same.

use std::path::Path;

use countersign_record::{Committer, Salt};
use countersign_wire::{Dialect, Framing};

use super::judge::{Kind, Outcome, carry, carry_with_glances, framing, whole};
use super::{DIALECTS, PROSE};
use crate::route::StreamMode;

/// Numbers from a fixed seed (xorshift, Marsaglia 2003).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound.max(1) as u64).unwrap()
    }

    fn cuts(&mut self, length: usize) -> Vec<usize> {
        let count = 1 + self.below(40);
        let mut cuts: Vec<usize> = (0..count).map(|_| self.below(length)).collect();
        cuts.sort_unstable();
        cuts
    }
}

fn chunks<'b>(bytes: &'b [u8], cuts: &[usize]) -> Vec<&'b [u8]> {
    let mut chunks = Vec::with_capacity(cuts.len() + 1);
    let mut from = 0;
    for cut in cuts {
        chunks.push(&bytes[from..*cut]);
        from = *cut;
    }
    chunks.push(&bytes[from..]);
    chunks
}

/// The commitments that a record of this outcome would hold, under a fixed salt.
fn digests(received: &[u8], outcome: &Outcome) -> [String; 3] {
    let start = Committer::new(&Salt::new([7; 32]));
    let (mut read, mut scanned, mut forwarded) = (start.clone(), start.clone(), start);
    read.update(received);
    for text in &outcome.scanned {
        scanned.update(text.as_bytes());
        scanned.update(&[0]);
    }
    forwarded.update(&outcome.released);
    [read, scanned, forwarded].map(|c| c.finish().as_str().to_owned())
}

/// Recordings in the shape that upstreams send, and streams that redact and deny.
fn streams() -> Vec<(String, Kind, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("wire/tests/wire/recordings");
    let mut streams = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let dialect = match stem {
            "openai" | "openai_logprobs" => Dialect::OpenAiChat,
            "openai_completions" => Dialect::OpenAiCompletions,
            "openai_responses" => Dialect::OpenAiResponses,
            "anthropic" => Dialect::AnthropicMessages,
            "gemini" => Dialect::Gemini,
            "ollama_chat" => Dialect::OllamaChat,
            "ollama_generate" => Dialect::OllamaGenerate,
            "kserve_generate" => Dialect::KserveV2,
            "raw" => Dialect::Raw,
            _ => panic!("{name}: of which dialect?"),
        };
        let framing = if path.extension().is_some_and(|e| e == "sse") {
            Framing::Sse
        } else {
            Framing::Lines
        };
        let dialect = (dialect, framing);
        streams.push((name, dialect, std::fs::read(&path).unwrap()));
    }
    let redacted = [
        PROSE,
        "Call ",
        "+49 30 1234",
        "5678 or pay with 4539 5787",
        " 6362 1486, ",
        "says anna.muster@",
        "example.org. ",
        PROSE,
    ];
    let denied = [PROSE, PROSE, "It is AKIAQ3EG", "XKZ7WLP5TVRN", ". ", PROSE];
    for dialect in DIALECTS {
        let name = dialect.name();
        let kind = (dialect, framing(dialect));
        let stream = whole(dialect, &redacted);
        streams.push((format!("{name} redacted"), kind, stream));
        streams.push((format!("{name} denied"), kind, whole(dialect, &denied)));
    }
    streams
}

#[test]
fn every_split_and_a_thousand_random_ones_give_the_same_outcome_and_the_same_digests() {
    for (name, kind, bytes) in streams() {
        let same = |mode: StreamMode, cuts: &[usize], expected: &Outcome| {
            let outcome = carry(kind, mode, chunks(&bytes, cuts));
            assert_eq!(outcome, *expected, "{name} {mode:?} cut at {cuts:?}");
            assert_eq!(digests(&bytes, &outcome), digests(&bytes, expected));
        };
        let mut seeded = Seeded(0x5eed_0001);
        for mode in [StreamMode::Hold, StreamMode::Optimistic] {
            let expected = carry(kind, mode, [bytes.as_slice()]);
            assert_eq!(expected.fault, None, "{name}");
            for _ in 0..1000 {
                same(mode, &seeded.cuts(bytes.len()), &expected);
            }
            // The modes differ in when text leaves, not in what is read.
            let every = if mode == StreamMode::Hold {
                0..=bytes.len()
            } else {
                0..=0
            };
            for cut in every {
                same(mode, &[cut], &expected);
            }
        }
    }
}

#[test]
fn glances_between_strides_change_nothing_but_when_text_leaves() {
    for (name, dialect, bytes) in streams() {
        let expected = carry(dialect, StreamMode::Hold, [bytes.as_slice()]);
        let mut seeded = Seeded(0x5eed_0002);
        for _ in 0..1000 {
            let cuts = seeded.cuts(bytes.len());
            let pattern = seeded.below(1 << 41);
            let parts = chunks(&bytes, &cuts);
            let glanced = |index: usize| (pattern >> index) & 1 == 1;
            let outcome = carry_with_glances(dialect, StreamMode::Hold, parts, glanced);
            // A glance may find a credential before the stride does; nothing else may differ.
            assert_eq!(outcome.denied, expected.denied, "{name} {cuts:?}");
            if !outcome.denied {
                assert_eq!(outcome, expected, "{name} {cuts:?} {pattern:b}");
            }
        }
    }
}
