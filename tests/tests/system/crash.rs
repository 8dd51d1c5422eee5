//! SIGKILL under load: what a caller got in full has its two records, and no fault is left.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_tests::Seeded;
use countersign_tests::client::Client;
use countersign_tests::gateway::{Gateway, Setup};
use countersign_tests::ledger;
use countersign_tests::stand_in::StandIn;
use serde_json::json;

const CYCLES: u64 = 50;
const CALLERS: u64 = 6;

/// Exchange ids of the answers that arrived whole.
type Delivered = Arc<Mutex<Vec<String>>>;

async fn call_without_end(url: String, caller: u64, delivered: Delivered) {
    let client = Client::new();
    for number in 0_u64.. {
        let stream = (number + caller).is_multiple_of(2);
        let asked = json!({ "model": "plain", "stream": stream, "messages": [
            { "role": "user", "content": format!("Question {number} of caller {caller}: why?") } ] });
        let Ok(answer) = client.post(&url, &asked).await else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        let whole = if stream {
            answer.text().contains("data: [DONE]")
        } else {
            answer.text().contains("Paris")
        };
        if answer.status == 200 && whole {
            let exchange = answer.header("x-countersign-exchange").to_owned();
            assert!(!exchange.is_empty(), "an answer without an exchange id");
            delivered.lock().unwrap().push(exchange);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_under_load_every_whole_answer_keeps_both_records() {
    let mut seeded = Seeded::announced("crash");
    let upstream = StandIn::start().await;
    let url = upstream.url();
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let delivered: Delivered = Arc::default();

    for cycle in 0..CYCLES {
        let gateway = Gateway::start(Setup::Upstream(&url), &data).await;
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let url = gateway.url("/v1/chat/completions");
                tokio::spawn(call_without_end(url, caller, Arc::clone(&delivered)))
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(100 + seeded.below(900))).await;
        gateway.kill().await;
        for caller in callers {
            caller.abort();
            let ended = caller.await;
            assert!(
                ended.is_err_and(|e| e.is_cancelled()),
                "a caller failed in cycle {cycle}"
            );
        }

        Gateway::start(Setup::Upstream(&url), &data)
            .await
            .stop()
            .await;
        let verified = ledger::verify_by_binary(&data);
        assert_eq!(verified.code, 0, "cycle {cycle}:\n{}", verified.said());
    }

    let decisions = ledger::decisions(&ledger::records(&data));
    let delivered = delivered.lock().unwrap().clone();
    assert!(
        delivered.len() as u64 >= CYCLES,
        "hardly any load: {}",
        delivered.len()
    );
    for exchange in &delivered {
        let records = decisions
            .get(exchange)
            .map(Vec::as_slice)
            .unwrap_or_default();
        assert_eq!(
            ledger::sides(records),
            ["input", "output"],
            "exchange {exchange}"
        );
    }
}
