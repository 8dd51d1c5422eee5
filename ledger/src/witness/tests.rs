use std::{collections::BTreeMap, sync::Arc};

use super::*;
use crate::{
    SigningKey, VerifierKey,
    merkle::{consistency_proof, empty_root, leaf_hash, range_root},
    note::{Checkpoint, Note},
};

mod policies;
mod requests;
mod states;

const ORIGIN: &str = "example.com/ledger";

fn log_key(seed: u8) -> (SigningKey, VerifierKey) {
    let key = SigningKey::from_bytes(&[seed; 32]);
    let name = VerifierKey::new(ORIGIN, key.verifying_key()).unwrap();
    (key, name)
}

fn witness_key(seed: u8) -> (Arc<SigningKey>, WitnessKey) {
    let key = SigningKey::from_bytes(&[seed; 32]);
    let name = format!("witness.example/w{seed}");
    let public = WitnessKey::new(&name, key.verifying_key()).unwrap();
    (Arc::new(key), public)
}

/// A tree of numbered leaves; `fork` sets the leaves from that index on apart.
#[derive(Clone)]
struct Tree(Vec<Hash>);

impl Tree {
    fn new(size: u64, fork: u64) -> Self {
        let leaf = |i: u64| leaf_hash(format!("{i} {}", i >= fork).as_bytes());
        Self((0..size).map(leaf).collect())
    }

    fn checkpoint(&self, size: u64) -> Checkpoint {
        let mut leaves = self.0.as_slice();
        let root = range_root(&mut leaves, 0, size).unwrap();
        Checkpoint {
            origin: ORIGIN.to_owned(),
            size,
            root,
        }
    }

    fn note(&self, size: u64, seed: u8) -> String {
        let (key, name) = log_key(seed);
        let text = self.checkpoint(size).to_string();
        Note::sign(text, &name, &key).unwrap().to_string()
    }

    fn proof(&self, old: u64, new: u64) -> Vec<Hash> {
        consistency_proof(&mut self.0.as_slice(), old, new).unwrap()
    }

    fn request(&self, old: u64, new: u64) -> Vec<u8> {
        let request = AddCheckpoint {
            old,
            proof: self.proof(old, new),
            note: self.note(new, 7),
        };
        request.to_string().into_bytes()
    }
}

#[derive(Debug, Default, Clone)]
struct Memory {
    notes: BTreeMap<String, String>,
    evidence: Vec<String>,
    full: bool,
}

impl Store for Memory {
    fn latest(&self, origin: &str) -> io::Result<Option<String>> {
        Ok(self.notes.get(origin).cloned())
    }

    fn replace(&mut self, origin: &str, note: &str) -> io::Result<()> {
        if self.full {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.notes.insert(origin.to_owned(), note.to_owned());
        Ok(())
    }

    fn keep_evidence(&mut self, _origin: &str, request: &str) {
        self.evidence.push(request.to_owned());
    }
}

#[test]
fn a_cosigned_note_still_opens_and_names_its_time() {
    let (signer, witness) = witness_key(1);
    let note = Tree::new(5, 5).note(5, 7);
    let (text, _) = parts(&note).unwrap();
    let line = cosign(&witness, &*signer, text, 1_679_315_147).unwrap();
    let merged = append(&note, &[line]).unwrap();
    assert_eq!(witness.verify(&merged), Ok(1_679_315_147));
    assert_eq!(Checkpoint::open(&merged, &log_key(7).1).unwrap().size, 5);
    assert!(matches!(
        witness.verify(&note),
        Err(CosignatureError::Missing(_))
    ));
}

#[test]
fn any_changed_byte_of_a_cosignature_or_its_text_is_refused() {
    let (signer, witness) = witness_key(1);
    let note = Tree::new(5, 5).note(5, 7);
    let (text, _) = parts(&note).unwrap();
    let line = cosign(&witness, &*signer, text, 9).unwrap();
    let good = lines::Line::parse(&line).unwrap();
    for place in 0..good.signature.len() {
        let mut bytes = good.signature.clone();
        bytes[place] ^= 1;
        let changed = lines::Line::print(good.name, good.id, &bytes);
        let merged = append(&note, &[changed]).unwrap();
        assert!(matches!(
            witness.verify(&merged),
            Err(CosignatureError::Bad(_))
        ));
    }
    let other = Tree::new(6, 6).note(6, 7);
    let merged = append(&other, &[line]).unwrap();
    assert!(matches!(
        witness.verify(&merged),
        Err(CosignatureError::Bad(_))
    ));
}

#[test]
fn one_bad_line_of_a_witness_spoils_its_good_one() {
    let (signer, witness) = witness_key(1);
    let note = Tree::new(5, 5).note(5, 7);
    let (text, _) = parts(&note).unwrap();
    let good = cosign(&witness, &*signer, text, 9).unwrap();
    let bad = cosign(&witness, &*signer, "another text\n", 9).unwrap();
    let merged = append(&note, &[good, bad]).unwrap();
    assert!(witness.verify(&merged).is_err());
}

#[test]
fn a_witness_key_prints_as_it_was_read_and_is_no_log_key() {
    let (_, witness) = witness_key(1);
    let text = witness.to_string();
    assert_eq!(text.parse::<WitnessKey>().unwrap(), witness);
    assert!(text.parse::<VerifierKey>().is_err());
    assert!(log_key(7).1.to_string().parse::<WitnessKey>().is_err());
    let wrong_id = text.replacen('+', "+0", 1);
    assert!(wrong_id.parse::<WitnessKey>().is_err());
}

#[test]
fn a_key_under_which_anyone_can_sign_is_refused() {
    let mut point = [0; 32];
    point[0] = 1;
    let weak = ed25519_dalek::VerifyingKey::from_bytes(&point).unwrap();
    assert!(WitnessKey::new("witness.example/w", weak).is_err());
}

#[test]
fn lines_with_newlines_and_notes_with_too_many_lines_are_refused() {
    let (signer, witness) = witness_key(1);
    let note = Tree::new(5, 5).note(5, 7);
    let sign = |time| cosign(&witness, &*signer, "text\n", time).unwrap();
    let two_in_one = format!("{}\n{}", sign(1), sign(2));
    assert!(append(&note, &[two_in_one]).is_err());
    let many: Vec<String> = (0..64).map(sign).collect();
    assert!(append(&note, &many[..63]).is_ok());
    assert!(append(&note, &many).is_err());
}
