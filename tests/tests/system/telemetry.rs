//! Traces, logs and metrics of a real run: what they tell, and that they never tell content.

mod metrics;

use std::path::Path;
use std::time::{Duration, Instant};

use countersign_tests::client::{Answer, Client};
use countersign_tests::collector::{Collector, Told};
use countersign_tests::gateway::{Gateway, Setup, free_port};
use countersign_tests::program;
use countersign_tests::stand_in::StandIn;
use serde_json::{Value, json};

/// Words that stand in prompts, answers and credentials, and must stand nowhere else.
const CANARY: &str = "zyzzyva-4711-canary";
const CREDENTIAL: &str = "sk-hush-0815-credential";
/// What a caller's own trace may look like.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

const SERVER: i32 = 2;
const CLIENT: i32 = 3;

async fn ask(gateway: &Gateway, path: &str, model: &str, headers: &[(&str, &str)]) -> Answer {
    let prompt = format!("Please say the word {CANARY} to me.");
    let message = json!({ "role": "user", "content": prompt });
    let stream = path == "/v1/messages";
    let mut body = json!({ "model": model, "messages": [message], "stream": stream });
    if stream {
        body["max_tokens"] = json!(64);
    }
    let bearer = format!("Bearer {CREDENTIAL}");
    let headers = [&[("authorization", bearer.as_str())], headers].concat();
    let body = body.to_string().into_bytes();
    let url = gateway.url(path);
    let client = Client::new();
    client.post_bytes(&url, body, &headers).await.unwrap()
}

fn lines(data: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(Gateway::log(data)).unwrap();
    text.lines()
        .map(|line| {
            serde_json::from_str(line)
                .map_err(|e| format!("{e}: {line}"))
                .unwrap()
        })
        .collect()
}

/// The access log's line of an exchange.
fn access(data: &Path, exchange: &str) -> Value {
    let lines = lines(data);
    let of_exchange =
        |l: &&Value| l["target"] == "countersign::access" && l["exchange"] == exchange;
    let found: Vec<_> = lines.iter().filter(of_exchange).collect();
    assert_eq!(found.len(), 1, "one line per exchange: {found:?}");
    found[0].clone()
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes
        .windows(word.len())
        .any(|window| window == word.as_bytes())
}

/// The server span of an exchange, and the spans under it.
fn family(spans: &[Told], exchange: &str) -> (Told, Vec<Told>) {
    let server = spans
        .iter()
        .find(|s| s.kind == SERVER && s.attributes["countersign.exchange.id"] == exchange)
        .ok_or_else(|| format!("no server span: {spans:#?}"))
        .unwrap();
    let children: Vec<_> = spans
        .iter()
        .filter(|s| s.parent == server.id)
        .cloned()
        .collect();
    for child in &children {
        assert_eq!(child.trace, server.trace, "{child:?}");
        assert!(
            child.began >= server.began && child.ended <= server.ended,
            "{child:?}"
        );
    }
    (server.clone(), children)
}

fn named<'a>(spans: &'a [Told], name: &str) -> Vec<&'a Told> {
    spans.iter().filter(|span| span.name == name).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exchanges_are_traced_and_logged_without_their_content() {
    let (collector, upstream) = (Collector::start().await, StandIn::start().await);
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=blue".to_owned()),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=test".to_owned(),
        ),
        // Everything that any library says is looked through for content.
        // sled tells of each page in bursts that no log keeps up with; it sees fingerprints alone.
        ("RUST_LOG", "trace,sled=debug".to_owned()),
    ];
    let environment: Vec<_> = environment.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let url = upstream.url();
    let gateway = Gateway::start_with(Setup::Upstream(&url), &data, &environment).await;

    let parent = format!("00-{TRACE}-{SPAN}-01");
    let continued = [
        ("traceparent", parent.as_str()),
        ("tracestate", "vendor=abc"),
    ];
    let plain = ask(&gateway, "/v1/chat/completions", "echo", &continued).await;
    assert!(
        plain.status == 200 && plain.text().contains(CANARY),
        "{}",
        plain.text()
    );
    let streamed = ask(&gateway, "/v1/messages", "echo", &[]).await;
    assert!(streamed.status == 200 && streamed.text().contains("message_stop"));
    let card = ask(&gateway, "/v1/chat/completions", "card", &[]).await;
    assert!(!card.text().contains("4539"), "{}", card.text());
    let asked = json!({ "model": "cut", "stream": true,
        "messages": [{ "role": "user", "content": CANARY }] });
    let url = gateway.url("/v1/chat/completions");
    let cut = Client::new().post(&url, &asked).await.unwrap();
    assert_eq!(cut.status, 502, "a cut stream is no answer");
    gateway.stop().await;

    let spans = collector.spans();
    tell_of_the_plain_chat(&spans, &plain, &upstream);
    tell_of_the_stream(&spans, &streamed, &upstream);
    tell_of_the_finding(&spans, &card);
    let failed = spans
        .iter()
        .filter(|s| s.attributes["error.type"] == "upstream_cut");
    assert!(failed.clone().count() == 1 && failed.clone().all(|s| s.failed && s.kind == CLIENT));
    assert_eq!(
        named(&spans, "POST default").len(),
        4,
        "one server span per exchange"
    );

    let resource = collector.resource();
    assert_eq!(resource["service.name"], "countersign");
    assert_eq!(resource["deployment.environment.name"], "test");
    for (head, body) in collector.deliveries() {
        assert_eq!(head["x-tenant"], "blue");
        for word in [CANARY, CREDENTIAL, "4539 5787", env!("CARGO_MANIFEST_DIR")] {
            assert!(!holds(&body, word), "{word} was exported");
        }
    }
    tell_in_the_log(&data, &plain);
}

