//! Object keys that carry no text of anybody's, and leaves that name things instead of saying
//! them.

mod words;

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::Dialect;

type Words = LazyLock<HashSet<&'static str>>;

static OPENAI: Words = LazyLock::new(|| set(&[words::OPENAI]));
static RESPONSES: Words = LazyLock::new(|| set(&[words::OPENAI, words::RESPONSES]));
static ANTHROPIC: Words = LazyLock::new(|| set(&[words::ANTHROPIC]));
static GEMINI: Words = LazyLock::new(|| set(&[words::GEMINI]));
static OLLAMA: Words = LazyLock::new(|| set(&[words::OLLAMA]));
static KSERVE: Words = LazyLock::new(|| set(&[words::KSERVE]));
static STRUCTURAL: Words = LazyLock::new(|| set(&[words::STRUCTURAL]));
static REPEATED: Words = LazyLock::new(|| set(&[words::REPEATED]));
static SPEECH: Words = LazyLock::new(|| set(&[words::SPEECH]));
static SNAPSHOT: Words = LazyLock::new(|| set(&[words::SNAPSHOT]));

fn set(lists: &[&'static str]) -> HashSet<&'static str> {
    lists
        .iter()
        .flat_map(|list| list.split_ascii_whitespace())
        .collect()
}

/// Whether a key is a word of the dialect. Keys of an unknown API may hold anything.
pub(crate) fn is_known(dialect: Dialect, key: &str) -> bool {
    let known = match dialect {
        Dialect::OpenAiChat
        | Dialect::OpenAiCompletions
        | Dialect::OpenAiEmbeddings
        | Dialect::OpenAiModerations => &OPENAI,
        Dialect::OpenAiResponses => &RESPONSES,
        Dialect::AnthropicMessages | Dialect::AnthropicCountTokens | Dialect::AnthropicBatches => {
            &ANTHROPIC
        }
        Dialect::Gemini => &GEMINI,
        Dialect::OllamaChat | Dialect::OllamaGenerate => &OLLAMA,
        Dialect::KserveV1 | Dialect::KserveV2 => &KSERVE,
        Dialect::Raw => return false,
    };
    known.contains(key)
}

/// Whether the text under a key is whole in its event, and may come again in later ones.
pub(crate) fn is_repeated(dialect: Dialect, key: &str) -> bool {
    if STRUCTURAL.contains(key) {
        return true;
    }
    // Responses repeat themselves again and again; only what is said continues.
    let repeats = dialect == Dialect::OpenAiResponses && !SPEECH.contains(key);
    is_known(dialect, key) && (repeats || REPEATED.contains(key))
}

/// Whether all under a key is a part of the request that the answer repeats.
pub(crate) fn is_snapshot(dialect: Dialect, key: &str) -> bool {
    is_known(dialect, key) && SNAPSHOT.contains(key)
}

/// Whether the text under a key is JSON once more, as the arguments of tool calls are.
pub(crate) fn is_embedded_json(key: &str) -> bool {
    matches!(key, "arguments" | "partial_json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_api_has_no_known_keys_and_others_have_their_own() {
        assert!(is_known(Dialect::OpenAiChat, "messages"));
        assert!(!is_known(Dialect::OpenAiChat, "stop_sequences"));
        assert!(is_known(Dialect::AnthropicMessages, "stop_sequences"));
        assert!(is_known(Dialect::Gemini, "promptFeedback"));
        assert!(is_known(Dialect::OpenAiResponses, "incomplete_details"));
        assert!(!is_known(Dialect::Raw, "messages"));
    }

    #[test]
    fn what_a_model_says_is_never_taken_for_a_repetition() {
        for dialect in Dialect::ALL {
            for key in [
                "text",
                "delta",
                "content",
                "arguments",
                "thinking",
                "refusal",
            ] {
                assert!(!is_repeated(dialect, key), "{dialect:?} {key}");
            }
        }
    }
}
