//! However a recording is cut, it gives the same frames, texts, bytes and redactions.

use countersign_wire::{Dialect, Edit, Frame, Framing, Piece};
use proptest::prelude::*;

use crate::properties;
use crate::recordings::{ALL, decode, reader, variants};
use crate::stream_redaction::edits_for;

const SECRET: &str = "4111 1111 1111 1111";

/// Everything that a reader says of a stream.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    pieces: Vec<Vec<Piece>>,
    bytes: Vec<Vec<u8>>,
    redacted: Vec<Vec<u8>>,
    edits: Vec<Edit>,
    terminal: Vec<bool>,
}

fn said<'c>(
    dialect: Dialect,
    framing: Framing,
    chunks: impl IntoIterator<Item = &'c [u8]>,
) -> Said {
    let mut reader = reader(dialect, framing);
    let frames: Vec<Frame> = decode(framing, chunks)
        .unwrap()
        .into_iter()
        .map(|event| reader.read(event).unwrap())
        .collect();
    let edits = edits_for(&frames, SECRET);
    Said {
        pieces: frames.iter().map(|f| f.pieces.clone()).collect(),
        bytes: frames.iter().map(|f| f.bytes().to_vec()).collect(),
        redacted: frames.iter().map(|f| f.rewritten(&edits)).collect(),
        terminal: frames.iter().map(|f| f.terminal).collect(),
        edits,
    }
}

#[test]
fn every_split_point_of_every_recording_gives_the_same_frames() {
    for (dialect, framing, recording) in ALL {
        let bytes = recording.as_bytes();
        let whole = said(dialect, framing, [bytes]);
        assert!(!whole.edits.is_empty(), "{dialect:?} says the secret");
        let whole_events = decode(framing, [bytes]).unwrap();
        for at in 0..=bytes.len() {
            // Frames are a function of events; the events are compared at every point.
            let (a, b) = bytes.split_at(at);
            assert_eq!(
                decode(framing, [a, b]).unwrap(),
                whole_events,
                "split at {at}"
            );
        }
        for at in (0..=bytes.len()).step_by(bytes.len() / 40 + 1) {
            let (a, b) = bytes.split_at(at);
            assert_eq!(said(dialect, framing, [a, b]), whole, "split at {at}");
        }
        assert_eq!(said(dialect, framing, bytes.chunks(1)), whole);
    }
}

/// The seed of the random splits: `COUNTERSIGN_SEED`, or the time.
fn seed() -> u64 {
    let given = std::env::var("COUNTERSIGN_SEED").ok();
    let seed = given.and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        now.as_nanos() as u64
    });
    println!("COUNTERSIGN_SEED={seed}");
    seed
}

#[test]
fn a_thousand_random_splits_of_every_recording_give_the_same_frames() {
    let mut state = seed() | 1;
    let mut random = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % bound
    };
    for (dialect, framing, recording) in ALL {
        let variants = variants(framing, recording);
        let streams: Vec<_> = variants
            .iter()
            .map(|stream| (stream, decode(framing, [stream.as_bytes()]).unwrap()))
            .collect();
        for round in 0..1000 {
            let (stream, whole) = &streams[round % streams.len()];
            let bytes = stream.as_bytes();
            let mut at: Vec<usize> = (0..=random(40)).map(|_| random(bytes.len() + 1)).collect();
            at.sort_unstable();
            at.push(bytes.len());
            let mut from = 0;
            let chunks: Vec<&[u8]> = at
                .into_iter()
                .map(|to| &bytes[std::mem::replace(&mut from, to)..to])
                .collect();
            assert_eq!(
                decode(framing, chunks.iter().copied()).unwrap(),
                *whole,
                "{dialect:?}"
            );
            if round % 50 == 0 {
                let expected = said(dialect, framing, [bytes]);
                assert_eq!(said(dialect, framing, chunks), expected, "{dialect:?}");
            }
        }
    }
}

#[test]
fn what_holds_for_any_bytes_holds_for_every_recording() {
    for (dialect, framing, recording) in ALL {
        for stream in variants(framing, recording) {
            properties::stream(dialect, framing, stream.as_bytes());
        }
        properties::endings(dialect, framing, recording.as_bytes());
        // A stream in another dialect's words is read or refused.
        for other in Dialect::ALL {
            properties::stream(other, framing, recording.as_bytes());
        }
    }
    for (dialect, _, body) in crate::canaries::BODIES {
        properties::document(dialect, body.as_bytes());
    }
}

#[test]
fn what_holds_for_any_bytes_holds_for_all_that_fuzzing_has_found() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut replayed = 0;
    for target in properties::TARGETS {
        for entry in std::fs::read_dir(corpus.join(target)).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let held = std::panic::catch_unwind(|| properties::target(target, &bytes));
            assert!(held.is_ok(), "{}", path.display());
            replayed += 1;
        }
    }
    println!("{replayed} inputs");
    assert!(
        replayed >= 2 * properties::TARGETS.len(),
        "each target has seeds"
    );
}

fn words() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(vec![
        "data: ",
        "data:",
        "event: ",
        ": ",
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"choices\"",
        "\"delta\"",
        "\"content\"",
        "\"text\"",
        "\"token\"",
        "\"bytes\"",
        "\"logprob\"",
        "\"index\"",
        "\"type\"",
        "\"message\"",
        "\"error\"",
        "\"done\"",
        "1",
        "0",
        "true",
        "null",
        "\\u00",
        "e9",
        "\\",
        "[DONE]",
        "{\"a\":\"b\"}",
        "é",
        "\u{feff}",
    ]);
    prop::collection::vec(word, 0..60).prop_map(|words| words.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for target in properties::TARGETS {
            properties::target(target, &bytes);
        }
    }

    #[test]
    fn any_words_of_streams_are_read_or_refused(bytes in words()) {
        for target in properties::TARGETS {
            properties::target(target, &bytes);
        }
    }
}
