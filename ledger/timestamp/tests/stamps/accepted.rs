//! What a token proves, and that others find so too.

use std::fs;
use std::process::Command;
use std::time::Duration;

use countersign_ledger_timestamp::{
    Anchor, Anchors, Expected, Request, Roots, Stamp, StampError, verify,
};
use jiff::Timestamp;

use crate::authority::{Authority, Key, info, proper};
use crate::note;

fn check(authority: &Authority, note: &str, response: &[u8]) -> Result<Stamp, StampError> {
    let roots = Roots::from_pem(&authority.root()).unwrap();
    verify(response, note.as_bytes(), &roots, &Expected::default())
}

#[test]
fn a_token_proves_when_its_note_existed_whatever_key_signed_it() {
    for key in [Key::Rsa, Key::P256, Key::P384] {
        let Some(authority) = Authority::with(key) else {
            return;
        };
        let before = Timestamp::now();
        let note = note(42);
        let request = Request::new(note.as_bytes()).unwrap();
        let response = authority.reply(request.der());
        let roots = Roots::from_pem(&authority.root()).unwrap();
        let expected = Expected {
            nonce: Some(request.nonce()),
            earliest: Some(before),
            latest: Some(Timestamp::now()),
        };
        let stamp = verify(&response, note.as_bytes(), &roots, &expected).unwrap();
        assert_eq!(stamp.accuracy, Some(Duration::from_millis(1500)));
        assert_eq!(stamp.policy, "1.3.6.1.4.1.55555.1");
        assert_eq!(stamp.signer, "CN=tsa");
        assert_eq!(stamp.serial, "02");
        let off = stamp.time.duration_since(before);
        assert!(off.as_secs().abs() < 60, "{key:?}: {off:?}");
    }
}

#[test]
fn others_accept_the_stored_token_over_the_stored_note() {
    // `openssl ts` does not sort several certificates, which the strict reader in Python refuses.
    let Some(authority) = Authority::direct(Key::P256) else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    for size in [5, 6] {
        let note = note(size).into_bytes();
        let request = Request::new(&note).unwrap();
        let response = authority.reply(request.der());
        let anchor = Anchor {
            size,
            note,
            response,
        };
        Anchors::of(data.path()).write(&anchor).unwrap();
    }
    let file = |name: &str| data.path().join("anchors").join(name);
    let (now, year) = (Timestamp::now(), Duration::from_secs(366 * 86_400));
    let openssl = |time, note: &str| authority.verified_at(time, &file(note), &file("5.tsr"));
    let said = openssl(now, "5.note");
    let words = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{words}");
    // The same judge refuses another note and a certificate of old, so its consent means something.
    assert!(!openssl(now, "6.note").status.success());
    assert!(!openssl(now + year, "5.note").status.success());
    let python = |note: &str, response: &str| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stamps/check.py");
        let mut command = Command::new(std::env::var_os("COUNTERSIGN_CLIENTS_PYTHON")?);
        command.arg(script).arg(file(note)).arg(file(response));
        command.arg(authority.path("root.pem"));
        Some(command.output().unwrap())
    };
    let Some(said) = python("5.note", "5.tsr") else {
        let lack = "there is no Python with rfc3161-client";
        countersign_tests::machine::skip("timestamps read by Python", lack);
        return;
    };
    assert!(
        said.status.success(),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
    let stamp = check(&authority, &note(5), &fs::read(file("5.tsr")).unwrap()).unwrap();
    let found = String::from_utf8(said.stdout).unwrap();
    let found: Timestamp = found.trim().parse().unwrap();
    // Its reader cuts the fraction off.
    assert_eq!(found.as_second(), stamp.time.as_second());
    let said = python("6.note", "5.tsr").unwrap();
    assert_eq!(
        said.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
}

#[test]
fn tokens_in_every_accepted_form_verify() {
    let Some(authority) = Authority::with(Key::Rsa) else {
        return;
    };
    let note = note(9);
    let info = info(&note, Timestamp::now());
    let proper = proper("tsa");
    for more in [
        "",
        "-keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:32",
        "-keyid",
        "-md sha384",
        "-md sha512",
    ] {
        let response = authority.craft(&info, &format!("{proper} {more}"));
        let stamp = check(&authority, &note, &response);
        assert!(stamp.is_ok(), "{more}: {stamp:?}");
    }
}

#[test]
fn a_token_outlives_its_certificate() {
    let Some(authority) = Authority::with(Key::P256) else {
        return;
    };
    authority.key("old", Key::P256);
    authority.certify_for_2020("old");
    let note = note(3);
    let june: Timestamp = "2020-06-01T12:00:00Z".parse().unwrap();
    let response = authority.craft(&info(&note, june), &proper("old"));
    let stamp = check(&authority, &note, &response).unwrap();
    assert_eq!(stamp.time, june);
    // A year later the certificate was no longer valid.
    let later = june + Duration::from_secs(366 * 86_400);
    let response = authority.craft(&info(&note, later), &proper("old"));
    let error = check(&authority, &note, &response).unwrap_err();
    assert!(matches!(error, StampError::Chain { .. }), "{error}");
}
