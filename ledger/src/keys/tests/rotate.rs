use std::{fs, path::PathBuf};

use tempfile::TempDir;

use super::*;
use crate::keys::rotate::{discard_reaching, prepare_reaching, promote_reaching};

/// A directory whose current and next keys live in files, or elsewhere.
struct Home {
    dir: TempDir,
    old: SigningKey,
}

impl Home {
    fn new(file: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let old = if file {
            init(dir.path(), ORIGIN, None).unwrap().0
        } else {
            init_from(dir.path(), ORIGIN, key(1).verifying_key()).unwrap();
            key(1)
        };
        Self { dir, old }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn next(&self, file: bool) -> SigningKey {
        if file {
            prepare_next(self.path(), None).unwrap().0
        } else {
            prepare_next_from(self.path(), key(2).verifying_key()).unwrap();
            key(2)
        }
    }

    fn handover(&self, next: &SigningKey) -> Handover {
        Handover::make(ORIGIN, &self.old, next, 5).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.path().join("keys"))
            .unwrap()
            .map(|item| item.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "lock")
            .collect();
        names.sort();
        names
    }

    fn retired(&self, what: &str) -> PathBuf {
        let old = VerifierKey::new(ORIGIN, self.old.verifying_key()).unwrap();
        let name = format!("keys/retired/{}.{what}", old.id_hex());
        self.path().join(name)
    }

    /// The key that signs after a restart.
    fn signs(&self, file: bool) -> VerifyingKey {
        if file {
            load(self.path(), None).unwrap().0.verifying_key()
        } else {
            *verifier(self.path()).unwrap().public_key()
        }
    }
}

/// Fails at the given step.
fn crash_at(at: usize) -> impl FnMut() -> Result<(), KeyError> {
    let mut steps = 0;
    move || {
        steps += 1;
        if steps > at {
            Err(KeyError::Sealing)
        } else {
            Ok(())
        }
    }
}

#[test]
fn a_rotation_leaves_the_new_pair_the_old_verifier_key_and_the_handover() {
    let home = Home::new(true);
    let old_pem = fs::read(home.path().join("keys/ledger.pem")).unwrap();
    let next = home.next(true);
    assert_eq!(
        pending_next(home.path()).unwrap().unwrap().public_key(),
        &next.verifying_key()
    );
    let handover = home.handover(&next);
    promote_next(home.path(), &handover).unwrap();
    assert_eq!(home.signs(true), next.verifying_key());
    assert_eq!(home.names(), ["ledger.pem", "ledger.vkey", "retired"]);
    assert_eq!(
        fs::read_to_string(home.retired("handover")).unwrap(),
        handover.to_string()
    );
    assert_ne!(
        fs::read(home.path().join("keys/ledger.pem")).unwrap(),
        old_pem
    );
    let ring = load_ring(home.path()).unwrap();
    assert_eq!(
        ring.keys(),
        [handover.old_key().clone(), handover.new_key().clone()]
    );
    promote_next(home.path(), &handover).unwrap();
    assert_eq!(pending_next(home.path()).unwrap(), None);
}

#[test]
fn a_crash_at_any_step_of_preparing_is_finished_or_undone() {
    for at in 0.. {
        let home = Home::new(true);
        let made = prepare_reaching(home.path(), None, &mut crash_at(at));
        recover(home.path()).unwrap();
        assert_eq!(home.signs(true), home.old.verifying_key(), "step {at}");
        let pending = pending_next(home.path()).unwrap();
        assert_eq!(pending.is_some(), at > 0, "step {at}");
        let (next, name) = prepare_next(home.path(), None).unwrap();
        assert_eq!(pending.unwrap_or(name.clone()), name, "made once");
        promote_next(home.path(), &home.handover(&next)).unwrap();
        assert_eq!(home.signs(true), next.verifying_key());
        if made.is_ok() {
            assert_eq!(at, 3);
            return;
        }
    }
}

#[test]
fn a_crash_at_any_step_of_promoting_never_loses_a_key_nor_revives_the_old_one() {
    for (old_file, next_file, steps) in [
        (true, true, 7),
        (true, false, 6),
        (false, true, 4),
        (false, false, 3),
    ] {
        for at in 0.. {
            let home = Home::new(old_file);
            let next = home.next(next_file);
            let handover = home.handover(&next);
            let done = promote_reaching(home.path(), &handover, &mut crash_at(at));
            let committed = home.retired("handover").exists();
            let case = format!("{old_file} {next_file} step {at}");
            if committed && done.is_err() && at < steps - 1 {
                let interrupted = pending_next(home.path());
                assert!(
                    matches!(interrupted, Err(KeyError::Interrupted(_))),
                    "{case}"
                );
                assert!(load(home.path(), None).is_err(), "{case}");
            }
            recover(home.path()).unwrap();
            let expected = if committed { &next } else { &home.old };
            let file = if committed { next_file } else { old_file };
            assert_eq!(home.signs(file), expected.verifying_key(), "{case}");
            // The ledger asks again after a crash.
            promote_next(home.path(), &handover).unwrap();
            assert_eq!(home.signs(next_file), next.verifying_key(), "{case}");
            let mut left = vec!["ledger.vkey", "retired"];
            if next_file {
                left.insert(0, "ledger.pem");
            }
            assert_eq!(home.names(), left, "{case}");
            assert_eq!(load_ring(home.path()).unwrap().keys().len(), 2, "{case}");
            if done.is_ok() {
                assert_eq!(at, steps, "{case}");
                break;
            }
        }
    }
}

