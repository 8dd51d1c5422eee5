//! The counts that reports print.

use std::collections::BTreeSet;

use countersign_record::{Action, Body, Effect, ExchangeId, Mode, Side, Verdict};

use crate::{
    chart,
    document::Block,
    exchanges::{self, Outcome, Seen, is_fail_open, not_evaluated},
    extract::{Extract, Placed},
    measure::{Breakdown, Metric, Tally, name_of},
    query::Query,
};

mod coverage;

/// What reports count, over one range and query.
#[derive(Debug)]
pub(crate) struct Summary<'a> {
    pub(crate) extract: &'a Extract,
    pub(crate) query: &'a Query,
    pub(crate) exchanges: Vec<Seen>,
}

/// The words printed where nothing can be counted.
pub(crate) const INSUFFICIENT: &str =
    "Insufficient data: the period holds no decision record, so nothing is charted or rated.";

impl<'a> Summary<'a> {
    pub(crate) fn new(extract: &'a Extract, query: &'a Query) -> Self {
        Self {
            extract,
            query,
            exchanges: exchanges::exchanges(extract, query),
        }
    }

    /// Indexes of the decision records that `keep` keeps.
    pub(crate) fn decisions_where(
        &self,
        keep: impl Fn(&countersign_record::DecisionBody) -> bool,
    ) -> Vec<u64> {
        let kept = self
            .extract
            .decisions(self.query)
            .filter(|(_, body)| keep(body));
        kept.map(|(placed, _)| placed.index).collect()
    }

    /// Every exchange that a decision record of the whole range is about.
    pub(crate) fn known_exchanges(&self) -> BTreeSet<ExchangeId> {
        let decisions = self.extract.records.iter().filter_map(Placed::decision);
        decisions.map(|body| body.exchange).collect()
    }

