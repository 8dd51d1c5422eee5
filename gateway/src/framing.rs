//! One strict reader of HTTP/1 framing, before hyper's.
//!
//! Where two readers disagree on where a request ends, a second request can hide in the first.
//! hyper follows the standard where the standard lets a server guess (a length beside chunks, line
//! feeds alone as line ends); this reader follows it where the standard lets a server refuse. Bytes
//! reach hyper only once they belong to a head without a flaw, or to the body that it announces.
//!
//! What is *not* here: sockets. [`Framing::feed`] turns bytes into bytes.

/// Longest chunk-size line, extensions included.
const CHUNK_LINE_MAX: usize = 256;
/// Most bytes of trailers.
const TRAILERS_MAX: usize = 8 << 10;
/// How HTTP/2 begins. What follows is framed by lengths alone and is hyper's to check.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Why a request's framing is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// A line that ends in a line feed alone, or holds a carriage return.
    #[error("a line does not end in CRLF")]
    LineEnd,
    /// A header continued on the next line.
    #[error("a header is folded over two lines")]
    Folded,
    /// A header name that is no token, for example one followed by a space.
    #[error("a header name is not a token")]
    HeaderName,
    /// A control character in a header value.
    #[error("a header value holds a control character")]
    HeaderValue,
    /// No `METHOD SP target SP HTTP/1.x`.
    #[error("the request line is malformed")]
    RequestLine,
    /// A `Content-Length` that is not one plain number, or several of them.
    #[error("the content length is not one plain number")]
    ContentLength,
    /// A `Transfer-Encoding` that is not `chunked` alone, or on HTTP/1.0.
    #[error("the transfer encoding is not chunked alone")]
    TransferEncoding,
    /// Both a `Content-Length` and a `Transfer-Encoding`.
    #[error("content length and transfer encoding contradict each other")]
    BothLengths,
    /// A chunk whose size, extension or end is malformed.
    #[error("a chunk is malformed")]
    Chunk,
    /// A head larger than the limit, or of too many headers.
    #[error("the request's head is too large")]
    HeadTooLarge,
}

impl Flaw {
    /// Whether the flaw is in a head; else it is in a body.
    pub fn is_of_head(self) -> bool {
        self != Self::Chunk
    }
}

/// Where in the stream of bytes a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before or in a head.
    Head,
    /// In a body of known length.
    Fixed(u64),
    /// In the line of a chunk's size.
    ChunkSize,
    /// In a chunk.
    Chunk(u64),
    /// In the CRLF behind a chunk; how many of its bytes were seen.
    ChunkEnd(u8),
    /// In the trailers.
    Trailers,
    /// In bytes that are not HTTP/1: HTTP/2, or whatever follows a wish to upgrade.
    Opaque,
    /// Behind a flaw. Nothing passes any more.
    Refused(Flaw),
}

/// What the lines of a head have said so far.
#[derive(Debug, Clone, Copy, Default)]
struct Head {
    lines: usize,
    http_10: bool,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
}

/// The reader. One per connection.
#[derive(Debug)]
pub struct Framing {
    place: Place,
    head: Head,
    /// Bytes of the head so far, withheld until it is whole.
    withheld: Vec<u8>,
    /// Where the line begins that is not yet whole.
    line_from: usize,
    trailer_bytes: usize,
    heads: u64,
    fresh: bool,
    head_bytes_max: usize,
    headers_max: usize,
}

impl Framing {
    /// A reader for a fresh connection.
    pub fn new(head_bytes_max: usize, headers_max: usize) -> Self {
        Self {
            place: Place::Head,
            head: Head::default(),
            withheld: Vec::new(),
            line_from: 0,
            trailer_bytes: 0,
            heads: 0,
            fresh: true,
            head_bytes_max,
            headers_max,
        }
    }

    /// Whether `len` further bytes pass whatever they are; takes note of them if so.
    pub fn passes(&mut self, len: usize) -> bool {
        match self.place {
            Place::Opaque => true,
            Place::Fixed(left) | Place::Chunk(left) if left > len as u64 => {
                let left = left - len as u64;
                self.place = match self.place {
                    Place::Chunk(_) => Place::Chunk(left),
                    _ => Place::Fixed(left),
                };
                true
            }
            _ => false,
        }
    }

    /// Whether a head has begun and is not yet whole.
    pub fn in_head(&self) -> bool {
        self.place == Place::Head && !self.withheld.is_empty()
    }

