//! A second, post-quantum signature on checkpoints: ML-DSA-44 (FIPS 204) over the `subtree/v1`
//! message of C2SP tlog-cosignature, signature type 0x06.

use std::{fmt, path::Path, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use ml_dsa::{
    EncodedVerifyingKey, MlDsa44, Signature, SigningKey, VerifyingKey,
    signature::{Keypair, Signer, Verifier},
};
use pkcs8::{DecodePrivateKey, EncodePrivateKey};
use zeroize::Zeroizing;

use super::{
    KeyError, Passphrase,
    files::{Files, Reached},
    key_id, sealed, valid_name,
};
use crate::{
    merkle::Hash,
    note::{Checkpoint, Note, NoteError, SignatureLine},
};

/// C2SP signature type of ML-DSA-44 cosignatures.
const ML_DSA_44: u8 = 0x06;
/// Bytes of a public key.
const KEY_BYTES: usize = 1312;
/// Stem of the key files.
pub(super) const STEM: &str = "ledger-mldsa44";

/// The `cosigned_message` that an ML-DSA-44 signature covers, for a whole tree.
///
/// # Errors
/// [`NoteError::Malformed`] when a name does not have 1 to 255 bytes.
pub fn cosigned_message(
    cosigner: &str,
    timestamp: u64,
    origin: &str,
    (size, root): (u64, &Hash),
) -> Result<Vec<u8>, NoteError> {
    let mut message = b"subtree/v1\n\0".to_vec();
    opaque(&mut message, cosigner)?;
    message.extend(timestamp.to_be_bytes());
    opaque(&mut message, origin)?;
    message.extend(0_u64.to_be_bytes());
    message.extend(size.to_be_bytes());
    message.extend(root);
    Ok(message)
}

/// `opaque<1..255>` of the TLS presentation language.
fn opaque(message: &mut Vec<u8>, text: &str) -> Result<(), NoteError> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length > 0);
    message.push(length.ok_or(NoteError::Malformed("a name has 1 to 255 bytes"))?);
    message.extend(text.as_bytes());
    Ok(())
}

/// A name and an ML-DSA-44 public key: `name+hex8(id)+base64(0x06 || key)`.
#[derive(Debug, Clone, PartialEq)]
pub struct MlDsaVerifier {
    name: String,
    id: [u8; 4],
    key: VerifyingKey<MlDsa44>,
}

impl MlDsaVerifier {
    fn new(name: &str, key: VerifyingKey<MlDsa44>) -> Result<Self, KeyError> {
        if !valid_name(name) || name.len() > 255 {
            return Err(KeyError::Verifier(
                "the name has 1 to 255 bytes without spaces and plus signs",
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            id: key_id(name, ML_DSA_44, &key.encode()),
            key,
        })
    }

    /// The name; that of the ledger when it is the ledger's own key.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key id.
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// Checks that this key signed the checkpoint in `note` and gives the timestamp of its line in
    /// seconds since 1970; 0 means that the line says nothing about time.
    ///
    /// # Errors
    /// [`NoteError`] when the note holds no checkpoint, no line by this key, or a line of it that
    /// does not verify.
    pub fn verify(&self, note: &Note) -> Result<u64, NoteError> {
        let checkpoint = Checkpoint::parse(note.text())?;
        let mut time = None;
        for line in note.signatures() {
            if line.name() != self.name || line.id() != self.id {
                continue;
            }
            let bad = || NoteError::BadSignature(self.short());
            let (stamp, signature) = line.bytes().split_first_chunk::<8>().ok_or_else(bad)?;
            let stamp = u64::from_be_bytes(*stamp);
            let message = message(&self.name, stamp, &checkpoint)?;
            let signature = Signature::<MlDsa44>::try_from(signature).map_err(|_| bad())?;
            self.key.verify(&message, &signature).map_err(|_| bad())?;
            if i64::try_from(stamp).is_err() {
                return Err(bad());
            }
            time = Some(stamp);
        }
        time.ok_or_else(|| NoteError::NotSigned(self.short()))
    }

    /// Name and id, without the key, which has 1,312 bytes.
    fn short(&self) -> String {
        format!("{}+{}", self.name, hex::encode(self.id))
    }
}

fn message(name: &str, timestamp: u64, checkpoint: &Checkpoint) -> Result<Vec<u8>, NoteError> {
    let tree = (checkpoint.size, &checkpoint.root);
    cosigned_message(name, timestamp, &checkpoint.origin, tree)
}

impl fmt::Display for MlDsaVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[ML_DSA_44], self.key.encode().as_slice()].concat();
        write!(f, "{}+{}", self.short(), STANDARD.encode(key))
    }
}

