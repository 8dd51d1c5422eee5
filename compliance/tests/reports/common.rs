//! Records in a real ledger, verified.

use std::sync::Arc;

use countersign_ledger::{
    Opening, Settings, SigningKey, VerifiedRange, VerifierKey, keys, verify::verify,
};
use countersign_record::{
    Action, Body, Coverage, Decision, DecisionBody, Delivery, DetectorRef, DetectorRun, Effect,
    Evaluation, ExchangeId, Finish, Gap, Genesis, Heartbeat, Mode, ModelRef, PolicyRef, Record,
    RecordId, RuleMatch, RuleOutcome, Salt, Score, Severity, Side, Signal, Timeline, Usage,
    Verdict, commit,
};
use jiff::Timestamp;
use uuid::Uuid;

/// 2026-11-24T08:00:00Z.
const START: i64 = 1_795_507_200;

pub(crate) struct Home {
    dir: tempfile::TempDir,
    key: SigningKey,
    name: VerifierKey,
}

impl Home {
    pub(crate) fn holding(records: &[Record]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (key, name) = keys::init(dir.path(), "example.com/ledger", None).unwrap();
        let home = Self { dir, key, name };
        home.append(records);
        home
    }

    pub(crate) fn append(&self, records: &[Record]) {
        let mut settings = Settings::new(self.dir.path(), "example.com/ledger");
        settings.min_free_bytes = 0;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (ledger, _) = Opening::new(settings, Arc::new(self.key.clone()))
                .open()
                .unwrap();
            for record in records {
                ledger.append(record.to_object().unwrap()).await.unwrap();
            }
            ledger.close().await.unwrap();
        });
    }

    pub(crate) fn key(&self) -> &VerifierKey {
        &self.name
    }

    pub(crate) fn range(&self) -> VerifiedRange {
        let found = verify(self.dir.path(), &self.name, None).unwrap();
        assert_eq!(found.faults, []);
        found.into_range().unwrap()
    }
}

/// The time `second` seconds after the start.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(START + second).unwrap()
}

pub(crate) fn exchange(number: u128) -> ExchangeId {
    ExchangeId::new(Uuid::from_u128((0x0197_0000 << 96) | number))
}

pub(crate) fn record(number: u128, second: i64, body: Body) -> Record {
    let id = RecordId::new(Uuid::from_u128((0x0198_0000 << 96) | number));
    Record::new(
        id,
        format!("{}.250000000Z", at(second).strftime("%Y-%m-%dT%H:%M:%S")),
        body,
    )
}

/// A permitted, forwarded input of exchange `number`, fully evaluated.
pub(crate) fn decision(number: u128, side: Side) -> DecisionBody {
    let salt = Salt::new([7; 32]);
    DecisionBody {
        exchange: exchange(number),
        side,
        route: "default".to_owned(),
        dialect: "openai.chat".to_owned(),
        operation: "POST /v1/chat/completions".to_owned(),
        stream: number.is_multiple_of(2),
        model: ModelRef {
            vendor: "openai".to_owned(),
            requested: Some("gpt-5".to_owned()),
            served: (side == Side::Output).then(|| "gpt-5-2026-08-07".to_owned()),
        },
        principal: Some(commit(&salt, [b"key".as_slice()])),
        times: Timeline {
            received: at(0).to_string(),
            upstream_sent: None,
            first_byte: None,
            decided: at(1).to_string(),
        },
        coverage: Coverage {
            received_bytes: 420,
            received: commit(&salt, [b"body".as_slice()]),
            scanned_bytes: 300,
            scanned: commit(&salt, [b"text".as_slice()]),
            channels: 1,
            forwarded_bytes: 420,
            forwarded: Some(commit(&salt, [b"body".as_slice()])),
            judged: Vec::new(),
            unscanned: Vec::new(),
        },
        detectors: vec![run("countersign-minilm", Evaluation::Scored)],
        signals: Vec::new(),
        policy: PolicyRef {
            id: "default".to_owned(),
            version: "3".to_owned(),
            digest: format!("sha256:{}", "5c0ffee1".repeat(8)),
        },
        mode: Mode::Enforce,
        decision: Decision {
            effect: Effect::Permit,
            rules: Vec::new(),
            redact: Vec::new(),
            message: None,
        },
        action: Action::Forwarded,
        delivery: (side == Side::Output).then_some(Delivery {
            status: 200,
            released_bytes: 512,
            exposed_bytes: 0,
            finish: Finish::Complete,
        }),
        usage: (side == Side::Output).then_some(Usage {
            input_tokens: 90,
            output_tokens: 40,
        }),
        vendor_request_id: (side == Side::Output).then(|| format!("req-{number}")),
        software_version: "0.1.0".to_owned(),
    }
}