    /// The records of the period whose body `pick` picks; see [`bodies`].
    pub(crate) fn picked<T>(
        &self,
        pick: impl Fn(&'a Body) -> Option<&'a T>,
    ) -> Vec<(&'a Placed, &'a T)> {
        let within = self.extract.within(self.query);
        within
            .filter_map(|placed| Some((placed, pick(&placed.record.body)?)))
            .collect()
    }

    pub(crate) fn gaps(&self) -> impl Iterator<Item = (&Placed, &countersign_record::Gap)> {
        self.extract
            .records
            .iter()
            .filter_map(|placed| match &placed.record.body {
                Body::Gap(gap) => {
                    let from = gap.from.as_deref().and_then(|from| from.parse().ok());
                    let to = gap.to.parse().unwrap_or(placed.at);
                    let touches = self.query.touches(from, to) || self.query.contains(placed.at);
                    (touches && self.query.names(placed)).then_some((placed, gap))
                }
                _ => None,
            })
    }

    /// The numbers that a reader looks for first.
    pub(crate) fn headline(&self) -> Vec<Metric> {
        let all = self
            .extract
            .chains
            .values()
            .flat_map(|chain| chain.entries.clone())
            .collect();
        let withheld = |action| matches!(action, Action::Blocked | Action::RefusedNotEvaluated);
        let firsts = self.exchanges.iter().map(|seen| seen.first).collect();
        let gaps = self.gaps().map(|(placed, _)| placed.index).collect();
        vec![
            Metric::count("entries", "Entries verified", "entries", all),
            Metric::count(
                "decisions",
                "Decision records",
                "records",
                self.decisions_where(|_| true),
            ),
            Metric::count("exchanges", "Exchanges", "exchanges", firsts),
            Metric::count(
                "withheld",
                "Withheld",
                "records",
                self.decisions_where(|body| withheld(body.action)),
            ),
            Metric::count(
                "not_fully_evaluated",
                "Not fully evaluated",
                "records",
                self.decisions_where(|body| not_evaluated(body).next().is_some()),
            ),
            Metric::count(
                "fail_open",
                "Passed on though not evaluated",
                "records",
                self.decisions_where(is_fail_open),
            ),
            Metric::count(
                "exposed",
                "Released in part before the verdict",
                "records",
                self.decisions_where(|b| b.delivery.as_ref().is_some_and(|d| d.exposed_bytes > 0)),
            ),
            Metric::count("gaps", "Gap records", "records", gaps),
        ]
    }

    fn by<T: serde::Serialize>(
        &self,
        (id, prefix, what): (&'static str, &str, &'static str),
        shown: &[T],
        key: impl Fn(&countersign_record::DecisionBody) -> String,
    ) -> Block {
        let mut tally = Tally::showing(shown);
        for (placed, body) in self.extract.decisions(self.query) {
            tally.add(key(body), placed.index);
        }
        Block::Breakdown(Breakdown {
            id,
            caption: format!("Decision records by {}", what.to_lowercase()),
            item: what,
            metrics: tally.metrics(prefix, "records"),
            sums_to: Some("decisions"),
        })
    }

    pub(crate) fn by_side(&self) -> Block {
        let sides = [Side::Input, Side::Output];
        self.by(("by-side", "side", "Side"), &sides, |body| {
            name_of(&body.side)
        })
    }

    pub(crate) fn by_effect(&self) -> Block {
        let effects = [
            Effect::Permit,
            Effect::Transform,
            Effect::Escalate,
            Effect::Deny,
        ];
        self.by(
            ("by-effect", "effect", "Effect decided"),
            &effects,
            |body| name_of(&body.decision.effect),
        )
    }

    pub(crate) fn by_action(&self) -> Block {
        let actions = [
            Action::Forwarded,
            Action::Redacted,
            Action::Blocked,
            Action::RefusedNotEvaluated,
            Action::Closed,
        ];
        self.by(("by-action", "action", "Action taken"), &actions, |body| {
            name_of(&body.action)
        })
    }

    pub(crate) fn by_mode(&self) -> Block {
        let modes = [Mode::Enforce, Mode::Observe];
        self.by(("by-mode", "mode", "Mode"), &modes, |body| {
            name_of(&body.mode)
        })
    }

    pub(crate) fn by_finish(&self) -> Block {
        self.by::<Side>(("by-finish", "finish", "Finish"), &[], |body| {
            body.delivery.as_ref().map_or_else(
                || "none recorded".to_owned(),
                |delivery| name_of(&delivery.finish),
            )
        })
    }

    pub(crate) fn by_policy(&self) -> Block {
        self.by::<Side>(("by-policy", "policy", "Policy"), &[], |body| {
            policy_name(&body.policy)
        })
    }

    pub(crate) fn by_model(&self) -> Block {
        self.by::<Side>(("by-model", "model", "Model"), &[], |body| {
            let model = body.model.served.as_ref().or(body.model.requested.as_ref());
            format!(
                "{} / {}",
                body.model.vendor,
                model.map_or("not named", String::as_str)
            )
        })
    }

    pub(crate) fn by_type(&self) -> Block {
        let mut tally = Tally::default();
        for placed in self.extract.within(self.query) {
            tally.add(placed.record.body.kind(), placed.index);
        }
        Block::Breakdown(Breakdown {
            id: "by-type",
            caption: "Records used, by type".to_owned(),
            item: "Type",
            metrics: tally.metrics("records", "records"),
            sums_to: Some("entries.used"),
        })
    }

    fn labels(&self, verdict: Verdict) -> Tally {
        let mut tally = Tally::default();
        for (placed, body) in self.extract.decisions(self.query) {
            for signal in body
                .signals
                .iter()
                .filter(|signal| signal.verdict == verdict)
            {
                tally.add(signal.label.clone(), placed.index);
            }
        }
        tally
    }

    pub(crate) fn by_label(&self, verdict: Verdict) -> Block {
        let (id, caption, prefix) = match verdict {
            Verdict::Present => ("labels-present", "Labels present", "label_present"),
            Verdict::Absent => ("labels-absent", "Labels absent", "label_absent"),
            Verdict::Undetermined => (
                "labels-undetermined",
                "Labels undetermined",
                "label_undetermined",
            ),
        };
        Block::Breakdown(Breakdown {
            id,
            caption: format!("{caption} (a record can count under several labels)"),
            item: "Label",
            metrics: self.labels(verdict).metrics(prefix, "records"),
            sums_to: None,
        })
    }

    pub(crate) fn by_rule(&self) -> Block {
        let mut tally = Tally::default();
        for (placed, body) in self.extract.decisions(self.query) {
            for rule in &body.decision.rules {
                tally.add(
                    format!("{} ({})", rule.id, name_of(&rule.outcome)),
                    placed.index,
                );
            }
        }
        Block::Breakdown(Breakdown {
            id: "rules",
            caption: "Rules that contributed (a record can count under several rules)".to_owned(),
            item: "Rule",
            metrics: tally.metrics("rule", "matches"),
            sums_to: None,
        })
    }

    pub(crate) fn by_detector_fault(&self) -> Block {
        let mut tally = Tally::default();
        for (placed, body) in self.extract.decisions(self.query) {
            for (detector, reason) in not_evaluated(body) {
                tally.add(format!("{detector}: {reason}"), placed.index);
            }
        }
        Block::Breakdown(Breakdown {
            id: "not-evaluated",
            caption: "Detector runs without an answer, by detector and reason".to_owned(),
            item: "Detector: reason",
            metrics: tally.metrics("not_evaluated", "runs"),
            sums_to: None,
        })
    }

    pub(crate) fn by_outcome(&self) -> Block {
        let metrics = Outcome::ALL.into_iter().map(|outcome| {
            let (name, label) = outcome.named();
            let seen = self.exchanges.iter().filter(|seen| seen.outcome == outcome);
            Metric::count(
                name,
                label,
                "exchanges",
                seen.map(|seen| seen.first).collect(),
            )
        });
        Block::Breakdown(Breakdown {
            id: "exchanges",
            caption: "Exchanges of the period, by what is recorded (indexes of first records)"
                .into(),
            item: "What is recorded",
            metrics: metrics.collect(),
            sums_to: Some("exchanges"),
        })
    }

    /// The charts, or why there are none.
    pub(crate) fn charts(&self) -> Vec<Block> {
        let charts = [
            chart::over_time(self.extract, self.query),
            chart::actions(self.extract, self.query),
            chart::labels(self.labels(Verdict::Present)),
        ];
        let drawn: Vec<Block> = charts.into_iter().flatten().map(Block::Chart).collect();
        if drawn.is_empty() {
            vec![Block::Text(INSUFFICIENT.to_owned())]
        } else {
            drawn
        }
    }
}

/// The records of a summary's period that have a body of one type, in order of index.
macro_rules! bodies {
    ($summary:expr, $variant:ident) => {
        $summary.picked(|body| match body {
            countersign_record::Body::$variant(body) => Some(body),
            _ => None,
        })
    };
}
pub(crate) use bodies;

/// Where picked records lie.
pub(crate) fn indexes<T>(picked: &[(&Placed, &T)]) -> Vec<u64> {
    picked.iter().map(|(placed, _)| placed.index).collect()
}

pub(crate) fn policy_name(policy: &countersign_record::PolicyRef) -> String {
    let digest = policy
        .digest
        .strip_prefix("sha256:")
        .unwrap_or(&policy.digest);
    let short: String = digest.chars().take(8).collect();
    format!("{}@{short}", policy.id)
}
