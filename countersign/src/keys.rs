//! `keys`: the ledger's key pair, and another one in its place.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use countersign_gateway::evidence::record_of;
use countersign_ledger::entry::{self, Event};
use countersign_ledger::keys::{self, Handover, KeyError, Passphrase};
use countersign_ledger::{Ledger, Recovery, VerifierKey};
use countersign_record::{Body, Key, KeyEvent};

use crate::cli::{KeysCommand, RotateArgs};
use crate::config::{Config, LedgerConfig};
use crate::exit::{BAD_DATA, UNAVAILABLE, fail};

/// Entries looked through for a handover that an interrupted rotation recorded.
const LOOK_BACK: u64 = 100_000;

pub(crate) fn run(command: &KeysCommand) -> anyhow::Result<ExitCode> {
    let verifier = match command {
        KeysCommand::Init { data, origin } => passphrase()
            .and_then(|passphrase| keys::init(data, origin, passphrase.as_ref()))
            .map(|(_secret, verifier)| verifier),
        KeysCommand::Show { data } => keys::verifier(data),
        KeysCommand::Rotate(args) => return rotate(args),
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

/// Refuses a data directory without keys, where a command must not make a new ledger.
pub(crate) fn must_exist(data: &Path) -> anyhow::Result<()> {
    if keys::exist(data) {
        return Ok(());
    }
    let message = format!("{} holds no ledger", data.display());
    Err(fail(BAD_DATA, message))
}

/// Lets another key sign from now on. Started again after an interruption, it goes on.
fn rotate(args: &RotateArgs) -> anyhow::Result<ExitCode> {
    let mut config = match &args.config {
        Some(path) => Config::read(path)?.ledger,
        None => LedgerConfig::default(),
    };
    if let Some(data) = &args.data {
        config.dir.clone_from(data);
    }
    must_exist(&config.dir)?;
    if config.signer.is_some() {
        let message = "a key in a token is rotated with the token's own tools: see docs/keys.md";
        return Err(fail(crate::exit::BAD_CONFIG, message));
    }
    let dir = &config.dir;
    let problem = |e: KeyError| fail(BAD_DATA, e.to_string());
    keys::recover(dir).map_err(problem)?;
    let passphrase = passphrase().map_err(problem)?;
    let (key, next) = keys::prepare_next(dir, passphrase.as_ref()).map_err(problem)?;
    crate::serve::runtime()?.block_on(async {
        let (ledger, recovery) = crate::ledger::open(&config)?;
        let statement = hand_over(&ledger, &recovery, (Arc::new(key), &next)).await;
        ledger
            .close()
            .await
            .map_err(|e| fail(UNAVAILABLE, format!("ledger: {e}")))?;
        keys::promote_next(dir, &statement?).map_err(problem)
    })?;
    println!("{next}");
    Ok(ExitCode::SUCCESS)
}

/// Records the handover unless that was done, and waits until it is published.
async fn hand_over(
    ledger: &Ledger,
    recovery: &Recovery,
    (key, next): (Arc<countersign_ledger::SigningKey>, &VerifierKey),
) -> anyhow::Result<Handover> {
    let unavailable = |e: &dyn std::fmt::Display| fail(UNAVAILABLE, format!("ledger: {e}"));
    let recorded = if recovery.key == *next {
        recorded_handover(ledger, next)?
    } else {
        None
    };
    let index = if let Some(index) = recorded {
        index
    } else {
        let body = Body::Key(Key {
            event: KeyEvent::Handover,
            before: Some(recovery.key.to_string()),
            after: next.to_string(),
            actor: "operator:rotate".to_owned(),
            reason: "countersign keys rotate".to_owned(),
        });
        let members = record_of(body).to_object();
        let members = members.map_err(|e| fail(BAD_DATA, e.to_string()))?;
        let rotated = ledger.rotate(key, members).await;
        rotated.map_err(|e| unavailable(&e))?.index
    };
    ledger.published(index).await.map_err(|e| unavailable(&e))?;
    statement_at(ledger, index)?
        .ok_or_else(|| unavailable(&"the handover that was recorded cannot be read"))
}

/// Where the newest handover to `next` stands.
fn recorded_handover(ledger: &Ledger, next: &VerifierKey) -> anyhow::Result<Option<u64>> {
    let size = ledger.head().size;
    for index in (size.saturating_sub(LOOK_BACK)..size).rev() {
        if statement_at(ledger, index)?.is_some_and(|found| found.new_key() == next) {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

fn statement_at(ledger: &Ledger, index: u64) -> anyhow::Result<Option<Handover>> {
    let read = ledger.read(index);
    let bytes = read.map_err(|e| fail(UNAVAILABLE, format!("ledger: {e}")))?;
    let event = bytes.and_then(|bytes| entry::parse(&bytes).ok()?.event);
    Ok(match event {
        Some(Event::Handover(note)) => Handover::parse(&note).ok(),
        _ => None,
    })
}