pub(crate) fn run(id: &str, evaluation: Evaluation) -> DetectorRun {
    let detector = DetectorRef {
        id: id.to_owned(),
        version: "1.0.0".to_owned(),
        digest: format!("sha256:{}", "ab".repeat(32)),
    };
    DetectorRun {
        detector,
        evaluation,
        windows: 1,
        elapsed_us: 900,
    }
}

pub(crate) fn signal(label: &str, verdict: Verdict) -> Signal {
    let ppm = if verdict == Verdict::Present {
        930_000
    } else {
        120_000
    };
    Signal {
        label: label.to_owned(),
        score_ppm: Score::from_ppm(ppm).unwrap(),
        threshold_ppm: Score::from_ppm(800_000).unwrap(),
        verdict,
        detector: "countersign-minilm".to_owned(),
        hits: u32::from(verdict == Verdict::Present),
    }
}

pub(crate) fn rule(id: &str, effect: Effect) -> RuleMatch {
    RuleMatch {
        id: id.to_owned(),
        outcome: RuleOutcome::Matched,
        effect,
        severity: Severity::High,
    }
}

/// `body`, withheld because of `label`.
pub(crate) fn blocked(mut body: DecisionBody, label: &str) -> DecisionBody {
    body.signals = vec![signal(label, Verdict::Present)];
    body.decision.effect = Effect::Deny;
    body.decision.rules = vec![rule(&format!("no-{label}"), Effect::Deny)];
    body.action = Action::Blocked;
    let released_bytes = 180;
    body.delivery = Some(Delivery {
        status: 400,
        released_bytes,
        exposed_bytes: 0,
        finish: Finish::Blocked,
    });
    body
}

pub(crate) fn decided(number: u128, second: i64, body: DecisionBody) -> Record {
    record(number, second, Body::Decision(Box::new(body)))
}

pub(crate) fn heartbeat(number: u128, second: i64, exchanges: u64) -> Record {
    record(
        number,
        second,
        Body::Heartbeat(Heartbeat {
            exchanges,
            ..Heartbeat::default()
        }),
    )
}

/// A day's worth of everything: a genesis, two-sided exchanges, blocks on both sides, a redaction,
/// a detector that timed out and was passed over, a lost and an open exchange, a gap, heartbeats.
pub(crate) fn mixed() -> Vec<Record> {
    let genesis = Genesis {
        software: "countersign".to_owned(),
        software_version: "0.1.0".to_owned(),
        ..Genesis::default()
    };
    let mut records = vec![record(0, 0, Body::Genesis(genesis))];
    for number in 1..=24 {
        let second = 90 * i64::try_from(number).unwrap();
        let input = decision(number, Side::Input);
        let mut output = decision(number, Side::Output);
        let (input, output) = match number {
            3 | 9 => (blocked(input, "jailbreak"), None),
            5 => (blocked(input, "secret.aws_access_key"), None),
            7 => {
                let mut output = blocked(output, "violence");
                output.delivery.as_mut().unwrap().exposed_bytes = 96;
                (input, Some(output))
            }
            11 => {
                output.signals = vec![signal("pii.email", Verdict::Present)];
                output.decision.effect = Effect::Transform;
                output.decision.rules = vec![rule("mask-personal-data", Effect::Transform)];
                output.action = Action::Redacted;
                (input, Some(output))
            }
            13 | 14 => (not_evaluated(input), Some(output)),
            17 => {
                let mut input = not_evaluated(input);
                input.action = Action::RefusedNotEvaluated;
                (input, None)
            }
            19 => {
                output.signals = vec![signal("stereotype", Verdict::Present)];
                output.decision.effect = Effect::Escalate;
                output.decision.rules = vec![rule("review-stereotype", Effect::Escalate)];
                (input, Some(output))
            }
            21 | 24 => (input, None),
            _ => (input, Some(output)),
        };
        records.push(decided(100 + number, second, input));
        records.extend(output.map(|body| decided(200 + number, second + 4, body)));
        if number.is_multiple_of(6) {
            let count = u64::try_from(number).unwrap();
            records.push(heartbeat(300 + number, second + 30, count));
        }
    }
    let gap = Gap {
        cause: "unclean_stop".to_owned(),
        from: Some(at(1_890).to_string()),
        to: at(1_900).to_string(),
        detail: "The process stopped without closing its exchanges.".to_owned(),
        count: None,
        exchanges: vec![exchange(21)],
    };
    records.push(record(400, 1_900, Body::Gap(gap)));
    records
}

fn not_evaluated(mut body: DecisionBody) -> DecisionBody {
    body.detectors = vec![
        run("patterns", Evaluation::Scored),
        run("countersign-minilm", Evaluation::TimedOut),
    ];
    body.signals = vec![signal("toxicity", Verdict::Undetermined)];
    body
}
