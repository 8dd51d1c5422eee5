//! Object keys that carry no text of anybody's, and leaves that name things instead of saying
//! them.

use crate::Dialect;

/// Keys of the chat completions API. Sorted.
const OPENAI: &[&str] = &[
    "accepted_prediction_tokens",
    "annotations",
    "arguments",
    "assistant",
    "audio",
    "audio_tokens",
    "auto",
    "bytes",
    "cached_tokens",
    "choices",
    "code",
    "completion_tokens",
    "completion_tokens_details",
    "content",
    "content_filter_results",
    "created",
    "custom",
    "data",
    "delta",
    "description",
    "detail",
    "end_index",
    "error",
    "expires_at",
    "file",
    "file_data",
    "file_id",
    "filename",
    "finish_reason",
    "format",
    "frequency_penalty",
    "function",
    "function_call",
    "functions",
    "grammar",
    "id",
    "image_url",
    "include_usage",
    "index",
    "input",
    "input_audio",
    "items",
    "json_schema",
    "logit_bias",
    "logprob",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "message",
    "messages",
    "metadata",
    "modalities",
    "model",
    "n",
    "name",
    "obfuscation",
    "object",
    "parallel_tool_calls",
    "param",
    "parameters",
    "prediction",
    "presence_penalty",
    "prompt_filter_results",
    "prompt_tokens",
    "prompt_tokens_details",
    "properties",
    "reasoning",
    "reasoning_content",
    "reasoning_effort",
    "reasoning_tokens",
    "refusal",
    "rejected_prediction_tokens",
    "required",
    "response_format",
    "role",
    "safety_identifier",
    "schema",
    "seed",
    "service_tier",
    "start_index",
    "stop",
    "store",
    "stream",
    "stream_options",
    "strict",
    "system_fingerprint",
    "temperature",
    "text",
    "title",
    "token",
    "tool_call_id",
    "tool_calls",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "total_tokens",
    "transcript",
    "type",
    "url",
    "url_citation",
    "usage",
    "user",
    "verbosity",
    "voice",
    "web_search_options",
];

/// Keys of the messages API. Sorted.
const ANTHROPIC: &[&str] = &[
    "budget_tokens",
    "cache_control",
    "cache_creation",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "citation",
    "citations",
    "cited_text",
    "container",
    "content",
    "content_block",
    "context",
    "data",
    "delta",
    "description",
    "disable_parallel_tool_use",
    "document_index",
    "document_title",
    "enabled",
    "encrypted_content",
    "encrypted_index",
    "end_block_index",
    "end_char_index",
    "end_page_number",
    "ephemeral_1h_input_tokens",
    "ephemeral_5m_input_tokens",
    "error",
    "explanation",
    "file_id",
    "id",
    "index",
    "input",
    "input_schema",
    "input_tokens",
    "is_error",
    "items",
    "max_tokens",
    "mcp_servers",
    "media_type",
    "message",
    "messages",
    "metadata",
    "model",
    "name",
    "output_tokens",
    "page_age",
    "partial_json",
    "properties",
    "required",
    "role",
    "server_tool_use",
    "service_tier",
    "signature",
    "source",
    "start_block_index",
    "start_char_index",
    "start_page_number",
    "stop_details",
    "stop_reason",
    "stop_sequence",
    "stop_sequences",
    "stream",
    "system",
    "temperature",
    "text",
    "thinking",
    "title",
    "tool_choice",
    "tool_use_id",
    "tools",
    "top_k",
    "top_p",
    "ttl",
    "type",
    "url",
    "usage",
    "user_id",
    "web_search_requests",
];

/// Keys whose text is an identifier or one of a few words. Sorted.
const STRUCTURAL: &[&str] = &[
    "call_id",
    "finish_reason",
    "id",
    "item_id",
    "model",
    "object",
    "response_id",
    "role",
    "service_tier",
    "status",
    "stop_reason",
    "system_fingerprint",
    "tool_use_id",
    "type",
];

/// Whether a key is a word of the dialect. Keys of an unknown API may hold anything.
pub(crate) fn is_known(dialect: Dialect, key: &str) -> bool {
    let known = match dialect {
        Dialect::OpenAiChat => OPENAI,
        Dialect::AnthropicMessages => ANTHROPIC,
        _ => return false,
    };
    known.binary_search(&key).is_ok()
}

/// Whether the text under a key names something and does not continue from event to event.
pub(crate) fn is_structural(key: &str) -> bool {
    STRUCTURAL.binary_search(&key).is_ok()
}

/// Whether the text under a key is JSON once more, as the arguments of tool calls are.
pub(crate) fn is_embedded_json(key: &str) -> bool {
    matches!(key, "arguments" | "partial_json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_is_sorted_so_that_it_can_be_searched() {
        for list in [OPENAI, ANTHROPIC, STRUCTURAL] {
            assert!(list.is_sorted(), "{list:?}");
        }
    }

    #[test]
    fn an_unknown_api_has_no_known_keys() {
        assert!(is_known(Dialect::OpenAiChat, "messages"));
        assert!(!is_known(Dialect::OpenAiChat, "stop_sequences"));
        assert!(is_known(Dialect::AnthropicMessages, "stop_sequences"));
        assert!(!is_known(Dialect::Raw, "messages"));
    }
}
