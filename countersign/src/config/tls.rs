//! TLS of the listeners and towards upstreams, as the file names it.

use std::path::{Path, PathBuf};

use countersign_gateway::tls::{Files, MinVersion};
use serde::{Deserialize, Serialize};

/// `listen_tls:` and `admin_tls:`. The files are read again when they change and on SIGHUP; what
/// is no good is refused whole and the old stays in force.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsConfig {
    /// The certificate chain (PEM), the listener's own first.
    pub(crate) cert: PathBuf,
    /// Its private key (PEM).
    pub(crate) key: PathBuf,
    /// Authorities of client certificates (PEM). With them every caller must show one, and the
    /// certificate is its principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_ca: Option<PathBuf>,
    /// The oldest version spoken: "1.2" (the default) or "1.3".
    #[serde(default)]
    pub(crate) min: MinVersionConfig,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) enum MinVersionConfig {
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    #[serde(rename = "1.3")]
    Tls13,
}

impl From<MinVersionConfig> for MinVersion {
    fn from(min: MinVersionConfig) -> Self {
        match min {
            MinVersionConfig::Tls12 => Self::Tls12,
            MinVersionConfig::Tls13 => Self::Tls13,
        }
    }
}

impl TlsConfig {
    /// Makes paths relative to the configuration file's folder.
    pub(crate) fn found_from(&mut self, base: &Path) {
        self.cert = base.join(&self.cert);
        self.key = base.join(&self.key);
        self.client_ca = self.client_ca.take().map(|path| base.join(path));
    }
}

impl From<&TlsConfig> for Files {
    fn from(given: &TlsConfig) -> Self {
        Self {
            cert: given.cert.clone(),
            key: given.key.clone(),
            client_ca: given.client_ca.clone(),
            min: given.min.into(),
        }
    }
}
