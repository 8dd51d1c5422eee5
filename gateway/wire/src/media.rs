//! What no detector reads: base64 media, and references to media that lie elsewhere. Each of them
//! is listed. Base64 that holds text is text.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose::STANDARD};

use crate::Dialect;
use crate::json::{Leaf, Node};

/// Longest media type that is repeated in a record.
const KIND_MAX: usize = 64;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
const ANY_STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const ANY_URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Where a string stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spot<'n> {
    pub(crate) dialect: Dialect,
    /// The key that the object is under.
    pub(crate) under: Option<&'n str>,
    /// The members of the object.
    pub(crate) object: &'n [(Leaf, Node)],
    /// The key of the string, or of the array that it is in.
    pub(crate) name: &'n str,
}

/// What a string is to the detectors.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Text.
    Text,
    /// Media of this kind.
    Media(String),
    /// Text up to this many bytes, then media of this kind.
    Head(usize, String),
    /// Text that names media of this kind, which the model will see.
    Reference(String),
    /// Text up to this many bytes, then base64 of text.
    Encoded(usize),
}

impl Spot<'_> {
    /// How the string is read.
    pub(crate) fn read(&self, text: &str) -> Reading {
        if let Some((kind, head)) = self.data_url(text) {
            return inner(&kind, text, head);
        }
        if let Some(kind) = self.data(text) {
            return inner(&kind, text, 0);
        }
        match self.reference() {
            Some(kind) if !text.is_empty() => Reading::Reference(plain(kind)),
            _ => Reading::Text,
        }
    }

    fn sibling(&self, key: &str) -> Option<&str> {
        let found = self.object.iter().find(|(name, _)| name.text == key);
        found.and_then(|(_, value)| value.text())
    }

    /// The media type of a base64 string.
    fn data(&self, text: &str) -> Option<String> {
        let kind = match (self.under, self.name) {
            (_, "data") if self.sibling("type") == Some("base64") => {
                self.sibling("media_type").unwrap_or_default().to_owned()
            }
            (Some("input_audio" | "audio"), "data") => {
                format!("audio/{}", self.sibling("format").unwrap_or("unknown"))
            }
            (Some("inlineData" | "inline_data"), "data") => {
                let kind = self.sibling("mimeType").or(self.sibling("mime_type"));
                kind.unwrap_or_default().to_owned()
            }
            (_, "images") if self.dialect.is_ollama() => "image/unknown".to_owned(),
            (_, "b64_json" | "partial_image_b64") => "image/unknown".to_owned(),
            (_, "result") if self.sibling("type") == Some("image_generation_call") => {
                "image/unknown".to_owned()
            }
            (_, "delta")
                if self
                    .sibling("type")
                    .is_some_and(|t| t.ends_with("audio.delta")) =>
            {
                "audio/unknown".to_owned()
            }
            // Bytes of unknown kind, which may be text.
            (_, "b64") if matches!(self.dialect, Dialect::KserveV1 | Dialect::KserveV2) => {
                "text/unknown".to_owned()
            }
            _ => return None,
        };
        is_base64(text).then_some(kind)
    }

    /// For a base64 data URL: its media type, and how many bytes come before the data.
    fn data_url(&self, text: &str) -> Option<(String, usize)> {
        const NAMES: [&str; 6] = [
            "url",
            "image_url",
            "file_data",
            "file_url",
            "audio_url",
            "video_url",
        ];
        if !NAMES.contains(&self.name) || !text.get(..5)?.eq_ignore_ascii_case("data:") {
            return None;
        }
        let comma = text.find(',')?;
        let media_type = text.get(5..comma)?.strip_suffix(";base64")?;
        let kind = media_type.split(';').next().unwrap_or_default();
        is_base64(text.get(comma + 1..)?).then(|| (kind.to_owned(), comma + 1))
    }

    /// The kind of what the string points at.
    fn reference(&self) -> Option<&str> {
        Some(match (self.under, self.name) {
            (Some("image_url"), "url") | (_, "image_url") => "image",
            (Some("audio_url"), "url") | (_, "audio_url") => "audio",
            (Some("video_url"), "url") | (_, "video_url") => "video",
            (Some("source"), "url") if self.sibling("type") == Some("url") => "remote",
            (Some("fileData" | "file_data"), "fileUri" | "file_uri") => self
                .sibling("mimeType")
                .or(self.sibling("mime_type"))
                .unwrap_or("remote"),
            (_, "file_url") | (Some("file" | "source"), "file_id") => "file",
            (_, "file_id")
                if matches!(
                    self.sibling("type"),
                    Some("input_file" | "input_image" | "image_file" | "container_upload")
                ) =>
            {
                "file"
            }
            _ => return None,
        })
    }
}

/// What follows the head, by its media type and by what it holds.
fn inner(kind: &str, text: &str, head: usize) -> Reading {
    let data = text.get(head..).unwrap_or_default();
    if is_textual(kind) && decoded(data).is_some() {
        Reading::Encoded(head)
    } else if head > 0 {
        Reading::Head(head, plain(kind))
    } else {
        Reading::Media(plain(kind))
    }
}

fn is_textual(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    kind.starts_with("text/")
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
        || matches!(
            kind.as_str(),
            "application/json"
                | "application/xml"
                | "application/yaml"
                | "application/x-ndjson"
                | "application/javascript"
                | "application/x-javascript"
                | "application/rtf"
                | "application/x-python-code"
        )
}

/// The text that base64 holds; `None` when it holds no text.
pub(crate) fn decoded(data: &str) -> Option<String> {
    let bytes = ANY_STANDARD
        .decode(data)
        .or_else(|_not_standard| ANY_URL_SAFE.decode(data))
        .ok()?;
    String::from_utf8(bytes).ok()
}

/// Base64 of a text.
pub(crate) fn encoded(text: &str) -> String {
    STANDARD.encode(text)
}

/// Only what is base64 from end to end can be nothing else; anything else is text to scan.
fn is_base64(data: &str) -> bool {
    let body = data.trim_end_matches('=');
    let inside = |b: u8| b.is_ascii_alphanumeric() || b"+/-_".contains(&b);
    !body.is_empty() && data.len() - body.len() <= 2 && body.bytes().all(inside)
}

/// A media type fit for a record; the caller wrote it, so anything odd is not repeated.
fn plain(kind: &str) -> String {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"/.+-".contains(&b);
    if !kind.is_empty() && kind.len() <= KIND_MAX && kind.bytes().all(allowed) {
        kind.to_ascii_lowercase()
    } else {
        "unknown".to_owned()
    }
}
