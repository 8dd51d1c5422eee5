//! Server-sent events from any chunks.

use countersign_wire::{DecodeError, Framing, StreamDecoder, StreamEvent};
use proptest::prelude::*;

use crate::recordings::{ANTHROPIC, OPENAI, RAW, decode, events, variants};

const STREAMS: [&str; 3] = [OPENAI, ANTHROPIC, RAW];

/// Name and data of each event.
fn read(stream: &str) -> Vec<(Option<String>, String)> {
    let events = events([stream.as_bytes()]);
    let raw: Vec<u8> = events.iter().flat_map(|e| e.raw.to_vec()).collect();
    assert_eq!(raw, stream.as_bytes(), "the raw bytes are the stream");
    events.into_iter().map(|e| (e.event, e.data)).collect()
}

fn data(stream: &str) -> Vec<String> {
    read(stream).into_iter().map(|(_, data)| data).collect()
}

#[test]
fn framing_follows_the_standard() {
    let table: [(&str, &[&str]); 13] = [
        ("data: a\n\ndata: b\n\n", &["a", "b"]),
        ("data: a\r\n\r\ndata: b\r\n\r\n", &["a", "b"]),
        ("data: a\r\rdata: b\r\r", &["a", "b"]),
        ("data: a\r\n\ndata: b\n\r\n", &["a", "b"]),
        ("data: a\ndata: b\n\n", &["a\nb"]),
        ("data: a\rdata: b\r\n\r", &["a\nb"]),
        ("data:a\n\ndata:  b\n\n", &["a", " b"]),
        ("data\ndata\n\n", &["\n"]),
        ("\u{feff}data: a\n\n", &["a"]),
        ("data: a", &["a"]),
        ("data: a\n", &["a"]),
        ("data: a: b\n\n", &["a: b"]),
        ("", &[]),
    ];
    for (stream, expected) in table {
        assert_eq!(data(stream), expected, "{stream:?}");
    }
}

#[test]
fn the_last_name_counts_and_comments_are_events_without_data() {
    let events = read(": hello\nevent: a\nid: 7\nevent: b\nodd\ndata: x\n\n: alone\n\n");
    assert_eq!(
        events,
        [
            (Some("b".to_owned()), "x".to_owned()),
            (None, String::new())
        ]
    );
}

#[test]
fn a_byte_order_mark_counts_only_at_the_start() {
    assert_eq!(data("\u{feff}data: a\n\n\u{feff}data: b\n\n"), ["a", ""]);
}

#[test]
fn an_event_is_given_as_soon_as_its_blank_line_is_whole() {
    let mut decoder = StreamDecoder::new(Framing::Sse, 100);
    assert!(decoder.push(b"data: a\r\n\r").unwrap().is_empty());
    assert_eq!(decoder.push(b"\n").unwrap().len(), 1);
    assert_eq!(decoder.push(b"data: b\n\n").unwrap().len(), 1);
}

#[test]
fn bytes_that_are_not_utf_8_are_refused() {
    let mut decoder = StreamDecoder::new(Framing::Sse, 100);
    assert_eq!(decoder.push(b"data: \xff\n\n"), Err(DecodeError::Encoding));
    let mut decoder = StreamDecoder::new(Framing::Sse, 100);
    decoder
        .push("data: é".as_bytes().split_last().unwrap().1)
        .unwrap();
    assert_eq!(decoder.finish(), Err(DecodeError::Encoding));
}

#[test]
fn an_event_longer_than_the_limit_is_refused_however_it_comes() {
    let event = b"data: 0123456789\n\n";
    assert_eq!(
        StreamDecoder::new(Framing::Sse, 18)
            .push(event)
            .unwrap()
            .len(),
        1
    );
    let refusal = Err(DecodeError::TooLarge { limit: 17 });
    assert_eq!(StreamDecoder::new(Framing::Sse, 17).push(event), refusal);
    let mut decoder = StreamDecoder::new(Framing::Sse, 17);
    let slow = event
        .chunks(1)
        .map(|byte| decoder.push(byte))
        .find(Result::is_err);
    assert_eq!(slow, Some(refusal));
    let endless = [b'x'; 64];
    assert!(
        StreamDecoder::new(Framing::Sse, 17).push(&endless).is_err(),
        "no line end is no excuse"
    );
}

#[test]
fn every_split_point_of_every_recording_gives_the_same_events() {
    for recording in STREAMS {
        for stream in variants(Framing::Sse, recording) {
            let bytes = stream.as_bytes();
            let whole = events([bytes]);
            assert_eq!(events(bytes.chunks(1)), whole);
            for at in 0..=bytes.len() {
                let (a, b) = bytes.split_at(at);
                assert_eq!(events([a, b]), whole, "split at {at}");
            }
        }
    }
}

