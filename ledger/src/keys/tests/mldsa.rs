use super::*;
use crate::{Checkpoint, Note, note::SignatureLine};

fn checkpoint() -> Note {
    let text = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: 7,
        root: [5; 32],
    };
    Note::sign(text.to_string(), &name(1), &key(1)).unwrap()
}

#[test]
fn the_signed_message_is_laid_out_as_specified() {
    let message = cosigned_message("ab", 0x0102, "xyz", (9, &[7; 32])).unwrap();
    let expected = [
        b"subtree/v1\n\0\x02ab".as_slice(),
        &[0, 0, 0, 0, 0, 0, 1, 2],
        b"\x03xyz",
        &[0; 8],
        &[0, 0, 0, 0, 0, 0, 0, 9],
        &[7; 32],
    ];
    assert_eq!(message, expected.concat());
    for (cosigner, origin) in [("", "x"), ("x", ""), (&*"x".repeat(256), "x")] {
        assert!(cosigned_message(cosigner, 0, origin, (9, &[7; 32])).is_err());
    }
}

#[test]
fn a_second_signature_stands_beside_the_first_and_disturbs_no_reader() {
    let signer = MlDsaSigner::generate(ORIGIN).unwrap();
    let mut note = checkpoint();
    signer.sign(&mut note, 0).unwrap();
    let text = note.to_string();
    let read = Note::parse(&text).unwrap();
    assert_eq!(read.signatures()[1].bytes().len(), 8 + 2420);
    assert_eq!(signer.verifier().verify(&read), Ok(0));
    assert_eq!(Checkpoint::open(&text, &name(1)).unwrap().size, 7);
    signer.sign(&mut note, 1_700_000_000).unwrap();
    assert_eq!(note.signatures().len(), 2, "one line per key");
    assert_eq!(signer.verifier().verify(&note), Ok(1_700_000_000));
}

#[test]
fn a_changed_tree_time_or_signature_does_not_verify() {
    let signer = MlDsaSigner::generate(ORIGIN).unwrap();
    let mut note = checkpoint();
    signer.sign(&mut note, 3).unwrap();
    let larger = note.to_string().replacen("\n7\n", "\n8\n", 1);
    let verify = |note: &Note| signer.verifier().verify(note);
    let bad = |result| matches!(result, Err(crate::note::NoteError::BadSignature(_)));
    assert!(bad(verify(&Note::parse(&larger).unwrap())));
    let line = note.signatures()[1].clone();
    for at in [7, 8, 700, 2427] {
        let mut bytes = line.bytes().to_vec();
        bytes[at] ^= 1;
        let mut changed = note.clone();
        let line = SignatureLine::new(line.name(), line.id(), bytes).unwrap();
        changed.add_line(line).unwrap();
        assert!(bad(verify(&changed)), "byte {at}");
    }
    let stranger = MlDsaSigner::generate(ORIGIN).unwrap();
    assert!(matches!(
        stranger.verifier().verify(&note),
        Err(crate::note::NoteError::NotSigned(_))
    ));
}

#[test]
fn the_second_key_is_optional_and_loads_as_it_was_made() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), ORIGIN, None).unwrap();
    assert!(load_mldsa(dir.path(), None).unwrap().is_none());
    let made = init_mldsa(dir.path(), ORIGIN, None).unwrap();
    let loaded = load_mldsa(dir.path(), None).unwrap().unwrap();
    assert_eq!(loaded.verifier(), made.verifier());
    assert_eq!(
        mldsa_verifier(dir.path()).unwrap().as_ref(),
        Some(made.verifier())
    );
    assert!(matches!(
        init_mldsa(dir.path(), ORIGIN, None),
        Err(KeyError::Exists(_))
    ));
    let text = made.verifier().to_string();
    assert_eq!(&text.parse::<MlDsaVerifier>().unwrap(), made.verifier());
    assert!(
        text.replacen('+', "+0", 1)
            .parse::<MlDsaVerifier>()
            .is_err()
    );
    assert!(text.parse::<VerifierKey>().is_err());
}
