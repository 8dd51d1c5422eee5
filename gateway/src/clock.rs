//! The only place of the data plane that reads the wall clock and makes identifiers.

use countersign_record::{ExchangeId, RecordId};

/// The present instant as RFC 3339 UTC text with nanoseconds.
pub fn now() -> String {
    format!("{:.9}", jiff::Timestamp::now())
}

/// A fresh exchange id.
pub fn new_exchange_id() -> ExchangeId {
    ExchangeId::new(uuid::Uuid::now_v7())
}

pub(crate) fn new_record_id() -> RecordId {
    RecordId::new(uuid::Uuid::now_v7())
}
