//! The stand-in and the client do what the other tests take for granted.

use countersign_tests::client::Client;
use countersign_tests::stand_in::StandIn;
use serde_json::json;

async fn ask(model: &str, path: &str, stream: bool) -> Option<String> {
    let upstream = StandIn::start().await;
    let asked = json!({ "model": model, "stream": stream, "messages": [] });
    let answer = Client::new()
        .post(&format!("{}{path}", upstream.url()), &asked)
        .await;
    assert_eq!(upstream.seen(), [asked]);
    answer.ok().map(|answer| answer.text())
}

#[tokio::test]
async fn a_whole_stream_ends_with_its_marker_and_a_cut_one_is_no_answer() {
    let whole = ask("plain", "/v1/chat/completions", true).await.unwrap();
    assert!(whole.ends_with("data: [DONE]\n\n"), "{whole}");
    let whole = ask("plain", "/v1/messages", true).await.unwrap();
    assert!(whole.contains("event: message_stop"), "{whole}");
    assert_eq!(ask("cut", "/v1/chat/completions", true).await, None);
    assert_eq!(ask("cut", "/v1/messages", true).await, None);
}

#[tokio::test]
async fn the_model_named_in_the_request_chooses_the_answer() {
    let card = ask("card", "/v1/chat/completions", false).await.unwrap();
    assert!(card.contains("4539 5787 6362 1486"), "{card}");
    let plain = ask("plain", "/v1/messages", false).await.unwrap();
    assert!(
        plain.contains("Paris") && plain.contains("end_turn"),
        "{plain}"
    );
}
