//! Signed notes and checkpoints before the crates `signed_note` and `tlog_tiles`, both ways.

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_ledger::{Checkpoint, Note, SigningKey, VerifierKey};
use signed_note::{Signer, StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::Hash;

const ORIGIN: &str = "example.com/ledger";

fn ours(seed: u8) -> (SigningKey, VerifierKey) {
    let key = SigningKey::from_bytes(&[seed; 32]);
    let name = VerifierKey::new(ORIGIN, key.verifying_key()).unwrap();
    (key, name)
}

fn theirs(seed: u8) -> StandardSigner {
    let (key, name) = ours(seed);
    let secret = STANDARD.encode([&[1], key.as_bytes().as_slice()].concat());
    StandardSigner::new(&format!("PRIVATE+KEY+{ORIGIN}+{}+{secret}", name.id_hex())).unwrap()
}

fn known(seed: u8) -> VerifierList {
    let verifier = StandardVerifier::new(&ours(seed).1.to_string()).unwrap();
    VerifierList::new(vec![Box::new(verifier)])
}

fn checkpoint(size: u64) -> Checkpoint {
    Checkpoint {
        origin: ORIGIN.to_owned(),
        size,
        root: [u8::try_from(size % 251).unwrap(); 32],
    }
}

const SIZES: [u64; 6] = [0, 1, 9, 10, 70_000, u64::MAX];

#[test]
fn our_signed_checkpoints_are_read_and_verified_by_others() {
    let (key, name) = ours(7);
    for size in SIZES {
        let ours = checkpoint(size);
        let note = Note::sign(ours.to_string(), &name, &key).unwrap();
        let read = signed_note::Note::from_bytes(note.to_string().as_bytes()).unwrap();
        let (verified, unverified) = read.verify(&known(7)).unwrap();
        assert_eq!((verified.len(), unverified.len()), (1, 0));
        assert!(read.verify(&known(8)).is_err());
        let found = tlog_tiles::Checkpoint::from_bytes(read.text()).unwrap();
        assert_eq!((found.origin(), found.size()), (ORIGIN, size));
        assert_eq!((found.hash(), found.extension()), (&Hash(ours.root), ""));
        assert_eq!(read.to_bytes(), note.to_string().into_bytes());
    }
}

#[test]
fn checkpoints_that_others_signed_are_read_and_verified_by_us() {
    let (_, name) = ours(7);
    for size in SIZES {
        let wanted = checkpoint(size);
        let text = tlog_tiles::Checkpoint::new(ORIGIN, size, Hash(wanted.root), "").unwrap();
        let mut note = signed_note::Note::new(&text.to_bytes(), &[]).unwrap();
        note.add_sigs(&[&theirs(8), &theirs(7)]).unwrap();
        let note = String::from_utf8(note.to_bytes()).unwrap();
        assert_eq!(Checkpoint::open(&note, &name).unwrap(), wanted);
        assert_eq!(Note::parse(&note).unwrap().to_string(), note);
        assert!(Checkpoint::open(&note, &ours(9).1).is_err());
    }
}

#[test]
fn the_same_key_signs_the_same_bytes_and_has_the_same_id_for_all() {
    let (key, name) = ours(7);
    let note = Note::sign("text\n".into(), &name, &key).unwrap();
    let mut other = signed_note::Note::new(b"text\n", &[]).unwrap();
    other.add_sigs(&[&theirs(7)]).unwrap();
    assert_eq!(note.to_string().into_bytes(), other.to_bytes());
    assert_eq!(name.id(), theirs(7).key_id().to_be_bytes());
}

#[test]
fn what_others_call_malformed_we_refuse_too() {
    let (key, name) = ours(7);
    let whole = Note::sign(checkpoint(9).to_string(), &name, &key).unwrap();
    let whole = whole.to_string();
    let parsed = |note: &[u8]| {
        let note = signed_note::Note::from_bytes(note).ok()?;
        note.verify(&known(7)).ok()?;
        let text = tlog_tiles::Checkpoint::from_bytes(note.text()).ok()?;
        // Extension lines are theirs; our logs have none.
        text.extension().is_empty().then_some(())
    };
    assert_eq!(parsed(whole.as_bytes()), Some(()));
    for at in 0..whole.len() {
        for change in [1, 0x20, 0x80] {
            let mut bytes = whole.clone().into_bytes();
            bytes[at] ^= change;
            let ours = String::from_utf8(bytes.clone())
                .ok()
                .and_then(|note| Checkpoint::open(&note, &name).ok());
            assert_eq!(parsed(&bytes), None, "byte {at} ^ {change:#x}");
            assert_eq!(ours, None, "byte {at} ^ {change:#x}");
        }
        let cut = &whole[..whole.floor_char_boundary(at)];
        assert_eq!(parsed(cut.as_bytes()), None, "cut at {at}");
        assert!(Checkpoint::open(cut, &name).is_err(), "cut at {at}");
    }
}
