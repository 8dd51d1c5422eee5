//! Reads a body whole, within limits, and undoes its content encodings.

use std::time::Duration;

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
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

/// Most bytes of an oversized body that are read and thrown away, and for how long.
const DISCARD_BYTES_MAX: usize = 128 << 20;
const DISCARD_TIME_MAX: Duration = Duration::from_secs(10);

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
            Self::Empty => Bytes::new(),
            Self::Json(document) => document.bytes().clone(),
            Self::Opaque { bytes, .. } => bytes.clone(),
        }
    }

    /// The parts that no detector can read.
    pub fn unscanned(&self) -> Vec<Unscanned> {
        match self {
            Self::Empty => Vec::new(),
            Self::Json(document) => document.unscanned().to_vec(),
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
            Self::Empty | Self::Opaque { .. } => None,
        }
    }
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
    let limit = limits.body_bytes_max;
    let mut body = body;
    if body.size_hint().lower() > limit as u64 {
        discard(body).await;
        return Err(IntakeFault::TooLarge { limit });
    }
    let mut all = BytesMut::new();
    loop {
        let next = tokio::time::timeout(patience, body.frame())
            .await
            .map_err(|_elapsed| IntakeFault::TimedOut(patience))?;
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
/// [`IntakeFault::Encoding`], [`IntakeFault::Corrupt`], or [`IntakeFault::TooLarge`] as soon as
/// the output passes the limit, so that a decompression bomb costs no more than the limit.
pub async fn decode(
    bytes: Bytes,
    headers: &HeaderMap,
    limits: &Limits,
) -> Result<Bytes, IntakeFault> {
    let mut bytes = bytes;
    for encoding in encodings(headers)?.iter().rev() {
        bytes = decode_one(bytes, encoding, limits.body_bytes_max).await?;
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

async fn decode_one(bytes: Bytes, encoding: &str, limit: usize) -> Result<Bytes, IntakeFault> {
    let source = BufReader::new(std::io::Cursor::new(bytes));
    let result = match encoding {
        "gzip" | "x-gzip" => drain(GzipDecoder::new(source), limit).await,
        "br" => drain(BrotliDecoder::new(source), limit).await,
        "zstd" => drain(ZstdDecoder::new(source), limit).await,
        "deflate" => drain(ZlibDecoder::new(source), limit).await,
        other => return Err(IntakeFault::Encoding(other.chars().take(40).collect())),
    };
    let decoded = result.map_err(|source| IntakeFault::Corrupt {
        encoding: encoding.to_owned(),
        source,
    })?;
    if decoded.len() > limit {
        Err(IntakeFault::TooLarge { limit })
    } else {
        Ok(decoded)
    }
}

async fn drain<R: tokio::io::AsyncRead + Unpin>(
    decoder: R,
    limit: usize,
) -> Result<Bytes, std::io::Error> {
    let mut out = Vec::new();
    decoder.take(limit as u64 + 1).read_to_end(&mut out).await?;
    Ok(out.into())
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
