//! A scoring endpoint that is no chat: the policy decides on values that the route points at.

use countersign_tests::client::Client;
use countersign_tests::gateway::{Gateway, Setup};
use countersign_tests::ledger;
use countersign_tests::stand_in::StandIn;
use serde_json::{Value, json};

const POLICY: &str = r#"id: scores
version: "1"
title: Scores of a credit model
rules:
  - id: high-risk
    title: A score that a person must look at
    on: output
    when: has(metadata.score) && double(metadata.score) > 0.9
    effect: deny
    severity: high
    message: This score needs a person.
    tests:
      - { name: high, facts: { side: output, metadata: { score: "0.97" } }, expect: deny }
      - { name: low, facts: { side: output, metadata: { score: "0.2" } }, expect: quiet }
  - id: no-test-traffic
    title: Requests that say they are tests
    on: input
    when: has(metadata.purpose) && metadata.purpose == "test"
    effect: deny
    severity: low
    message: This endpoint takes no tests.
    tests:
      - { name: a test, facts: { metadata: { purpose: test } }, expect: deny }
      - { name: none, facts: {}, expect: quiet }
"#;

async fn predict(gateway: &Gateway, model: &str, purpose: &str) -> (u16, String, Value) {
    let url = gateway.url(&format!("/v1/models/{model}:predict"));
    let asked = json!({ "instances": [{ "income": 31_000, "purpose": purpose }] });
    let answer = Client::new().post(&url, &asked).await.unwrap();
    let decision = answer.header("x-countersign-decision").to_owned();
    (answer.status, decision, answer.json())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_decides_on_what_a_route_points_at_in_a_scoring_endpoint() {
    let upstream = StandIn::start().await;
    let root = tempfile::tempdir().unwrap();
    let (data, config) = (
        root.path().join("data"),
        root.path().join("countersign.yaml"),
    );
    std::fs::write(root.path().join("scores.yaml"), POLICY).unwrap();
    let text = format!(
        "routes:\n  - name: credit\n    match: {{ path: \"/v1/models/*\" }}\n    \
         upstream: {{ url: \"{}\", vendor: ours }}\n    policy: scores\n    extract:\n      \
         input: {{ purpose: /instances/0/purpose }}\n      output: {{ score: /predictions/0 }}\n\
         policies: [ scores.yaml ]\n",
        upstream.url()
    );
    std::fs::write(&config, text).unwrap();
    let gateway = Gateway::start(Setup::Config(&config), &data).await;

    let (status, decision, low) = predict(&gateway, "score-12", "car").await;
    assert_eq!((status, decision.as_str()), (200, "permit"), "{low}");
    assert_eq!(low["predictions"], json!([0.12]));
    let (status, decision, high) = predict(&gateway, "score-97", "car").await;
    assert_eq!((status, decision.as_str()), (400, "deny"), "{high}");
    let said = high["error"].as_str().unwrap();
    assert!(said.contains("needs a person"), "{high}");
    let (status, _, test) = predict(&gateway, "score-12", "test").await;
    assert_eq!(status, 400, "{test}");
    assert_eq!(upstream.seen().len(), 2, "the test never reached the model");
    gateway.stop().await;

    ledger::verify_by_binary(&data).expect_code(0);
    let records = ledger::records(&data);
    let decided = records.iter().filter(|r| r["type"] == "decision");
    for record in decided {
        assert_eq!(record["dialect"], "kserve.v1");
        let whole = record.to_string();
        assert!(
            !whole.contains("0.97"),
            "a record holds no content: {whole}"
        );
    }
}
