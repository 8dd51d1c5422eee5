//! Whether a timestamp proves what it claims.

use std::time::Duration;

use cms::content_info::CmsVersion;
use cms::signed_data::SignerIdentifier;
use der::asn1::{ObjectIdentifier, OctetString};
use der::oid::db::rfc5911::{ID_AA_SIGNING_CERTIFICATE_V_2, ID_CONTENT_TYPE, ID_MESSAGE_DIGEST};
use der::{Any, Decode, Encode};
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::ext::pkix::SubjectKeyIdentifier;
use x509_cert::ext::pkix::name::GeneralName;

use crate::algorithm::{self, Hash};
use crate::asn1::{Attribute, EssCertIdV2, SigningCertificateV2, TST_INFO, members, set_of};
use crate::chain::{self, Roots};
use crate::error::StampError;
use crate::response::Response;

/// Times are mostly given in whole seconds, cut and not rounded.
const RESOLUTION: Duration = Duration::from_secs(1);
/// Most signed attributes.
const ATTRIBUTES_MAX: usize = 64;

/// What is known about a token beforehand; what is unknown is not checked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected {
    /// Nonce of the request.
    pub nonce: Option<u64>,
    /// The note cannot have been stamped before this instant.
    pub earliest: Option<Timestamp>,
    /// The note cannot have been stamped after this instant.
    pub latest: Option<Timestamp>,
}

/// What a verified token proves: the note existed at this time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The authority's time.
    pub time: Timestamp,
    /// How far the time may be off, both ways; `None` when the authority does not say.
    pub accuracy: Option<Duration>,
    /// Object identifier of the policy that the authority followed.
    pub policy: String,
    /// The authority's number of the token, in hex.
    pub serial: String,
    /// Subject of the signing certificate (RFC 4514).
    pub signer: String,
}

/// Checks `response`, a `TimeStampResp` in DER, against the complete bytes of `note`.
///
/// # Errors
/// The first [`StampError`] that is found.
pub fn verify(
    response: &[u8],
    note: &[u8],
    roots: &Roots,
    expected: &Expected,
) -> Result<Stamp, StampError> {
    let response = Response::parse(response)?;
    response.answers(note, expected.nonce)?;
    response.verify(roots, expected)
}

impl Response {
    /// Checks the signature, the signing certificate up to a root, and the time.
    pub(crate) fn verify(&self, roots: &Roots, expected: &Expected) -> Result<Stamp, StampError> {
        let attributes = self.attributes()?;
        let (der, certificate) = self.certificate(&attributes)?;
        let signed = self.signer.signed.as_deref().unwrap_or_default();
        let message = set_of(signed).map_err(StampError::malformed("its signed attributes"))?;
        algorithm::verify_signature(
            &der,
            &self.signer.algorithm,
            self.hash()?,
            &message,
            self.signer.signature.as_bytes(),
        )?;
        chain::check_usage(&certificate)?;
        let others = self.data.certificates.as_deref().unwrap_or_default();
        roots.check(&der, others, self.time)?;
        self.check_info(&certificate)?;
        self.check_time(expected)?;
        Ok(Stamp {
            time: self.time,
            accuracy: self.accuracy,
            policy: self.info.policy.to_string(),
            serial: hex::encode(self.info.serial.as_bytes()),
            signer: certificate.tbs_certificate.subject.to_string(),
        })
    }

    fn hash(&self) -> Result<Hash, StampError> {
        Hash::of(self.signer.digest.oid)
    }

    /// The signed attributes, of which content type and digest are checked.
    fn attributes(&self) -> Result<Vec<Attribute>, StampError> {
        let malformed = "its signed attributes";
        let signed = self.signer.signed.as_deref().unwrap_or_default();
        if signed.len() > ATTRIBUTES_MAX {
            return Err(StampError::Malformed(malformed));
        }
        let attributes = signed
            .iter()
            .map(Any::decode_as::<Attribute>)
            .collect::<der::Result<Vec<_>>>()
            .map_err(StampError::malformed(malformed))?;
        let wrong = StampError::Attribute;
        let kind: ObjectIdentifier = the(&attributes, ID_CONTENT_TYPE, "content-type")?;
        if kind != TST_INFO {
            return Err(wrong("content-type"));
        }
        let digest: OctetString = the(&attributes, ID_MESSAGE_DIGEST, "message-digest")?;
        if digest.as_bytes() != self.hash()?.digest(&self.content) {
            return Err(wrong("message-digest"));
        }
        Ok(attributes)
    }