    /// How many whole heads have passed.
    pub fn heads(&self) -> u64 {
        self.heads
    }

    /// Reads `bytes`; what may go on is appended to `out`.
    ///
    /// # Errors
    /// [`Flaw`], now and from then on. `out` then ends before the flawed head or chunk line.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Flaw> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.step(rest, out) {
                Ok(taken) => rest = rest.get(taken..).unwrap_or_default(),
                Err(flaw) => {
                    self.place = Place::Refused(flaw);
                    return Err(flaw);
                }
            }
        }
        Ok(())
    }

    /// What is known of the target of the head that was refused.
    pub fn refused_target(&self) -> Option<&str> {
        let line = self.withheld.split(|byte| *byte == b'\r').next()?;
        let target = line.split(|byte| *byte == b' ').nth(1)?;
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-._:".contains(byte);
        let sane = target.first() == Some(&b'/') && target.iter().all(plain);
        sane.then(|| std::str::from_utf8(target).ok()).flatten()
    }

    fn step(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize, Flaw> {
        match self.place {
            Place::Refused(flaw) => Err(flaw),
            Place::Opaque => {
                out.extend_from_slice(bytes);
                Ok(bytes.len())
            }
            Place::Fixed(left) | Place::Chunk(left) => {
                let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                let left = left - taken as u64;
                self.place = match (self.place, left) {
                    (Place::Chunk(_), 0) => Place::ChunkEnd(0),
                    (Place::Chunk(_), left) => Place::Chunk(left),
                    (_, 0) => Place::Head,
                    (_, left) => Place::Fixed(left),
                };
                out.extend_from_slice(bytes.get(..taken).unwrap_or_default());
                Ok(taken)
            }
            Place::ChunkEnd(seen) => {
                let due = if seen == 0 { b'\r' } else { b'\n' };
                if bytes.first() != Some(&due) {
                    return Err(Flaw::Chunk);
                }
                out.push(due);
                self.place = if seen == 0 {
                    Place::ChunkEnd(1)
                } else {
                    Place::ChunkSize
                };
                Ok(1)
            }
            Place::Head | Place::ChunkSize | Place::Trailers => self.lines(bytes, out),
        }
    }

    /// Takes bytes up to the end of one line, and the line when it is whole.
    fn lines(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize, Flaw> {
        let end = memchr::memchr(b'\n', bytes);
        let taken = end.map_or(bytes.len(), |at| at + 1);
        self.withheld
            .extend_from_slice(bytes.get(..taken).unwrap_or_default());
        let bound = match self.place {
            Place::ChunkSize => CHUNK_LINE_MAX,
            Place::Trailers => TRAILERS_MAX,
            _ => self.head_bytes_max,
        };
        if self.withheld.len() > bound {
            return Err(match self.place {
                Place::Head => Flaw::HeadTooLarge,
                _ => Flaw::Chunk,
            });
        }
        if end.is_none() {
            return Ok(taken);
        }
        if self.fresh && HTTP2_PREFACE.starts_with(&self.withheld) {
            // The preface is withheld whole, so that nothing else can begin like it.
            if self.withheld.len() == HTTP2_PREFACE.len() {
                self.place = Place::Opaque;
                out.append(&mut self.withheld);
            }
            return Ok(taken);
        }
        let line = self.withheld.get(self.line_from..).unwrap_or_default();
        let flawed = match self.place {
            Place::Head => Flaw::LineEnd,
            _ => Flaw::Chunk,
        };
        let line = line.strip_suffix(b"\r\n").ok_or(flawed)?;
        if line.contains(&b'\r') {
            return Err(flawed);
        }
        match self.place {
            Place::ChunkSize => self.place = chunk_size(line)?,
            Place::Trailers => {
                self.trailer_bytes += taken;
                if self.trailer_bytes > TRAILERS_MAX {
                    return Err(Flaw::Chunk);
                }
                if line.is_empty() {
                    self.place = Place::Head;
                    self.trailer_bytes = 0;
                } else {
                    header(line).map_err(|_flaw| Flaw::Chunk)?;
                }
            }
            _ => return self.head_line().map(|whole| self.go_on(whole, out, taken)),
        }
        out.append(&mut self.withheld);
        Ok(taken)
    }

    fn go_on(&mut self, whole: bool, out: &mut Vec<u8>, taken: usize) -> usize {
        if whole {
            out.append(&mut self.withheld);
            self.line_from = 0;
        } else {
            self.line_from = self.withheld.len();
        }
        taken
    }

    /// Judges the newest line of the head; true when it was the last.
    fn head_line(&mut self) -> Result<bool, Flaw> {
        let line = self.withheld.get(self.line_from..).unwrap_or_default();
        let line = line.strip_suffix(b"\r\n").unwrap_or(line);
        self.fresh = false;
        if self.head.lines == 0 {
            // Empty lines before a request are not tolerated: they are where desyncs begin.
            self.head.http_10 = request_line(line)?;
            self.head.upgrade = line.starts_with(b"CONNECT ");
            self.head.lines = 1;
            return Ok(false);
        }
        if line.is_empty() {
            self.place = self.body_of_head()?;
            self.head = Head::default();
            self.heads += 1;
            return Ok(true);
        }
        self.head.lines += 1;
        if self.head.lines > self.headers_max + 1 {
            return Err(Flaw::HeadTooLarge);
        }
        let (name, value) = header(line)?;
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        if is("content-length") {
            let twice = self.head.length.is_some();
            let number = length(value).filter(|_| !twice);
            self.head.length = Some(number.ok_or(Flaw::ContentLength)?);
        } else if is("transfer-encoding") {
            if self.head.chunked || self.head.http_10 || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Flaw::TransferEncoding);
            }
            self.head.chunked = true;
        } else if is("upgrade") {
            self.head.upgrade = true;
        }
        Ok(false)
    }

    fn body_of_head(&self) -> Result<Place, Flaw> {
        match (self.head.length, self.head.chunked) {
            (Some(_), true) => Err(Flaw::BothLengths),
            // The server answers such a request and closes, or tunnels: HTTP/1 ends here.
            _ if self.head.upgrade => Ok(Place::Opaque),
            (Some(length), false) if length > 0 => Ok(Place::Fixed(length)),
            (None, true) => Ok(Place::ChunkSize),
            _ => Ok(Place::Head),
        }
    }
}

