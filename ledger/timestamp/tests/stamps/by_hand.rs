//! Tokens that `openssl` does not make, put together here.

use std::fs;
use std::process::Command;

use cms::cert::IssuerAndSerialNumber;
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo};
use countersign_ledger::SigningKey;
use countersign_ledger_timestamp::{Expected, Roots, Stamp, StampError, verify};
use der::asn1::{ObjectIdentifier, OctetString, SetOfVec};
use der::{Any, Decode, Encode, Tag};
use ed25519_dalek::Signer;
use ed25519_dalek::pkcs8::DecodePrivateKey;
use jiff::Timestamp;
use sha2::{Digest, Sha256, Sha512};
use x509_cert::Certificate;
use x509_cert::attr::Attribute;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::authority::{Authority, Key, PROPER, answer, info};
use crate::note;

const SHA512: &str = "2.16.840.1.101.3.4.2.3";
const ED25519: &str = "1.3.101.112";
const TST_INFO: &str = "1.2.840.113549.1.9.16.1.4";

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

fn octets(bytes: &[u8]) -> Any {
    Any::new(Tag::OctetString, bytes).unwrap()
}

fn sequence(members: &[Any]) -> Any {
    let members: Vec<u8> = members.iter().flat_map(|m| m.to_der().unwrap()).collect();
    Any::new(Tag::Sequence, members).unwrap()
}

/// `SigningCertificateV2 { certs { ESSCertIDv2 { certHash, issuerSerial } } }`
fn binding(certificate: &[u8], issuer_serial: Option<Any>) -> Attribute {
    let hash = octets(&Sha256::digest(certificate));
    let bound: Vec<Any> = std::iter::once(hash).chain(issuer_serial).collect();
    let bound = sequence(&[sequence(&[sequence(&bound)])]);
    attribute("1.2.840.113549.1.9.16.2.47", bound)
}

/// `IssuerSerial { issuer { directoryName }, serialNumber }`
fn issuer_serial(issuer: &Name, serial: &SerialNumber) -> Any {
    let issuer = GeneralName::DirectoryName(issuer.clone()).to_der().unwrap();
    let issuer = Any::new(Tag::Sequence, issuer).unwrap();
    sequence(&[issuer, Any::encode_from(serial).unwrap()])
}

fn content_type(of: &str) -> Attribute {
    let of: ObjectIdentifier = of.parse().unwrap();
    attribute("1.2.840.113549.1.9.3", Any::encode_from(&of).unwrap())
}

fn digest(of: &[u8]) -> Attribute {
    attribute("1.2.840.113549.1.9.4", octets(&Sha512::digest(of)))
}

/// A token over `info` as RFC 8419 has it: Ed25519 over the attributes, SHA-512 in them.
fn token(info: &[u8], certificate: &[u8], attributes: Vec<Attribute>, key: &SigningKey) -> Vec<u8> {
    let attributes = SetOfVec::try_from(attributes).unwrap();
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
            econtent_type: TST_INFO.parse().unwrap(),
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

/// An authority that signs with Ed25519, and what it signs.
struct Scene {
    roots: Roots,
    certificate: Vec<u8>,
    key: SigningKey,
    note: String,
    info: Vec<u8>,
}

impl Scene {
    fn new() -> Option<Self> {
        let authority = Authority::with(Key::P256)?;
        authority.key("ed", Key::Ed25519);
        authority.certify("ed", PROPER, "root");
        let mut convert = Command::new("openssl");
        convert.args(["x509", "-outform", "DER", "-in"]);
        let certificate = convert.arg(authority.path("ed.pem")).output().unwrap();
        let pem = fs::read_to_string(authority.path("ed.key")).unwrap();
        let note = note(4);
        Some(Self {
            roots: Roots::from_pem(&authority.root()).unwrap(),
            certificate: certificate.stdout,
            key: SigningKey::from_pkcs8_pem(&pem).unwrap(),
            info: info(&note, Timestamp::now()),
            note,
        })
    }

    fn proper(&self) -> Vec<Attribute> {
        let binding = binding(&self.certificate, None);
        vec![content_type(TST_INFO), digest(&self.info), binding]
    }

    fn check(&self, attributes: Vec<Attribute>, key: &SigningKey) -> Result<Stamp, StampError> {
        let response = answer(&token(&self.info, &self.certificate, attributes, key));
        verify(
            &response,
            self.note.as_bytes(),
            &self.roots,
            &Expected::default(),
        )
    }
}

#[test]
fn a_token_signed_with_ed25519_verifies_and_with_another_key_does_not() {
    let Some(scene) = Scene::new() else {
        return;
    };
    let stamp = scene.check(scene.proper(), &scene.key).unwrap();
    assert_eq!(stamp.signer, "CN=ed");
    let other = SigningKey::from_bytes(&[1; 32]);
    let error = scene.check(scene.proper(), &other);
    assert_eq!(error, Err(StampError::Signature));
}

#[test]
fn signed_attributes_that_contradict_the_token_are_refused() {
    let Some(scene) = Scene::new() else {
        return;
    };
    let replaced = |at: usize, by: Attribute| {
        let mut attributes = scene.proper();
        attributes[at] = by;
        scene.check(attributes, &scene.key)
    };
    let wrong = |name| Err(StampError::Attribute(name));
    let data = content_type("1.2.840.113549.1.7.1");
    assert_eq!(replaced(0, data), wrong("content-type"));
    assert_eq!(replaced(1, digest(b"other")), wrong("message-digest"));
    let bound = "signing-certificate-v2";
    let other = Certificate::from_der(&scene.certificate).unwrap();
    let other = other.tbs_certificate;
    let (issuer, serial) = (&other.issuer, &other.serial_number);
    let bind = |issuer, serial| {
        let given = issuer_serial(issuer, serial);
        replaced(2, binding(&scene.certificate, Some(given)))
    };
    assert!(bind(issuer, serial).is_ok());
    let one = SerialNumber::from(1u8);
    assert_eq!(bind(issuer, &one), wrong(bound));
    assert_eq!(bind(&other.subject, serial), wrong(bound));
    // Said twice, once rightly: whoever reads the first or the last would be satisfied.
    for (name, second) in [
        ("content-type", content_type("1.2.840.113549.1.7.1")),
        ("message-digest", digest(b"other")),
        (bound, binding(b"other", None)),
    ] {
        let mut attributes = scene.proper();
        attributes.push(second);
        assert_eq!(scene.check(attributes, &scene.key), wrong(name));
    }
}
