//! Asking for a timestamp.

use der::asn1::{Int, OctetString, Uint};
use der::oid::db::rfc5912::ID_SHA_256;
use der::{Any, Encode};
use sha2::{Digest, Sha256};
use x509_cert::spki::AlgorithmIdentifier;
use x509_tsp::{MessageImprint, TimeStampReq, TspVersion};

/// Why no request could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The system gave no randomness.
    #[error("no randomness from the system")]
    Randomness,
    /// The request could not be encoded.
    #[error("the request could not be encoded")]
    Encoding,
}

/// A request for a timestamp over one checkpoint note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    nonce: u64,
    der: Vec<u8>,
}

impl Request {
    /// A request over the complete bytes of `note` with a random nonce.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn new(note: &[u8]) -> Result<Self, RequestError> {
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce).map_err(|_| RequestError::Randomness)?;
        Self::with_nonce(note, u64::from_be_bytes(nonce))
    }

    /// A request over the complete bytes of `note` with the given nonce. A nonce that was used
    /// before lets an old answer pass for a new one.
    ///
    /// # Errors
    /// [`RequestError::Encoding`].
    pub fn with_nonce(note: &[u8], nonce: u64) -> Result<Self, RequestError> {
        let encoding = |_| RequestError::Encoding;
        let request = TimeStampReq {
            version: TspVersion::V1,
            message_imprint: MessageImprint {
                hash_algorithm: AlgorithmIdentifier {
                    oid: ID_SHA_256,
                    parameters: Some(Any::null()),
                },
                hashed_message: OctetString::new(Sha256::digest(note).to_vec())
                    .map_err(encoding)?,
            },
            req_policy: None,
            nonce: Some(integer(nonce).map_err(encoding)?),
            cert_req: true,
            extensions: None,
        };
        let der = request.to_der().map_err(encoding)?;
        Ok(Self { nonce, der })
    }

    /// The nonce that the answer must repeat.
    pub fn nonce(&self) -> u64 {
        self.nonce
    }

    /// The `TimeStampReq` in DER, the body of an `application/timestamp-query`.
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

/// A non-negative integer as ASN.1 has it.
pub(crate) fn integer(value: u64) -> der::Result<Int> {
    Uint::new(&value.to_be_bytes()).map(Int::from)
}

#[cfg(test)]
mod tests {
    use der::Decode;

    use super::*;

    #[test]
    fn every_nonce_is_a_positive_integer_that_decodes_to_itself() {
        for nonce in [0, 1, 0x7F, 0x80, 0xFF, 1 << 32, 1 << 63, u64::MAX] {
            let request = Request::with_nonce(b"note", nonce).unwrap();
            let decoded = TimeStampReq::from_der(request.der()).unwrap();
            let found = decoded.nonce.unwrap();
            assert!(found.as_bytes()[0] < 0x80, "{nonce} became negative");
            let value = found
                .as_bytes()
                .iter()
                .fold(0u128, |sum, byte| (sum << 8) | u128::from(*byte));
            assert_eq!(value, u128::from(nonce));
            assert!(decoded.cert_req);
        }
    }

    #[test]
    fn two_requests_over_one_note_differ() {
        assert_ne!(
            Request::new(b"note").unwrap(),
            Request::new(b"note").unwrap()
        );
    }
}
