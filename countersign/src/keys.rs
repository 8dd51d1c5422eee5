//! `keys`: the ledger's key pair.

use std::process::ExitCode;

use countersign_ledger::keys;

use crate::cli::KeysCommand;
use crate::exit::{BAD_DATA, fail};

pub(crate) fn run(command: &KeysCommand) -> anyhow::Result<ExitCode> {
    let pair = match command {
        KeysCommand::Init { data, origin } => keys::init(data, origin),
        KeysCommand::Show { data } => keys::load(data),
    };
    let (_secret, verifier) = pair.map_err(|e| fail(BAD_DATA, e.to_string()))?;
    println!("{verifier}");
    Ok(ExitCode::SUCCESS)
}
