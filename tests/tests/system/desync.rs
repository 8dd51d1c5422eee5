//! Requests that two readers would cut differently: none reaches the upstream as two.

use std::path::Path;

use countersign_tests::gateway::{Gateway, Setup};
use countersign_tests::ledger;
use countersign_tests::raw::{Naive, say};

use corpus::{ANSWER, Case, Expected};

mod corpus;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_smuggled_and_every_refusal_is_recorded() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let upstream = Naive::start(head, ANSWER).await;
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let gateway = Gateway::start(Setup::Upstream(&upstream.url()), &data).await;
    let corpus = corpus::corpus();
    assert!(corpus.len() >= 90, "{} cases", corpus.len());
    let (mut refusals, mut wrong) = (Vec::new(), Vec::new());
    for case in &corpus {
        match run(&gateway, &upstream, case).await {
            Ok(refused) => refusals.extend(refused),
            Err(fault) => wrong.push(fault),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let smuggled = |head: &String| head.contains("smuggled");
    assert_eq!(upstream.seen().into_iter().find(smuggled), None);
    let framing = |head: &String| head.to_lowercase().contains("transfer-encoding");
    assert!(!upstream.seen().iter().any(framing), "framing was copied");
    gateway.stop().await;
    let refused = |case: &&Case| matches!(case.2, Expected::RefusedAfter(_));
    let expected = corpus.iter().filter(refused).count();
    assert_eq!(refusals.len(), expected, "a refusal without an exchange");
    println!(
        "{} cases, {expected} of them refused, 0 smuggled",
        corpus.len()
    );
    every_refusal_is_recorded(&data, &refusals);
}

/// Runs one case; the exchange of its refusal, if it is refused.
async fn run(gateway: &Gateway, upstream: &Naive, case: &Case) -> Result<Option<String>, String> {
    let (name, bytes, expected) = case;
    let before = upstream.seen().len();
    let heard = say(gateway.data_port, bytes).await;
    let statuses = heard.statuses();
    let (served, refused) = match expected {
        Expected::RefusedAfter(served) => (*served, true),
        Expected::Served(served) => (*served, false),
    };
    let reached = upstream.seen().len() - before;
    let (good, bad): (Vec<u16>, Vec<u16>) = statuses.iter().partition(|s| **s == 200);
    let told = bad.iter().all(|status| [400, 413, 415].contains(status));
    let exact = good.len() == served && reached == served && bad.len() == usize::from(refused);
    if exact && told && (heard.closed || !refused) {
        let exchange = heard.header("x-countersign-exchange").pop();
        Ok(exchange.filter(|_| refused))
    } else {
        let closed = heard.closed;
        Err(format!(
            "{name}: {statuses:?}, {reached} reached the upstream, closed: {closed}"
        ))
    }
}

fn every_refusal_is_recorded(data: &Path, refusals: &[String]) {
    ledger::verify_by_binary(data).expect_code(0);
    let decisions = ledger::decisions(&ledger::records(data));
    // What has no path has no route, and so no policy that could be recorded.
    let (routed, unrouted): (Vec<_>, Vec<_>) = refusals
        .iter()
        .partition(|exchange| decisions.contains_key(*exchange));
    assert_eq!(unrouted.len(), 1, "CONNECT alone has no path");
    for exchange in routed {
        let records = &decisions[exchange];
        assert_eq!(ledger::sides(records), ["input"]);
        assert_eq!(records[0]["coverage"]["forwarded_bytes"], 0);
    }
}
