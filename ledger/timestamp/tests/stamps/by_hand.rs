//! Tokens that `openssl` does not make, put together here.

use std::fs;
use std::process::Command;

use cms::cert::IssuerAndSerialNumber;
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo};
use countersign_ledger::SigningKey;
use countersign_ledger_timestamp::{Expected, Roots, StampError, verify};
use der::asn1::{ObjectIdentifier, OctetString, SetOfVec};
use der::{Any, Decode, Encode, Tag};
use ed25519_dalek::Signer;
use ed25519_dalek::pkcs8::DecodePrivateKey;
use jiff::Timestamp;
use sha2::{Digest, Sha256, Sha512};
use x509_cert::Certificate;
use x509_cert::attr::Attribute;
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::authority::{Authority, Key, PROPER, answer, info};
use crate::note;

const SHA512: &str = "2.16.840.1.101.3.4.2.3";
const ED25519: &str = "1.3.101.112";
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");

fn bare(oid: &str) -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned {
        oid: oid.parse().unwrap(),
        parameters: None,
    }
}

fn attribute(oid: &str, value: Any) -> Attribute {
    Attribute {
        oid: oid.parse().unwrap(),
        values: SetOfVec::try_from(vec![value]).unwrap(),
    }
}

/// A token over `info` as RFC 8419 has it: Ed25519 over the attributes, SHA-512 in them.
fn token(info: &[u8], certificate: &[u8], key: &SigningKey) -> Vec<u8> {
    let octets = |bytes: &[u8]| Any::new(Tag::OctetString, bytes).unwrap();
    let sequence = |value: Any| Any::new(Tag::Sequence, value.to_der().unwrap()).unwrap();
    // SigningCertificateV2 { certs { ESSCertIDv2 { certHash } } }
    let bound = sequence(sequence(sequence(octets(&Sha256::digest(certificate)))));
    let attributes = SetOfVec::try_from(vec![
        attribute("1.2.840.113549.1.9.3", Any::encode_from(&TST_INFO).unwrap()),
        attribute("1.2.840.113549.1.9.4", octets(&Sha512::digest(info))),
        attribute("1.2.840.113549.1.9.16.2.47", bound),
    ]);
    let attributes = attributes.unwrap();
    let signature = key.sign(&attributes.to_der().unwrap()).to_bytes();
    let parsed = Certificate::from_der(certificate).unwrap().tbs_certificate;
    let signer = SignerInfo {
        version: CmsVersion::V1,
        sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
            issuer: parsed.issuer,
            serial_number: parsed.serial_number,
        }),
        digest_alg: bare(SHA512),
        signed_attrs: Some(attributes),
        signature_algorithm: bare(ED25519),
        signature: OctetString::new(signature).unwrap(),
        unsigned_attrs: None,
    };
    let certificate = Certificate::from_der(certificate).unwrap();
    let certificate = cms::cert::CertificateChoices::Certificate(certificate);
    let data = SignedData {
        version: CmsVersion::V3,
        digest_algorithms: SetOfVec::try_from(vec![bare(SHA512)]).unwrap(),
        encap_content_info: EncapsulatedContentInfo {
            econtent_type: TST_INFO,
            econtent: Some(octets(info)),
        },
        certificates: Some(SetOfVec::try_from(vec![certificate]).unwrap().into()),
        crls: None,
        signer_infos: SetOfVec::try_from(vec![signer]).unwrap().into(),
    };
    let token = ContentInfo {
        content_type: "1.2.840.113549.1.7.2".parse().unwrap(),
        content: Any::encode_from(&data).unwrap(),
    };
    token.to_der().unwrap()
}

#[test]
fn a_token_signed_with_ed25519_verifies_and_with_another_key_does_not() {
    let Some(authority) = Authority::with(Key::P256) else {
        return;
    };
    authority.key("ed", Key::Ed25519);
    authority.certify("ed", PROPER, "root");
    let mut convert = Command::new("openssl");
    convert.args(["x509", "-outform", "DER", "-in"]);
    let certificate = convert
        .arg(authority.path("ed.pem"))
        .output()
        .unwrap()
        .stdout;
    let pem = fs::read_to_string(authority.path("ed.key")).unwrap();
    let key = SigningKey::from_pkcs8_pem(&pem).unwrap();
    let note = note(4);
    let info = info(&note, Timestamp::now());
    let roots = Roots::from_pem(&authority.root()).unwrap();
    let check = |key| {
        let response = answer(&token(&info, &certificate, key));
        verify(&response, note.as_bytes(), &roots, &Expected::default())
    };
    assert_eq!(check(&key).unwrap().signer, "CN=ed");
    let other = SigningKey::from_bytes(&[1; 32]);
    assert_eq!(check(&other), Err(StampError::Signature));
}