fn tell_in_the_log(data: &Path, answer: &Answer) {
    let log = std::fs::read(Gateway::log(data)).unwrap();
    for word in [CANARY, CREDENTIAL, "4539 5787"] {
        assert!(!holds(&log, word), "{word} was logged");
    }
    assert!(
        holds(&log, "\"target\":\"hyper"),
        "libraries were to be heard too"
    );
    assert!(
        !holds(&log, "log lines were dropped"),
        "not all lines were seen"
    );
    let line = access(data, answer.header("x-countersign-exchange"));
    assert_eq!(line["trace_id"], TRACE, "{line}");
    let told =
        json!({ "route": "default", "dialect": "openai.chat", "code": 200, "effect": "permit" });
    for (name, value) in told.as_object().unwrap() {
        assert_eq!(&line[name], value, "{line}");
    }
    assert!(line["duration_ms"].as_f64().unwrap() > 0.0, "{line}");
}

fn tell_of_the_plain_chat(spans: &[Told], answer: &Answer, upstream: &StandIn) {
    let exchange = answer.header("x-countersign-exchange");
    let (server, children) = family(spans, exchange);
    assert_eq!(
        (server.name.as_str(), server.trace.as_str()),
        ("POST default", TRACE)
    );
    assert_eq!(server.parent, SPAN, "the caller's trace is continued");
    assert_eq!(server.attributes["http.response.status_code"], 200);
    assert_eq!(server.attributes["countersign.decision"], "permit");
    assert_eq!(
        server.attributes["countersign.policy"],
        answer.header("x-countersign-policy")
    );
    let names: Vec<_> = children.iter().map(|child| child.name.as_str()).collect();
    for (name, times) in [
        ("inspect input", 1),
        ("inspect output", 1),
        ("record", 2),
        ("chat echo", 1),
    ] {
        assert_eq!(named(&children, name).len(), times, "{name} in {names:?}");
    }
    assert_eq!(children.len(), 5, "{names:?}");
    let asked = named(&children, "chat echo")[0];
    let told = json!({
        "gen_ai.operation.name": "chat", "gen_ai.request.model": "echo",
        "gen_ai.request.stream": false, "gen_ai.response.model": "echo",
        "gen_ai.response.finish_reasons": ["stop"], "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 12, "server.address": "127.0.0.1",
        "server.port": upstream.address.port(), "http.response.status_code": 200,
    });
    for (name, value) in told.as_object().unwrap() {
        assert_eq!(&asked.attributes[name], value, "{name} of {asked:?}");
    }
    assert!(asked.kind == CLIENT && !asked.failed, "{asked:?}");
    assert!(
        asked.attributes["gen_ai.provider.name"].is_string(),
        "{asked:?}"
    );
    assert!(asked.attributes.get("error.type").is_none(), "{asked:?}");
    let head = &upstream.heads()[0];
    assert_eq!(head["traceparent"], format!("00-{TRACE}-{}-01", asked.id));
    assert_eq!(head["tracestate"], "vendor=abc");
}

