//! Configuration: one YAML file, read once, every error with its place.

mod ledger;
mod limits;
mod route;
mod tls;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use crate::cli::{ConfigCommand, ServeArgs};
use crate::exit::{BAD_CONFIG, fail};

pub(crate) use ledger::{IndexConfig, LedgerConfig, TimestampsConfig, TokenConfig};
pub(crate) use limits::LimitsConfig;
use route::{
    EvidenceConfig, ExtractConfig, MatchConfig, NotEvaluatedConfig, StreamConfig, UnreadableConfig,
    UpgradesConfig, default_policy,
};
pub(crate) use route::{RouteConfig, UpstreamConfig};
pub(crate) use tls::TlsConfig;

/// Name of a ledger nobody named.
pub(crate) const DEFAULT_ORIGIN: &str = "localhost/countersign";
const DEFAULT_LISTEN: &str = "127.0.0.1:4000";
const DEFAULT_ADMIN: &str = "127.0.0.1:4001";
const DEFAULT_DATA: &str = "./countersign-data";

/// The whole file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Address of the data port.
    #[serde(default = "default_listen")]
    pub(crate) listen: SocketAddr,
    /// Address of the admin port.
    #[serde(default = "default_admin")]
    pub(crate) admin: SocketAddr,
    /// TLS of the data port; in the clear without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) listen_tls: Option<TlsConfig>,
    /// TLS of the admin port; in the clear without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) admin_tls: Option<TlsConfig>,
    /// Routes; the first that matches wins.
    pub(crate) routes: Vec<RouteConfig>,
    /// Policy documents; the shipped default policy is always there under the id `default`.
    #[serde(default)]
    pub(crate) policies: Vec<PathBuf>,
    /// Detectors.
    #[serde(default)]
    pub(crate) classifiers: ClassifiersConfig,
    /// The ledger.
    #[serde(default)]
    pub(crate) ledger: LedgerConfig,
    /// Bounds.
    #[serde(default)]
    pub(crate) limits: LimitsConfig,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClassifiersConfig {
    /// Folder of another model; the shipped one without this.
    #[serde(default)]
    pub(crate) model: Option<PathBuf>,
    /// `auto` and `cpu` run on the processor.
    #[serde(default)]
    pub(crate) device: DeviceConfig,
    /// One-thread workers; as many as there are processors without this.
    #[serde(default)]
    pub(crate) workers: Option<usize>,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeviceConfig {
    #[default]
    Auto,
    Cpu,
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 4000))
}

fn default_admin() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 4001))
}

fn default_origin() -> String {
    DEFAULT_ORIGIN.to_owned()
}

fn default_data() -> PathBuf {
    PathBuf::from(DEFAULT_DATA)
}

const fn default_heartbeat() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(59)
}

impl Config {
    /// The configuration of one route to `url`, for `serve --upstream`.
    fn of_upstream(url: &str) -> Self {
        let host = url.split("://").last().unwrap_or(url);
        let vendor = ["openai", "anthropic", "googleapis", "mistral", "azure"];
        let vendor = vendor
            .into_iter()
            .find(|v| host.contains(v))
            .unwrap_or("unknown");
        Self {
            listen: default_listen(),
            admin: default_admin(),
            listen_tls: None,
            admin_tls: None,
            routes: vec![RouteConfig {
                name: Some("default".to_owned()),
                matches: MatchConfig {
                    path: "/*".to_owned(),
                },
                upstream: UpstreamConfig {
                    url: url.to_owned(),
                    vendor: vendor.to_owned(),
                    http2: false,
                    ca: None,
                    client_cert: None,
                    client_key: None,
                },
                policy: default_policy(),
                stream: StreamConfig::default(),
                evidence: EvidenceConfig::default(),
                on_not_evaluated: NotEvaluatedConfig::default(),
                on_unreadable: UnreadableConfig::default(),
                upgrades: UpgradesConfig::default(),
                extract: ExtractConfig::default(),
                limits: None,
            }],
            policies: Vec::new(),
            classifiers: ClassifiersConfig::default(),
            ledger: LedgerConfig::default(),
            limits: LimitsConfig::default(),
        }
    }

