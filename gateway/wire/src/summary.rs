//! What a body says of itself, in any vendor's words.

use countersign_record::Usage;

use crate::Dialect;
use crate::json::Node;
use crate::progress::usage_of;

/// What records need of a body.
#[derive(Debug, Clone, Default)]
pub(crate) struct Summary {
    pub(crate) model: Option<String>,
    pub(crate) wants_stream: bool,
    pub(crate) usage: Option<Usage>,
    pub(crate) finish: Option<String>,
}

impl Summary {
    pub(crate) fn of(dialect: Dialect, root: &Node) -> Self {
        // A Gemini stream that is not sent as events is one array; the last part has the totals.
        let last = root.items().last().unwrap_or(root);
        Self {
            model: model(dialect, last).map(str::to_owned),
            wants_stream: match root.get("stream") {
                Some(Node::Bool(stream)) => *stream,
                // Ollama streams unless it is told not to.
                None => dialect.is_ollama(),
                Some(_) => false,
            },
            usage: usage(dialect, last),
            finish: finish(dialect, last).map(str::to_owned),
        }
    }
}

fn model(dialect: Dialect, root: &Node) -> Option<&str> {
    match dialect {
        Dialect::Gemini => root.text_at("modelVersion").or(root.text_at("model")),
        Dialect::KserveV1 | Dialect::KserveV2 => root.text_at("model_name"),
        _ => root.text_at("model"),
    }
}

pub(crate) fn usage(dialect: Dialect, root: &Node) -> Option<Usage> {
    let counts = |node: &Node, input: &str, output: &str| {
        let (input, output) = (node.number_at(input), node.number_at(output));
        (input.is_some() || output.is_some()).then(|| Usage {
            input_tokens: input.unwrap_or(0),
            output_tokens: output.unwrap_or(0),
        })
    };
    match dialect {
        Dialect::Gemini => {
            let usage = root.get("usageMetadata")?;
            let known = counts(usage, "promptTokenCount", "candidatesTokenCount")?;
            let thoughts = usage.number_at("thoughtsTokenCount").unwrap_or(0);
            Some(Usage {
                output_tokens: known.output_tokens.saturating_add(thoughts),
                ..known
            })
        }
        Dialect::OllamaChat | Dialect::OllamaGenerate => {
            counts(root, "prompt_eval_count", "eval_count")
        }
        Dialect::AnthropicCountTokens => counts(root, "input_tokens", ""),
        _ => root.get("usage").and_then(usage_of),
    }
}

/// Why the model stopped, of the first choice.
pub(crate) fn finish(dialect: Dialect, root: &Node) -> Option<&str> {
    let first = |key: &str, reason: &'static str| {
        let items = root.get(key).map(Node::items).unwrap_or_default();
        items.first().and_then(|choice| choice.text_at(reason))
    };
    match dialect {
        Dialect::Gemini => first("candidates", "finishReason").or_else(|| {
            root.get("promptFeedback")
                .and_then(|feedback| feedback.text_at("blockReason"))
        }),
        Dialect::OllamaChat | Dialect::OllamaGenerate => root.text_at("done_reason"),
        Dialect::OpenAiResponses => root
            .get("incomplete_details")
            .and_then(|details| details.text_at("reason"))
            .or(root.text_at("status")),
        _ => first("choices", "finish_reason").or_else(|| root.text_at("stop_reason")),
    }
}
