//! One logged-in session with its key, and how it comes about.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Function, Pkcs11},
    error::{Error, RvError},
    mechanism::{
        Mechanism,
        eddsa::{EddsaParams, EddsaSignatureScheme},
    },
    object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle},
    session::{Session, UserType},
    slot::Slot,
    types::AuthPin,
};
use ed25519_dalek::{Signature, VerifyingKey};

use crate::{Pkcs11Error, Settings};

/// How to reach the token. Shared by the threads of one signer.
#[derive(Debug)]
pub(crate) struct Token {
    settings: Settings,
    /// Why the PIN was refused, once it was. Held while logging in, so that one thread's refusal
    /// keeps the others from using up the tries that are left.
    refused: Mutex<Option<String>>,
}

/// A session in which the user is logged in, and the handle of the private key.
#[derive(Debug)]
pub(crate) struct Open {
    session: Session,
    private: ObjectHandle,
    public: VerifyingKey,
}

impl Open {
    pub(crate) fn public_key(&self) -> VerifyingKey {
        self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, Error> {
        // Without parameters CKM_EDDSA is pure Ed25519.
        let mechanism = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure));
        let bytes = self.session.sign(&mechanism, self.private, message)?;
        Signature::from_slice(&bytes).map_err(|_| Error::InvalidValue)
    }
}

impl Token {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            refused: Mutex::new(None),
        }
    }

    /// Signs in `session`, which is opened anew when there is none or when it fails.
    pub(crate) fn sign(
        &self,
        session: &mut Option<Open>,
        message: &[u8],
    ) -> Result<Signature, Pkcs11Error> {
        if let Some(open) = session {
            match open.sign(message) {
                Ok(signature) => return Ok(signature),
                Err(error) => {
                    tracing::warn!(%error, "a PKCS#11 session failed and is opened anew");
                    *session = None;
                }
            }
        }
        let open = session.insert(self.connect()?);
        let result = open.sign(message);
        if result.is_err() {
            *session = None;
        }
        Ok(result?)
    }

    /// Loads the module, finds the token, logs in, finds the key.
    pub(crate) fn connect(&self) -> Result<Open, Pkcs11Error> {
        let module = self.module()?;
        let session = module.open_ro_session(self.slot(&module)?)?;
        self.log_in(&session)?;
        let private = self.find(&session, "private", ObjectClass::PRIVATE_KEY)?;
        let public = self.find(&session, "public", ObjectClass::PUBLIC_KEY)?;
        let public = session.get_attributes(public, &[AttributeType::EcPoint])?;
        let Some(Attribute::EcPoint(point)) = public.first() else {
            return Err(Pkcs11Error::PublicKey);
        };
        Ok(Open {
            private,
            public: decode(point).ok_or(Pkcs11Error::PublicKey)?,
            session,
        })
    }

    fn module(&self) -> Result<Pkcs11, Pkcs11Error> {
        let path = || self.settings.module.display().to_string();
        let failed = |source| Pkcs11Error::Module {
            path: path(),
            source,
        };
        let module = load(&self.settings.module).map_err(failed)?;
        // A library is initialized once per process, by whoever comes first, and stays so.
        match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(())
            | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, Function::Initialize)) => {
                Ok(module)
            }
            Err(source) => Err(failed(source)),
        }
    }

    fn slot(&self, module: &Pkcs11) -> Result<Slot, Pkcs11Error> {
        let mut found = Vec::new();
        for slot in module.get_slots_with_initialized_token()? {
            // A token that cannot be asked is not the one; others in the machine may be broken.
            let info = module.get_token_info(slot);
            if info.is_ok_and(|info| info.label() == self.settings.token) {
                found.push(slot);
            }
        }
        match found.as_slice() {
            [slot] => Ok(*slot),
            _ => Err(Pkcs11Error::Token {
                label: self.settings.token.clone(),
                found: found.len(),
            }),
        }
    }

    fn log_in(&self, session: &Session) -> Result<(), Pkcs11Error> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = refused.as_ref() {
            return Err(Pkcs11Error::Pin(reason.clone()));
        }
        let pin = AuthPin::from(self.settings.pin.reveal().to_owned());
        match session.login(UserType::User, Some(&pin)) {
            // A login holds for all sessions of the process.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(Error::Pkcs11(
                reason @ (RvError::PinIncorrect
                | RvError::PinInvalid
                | RvError::PinLenRange
                | RvError::PinExpired
                | RvError::PinLocked),
                _,
            )) => {
                *refused = Some(reason.to_string());
                Err(Pkcs11Error::Pin(reason.to_string()))
            }
            Err(other) => Err(other.into()),
        }
    }

    fn find(
        &self,
        session: &Session,
        kind: &'static str,
        class: ObjectClass,
    ) -> Result<ObjectHandle, Pkcs11Error> {
        let label = &self.settings.key;
        let found = session.find_objects(&[
            Attribute::Class(class),
            Attribute::KeyType(KeyType::EC_EDWARDS),
            Attribute::Label(label.as_bytes().to_vec()),
        ])?;
        match found.as_slice() {
            [key] => Ok(*key),
            _ => Err(Pkcs11Error::Key {
                kind,
                label: label.clone(),
                found: found.len(),
            }),
        }
    }
}

/// Loads a module, once per process. It is never unloaded: threads and exit handlers of its own
/// may still run in its code after the last session.
fn load(path: &Path) -> Result<Pkcs11, Error> {
    static LOADED: Mutex<BTreeMap<PathBuf, Pkcs11>> = Mutex::new(BTreeMap::new());
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = loaded.get(path) {
        return Ok(module.clone());
    }
    let module = Pkcs11::new(path)?;
    loaded.insert(path.to_owned(), module.clone());
    Ok(module)
}

/// `CKA_EC_POINT` is the DER of an octet string or of a bit string, or the bare point: versions of
/// the standard and modules differ.
fn decode(point: &[u8]) -> Option<VerifyingKey> {
    let bare = match point {
        [0x04, 0x20, bare @ ..] | [0x03, 0x21, 0x00, bare @ ..] if bare.len() == 32 => bare,
        bare => bare,
    };
    VerifyingKey::try_from(bare).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_read_in_every_wrapping_and_no_other() {
        let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]).verifying_key();
        let bare = key.as_bytes();
        for wrapping in [&[][..], &[0x04, 0x20], &[0x03, 0x21, 0x00]] {
            let point = [wrapping, bare].concat();
            assert_eq!(decode(&point), Some(key));
            assert_eq!(decode(&point[..point.len() - 1]), None);
        }
        assert_eq!(decode(&[&[0x04, 0x21, 0x00], &bare[..]].concat()), None);
        assert_eq!(decode(&[]), None);
    }
}
