//! The signer against `SoftHSM`. Each test runs in a process of its own, for a PKCS#11 library is
//! initialized once per process and finds its tokens through the environment.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../tests/key_files/machine.rs"]
mod machine;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use countersign_ledger::{
    Checkpoint, Note, Signer,
    conformance::check_signer,
    keys::{self, Handover, KeyRing, Passphrase},
};
use countersign_ledger_pkcs11::{Pkcs11Error, Pkcs11Signer, Settings};
use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    mechanism::Mechanism,
    object::Attribute,
    session::{Session, UserType},
    types::AuthPin,
};

const TOKEN: &str = "countersign test";
const KEY: &str = "ledger";
const PIN: &str = "9182";
const OFFICER: &str = "7364";
const ORIGIN: &str = "example.com/ledger";
/// Path of the library; set in the processes that run the tests' bodies.
const MODULE: &str = "COUNTERSIGN_TEST_PKCS11_MODULE";

/// The library that belongs to the `softhsm2-util` of the search path.
fn library() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let tool = std::env::split_paths(&path)
        .map(|folder| folder.join("softhsm2-util"))
        .find(|tool| tool.is_file())?;
    let prefix = tool.parent()?.parent()?.to_owned();
    let mut folders = vec![prefix.join("lib"), prefix.join("lib64")];
    let below = fs::read_dir(prefix.join("lib")).ok()?;
    folders.extend(below.filter_map(|item| Some(item.ok()?.path())));
    folders
        .iter()
        .flat_map(|folder| ["softhsm", "pkcs11", ""].map(|name| folder.join(name)))
        .map(|folder| folder.join("libsofthsm2.so"))
        .find(|library| library.is_file())
}

/// Runs `body` in a process that has a token with a key in it.
fn with_token(test: &str, body: impl FnOnce(&Path)) {
    if let Some(module) = std::env::var_os(MODULE) {
        make_key(&open_as_user(Path::new(&module)), KEY);
        return body(Path::new(&module));
    }
    let Some(module) = library() else {
        return machine::skip(test, "there is no SoftHSM (Debian: softhsm2)");
    };
    let dir = tempfile::tempdir().unwrap();
    let tokens = dir.path().join("tokens");
    fs::create_dir(&tokens).unwrap();
    let config = dir.path().join("softhsm2.conf");
    let text = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        tokens.display()
    );
    fs::write(&config, text).unwrap();
    let made = Command::new("softhsm2-util")
        .env("SOFTHSM2_CONF", &config)
        .args(["--init-token", "--free", "--label", TOKEN])
        .args(["--pin", PIN, "--so-pin", OFFICER])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let ran = Command::new(std::env::current_exe().unwrap())
        .env("SOFTHSM2_CONF", &config)
        .env(MODULE, module)
        .args([test, "--exact", "--nocapture"])
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&ran.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(
        ran.status.success(),
        "{}\n{printed}\n{complaint}",
        ran.status
    );
    assert!(printed.contains("1 passed"), "{printed}");
}

fn initialized(module: &Path) -> Pkcs11 {
    let module = Pkcs11::new(module).unwrap();
    // Fails when the signer did it before.
    let _ = module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK));
    module
}

fn open_as_user(module: &Path) -> Session {
    let module = initialized(module);
    let slot = module.get_slots_with_initialized_token().unwrap()[0];
    let session = module.open_rw_session(slot).unwrap();
    // Fails when somebody is logged in already.
    let _ = session.login(UserType::User, Some(&pin(PIN)));
    session
}

fn pin(text: &str) -> AuthPin {
    AuthPin::from(text.to_owned())
}

/// A key that is born in the token and cannot leave it.
fn make_key(session: &Session, label: &str) {
    let label = || Attribute::Label(label.as_bytes().to_vec());
    let curve = b"\x13\x0cedwards25519".to_vec();
    let public = [
        Attribute::Token(true),
        Attribute::Private(false),
        Attribute::Verify(true),
        Attribute::EcParams(curve),
        label(),
    ];
    let private = [
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
        label(),
    ];
    session
        .generate_key_pair(&Mechanism::EccEdwardsKeyPairGen, &public, &private)
        .unwrap();
}

fn settings(module: &Path) -> Settings {
    let pin = Passphrase::new(PIN.to_owned()).unwrap();
    Settings::new(module.to_owned(), TOKEN, KEY, pin)
}

#[test]
fn the_signer_keeps_the_contract() {
    with_token("the_signer_keeps_the_contract", |module| {
        for sessions in [1, 2, 8] {
            let mut settings = settings(module);
            settings.sessions = sessions;
            check_signer(&Pkcs11Signer::open(settings).unwrap()).unwrap();
        }
    });
}

