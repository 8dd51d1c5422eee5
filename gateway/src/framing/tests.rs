use super::*;

fn read(bytes: &[u8], piece: usize) -> (Vec<u8>, Result<(), Flaw>) {
    let mut framing = Framing::new(4096, 10);
    let mut out = Vec::new();
    for piece in bytes.chunks(piece) {
        if framing.passes(piece.len()) {
            out.extend_from_slice(piece);
        } else if let Err(flaw) = framing.feed(piece, &mut out) {
            return (out, Err(flaw));
        }
    }
    (out, Ok(()))
}

const WELL_FORMED: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.0\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n\x81\x05hello\n\n",
];

#[test]
fn well_formed_bytes_pass_unchanged_in_pieces_of_any_size() {
    for bytes in WELL_FORMED {
        for piece in 1..=bytes.len() {
            let (out, read) = read(bytes, piece);
            let shown = String::from_utf8_lossy(bytes);
            assert_eq!(read, Ok(()), "{shown} in pieces of {piece}");
            assert_eq!(out, *bytes, "{shown} in pieces of {piece}");
        }
    }
}

const FLAWED: &[(&[u8], Flaw)] = &[
    (b"GET / HTTP/1.1\nHost: a\n\n", Flaw::LineEnd),
    (b"GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n", Flaw::LineEnd),
    (b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", Flaw::Folded),
    (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", Flaw::HeaderName),
    (b"GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", Flaw::HeaderValue),
    (b"GET  / HTTP/1.1\r\n\r\n", Flaw::RequestLine),
    (b"GET /\r\n\r\n", Flaw::RequestLine),
    (b"\r\nGET / HTTP/1.1\r\n\r\n", Flaw::RequestLine),
    (
        b"PRI * HTTP/2.0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        Flaw::LineEnd,
    ),
    (
        b"POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n",
        Flaw::ContentLength,
    ),
    (
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        Flaw::ContentLength,
    ),
    (
        b"POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n",
        Flaw::TransferEncoding,
    ),
    (
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        Flaw::TransferEncoding,
    ),
    (
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        Flaw::BothLengths,
    ),
    (
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        Flaw::BothLengths,
    ),
    (
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\n",
        Flaw::Chunk,
    ),
    (
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello",
        Flaw::Chunk,
    ),
    (
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        Flaw::Chunk,
    ),
    (
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        Flaw::Chunk,
    ),
];

#[test]
fn a_flaw_is_found_in_pieces_of_any_size_and_nothing_of_its_head_passes() {
    for (bytes, flaw) in FLAWED {
        for piece in 1..=bytes.len() {
            let (out, read) = read(bytes, piece);
            let shown = String::from_utf8_lossy(bytes);
            assert_eq!(read, Err(*flaw), "{shown} in pieces of {piece}");
            let head = bytes
                .windows(4)
                .position(|w| w == b"\r\n\r\n")
                .map(|at| at + 4);
            let whole = out.is_empty() || Some(out.len()) >= head;
            assert!(whole, "part of a head passed: {shown} in pieces of {piece}");
        }
    }
}

#[test]
fn a_head_that_never_ends_is_refused_at_the_limit() {
    let mut framing = Framing::new(4096, 10);
    let mut out = Vec::new();
    let endless = b"GET / HTTP/1.1\r\nA: "
        .iter()
        .chain(std::iter::repeat(&b'a'));
    let bytes: Vec<u8> = endless.take(5000).copied().collect();
    assert_eq!(framing.feed(&bytes, &mut out), Err(Flaw::HeadTooLarge));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(11));
    let mut framing = Framing::new(4096, 10);
    assert_eq!(
        framing.feed(many.as_bytes(), &mut out),
        Err(Flaw::HeadTooLarge)
    );
    assert_eq!(out, b"");
}
