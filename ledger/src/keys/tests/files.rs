use std::{fs, os::unix::fs::PermissionsExt};

use super::*;
use crate::keys::files::{Files, init_reaching};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn keys_that_were_made_load_again_and_are_private() {
    let dir = tempfile::tempdir().unwrap();
    assert!(!exist(dir.path()));
    let (created, name) = init(dir.path(), ORIGIN, None).unwrap();
    assert!(exist(dir.path()));
    let (loaded, loaded_name) = load(dir.path(), None).unwrap();
    assert_eq!(created.to_bytes(), loaded.to_bytes());
    assert_eq!(name, loaded_name);
    assert_eq!(verifier(dir.path()).unwrap(), name);
    assert_eq!(mode(&dir.path().join("keys/ledger.pem")), 0o600);
}

#[test]
fn an_encrypted_key_opens_with_its_passphrase_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (created, _) = init(dir.path(), ORIGIN, Some(&secret("correct horse"))).unwrap();
    let path = dir.path().join("keys/ledger.pem");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
    assert_eq!(mode(&path), 0o600);
    let (loaded, _) = load(dir.path(), Some(&secret("correct horse"))).unwrap();
    assert_eq!(created.to_bytes(), loaded.to_bytes());
    assert!(matches!(
        load(dir.path(), Some(&secret("correct hors"))),
        Err(KeyError::WrongPassphrase(_))
    ));
    assert!(matches!(
        load(dir.path(), None),
        Err(KeyError::Encrypted(_))
    ));
}

#[test]
fn an_open_key_in_the_place_of_an_encrypted_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), ORIGIN, None).unwrap();
    assert!(matches!(
        load(dir.path(), Some(&secret("x"))),
        Err(KeyError::NotEncrypted(_))
    ));
}

#[test]
fn a_passphrase_can_be_set_and_taken_away() {
    let dir = tempfile::tempdir().unwrap();
    let (created, _) = init(dir.path(), ORIGIN, None).unwrap();
    change_passphrase(dir.path(), None, Some(&secret("one"))).unwrap();
    let (loaded, _) = load(dir.path(), Some(&secret("one"))).unwrap();
    assert_eq!(created.to_bytes(), loaded.to_bytes());
    assert_eq!(mode(&dir.path().join("keys/ledger.pem")), 0o600);
    change_passphrase(dir.path(), Some(&secret("one")), None).unwrap();
    load(dir.path(), None).unwrap();
}

#[test]
fn a_file_that_others_can_read_is_refused_by_name_and_mode() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), ORIGIN, None).unwrap();
    let path = dir.path().join("keys/ledger.pem");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let error = load(dir.path(), None).unwrap_err();
    assert!(matches!(error, KeyError::Exposed { mode: 0o644, .. }));
    assert!(error.to_string().contains("chmod 600"), "{error}");
}

#[test]
fn a_passphrase_file_loses_its_line_ending_and_must_be_private() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("passphrase");
    fs::write(&path, "correct horse \r\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
    assert!(matches!(
        Passphrase::from_file(&path),
        Err(KeyError::Exposed { .. })
    ));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    let read = Passphrase::from_file(&path).unwrap();
    init(dir.path(), ORIGIN, Some(&read)).unwrap();
    load(dir.path(), Some(&secret("correct horse "))).unwrap();
}

#[test]
fn a_passphrase_shows_in_no_debug_output_and_is_never_empty() {
    assert_eq!(format!("{:?}", secret("correct horse")), "Passphrase");
    for bad in [String::new(), "x".repeat(1025)] {
        assert!(matches!(Passphrase::new(bad), Err(KeyError::Passphrase)));
    }
}

#[test]
fn keys_are_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), ORIGIN, None).unwrap();
    let again = [
        init(dir.path(), ORIGIN, None).map(drop),
        init_from(dir.path(), ORIGIN, key(1).verifying_key()).map(drop),
    ];
    for result in again {
        assert!(matches!(result, Err(KeyError::Exists(_))));
    }
    load(dir.path(), None).unwrap();
}

#[test]
fn keys_of_two_pairs_do_not_load_together() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    init(one.path(), ORIGIN, None).unwrap();
    init(two.path(), ORIGIN, None).unwrap();
    let vkey = "keys/ledger.vkey";
    fs::copy(two.path().join(vkey), one.path().join(vkey)).unwrap();
    assert!(matches!(load(one.path(), None), Err(KeyError::Mismatch(_))));
}

#[test]
fn a_key_that_lives_elsewhere_has_a_verifier_key_alone() {
    let dir = tempfile::tempdir().unwrap();
    let made = init_from(dir.path(), ORIGIN, key(1).verifying_key()).unwrap();
    assert_eq!(made, name(1));
    assert_eq!(verifier(dir.path()).unwrap(), name(1));
    assert!(!dir.path().join("keys/ledger.pem").exists());
    assert!(matches!(load(dir.path(), None), Err(KeyError::External(_))));
}

#[test]
fn a_crash_at_any_step_of_the_first_pair_is_finished_or_undone() {
    for crash_at in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let mut steps = 0;
        let mut crash = || {
            steps += 1;
            let crashes = steps > crash_at;
            if crashes {
                Err(KeyError::Sealing)
            } else {
                Ok(())
            }
        };
        let made = init_reaching(dir.path(), ORIGIN, None, &mut crash);
        recover(dir.path()).unwrap();
        if exist(dir.path()) {
            load(dir.path(), None).unwrap();
        } else {
            assert_eq!(crash_at, 0, "only the first step leaves nothing behind");
            init(dir.path(), ORIGIN, None).unwrap();
        }
        let parts = fs::read_dir(dir.path().join("keys")).unwrap();
        let parts = parts.filter(|item| {
            let name = item.as_ref().unwrap().file_name();
            name.to_string_lossy().ends_with(".part")
        });
        assert_eq!(parts.count(), 0);
        if made.is_ok() {
            assert_eq!(crash_at, 3);
            return;
        }
    }
}

#[test]
fn two_processes_do_not_change_keys_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let _held = Files::new(dir.path()).hold().unwrap();
    assert!(matches!(
        init(dir.path(), ORIGIN, None),
        Err(KeyError::Busy(_))
    ));
    assert!(matches!(recover(dir.path()), Err(KeyError::Busy(_))));
}

#[test]
fn excessive_key_derivation_is_refused_before_it_is_tried() {
    use pkcs8::{
        EncryptedPrivateKeyInfoRef, LineEnding, SecretDocument, der::asn1::OctetStringRef,
        pkcs5::pbes2::Parameters,
    };
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), ORIGIN, None).unwrap();
    let costly = Parameters::generate_pbkdf2_sha256_aes256cbc(90_000_000, b"salt", [0; 16]);
    let info = EncryptedPrivateKeyInfoRef {
        encryption_algorithm: costly.unwrap().into(),
        encrypted_data: OctetStringRef::new(&[0; 64]).unwrap(),
    };
    let document = SecretDocument::try_from(&info).unwrap();
    let pem = document.to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF);
    fs::write(dir.path().join("keys/ledger.pem"), pem.unwrap()).unwrap();
    assert!(matches!(
        load(dir.path(), Some(&secret("x"))),
        Err(KeyError::Derivation(_))
    ));
}
