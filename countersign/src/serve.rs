//! `serve`: start, tell the ledger, serve, drain.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use countersign_gateway::admin::{self, Admin};
use countersign_gateway::exchange::Gateway;
use countersign_gateway::server;
use countersign_gateway::tls::Tls;
use countersign_ledger::Ledger;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::chronicle::Chronicle;
use crate::cli::ServeArgs;
use crate::compose::{self, Parts};
use crate::config::Config;
use crate::exit::{UNAVAILABLE, fail};
use crate::memory;

/// Runs the gateway until SIGTERM or Ctrl-C.
pub(crate) fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let config = Config::effective(args)?;
    runtime()?.block_on(async {
        // Before anybody can take the gateway for ready: a signal without a handler kills.
        let signals = Signals::listen()?;
        let running = Running::start(&config).await?;
        introduce(&running);
        let Signals { stops, hangup } = signals;
        reload_on_hangup(hangup, args.clone(), &running);
        stops.first().await;
        tracing::info!("draining");
        running.stop().await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Tells people what to do next, and programs where the gateway listens.
fn introduce(running: &Running) {
    let [data_scheme, admin_scheme] = running.schemes();
    let data = format!("{data_scheme}://{}", running.data);
    let admin = format!("{admin_scheme}://{}", running.admin);
    if !std::io::stderr().is_terminal() {
        let verifier = running.verifier.as_str();
        return tracing::info!(data, admin, verifier, "listening");
    }
    eprintln!("countersign: listening on {data}");
    eprintln!("countersign: admin on {admin}");
    eprintln!("countersign: verifier key {}", running.verifier);
    eprintln!("countersign: point your client here, for example");
    eprintln!("    export OPENAI_BASE_URL={data}/v1");
    eprintln!("    export ANTHROPIC_BASE_URL={data}");
}

/// The runtime of every command that serves.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| fail(UNAVAILABLE, format!("no runtime: {e}")))
}

/// A gateway that serves.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) data: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) verifier: String,
    pub(crate) gateway: Arc<Gateway>,
    /// Of the data port and of the admin port.
    tls: [Option<Arc<Tls>>; 2],
    ledger: Ledger,
    chronicle: Arc<Chronicle>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    /// Goes on until everything else has stopped.
    heart: (watch::Sender<bool>, JoinHandle<()>),
}

impl Running {
    /// Starts everything that `config` asks for; the ledger knows of it before the port opens.
    pub(crate) async fn start(config: &Config) -> anyhow::Result<Self> {
        let data = listener(config.listen).await?;
        let admin_listener = listener(config.admin).await?;
        let data_address = data.local_addr()?;
        let admin_address = admin_listener.local_addr()?;
        let tls = compose::listeners_tls(config)?;
        let [data_tls, admin_tls] = tls.clone();
        let admin_url = format!("{}://{admin_address}", scheme(admin_tls.as_ref()));
        descriptors_for(config.limits.connections_max);
        let parts = compose::parts(config, Some(admin_url))?;
        let chronicle = Chronicle::begin(config, &parts).await?;
        let Parts {
            gateway,
            ledger,
            verifier,
            ..
        } = parts;
        let (stop, stopped) = watch::channel(false);
        let admin = Admin {
            gateway: Arc::clone(&gateway),
            tiles: config.ledger.dir.join("ledger"),
            verifier_key: verifier.to_string(),
        };
        let serving = server::serve(data, Arc::clone(&gateway), data_tls, stopped.clone());
        let mut tasks = vec![
            tokio::spawn(serving),
            tokio::spawn(admin::serve(
                admin_listener,
                admin,
                admin_tls,
                stopped.clone(),
            )),
            tokio::spawn(Arc::clone(&chronicle).watch_clock(stopped.clone())),
            tokio::spawn(memory::give_back(stopped.clone())),
        ];
        for tls in tls.iter().flatten() {
            tasks.push(tokio::spawn(Arc::clone(tls).watch(stopped.clone())));
        }
        tasks.extend(keeping(config, &ledger, &stopped)?);
        let (rest, resting) = watch::channel(false);
        let heart = (rest, tokio::spawn(Arc::clone(&chronicle).beat(resting)));
        let verifier = verifier.to_string();
        let (data, admin) = (data_address, admin_address);
        Ok(Self {
            data,
            admin,
            verifier,
            gateway,
            tls,
            ledger,
            chronicle,
            stop,
            tasks,
            heart,
        })
    }