#[test]
fn line_ends_do_not_change_what_the_events_say() {
    let say = |stream: &str| -> Vec<(Option<String>, String)> {
        events([stream.as_bytes()])
            .into_iter()
            .map(|StreamEvent { event, data, .. }| (event, data))
            .collect()
    };
    for recording in STREAMS {
        let expected = say(recording);
        for stream in variants(Framing::Sse, recording) {
            assert_eq!(say(&stream), expected);
        }
    }
}

fn cut<'b>(bytes: &'b [u8], places: &[prop::sample::Index]) -> Vec<&'b [u8]> {
    let mut at: Vec<usize> = places.iter().map(|i| i.index(bytes.len() + 1)).collect();
    at.sort_unstable();
    let mut chunks = Vec::new();
    let mut from = 0;
    for to in at.into_iter().chain([bytes.len()]) {
        chunks.push(&bytes[from..to]);
        from = to;
    }
    chunks
}

proptest! {
    #[test]
    fn any_chunks_of_any_stream_give_the_same_events(
        lines in prop::collection::vec("(data|event|id|:|x)?[: ]{0,2}[a-zé😀\u{feff}]{0,4}", 0..12),
        ends in prop::collection::vec(prop::sample::select(vec!["\n", "\r", "\r\n", "\n\n", "\r\r"]), 12),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let stream = lines.iter().zip(&ends).flat_map(|(l, e)| [l.as_str(), e]).collect::<String>();
        let whole = events([stream.as_bytes()]);
        let raw: Vec<u8> = whole.iter().flat_map(|e| e.raw.to_vec()).collect();
        prop_assert_eq!(raw, stream.as_bytes());
        prop_assert_eq!(events(cut(stream.as_bytes(), &places)), whole);
    }

    #[test]
    fn any_bytes_are_events_or_a_refusal_however_they_are_cut(
        bytes in prop::collection::vec(prop::sample::select(b"da:t \r\n\xc3\xa9\xff".to_vec()), 0..60),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let run = |chunks: Vec<&[u8]>| {
            let mut decoder = StreamDecoder::new(Framing::Sse, 32);
            let pushed: Result<Vec<_>, _> = chunks.into_iter().map(|c| decoder.push(c)).collect();
            let mut events = pushed?.concat();
            events.extend(decoder.finish()?);
            Ok::<_, DecodeError>(events)
        };
        match (run(vec![&bytes]), run(cut(&bytes, &places))) {
            (Ok(whole), Ok(parts)) => prop_assert_eq!(whole, parts),
            (whole, parts) => prop_assert!(whole.is_err() && parts.is_err()),
        }
    }
}

#[test]
fn only_a_line_feed_ends_a_line_and_blank_lines_say_nothing() {
    let read = |stream: &str| -> Vec<String> {
        let events = decode(Framing::Lines, [stream.as_bytes()]).unwrap();
        let raw: Vec<u8> = events.iter().flat_map(|e| e.raw.to_vec()).collect();
        assert_eq!(raw, stream.as_bytes());
        events.into_iter().map(|e| e.data).collect()
    };
    assert_eq!(read("{}\n{}\r\n"), ["{}", "{}"]);
    assert_eq!(read("{\r}\n"), ["{\r}"]);
    assert_eq!(read("{}\n\n \n{}"), ["{}", "", "", "{}"]);
    assert_eq!(read("{\u{2028}}\n"), ["{\u{2028}}"]);
    assert!(read("").is_empty());
}

#[test]
fn a_line_that_is_too_long_or_no_text_is_refused_however_it_comes() {
    let push = |limit: usize, chunks: &[&[u8]]| -> Result<(), DecodeError> {
        let mut decoder = StreamDecoder::new(Framing::Lines, limit);
        for chunk in chunks {
            decoder.push(chunk)?;
        }
        decoder.finish().map(drop)
    };
    let too_large = Err(DecodeError::TooLarge { limit: 4 });
    assert_eq!(push(4, &[b"123\n123\n"]), Ok(()));
    assert_eq!(push(4, &[b"1234\n"]), too_large);
    assert_eq!(push(4, &[b"12", b"34", b"5"]), too_large);
    assert_eq!(push(9, &[b"\xff\n"]), Err(DecodeError::Encoding));
    assert_eq!(push(9, &[b"\xc3"]), Err(DecodeError::Encoding));
    assert_eq!(push(9, &[b"\xc3", b"\xa9\n"]), Ok(()));
}
