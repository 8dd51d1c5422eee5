//! Who is tested against what: the clients, the cases, and which upstream plays which case.

use serde_json::{Value, json};

/// What the policy of these tests withholds and redacts.
pub(super) const SECRET: &str = "AKIAQ3EGXKZ7WLP5TVRN";
pub(super) const CARD: &str = "4539 5787 6362 1486";
/// Pieces of both that no application may see.
pub(super) const NEVER_SEEN: [&str; 2] = ["AKIAQ3EG", "6362 1486"];

pub(super) const PLAIN: &str = "The capital of France is Paris. It lies on the Seine.";
const HELLO: &str = "What is the capital of France?";
const ASKS_FOR_STORAGE: &str = "Please store my key AKIAQ3EGXKZ7WLP5TVRN for later.";
/// What the real model goes on with.
const TALE: &str = "The river Seine rises in Burgundy and";

/// The API that a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    OpenAi,
    Anthropic,
    Gemini,
    Ollama,
}

/// What runs a client's script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Runner {
    /// The virtual environment of the newest clients.
    Python,
    /// The virtual environment of `LiteLLM`, which pins an older major of `openai`.
    LiteLlmPython,
    Node,
    /// As [`Runner::Python`], for a script that calls curl.
    Curl,
}

/// A client: a program that talks to the gateway as an application would.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client {
    pub(super) name: &'static str,
    pub(super) dialect: Dialect,
    pub(super) runner: Runner,
    pub(super) script: &'static str,
    /// Requests it makes for one that is answered 503 with `x-should-retry: false`.
    pub(super) requests_on_503: usize,
}

const fn client(
    name: &'static str,
    dialect: Dialect,
    runner: Runner,
    script: &'static str,
) -> Client {
    Client {
        name,
        dialect,
        runner,
        script,
        requests_on_503: 1,
    }
}

impl Client {
    /// Whether it talks to the real model: one client of each vendor and language does, since the
    /// model takes its time.
    pub(super) fn meets_model(&self) -> bool {
        let those = [
            "openai-python-3",
            "openai-js",
            "anthropic-python",
            "anthropic-js",
            "ollama",
        ];
        those.contains(&self.name)
    }
}

/// Every client, in the order of the table.
pub(super) const CLIENTS: &[Client] = &[
    client(
        "openai-python-3",
        Dialect::OpenAi,
        Runner::Python,
        "openai_sdk.py",
    ),
    client(
        "openai-python-2",
        Dialect::OpenAi,
        Runner::LiteLlmPython,
        "openai_sdk.py",
    ),
    client("openai-js", Dialect::OpenAi, Runner::Node, "openai.mjs"),
    // It heeds no `x-should-retry`, and tries a 503 three times.
    Client {
        requests_on_503: 3,
        ..client("vercel-ai-js", Dialect::OpenAi, Runner::Node, "vercel.mjs")
    },
    client(
        "langchain-openai",
        Dialect::OpenAi,
        Runner::Python,
        "langchain_client.py",
    ),
    client(
        "litellm",
        Dialect::OpenAi,
        Runner::LiteLlmPython,
        "litellm_client.py",
    ),
    client("curl", Dialect::OpenAi, Runner::Curl, "curl_client.py"),
    client(
        "anthropic-python",
        Dialect::Anthropic,
        Runner::Python,
        "anthropic_sdk.py",
    ),
    client(
        "anthropic-js",
        Dialect::Anthropic,
        Runner::Node,
        "anthropic.mjs",
    ),
    client(
        "google-genai",
        Dialect::Gemini,
        Runner::Python,
        "genai_client.py",
    ),
    client(
        "ollama",
        Dialect::Ollama,
        Runner::Python,
        "ollama_client.py",
    ),
];

/// What must come of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Permit,
    Redact,
    DenyInput,
    DenyOutput,
    /// Withheld whole, as a refusal or as a stream of the refusal alone.
    DenyEarly,
    /// Ended by the policy after part of the text.
    DenyMidway,
    NotEvaluated,
    Fault500,
    Fault429,
    /// Ended by the upstream after part of the text.
    Cut,
}

/// One column of the matrix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) outcome: Outcome,
    pub(super) stream: bool,
    /// Whether the real model answers it.
    pub(super) model: bool,
}