    /// Reads `path`; relative paths in it are relative to it.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|e| fail(BAD_CONFIG, format!("{shown}: cannot be read: {e}")))?;
        let text = expand(&text).map_err(|e| fail(BAD_CONFIG, format!("{shown}:{e}")))?;
        let mut config: Self = serde_saphyr::from_str(&text)
            .map_err(|error| fail(BAD_CONFIG, format!("{shown}:{}", place(&error))))?;
        let base = path.parent().unwrap_or(Path::new("."));
        for policy in &mut config.policies {
            *policy = base.join(&*policy);
        }
        config.ledger.found_from(base);
        for tls in [&mut config.listen_tls, &mut config.admin_tls]
            .into_iter()
            .flatten()
        {
            tls.found_from(base);
        }
        for upstream in config.routes.iter_mut().map(|route| &mut route.upstream) {
            let files = [
                &mut upstream.ca,
                &mut upstream.client_cert,
                &mut upstream.client_key,
            ];
            for file in files.into_iter().flatten() {
                *file = base.join(&*file);
            }
        }
        Ok(config)
    }

    /// The configuration that `serve` runs with: file, then flags.
    pub(crate) fn effective(args: &ServeArgs) -> anyhow::Result<Self> {
        let mut config = match (&args.config, &args.upstream) {
            (Some(path), _) => Self::read(path)?,
            (None, Some(url)) => Self::of_upstream(url),
            (None, None) => Self::read(&usual_place()?)?,
        };
        if let (Some(url), Some(_file), Some(route)) =
            (&args.upstream, &args.config, config.routes.first_mut())
        {
            route.upstream.url.clone_from(url);
        }
        config.listen = args.listen.unwrap_or(config.listen);
        config.admin = args.admin.unwrap_or(config.admin);
        config.ledger.dir = args.data.clone().unwrap_or(config.ledger.dir);
        Ok(config)
    }
}

fn usual_place() -> anyhow::Result<PathBuf> {
    let places = ["countersign.yaml", "/etc/countersign/countersign.yaml"];
    places.iter().map(PathBuf::from).find(|p| p.is_file()).ok_or_else(|| {
        let message = format!(
            "no configuration: give --upstream URL (for example https://api.openai.com; serves on \
             {DEFAULT_LISTEN}, admin on {DEFAULT_ADMIN}), or --config FILE"
        );
        fail(BAD_CONFIG, message)
    })
}

/// `line:column: message` of a YAML error.
fn place(error: &serde_saphyr::Error) -> String {
    match error.location() {
        Some(at) => format!("{}:{}: {}", at.line(), at.column(), error.render()),
        None => format!(" {}", error.render()),
    }
}

/// Replaces `${NAME}` by the environment and `${file:PATH}` by a file's trimmed content.
fn expand(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    for (number, line) in text.lines().enumerate() {
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("${") {
            let column = line.len() - rest.len() + before.len() + 1;
            let at = format!("{}:{column}", number + 1);
            let (name, tail) = after
                .split_once('}')
                .ok_or_else(|| format!("{at}: `${{` without `}}`"))?;
            out.push_str(before);
            out.push_str(&secret(name).map_err(|e| format!("{at}: {e}"))?);
            rest = tail;
        }
        out.push_str(rest);
        out.push('\n');
    }
    Ok(out)
}

fn secret(name: &str) -> Result<String, String> {
    match name.strip_prefix("file:") {
        Some(path) => std::fs::read_to_string(path)
            .map(|text| text.trim_end().to_owned())
            .map_err(|e| format!("the file {path} cannot be read: {e}")),
        None => std::env::var(name).map_err(|e| format!("the variable {name}: {e}")),
    }
}

/// `config check` and `config print`.
pub(crate) fn run(command: &ConfigCommand) -> anyhow::Result<ExitCode> {
    let (ConfigCommand::Check { config } | ConfigCommand::Print { config }) = command;
    let path = match config {
        Some(path) => path.clone(),
        None => usual_place()?,
    };
    let config = Config::read(&path)?;
    let routes = crate::compose::routes(&config)?;
    crate::compose::listeners_tls(&config)?;
    match command {
        ConfigCommand::Check { .. } => {
            println!("{}: ok, {} route(s)", path.display(), routes.len());
        }
        ConfigCommand::Print { .. } => print!("{}", printed(config)?),
    }
    Ok(ExitCode::SUCCESS)
}

/// The configuration as YAML; what a URL carries before its host is a secret.
pub(crate) fn printed(mut config: Config) -> anyhow::Result<String> {
    for route in &mut config.routes {
        if let Some((scheme, rest)) = route.upstream.url.split_once("://")
            && let Some((_secret, host)) = rest.split_once('@')
        {
            route.upstream.url = format!("{scheme}://***@{host}");
        }
    }
    serde_saphyr::to_string(&config).map_err(|e| fail(BAD_CONFIG, e.to_string()))
}
