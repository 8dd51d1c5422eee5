//! Which API a request speaks.

/// A model API dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dialect {
    /// `OpenAI` chat completions.
    OpenAiChat,
    /// `OpenAI` responses.
    OpenAiResponses,
    /// `OpenAI` legacy completions.
    OpenAiCompletions,
    /// `OpenAI` embeddings.
    OpenAiEmbeddings,
    /// `OpenAI` moderations.
    OpenAiModerations,
    /// Anthropic messages.
    AnthropicMessages,
    /// Anthropic token counting.
    AnthropicCountTokens,
    /// Anthropic message batches.
    AnthropicBatches,
    /// Gemini generation, token counting and embedding.
    Gemini,
    /// Ollama chat.
    OllamaChat,
    /// Ollama generate.
    OllamaGenerate,
    /// `KServe` V1 predict and explain.
    KserveV1,
    /// `KServe` V2 (open inference) infer and generate.
    KserveV2,
    /// Any other JSON API.
    Raw,
}

/// The operations of a Gemini model that this dialect covers.
const GEMINI_OPERATIONS: [&str; 5] = [
    "generateContent",
    "streamGenerateContent",
    "countTokens",
    "embedContent",
    "batchEmbedContents",
];

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 14] = [
        Self::OpenAiChat,
        Self::OpenAiResponses,
        Self::OpenAiCompletions,
        Self::OpenAiEmbeddings,
        Self::OpenAiModerations,
        Self::AnthropicMessages,
        Self::AnthropicCountTokens,
        Self::AnthropicBatches,
        Self::Gemini,
        Self::OllamaChat,
        Self::OllamaGenerate,
        Self::KserveV1,
        Self::KserveV2,
        Self::Raw,
    ];

    /// The dialect of a request path. Prefixes before the API's own path do not matter.
    ///
    /// ```
    /// use countersign_wire::Dialect;
    /// assert_eq!(Dialect::of_path("/proxy/v1/chat/completions"), Dialect::OpenAiChat);
    /// assert_eq!(Dialect::of_path("/v1/completions"), Dialect::OpenAiCompletions);
    /// assert_eq!(Dialect::of_path("/v1/messages"), Dialect::AnthropicMessages);
    /// assert_eq!(Dialect::of_path("/v1beta/models/m:generateContent?key=k"), Dialect::Gemini);
    /// assert_eq!(Dialect::of_path("/v2/models/m/versions/1/infer"), Dialect::KserveV2);
    /// assert_eq!(Dialect::of_path("/v1/batches"), Dialect::Raw);
    /// ```
    pub fn of_path(path: &str) -> Self {
        let path = plain(path);
        let ends = [
            ("/chat/completions", Self::OpenAiChat),
            ("/v1/completions", Self::OpenAiCompletions),
            ("/v1/responses", Self::OpenAiResponses),
            ("/v1/embeddings", Self::OpenAiEmbeddings),
            ("/v1/moderations", Self::OpenAiModerations),
            ("/v1/messages", Self::AnthropicMessages),
            ("/v1/messages/count_tokens", Self::AnthropicCountTokens),
            ("/v1/messages/batches", Self::AnthropicBatches),
            ("/api/chat", Self::OllamaChat),
            ("/api/generate", Self::OllamaGenerate),
        ];
        if let Some((_, dialect)) = ends.iter().find(|(end, _)| path.ends_with(end)) {
            return *dialect;
        }
        match model_operation(path) {
            Some((_, "predict" | "explain", ':')) if under(path, "v1") => Self::KserveV1,
            Some((_, operation, ':')) if GEMINI_OPERATIONS.contains(&operation) => Self::Gemini,
            Some((_, "infer" | "generate" | "generate_stream", '/')) if under(path, "v2") => {
                Self::KserveV2
            }
            _ => Self::Raw,
        }
    }

    /// The name used in records, metrics and policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai.chat",
            Self::OpenAiResponses => "openai.responses",
            Self::OpenAiCompletions => "openai.completions",
            Self::OpenAiEmbeddings => "openai.embeddings",
            Self::OpenAiModerations => "openai.moderations",
            Self::AnthropicMessages => "anthropic.messages",
            Self::AnthropicCountTokens => "anthropic.count_tokens",
            Self::AnthropicBatches => "anthropic.batches",
            Self::Gemini => "gemini.generate",
            Self::OllamaChat => "ollama.chat",
            Self::OllamaGenerate => "ollama.generate",
            Self::KserveV1 => "kserve.v1",
            Self::KserveV2 => "kserve.v2",
            Self::Raw => "raw",
        }
    }

    /// Whether paths of this dialect hold what a caller may choose (a model's name, or anything),
    /// so that they are text to scan and do not go into a record.
    pub fn path_is_open(self) -> bool {
        matches!(
            self,
            Self::Gemini | Self::KserveV1 | Self::KserveV2 | Self::Raw
        )
    }

    /// The model that a path names, in the dialects whose bodies do not.
    ///
    /// ```
    /// use countersign_wire::Dialect;
    /// assert_eq!(Dialect::model_of_path("/v1/models/credit:predict"), Some("credit"));
    /// assert_eq!(Dialect::model_of_path("/v1/chat/completions"), None);
    /// ```
    pub fn model_of_path(path: &str) -> Option<&str> {
        if matches!(
            Self::of_path(path),
            Self::Gemini | Self::KserveV1 | Self::KserveV2
        ) {
            model_operation(plain(path)).map(|(model, _, _)| model)
        } else {
            None
        }
    }

    /// Whether the path itself asks for a stream, whatever the body says.
    ///
    /// ```
    /// use countersign_wire::Dialect;
    /// assert!(Dialect::path_asks_for_stream("/v1beta/models/m:streamGenerateContent?alt=sse"));
    /// ```
    pub fn path_asks_for_stream(path: &str) -> bool {
        let path = plain(path);
        path.ends_with(":streamGenerateContent") || path.ends_with("/generate_stream")
    }

    pub(crate) fn is_anthropic(self) -> bool {
        matches!(
            self,
            Self::AnthropicMessages | Self::AnthropicCountTokens | Self::AnthropicBatches
        )
    }

    pub(crate) fn is_ollama(self) -> bool {
        matches!(self, Self::OllamaChat | Self::OllamaGenerate)
    }
}