fn tell_of_the_stream(spans: &[Told], answer: &Answer, upstream: &StandIn) {
    let (server, children) = family(spans, answer.header("x-countersign-exchange"));
    assert_eq!(server.parent, "", "nobody's trace was there to continue");
    assert!(
        !named(&children, "inspect output").is_empty(),
        "{children:#?}"
    );
    let asked = named(&children, "chat echo")[0];
    assert_eq!(asked.attributes["gen_ai.request.stream"], true);
    assert_eq!(asked.attributes["gen_ai.usage.output_tokens"], 12);
    assert_eq!(
        asked.attributes["gen_ai.response.finish_reasons"],
        json!(["end_turn"])
    );
    let first = asked.attributes["gen_ai.response.time_to_first_chunk"]
        .as_f64()
        .unwrap();
    let nanoseconds = asked.ended - asked.began;
    assert!(
        first > 0.0 && first * 1e9 <= nanoseconds as f64,
        "{asked:?}"
    );
    let head = &upstream.heads()[1];
    assert_eq!(
        head["traceparent"],
        format!("00-{}-{}-01", server.trace, asked.id)
    );
    assert!(head.get("tracestate").is_none(), "{head:?}");
}

fn tell_of_the_finding(spans: &[Told], answer: &Answer) {
    let (server, children) = family(spans, answer.header("x-countersign-exchange"));
    assert_eq!(server.attributes["countersign.decision"], "transform");
    let events: Vec<_> = children.iter().flat_map(|child| &child.events).collect();
    let (name, found) = events
        .iter()
        .find(|(_, event)| event["gen_ai.evaluation.name"] == "pii.card")
        .ok_or_else(|| format!("the card is not told of: {children:#?}"))
        .unwrap();
    assert_eq!(name, "gen_ai.evaluation.result");
    assert_eq!(found["gen_ai.evaluation.score.label"], "present");
    let score = found["gen_ai.evaluation.score.value"].as_f64().unwrap();
    assert!(score > 0.5 && score <= 1.0, "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_or_silent_holds_up_nothing() {
    let upstream = StandIn::start().await;
    // Takes connections and never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    for collector in [free_port(), silent.local_addr().unwrap()] {
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join("data");
        let endpoint = format!("http://{collector}");
        let environment = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            // Small enough that spans find the queue full.
            ("OTEL_BSP_MAX_QUEUE_SIZE", "16"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16"),
            ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ];
        let url = upstream.url();
        let gateway = Gateway::start_with(Setup::Upstream(&url), &data, &environment).await;
        for _ in 0..20 {
            let began = Instant::now();
            let answer = ask(&gateway, "/v1/chat/completions", "plain", &[]).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert!(
                began.elapsed() < Duration::from_secs(5),
                "an exchange was held up"
            );
        }
        let began = Instant::now();
        gateway.stop().await;
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "the last flush has a bound"
        );
        countersign_tests::ledger::verify_by_binary(&data).expect_code(0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_collector_trace_headers_pass_untouched_and_nothing_is_traced() {
    let upstream = StandIn::start().await;
    let root = tempfile::tempdir().unwrap();
    let (data, url) = (root.path().join("data"), upstream.url());
    let gateway = Gateway::start(Setup::Upstream(&url), &data).await;
    let parent = format!("00-{TRACE}-{SPAN}-00");
    let given = [
        ("traceparent", parent.as_str()),
        ("tracestate", "a=1,b=2"),
        ("baggage", "k=v"),
    ];
    let answer = ask(&gateway, "/v1/chat/completions", "plain", &given).await;
    gateway.stop().await;
    let head = &upstream.heads()[0];
    for (name, value) in given {
        assert_eq!(head[name], value);
    }
    let line = access(&data, answer.header("x-countersign-exchange"));
    assert!(line.get("trace_id").is_none(), "{line}");
}

#[test]
fn a_collector_that_cannot_be_one_is_a_bad_configuration() {
    let root = tempfile::tempdir().unwrap();
    let wrong = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "not a url"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("RUST_LOG", "countersign=loud=louder"),
    ];
    for (name, value) in wrong {
        let mut command = std::process::Command::new(program::countersign());
        command.args(["serve", "--upstream", "http://127.0.0.1:9", "--data"]);
        command.arg(root.path().join("data"));
        command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
            .env(name, value);
        let finished = program::Finished::from(command.output().unwrap());
        finished.expect_code(78);
        assert!(
            finished.err.starts_with("countersign: "),
            "{}",
            finished.err
        );
    }
}
