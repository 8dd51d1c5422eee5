use super::*;

#[test]
fn no_span_is_made_where_nobody_listens() {
    assert!(inspect(Side::Input).is_disabled());
    assert!(inspect(Side::Output).is_disabled());
    assert!(record().is_disabled());
}

#[test]
fn a_method_of_the_callers_own_making_is_no_name() {
    let made_up = Method::from_bytes(b"MY-SECRET-METHOD").unwrap();
    assert_eq!(method_name(&made_up), "_OTHER");
    assert_eq!(method_name(&Method::POST), "POST");
}

#[test]
fn each_dialect_is_told_in_the_conventions_words() {
    let told = [
        ("openai.chat", Some("chat")),
        ("openai.responses", Some("chat")),
        ("openai.completions", Some("text_completion")),
        ("openai.embeddings", Some("embeddings")),
        ("anthropic.messages", Some("chat")),
        ("gemini", Some("generate_content")),
        ("ollama.chat", Some("chat")),
        ("ollama.generate", Some("text_completion")),
        ("raw", None),
    ];
    for (dialect, operation_name) in told {
        assert_eq!(operation(dialect), operation_name, "{dialect}");
    }
}
