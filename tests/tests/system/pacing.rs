//! What a stream costs its reader: the time to the first token and to the last, beside the same
//! stream without a gateway. `docs/streaming.md` explains the figures.

use std::time::Duration;

use countersign_tests::client::{Arrival, Client};
use countersign_tests::gateway::{Gateway, Setup};
use countersign_tests::ledger;
use countersign_tests::stand_in::StandIn;
use serde_json::json;

const RATES: [u32; 4] = [20, 50, 100, 200];
/// Runs per rate; the table shows medians.
const RUNS: usize = 3;
/// Tokens of the first stride: 32 bytes of about four to a token, and the word after them.
const FIRST_STRIDE: f64 = 9.0;
/// Text that waits this long is looked at before its stride is full.
const LOOK_AFTER: f64 = 0.150;

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

async fn watch(client: &Client, url: &str, rate: u32) -> Arrival {
    let asked = json!({ "model": format!("story@{rate}"), "stream": true,
        "messages": [{ "role": "user", "content": "Tell me a story." }] });
    let arrival = client
        .post_and_watch(url, &asked, usize::MAX)
        .await
        .unwrap();
    assert!(arrival.whole && arrival.status == 200);
    arrival
}

/// Mean time of the model per look, in seconds, since the last call.
async fn model_time(client: &Client, admin: &str, before: &mut (f64, f64)) -> f64 {
    let metrics = client.get(admin).await.unwrap().text();
    let value = |name: &str| -> f64 {
        let line = metrics
            .lines()
            .find(|l| l.starts_with(name) && l.contains("minilm"))
            .unwrap_or_default();
        line.rsplit(' ')
            .next()
            .and_then(|n| n.parse().ok())
            .unwrap_or(0.0)
    };
    let now = (
        value("countersign_classifier_seconds_sum"),
        value("countersign_classifier_seconds_count"),
    );
    let (time, looks) = (now.0 - before.0, now.1 - before.1);
    *before = now;
    time / looks.max(1.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_late_by_its_first_stride_and_one_look_and_is_otherwise_the_same() {
    let upstream = StandIn::start().await;
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let gateway = Gateway::start(Setup::Upstream(&upstream.url()), &data).await;
    let path = "/v1/chat/completions";
    let (direct, through) = (format!("{}{path}", upstream.url()), gateway.url(path));
    let admin = format!("http://{}/metrics", gateway.admin_port);
    let client = Client::new();
    watch(&client, &through, 200).await;
    let mut seen = (0.0, 0.0);
    model_time(&client, &admin, &mut seen).await;

    println!(
        " tok/s | first token: direct  gateway    added  expected | one look | last token: added"
    );
    for rate in RATES {
        let (mut first, mut last) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
        for _run in 0..RUNS {
            let plain = watch(&client, &direct, rate).await;
            let guarded = watch(&client, &through, rate).await;
            let comment = b": countersign exchange=";
            let bytes = guarded.bytes();
            let at = bytes
                .windows(comment.len())
                .position(|window| window == comment)
                .expect("our comment");
            let end = at + bytes[at..].windows(2).position(|w| w == b"\n\n").unwrap() + 2;
            let rest = [&bytes[..at], &bytes[end..]].concat();
            assert_eq!(rest, plain.bytes(), "the same bytes but for our comment");
            let token = "\"content\":\"A";
            first.0.push(plain.time_of(token).unwrap());
            first.1.push(guarded.time_of(token).unwrap());
            last.0.push(plain.ended());
            last.1.push(guarded.ended());
        }
        let look = model_time(&client, &admin, &mut seen).await;
        let (plain, guarded) = (median(first.0), median(first.1));
        let expected = (FIRST_STRIDE / f64::from(rate)).min(LOOK_AFTER) + look;
        let (plain_total, total) = (median(last.0), median(last.1));
        let late = total - plain_total;
        println!(
            "{rate:>6} | {:>19.0} ms {:>5.0} ms {:>5.0} ms {:>6.0} ms | {:>5.0} ms | {:>14.0} ms",
            plain * 1e3,
            guarded * 1e3,
            (guarded - plain) * 1e3,
            expected * 1e3,
            look * 1e3,
            late * 1e3,
        );
        // No absolute time is promised here, but a stream that was buffered whole would show.
        assert!(
            guarded < total,
            "the first token left before the last had come"
        );
    }
    gateway.stop().await;
    ledger::verify_by_binary(&data).expect_code(0);
}
