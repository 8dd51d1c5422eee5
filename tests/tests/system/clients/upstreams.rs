//! The upstreams of the client tests: `LiteLLM`'s proxy, `llmock`, and a small real model.

use std::fmt::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use countersign_tests::client::Client as Http;
use countersign_tests::gateway::free_port;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::matrix::{CARD, CLIENTS, Dialect, PLAIN, SECRET};

/// Python imports a great deal before it listens, and a model is read from disk.
const READY_MAX: Duration = Duration::from_mins(2);
/// Pause between the chunks of `llmock`'s streams, in milliseconds.
const CHUNK_DELAY_MS: &str = "20";
/// Chunks after which `llmock` ends or breaks a stream: long after the first stride.
const CHUNKS_BEFORE_FAULT: usize = 40;
/// Text that is judged and released in several strides.
const LONG: &str = "The Seine rises in Burgundy and flows through Paris to the sea at Le Havre, past \
    meadows, mills and vineyards that painters have loved for centuries. Barges carry grain, sand \
    and wine along it, and its banks are lined with poplars, locks and small towns whose bridges \
    have been built and broken many times over the years, as the chronicles of the region tell. ";

/// A running upstream; killed when dropped.
#[derive(Debug)]
pub(super) struct Upstream {
    _process: Child,
    pub(super) url: String,
}

fn started(mut command: Command, log: &Path) -> Child {
    let log = std::fs::File::create(log).unwrap();
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn answers(url: &str, log: &Path) {
    let (client, began) = (Http::new(), Instant::now());
    while !client.get(url).await.is_ok_and(|a| a.status == 200) {
        let said = || std::fs::read_to_string(log).unwrap_or_default();
        assert!(
            began.elapsed() < READY_MAX,
            "{url} is not ready:\n{}",
            said()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// `LiteLLM`'s proxy with answers of its own. `key` must be strong, or it refuses to start.
pub(super) async fn litellm(python: &Path, root: &Path, key: &str) -> Upstream {
    let address = free_port();
    let url = format!("http://{address}");
    let (config, log) = (root.join("litellm.yaml"), root.join("litellm.log"));
    std::fs::write(&config, litellm_config(&url)).unwrap();
    let mut command = Command::new(python.with_file_name("litellm"));
    command
        .arg("--config")
        .arg(&config)
        .args(["--host", "127.0.0.1", "--port", &address.port().to_string()])
        .env("LITELLM_MASTER_KEY", key)
        .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        .current_dir(root);
    let process = started(command, &log);
    answers(&format!("{url}/health/liveliness"), &log).await;
    Upstream {
        _process: process,
        url,
    }
}

/// One entry for each case and client, so that the ledger tells them apart.
fn litellm_config(url: &str) -> String {
    let mut config = String::from("model_list:\n");
    let mut entry = |name: &str, parameters: &str| {
        writeln!(
            config,
            "  - {{ model_name: {name}, litellm_params: {{ {parameters} }} }}"
        )
        .unwrap();
    };
    let card = format!("The card on file is {CARD} and it is valid until next year.");
    let secret = format!("Sure, here is the access key: {SECRET} and that is all of it.");
    let answers = [
        ("plain-permit", PLAIN),
        ("stream-permit", PLAIN),
        ("plain-redact", &card),
        ("stream-redact", &card),
        ("plain-deny-output", &secret),
    ];
    for (case, text) in answers {
        let mock = format!("model: openai/{case}, api_key: none, mock_response: \"{text}\"");
        entry(case, &mock);
        for client in CLIENTS {
            let name = format!("{case}.{}", client.name);
            match client.dialect {
                Dialect::OpenAi => entry(&name, &mock),
                // The Anthropic endpoint streams only what it translates, so these ask the ones above.
                Dialect::Anthropic => entry(
                    &name,
                    &format!(
                        "model: hosted_vllm/{case}, api_base: \"{url}/v1\", \
                         api_key: os.environ/LITELLM_MASTER_KEY"
                    ),
                ),
                Dialect::Gemini | Dialect::Ollama => {}
            }
        }
    }
    config
        + "general_settings: { master_key: os.environ/LITELLM_MASTER_KEY }\n\
              litellm_settings: { telemetry: false }\n"
}

/// `llmock`, scripted: the model's name chooses the answer or the fault.
pub(super) async fn llmock(python: &Path, root: &Path) -> Upstream {
    let address = free_port();
    let (url, log) = (format!("http://{address}"), root.join("llmock.log"));
    let mut command = Command::new(python.with_file_name("llmock"));
    command
        .args([
            "serve",
            "--port",
            &address.port().to_string(),
            "--log-level",
            "warning",
        ])
        .args(["--stream-chunk-delay-ms", CHUNK_DELAY_MS])
        .current_dir(root);
    let process = started(command, &log);
    answers(&format!("{url}/_llmock/requests"), &log).await;
    let script = json!({ "behaviors": behaviours() });
    let taken = Http::new()
        .post(&format!("{url}/_llmock/scenario"), &script)
        .await;
    assert_eq!(taken.unwrap().status, 201);
    Upstream {
        _process: process,
        url,
    }
}

fn behaviours() -> Vec<Value> {
    let says = |model: &str, text: &str| json!({ "type": "reply", "text": text, "times": null, "match": { "model": model } });
    let breaks = |model: &str, kind: &str| {
        json!({ "type": "stream_fault", "kind": kind, "after_chunks": CHUNKS_BEFORE_FAULT,
            "times": null, "match": { "model": model } })
    };
    let mut all = vec![
        says("plain-permit.*", PLAIN),
        says("stream-permit.*", PLAIN),
        says(
            "*-redact.*",
            &format!("The card on file is {CARD} and it is valid until next year."),
        ),
        says(
            "plain-deny-output.*",
            &format!("Here it is: {SECRET} and that is all."),
        ),
        says("stream-deny-early.*", SECRET),
        says(
            "stream-deny-midway.*",
            &format!("{LONG}{SECRET} is the key, and that is all."),
        ),
        says("stream-cut.*", LONG),
        says("stream-broken.*", LONG),
        breaks("stream-cut.*", "truncate"),
        breaks("stream-broken.*", "disconnect"),
        json!({ "type": "fail", "status": 500, "times": null, "match": { "model": "*-fault-500.*" } }),
    ];
    // Each client is told once to come back after a second.
    all.extend(CLIENTS.iter().map(|client| {
        json!({ "type": "fail", "status": 429, "retry_after": 1,
            "match": { "model": format!("plain-fault-429.{}", client.name) } })
    }));
    all
}

/// What reached `llmock`, in order.
pub(super) async fn journal(llmock: &Upstream) -> Vec<Value> {
    let answer = Http::new()
        .get(&format!("{}/_llmock/requests", llmock.url))
        .await;
    answer.unwrap().json()["requests"]
        .as_array()
        .unwrap()
        .clone()
}

/// The small real model; it tells where it listens once its weights are loaded.
pub(super) async fn model(server: &Path, weights: &Path, root: &Path) -> Upstream {
    let log = std::fs::File::create(root.join("model.log")).unwrap();
    let mut command = Command::new(server);
    let mut process = command
        .arg(weights)
        // The other half of a small machine belongs to the gateway.
        .env("RAYON_NUM_THREADS", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let address = tokio::time::timeout(READY_MAX, lines.next_line()).await;
    let address = address.unwrap().unwrap().unwrap();
    Upstream {
        _process: process,
        url: format!("http://{address}"),
    }
}
