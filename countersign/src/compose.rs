//! Puts the parts together. The only place that names sled and candle.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_classifiers::{Detector, Inspector, ModelDetector, PatternDetector};
use countersign_classifiers_candle::load_set;
use countersign_gateway::evidence::{Evidence, SaltKey};
use countersign_gateway::exchange::Gateway;
use countersign_gateway::judge::Judge;
use countersign_gateway::limits::Limits;
use countersign_gateway::metrics::Metrics;
use countersign_gateway::quota::Quota;
use countersign_gateway::route::{Extractions, NotEvaluated, Route};
use countersign_gateway::tls::{self, Tls};
use countersign_gateway::under_way::UnderWay;
use countersign_gateway::upgrade::Tunnels;
use countersign_gateway::upstream::{Access, Upstream};
use countersign_ledger::keys::{self, KeyError};
use countersign_ledger::{Ledger, Recovery, Settings, SigningKey, VerifierKey};
use countersign_ledger_sled::SledIndex;
use countersign_policy::{DEFAULT_POLICY, Policy, TAXONOMY};
use countersign_wire::Extraction;

use crate::config::{Config, TlsConfig, UpstreamConfig};
use crate::exit::{BAD_CONFIG, BAD_DATA, UNAVAILABLE, fail};

/// Members of a record that receipts and look-ups go by.
const INDEXED: [&str; 2] = ["exchange", "id"];

/// The running parts.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) ledger: Ledger,
    pub(crate) recovery: Recovery,
    pub(crate) verifier: VerifierKey,
}

/// The detectors in force: patterns and the model.
#[derive(Debug, Clone)]
pub(crate) struct Detectors {
    pub(crate) inspector: Arc<Inspector>,
    pub(crate) patterns: Arc<PatternDetector>,
    pub(crate) model: Arc<ModelDetector>,
}

/// Builds everything that `config` asks for.
pub(crate) fn parts(config: &Config, receipts: Option<String>) -> anyhow::Result<Parts> {
    let routes = routes(config)?;
    let detectors = detectors(
        config.classifiers.model.as_deref(),
        config.classifiers.workers,
    )?;
    let dir = &config.ledger.dir;
    let (signer, verifier) = signer(dir, &config.ledger.origin)?;
    let (ledger, recovery) = ledger(dir, verifier.name(), signer)?;
    let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
    // Watching must not keep the model's threads alive.
    let model = Arc::downgrade(&detectors.model);
    metrics.watch_queue(move || model.upgrade().map_or(0, |model| model.queued()));
    let limits = Limits::from(&config.limits);
    let evidence = Evidence::new(ledger.clone(), salts(dir)?, Arc::clone(&metrics));
    let gateway = Arc::new(Gateway {
        routes: arc_swap::ArcSwap::from_pointee(routes),
        judge: Judge::new(detectors.inspector),
        patterns: detectors.patterns,
        evidence,
        upstream: Upstream::new(&limits),
        shed: Arc::default(),
        tunnels: Tunnels::new(&limits),
        under_way: UnderWay::new(&limits),
        limits,
        metrics,
        receipts,
    });
    Ok(Parts {
        gateway,
        ledger,
        recovery,
        verifier,
    })
}

/// The routes of `config`, each with its policy.
pub(crate) fn routes(config: &Config) -> anyhow::Result<Vec<Arc<Route>>> {
    let mut policies = vec![Arc::new(default_policy()?)];
    for path in &config.policies {
        policies.push(Arc::new(policy(path)?));
    }
    if config.routes.is_empty() {
        return Err(fail(BAD_CONFIG, "the configuration has no routes"));
    }
    let limits = Limits::from(&config.limits);
    let quota = Arc::new(Quota::new(config.limits.per_principal.into()));
    let common = (&limits, &quota);
    config
        .routes
        .iter()
        .map(|route| one_route(route, &policies, common).map(Arc::new))
        .collect()
}

