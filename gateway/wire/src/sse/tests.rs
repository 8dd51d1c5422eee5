use super::*;

fn framing(stream: &str) -> Asides {
    let mut decoder = SseDecoder::new(1 << 10);
    let mut events = decoder.push(stream.as_bytes()).unwrap();
    events.extend(decoder.finish().unwrap());
    Asides::of(&events.last().unwrap().raw, events.len() == 1)
}

#[test]
fn every_line_that_is_neither_data_nor_the_name_is_kept_with_any_line_end() {
    let stream = "event: old\n: hello\nevent: x\nid: 7\nretry: 5\nodd\ndata: a\n\n";
    let expected = [": hello", "event: old", "id: 7", "retry: 5", "odd"].map(str::to_owned);
    for line_end in ["\n", "\r", "\r\n"] {
        let framing = framing(&stream.replace('\n', line_end));
        assert_eq!(
            framing,
            Asides {
                lines: expected.to_vec(),
                complete: true
            }
        );
    }
}

#[test]
fn a_byte_order_mark_leads_only_the_first_event() {
    assert!(framing("\u{feff}data: a\n\n").lines.is_empty());
    assert_eq!(
        framing("data: a\n\n\u{feff}data: b\n\n").lines,
        ["\u{feff}data: b"]
    );
}

#[test]
fn only_an_event_that_a_blank_line_ended_is_complete() {
    for (stream, complete) in [
        ("data: a\n\n", true),
        ("data: a\r\r", true),
        ("data: a\r\n\r\n", true),
        ("\n", true),
        ("data: a\n", false),
        ("data: a\r\n", false),
        ("data: a", false),
    ] {
        assert_eq!(framing(stream).complete, complete, "{stream:?}");
    }
}
