//! What a token does not prove is refused, each fault for its own reason.

use std::str::FromStr;

use countersign_ledger_timestamp::{Expected, Request, Roots, StampError, verify};
use der::asn1::OctetString;
use der::{Any, Encode, Tag};
use jiff::{SignedDuration, Timestamp};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;
use x509_tsp::{Accuracy, TstInfo};

use crate::authority::{Authority, Key, PROPER, info, proper, tst_info};
use crate::note;

/// An authority, a note and an honest answer about it.
struct Scene {
    authority: Authority,
    roots: Roots,
    note: String,
    nonce: u64,
    response: Vec<u8>,
}

impl Scene {
    fn with(key: Key) -> Option<Self> {
        let authority = Authority::with(key)?;
        let note = note(42);
        let request = Request::new(note.as_bytes()).unwrap();
        let response = authority.reply(request.der());
        let roots = Roots::from_pem(&authority.root()).unwrap();
        let scene = Self {
            authority,
            roots,
            note,
            nonce: request.nonce(),
            response,
        };
        // What is refused below was accepted before it was spoilt.
        assert_eq!(scene.error(&scene.response), None);
        Some(scene)
    }

    fn error(&self, response: &[u8]) -> Option<StampError> {
        self.error_if(response, &Expected::default())
    }

    fn error_if(&self, response: &[u8], expected: &Expected) -> Option<StampError> {
        verify(response, self.note.as_bytes(), &self.roots, expected).err()
    }

    /// The fault of a token signed as `options` say, at the present time.
    fn crafted(&self, options: &str) -> Option<StampError> {
        let info = info(&self.note, Timestamp::now());
        self.error(&self.authority.craft(&info, options))
    }
}

#[test]
fn a_token_of_another_note_request_or_root_is_refused() {
    let Some(scene) = Scene::with(Key::P256) else {
        return;
    };
    let nothing = Expected::default();
    let other = note(43);
    let error = verify(&scene.response, other.as_bytes(), &scene.roots, &nothing);
    assert_eq!(error, Err(StampError::Imprint));
    // One byte more is another note.
    let longer = format!("{}\n", scene.note);
    let error = verify(&scene.response, longer.as_bytes(), &scene.roots, &nothing);
    assert_eq!(error, Err(StampError::Imprint));
    let nonce = |nonce| Expected {
        nonce: Some(nonce),
        ..nothing
    };
    assert_eq!(scene.error_if(&scene.response, &nonce(scene.nonce)), None);
    let error = scene.error_if(&scene.response, &nonce(scene.nonce ^ 1));
    assert_eq!(error, Some(StampError::Nonce));
    let without = scene
        .authority
        .craft(&info(&scene.note, Timestamp::now()), &proper("tsa"));
    let error = scene.error_if(&without, &nonce(scene.nonce));
    assert_eq!(error, Some(StampError::Nonce));
    let Some(stranger) = Authority::with(Key::P256) else {
        return;
    };
    // A root of the same name with another key.
    let roots = Roots::from_pem(&stranger.root()).unwrap();
    let error = verify(&scene.response, scene.note.as_bytes(), &roots, &nothing);
    assert!(matches!(error, Err(StampError::Chain { .. })), "{error:?}");
}

#[test]
fn a_byte_flipped_anywhere_is_refused() {
    for key in [Key::Rsa, Key::P256] {
        let Some(scene) = Scene::with(key) else {
            return;
        };
        for at in 0..scene.response.len() {
            // The head, where versions and lengths are, bit by bit.
            let bits = [0x01, 0x80, 0x20, 0x02, 0x04, 0x08, 0x10, 0x40];
            let bits = if at < 64 {
                &bits[..]
            } else {
                &bits[at % 3..=at % 3]
            };
            for bit in bits {
                let mut spoilt = scene.response.clone();
                spoilt[at] ^= bit;
                let error = scene.error(&spoilt);
                assert!(error.is_some(), "{key:?}: bit {bit} of byte {at} is free");
            }
        }
    }
}