    /// The certificate that the signature binds itself to, which must also be the one that the
    /// signer is identified by.
    fn certificate(
        &self,
        attributes: &[Attribute],
    ) -> Result<(CertificateDer<'static>, Certificate), StampError> {
        const NAME: &str = "signing-certificate-v2";
        let bound: SigningCertificateV2 = the(attributes, ID_AA_SIGNING_CERTIFICATE_V_2, NAME)?;
        // The first one is the signer's (RFC 5035 section 3).
        let bound = bound.certificates.into_iter().next();
        let bound = bound.ok_or(StampError::Attribute(NAME))?;
        let hash = bound
            .algorithm
            .as_ref()
            .map_or(Ok(Hash::Sha256), |a| Hash::of(a.oid))?;
        let certificates = self.data.certificates.iter().flatten();
        let der = certificates
            .filter_map(|certificate| certificate.to_der().ok())
            .find(|der| hash.digest(der) == bound.hash.as_bytes())
            .ok_or(StampError::NoCertificate)?;
        let certificate = Certificate::from_der(&der)
            .map_err(StampError::malformed("the signing certificate"))?;
        if !is_issued_as(&certificate, &bound) {
            return Err(StampError::Attribute(NAME));
        }
        if !self.is_identified_by(&certificate) {
            return Err(StampError::NoCertificate);
        }
        Ok((CertificateDer::from(der), certificate))
    }

    fn is_identified_by(&self, certificate: &Certificate) -> bool {
        let certificate = &certificate.tbs_certificate;
        match &self.signer.id {
            SignerIdentifier::IssuerAndSerialNumber(id) => {
                self.signer.version == CmsVersion::V1
                    && id.issuer == certificate.issuer
                    && id.serial_number == certificate.serial_number
            }
            SignerIdentifier::SubjectKeyIdentifier(id) => {
                let own = certificate.get::<SubjectKeyIdentifier>();
                self.signer.version == CmsVersion::V3
                    && own.ok().flatten().is_some_and(|(_, own)| own == *id)
            }
        }
    }

    fn check_info(&self, certificate: &Certificate) -> Result<(), StampError> {
        let extensions = self.info.extensions.iter().flatten();
        if let Some(unknown) = extensions.into_iter().find(|extension| extension.critical) {
            return Err(StampError::Extension(unknown.extn_id.to_string()));
        }
        match &self.info.tsa {
            Some(name) if !chain::is_named(certificate, name) => Err(StampError::Authority),
            _ => Ok(()),
        }
    }

    fn check_time(&self, expected: &Expected) -> Result<(), StampError> {
        let slack = self.accuracy.unwrap_or_default() + RESOLUTION;
        let time = self.time;
        let later = time.saturating_add(slack).unwrap_or(Timestamp::MAX);
        let sooner = time.saturating_sub(slack).unwrap_or(Timestamp::MIN);
        match (expected.earliest, expected.latest) {
            (Some(limit), _) if later < limit => Err(StampError::Early { time, limit }),
            (_, Some(limit)) if sooner > limit => Err(StampError::Late { time, limit }),
            _ => Ok(()),
        }
    }
}

/// The one value of the one attribute of this kind.
fn the<T>(
    attributes: &[Attribute],
    kind: ObjectIdentifier,
    name: &'static str,
) -> Result<T, StampError>
where
    T: for<'a> Decode<'a>,
{
    let wrong = || StampError::Attribute(name);
    let mut of_kind = attributes.iter().filter(|attribute| attribute.kind == kind);
    let (Some(attribute), None) = (of_kind.next(), of_kind.next()) else {
        return Err(wrong());
    };
    let values: Vec<Any> = members(&attribute.values, 1).map_err(|_| wrong())?;
    let value = values
        .first()
        .ok_or_else(wrong)?
        .to_der()
        .map_err(|_| wrong())?;
    T::from_der(&value).map_err(|_| wrong())
}

/// Whether issuer and serial number, where the attribute gives them, are the certificate's.
fn is_issued_as(certificate: &Certificate, bound: &EssCertIdV2) -> bool {
    let certificate = &certificate.tbs_certificate;
    bound.issuer_serial.as_ref().is_none_or(|given| {
        let [GeneralName::DirectoryName(issuer)] = given.issuer.as_slice() else {
            return false;
        };
        *issuer == certificate.issuer && given.serial == certificate.serial_number
    })
}
