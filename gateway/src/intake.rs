//! Reads a body whole, within limits, and undoes its content encodings.

use std::time::{Duration, Instant};

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use bytes::{Bytes, BytesMut};
use countersign_record::Unscanned;
use countersign_wire::{BodyError, Dialect, Document};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, BufReader};

use crate::BoxError;
use crate::limits::Limits;

/// Most content encodings stacked on one body.
const ENCODINGS_MAX: usize = 4;

/// Largest window of a zstd frame, as a power of two: 8 MiB, the most that RFC 9659 lets a sender
/// ask of a receiver.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// Least growth of the buffer that is decoded into.
const DECODE_STEP: usize = 64 << 10;

/// Most bytes of an oversized body that are read and thrown away, and for how long.
const DISCARD_BYTES_MAX: usize = 128 << 20;
const DISCARD_TIME_MAX: Duration = Duration::from_secs(10);

/// Why an upgraded connection is not scanned.
pub const UPGRADE_REASON: &str = "upgrade";

/// Why a body could not be taken in.
#[derive(Debug, thiserror::Error)]
pub enum IntakeFault {
    /// Larger than the limit, as sent or after decoding.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The sender stopped sending.
    #[error("the body did not arrive within {0:?}")]
    TimedOut(Duration),
    /// The sender sends, but hardly.
    #[error("the body came slower than {0} bytes per second")]
    TooSlow(u32),
    /// Decoding makes far more of it than was sent.
    #[error("the body grows to more than {0} times its size when decoded")]
    Bomb(usize),
    /// The connection broke.
    #[error("the body ended early: {0}")]
    Broken(#[source] BoxError),
    /// A content encoding that is not supported, or too many of them.
    #[error("content encoding {0:?} is not supported (gzip, br, zstd, deflate and identity are)")]
    Encoding(String),
    /// The body is not what its content encoding says.
    #[error("the body is not valid {encoding}: {source}")]
    Corrupt {
        /// The encoding.
        encoding: String,
        /// What the decoder said.
        source: std::io::Error,
    },
    /// Says JSON and is not strict JSON.
    #[error("{0}")]
    Malformed(#[from] BodyError),
}

/// A body as the detectors see it.
#[derive(Debug)]
pub enum Content {
    /// No bytes at all.
    Empty,
    /// Strictly parsed JSON.
    Json(Box<Document>),
    /// The wish for another protocol, which no detector will read.
    Tunnel {
        /// The protocol.
        protocol: &'static str,
    },
    /// Something no detector can read.
    Opaque {
        /// The media type it claims.
        media_type: String,
        /// The bytes.
        bytes: Bytes,
    },
}

impl Content {
    /// The decoded bytes.
    pub fn bytes(&self) -> Bytes {
        match self {
            Self::Empty | Self::Tunnel { .. } => Bytes::new(),
            Self::Json(document) => document.bytes().clone(),
            Self::Opaque { bytes, .. } => bytes.clone(),
        }
    }

    /// The parts that no detector can read.
    pub fn unscanned(&self) -> Vec<Unscanned> {
        match self {
            Self::Empty => Vec::new(),
            Self::Json(document) => document.unscanned().to_vec(),
            Self::Tunnel { protocol } => {
                vec![Unscanned {
                    reason: UPGRADE_REASON.to_owned(),
                    kind: (*protocol).to_owned(),
                }]
            }
            Self::Opaque { media_type, .. } => {
                vec![Unscanned {
                    reason: "media_type".to_owned(),
                    kind: media_type.clone(),
                }]
            }
        }
    }

    /// The parsed document, when there is one.
    pub fn document(&self) -> Option<&Document> {
        match self {
            Self::Json(document) => Some(document),
            Self::Empty | Self::Tunnel { .. } | Self::Opaque { .. } => None,
        }
    }
}

/// Until when a body must have arrived.
#[derive(Debug, Clone, Copy)]
struct Pace {
    began: Instant,
    /// Longest time between two frames.
    patience: Duration,
    /// Longest time for all of it, slowest rate in bytes per second, and when that begins to count.
    whole: Option<(Duration, u32, Duration)>,
}

impl Pace {
    /// How long the next frame may take after `received` bytes, and what it means if it does not
    /// come.
    fn next(&self, received: usize) -> (Duration, IntakeFault) {
        let patient = (self.patience, IntakeFault::TimedOut(self.patience));
        let Some((whole, rate, grace)) = self.whole else {
            return patient;
        };
        let earned = Duration::from_secs(received as u64 / u64::from(rate.max(1)));
        let elapsed = self.began.elapsed();
        let slow = (grace + earned, IntakeFault::TooSlow(rate));
        let late = (whole, IntakeFault::TimedOut(whole));
        let (bound, fault) = if slow.0 < late.0 { slow } else { late };
        (bound.saturating_sub(elapsed), fault)
    }
}

/// Reads a request's body to its end: at most `limits.body_bytes_max` bytes, in at most
/// `limits.body_read_max`, and not slower than `limits.body_rate_min`.
///
/// # Errors
/// [`IntakeFault::TooLarge`], [`IntakeFault::TimedOut`], [`IntakeFault::TooSlow`] or
/// [`IntakeFault::Broken`].
pub async fn read_request<B>(body: B, limits: &Limits) -> Result<Bytes, IntakeFault>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let whole = (
        limits.body_read_max,
        limits.body_rate_min,
        limits.body_grace,
    );
    let pace = Pace {
        began: Instant::now(),
        patience: limits.body_read_max,
        whole: Some(whole),
    };
    read_at(body, limits, pace).await
}

/// Reads `body` to its end, at most `limits.body_bytes_max` bytes, waiting at most `patience`
/// between frames.
///
/// # Errors
/// [`IntakeFault::TooLarge`], [`IntakeFault::TimedOut`] or [`IntakeFault::Broken`].
pub async fn read<B>(body: B, limits: &Limits, patience: Duration) -> Result<Bytes, IntakeFault>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let pace = Pace {
        began: Instant::now(),
        patience,
        whole: None,
    };
    read_at(body, limits, pace).await
}