const fn case(name: &'static str, outcome: Outcome, stream: bool) -> Case {
    Case {
        name,
        outcome,
        stream,
        model: false,
    }
}

/// Every case, in the order of the table.
pub(super) const CASES: &[Case] = &[
    case("plain-permit", Outcome::Permit, false),
    case("stream-permit", Outcome::Permit, true),
    case("plain-redact", Outcome::Redact, false),
    case("stream-redact", Outcome::Redact, true),
    case("plain-deny-input", Outcome::DenyInput, false),
    case("stream-deny-input", Outcome::DenyInput, true),
    case("plain-deny-output", Outcome::DenyOutput, false),
    case("stream-deny-early", Outcome::DenyEarly, true),
    case("stream-deny-midway", Outcome::DenyMidway, true),
    case("plain-not-evaluated", Outcome::NotEvaluated, false),
    case("stream-not-evaluated", Outcome::NotEvaluated, true),
    case("plain-fault-500", Outcome::Fault500, false),
    case("plain-fault-429", Outcome::Fault429, false),
    case("stream-cut", Outcome::Cut, true),
    case("stream-broken", Outcome::Cut, true),
    Case {
        model: true,
        ..case("model-permit", Outcome::Permit, true)
    },
    Case {
        model: true,
        ..case("model-deny-midway", Outcome::DenyMidway, true)
    },
];

/// Which upstream plays a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// `LiteLLM`'s proxy.
    LiteLlm,
    /// `llmock`, scripted.
    LlMock,
    /// `llmock` behind a gateway whose detectors have no time.
    LlMockUnevaluated,
    /// The real model.
    Model,
}

impl Case {
    /// The upstream for `dialect`; none where no upstream here can play it.
    pub(super) fn peer(&self, dialect: Dialect) -> Option<Peer> {
        let never_arrives = matches!(self.outcome, Outcome::DenyInput | Outcome::NotEvaluated);
        if self.model {
            return Some(Peer::Model);
        }
        if dialect == Dialect::Ollama && !never_arrives {
            return None;
        }
        Some(match self.outcome {
            Outcome::NotEvaluated => Peer::LlMockUnevaluated,
            Outcome::Permit | Outcome::Redact | Outcome::DenyOutput
                if dialect != Dialect::Gemini =>
            {
                Peer::LiteLlm
            }
            _ => Peer::LlMock,
        })
    }

    /// The prefix of the path on the gateway.
    fn prefix(&self, dialect: Dialect) -> &'static str {
        match (self.outcome, self.peer(dialect), dialect) {
            (Outcome::DenyMidway, Some(Peer::Model), _) => "/curtailed",
            (_, Some(Peer::Model), _) => "/model",
            (_, Some(Peer::LlMock | Peer::LlMockUnevaluated), Dialect::Anthropic) => "/anthropic",
            (_, _, Dialect::Gemini) => "/gemini",
            _ => "",
        }
    }

    /// Bound on the real model's answer: several strides, and more than `curtailed.yaml` lets pass.
    fn tokens(&self) -> Option<u32> {
        self.model.then_some(110)
    }

    fn prompt(&self) -> &'static str {
        match self.outcome {
            Outcome::DenyInput => ASKS_FOR_STORAGE,
            _ if self.model => TALE,
            _ => HELLO,
        }
    }
}

/// The model's name tells the upstream what to play, and the ledger who asked for what.
pub(super) fn model(case: &Case, client: &Client) -> String {
    format!("{}.{}", case.name, client.name)
}

/// The cases that `client` goes through; `gateway` gives the URL in front of a peer, where it runs.
pub(super) fn order(client: &Client, key: &str, gateway: impl Fn(Peer) -> Option<String>) -> Value {
    let cases = CASES
        .iter()
        .filter(|case| !case.model || client.meets_model());
    let checks = cases.filter_map(|case| {
        let base = gateway(case.peer(client.dialect)?)?;
        Some(json!({
            "case": case.name,
            "model": model(case, client),
            "base": format!("{base}{}", case.prefix(client.dialect)),
            "prompt": case.prompt(),
            "stream": case.stream,
            "tokens": case.tokens(),
            "key": key,
        }))
    });
    json!({ "client": client.name, "checks": checks.collect::<Vec<_>>() })
}
