//! `keys`: the ledger's key pair.

use std::path::Path;
use std::process::ExitCode;

use countersign_ledger::keys::{self, KeyError, Passphrase};

use crate::cli::KeysCommand;
use crate::exit::{BAD_DATA, fail};

pub(crate) fn run(command: &KeysCommand) -> anyhow::Result<ExitCode> {
    let verifier = match command {
        KeysCommand::Init { data, origin } => passphrase()
            .and_then(|passphrase| keys::init(data, origin, passphrase.as_ref()))
            .map(|(_secret, verifier)| verifier),
        KeysCommand::Show { data } => keys::verifier(data),
    };
    println!("{}", verifier.map_err(|e| fail(BAD_DATA, e.to_string()))?);
    Ok(ExitCode::SUCCESS)
}

/// The passphrase of the private key files, from the environment; none leaves them unencrypted.
pub(crate) fn passphrase() -> Result<Option<Passphrase>, KeyError> {
    if let Some(path) = std::env::var_os("COUNTERSIGN_KEY_PASSPHRASE_FILE") {
        return Passphrase::from_file(Path::new(&path)).map(Some);
    }
    match std::env::var("COUNTERSIGN_KEY_PASSPHRASE") {
        Ok(text) => Passphrase::new(text).map(Some),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(KeyError::Passphrase),
    }
}
