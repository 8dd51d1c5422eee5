//! The vendors' own clients against the gateway, with `LiteLLM`'s proxy as its upstream.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use countersign_tests::client::Client;
use countersign_tests::gateway::{Gateway, Setup, free_port};
use countersign_tests::{ledger, machine, program};
use tokio::process::{Child, Command};

/// `LiteLLM` imports a great deal before it listens.
const LITELLM_READY_MAX: Duration = Duration::from_mins(2);

async fn litellm(python: &Path, folder: &Path, root: &Path) -> (Child, String, String) {
    let address = free_port();
    let (url, key) = (format!("http://{address}"), strong_key());
    let log = std::fs::File::create(root.join("litellm.log")).unwrap();
    let child = Command::new(python.with_file_name("litellm"))
        .arg("--config")
        .arg(folder.join("litellm.yaml"))
        .args(["--host", "127.0.0.1", "--port", &address.port().to_string()])
        .env("LITELLM_MASTER_KEY", &key)
        .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        .env("STAND_IN_BASE", format!("{url}/v1"))
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let client = Client::new();
    let began = Instant::now();
    while !client
        .get(&format!("{url}/health/liveliness"))
        .await
        .is_ok_and(|a| a.status == 200)
    {
        let log = || std::fs::read_to_string(root.join("litellm.log")).unwrap_or_default();
        assert!(
            began.elapsed() < LITELLM_READY_MAX,
            "LiteLLM is not ready:\n{}",
            log()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    (child, url, key)
}

/// `LiteLLM` refuses to start with a weak key.
fn strong_key() -> String {
    let mut seeded = countersign_tests::Seeded::announced("clients");
    format!("sk-{:016x}{:016x}", seeded.number(), seeded.number())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_vendors_clients_see_what_the_policy_decided() {
    let Some(python) = std::env::var_os("COUNTERSIGN_CLIENTS_PYTHON") else {
        machine::skip("clients", "there is no Python with the vendors' clients");
        return;
    };
    let folder = program::repository().join("tests/clients");
    let root = tempfile::tempdir().unwrap();
    let (_litellm, upstream, key) = litellm(Path::new(&python), &folder, root.path()).await;
    let config = root.path().join("countersign.yaml");
    let data = root.path().join("data");
    let text = format!(
        "routes:\n  - match: {{ path: \"/*\" }}\n    upstream: {{ url: \"{upstream}\", vendor: litellm }}\n    \
         policy: clients\npolicies: [ {} ]\n",
        folder.join("policy.yaml").display()
    );
    std::fs::write(&config, text).unwrap();

    let gateway = Gateway::start(Setup::Config(&config), &data).await;
    let mut check = Command::new(&python);
    check
        .arg(folder.join("check.py"))
        .args([&gateway.url(""), &key])
        .stdin(Stdio::null());
    let output = check.output().await.unwrap();
    gateway.stop().await;
    program::Finished::from(output).expect_code(0);

    ledger::verify_by_binary(&data).expect_code(0);
    let records = ledger::records(&data);
    let did = |side: &str, action: &str| {
        let matching = |r: &&serde_json::Value| r["side"] == side && r["action"] == action;
        records.iter().filter(matching).count()
    };
    assert_eq!(
        did("input", "blocked"),
        3,
        "three requests hold a credential"
    );
    assert_eq!(
        did("output", "blocked"),
        4,
        "four answers hold a credential"
    );
    assert_eq!(
        did("output", "redacted"),
        4,
        "four answers hold a card number"
    );
    assert_eq!(did("output", "forwarded"), 4, "four answers are harmless");
}