#[test]
fn a_token_cut_short_or_drawn_out_is_refused() {
    let Some(scene) = Scene::with(Key::P256) else {
        return;
    };
    for length in 0..scene.response.len() {
        let error = scene.error(&scene.response[..length]);
        assert!(matches!(error, Some(StampError::Malformed(_))), "{error:?}");
    }
    let longer = [scene.response.as_slice(), &[0]].concat();
    let error = scene.error(&longer);
    assert!(matches!(error, Some(StampError::Malformed(_))), "{error:?}");
}

#[test]
fn a_refusal_of_the_authority_is_no_token() {
    let Some(scene) = Scene::with(Key::P256) else {
        return;
    };
    let request = Request::new(scene.note.as_bytes()).unwrap();
    let refusal = scene.authority.refuse(request.der());
    let Some(StampError::NotGranted { status, text }) = scene.error(&refusal) else {
        panic!("the refusal was not recognised");
    };
    assert_eq!(status, 2);
    assert!(text.contains("failure bit 0"), "{text}");
}

#[test]
fn a_certificate_that_is_not_for_time_stamping_alone_is_refused() {
    let Some(scene) = Scene::with(Key::P256) else {
        return;
    };
    let usages = [
        ("none", "keyUsage=critical,digitalSignature"),
        ("uncritical", "extendedKeyUsage=timeStamping"),
        ("other", "extendedKeyUsage=critical,serverAuth"),
        ("both", "extendedKeyUsage=critical,timeStamping,serverAuth"),
        (
            "encipher",
            "extendedKeyUsage=critical,timeStamping\nkeyUsage=critical,keyEncipherment",
        ),
        ("any", "extendedKeyUsage=critical,anyExtendedKeyUsage"),
    ];
    for (name, usage) in usages {
        scene.authority.key(name, Key::P256);
        scene.authority.certify(name, usage, "inter");
        assert_eq!(
            scene.crafted(&proper(name)),
            Some(StampError::Usage),
            "{name}"
        );
    }
}

#[test]
fn a_chain_that_does_not_hold_at_the_tokens_time_is_refused() {
    let Some(scene) = Scene::with(Key::P256) else {
        return;
    };
    let authority = &scene.authority;
    authority.key("expired", Key::P256);
    authority.certify_for_2020("expired");
    let error = scene.crafted(&proper("expired"));
    let text = error.map(|error| error.to_string()).unwrap_or_default();
    assert!(text.contains("expired"), "{text}");
    // Issued by a certificate that may not issue.
    authority.key("leaf", Key::P256);
    authority.certify("leaf", PROPER, "tsa");
    let error = scene.crafted(&format!("{} -certfile tsa.pem", proper("leaf")));
    assert!(matches!(error, Some(StampError::Chain { .. })), "{error:?}");
    // The authority's own root, which nobody trusts.
    authority.self_certify("alone");
    let error = scene.crafted(&proper("alone"));
    assert!(matches!(error, Some(StampError::Chain { .. })), "{error:?}");
}

#[test]
fn a_token_with_two_signers_is_refused_though_both_are_proper() {
    let Some(scene) = Scene::with(Key::P256) else {
        return;
    };
    scene.authority.key("second", Key::P256);
    scene.authority.certify("second", PROPER, "inter");
    let both = format!("{} -signer second.pem -inkey second.key", proper("tsa"));
    assert_eq!(scene.crafted(&proper("second")), None);
    assert_eq!(scene.crafted(&both), Some(StampError::Signers));
}

#[test]
fn a_token_without_what_binds_it_to_its_certificate_is_refused() {
    let Some(scene) = Scene::with(Key::Rsa) else {
        return;
    };
    let tst = "-econtent_type 1.2.840.113549.1.9.16.1.4";
    let signer = "-signer tsa.pem -inkey tsa.key";
    let attribute = StampError::Attribute;
    let faults = [
        (
            format!("{tst} -md sha256 {signer}"),
            attribute("signing-certificate-v2"),
        ),
        (
            format!("{tst} -noattr -md sha256 {signer}"),
            attribute("content-type"),
        ),
        (
            format!("-cades -md sha256 {signer}"),
            StampError::Malformed("the content is no TSTInfo"),
        ),
        (
            format!("{} -nocerts", proper("tsa")),
            StampError::NoCertificate,
        ),
        (
            format!("{tst} -cades -md sha1 {signer}"),
            StampError::Algorithm("1.3.14.3.2.26".to_owned()),
        ),
    ];
    assert_eq!(scene.crafted(&proper("tsa")), None);
    for (options, fault) in faults {
        assert_eq!(scene.crafted(&options), Some(fault), "{options}");
    }
    // PSS with a salt that is not as long as the digest.
    let pss = "-keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:20";
    let error = scene.crafted(&format!("{} {pss}", proper("tsa")));
    assert!(matches!(error, Some(StampError::Algorithm(_))), "{error:?}");
}

