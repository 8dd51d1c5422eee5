//! Which API a request speaks.

/// A model API dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `OpenAI` chat completions.
    OpenAiChat,
    /// Anthropic messages.
    AnthropicMessages,
    /// Any other JSON API.
    Raw,
}

impl Dialect {
    /// The dialect of a request path. Prefixes before the API's own path do not matter.
    ///
    /// ```
    /// use countersign_wire::Dialect;
    /// assert_eq!(Dialect::of_path("/proxy/v1/chat/completions"), Dialect::OpenAiChat);
    /// assert_eq!(Dialect::of_path("/v1/messages"), Dialect::AnthropicMessages);
    /// assert_eq!(Dialect::of_path("/v1/messages/batches"), Dialect::Raw);
    /// ```
    pub fn of_path(path: &str) -> Self {
        let path = path.split('?').next().unwrap_or_default();
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.ends_with("/chat/completions") {
            Self::OpenAiChat
        } else if path.ends_with("/v1/messages") {
            Self::AnthropicMessages
        } else {
            Self::Raw
        }
    }

    /// The name used in records, metrics and policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai.chat",
            Self::AnthropicMessages => "anthropic.messages",
            Self::Raw => "raw",
        }
    }
}