#[test]
fn a_checkpoint_and_a_handover_signed_in_the_token_verify_outside() {
    let test = "a_checkpoint_and_a_handover_signed_in_the_token_verify_outside";
    with_token(test, |module| {
        let signer = Pkcs11Signer::open(settings(module)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (old, old_name) = keys::init(dir.path(), ORIGIN, None).unwrap();
        let name = keys::prepare_next_from(dir.path(), signer.public_key()).unwrap();
        let handover = Handover::make(ORIGIN, &old, &signer, 4).unwrap();
        keys::promote_next(dir.path(), &handover).unwrap();
        assert_eq!(keys::verifier(dir.path()).unwrap(), name);
        let text = Checkpoint {
            origin: ORIGIN.to_owned(),
            size: 5,
            root: [1; 32],
        };
        let note = Note::sign(text.to_string(), &name, &signer).unwrap();
        let mut ring = KeyRing::trusting(old_name);
        ring.learn(&Handover::parse(&handover.to_string()).unwrap())
            .unwrap();
        let opened = Checkpoint::open_with(&note.to_string(), &ring).unwrap();
        assert_eq!(opened, text);
    });
}

#[test]
fn a_lost_session_is_opened_anew() {
    with_token("a_lost_session_is_opened_anew", |module| {
        let signer = Pkcs11Signer::open(settings(module)).unwrap();
        let signs = |what: &str| {
            let signature = signer.sign(b"message").unwrap();
            let key = signer.public_key();
            key.verify_strict(b"message", &signature)
                .unwrap_or_else(|_| panic!("{what}"));
        };
        signs("at first");
        open_as_user(module).logout().unwrap();
        signs("after somebody logged out");
        initialized(module).finalize().unwrap();
        signs("after the library was shut down");
        check_signer(&signer).unwrap();
    });
}

#[test]
fn a_refused_pin_is_not_tried_again() {
    with_token("a_refused_pin_is_not_tried_again", |module| {
        let mut wrong = settings(module);
        // A login holds for the whole process, and would hide that the PIN is wrong.
        open_as_user(module).logout().unwrap();
        wrong.pin = Passphrase::new("0000".to_owned()).unwrap();
        assert!(matches!(
            Pkcs11Signer::open(wrong),
            Err(Pkcs11Error::Pin(_))
        ));
        let signer = Pkcs11Signer::open(settings(module)).unwrap();
        signer.sign(b"message").unwrap();
        let session = open_as_user(module);
        session.set_pin(&pin(PIN), &pin("5555")).unwrap();
        session.logout().unwrap();
        let refused = |signer: &Pkcs11Signer| {
            let error = signer.sign(b"message").unwrap_err();
            assert!(error.to_string().contains("refused the PIN"), "{error}");
        };
        refused(&signer);
        session.login(UserType::User, Some(&pin("5555"))).unwrap();
        session.set_pin(&pin("5555"), &pin(PIN)).unwrap();
        session.logout().unwrap();
        // The right PIN again: a signer that tried would succeed.
        refused(&signer);
        let new = Pkcs11Signer::open(settings(module)).unwrap();
        new.sign(b"message").unwrap();
    });
}

#[test]
fn what_is_not_there_or_there_twice_is_named() {
    with_token("what_is_not_there_or_there_twice_is_named", |module| {
        let mut asked = settings(module);
        asked.token = "another".to_owned();
        let error = Pkcs11Signer::open(asked).unwrap_err();
        assert!(
            matches!(error, Pkcs11Error::Token { found: 0, .. }),
            "{error}"
        );
        let mut asked = settings(module);
        asked.key = "another".to_owned();
        let error = Pkcs11Signer::open(asked).unwrap_err();
        assert!(
            matches!(error, Pkcs11Error::Key { found: 0, .. }),
            "{error}"
        );
        make_key(&open_as_user(module), KEY);
        let error = Pkcs11Signer::open(settings(module)).unwrap_err();
        assert!(
            matches!(error, Pkcs11Error::Key { found: 2, .. }),
            "{error}"
        );
        let mut asked = settings(module);
        asked.module = PathBuf::from("/nonexistent/module.so");
        let error = Pkcs11Signer::open(asked).unwrap_err();
        assert!(matches!(error, Pkcs11Error::Module { .. }), "{error}");
    });
}

#[test]
fn a_key_that_was_replaced_under_its_label_signs_nothing() {
    let test = "a_key_that_was_replaced_under_its_label_signs_nothing";
    with_token(test, |module| {
        let signer = Pkcs11Signer::open(settings(module)).unwrap();
        signer.sign(b"message").unwrap();
        let session = open_as_user(module);
        let label = [Attribute::Label(KEY.as_bytes().to_vec())];
        for object in session.find_objects(&label).unwrap() {
            session.destroy_object(object).unwrap();
        }
        make_key(&session, KEY);
        let error = signer.sign(b"message").unwrap_err();
        let expected = Pkcs11Error::Signature.to_string();
        assert_eq!(error.to_string(), format!("signer: {expected}"));
    });
}

/// Threads of this process.
fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

fn wait_for_threads(number: usize) {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(10) && threads() != number {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(threads(), number);
}

#[test]
fn dropping_the_signer_ends_its_threads() {
    with_token("dropping_the_signer_ends_its_threads", |module| {
        let mut asked = settings(module);
        asked.sessions = 4;
        let before = threads();
        let signer = Pkcs11Signer::open(asked).unwrap();
        check_signer(&signer).unwrap();
        wait_for_threads(before + 4);
        drop(signer);
        wait_for_threads(before);
    });
}

#[test]
fn nobody_waits_longer_than_the_time_limit() {
    with_token("nobody_waits_longer_than_the_time_limit", |module| {
        let mut hasty = settings(module);
        hasty.timeout = Duration::ZERO;
        let before = threads();
        assert!(matches!(
            Pkcs11Signer::open(hasty),
            Err(Pkcs11Error::Timeout(Duration::ZERO))
        ));
        // The thread is still at it; a process must not exit meanwhile.
        wait_for_threads(before);
    });
}

#[test]
fn neither_the_signer_nor_its_settings_print_the_pin() {
    with_token(
        "neither_the_signer_nor_its_settings_print_the_pin",
        |module| {
            let asked = settings(module);
            assert!(!format!("{asked:?}").contains(PIN));
            let signer = Pkcs11Signer::open(asked).unwrap();
            let printed = format!("{signer:?}");
            assert_eq!(printed, format!("Pkcs11Signer({TOKEN}/{KEY})"));
        },
    );
}
