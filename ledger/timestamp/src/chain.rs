//! From the signing certificate to a root that the reader trusts.

use std::time::Duration;

use der::oid::db::rfc5280::ID_KP_TIME_STAMPING;
use der::{Any, Encode};
use jiff::Timestamp;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, anchor_from_trusted_cert};
use x509_cert::Certificate;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{ExtendedKeyUsage, KeyUsage, SubjectAltName};

use crate::algorithm::ACCEPTED;
use crate::error::StampError;

/// The purpose of time-stamping, 1.3.6.1.5.5.7.3.8, encoded.
const TIME_STAMPING: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];
/// Most certificates in a token.
const CERTIFICATES_MAX: usize = 16;

/// Why trust roots could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootsError {
    /// The text is no PEM.
    #[error("the trust roots are no PEM: {0}")]
    Pem(String),
    /// There is no certificate in it.
    #[error("there is no certificate among the trust roots")]
    Empty,
    /// A certificate cannot be a trust root.
    #[error("certificate {number} of the trust roots cannot be used: {reason}")]
    Certificate {
        /// Which one, from 1.
        number: usize,
        /// Why.
        reason: String,
    },
}

/// The authorities whose timestamps are believed. Who reads brings them along.
#[derive(Debug, Clone)]
pub struct Roots(Vec<TrustAnchor<'static>>);

impl Roots {
    /// Reads one or more certificates in PEM.
    ///
    /// # Errors
    /// [`RootsError`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, RootsError> {
        let certificates = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| RootsError::Pem(error.to_string()))?;
        if certificates.is_empty() {
            return Err(RootsError::Empty);
        }
        let anchors = (1..).zip(&certificates).map(|(number, certificate)| {
            anchor_from_trusted_cert(certificate)
                .map(|anchor| anchor.to_owned())
                .map_err(|error| RootsError::Certificate {
                    number,
                    reason: error.to_string(),
                })
        });
        anchors.collect::<Result<Vec<_>, _>>().map(Self)
    }

    /// Checks that `signing` led to one of the roots at `time`, over `others` where needed.
    pub(crate) fn check(
        &self,
        signing: &CertificateDer<'_>,
        others: &[Any],
        time: Timestamp,
    ) -> Result<(), StampError> {
        if others.len() > CERTIFICATES_MAX {
            return Err(StampError::Malformed("it holds too many certificates"));
        }
        let others = others
            .iter()
            .map(|other| other.to_der().map(CertificateDer::from))
            .collect::<der::Result<Vec<_>>>()
            .map_err(StampError::malformed("its certificates"))?;
        let broken = |error: webpki::Error| StampError::Chain {
            time,
            reason: in_words(&error),
        };
        let seconds = u64::try_from(time.as_second()).unwrap_or(0);
        let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        // An issuer may leave its own purpose open; the signing certificate may not, and is
        // checked apart.
        let usage = webpki::KeyUsage::required_if_present(TIME_STAMPING);
        EndEntityCert::try_from(signing)
            .map_err(broken)?
            .verify_for_usage(ACCEPTED, &self.0, &others, at, usage, None, None)
            .map(drop)
            .map_err(broken)
    }
}

fn in_words(error: &webpki::Error) -> String {
    use webpki::Error;
    match error {
        Error::CertExpired { .. } => "a certificate had expired".to_owned(),
        Error::CertNotValidYet { .. } => "a certificate was not valid yet".to_owned(),
        Error::UnknownIssuer => "its issuer is unknown".to_owned(),
        Error::InvalidSignatureForPublicKey => {
            "a certificate is not signed by its issuer".to_owned()
        }
        other => other.to_string(),
    }
}

/// A signing certificate serves time-stamping alone, and critically so (RFC 3161 section 2.3).
pub(crate) fn check_usage(certificate: &Certificate) -> Result<(), StampError> {
    let certificate = &certificate.tbs_certificate;
    let purpose = certificate.get::<ExtendedKeyUsage>();
    let alone = matches!(purpose, Ok(Some((true, only))) if only.0 == [ID_KP_TIME_STAMPING]);
    // Where the uses of the key are listed, signing must be among them.
    let signs = match certificate.get::<KeyUsage>() {
        Ok(Some((_, usage))) => usage.digital_signature() || usage.non_repudiation(),
        Ok(None) => true,
        Err(_) => false,
    };
    if alone && signs {
        Ok(())
    } else {
        Err(StampError::Usage)
    }
}

/// Whether `name` is the certificate's subject or one of its alternative names.
pub(crate) fn is_named(certificate: &Certificate, name: &GeneralName) -> bool {
    let certificate = &certificate.tbs_certificate;
    if matches!(name, GeneralName::DirectoryName(subject) if *subject == certificate.subject) {
        return true;
    }
    let others = certificate.get::<SubjectAltName>().ok().flatten();
    others.is_some_and(|(_, others)| others.0.contains(name))
}