/// The TLS of the data port and of the admin port.
pub(crate) fn listeners_tls(config: &Config) -> anyhow::Result<[Option<Arc<Tls>>; 2]> {
    let load = |given: &Option<TlsConfig>| match given {
        None => Ok(None),
        Some(given) => Tls::load(given.into())
            .map(|tls| Some(Arc::new(tls)))
            .map_err(|e| fail(BAD_CONFIG, format!("TLS: {e}"))),
    };
    Ok([load(&config.listen_tls)?, load(&config.admin_tls)?])
}

/// The way to an upstream that has something special about it.
fn way(name: &str, given: &UpstreamConfig, limits: &Limits) -> anyhow::Result<Option<Upstream>> {
    let identity = match (&given.client_cert, &given.client_key) {
        (Some(cert), Some(key)) => Some((cert.as_path(), key.as_path())),
        (None, None) => None,
        _ => {
            let message = format!("route {name}: client_cert and client_key go together");
            return Err(fail(BAD_CONFIG, message));
        }
    };
    if given.ca.is_none() && identity.is_none() && !given.http2 {
        return Ok(None);
    }
    let tls = tls::client_config(given.ca.as_deref(), identity)
        .map_err(|e| fail(BAD_CONFIG, format!("route {name}: {e}")))?;
    let access = Access {
        tls: Some(tls),
        http2: given.http2,
    };
    Ok(Some(Upstream::with(limits, &access)))
}

fn one_route(
    route: &crate::config::RouteConfig,
    policies: &[Arc<Policy>],
    (limits, quota): (&Limits, &Arc<Quota>),
) -> anyhow::Result<Route> {
    let name = route
        .name
        .clone()
        .unwrap_or_else(|| route.matches.path.clone());
    // A document of the operator's may take the name `default`: the last one wins.
    let policy = policies
        .iter()
        .rev()
        .find(|p| p.reference().id == route.policy);
    let Some(policy) = policy else {
        let known: Vec<&str> = policies.iter().map(|p| p.reference().id.as_str()).collect();
        let (wanted, known) = (&route.policy, known.join(", "));
        let message = format!("route {name}: no policy has the id {wanted} (known: {known})");
        return Err(fail(BAD_CONFIG, message));
    };
    let upstream: http::Uri = route
        .upstream
        .url
        .parse()
        .map_err(|e| fail(BAD_CONFIG, format!("route {name}: upstream url: {e}")))?;
    if !matches!(upstream.scheme_str(), Some("http" | "https")) || upstream.host().is_none() {
        let message = format!("route {name}: upstream url must be http://… or https://…");
        return Err(fail(BAD_CONFIG, message));
    }
    let way = way(&name, &route.upstream, limits)?;
    let quota = match &route.limits {
        Some(own) => Arc::new(Quota::new(own.per_principal.into())),
        None => Arc::clone(quota),
    };
    let extract = extractions(route, &name)?;
    Ok(Route {
        name,
        pattern: route.matches.path.clone(),
        upstream,
        vendor: route.upstream.vendor.clone(),
        policy: Arc::clone(policy),
        stream: route.stream.into(),
        on_not_evaluated: NotEvaluated {
            input: route.on_not_evaluated.input.into(),
            output: route.on_not_evaluated.output.into(),
        },
        on_unreadable: route.on_unreadable.into(),
        upgrades: route.upgrades.into(),
        extract,
        quota,
        way,
    })
}

fn extractions(route: &crate::config::RouteConfig, name: &str) -> anyhow::Result<Extractions> {
    let of = |pointers| {
        Extraction::new(pointers)
            .map_err(|e| fail(BAD_CONFIG, format!("route {name}: extract: {e}")))
    };
    Ok(Extractions {
        input: of(&route.extract.input)?,
        output: of(&route.extract.output)?,
    })
}

/// Labels that policies may name.
pub(crate) fn taxonomy() -> Vec<String> {
    TAXONOMY.iter().map(|label| (*label).to_owned()).collect()
}

/// The shipped default policy.
pub(crate) fn default_policy() -> anyhow::Result<Policy> {
    Policy::parse(DEFAULT_POLICY, "default.yaml", &taxonomy())
        .map_err(|e| fail(BAD_CONFIG, e.to_string()))
}