impl FromStr for MlDsaVerifier {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_), Some(encoded)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(KeyError::Verifier("not three parts"));
        };
        let bytes = STANDARD
            .decode(encoded)
            .map_err(|_| KeyError::Verifier("base64"))?;
        let Some((&ML_DSA_44, key)) = bytes.split_first() else {
            return Err(KeyError::Verifier("not an ML-DSA-44 key"));
        };
        if key.len() != KEY_BYTES {
            return Err(KeyError::Verifier("key length"));
        }
        let key = EncodedVerifyingKey::<MlDsa44>::try_from(key)
            .map_err(|_| KeyError::Verifier("key length"))?;
        let parsed = Self::new(name, VerifyingKey::decode(&key))?;
        if parsed.to_string() == text {
            Ok(parsed)
        } else {
            Err(KeyError::Verifier("wrong key id"))
        }
    }
}

/// Signs checkpoints with an ML-DSA-44 key in this process's memory, deterministically.
pub struct MlDsaSigner {
    verifier: MlDsaVerifier,
    key: SigningKey<MlDsa44>,
}

impl MlDsaSigner {
    /// A fresh key under `name`.
    ///
    /// # Errors
    /// When the name is none, or there is no randomness.
    pub fn generate(name: &str) -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(|_| KeyError::Randomness)?;
        Self::new(name, SigningKey::from_seed(&(*seed).into()))
    }

    fn new(name: &str, key: SigningKey<MlDsa44>) -> Result<Self, KeyError> {
        let verifier = MlDsaVerifier::new(name, key.verifying_key())?;
        Ok(Self { verifier, key })
    }

    /// The public half.
    pub fn verifier(&self) -> &MlDsaVerifier {
        &self.verifier
    }

    /// Adds this key's line to a checkpoint. `timestamp` is 0 or the time in seconds since 1970;
    /// a ledger is not its own clock and says 0.
    ///
    /// # Errors
    /// [`NoteError`] when the note holds no checkpoint or is full of lines.
    pub fn sign(&self, note: &mut Note, timestamp: u64) -> Result<(), NoteError> {
        let checkpoint = Checkpoint::parse(note.text())?;
        let message = message(&self.verifier.name, timestamp, &checkpoint)?;
        let signature = self.key.sign(&message).encode();
        let bytes = [timestamp.to_be_bytes().as_slice(), &signature].concat();
        let line = SignatureLine::new(&self.verifier.name, self.verifier.id, bytes)?;
        note.add_line(line)
    }
}

impl fmt::Debug for MlDsaSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MlDsaSigner({})", self.verifier.short())
    }
}

/// Makes the second key of a ledger: `keys/ledger-mldsa44.pem` (PKCS#8 with the seed, mode 0600)
/// and `keys/ledger-mldsa44.vkey`. From then on checkpoints can carry its line as well.
///
/// # Errors
/// As [`init`](super::init).
pub fn init_mldsa(
    dir: &Path,
    origin: &str,
    passphrase: Option<&Passphrase>,
) -> Result<MlDsaSigner, KeyError> {
    init_reaching(dir, origin, passphrase, &mut || Ok(()))
}

fn init_reaching(
    dir: &Path,
    origin: &str,
    passphrase: Option<&Passphrase>,
    reached: Reached<'_>,
) -> Result<MlDsaSigner, KeyError> {
    let signer = MlDsaSigner::generate(origin)?;
    let der = signer.key.to_pkcs8_der().map_err(|_| KeyError::Sealing)?;
    let pem = sealed::seal(der.as_bytes(), passphrase)?;
    let files = Files::new(dir);
    let _held = files.hold()?;
    files.begin(STEM)?;
    files.install(STEM, Some(&pem), &signer.verifier.to_string(), reached)?;
    Ok(signer)
}

/// The public half of the second key, if the ledger has one.
///
/// # Errors
/// When the file is malformed.
pub fn mldsa_verifier(dir: &Path) -> Result<Option<MlDsaVerifier>, KeyError> {
    let text = Files::new(dir).vkey(&format!("{STEM}.vkey"))?;
    text.map(|text| text.parse()).transpose()
}

/// Reads the second key, or `None` when the ledger has none.
///
/// # Errors
/// As [`load`](super::load).
pub fn load_mldsa(
    dir: &Path,
    passphrase: Option<&Passphrase>,
) -> Result<Option<MlDsaSigner>, KeyError> {
    let files = Files::new(dir);
    super::rotate::refuse_interrupted(&files)?;
    let Some(verifier) = mldsa_verifier(dir)? else {
        return Ok(None);
    };
    let path = files.path(&format!("{STEM}.pem"));
    let name = || path.display().to_string();
    let document = sealed::open(&path, passphrase)?.ok_or_else(|| KeyError::External(name()))?;
    let key = SigningKey::from_pkcs8_der(document.as_bytes())
        .map_err(|_| KeyError::NotAPrivateKey(name()))?;
    let signer = MlDsaSigner::new(&verifier.name, key)?;
    if signer.verifier == verifier {
        Ok(Some(signer))
    } else {
        Err(KeyError::Mismatch(name()))
    }
}
