//! `witness`: cosign the checkpoints of other ledgers, each only when it extends the one before.

use std::process::ExitCode;
use std::sync::Arc;

use countersign_ledger::VerifierKey;
use countersign_ledger::keys;
use countersign_ledger::witness::{Witness, WitnessKey};
use countersign_ledger_remote::witness::{FileStore, ServerSettings, serve};
use tokio::net::TcpListener;

use crate::cli::{WitnessCommand, WitnessServeArgs};
use crate::exit::{BAD_CONFIG, BAD_DATA, UNAVAILABLE, fail};

pub(crate) fn run(command: &WitnessCommand) -> anyhow::Result<ExitCode> {
    match command {
        WitnessCommand::Init { data, name } => {
            let passphrase = crate::keys::passphrase().map_err(|e| bad_data(&e))?;
            let (_secret, key) =
                keys::init(data, name, passphrase.as_ref()).map_err(|e| bad_data(&e))?;
            let key = cosigner(&key)?;
            FileStore::create(&data.join("state"), &key).map_err(|e| bad_data(&e))?;
            println!("{key}");
            Ok(ExitCode::SUCCESS)
        }
        WitnessCommand::Serve(args) => serve_until_stopped(args),
    }
}

/// The witness's key: the same bytes, of the type that cosigns.
fn cosigner(key: &VerifierKey) -> anyhow::Result<WitnessKey> {
    WitnessKey::new(key.name(), *key.public_key()).map_err(|e| bad_data(&e))
}

fn bad_data(error: &dyn std::fmt::Display) -> anyhow::Error {
    fail(BAD_DATA, error.to_string())
}

fn serve_until_stopped(args: &WitnessServeArgs) -> anyhow::Result<ExitCode> {
    let passphrase = crate::keys::passphrase().map_err(|e| bad_data(&e))?;
    let pair = keys::load(&args.data, passphrase.as_ref());
    let (secret, key) = pair.map_err(|e| bad_data(&e))?;
    let key = cosigner(&key)?;
    let store = FileStore::open(&args.data.join("state"), &key).map_err(|e| bad_data(&e))?;
    let logs: Vec<VerifierKey> = args
        .log
        .iter()
        .map(|given| crate::inspect::key(given))
        .collect::<anyhow::Result<_>>()?;
    let witness = Witness::new(key, Arc::new(secret), &logs, store)
        .map_err(|e| fail(BAD_CONFIG, e.to_string()))?;
    crate::serve::runtime()?.block_on(async {
        let signals = crate::serve::Signals::listen()?;
        let listener = TcpListener::bind(args.listen)
            .await
            .map_err(|e| fail(UNAVAILABLE, format!("{}: {e}", args.listen)))?;
        let running = serve(listener, witness, ServerSettings::default())
            .map_err(|e| fail(UNAVAILABLE, e.to_string()))?;
        eprintln!("countersign: witness on http://{}", running.address());
        signals.stops.first().await;
        running.stop().await;
        Ok(ExitCode::SUCCESS)
    })
}
