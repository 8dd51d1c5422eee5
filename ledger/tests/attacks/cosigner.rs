//! A witness of the honest ledger, which attackers may ask as well.

use std::{collections::BTreeMap, fs, io, path::Path, sync::Arc};

use countersign_ledger::{
    Checkpoint, SigningKey, VerifierKey,
    merkle::{Hash, consistency_proof},
    witness::{AddCheckpoint, Answer, Policy, Store, Witness, WitnessKey, append},
};

/// Notes in memory, by origin.
#[derive(Debug, Clone, Default)]
struct Memory(BTreeMap<String, String>);

impl Store for Memory {
    fn latest(&self, origin: &str) -> io::Result<Option<String>> {
        Ok(self.0.get(origin).cloned())
    }

    fn replace(&mut self, origin: &str, note: &str) -> io::Result<()> {
        self.0.insert(origin.to_owned(), note.to_owned());
        Ok(())
    }

    fn keep_evidence(&mut self, _: &str, _: &str) {}
}

/// A witness and what it saw last. A clone goes on from there on its own.
#[derive(Debug, Clone)]
pub(crate) struct Cosigner {
    key: WitnessKey,
    signer: SigningKey,
    log: VerifierKey,
    store: Memory,
}

impl Cosigner {
    pub(crate) fn new(log: &VerifierKey) -> Self {
        let signer = SigningKey::from_bytes(&[11; 32]);
        let key = WitnessKey::new("witness.example", signer.verifying_key()).unwrap();
        Self {
            key,
            signer,
            log: log.clone(),
            store: Memory::default(),
        }
    }

    /// Asks for a cosignature of the checkpoint in a data directory, with the best proof that its
    /// tiles give. A cosignature is put under checkpoint and guard. Says whether there is one.
    pub(crate) fn ask(&mut self, dir: &Path) -> bool {
        let note = fs::read_to_string(dir.join("ledger/checkpoint")).unwrap();
        let old = self.latest().map_or(0, |checkpoint| checkpoint.size);
        let leaves = leaves(&dir.join("ledger/tile/0"));
        let size = leaves.len() as u64;
        let proof = if old <= size {
            consistency_proof(&mut leaves.as_slice(), old, size).unwrap()
        } else {
            Vec::new()
        };
        let request = AddCheckpoint { old, proof, note };
        let (key, signer) = (self.key.clone(), Arc::new(self.signer.clone()));
        let logs = std::slice::from_ref(&self.log);
        let mut witness = Witness::new(key, signer, logs, self.store.clone()).unwrap();
        let answer = witness.add_checkpoint(request.to_string().as_bytes(), 1_767_225_600 + size);
        let Answer::Cosigned(lines) = answer else {
            return false;
        };
        let note = witness.latest(self.log.name()).unwrap().unwrap();
        self.store.replace(self.log.name(), &note).unwrap();
        for name in ["ledger/checkpoint", "guard/checkpoint"] {
            let signed = append(&request.note, &lines).unwrap();
            fs::write(dir.join(name), signed).unwrap();
        }
        true
    }

    /// The checkpoint that was cosigned last, as whoever asks the witness gets it.
    pub(crate) fn latest(&self) -> Option<Checkpoint> {
        let note = self.store.latest(self.log.name()).unwrap()?;
        self.key.verify(&note).unwrap();
        Some(Checkpoint::open(&note, &self.log).unwrap())
    }

    /// What an auditor who knows the witness's key demands of a checkpoint.
    pub(crate) fn policy(&self) -> Policy {
        let text = format!("log {}\nwitness w {}\nquorum w\n", self.log, self.key);
        text.parse().unwrap()
    }
}

/// The leaf hashes in the widest tiles of level 0.
fn leaves(tiles: &Path) -> Vec<Hash> {
    let mut leaves = Vec::new();
    for number in 0.. {
        let full = tiles.join(format!("{number:03}"));
        let partial = || {
            let folder = fs::read_dir(tiles.join(format!("{number:03}.p"))).ok()?;
            let widths = folder.map(|file| file.unwrap().path());
            widths.max_by_key(|path| fs::metadata(path).unwrap().len())
        };
        let Some(path) = Some(full).filter(|path| path.is_file()).or_else(partial) else {
            break;
        };
        leaves.extend_from_slice(fs::read(path).unwrap().as_chunks::<32>().0);
    }
    leaves
}
