//! What this machine has for the client tests, as `tests/run` sets it up.

use std::path::PathBuf;

use countersign_tests::{machine, program};
use tokio::process::Command;

use super::matrix::{Client, Runner};

/// The pieces that clients and upstreams need.
#[derive(Debug)]
pub(super) struct Equipment {
    pub(super) python: PathBuf,
    pub(super) litellm_python: PathBuf,
    /// The folder with `node_modules`.
    node: Option<PathBuf>,
    curl: bool,
    /// The model server and its weights.
    pub(super) model: Option<(PathBuf, PathBuf)>,
}

impl Equipment {
    /// What is there; what is not is said, and skipped.
    pub(super) fn found() -> Option<Self> {
        let path = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let pythons = path("COUNTERSIGN_CLIENTS_PYTHON").zip(path("COUNTERSIGN_LITELLM_PYTHON"));
        let Some((python, litellm_python)) = pythons else {
            machine::skip("clients", "there is no Python with the vendors' clients");
            return None;
        };
        let curl = std::process::Command::new("curl").arg("--version").output();
        let found = Self {
            python,
            litellm_python,
            node: path("COUNTERSIGN_CLIENTS_NODE"),
            curl: curl.is_ok_and(|ended| ended.status.success()),
            model: path("COUNTERSIGN_MODEL_SERVER").zip(path("COUNTERSIGN_MODEL_WEIGHTS")),
        };
        if found.node.is_none() {
            machine::skip(
                "clients in JavaScript",
                "there is no Node.js with the vendors' clients",
            );
        }
        if !found.curl {
            machine::skip("curl as client", "there is no curl");
        }
        if found.model.is_none() {
            machine::skip(
                "clients of a real model",
                "there is no model server with weights",
            );
        }
        Some(found)
    }

    /// Whether nothing is missing.
    pub(super) fn is_whole(&self) -> bool {
        self.node.is_some() && self.model.is_some() && self.curl
    }

    /// The command that runs a client's script; none where its runner is missing.
    pub(super) fn command(&self, client: &Client) -> Option<Command> {
        let mut command = match client.runner {
            Runner::Python => Command::new(&self.python),
            Runner::Curl => self.curl.then(|| Command::new(&self.python))?,
            Runner::LiteLlmPython => Command::new(&self.litellm_python),
            Runner::Node => {
                let mut node = Command::new("node");
                node.env("COUNTERSIGN_CLIENTS_NODE", self.node.as_ref()?);
                node
            }
        };
        let language = if client.runner == Runner::Node {
            "js"
        } else {
            "python"
        };
        let folder = program::repository().join("tests/clients").join(language);
        command.arg(folder.join(client.script));
        Some(command)
    }
}