async fn read_at<B>(body: B, limits: &Limits, pace: Pace) -> Result<Bytes, IntakeFault>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let limit = limits.body_bytes_max;
    let mut body = body;
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        // What is too much to throw away is not even begun.
        if announced <= DISCARD_BYTES_MAX as u64 {
            discard(body).await;
        }
        return Err(IntakeFault::TooLarge { limit });
    }
    let mut all = BytesMut::new();
    loop {
        let (wait, fault) = pace.next(all.len());
        let next = tokio::time::timeout(wait, body.frame())
            .await
            .map_err(|_elapsed| fault)?;
        let Some(frame) = next else {
            return Ok(all.freeze());
        };
        let frame = frame.map_err(|e| IntakeFault::Broken(e.into()))?;
        if let Ok(data) = frame.into_data() {
            if all.len() + data.len() > limit {
                drop(all);
                discard(body).await;
                return Err(IntakeFault::TooLarge { limit });
            }
            all.extend_from_slice(&data);
        }
    }
}

/// Reads on for a while without keeping anything: a sender that is still writing would otherwise
/// see a broken connection in place of the refusal.
async fn discard<B>(mut body: B)
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let reading = async {
        let mut left = DISCARD_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(bytes) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    // Past this the connection just ends.
    drop(tokio::time::timeout(DISCARD_TIME_MAX, reading).await);
}

/// Undoes the content encodings named in `headers`, outermost first.
///
/// # Errors
/// [`IntakeFault::Encoding`], [`IntakeFault::Corrupt`], and [`IntakeFault::TooLarge`] or
/// [`IntakeFault::Bomb`] as soon as the output passes the limit, so that a decompression bomb costs
/// no more than the limit.
pub async fn decode(
    bytes: Bytes,
    headers: &HeaderMap,
    limits: &Limits,
) -> Result<Bytes, IntakeFault> {
    // However many layers, all of them together may grow by this ratio only.
    let grown = bytes.len().saturating_mul(limits.decode_ratio_max);
    let grown = grown.max(limits.decode_ratio_from_bytes);
    let limit = limits.body_bytes_max.min(grown);
    let mut bytes = bytes;
    for encoding in encodings(headers)?.iter().rev() {
        bytes = decode_one(bytes, encoding, limit).await?;
        if bytes.len() > limit {
            return Err(if limit < limits.body_bytes_max {
                IntakeFault::Bomb(limits.decode_ratio_max)
            } else {
                IntakeFault::TooLarge { limit }
            });
        }
    }
    Ok(bytes)
}

