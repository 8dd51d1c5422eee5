//! What is sent, and what must come of it.

const BODY: &str = r#"{"model":"plain","messages":[{"role":"user","content":"Hello there"}]}"#;
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
const SMUGGLED: &str = "GET /v1/smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
pub(super) const ANSWER: &str = r#"{"id":"1","object":"chat.completion","model":"plain","choices":[{"index":0,"message":{"role":"assistant","content":"Good day."},"finish_reason":"stop"}]}"#;

/// What the gateway must make of a case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Expected {
    /// So many requests are served and then one is refused and the connection closed.
    RefusedAfter(usize),
    /// So many requests are served, and no more than these.
    Served(usize),
}
use Expected::{RefusedAfter, Served};

pub(super) type Case = (&'static str, Vec<u8>, Expected);

/// A chat request with `headers` in place of any length, followed by `rest`.
fn chat(headers: &str, rest: &str) -> Vec<u8> {
    let head =
        "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    format!("{head}{headers}\r\n{rest}").into_bytes()
}

fn sound() -> String {
    let length = format!("Content-Length: {}\r\n", BODY.len());
    String::from_utf8(chat(&length, BODY)).unwrap()
}

fn one_chunk() -> String {
    format!("{:x}\r\n{BODY}\r\n", BODY.len())
}

fn transfer_encodings() -> Vec<Case> {
    let cl = format!("Content-Length: {}\r\n", BODY.len());
    let smuggling = format!("0\r\n\r\n{SMUGGLED}");
    let te = |name, headers: &str| (name, chat(headers, &smuggling), RefusedAfter(0));
    vec![
        te("CL then TE", &format!("{cl}{CHUNKED}")),
        te("TE then CL", &format!("{CHUNKED}{cl}")),
        te("CL 0 then TE", &format!("Content-Length: 0\r\n{CHUNKED}")),
        te(
            "TE in capitals, then CL",
            &format!("TRANSFER-ENCODING: CHUNKED\r\n{cl}"),
        ),
        te("xchunked", &format!("Transfer-Encoding: xchunked\r\n{cl}")),
        te(
            "chunked, identity",
            "Transfer-Encoding: chunked, identity\r\n",
        ),
        te(
            "identity, chunked",
            "Transfer-Encoding: identity, chunked\r\n",
        ),
        te("gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n"),
        te("chunked twice", &format!("{CHUNKED}{CHUNKED}")),
        te(
            "chunked, then identity",
            &format!("{CHUNKED}Transfer-Encoding: identity\r\n"),
        ),
        te(
            "identity, then chunked",
            &format!("Transfer-Encoding: identity\r\n{CHUNKED}"),
        ),
        te("empty TE", "Transfer-Encoding: \r\n"),
        te("quoted TE", "Transfer-Encoding: \"chunked\"\r\n"),
        te("TE with a parameter", "Transfer-Encoding: chunked;a=b\r\n"),
        te("TE folded", "Transfer-Encoding:\r\n chunked\r\n"),
        te(
            "TE with a space before the colon",
            &format!("Transfer-Encoding : chunked\r\n{cl}"),
        ),
        te(
            "TE with a vertical tab",
            &format!("Transfer-Encoding: \x0bchunked\r\n{cl}"),
        ),
        te(
            "TE with a zero byte",
            &format!("Transfer-Encoding: chunked\0\r\n{cl}"),
        ),
        te(
            "TE with an underscore",
            &format!("Transfer_Encoding: chunked\r\n{cl}"),
        ),
        te(
            "TE behind a bare CR",
            &format!("X: y\rTransfer-Encoding: chunked\r\n{cl}"),
        ),
        te(
            "TE behind a bare LF",
            &format!("X: y\nTransfer-Encoding: chunked\r\n{cl}"),
        ),
        (
            "TE on HTTP/1.0",
            format!("POST /v1/x HTTP/1.0\r\nHost: a\r\n{CHUNKED}\r\n{smuggling}").into(),
            RefusedAfter(0),
        ),
    ]
}

fn content_lengths() -> Vec<Case> {
    let cl = |name, value: &str| {
        let headers = format!("Content-Length: {value}\r\n");
        let rest = format!("{BODY}{SMUGGLED}");
        (name, chat(&headers, &rest), RefusedAfter(0))
    };
    let length = BODY.len();
    vec![
        cl("a plus", &format!("+{length}")),
        cl("a minus", "-1"),
        cl("hexadecimal", "0x10"),
        cl("an exponent", "1e1"),
        cl("a list", &format!("{length}, {length}")),
        cl("a space inside", "1 2"),
        cl("a semicolon", &format!("{length};")),
        cl("nothing", ""),
        cl("another script's digits", "\u{664}\u{662}"),
        cl("more than 64 bits", "18446744073709551617"),
        cl(
            "more than a body may have, in 18 digits",
            "999999999999999999",
        ),
        cl(
            "twice, differing",
            &format!("{length}\r\nContent-Length: 0"),
        ),
        cl(
            "twice, the same",
            &format!("{length}\r\nContent-Length: {length}"),
        ),
        cl(
            "with an underscore beside it",
            &format!("{length}\r\nContent_Length: 0"),
        ),
        cl(
            "a space before the colon",
            &format!("{length}\r\nContent-Length : 0"),
        ),
    ]
}

fn chunks() -> Vec<Case> {
    let chunked = |name, rest: String| {
        let rest = format!("{rest}{SMUGGLED}");
        (name, chat(CHUNKED, &rest), RefusedAfter(0))
    };
    let size = format!("{:x}", BODY.len());
    vec![
        chunked(
            "a size over 64 bits",
            format!("1000000000000000a\r\n{BODY}\r\n0\r\n\r\n"),
        ),
        chunked("a size of 0x", format!("0x{size}\r\n{BODY}\r\n0\r\n\r\n")),
        chunked("a negative size", format!("-{size}\r\n{BODY}\r\n0\r\n\r\n")),
        chunked("no size", format!("\r\n{BODY}\r\n0\r\n\r\n")),
        chunked(
            "a space behind the size",
            format!("{size} \r\n{BODY}\r\n0\r\n\r\n"),
        ),
        chunked(
            "a size that ends in LF",
            format!("{size}\n{BODY}\r\n0\r\n\r\n"),
        ),
        chunked(
            "a size that ends in CR",
            format!("{size}\r{BODY}\r\n0\r\n\r\n"),
        ),
        chunked(
            "an extension with LF",
            format!("{size};a\nb\r\n{BODY}\r\n0\r\n\r\n"),
        ),
        chunked(
            "an extension with a control byte",
            format!("{size};\x01\r\n{BODY}\r\n0\r\n\r\n"),
        ),
        chunked(
            "a long extension",
            format!("{size};{}\r\n{BODY}\r\n", "a".repeat(400)),
        ),
        chunked(
            "a chunk that ends in LF",
            format!("{size}\r\n{BODY}\n0\r\n\r\n"),
        ),
        chunked(
            "a chunk longer than its size",
            format!("1\r\n{BODY}\r\n0\r\n\r\n"),
        ),
        chunked(
            "trailers with LF",
            format!("{}0\r\nX: y\n\r\n", one_chunk()),
        ),
        chunked(
            "a folded trailer",
            format!("{}0\r\nX: y\r\n z\r\n\r\n", one_chunk()),
        ),
    ]
}

fn lines() -> Vec<Case> {
    let get = |name, text: &str| (name, text.as_bytes().to_vec(), RefusedAfter(0));
    let lf = sound().replace("\r\n", "\n");
    vec![
        get("bare LF everywhere", &lf),
        get("LF as the last line", "GET /v1/x HTTP/1.1\r\nHost: a\r\n\n"),
        get(
            "a zero byte in a value",
            "GET /v1/x HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        ),
        get(
            "a zero byte in a name",
            "GET /v1/x HTTP/1.1\r\nHost: a\r\nX\0: a\r\n\r\n",
        ),
        get(
            "a control byte",
            "GET /v1/x HTTP/1.1\r\nHost: a\r\nX: a\x01b\r\n\r\n",
        ),
        get("DEL", "GET /v1/x HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n"),
        get(
            "a folded header",
            "GET /v1/x HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
        ),
        get(
            "a header folded by a tab",
            "GET /v1/x HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n",
        ),
        get(
            "a folded first header",
            "GET /v1/x HTTP/1.1\r\n Host: a\r\n\r\n",
        ),
        get(
            "a header without a colon",
            "GET /v1/x HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
        ),
        get(
            "a header without a name",
            "GET /v1/x HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n",
        ),
    ]
}

fn request_lines() -> Vec<Case> {
    let get = |name, text: &str| (name, text.as_bytes().to_vec(), RefusedAfter(0));
    vec![
        get("two spaces", "GET  /v1/x HTTP/1.1\r\nHost: a\r\n\r\n"),
        get("tabs", "GET\t/v1/x\tHTTP/1.1\r\nHost: a\r\n\r\n"),
        get(
            "a space at the end",
            "GET /v1/x HTTP/1.1 \r\nHost: a\r\n\r\n",
        ),
        get("HTTP/0.9", "GET /v1/x\r\nHost: a\r\n\r\n"),
        get("HTTP/1.2", "GET /v1/x HTTP/1.2\r\nHost: a\r\n\r\n"),
        get("HTTP/2.0 in text", "GET /v1/x HTTP/2.0\r\nHost: a\r\n\r\n"),
        get(
            "http in small letters",
            "GET /v1/x http/1.1\r\nHost: a\r\n\r\n",
        ),
        get(
            "a line before the request",
            "\r\nGET /v1/x HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        get(
            "a control byte in the target",
            "GET /v1/\x01x HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        get(
            "another script in the target",
            "GET /v1/\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        get(
            "CONNECT",
            &format!("CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n{SMUGGLED}"),
        ),
        get(
            "TRACE",
            "TRACE /v1/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        ),
    ]
}

fn meanings() -> Vec<Case> {
    let with = |name, headers: &str| {
        let text = format!("GET /v1/x HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
        // The connection outlives these refusals, whose framing is sound; the next request on it
        // is served.
        (name, text.into_bytes(), RefusedAfter(0))
    };
    let target = |name, target: &str| {
        let text = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        (name, text.into_bytes(), RefusedAfter(0))
    };
    vec![
        target("a target on another server", "http://b/v1/x"),
        target("dot segments", "/v1/../admin"),
        target("encoded dot segments", "/v1/%2e%2E/admin"),
        target("dot segments behind an encoded slash", "/v1/a%2f..%2fadmin"),
        with("two hosts", "Host: b\r\n"),
        (
            "no host",
            b"GET /v1/x HTTP/1.1\r\n\r\n".to_vec(),
            RefusedAfter(0),
        ),
        with("a strange expectation", "Expect: 200-ok\r\n"),
        with(
            "Connection: content-length",
            "Connection: content-length\r\nContent-Length: 0\r\n",
        ),
        with(
            "Connection: authorization",
            "Authorization: x\r\nConnection: close, Authorization\r\n",
        ),
        with(
            "Connection: transfer-encoding",
            "Connection: transfer-encoding\r\n",
        ),
        with("Connection: host", "Connection: keep-alive,host\r\n"),
    ]
}

fn followers() -> Vec<Case> {
    let sound = sound();
    let upgrade = |headers: &str| {
        format!("GET /v1/x HTTP/1.1\r\nHost: a\r\n{headers}\r\n{SMUGGLED}").into_bytes()
    };
    let settings =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
    vec![
        ("h2c and a follower", upgrade(settings), RefusedAfter(0)),
        (
            "an unknown upgrade and a follower",
            upgrade("Connection: upgrade\r\nUpgrade: foo\r\n"),
            RefusedAfter(0),
        ),
        (
            "an upgrade that Connection does not name",
            upgrade("Upgrade: websocket\r\n"),
            RefusedAfter(0),
        ),
        (
            "garbage behind a sound request",
            format!("{sound}garbage\r\n\r\n").into(),
            RefusedAfter(1),
        ),
        (
            "a flawed request behind a sound one",
            format!("{sound}GET /v1/x HTTP/1.1\nHost: a\n\n").into(),
            RefusedAfter(1),
        ),
        (
            "a sound request behind a flawed one",
            format!("GET /v1/x HTTP/1.1\nHost: a\n\n{SMUGGLED}").into(),
            RefusedAfter(0),
        ),
        (
            "the preface of HTTP/2 and a request",
            format!("PRI * HTTP/2.0\r\n\r\n{SMUGGLED}").into(),
            RefusedAfter(0),
        ),
    ]
}

fn sound_ones() -> Vec<Case> {
    let sound = sound();
    let trailer = format!("{}0\r\nContent-Length: 5\r\n\r\n{sound}", one_chunk());
    vec![
        (
            "two sound requests",
            format!("{sound}{sound}").into(),
            Served(2),
        ),
        (
            "chunks",
            chat(CHUNKED, &format!("{}0\r\n\r\n{sound}", one_chunk())),
            Served(2),
        ),
        (
            "a length among the trailers",
            chat(CHUNKED, &trailer),
            Served(2),
        ),
        (
            "an extension",
            chat(
                CHUNKED,
                &format!("{:X};a=b\r\n{BODY}\r\n0\r\n\r\n", BODY.len()),
            ),
            Served(1),
        ),
        (
            "a request in a body",
            {
                let body = BODY.replace("Hello there", "GET /v1/smuggled HTTP/1.1\\r\\n\\r\\n");
                chat(&format!("Content-Length: {}\r\n", body.len()), &body)
            },
            Served(1),
        ),
        (
            "100-continue",
            sound
                .replace("Host: a", "Host: a\r\nExpect: 100-continue")
                .into(),
            Served(1),
        ),
    ]
}

/// Every case.
pub(super) fn corpus() -> Vec<Case> {
    [
        transfer_encodings(),
        content_lengths(),
        chunks(),
        lines(),
        request_lines(),
        meanings(),
        followers(),
        sound_ones(),
    ]
    .concat()
}
