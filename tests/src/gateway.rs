//! A running `countersign serve`.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};

use crate::client::Client;
use crate::program;

/// Longest wait until a started gateway is ready.
const READY_MAX: Duration = Duration::from_mins(1);
/// Longest drain after SIGTERM.
const STOP_MAX: Duration = Duration::from_mins(1);

/// A gateway process; killed when dropped.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    /// Where callers connect.
    pub data_port: SocketAddr,
    /// Where operators connect.
    pub admin_port: SocketAddr,
}

/// Where the gateway sends what it permits.
#[derive(Debug, Clone, Copy)]
pub enum Setup<'a> {
    /// No file: every path goes to this base URL.
    Upstream(&'a str),
    /// A configuration file.
    Config(&'a Path),
}

impl Gateway {
    /// Starts `serve` on free ports and waits until it is ready.
    pub async fn start(setup: Setup<'_>, data: &Path) -> Self {
        Self::start_with(setup, data, &[]).await
    }

    /// The same with further environment variables. What it says goes to [`Self::log`].
    pub async fn start_with(setup: Setup<'_>, data: &Path, environment: &[(&str, &str)]) -> Self {
        let (data_port, admin_port) = (free_port(), free_port());
        let mut command = Command::new(program::countersign());
        command.arg("serve").arg("--data").arg(data);
        command.args([
            "--listen",
            &data_port.to_string(),
            "--admin",
            &admin_port.to_string(),
        ]);
        match setup {
            Setup::Upstream(url) => command.args(["--upstream", url]),
            Setup::Config(file) => command.arg("--config").arg(file),
        };
        command.envs(environment.iter().copied());
        let log = std::fs::File::create(Self::log(data)).unwrap();
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let child = command.kill_on_drop(true).spawn().unwrap();
        let mut gateway = Self {
            child,
            data_port,
            admin_port,
        };
        if matches!(setup, Setup::Config(file) if behind_tls(file)) {
            gateway.wait_until_told(&Self::log(data)).await;
            return gateway;
        }
        gateway.wait_until_ready(&Self::log(data)).await;
        gateway
    }

    /// The file that holds what the gateway over `data` said.
    pub fn log(data: &Path) -> PathBuf {
        data.with_extension("serve.log")
    }

    async fn wait_until_ready(&mut self, log: &Path) {
        let client = Client::new();
        let url = format!("http://{}/readyz", self.admin_port);
        let began = Instant::now();
        loop {
            if let Ok(answer) = client.get(&url).await
                && answer.status == 200
            {
                return;
            }
            let ended = self.child.try_wait().unwrap();
            let said = || std::fs::read_to_string(log).unwrap_or_default();
            assert!(ended.is_none(), "serve ended with {ended:?}:\n{}", said());
            assert!(
                began.elapsed() < READY_MAX,
                "serve is not ready:\n{}",
                said()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for what `serve` prints once it listens, where its admin port speaks TLS.
    async fn wait_until_told(&mut self, log: &Path) {
        let began = Instant::now();
        while !std::fs::read_to_string(log).is_ok_and(|said| said.contains("listening")) {
            assert!(began.elapsed() < READY_MAX, "serve does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The URL of `path` on the data port.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.data_port)
    }

    /// Resident memory of the process, in MiB.
    pub fn resident_mib(&self) -> f64 {
        let status = format!("/proc/{}/status", self.child.id().unwrap());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
        kib.unwrap() / 1024.0
    }

    /// The most memory that it has had, in bytes.
    pub fn peak_memory(&self) -> usize {
        let pid = self.child.id().unwrap();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let kib = line.unwrap().trim().trim_end_matches(" kB");
        kib.parse::<usize>().unwrap() * 1024
    }

    /// Sends a signal by its name.
    pub async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().await;
        assert!(sent.unwrap().success());
    }

    /// SIGKILL, without any warning.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM, then waits for the drain; fails the test unless it exits 0.
    pub async fn stop(mut self) {
        let pid = self.child.id().unwrap().to_string();
        let sent = Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .await
            .unwrap();
        assert!(sent.success());
        let ended = tokio::time::timeout(STOP_MAX, self.child.wait()).await;
        let status = ended
            .unwrap_or_else(|_| panic!("serve did not drain"))
            .unwrap();
        assert_eq!(status.code(), Some(0), "serve must exit 0 after SIGTERM");
    }
}

fn behind_tls(config: &Path) -> bool {
    std::fs::read_to_string(config).is_ok_and(|text| text.contains("admin_tls"))
}

/// An address of the loopback that nobody listens on.
pub fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}
