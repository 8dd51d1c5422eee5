//! TLS of the listeners and towards private upstreams. Certificates are replaced while serving.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// How often certificate files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// A file cannot be read, or holds no PEM of the right kind.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What was wrong with it.
        source: rustls::pki_types::pem::Error,
    },
    /// A file holds no certificate.
    #[error("{0}: holds no certificate")]
    Empty(PathBuf),
    /// What the files hold does not fit together.
    #[error("{path}: {source}")]
    Unfit {
        /// The file at fault.
        path: PathBuf,
        /// What does not fit.
        source: rustls::Error,
    },
    /// The certificate authority of the clients cannot be used.
    #[error("{path}: {source}")]
    ClientCa {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::server::VerifierBuilderError,
    },
}

/// The oldest version of TLS that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MinVersion {
    /// TLS 1.2.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// What a listener's TLS is made from.
#[derive(Debug, Clone)]
pub struct Files {
    /// The certificate chain (PEM), the listener's own first.
    pub cert: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
    /// Authorities of client certificates (PEM); with them every caller must show one.
    pub client_ca: Option<PathBuf>,
    /// The oldest version spoken.
    pub min: MinVersion,
}

/// The TLS of one listener.
#[derive(Debug)]
pub struct Tls {
    files: Files,
    current: ArcSwap<ServerConfig>,
    seen: Mutex<Vec<Option<SystemTime>>>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsFault`], which names the file.
    pub fn load(files: Files) -> Result<Self, TlsFault> {
        let seen = stamps(&files);
        let current = ArcSwap::new(Arc::new(server_config(&files)?));
        Ok(Self {
            files,
            current,
            seen: Mutex::new(seen),
        })
    }

    /// What the next connection is accepted with.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    /// Reads the files again. Connections that are open keep what they have.
    ///
    /// # Errors
    /// [`TlsFault`]; what was in force stays so.
    pub fn reload(&self) -> Result<(), TlsFault> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = stamps(&self.files);
        self.current.store(Arc::new(server_config(&self.files)?));
        Ok(())
    }

    /// Reloads whenever a file has changed, until `stop` turns true.
    pub async fn watch(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let seen = self
                .seen
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            if stamps(&self.files) == seen {
                continue;
            }
            match self.reload() {
                Ok(()) => tracing::info!(cert = %self.files.cert.display(), "certificate reloaded"),
                Err(error) => tracing::error!(%error, "the old certificate stays in force"),
            }
        }
    }
}

/// When each file was last written.
fn stamps(files: &Files) -> Vec<Option<SystemTime>> {
    let all = [
        Some(&files.cert),
        Some(&files.key),
        files.client_ca.as_ref(),
    ];
    let stamp = |path: &PathBuf| std::fs::metadata(path).and_then(|m| m.modified()).ok();
    all.into_iter().flatten().map(stamp).collect()
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn server_config(files: &Files) -> Result<ServerConfig, TlsFault> {
    let versions: &[&SupportedProtocolVersion] = match files.min {
        MinVersion::Tls12 => rustls::ALL_VERSIONS,
        MinVersion::Tls13 => &[&rustls::version::TLS13],
    };
    let unfit = |source| TlsFault::Unfit {
        path: files.cert.clone(),
        source,
    };
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .map_err(unfit)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = Arc::new(roots(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
            let verifier = verifier.build().map_err(|source| TlsFault::ClientCa {
                path: path.clone(),
                source,
            })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(certificates(&files.cert)?, private_key(&files.key)?)
        .map_err(unfit)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// TLS towards upstreams: the authorities of `ca` alone (the public ones without it), showing the
/// certificate and key of `identity` if there are any.
///
/// # Errors
/// [`TlsFault`], which names the file.
pub fn client_config(
    ca: Option<&Path>,
    identity: Option<(&Path, &Path)>,
) -> Result<ClientConfig, TlsFault> {
    let trusted = match ca {
        Some(path) => roots(path)?,
        None => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
    };
    let unfit = |source| TlsFault::Unfit {
        path: identity
            .map_or(Path::new("TLS"), |(cert, _key)| cert)
            .to_owned(),
        source,
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_root_certificates(trusted);
    match identity {
        None => Ok(builder.with_no_client_auth()),
        Some((cert, key)) => builder
            .with_client_auth_cert(certificates(cert)?, private_key(key)?)
            .map_err(unfit),
    }
}

/// What a client certificate is known by.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> [u8; 32] {
    Sha256::digest(certificate.as_ref()).into()
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let all: Vec<_> = read.map_err(|source| TlsFault::File {
        path: path.to_owned(),
        source,
    })?;
    if all.is_empty() {
        return Err(TlsFault::Empty(path.to_owned()));
    }
    Ok(all)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFault> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| TlsFault::File {
        path: path.to_owned(),
        source,
    })
}

fn roots(path: &Path) -> Result<RootCertStore, TlsFault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|source| TlsFault::Unfit {
            path: path.to_owned(),
            source,
        })?;
    }
    Ok(roots)
}
