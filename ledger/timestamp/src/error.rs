//! Why a timestamp token is refused.

use jiff::Timestamp;

/// Why an answer of a time-stamping authority proves nothing about a note.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StampError {
    /// The bytes are not what RFC 3161 and RFC 5652 prescribe.
    #[error("the timestamp is malformed: {0}")]
    Malformed(&'static str),
    /// The authority did not grant a token.
    #[error("the authority granted no timestamp (status {status}{})", reason(.text))]
    NotGranted {
        /// `PKIStatus`; 2 is a rejection.
        status: u8,
        /// What the authority said about it, made printable and short.
        text: String,
    },
    /// The token stamps other bytes than the note's.
    #[error("the timestamp belongs to another note")]
    Imprint,
    /// The token answers another request.
    #[error("the timestamp answers another request (its nonce differs)")]
    Nonce,
    /// The token is not signed by exactly one signer.
    #[error("the timestamp must have exactly one signature")]
    Signers,
    /// A signed attribute is missing, doubled or says something else.
    #[error("the timestamp's signed attribute {0} is missing, doubled or does not match")]
    Attribute(&'static str),
    /// The certificate that the signature names is not in the token.
    #[error("the timestamp does not hold the certificate it was signed with")]
    NoCertificate,
    /// An algorithm that is not accepted here, SHA-1 among them.
    #[error("the timestamp uses an algorithm that is not accepted: {0}")]
    Algorithm(String),
    /// The signature does not verify.
    #[error("the timestamp's signature does not verify")]
    Signature,
    /// The signing certificate may be used for something else than time-stamping, or not for it.
    #[error("the signing certificate is not for time-stamping alone (critical extended key usage)")]
    Usage,
    /// The signing certificate does not lead to a trusted root at the time of the token.
    #[error("at {time} the signing certificate did not lead to a trusted root: {reason}")]
    Chain {
        /// The time of the token.
        time: Timestamp,
        /// What is wrong with the chain.
        reason: String,
    },
    /// The authority names itself differently from its certificate.
    #[error("the timestamp names another authority than its certificate does")]
    Authority,
    /// An extension that must be understood is not.
    #[error("the timestamp has a critical extension that is not known here: {0}")]
    Extension(String),
    /// The stated accuracy is no accuracy.
    #[error("the timestamp's accuracy is malformed or worse than an hour")]
    Accuracy,
    /// The token is older than what it can have stamped.
    #[error("the timestamp says {time}, which is before {limit}")]
    Early {
        /// The time of the token.
        time: Timestamp,
        /// The earliest instant that was accepted.
        limit: Timestamp,
    },
    /// The token is from the future.
    #[error("the timestamp says {time}, which is after {limit}")]
    Late {
        /// The time of the token.
        time: Timestamp,
        /// The latest instant that was accepted.
        limit: Timestamp,
    },
}

impl StampError {
    /// For decoding: whatever the decoder says, `what` is malformed.
    pub(crate) fn malformed<E>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |_| Self::Malformed(what)
    }
}

fn reason(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!(": {text}")
    }
}
