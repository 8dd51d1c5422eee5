//! `classify`: JSON Lines in, JSON Lines out, in input order.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use countersign_classifiers::Assessment;
use countersign_record::Evaluation;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::{ClassifyArgs, DeviceArg};
use crate::compose::{self, Detectors};
use crate::exit::{BAD_DATA, UNAVAILABLE, fail};
use crate::inspect::progress;

/// Longest line in bytes.
const LINE_MAX: usize = 64 << 20;
/// Time for one text; a text of any length must come to its end.
const BUDGET: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, Deserialize)]
struct Line {
    id: Value,
    text: String,
    /// What came before the text, for example the prompt of an answer.
    #[serde(default)]
    context: Option<String>,
}

pub(crate) fn run(args: &ClassifyArgs) -> anyhow::Result<ExitCode> {
    if args.device == DeviceArg::Cuda {
        let message = "this build runs on the processor only; use --device cpu";
        return Err(fail(UNAVAILABLE, message));
    }
    let detectors = compose::detectors(args.model.as_deref(), None)?;
    crate::serve::runtime()?.block_on(classify(args.file.as_deref(), &detectors))?;
    Ok(ExitCode::SUCCESS)
}

async fn classify(file: Option<&Path>, detectors: &Detectors) -> anyhow::Result<()> {
    let shown = file.map_or_else(|| "standard input".to_owned(), |f| f.display().to_string());
    let source: Box<dyn BufRead> = match file {
        Some(path) => Box::new(BufReader::new(
            std::fs::File::open(path).map_err(|e| fail(BAD_DATA, format!("{shown}: {e}")))?,
        )),
        None => Box::new(BufReader::new(std::io::stdin())),
    };
    let mut out = std::io::BufWriter::new(std::io::stdout());
    let bar = progress("classified");
    for (number, line) in source.lines().enumerate() {
        let at = number + 1;
        let line = line.map_err(|e| fail(BAD_DATA, format!("{shown}:{at}: {e}")))?;
        if line.trim().is_empty() {
            continue;
        }
        if line.len() > LINE_MAX {
            return Err(fail(
                BAD_DATA,
                format!("{shown}:{at}: longer than {LINE_MAX} bytes"),
            ));
        }
        let parsed: Line = serde_json::from_str(&line)
            .map_err(|e| fail(BAD_DATA, format!("{shown}:{at}:{}: {e}", e.column())))?;
        let result = one(parsed, detectors).await;
        writeln!(out, "{result}")
            .and_then(|()| out.flush())
            .map_err(|e| fail(UNAVAILABLE, format!("standard output: {e}")))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

async fn one(line: Line, detectors: &Detectors) -> Value {
    // The shipped model reads one text; a context is judged as a text of its own.
    let texts: Vec<String> = std::iter::once(line.text).chain(line.context).collect();
    let assessment = detectors.inspector.inspect(texts.into(), BUDGET).await;
    described(&line.id, &assessment)
}

fn described(id: &Value, assessment: &Assessment) -> Value {
    let mut signals = serde_json::Map::new();
    let mut verdicts = serde_json::Map::new();
    let mut flags = Vec::new();
    for label in &assessment.labels {
        let failed = assessment
            .runs
            .iter()
            .any(|run| run.detector.id == label.detector && run.evaluation != Evaluation::Scored);
        let verdict = match (label.score >= label.block, failed) {
            (true, _) => "present",
            (false, true) => "undetermined",
            (false, false) => "absent",
        };
        if label.score >= label.flag {
            flags.push(label.label.clone());
        }
        signals.insert(label.label.clone(), label.score.ppm().into());
        verdicts.insert(label.label.clone(), verdict.into());
    }
    let spans: Vec<Value> = assessment
        .spans
        .iter()
        .filter(|span| span.channel == 0)
        .map(|s| json!({ "label": s.label, "start": s.span.start, "end": s.span.end }))
        .collect();
    // Patterns read each text in one piece; the model's count says how it was cut.
    let windows = assessment
        .runs
        .iter()
        .map(|run| run.windows)
        .max()
        .unwrap_or(0);
    let not_evaluated: Vec<Value> = assessment
        .not_evaluated()
        .into_iter()
        .map(|(detector, reason)| json!({ "detector": detector, "reason": reason }))
        .collect();
    let mut result = json!({
        "id": id,
        "signals": signals,
        "flags": flags,
        "verdicts": verdicts,
        "windows": windows,
        "spans": spans,
    });
    if let (false, Some(object)) = (not_evaluated.is_empty(), result.as_object_mut()) {
        object.insert("not_evaluated".to_owned(), not_evaluated.into());
    }
    result
}
