//! Ed25519 cosignatures (`cosignature/v1`) and the keys that make them.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

use super::lines::{Line, parts};
use crate::{
    keys::{KeyError, valid_name},
    note::NoteError,
    signer::{Signer, SignerError},
};

/// C2SP signature type of an Ed25519 cosignature.
const COSIGNATURE: u8 = 0x04;
/// Latest time a cosignature may carry.
const MAX_TIME: u64 = i64::MAX as u64;

/// Why a note does not carry a witness's cosignature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CosignatureError {
    /// The note has another form.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// No line names the witness.
    #[error("the note carries no cosignature by {0}")]
    Missing(String),
    /// A line names the witness and does not verify.
    #[error("the cosignature by {0} does not verify")]
    Bad(String),
}

/// A witness: its name and Ed25519 public key, printed as the C2SP verifier key
/// `name+hex8(id)+base64(0x04 || key)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    id: [u8; 4],
    key: VerifyingKey,
}

impl WitnessKey {
    /// The witness key of `key` under `name`.
    ///
    /// # Errors
    /// [`KeyError::Verifier`] when the name is empty or holds spaces or `+`, or anyone could sign
    /// under the key.
    pub fn new(name: &str, key: VerifyingKey) -> Result<Self, KeyError> {
        if !valid_name(name) {
            let reason = "the name is empty or holds a space or a plus sign";
            return Err(KeyError::Verifier(reason));
        }
        if key.is_weak() {
            return Err(KeyError::Verifier("the point has a small order"));
        }
        let digest: [u8; 32] = Sha256::new()
            .chain_update(name)
            .chain_update([b'\n', COSIGNATURE])
            .chain_update(key.as_bytes())
            .finalize()
            .into();
        Ok(Self {
            name: name.to_owned(),
            id: [digest[0], digest[1], digest[2], digest[3]],
            key,
        })
    }

    /// The witness's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key id: the first four bytes of `SHA-256(name || 0x0A || 0x04 || key)`.
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// The public key.
    pub fn public_key(&self) -> &VerifyingKey {
        &self.key
    }

    /// Checks that the note carries this witness's cosignature; gives its time in seconds since
    /// the epoch, the latest when there are several. Every line that names this key must verify.
    ///
    /// # Errors
    /// [`CosignatureError`].
    pub fn verify(&self, note: &str) -> Result<u64, CosignatureError> {
        let (text, lines) = parts(note)?;
        let mut latest = None;
        for line in lines.iter().filter_map(|line| Line::parse(line)) {
            if line.name == self.name && line.id == self.id {
                let bad = || CosignatureError::Bad(self.name.clone());
                let time = self.check(text, &line.signature).ok_or_else(bad)?;
                latest = latest.max(Some(time));
            }
        }
        latest.ok_or_else(|| CosignatureError::Missing(self.name.clone()))
    }

    /// The time of a cosignature over `text`, when it verifies strictly.
    fn check(&self, text: &str, timestamped: &[u8]) -> Option<u64> {
        let (time, signature) = timestamped.split_first_chunk::<8>()?;
        let time = u64::from_be_bytes(*time);
        let signature = Signature::from_slice(signature).ok()?;
        let verified = self
            .key
            .verify_strict(message(time, text).as_bytes(), &signature);
        (time <= MAX_TIME && verified.is_ok()).then_some(time)
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[COSIGNATURE], self.key.as_bytes().as_slice()].concat();
        let id = hex::encode(self.id);
        write!(f, "{}+{id}+{}", self.name, STANDARD.encode(key))
    }
}

impl FromStr for WitnessKey {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut fields = text.splitn(3, '+');
        let (Some(name), Some(id), Some(encoded)) = (fields.next(), fields.next(), fields.next())
        else {
            return Err(KeyError::Verifier("it has three parts, joined by +"));
        };
        let bytes = STANDARD
            .decode(encoded)
            .map_err(|_| KeyError::Verifier("base64"))?;
        let Some((&COSIGNATURE, key)) = bytes.split_first() else {
            return Err(KeyError::Verifier("not an Ed25519 cosignature key"));
        };
        let key = key
            .try_into()
            .map_err(|_| KeyError::Verifier("key length"))?;
        let key = VerifyingKey::from_bytes(key).map_err(|_| KeyError::Verifier("not a point"))?;
        let parsed = Self::new(name, key)?;
        if hex::encode(parsed.id) == id {
            Ok(parsed)
        } else {
            Err(KeyError::Verifier("wrong key id"))
        }
    }
}

/// Cosigns the text of a checkpoint at `time` (seconds since the epoch); gives the signature line
/// without its newline. Whoever calls this states that the checkpoint extends everything that the
/// witness saw before: [`super::Witness`] checks that first.
///
/// # Errors
/// [`SignerError`] when no signature could be had, or the time is past 2^63 - 1.
pub fn cosign(
    key: &WitnessKey,
    signer: &dyn Signer,
    text: &str,
    time: u64,
) -> Result<String, SignerError> {
    if time > MAX_TIME {
        return Err(SignerError("the time is out of range".to_owned()));
    }
    let signature = signer.sign(message(time, text).as_bytes())?;
    let timestamped = [time.to_be_bytes().as_slice(), &signature.to_bytes()].concat();
    Ok(Line::print(&key.name, key.id, &timestamped))
}

fn message(time: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}
