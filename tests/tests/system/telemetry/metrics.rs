//! What the admin port's metrics say after real traffic.

use std::process::Stdio;

use countersign_tests::client::Client;
use countersign_tests::gateway::{Gateway, Setup};
use countersign_tests::machine;
use countersign_tests::stand_in::StandIn;

use super::{CANARY, ask};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_name_routes_and_served_models_and_no_caller_can_add_to_them() {
    let upstream = StandIn::start().await;
    let root = tempfile::tempdir().unwrap();
    let (data, config) = (
        root.path().join("data"),
        root.path().join("countersign.yaml"),
    );
    let text = format!(
        "routes:\n  - name: chat\n    match: {{ path: \"/v1/*\" }}\n    upstream: {{ url: \"{}\", vendor: openai }}\n",
        upstream.url()
    );
    std::fs::write(&config, text).unwrap();
    let gateway = Gateway::start(Setup::Config(&config), &data).await;
    for _ in 0..2 {
        assert_eq!(
            ask(&gateway, "/v1/chat/completions", "plain", &[])
                .await
                .status,
            200
        );
    }
    let lost = Client::new()
        .get(&gateway.url(&format!("/{CANARY}/x")))
        .await
        .unwrap();
    assert_eq!(lost.status, 404);
    let url = format!("http://{}/metrics", gateway.admin_port);
    let scraped = Client::new().get(&url).await.unwrap();
    gateway.stop().await;
    let text = scraped.text();
    for sample in [
        "countersign_requests_total{route=\"chat\",dialect=\"openai.chat\",code=\"200\"} 2\n",
        "countersign_requests_total{route=\"none\",dialect=\"raw\",code=\"404\"} 1\n",
        "countersign_tokens_total{model=\"plain\",kind=\"input\"} 18\n",
        "countersign_tokens_total{model=\"plain\",kind=\"output\"} 24\n",
        "countersign_upstream_seconds_count{model=\"plain\"} 2\n",
        "countersign_time_to_first_byte_seconds_count{model=\"plain\"} 2\n",
        "countersign_overhead_seconds_count 2\n",
        "countersign_classifier_queue_depth 0\n",
    ] {
        assert!(text.contains(sample), "{sample} is missing in\n{text}");
    }
    assert!(!text.contains(CANARY), "a path became a label");
    read_strictly(&text).await;
}

/// Reads the exposition with the reference implementation's strict parser.
async fn read_strictly(text: &str) {
    const READ: &str = "import sys\n\
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as read\n\
        print(len(list(read(sys.stdin.read()))))";
    let Some(python) = std::env::var_os("COUNTERSIGN_CLIENTS_PYTHON") else {
        machine::skip("telemetry", "there is no Python with an OpenMetrics parser");
        return;
    };
    let mut command = tokio::process::Command::new(python);
    command.args(["-c", READ]).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let given = text.to_owned();
    let fed = tokio::spawn(async move {
        tokio::io::AsyncWriteExt::write_all(&mut stdin, given.as_bytes()).await
    });
    let output = child.wait_with_output().await.unwrap();
    fed.await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{text}");
    let families: usize = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .unwrap();
    // A family without a sample, as of gaps in a run without any, is not there.
    assert!(families >= 15, "only {families} metrics were read");
}