/// The path without its query and a last slash.
fn plain(path: &str) -> &str {
    let path = path.split('?').next().unwrap_or_default();
    path.strip_suffix('/').unwrap_or(path)
}

/// Model, operation and what stands between them, of a path like `/models/NAME:operation` or
/// `/models/NAME/versions/V/operation`.
fn model_operation(path: &str) -> Option<(&str, &str, char)> {
    let (_, rest) = path
        .rsplit_once("/models/")
        .or_else(|| path.rsplit_once("/tunedModels/"))?;
    if let Some((model, operation)) = rest.rsplit_once(':') {
        return (!model.contains('/')).then_some((model, operation, ':'));
    }
    let mut parts = rest.split('/');
    let model = parts.next()?;
    let operation = match (parts.next()?, parts.next(), parts.next()) {
        ("versions", Some(_version), Some(operation)) => operation,
        (operation, None, None) => operation,
        _ => return None,
    };
    parts.next().is_none().then_some((model, operation, '/'))
}

/// Whether `models` of the path stands right under `version`.
fn under(path: &str, version: &str) -> bool {
    path.split_once("/models/")
        .is_some_and(|(before, _)| before.rsplit('/').next() == Some(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_its_dialect() {
        let table = [
            ("/v1/chat/completions/", Dialect::OpenAiChat),
            (
                "/openai/deployments/x/chat/completions?api-version=1",
                Dialect::OpenAiChat,
            ),
            ("/v1/completions", Dialect::OpenAiCompletions),
            ("/v1/responses", Dialect::OpenAiResponses),
            ("/v1/responses/resp_1/input_items", Dialect::Raw),
            ("/v1/embeddings", Dialect::OpenAiEmbeddings),
            ("/v1/moderations", Dialect::OpenAiModerations),
            ("/v1/messages", Dialect::AnthropicMessages),
            ("/v1/messages/count_tokens", Dialect::AnthropicCountTokens),
            ("/v1/messages/batches", Dialect::AnthropicBatches),
            ("/v1/messages/batches/b/results", Dialect::Raw),
            ("/v1/batches", Dialect::Raw),
            (
                "/v1beta/models/gemini-2.5-flash:generateContent",
                Dialect::Gemini,
            ),
            (
                "/v1beta/models/g:streamGenerateContent?alt=sse",
                Dialect::Gemini,
            ),
            ("/v1beta/tunedModels/g:generateContent", Dialect::Gemini),
            (
                "/v1/projects/p/locations/l/publishers/google/models/g:countTokens",
                Dialect::Gemini,
            ),
            ("/v1/models/g:embedContent", Dialect::Gemini),
            ("/v1/models/g:batchEmbedContents", Dialect::Gemini),
            ("/v1/models/g:tuneModel", Dialect::Raw),
            ("/api/chat", Dialect::OllamaChat),
            ("/api/generate", Dialect::OllamaGenerate),
            ("/api/tags", Dialect::Raw),
            ("/v1/models/credit:predict", Dialect::KserveV1),
            ("/v1/models/credit:explain", Dialect::KserveV1),
            ("/v3/models/credit:explain", Dialect::Raw),
            ("/v2/models/credit/infer", Dialect::KserveV2),
            ("/v2/models/credit/versions/2/infer", Dialect::KserveV2),
            ("/v2/models/credit/generate_stream", Dialect::KserveV2),
            ("/v2/models/credit/versions/2/infer/more", Dialect::Raw),
            ("/v2/models/credit/ready", Dialect::Raw),
            ("/v1/models", Dialect::Raw),
            ("/", Dialect::Raw),
        ];
        for (path, dialect) in table {
            assert_eq!(Dialect::of_path(path), dialect, "{path}");
        }
    }

    #[test]
    fn names_are_unlike_and_all_are_listed() {
        let names: std::collections::BTreeSet<_> = Dialect::ALL.iter().map(|d| d.name()).collect();
        assert_eq!(names.len(), Dialect::ALL.len());
    }

    #[test]
    fn models_and_streams_are_read_from_the_path() {
        assert_eq!(
            Dialect::model_of_path("/v2/models/credit/versions/2/infer"),
            Some("credit")
        );
        assert_eq!(
            Dialect::model_of_path("/v1beta/models/g-2:generateContent"),
            Some("g-2")
        );
        assert_eq!(Dialect::model_of_path("/v1/models/g-2"), None);
        assert!(Dialect::path_asks_for_stream(
            "/v2/models/m/generate_stream"
        ));
        assert!(!Dialect::path_asks_for_stream(
            "/v1beta/models/m:generateContent"
        ));
    }
}