#[test]
fn a_crash_at_any_step_of_giving_up_leaves_the_next_pair_whole_or_gone() {
    for file in [true, false] {
        for at in 0.. {
            let home = Home::new(true);
            home.next(file);
            let done = discard_reaching(home.path(), &mut crash_at(at));
            recover(home.path()).unwrap();
            if pending_next(home.path()).unwrap().is_some() {
                assert!(!file || load_next(home.path(), None).is_ok());
                discard_next(home.path()).unwrap();
            }
            assert_eq!(home.names(), ["ledger.pem", "ledger.vkey"]);
            assert_eq!(home.signs(true), home.old.verifying_key());
            if done.is_ok() {
                break;
            }
        }
    }
}

#[test]
fn keys_rotate_again_and_again_and_the_ring_holds_them_all() {
    let dir = tempfile::tempdir().unwrap();
    let (mut old, _) = init(dir.path(), ORIGIN, None).unwrap();
    for index in 1..5 {
        let (next, _) = prepare_next(dir.path(), None).unwrap();
        let handover = Handover::make(ORIGIN, &old, &next, index).unwrap();
        promote_next(dir.path(), &handover).unwrap();
        old = next;
    }
    let ring = load_ring(dir.path()).unwrap();
    assert_eq!(ring.keys().len(), 5);
    assert_eq!(ring.current().public_key(), &old.verifying_key());
}

#[test]
fn only_the_handover_from_the_current_to_the_next_key_promotes() {
    let home = Home::new(true);
    let handover = handover(1, 2, 5);
    assert!(matches!(
        promote_next(home.path(), &handover),
        Err(KeyError::NoNext)
    ));
    let next = home.next(true);
    for wrong in [
        handover,
        Handover::make(ORIGIN, &home.old, &key(2), 5).unwrap(),
        Handover::make(ORIGIN, &key(1), &next, 5).unwrap(),
    ] {
        // The last one names the key that would be current; it is not yet.
        assert!(matches!(
            promote_next(home.path(), &wrong),
            Err(KeyError::WrongHandover)
        ));
    }
    assert_eq!(home.signs(true), home.old.verifying_key());
}

#[test]
fn a_key_that_was_used_is_not_prepared_again() {
    let home = Home::new(false);
    let again = |seed: u8| prepare_next_from(home.path(), key(seed).verifying_key());
    assert!(matches!(again(1), Err(KeyError::Used(_))));
    let next = home.next(false);
    again(2).unwrap();
    assert!(matches!(again(3), Err(KeyError::Exists(_))));
    promote_next(home.path(), &home.handover(&next)).unwrap();
    assert!(matches!(again(1), Err(KeyError::Used(_))));
    again(3).unwrap();
}

#[test]
fn the_next_key_is_encrypted_like_the_current_one() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (secret("first"), secret("second"));
    let (old, _) = init(dir.path(), ORIGIN, Some(&first)).unwrap();
    let (next, _) = prepare_next(dir.path(), Some(&second)).unwrap();
    assert!(matches!(
        load_next(dir.path(), Some(&first)),
        Err(KeyError::WrongPassphrase(_))
    ));
    let handover = Handover::make(ORIGIN, &old, &next, 1).unwrap();
    promote_next(dir.path(), &handover).unwrap();
    let (loaded, _) = load(dir.path(), Some(&second)).unwrap();
    assert_eq!(loaded.to_bytes(), next.to_bytes());
}

#[test]
fn a_tampered_handover_in_the_directory_is_named() {
    let home = Home::new(true);
    let next = home.next(true);
    promote_next(home.path(), &home.handover(&next)).unwrap();
    let path = home.retired("handover");
    let text = fs::read_to_string(&path).unwrap().replace("\n5\n", "\n6\n");
    fs::write(&path, text).unwrap();
    let error = load_ring(home.path()).unwrap_err();
    assert!(matches!(error, KeyError::Handover { .. }));
    assert!(error.to_string().contains("retired/"), "{error}");
}
