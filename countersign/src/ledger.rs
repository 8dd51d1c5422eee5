//! Puts the ledger together: who signs, where the index and the second guard are, who witnesses.

use std::path::Path;
use std::sync::Arc;

use countersign_ledger::keys::{self, KeyError, Passphrase};
use countersign_ledger::witness::Policy;
use countersign_ledger::{
    Disk, FolderGuard, IndexStore, Ledger, Opening, Recovery, Settings, Signer, VerifierKey,
};
use countersign_ledger_pkcs11::Pkcs11Signer;
use countersign_ledger_redb::RedbStore;
use countersign_ledger_remote::witness::{ClientSettings, WitnessClient};
use countersign_ledger_sled::SledStore;
use countersign_ledger_timestamp::{Anchorer, Anchors, Authority, Pace, Roots, TsaClient};

use crate::config::{IndexConfig, LedgerConfig, TimestampsConfig, TokenConfig};
use crate::exit::{BAD_CONFIG, BAD_DATA, UNAVAILABLE, fail};

/// Members of a record that receipts and look-ups go by.
const INDEXED: [&str; 2] = ["exchange", "id"];

/// Opens the ledger that `config` describes, and makes its keys when there are none.
pub(crate) fn open(config: &LedgerConfig) -> anyhow::Result<(Ledger, Recovery)> {
    let dir = &config.dir;
    let (signer, name) = signer(config)?;
    let mut settings = Settings::new(dir, name.name());
    settings.index_members = INDEXED.iter().map(|m| (*m).to_owned()).collect();
    let mut opening = Opening::new(settings, signer).index(index(config));
    let ring =
        keys::load_ring(dir).map_err(|e| fail(BAD_DATA, format!("{}: {e}", keys_of(dir))))?;
    opening = opening.handovers(ring.handovers().to_vec());
    if let Some(next) = next_signer(dir)? {
        opening = opening.next_signer(next);
    }
    if let Some(folder) = &config.guard {
        let guard = FolderGuard::open(Arc::new(Disk), folder.clone())
            .map_err(|e| fail(UNAVAILABLE, format!("{}: {e}", folder.display())))?;
        opening = opening.second_guard(Box::new(guard));
    }
    if let Some(path) = &config.witnesses {
        opening = opening.witnesses(Box::new(witnesses(path)?));
    }
    opening
        .open()
        .map_err(|e| fail(BAD_DATA, format!("{}: {e}", dir.display())))
}

fn index(config: &LedgerConfig) -> Box<dyn IndexStore> {
    match config.index {
        IndexConfig::Sled => Box::new(SledStore(config.dir.join("index"))),
        IndexConfig::Redb => Box::new(RedbStore(config.dir.join("index-redb"))),
    }
}

/// Who signs, and the verifier key.
pub(crate) fn signer(config: &LedgerConfig) -> anyhow::Result<(Arc<dyn Signer>, VerifierKey)> {
    let dir = &config.dir;
    let bad = |e: &dyn std::fmt::Display| fail(BAD_DATA, format!("{}: {e}", keys_of(dir)));
    keys::recover(dir).map_err(|e| bad(&e))?;
    let Some(token) = &config.signer else {
        let pair = || {
            let passphrase = crate::keys::passphrase()?;
            if keys::exist(dir) {
                keys::load(dir, passphrase.as_ref())
            } else {
                keys::init(dir, &config.origin, passphrase.as_ref())
            }
        };
        let (key, name) = pair().map_err(|e: KeyError| bad(&e))?;
        return Ok((Arc::new(key), name));
    };
    let signer = in_token(token)?;
    let name = if keys::exist(dir) {
        keys::verifier(dir)
    } else {
        keys::init_from(dir, &config.origin, signer.public_key())
    };
    let name = name.map_err(|e| bad(&e))?;
    if *name.public_key() != signer.public_key() {
        return Err(bad(&"the token's key is not the key of ledger.vkey"));
    }
    Ok((Arc::new(signer), name))
}

fn keys_of(dir: &Path) -> String {
    dir.join("keys").display().to_string()
}

/// The key in the PKCS#11 token.
fn in_token(token: &TokenConfig) -> anyhow::Result<Pkcs11Signer> {
    let pin =
        Passphrase::from_file(&token.pin_file).map_err(|e| fail(BAD_CONFIG, e.to_string()))?;
    let settings = countersign_ledger_pkcs11::Settings::new(
        token.module.clone(),
        &token.token,
        &token.key,
        pin,
    );
    Pkcs11Signer::open(settings).map_err(|e| fail(UNAVAILABLE, format!("token: {e}")))
}

/// The key that a rotation is under way to.
fn next_signer(dir: &Path) -> anyhow::Result<Option<Arc<dyn Signer>>> {
    let next = || -> Result<Option<Arc<dyn Signer>>, KeyError> {
        if keys::pending_next(dir)?.is_none() {
            return Ok(None);
        }
        let passphrase = crate::keys::passphrase()?;
        let (key, _) = keys::load_next(dir, passphrase.as_ref())?;
        Ok(Some(Arc::new(key)))
    };
    next().map_err(|e| fail(BAD_DATA, format!("{}: {e}", keys_of(dir))))
}

fn witnesses(path: &Path) -> anyhow::Result<WitnessClient> {
    let shown = path.display();
    let problem = |e: &dyn std::fmt::Display| fail(BAD_CONFIG, format!("{shown}: {e}"));
    let text = std::fs::read_to_string(path).map_err(|e| problem(&e))?;
    let policy: Policy = text.parse().map_err(|e| problem(&e))?;
    WitnessClient::new(policy, ClientSettings::default()).map_err(|e| problem(&e))
}

/// What has checkpoints stamped, when `config` names an authority.
pub(crate) fn anchorer(config: &LedgerConfig) -> anyhow::Result<Option<Anchorer>> {
    let Some(given) = &config.timestamps else {
        return Ok(None);
    };
    let problem = |e: &dyn std::fmt::Display| fail(BAD_CONFIG, format!("timestamps: {e}"));
    let mut authority = Authority::at(given.url.parse().map_err(|e| problem(&e))?);
    authority.roots = roots(given)?;
    let client = TsaClient::new(authority).map_err(|e| problem(&e))?;
    let pace = Pace {
        period: std::time::Duration::from_secs(given.every_s),
        ..Pace::default()
    };
    Ok(Some(Anchorer::new(client, Anchors::of(&config.dir), pace)))
}

fn roots(given: &TimestampsConfig) -> anyhow::Result<Option<Roots>> {
    given.roots.as_deref().map(read_roots).transpose()
}

/// Trust roots of time stamping authorities (PEM).
pub(crate) fn read_roots(path: &Path) -> anyhow::Result<Roots> {
    let problem = |e: &dyn std::fmt::Display| fail(BAD_CONFIG, format!("{}: {e}", path.display()));
    let pem = std::fs::read(path).map_err(|e| problem(&e))?;
    Roots::from_pem(&pem).map_err(|e| problem(&e))
}
