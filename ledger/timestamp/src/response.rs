//! What a time-stamping authority answered, taken apart but not yet believed.

use std::ops::Range;
use std::time::Duration;

use cms::content_info::{CmsVersion, ContentInfo};
use der::asn1::OctetString;
use der::oid::db::rfc5911::ID_SIGNED_DATA;
use der::oid::db::rfc5912::ID_SHA_256;
use der::{Any, Decode, Tag, Tagged};
use jiff::{Timestamp, civil, tz::TimeZone};
use sha2::{Digest, Sha256};
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_tsp::Accuracy;

use crate::asn1::{SignedData, SignerInfo, StatusInfo, TST_INFO, TimeStampResp, TstInfo};
use crate::asn1::{is_bare, members};
use crate::error::StampError;
use crate::request::integer;

/// Most bytes of an answer.
pub const RESPONSE_MAX: usize = 64 << 10;
/// Most characters of an authority's own words in an error.
const TEXT_MAX: usize = 200;
/// Most digest algorithms that a token may list.
const DIGESTS_MAX: usize = 8;
/// A worse accuracy makes the token useless.
const ACCURACY_MAX: Duration = Duration::from_secs(3600);

/// A granted `TimeStampResp`: its parts, of which nothing is proven.
#[derive(Debug)]
pub struct Response {
    pub(crate) data: SignedData,
    pub(crate) signer: SignerInfo,
    /// The bytes that the signature covers by their digest.
    pub(crate) content: Vec<u8>,
    pub(crate) info: TstInfo,
    pub(crate) time: Timestamp,
    pub(crate) accuracy: Option<Duration>,
}

impl Response {
    /// Takes a `TimeStampResp` in DER apart.
    ///
    /// # Errors
    /// [`StampError::NotGranted`] for a refusal, and any error of form.
    pub fn parse(response: &[u8]) -> Result<Self, StampError> {
        if response.len() > RESPONSE_MAX {
            return Err(StampError::Malformed("it is too long"));
        }
        let answer = TimeStampResp::from_der(response)
            .map_err(StampError::malformed("it is no TimeStampResp"))?;
        let token = granted(answer)?;
        let data: SignedData = token
            .content
            .decode_as()
            .map_err(StampError::malformed("the token is no SignedData"))?;
        let signer = signer(&data)?;
        let content = content(&data)?;
        if data.version != CmsVersion::V3 {
            return Err(StampError::Malformed("the token is not of version 3"));
        }
        let info = TstInfo::from_der(&content)
            .map_err(StampError::malformed("the content is no TSTInfo"))?;
        let time = time(&info.time)?;
        let accuracy = info.accuracy.as_ref().map(accuracy).transpose()?;
        Ok(Self {
            data,
            signer,
            content,
            info,
            time,
            accuracy,
        })
    }

    /// The time that the token claims.
    pub fn claimed_time(&self) -> Timestamp {
        self.time
    }

    /// Checks that the token is about `note` and, where the nonce of the request is known, that
    /// it answers that request.
    ///
    /// # Errors
    /// [`StampError::Imprint`] or [`StampError::Nonce`].
    pub fn answers(&self, note: &[u8], nonce: Option<u64>) -> Result<(), StampError> {
        let imprint = &self.info.imprint;
        let same = imprint.hash_algorithm.oid == ID_SHA_256
            && is_bare(&imprint.hash_algorithm)
            && imprint.hashed_message.as_bytes() == Sha256::digest(note).as_slice();
        if !same {
            return Err(StampError::Imprint);
        }
        let Some(asked) = nonce else {
            return Ok(());
        };
        let asked = integer(asked).map_err(|_| StampError::Nonce)?;
        if self.info.nonce.as_ref() == Some(&asked) {
            Ok(())
        } else {
            Err(StampError::Nonce)
        }
    }
}

/// The token of a granted answer. An answer "granted with modifications" is refused: a request
/// that asks for nothing special leaves nothing to modify.
fn granted(answer: TimeStampResp) -> Result<ContentInfo, StampError> {
    if answer.status.status != 0 {
        return Err(StampError::NotGranted {
            status: answer.status.status,
            text: said(&answer.status),
        });
    }
    let token = answer
        .token
        .ok_or(StampError::Malformed("it is granted but holds no token"))?;
    if token.content_type == ID_SIGNED_DATA {
        Ok(token)
    } else {
        Err(StampError::Malformed("the token is no SignedData"))
    }
}