#[test]
fn a_time_outside_what_is_possible_is_refused() {
    let Some(scene) = Scene::with(Key::P256) else {
        return;
    };
    let now = Timestamp::now();
    let response = scene
        .authority
        .craft(&info(&scene.note, now), &proper("tsa"));
    let second = SignedDuration::from_secs(1);
    let whole = Timestamp::from_second(now.as_second()).unwrap();
    let expect = |earliest, latest| Expected {
        nonce: None,
        earliest,
        latest,
    };
    // The token's time is cut to the second.
    assert_eq!(
        scene.error_if(&response, &expect(Some(whole + second), None)),
        None
    );
    let limit = whole + second * 2;
    let early = scene.error_if(&response, &expect(Some(limit), None));
    assert_eq!(early, Some(StampError::Early { time: whole, limit }));
    assert_eq!(
        scene.error_if(&response, &expect(None, Some(whole - second))),
        None
    );
    let limit = whole - second * 2;
    let late = scene.error_if(&response, &expect(None, Some(limit)));
    assert_eq!(late, Some(StampError::Late { time: whole, limit }));
}

#[test]
fn an_accuracy_widens_what_is_possible_by_as_much() {
    let Some(scene) = Scene::with(Key::P256) else {
        return;
    };
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let mut info = tst_info(&scene.note, now);
    info.accuracy = Some(Accuracy {
        seconds: Some(30),
        millis: None,
        micros: None,
    });
    let sign = |info: &TstInfo| {
        let info = info.to_der().unwrap();
        scene.authority.craft(&info, &proper("tsa"))
    };
    let response = sign(&info);
    let since = |seconds| Expected {
        earliest: Some(now + SignedDuration::from_secs(seconds)),
        ..Expected::default()
    };
    assert_eq!(scene.error_if(&response, &since(31)), None);
    let error = scene.error_if(&response, &since(32));
    assert!(matches!(error, Some(StampError::Early { .. })), "{error:?}");
    info.accuracy = Some(Accuracy {
        seconds: Some(3601),
        millis: None,
        micros: None,
    });
    assert_eq!(scene.error(&sign(&info)), Some(StampError::Accuracy));
}

#[test]
fn an_unknown_hash_another_authoritys_name_and_an_unknown_extension_are_refused() {
    let Some(scene) = Scene::with(Key::P256) else {
        return;
    };
    let sign = |info: &TstInfo| {
        let info = info.to_der().unwrap();
        scene.error(&scene.authority.craft(&info, &proper("tsa")))
    };
    let mut info = tst_info(&scene.note, Timestamp::now());
    let plain = info.message_imprint.clone();
    let parameters = Any::new(Tag::OctetString, *b"x").unwrap();
    info.message_imprint.hash_algorithm.parameters = Some(parameters);
    assert_eq!(sign(&info), Some(StampError::Imprint));
    info.message_imprint = plain;
    for (name, fault) in [("CN=tsa", None), ("CN=other", Some(StampError::Authority))] {
        let name = Name::from_str(name).unwrap();
        info.tsa = Some(GeneralName::DirectoryName(name));
        assert_eq!(sign(&info), fault);
    }
    info.tsa = None;
    let unknown = "1.3.6.1.4.1.55555.9";
    let mut extension = Extension {
        extn_id: unknown.parse().unwrap(),
        critical: false,
        extn_value: OctetString::new([5, 0]).unwrap(),
    };
    info.extensions = Some(vec![extension.clone()]);
    assert_eq!(sign(&info), None);
    extension.critical = true;
    info.extensions = Some(vec![extension]);
    let fault = StampError::Extension(unknown.to_owned());
    assert_eq!(sign(&info), Some(fault));
}
