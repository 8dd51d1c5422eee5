use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn the_published_verifier_key_prints_as_it_was_read() {
    let text = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    assert_eq!(text.parse::<VerifierKey>().unwrap().to_string(), text);
}

#[test]
fn a_verifier_key_with_a_wrong_id_is_refused() {
    let text = "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    assert!(matches!(
        text.parse::<VerifierKey>(),
        Err(KeyError::Verifier("wrong key id"))
    ));
}

#[test]
fn keys_that_were_made_load_again_and_are_private() {
    let dir = tempfile::tempdir().unwrap();
    let (created, name) = init(dir.path(), "example.com/log").unwrap();
    let (loaded, loaded_name) = load(dir.path()).unwrap();
    assert_eq!(created.to_bytes(), loaded.to_bytes());
    assert_eq!(name, loaded_name);
    let mode = fs::metadata(dir.path().join("keys/ledger.pem"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn keys_are_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), "example.com/log").unwrap();
    assert!(matches!(
        init(dir.path(), "example.com/log"),
        Err(KeyError::Exists(_))
    ));
}

#[test]
fn keys_of_two_pairs_do_not_load_together() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    init(one.path(), "example.com/log").unwrap();
    init(two.path(), "example.com/log").unwrap();
    fs::copy(
        two.path().join("keys/ledger.vkey"),
        one.path().join("keys/ledger.vkey"),
    )
    .unwrap();
    assert!(matches!(load(one.path()), Err(KeyError::Mismatch)));
}
