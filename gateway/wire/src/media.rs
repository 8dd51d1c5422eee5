//! Base64 media: the only strings that no detector reads, and each of them is listed.

use crate::json::Node;

/// Longest media type that is repeated in a record.
const KIND_MAX: usize = 64;

/// The media kind of the `data` member of `object`, which stands under `key`.
pub(crate) fn kind_of_data(key: Option<&str>, object: &Node) -> Option<String> {
    if !object.text_at("data").is_some_and(is_base64) {
        return None;
    }
    if object.text_at("type") == Some("base64") {
        return Some(plain(object.text_at("media_type").unwrap_or_default()));
    }
    if matches!(key, Some("input_audio" | "audio")) {
        let format = object.text_at("format").unwrap_or("unknown");
        return Some(plain(&format!("audio/{format}")));
    }
    None
}

/// For a base64 data URL: its media kind, and how many bytes come before the data.
pub(crate) fn kind_of_url(key: Option<&str>, text: &str) -> Option<(String, usize)> {
    if !matches!(key, Some("url" | "image_url" | "file_data")) {
        return None;
    }
    let scheme = text.get(..5)?;
    if !scheme.eq_ignore_ascii_case("data:") {
        return None;
    }
    let comma = text.find(',')?;
    let header = text.get(5..comma)?;
    let media_type = header.strip_suffix(";base64")?;
    let data = text.get(comma + 1..)?;
    if !is_base64(data) {
        return None;
    }
    Some((
        plain(media_type.split(';').next().unwrap_or_default()),
        comma + 1,
    ))
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