/// The policy document at `path`.
pub(crate) fn policy(path: &Path) -> anyhow::Result<Policy> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|e| fail(BAD_CONFIG, format!("{shown}: cannot be read: {e}")))?;
    Policy::parse(&text, &shown, &taxonomy()).map_err(|e| fail(BAD_CONFIG, e.to_string()))
}

/// Patterns, and the model of `folder` (the shipped one without a folder) on `workers` threads.
pub(crate) fn detectors(
    folder: Option<&Path>,
    workers: Option<usize>,
) -> anyhow::Result<Detectors> {
    let patterns = Arc::new(PatternDetector::new());
    let workers =
        workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let backends = match folder {
        Some(folder) => load_set(folder, workers),
        None => load_set(&shipped_model()?, workers),
    };
    let backends = backends.map_err(|e| fail(BAD_DATA, format!("model: {e}")))?;
    let model = ModelDetector::start(backends, countersign_classifiers::Limits::default());
    let all: Vec<Arc<dyn Detector>> = vec![Arc::clone(&patterns) as _, Arc::clone(&model) as _];
    Ok(Detectors {
        inspector: Arc::new(Inspector::new(all)),
        patterns,
        model,
    })
}

/// The shipped model: beside an installed binary, or in the source tree it was built from.
fn shipped_model() -> anyhow::Result<PathBuf> {
    const NAME: &str = "countersign-minilm-1";
    let installed = std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.join("../share/countersign/models").join(NAME)));
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../classifiers/models")
        .join(NAME);
    [installed, Some(source)]
        .into_iter()
        .flatten()
        .find(|folder| folder.is_dir())
        .ok_or_else(|| {
            fail(
                BAD_DATA,
                "the shipped model was not found; name another with --model FOLDER",
            )
        })
}

fn signer(dir: &Path, origin: &str) -> anyhow::Result<(SigningKey, VerifierKey)> {
    let pair = || {
        let passphrase = crate::keys::passphrase()?;
        keys::recover(dir)?;
        if keys::exist(dir) {
            keys::load(dir, passphrase.as_ref())
        } else {
            keys::init(dir, origin, passphrase.as_ref())
        }
    };
    pair().map_err(|e: KeyError| fail(BAD_DATA, format!("{}: {e}", dir.join("keys").display())))
}

fn ledger(dir: &Path, origin: &str, signer: SigningKey) -> anyhow::Result<(Ledger, Recovery)> {
    let index = SledIndex::open(&dir.join("index"))
        .map_err(|e| fail(UNAVAILABLE, format!("index: {e}")))?;
    let mut settings = Settings::new(dir, origin);
    settings.index_members = INDEXED.iter().map(|m| (*m).to_owned()).collect();
    Ledger::open(settings, signer, Box::new(index))
        .map_err(|e| fail(BAD_DATA, format!("{}: {e}", dir.display())))
}

/// The secret under which salts are derived; made at the first start.
fn salts(dir: &Path) -> anyhow::Result<SaltKey> {
    let folder = dir.join("vault");
    let path = folder.join("salt.key");
    let problem = |e: std::io::Error| fail(UNAVAILABLE, format!("{}: {e}", path.display()));
    if !path.exists() {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|e| fail(UNAVAILABLE, format!("randomness: {e}")))?;
        std::fs::create_dir_all(&folder).map_err(problem)?;
        write_secret(&path, &key).map_err(problem)?;
    }
    let bytes = std::fs::read(&path).map_err(problem)?;
    let key = bytes
        .try_into()
        .map_err(|_| fail(BAD_DATA, format!("{} must hold 32 bytes", path.display())))?;
    Ok(SaltKey::new(key))
}

/// Written aside and renamed, so that a crash leaves the whole key or none.
fn write_secret(path: &Path, key: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let aside = path.with_extension("tmp");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&aside)?;
    file.write_all(key)?;
    file.sync_all()?;
    std::fs::rename(&aside, path)?;
    match path.parent() {
        Some(folder) => std::fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