fn encodings(headers: &HeaderMap) -> Result<Vec<String>, IntakeFault> {
    let mut all = Vec::new();
    for value in headers.get_all(CONTENT_ENCODING) {
        let text = value
            .to_str()
            .map_err(|_e| IntakeFault::Encoding("(not text)".to_owned()))?;
        let names = text.split(',').map(|name| name.trim().to_ascii_lowercase());
        all.extend(names.filter(|name| !name.is_empty() && name != "identity"));
    }
    if all.len() > ENCODINGS_MAX {
        return Err(IntakeFault::Encoding(format!(
            "{} encodings stacked",
            all.len()
        )));
    }
    Ok(all)
}

/// At most one byte more than `limit`.
async fn decode_one(bytes: Bytes, encoding: &str, limit: usize) -> Result<Bytes, IntakeFault> {
    let source = BufReader::new(std::io::Cursor::new(bytes));
    let window = DParameter::window_log_max(ZSTD_WINDOW_LOG_MAX);
    let result = match encoding {
        "gzip" | "x-gzip" => drain(GzipDecoder::new(source), limit).await,
        "br" => drain(BrotliDecoder::new(source), limit).await,
        "zstd" => drain(ZstdDecoder::with_params(source, &[window]), limit).await,
        "deflate" => drain(ZlibDecoder::new(source), limit).await,
        other => return Err(IntakeFault::Encoding(other.chars().take(40).collect())),
    };
    result.map_err(|source| IntakeFault::Corrupt {
        encoding: encoding.to_owned(),
        source,
    })
}

async fn drain<R: tokio::io::AsyncRead + Unpin>(
    decoder: R,
    limit: usize,
) -> Result<Bytes, std::io::Error> {
    let most = limit.saturating_add(1);
    let mut decoder = decoder.take(most as u64);
    let mut out = BytesMut::new();
    while out.len() < most {
        if out.capacity() == out.len() {
            // Doubling, but never past the limit: the buffer itself must not be the bomb.
            let step = out.len().max(DECODE_STEP).min(most - out.len());
            out.reserve(step);
        }
        if decoder.read_buf(&mut out).await? == 0 {
            break;
        }
    }
    Ok(out.freeze())
}

/// Reads decoded bytes as what their content type says. A body without a content type is tried as
/// JSON.
///
/// # Errors
/// [`IntakeFault::Malformed`] when it says JSON and is not strict JSON.
pub fn parse(
    bytes: Bytes,
    headers: &HeaderMap,
    dialect: Dialect,
    limits: &Limits,
) -> Result<Content, IntakeFault> {
    if bytes.is_empty() {
        return Ok(Content::Empty);
    }
    let media_type = media_type(headers);
    if is_json(&media_type) || (media_type.is_empty() && looks_like_json(&bytes)) {
        return Ok(Content::Json(Box::new(Document::parse(
            bytes,
            dialect,
            &limits.wire,
        )?)));
    }
    let media_type = if media_type.is_empty() {
        "unknown".to_owned()
    } else {
        media_type
    };
    Ok(Content::Opaque { media_type, bytes })
}

/// The media type without parameters, in lower case; empty when there is none.
pub fn media_type(headers: &HeaderMap) -> String {
    let text = headers
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    text.split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

fn is_json(media_type: &str) -> bool {
    media_type == "application/json" || media_type == "text/json" || media_type.ends_with("+json")
}

fn looks_like_json(bytes: &[u8]) -> bool {
    matches!(
        bytes.iter().find(|b| !b.is_ascii_whitespace()),
        Some(b'{' | b'[')
    )
}