    /// Of the data port's URL and of the admin port's.
    fn schemes(&self) -> [&'static str; 2] {
        let [data, admin] = &self.tls;
        [scheme(data.as_ref()), scheme(admin.as_ref())]
    }

    /// Stops accepting, finishes what is open, publishes a last checkpoint.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        // Nobody listens any more only when every task has ended.
        self.stop.send_replace(true);
        for task in self.tasks {
            task.await?;
        }
        let (rest, heart) = self.heart;
        rest.send_replace(true);
        heart.await?;
        self.ledger
            .close()
            .await
            .map_err(|e| fail(UNAVAILABLE, format!("ledger: {e}")))
    }
}

/// What is done for the ledger beside serving: time stamps, and letting old records go.
fn keeping(
    config: &Config,
    ledger: &Ledger,
    stopped: &watch::Receiver<bool>,
) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let mut tasks = Vec::new();
    if let Some(anchorer) = crate::ledger::anchorer(&config.ledger)? {
        let current = ledger.clone();
        let stop = stopped.clone();
        tasks.push(tokio::spawn(async move {
            anchorer.run(move || current.checkpoint(), stop).await;
        }));
    }
    if let Some(days) = config.ledger.keep_days {
        tasks.push(tokio::spawn(let_go(ledger.clone(), days, stopped.clone())));
    }
    Ok(tasks)
}

/// Lets old records go, once a day and soon after the start.
async fn let_go(ledger: Ledger, days: u32, mut stopped: watch::Receiver<bool>) {
    let mut wait = Duration::from_secs(60);
    loop {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = stopped.wait_for(|stop| *stop) => return,
        }
        match crate::custody::older_than(&ledger, days, "config:keep_days").await {
            Ok(Some(before)) => tracing::info!(before, "old records are gone"),
            Ok(None) => {}
            Err(error) => tracing::error!(error = format!("{error:#}"), "old records stay"),
        }
        wait = Duration::from_secs(24 * 3600);
    }
}

fn scheme(tls: Option<&Arc<Tls>>) -> &'static str {
    if tls.is_some() { "https" } else { "http" }
}

/// Asks the system for as many open files as the connections may need, each with one to its
/// upstream; says so when it gives fewer.
fn descriptors_for(connections: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    const OTHERS: u64 = 256;
    let wanted = (connections as u64).saturating_mul(2) + OTHERS;
    let now = getrlimit(Resource::Nofile);
    if now.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let given = now.maximum.map_or(wanted, |most| most.min(wanted));
    let asked = Rlimit {
        current: Some(given),
        maximum: now.maximum,
    };
    if setrlimit(Resource::Nofile, asked).is_err() || given < wanted {
        tracing::warn!(
            wanted,
            given,
            "fewer files may be open than connections may need"
        );
    }
}

async fn listener(address: SocketAddr) -> anyhow::Result<TcpListener> {
    server::bind(address)
        .await
        .map_err(|e| fail(UNAVAILABLE, format!("{address}: {e}")))
}

/// SIGHUP: an invalid file is refused whole, and the last good one keeps serving.
fn reload_on_hangup(mut hangup: Signal, args: ServeArgs, running: &Running) {
    let gateway = Arc::clone(&running.gateway);
    let chronicle = Arc::clone(&running.chronicle);
    let tls = running.tls.clone();
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            for tls in tls.iter().flatten() {
                if let Err(error) = tls.reload() {
                    tracing::error!(%error, "certificate not reloaded");
                }
            }
            let routes =
                Config::effective(&args).and_then(|config| Ok((compose::routes(&config)?, config)));
            match routes {
                Ok((routes, config)) => {
                    gateway.routes.store(Arc::new(routes));
                    if let Err(error) = chronicle.announce(&config, "operator:reload").await {
                        tracing::error!(%error, "a reload could not be recorded yet");
                    }
                    tracing::info!("reloaded");
                }
                Err(error) => tracing::error!(error = format!("{error:#}"), "not reloaded"),
            }
        }
    });
}

/// The signals that the gateway obeys, heard from the moment this is made.
pub(crate) struct Signals {
    pub(crate) stops: Stops,
    hangup: Signal,
}

/// SIGTERM and Ctrl-C.
pub(crate) struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let heard = |kind| signal(kind).map_err(|e| fail(UNAVAILABLE, format!("signals: {e}")));
        Ok(Self {
            stops: Stops {
                terminate: heard(SignalKind::terminate())?,
                interrupt: heard(SignalKind::interrupt())?,
            },
            hangup: heard(SignalKind::hangup())?,
        })
    }
}

impl Stops {
    pub(crate) async fn first(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
