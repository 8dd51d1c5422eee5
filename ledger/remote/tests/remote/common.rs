//! A log in memory, and a client that writes raw bytes.

use std::net::SocketAddr;

use countersign_ledger::{
    Checkpoint, Note, SigningKey, VerifierKey,
    merkle::{Hash, consistency_proof, leaf_hash, range_root},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub(crate) const ORIGIN: &str = "example.com/ledger";

pub(crate) fn log_key() -> (SigningKey, VerifierKey) {
    let key = SigningKey::from_bytes(&[7; 32]);
    let name = VerifierKey::new(ORIGIN, key.verifying_key()).unwrap();
    (key, name)
}

/// A tree of numbered leaves; `fork` sets the leaves from that index on apart.
#[derive(Clone)]
pub(crate) struct Log(Vec<Hash>);

impl Log {
    pub(crate) fn new(size: u64, fork: u64) -> Self {
        let leaf = |i: u64| leaf_hash(format!("{i} {}", i >= fork).as_bytes());
        Self((0..size).map(leaf).collect())
    }

    pub(crate) fn note(&self, size: u64) -> String {
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            size,
            root: range_root(&mut self.0.as_slice(), 0, size).unwrap(),
        };
        let (key, name) = log_key();
        Note::sign(checkpoint.to_string(), &name, &key)
            .unwrap()
            .to_string()
    }

    pub(crate) fn proof(&self, old: u64, new: u64) -> Vec<Hash> {
        consistency_proof(&mut self.0.as_slice(), old, new).unwrap()
    }
}

/// Says that `test` cannot run here because of `lack`. With `CI` set this fails the test.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
pub(crate) fn skip(test: &str, lack: &str) {
    let required = std::env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false");
    assert!(!required, "{test} must run here, but {lack}");
    eprintln!("SKIPPED {test}: {lack}");
    if let Some(path) = std::env::var_os("COUNTERSIGN_SKIPS") {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.append(true).create(true).open(path).unwrap();
        std::io::Write::write_all(&mut file, format!("{test}: {lack}\n").as_bytes()).unwrap();
    }
}

/// Sends bytes and reads until the other side ends or falls silent.
pub(crate) async fn raw(address: SocketAddr, request: &[u8]) -> String {
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    // The other side may answer and close before it has read everything.
    let _written = socket.write_all(request).await;
    let mut answer = Vec::new();
    let reading = socket.read_to_end(&mut answer);
    let _ended = tokio::time::timeout(std::time::Duration::from_secs(1), reading).await;
    String::from_utf8_lossy(&answer).into_owned()
}

pub(crate) mod forge;
pub(crate) mod server;
