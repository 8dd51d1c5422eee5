//! The messages as they stand in ASN.1.
//!
//! Where the kept crates fall short, the structure is declared here and decoded by the same
//! library: a fraction of a second in `genTime`, any failure bit in a refusal, and sets whose
//! members keep their exact bytes (what a signature covers is never encoded anew from parsed
//! certificates, and hostile sets cost no quadratic sorting).

use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{EncapsulatedContentInfo, SignerIdentifier};
use der::asn1::{BitString, Int, ObjectIdentifier, OctetString};
use der::{Any, Decode, Encode, Reader, Sequence, SliceReader, Tag, Tagged};
use x509_cert::ext::Extensions;
use x509_cert::ext::pkix::name::{GeneralName, GeneralNames};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_tsp::{Accuracy, MessageImprint, TspVersion};

/// Content type of a `TSTInfo`.
pub(crate) const TST_INFO: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");

/// `TimeStampResp` (RFC 3161 section 2.4.2).
#[derive(Debug, Sequence)]
pub(crate) struct TimeStampResp {
    pub(crate) status: StatusInfo,
    #[asn1(optional = "true")]
    pub(crate) token: Option<ContentInfo>,
}

/// `PKIStatusInfo`.
#[derive(Debug, Sequence)]
pub(crate) struct StatusInfo {
    pub(crate) status: u8,
    #[asn1(optional = "true")]
    pub(crate) text: Option<Vec<String>>,
    #[asn1(optional = "true")]
    pub(crate) failure: Option<BitString>,
}

/// `TSTInfo` (RFC 3161 section 2.4.2).
#[derive(Debug, Sequence)]
pub(crate) struct TstInfo {
    pub(crate) version: TspVersion,
    pub(crate) policy: ObjectIdentifier,
    pub(crate) imprint: MessageImprint,
    pub(crate) serial: Int,
    /// A `GeneralizedTime` that may hold a fraction.
    pub(crate) time: Any,
    #[asn1(optional = "true")]
    pub(crate) accuracy: Option<Accuracy>,
    #[asn1(default = "Default::default")]
    pub(crate) ordering: bool,
    #[asn1(optional = "true")]
    pub(crate) nonce: Option<Int>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(crate) tsa: Option<GeneralName>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    pub(crate) extensions: Option<Extensions>,
}

/// `SignedData` (RFC 5652 section 5.1). A list under an implicit tag reads sets and sequences alike.
#[derive(Debug, Sequence)]
pub(crate) struct SignedData {
    pub(crate) version: CmsVersion,
    pub(crate) digests: Any,
    pub(crate) content: EncapsulatedContentInfo,
    #[asn1(
        context_specific = "0",
        tag_mode = "IMPLICIT",
        constructed = "true",
        optional = "true"
    )]
    pub(crate) certificates: Option<Vec<Any>>,
    #[asn1(
        context_specific = "1",
        tag_mode = "IMPLICIT",
        constructed = "true",
        optional = "true"
    )]
    pub(crate) revocations: Option<Vec<Any>>,
    pub(crate) signers: Any,
}

/// `SignerInfo` (RFC 5652 section 5.3).
#[derive(Debug, Sequence)]
pub(crate) struct SignerInfo {
    pub(crate) version: CmsVersion,
    pub(crate) id: SignerIdentifier,
    pub(crate) digest: AlgorithmIdentifierOwned,
    #[asn1(
        context_specific = "0",
        tag_mode = "IMPLICIT",
        constructed = "true",
        optional = "true"
    )]
    pub(crate) signed: Option<Vec<Any>>,
    pub(crate) algorithm: AlgorithmIdentifierOwned,
    pub(crate) signature: OctetString,
    #[asn1(
        context_specific = "1",
        tag_mode = "IMPLICIT",
        constructed = "true",
        optional = "true"
    )]
    pub(crate) unsigned: Option<Vec<Any>>,
}

/// `Attribute` with its set of values as it came.
#[derive(Debug, Sequence)]
pub(crate) struct Attribute {
    pub(crate) kind: ObjectIdentifier,
    pub(crate) values: Any,
}

/// `SigningCertificateV2` (RFC 5035 section 3).
#[derive(Debug, Sequence)]
pub(crate) struct SigningCertificateV2 {
    pub(crate) certificates: Vec<EssCertIdV2>,
    #[asn1(optional = "true")]
    pub(crate) policies: Option<Any>,
}

/// `ESSCertIDv2`; without an algorithm the hash is SHA-256.
#[derive(Debug, Sequence)]
pub(crate) struct EssCertIdV2 {
    #[asn1(optional = "true")]
    pub(crate) algorithm: Option<AlgorithmIdentifierOwned>,
    pub(crate) hash: OctetString,
    #[asn1(optional = "true")]
    pub(crate) issuer_serial: Option<IssuerSerial>,
}

/// `IssuerSerial`.
#[derive(Debug, Sequence)]
pub(crate) struct IssuerSerial {
    pub(crate) issuer: GeneralNames,
    pub(crate) serial: SerialNumber,
}

/// The members of a set, `most` at most; more are an error.
pub(crate) fn members<'a, T: Decode<'a>>(set: &'a Any, most: usize) -> der::Result<Vec<T>> {
    set.tag().assert_eq(Tag::Set)?;
    let mut reader = SliceReader::new(set.value())?;
    let mut found = Vec::new();
    while !reader.is_finished() {
        if found.len() == most {
            return Err(der::ErrorKind::Overflow.into());
        }
        found.push(T::decode(&mut reader)?);
    }
    Ok(found)
}

/// The DER encoding of a set with these members: what a signature over attributes covers.
pub(crate) fn set_of(members: &[Any]) -> der::Result<Vec<u8>> {
    let mut encoded = members
        .iter()
        .map(Encode::to_der)
        .collect::<der::Result<Vec<_>>>()?;
    encoded.sort();
    Any::new(Tag::Set, encoded.concat())?.to_der()
}

/// Whether an algorithm that takes no parameters has none.
pub(crate) fn is_bare(algorithm: &AlgorithmIdentifierOwned) -> bool {
    algorithm
        .parameters
        .as_ref()
        .is_none_or(|p| p == &Any::null())
}
