//! The ledger, as the file names it.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{default_data, default_heartbeat, default_origin};

/// `ledger:`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LedgerConfig {
    /// Name of the ledger, a URL without scheme.
    #[serde(default = "default_origin")]
    pub(crate) origin: String,
    /// Data directory.
    #[serde(default = "default_data")]
    pub(crate) dir: PathBuf,
    /// Seconds between heartbeats, which are records too.
    #[serde(default = "default_heartbeat")]
    pub(crate) heartbeat_s: NonZeroU32,
    /// Where look-ups by id are answered from; it can be rebuilt at any time.
    #[serde(default)]
    pub(crate) index: IndexConfig,
    /// Folder of a second guard, best on another disk: a rolled back data directory is then
    /// refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) guard: Option<PathBuf>,
    /// Witnesses without whose cosignatures nothing is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) witnesses: Option<PathBuf>,
    /// A time stamping authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timestamps: Option<TimestampsConfig>,
    /// The signing key in a PKCS#11 token; in `keys/ledger.pem` without this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signer: Option<TokenConfig>,
    /// Records older than this many days are removed, once a day; their hashes stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) keep_days: Option<u32>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum IndexConfig {
    #[default]
    Sled,
    Redb,
}

/// `ledger.timestamps:`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimestampsConfig {
    /// The authority's address.
    pub(crate) url: String,
    /// Roots that its tokens must lead to (PEM); without them tokens are stored unverified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) roots: Option<PathBuf>,
    /// One token in so many seconds, when the ledger grew.
    #[serde(default = "hour")]
    pub(crate) every_s: u64,
}

/// `ledger.signer:`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenConfig {
    /// The vendor's PKCS#11 library.
    pub(crate) module: PathBuf,
    /// Label of the token.
    pub(crate) token: String,
    /// Label of the key pair.
    pub(crate) key: String,
    /// File with the PIN, readable by its owner alone.
    pub(crate) pin_file: PathBuf,
}

fn hour() -> u64 {
    3600
}

impl Default for LedgerConfig {
    fn default() -> Self {
        Self {
            origin: default_origin(),
            dir: default_data(),
            heartbeat_s: default_heartbeat(),
            index: IndexConfig::default(),
            guard: None,
            witnesses: None,
            timestamps: None,
            signer: None,
            keep_days: None,
        }
    }
}

impl LedgerConfig {
    /// Makes paths relative to the configuration file's folder.
    pub(crate) fn found_from(&mut self, base: &Path) {
        self.guard = self.guard.take().map(|path| base.join(path));
        self.witnesses = self.witnesses.take().map(|path| base.join(path));
        if let Some(timestamps) = &mut self.timestamps {
            timestamps.roots = timestamps.roots.take().map(|path| base.join(path));
        }
        if let Some(signer) = &mut self.signer {
            signer.pin_file = base.join(&signer.pin_file);
        }
    }
}
