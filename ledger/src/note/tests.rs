use ed25519_dalek::SigningKey;

use super::*;

const VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const NOTE: &str = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

#[test]
fn the_published_note_verifies_and_prints_unchanged() {
    let key: VerifierKey = VKEY.parse().unwrap();
    let note = Note::parse(NOTE).unwrap();
    note.verify(&key).unwrap();
    assert_eq!(note.text(), "This is an example message.\n");
    assert_eq!(note.to_string(), NOTE);
}

#[test]
fn a_changed_text_does_not_verify() {
    let key: VerifierKey = VKEY.parse().unwrap();
    let note = Note::parse(&NOTE.replace("example message", "Example message")).unwrap();
    assert!(matches!(note.verify(&key), Err(NoteError::BadSignature(_))));
}

#[test]
fn a_note_by_another_key_is_not_signed() {
    let other = SigningKey::from_bytes(&[9; 32]);
    let key = VerifierKey::new("example.com/foo", other.verifying_key()).unwrap();
    assert!(matches!(
        Note::parse(NOTE).unwrap().verify(&key),
        Err(NoteError::NotSigned(_))
    ));
}

#[test]
fn malformed_notes_are_refused() {
    let line = NOTE.split_once("\n\n").unwrap().1;
    for bad in [
        "",
        "text\n",
        "text\n\n",
        "text\n\nno dash\n",
        "te\u{1}xt\n\n\u{2014} n AAAAAAA=\n",
        "text\n\n\u{2014} na+me AAAAAAA=\n",
        "text\n\n\u{2014} name AAAA\n",
        line,
        &NOTE.replace("QM=\n", "QM\n"),
        &NOTE.replace("QM=\n", "QN=\n"),
        NOTE.trim_end_matches('\n'),
    ] {
        assert!(
            matches!(Note::parse(bad), Err(NoteError::Malformed(_))),
            "{bad:?}"
        );
    }
}

#[test]
fn a_checkpoint_prints_as_it_was_read() {
    let text = "example.com/log\n12\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
    let checkpoint = Checkpoint::parse(text).unwrap();
    assert_eq!(checkpoint.size, 12);
    assert_eq!(checkpoint.to_string(), text);
}

#[test]
fn loose_checkpoints_are_refused() {
    let root = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    for bad in [
        format!("o\n012\n{root}\n"),
        format!("o\n+12\n{root}\n"),
        format!("\n12\n{root}\n"),
        format!("o\n12\n{root}"),
        format!("o\n12\n{root}\nextra\n"),
        "o\n12\nAAEC\n".to_owned(),
    ] {
        assert!(Checkpoint::parse(&bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_checkpoint_of_another_origin_is_refused() {
    let signer = SigningKey::from_bytes(&[1; 32]);
    let key = VerifierKey::new("example.com/log", signer.verifying_key()).unwrap();
    let text = Checkpoint {
        origin: "example.com/other".into(),
        size: 0,
        root: [0; 32],
    };
    let note = Note::sign(text.to_string(), &key, &signer)
        .unwrap()
        .to_string();
    assert!(matches!(
        Checkpoint::open(&note, &key),
        Err(NoteError::Origin { .. })
    ));
}

/// A signer whose signatures are another key's.
#[derive(Debug)]
struct Faulty(SigningKey);

impl Signer for Faulty {
    fn public_key(&self) -> ed25519_dalek::VerifyingKey {
        self.0.verifying_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, SignerError> {
        match message {
            b"none\n" => Err(SignerError("no session".into())),
            _ => Signer::sign(&SigningKey::from_bytes(&[2; 32]), message),
        }
    }
}

#[test]
fn a_signer_that_fails_or_errs_gets_no_note_out() {
    let signer = Faulty(SigningKey::from_bytes(&[1; 32]));
    let key = VerifierKey::new("example.com/log", signer.public_key()).unwrap();
    assert_eq!(
        Note::sign("none\n".into(), &key, &signer),
        Err(NoteError::Signer(SignerError("no session".into())))
    );
    assert!(matches!(
        Note::sign("text\n".into(), &key, &signer),
        Err(NoteError::BadSignature(_))
    ));
}

#[test]
fn a_note_carries_many_and_long_signatures_and_prints_them_unchanged() {
    let signer = SigningKey::from_bytes(&[1; 32]);
    let key = VerifierKey::new("example.com/log", signer.verifying_key()).unwrap();
    let mut note = Note::sign("text\n".into(), &key, &signer).unwrap();
    for number in 1..MAX_SIGNATURES {
        let id = u32::try_from(number).unwrap().to_be_bytes();
        let line = SignatureLine::new("witness.example", id, vec![7; 5000]).unwrap();
        note.add_line(line).unwrap();
    }
    let text = note.to_string();
    let read = Note::parse(&text).unwrap();
    assert_eq!(read.signatures().len(), 64);
    assert_eq!(read.to_string(), text);
    read.verify(&key).unwrap();
    let one_more = SignatureLine::new("witness.example", [9; 4], vec![7]).unwrap();
    let added = note.add_line(one_more.clone());
    assert_eq!(added, Err(NoteError::Malformed("too many signatures")));
    assert!(Note::parse(&format!("{text}{one_more}\n")).is_err());
}

#[test]
fn a_line_by_a_known_key_that_does_not_verify_spoils_the_note() {
    let signer = SigningKey::from_bytes(&[1; 32]);
    let key = VerifierKey::new("example.com/log", signer.verifying_key()).unwrap();
    let note = Note::sign("text\n".into(), &key, &signer).unwrap();
    let bad = SignatureLine::new(key.name(), key.id(), vec![7; 64]).unwrap();
    let spoiled = Note::parse(&format!("{note}{bad}\n")).unwrap();
    assert!(matches!(
        spoiled.verify(&key),
        Err(NoteError::BadSignature(_))
    ));
}
