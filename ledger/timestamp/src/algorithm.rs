//! Which algorithms are accepted, and what they compute.

use der::Encode;
use der::asn1::ObjectIdentifier;
use der::oid::db::rfc5912::{ID_SHA_256, ID_SHA_384, ID_SHA_512, RSA_ENCRYPTION};
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use sha2::{Digest, Sha256, Sha384, Sha512};
use webpki::EndEntityCert;
use webpki::aws_lc_rs as algs;
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::asn1::is_bare;
use crate::error::StampError;

type Algorithm = &'static dyn SignatureVerificationAlgorithm;

/// Signatures over certificates and tokens: RSA (PKCS#1 v1.5 and PSS, 2048 bits at least), ECDSA
/// on the NIST curves, Ed25519; SHA-2 of 256 bits or more. Nothing with SHA-1.
pub(crate) static ACCEPTED: &[Algorithm] = &[
    algs::ECDSA_P256_SHA256,
    algs::ECDSA_P256_SHA384,
    algs::ECDSA_P256_SHA512,
    algs::ECDSA_P384_SHA256,
    algs::ECDSA_P384_SHA384,
    algs::ECDSA_P384_SHA512,
    algs::ECDSA_P521_SHA256,
    algs::ECDSA_P521_SHA384,
    algs::ECDSA_P521_SHA512,
    algs::ED25519,
    algs::RSA_PKCS1_2048_8192_SHA256,
    algs::RSA_PKCS1_2048_8192_SHA384,
    algs::RSA_PKCS1_2048_8192_SHA512,
    algs::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
    algs::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
    algs::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
    algs::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    algs::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    algs::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
];

/// A digest algorithm of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub(crate) fn of(oid: ObjectIdentifier) -> Result<Self, StampError> {
        match oid {
            ID_SHA_256 => Ok(Self::Sha256),
            ID_SHA_384 => Ok(Self::Sha384),
            ID_SHA_512 => Ok(Self::Sha512),
            other => Err(StampError::Algorithm(other.to_string())),
        }
    }

    pub(crate) fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha384 => Sha384::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }
}

/// Checks a token's signature with the key of `certificate`.
pub(crate) fn verify_signature(
    certificate: &CertificateDer<'_>,
    named: &AlgorithmIdentifierOwned,
    hash: Hash,
    message: &[u8],
    signature: &[u8],
) -> Result<(), StampError> {
    let certificate = EndEntityCert::try_from(certificate)
        .map_err(StampError::malformed("the signing certificate"))?;
    let candidates = candidates(named, hash)?;
    if candidates.is_empty() {
        return Err(StampError::Algorithm(named.oid.to_string()));
    }
    // Of the algorithms with one name the curve of the key picks one; the others fail.
    candidates
        .into_iter()
        .find_map(|algorithm| {
            certificate
                .verify_signature(algorithm, message, signature)
                .ok()
        })
        .ok_or(StampError::Signature)
}

/// The accepted algorithms that `named` may mean. A plain `rsaEncryption` takes its digest from
/// the signer's digest algorithm (RFC 3370 section 3.2).
fn candidates(named: &AlgorithmIdentifierOwned, hash: Hash) -> Result<Vec<Algorithm>, StampError> {
    if named.oid == RSA_ENCRYPTION && is_bare(named) {
        let rsa: Algorithm = match hash {
            Hash::Sha256 => algs::RSA_PKCS1_2048_8192_SHA256,
            Hash::Sha384 => algs::RSA_PKCS1_2048_8192_SHA384,
            Hash::Sha512 => algs::RSA_PKCS1_2048_8192_SHA512,
        };
        return Ok(vec![rsa]);
    }
    let identifier = inner(named).map_err(StampError::malformed("its signature algorithm"))?;
    Ok(ACCEPTED
        .iter()
        .copied()
        .filter(|algorithm| algorithm.signature_alg_id().as_ref() == identifier)
        .collect())
}

/// The encoded identifier without its outer header, which is how `webpki` writes them.
fn inner(named: &AlgorithmIdentifierOwned) -> der::Result<Vec<u8>> {
    let mut encoded = named.oid.to_der()?;
    if let Some(parameters) = &named.parameters {
        encoded.extend(parameters.to_der()?);
    }
    Ok(encoded)
}
