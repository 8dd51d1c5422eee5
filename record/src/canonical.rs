//! The one serialiser of hashed bytes: RFC 8785 (JCS), with floats refused.

use serde::Serialize;
use serde_json::Value;

/// Why a value has no canonical bytes.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// The value could not be turned into JSON.
    #[error("not representable as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A number that is not an integer of at most 53 bits (I-JSON, RFC 7493 section 2.2).
    #[error("number {0} is not an integer within ±(2^53 - 1)")]
    Number(String),
}

/// Serialises `value` as RFC 8785 canonical JSON.
///
/// # Errors
/// [`CanonicalError::Number`] when a float or an integer beyond ±(2^53 − 1) occurs anywhere;
/// [`CanonicalError::Json`] when serialisation fails.
pub fn canonical_bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, CanonicalError> {
    let value = serde_json::to_value(value)?;
    refuse_floats(&value)?;
    Ok(serde_json_canonicalizer::to_vec(&value)?)
}

fn refuse_floats(value: &Value) -> Result<(), CanonicalError> {
    const MAX: u64 = (1 << 53) - 1;
    match value {
        Value::Number(n) => match (n.as_u64(), n.as_i64()) {
            (Some(u), _) if u <= MAX => Ok(()),
            (None, Some(i)) if i.unsigned_abs() <= MAX => Ok(()),
            _ => Err(CanonicalError::Number(n.to_string())),
        },
        Value::Array(items) => items.iter().try_for_each(refuse_floats),
        Value::Object(members) => members.values().try_for_each(refuse_floats),
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}
