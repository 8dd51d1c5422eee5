//! What must hold for every client: what it saw, what reached the upstream, what was recorded.

use std::collections::BTreeMap;

use serde_json::Value;

use super::matrix::{CARD, Case, Client, NEVER_SEEN, Outcome, PLAIN};

/// Requests that a client makes at most for one that fails: its own two retries.
const REQUESTS_MAX: usize = 3;
/// The seconds that `Retry-After` asked for, less what clocks may differ.
const RETRY_AFTER_S: f64 = 0.95;
/// How long before its end a real model's stream must have begun to arrive, in milliseconds.
const LEAD_MS_MIN: u64 = 50;

/// One check: what the application saw, and the traces it left.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) client: &'static Client,
    pub(super) case: &'static Case,
    /// What the client's script printed.
    pub(super) saw: Value,
    /// Records of it, in order: side and action.
    pub(super) records: Vec<(String, String)>,
    /// Requests of it that reached `llmock`: when each began and ended; none for other upstreams.
    pub(super) arrived: Option<Vec<(f64, f64)>>,
}

impl Check {
    pub(super) fn text(&self) -> &str {
        self.saw["text"].as_str().unwrap()
    }

    pub(super) fn finish(&self) -> Option<&str> {
        self.saw["finish"].as_str()
    }

    pub(super) fn error(&self) -> Option<&str> {
        self.saw["error"].as_str()
    }

    pub(super) fn status(&self) -> Option<u64> {
        self.saw["status"].as_u64()
    }

    /// Requests that the client made: each leaves one record of its input side.
    pub(super) fn requests(&self) -> usize {
        let inputs = self.records.iter().filter(|(side, _)| side == "input");
        inputs.count()
    }

    /// Asserts all that must hold of this check.
    pub(super) fn holds(&self) {
        self.nothing_withheld_is_seen();
        self.is_what_the_policy_decided();
        self.is_not_retried_in_vain();
        self.reached_the_upstream_only_when_permitted();
        self.is_recorded_as_it_was();
    }

    fn nothing_withheld_is_seen(&self) {
        let seen = self.saw.to_string();
        for secret in NEVER_SEEN {
            assert!(!seen.contains(secret), "a secret leaked: {self:#?}");
        }
    }

    fn is_what_the_policy_decided(&self) {
        let normal = matches!(
            self.finish(),
            Some("stop" | "end_turn" | "STOP" | "length" | "max_tokens" | "MAX_TOKENS")
        );
        let filtered = matches!(
            self.finish(),
            Some("content_filter" | "content-filter" | "refusal" | "SAFETY" | "PROHIBITED_CONTENT")
        );
        let (refused, part) = (self.error().is_some(), !self.text().is_empty());
        let holds = match self.case.outcome {
            Outcome::Permit if self.case.model => normal && part && self.arrived_piece_by_piece(),
            Outcome::Permit => normal && self.text() == PLAIN,
            Outcome::Redact => {
                let kept = self.text().ends_with("and it is valid until next year.");
                normal && kept && !self.text().contains(CARD)
            }
            Outcome::DenyInput | Outcome::DenyOutput => {
                refused && !part && self.status() == Some(400)
            }
            Outcome::DenyEarly => !part && (filtered || refused && self.status() == Some(400)),
            Outcome::DenyMidway => part && (filtered || refused),
            Outcome::NotEvaluated => refused && !part && self.status() == Some(503),
            Outcome::Fault500 => refused && self.status() == Some(500),
            Outcome::Fault429 if self.requests() == 1 => refused && self.status() == Some(429),
            Outcome::Fault429 => normal && part,
            // A stream that the upstream did not end is never a normal end.
            Outcome::Cut => refused && part,
        };
        assert!(holds, "{self:#?}");
    }

    fn arrived_piece_by_piece(&self) -> bool {
        self.saw["pieces"].as_u64() > Some(5) && self.saw["lead_ms"].as_u64() > Some(LEAD_MS_MIN)
    }

    fn is_not_retried_in_vain(&self) {
        let requests = self.requests();
        let holds = match self.case.outcome {
            Outcome::NotEvaluated => requests == self.client.requests_on_503,
            Outcome::Fault500 | Outcome::Fault429 => (1..=REQUESTS_MAX).contains(&requests),
            _ => requests == 1,
        };
        assert!(holds, "{requests} requests: {self:#?}");
        if let (Outcome::Fault429, Some([first, second, ..])) =
            (self.case.outcome, self.arrived.as_deref())
        {
            assert!(
                second.0 - first.1 > RETRY_AFTER_S,
                "Retry-After did not arrive: {self:#?}"
            );
        }
    }

    fn reached_the_upstream_only_when_permitted(&self) {
        let Some(arrived) = &self.arrived else { return };
        let expected = match self.case.outcome {
            Outcome::DenyInput | Outcome::NotEvaluated => 0,
            _ => self.requests(),
        };
        assert_eq!(arrived.len(), expected, "{self:#?}");
    }

    fn is_recorded_as_it_was(&self) {
        let one: &[(&str, &str)] = match self.case.outcome {
            Outcome::Permit | Outcome::Fault500 | Outcome::Fault429 => {
                &[("input", "forwarded"), ("output", "forwarded")]
            }
            Outcome::Redact => &[("input", "forwarded"), ("output", "redacted")],
            Outcome::DenyInput => &[("input", "blocked")],
            Outcome::DenyOutput | Outcome::DenyEarly | Outcome::DenyMidway => {
                &[("input", "forwarded"), ("output", "blocked")]
            }
            Outcome::NotEvaluated => &[("input", "refused_not_evaluated")],
            Outcome::Cut => &[("input", "forwarded"), ("output", "closed")],
        };
        let mut expected: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let mut recorded: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for (side, action) in one {
            *expected.entry((*side, *action)).or_default() += self.requests();
        }
        for (side, action) in &self.records {
            *recorded
                .entry((side.as_str(), action.as_str()))
                .or_default() += 1;
        }
        assert_eq!(recorded, expected, "{self:#?}");
    }
}