/// `METHOD SP target SP HTTP/1.x`, and whether x is 0.
fn request_line(line: &[u8]) -> Result<bool, Flaw> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (method, target, version) = (parts.next(), parts.next(), parts.next());
    let (Some(method), Some(target), Some(version), None) = (method, target, version, parts.next())
    else {
        return Err(Flaw::RequestLine);
    };
    let visible = |byte: &u8| (0x21..0x7f).contains(byte);
    let sane = !method.is_empty()
        && method.iter().all(|byte| is_token(*byte))
        && !target.is_empty()
        && target.iter().all(visible);
    match version {
        b"HTTP/1.1" if sane => Ok(false),
        b"HTTP/1.0" if sane => Ok(true),
        _ => Err(Flaw::RequestLine),
    }
}

/// Name and trimmed value.
fn header(line: &[u8]) -> Result<(&[u8], &[u8]), Flaw> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(Flaw::Folded);
    }
    let colon = memchr::memchr(b':', line).ok_or(Flaw::HeaderName)?;
    let (name, value) = line.split_at(colon);
    if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
        return Err(Flaw::HeaderName);
    }
    let value = value.get(1..).unwrap_or_default();
    let control = |byte: &u8| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f;
    if value.iter().any(control) {
        return Err(Flaw::HeaderValue);
    }
    Ok((name, value.trim_ascii()))
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// At most 18 digits and nothing else, so that no reader can overflow.
fn length(value: &[u8]) -> Option<u64> {
    let plain = (1..=18).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    let text = plain.then(|| std::str::from_utf8(value).ok()).flatten()?;
    text.parse().ok()
}

/// At most 15 hexadecimal digits, then nothing or an extension of visible characters.
fn chunk_size(line: &[u8]) -> Result<Place, Flaw> {
    let (digits, extension) = match memchr::memchr(b';', line) {
        Some(at) => line.split_at(at),
        None => (line, &[][..]),
    };
    let plain = (1..=15).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
    let visible = |byte: &u8| (0x20..0x7f).contains(byte);
    if !plain || !extension.iter().all(visible) {
        return Err(Flaw::Chunk);
    }
    let text = std::str::from_utf8(digits).map_err(|_e| Flaw::Chunk)?;
    match u64::from_str_radix(text, 16) {
        Ok(0) => Ok(Place::Trailers),
        Ok(size) => Ok(Place::Chunk(size)),
        Err(_) => Err(Flaw::Chunk),
    }
}

#[cfg(test)]
mod tests;
