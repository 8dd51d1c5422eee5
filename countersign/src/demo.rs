//! `demo`: the main job on this machine, end to end, checked as it goes.

mod traffic;

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use bytes::Bytes;
use comfy_table::Table;
use countersign_compliance::{Format, Query, ReportType};
use countersign_ledger::{VerifiedRange, Verifier};
use countersign_record::{Action, Body, Record, Side};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::sync::watch;

use crate::cli::{DemoArgs, ServeArgs};
use crate::config::Config;
use crate::exit::{FINDING, UNAVAILABLE, fail};
use crate::serve::{Running, runtime};
use crate::{inspect, report, standin};
use traffic::{Expected, Step};

/// What a caller saw.
#[derive(Debug)]
struct Seen {
    status: StatusCode,
    decision: String,
    exchange: String,
    body: String,
}

pub(crate) fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let out = &args.out;
    let occupied = std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        let message = format!(
            "{} is not empty; name another directory with --out",
            out.display()
        );
        return Err(fail(UNAVAILABLE, message));
    }
    let data = out.join("data");
    runtime()?.block_on(drive(args, &data))?;
    if args.keep_serving {
        return Ok(ExitCode::SUCCESS);
    }
    conclude(&data, &out.join("reports"))
}

async fn drive(args: &DemoArgs, data: &Path) -> anyhow::Result<()> {
    let (stop, stopped) = watch::channel(false);
    let model = standin::start(stopped)
        .await
        .map_err(|e| fail(UNAVAILABLE, format!("stand-in model: {e}")))?;
    println!("stand-in model (not a model) on http://{model}");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = Config::effective(&ServeArgs {
        config: None,
        upstream: Some(format!("http://{model}")),
        listen: Some(any),
        admin: Some(any),
        data: Some(data.to_owned()),
    })?;
    let running = Running::start(&config).await?;
    println!(
        "gateway on http://{}, admin on http://{}\n",
        running.data, running.admin
    );
    let held = send_all(running.data).await?;
    if args.keep_serving {
        println!("\nServing until Ctrl-C.");
        drop(tokio::signal::ctrl_c().await);
    }
    running.stop().await?;
    stop.send_replace(true);
    if held {
        Ok(())
    } else {
        Err(fail(FINDING, "a step of the demo did not hold"))
    }
}

async fn send_all(gateway: SocketAddr) -> anyhow::Result<bool> {
    let mut table = Table::new();
    table.set_header(["step", "status", "decision", "held"]);
    let mut all = true;
    for step in traffic::script() {
        let seen = send(gateway, &step).await?;
        let held = holds(&step, &seen);
        all &= held;
        let mark = if held { "yes" } else { "NO" };
        table.add_row([step.title, seen.status.as_str(), &seen.decision, mark]);
        if !held {
            tracing::error!(step = step.title, exchange = seen.exchange, "did not hold");
        }
    }
    println!("{table}");
    Ok(all)
}

async fn send(gateway: SocketAddr, step: &Step) -> anyhow::Result<Seen> {
    let request = Request::post(format!("http://{gateway}{}", step.path))
        .header("content-type", "application/json")
        .header("authorization", "Bearer demo")
        .body(Full::new(Bytes::from(step.body.to_string())))?;
    let response = Client::builder(TokioExecutor::new())
        .build_http()
        .request(request)
        .await?;
    let status = response.status();
    let header = |name: &str| {
        let value = response.headers().get(name).and_then(|v| v.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let (decision, exchange) = (
        header("x-countersign-decision"),
        header("x-countersign-exchange"),
    );
    let body = response.into_body().collect().await?.to_bytes();
    Ok(Seen {
        status,
        decision,
        exchange,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

fn holds(step: &Step, seen: &Seen) -> bool {
    let body = seen.body.as_str();
    match step.expected {
        Expected::Decision(decision) => {
            let clean = !body.contains("desk.lead@") && !body.contains("content_filter");
            seen.status == StatusCode::OK && seen.decision == decision && clean
        }
        Expected::Refused => seen.status == StatusCode::BAD_REQUEST && seen.decision == "deny",
        Expected::BlockedMidStream => {
            let ended = body.contains("\"content_filter\"") || body.contains("\"refusal\"");
            let begun = body.contains("Thank");
            seen.status == StatusCode::OK && begun && ended && !body.contains("worthless idiot")
        }
    }
}

/// Verifies the ledger offline, checks that it tells what happened, and writes the reports.
fn conclude(data: &Path, reports: &Path) -> anyhow::Result<ExitCode> {
    let key = data.join("keys/ledger.vkey").display().to_string();
    let verifier = Verifier::new(&inspect::key(&key)?);
    let found = inspect::checked(data, &verifier)?;
    print!("\n{}", countersign_ledger::verify::to_text(&found));
    let range = found
        .into_range()
        .map_err(|_| fail(FINDING, "the ledger does not verify"))?;
    let missing = untold(&range)?;
    if !missing.is_empty() {
        return Err(fail(
            FINDING,
            format!("the ledger tells of no {}", missing.join(", no ")),
        ));
    }
    println!("\nreports:");
    for kind in [ReportType::LogExtract, ReportType::Integrity] {
        let query = Query::default();
        let formats = [Format::Json, Format::Csv, Format::Html];
        for path in report::write(&range, kind, &query, &formats, reports)? {
            println!("  {}", path.display());
        }
    }
    println!("\nledger:        {}", data.join("ledger").display());
    println!("verifier key:  {key}");
    println!(
        "verify again:  countersign verify {} --key {key}",
        data.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// What the demo must have left in the ledger, and did not.
fn untold(range: &VerifiedRange) -> anyhow::Result<Vec<&'static str>> {
    let mut told = Vec::new();
    for entry in range.entries() {
        let (_, entry) = entry.map_err(|e| fail(FINDING, e.to_string()))?;
        let record = Record::from_entry(&entry).ok();
        told.extend(record.and_then(|record| match record.body {
            Body::Decision(d) => Some((d.side, d.action, d.stream)),
            _ => None,
        }));
    }
    let needed = [
        ("permitted request", (Side::Input, Action::Forwarded, false)),
        ("redacted request", (Side::Input, Action::Redacted, false)),
        ("redacted stream", (Side::Output, Action::Redacted, true)),
        ("denied request", (Side::Input, Action::Blocked, false)),
        ("denied stream", (Side::Output, Action::Blocked, true)),
    ];
    let missing = needed.into_iter().filter(|(_, what)| !told.contains(what));
    Ok(missing.map(|(name, _)| name).collect())
}