/// The authority's words and the numbers of its failure bits (RFC 3161 section 2.4.2), printable.
fn said(status: &StatusInfo) -> String {
    let words = status.text.iter().flatten().map(String::as_str);
    let bits = status.failure.iter().flat_map(|bits| {
        bits.bits()
            .enumerate()
            .filter(|(_, set)| *set)
            .map(|(number, _)| format!("failure bit {number}"))
    });
    let all: Vec<String> = words.map(str::to_owned).chain(bits).collect();
    let printable = all.join("; ");
    printable
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(TEXT_MAX)
        .collect()
}

fn signer(data: &SignedData) -> Result<SignerInfo, StampError> {
    let malformed = "the signature is no SignerInfo";
    // One more than allowed, so that a second one is seen as what it is.
    let found = members::<Any>(&data.signers, 2).map_err(|_| StampError::Signers)?;
    let [signer] = found.as_slice() else {
        return Err(StampError::Signers);
    };
    let signer: SignerInfo = signer
        .decode_as()
        .map_err(StampError::malformed(malformed))?;
    let listed: Vec<AlgorithmIdentifierOwned> = members(&data.digests, DIGESTS_MAX)
        .map_err(StampError::malformed("its list of digest algorithms"))?;
    let digest = |listed: &AlgorithmIdentifierOwned| listed.oid == signer.digest.oid;
    if listed.iter().any(digest) && listed.iter().all(is_bare) && is_bare(&signer.digest) {
        Ok(signer)
    } else {
        Err(StampError::Malformed("its digest algorithms disagree"))
    }
}

fn content(data: &SignedData) -> Result<Vec<u8>, StampError> {
    if data.content.econtent_type != TST_INFO {
        return Err(StampError::Malformed("the content is no TSTInfo"));
    }
    let content = data.content.econtent.as_ref();
    let content: OctetString = content
        .ok_or(StampError::Malformed("the content is detached"))?
        .decode_as()
        .map_err(StampError::malformed("the content is no octet string"))?;
    Ok(content.into_bytes())
}

/// Reads `YYYYMMDDhhmmss[.fraction]Z`.
fn time(value: &Any) -> Result<Timestamp, StampError> {
    let bad = StampError::Malformed("its time is no GeneralizedTime in UTC");
    parse_time(value).ok_or(bad)
}

fn parse_time(value: &Any) -> Option<Timestamp> {
    if value.tag() != Tag::GeneralizedTime {
        return None;
    }
    let text = std::str::from_utf8(value.value()).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |t: &str| t.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() != 14 || !digits(whole) || fraction.is_empty() || !digits(fraction) {
        return None;
    }
    let fraction: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let part = |range: Range<usize>| whole.get(range)?.parse::<i8>().ok();
    let civil = civil::DateTime::new(
        whole.get(..4)?.parse().ok()?,
        part(4..6)?,
        part(6..8)?,
        part(8..10)?,
        part(10..12)?,
        part(12..14)?,
        fraction.parse().ok()?,
    );
    TimeZone::UTC.to_timestamp(civil.ok()?).ok()
}

fn accuracy(stated: &Accuracy) -> Result<Duration, StampError> {
    let thousandths = |value: Option<i16>| match value {
        None => Ok(0),
        Some(value @ 1..=999) => Ok(u64::from(value.unsigned_abs())),
        Some(_) => Err(StampError::Accuracy),
    };
    let seconds = Duration::from_secs(stated.seconds.unwrap_or(0));
    let accuracy = seconds
        .saturating_add(Duration::from_millis(thousandths(stated.millis)?))
        .saturating_add(Duration::from_micros(thousandths(stated.micros)?));
    if accuracy <= ACCURACY_MAX {
        Ok(accuracy)
    } else {
        Err(StampError::Accuracy)
    }
}

#[cfg(test)]
mod tests;
