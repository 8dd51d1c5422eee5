//! The table of what each client saw, as `docs/clients.md` holds it.

use std::fmt::Write;

use super::laws::Check;
use super::matrix::{CLIENTS, Outcome};

/// A section: its title, what it shows, and its columns with the case of each.
type Section = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

const SECTIONS: &[Section] = &[
    (
        "Permitted and redacted",
        "A permitted answer arrives as the upstream sent it. A redacted one keeps its finish reason.",
        &[
            ("permitted", "plain-permit"),
            ("permitted stream", "stream-permit"),
            ("redacted", "plain-redact"),
            ("redacted stream", "stream-redact"),
        ],
    ),
    (
        "Denied requests",
        "Nothing reaches the upstream, and no client tries again.",
        &[
            ("plain", "plain-deny-input"),
            ("stream", "stream-deny-input"),
        ],
    ),
    (
        "Denied answers",
        "A stream that is denied before any of its text may leave is withheld whole; one that is \
         denied later ends as filtered, and its application keeps what it had. No client tries again.",
        &[
            ("plain", "plain-deny-output"),
            ("stream, at once", "stream-deny-early"),
            ("stream, midway", "stream-deny-midway"),
        ],
    ),
    (
        "Not evaluated",
        "A required detector did not answer in time and the route fails closed. \
         `x-should-retry: false` tells the client that trying again at once is in vain.",
        &[
            ("plain", "plain-not-evaluated"),
            ("stream", "stream-not-evaluated"),
        ],
    ),
    (
        "Faults of the upstream",
        "Errors of the upstream pass as they are, with `retry-after`. A stream that the upstream cuts \
         off, or whose connection it breaks, is an error to every client and never a normal end.",
        &[
            ("500", "plain-fault-500"),
            ("429, then well", "plain-fault-429"),
            ("stream cut", "stream-cut"),
            ("connection broken", "stream-broken"),
        ],
    ),
    (
        "A real model",
        "Tokens at the pace at which a model makes them: the text arrives while it is made.",
        &[
            ("permitted stream", "model-permit"),
            ("denied midway", "model-deny-midway"),
        ],
    ),
];

const INTRODUCTION: &str = "# What each client sees

What an application sees through the gateway, client by client. `system::clients` runs this matrix
with the vendors' own packages and fails when this page says anything else; it leaves the page that
it would have written in the target folder. Versions are pinned in `tests/clients/`.

\"answer, `stop`\" is an answer with that finish reason. An error is its class, its HTTP status and
its code, where the client keeps them; \"after part of the text\" means that the application had
text before. More requests than one are the client's own retries.
";

/// The page over `checks`.
pub(super) fn page(checks: &[Check]) -> String {
    let mut page = INTRODUCTION.to_owned();
    for (title, text, columns) in SECTIONS {
        write!(page, "\n## {title}\n\n{}\n\n| client |", wrapped(text)).unwrap();
        for (column, _) in *columns {
            write!(page, " {column} |").unwrap();
        }
        writeln!(page, "\n|---|{}", "---|".repeat(columns.len())).unwrap();
        for row in rows(checks, columns) {
            writeln!(page, "{row}").unwrap();
        }
    }
    page
}

/// The rows of one section: a client with at least one of its cases has a row.
fn rows(checks: &[Check], columns: &[(&str, &str)]) -> Vec<String> {
    let row = |client: &super::matrix::Client| {
        let cells: Vec<String> = columns
            .iter()
            .map(|(_, case)| {
                let check = |c: &&Check| c.client.name == client.name && c.case.name == *case;
                checks
                    .iter()
                    .find(check)
                    .map_or_else(|| "-".to_owned(), cell)
            })
            .collect();
        let any = cells.iter().any(|cell| cell != "-");
        any.then(|| format!("| {} | {} |", client.name, cells.join(" | ")))
    };
    CLIENTS.iter().filter_map(row).collect()
}

/// The cases of each section.
pub(super) fn sections() -> Vec<Vec<&'static str>> {
    let cases = |(_, _, columns): &Section| columns.iter().map(|(_, case)| *case).collect();
    SECTIONS.iter().map(cases).collect()
}

/// Every row that a page over all clients has, without its cells: the section's number and the client.
pub(super) fn rows_of(page: &str) -> Vec<(usize, String)> {
    let mut section = 0;
    let mut found = Vec::new();
    for line in page.lines() {
        section += usize::from(line.starts_with("## "));
        let first = line
            .strip_prefix("| ")
            .and_then(|rest| rest.split(" |").next());
        found.extend(
            first
                .filter(|name| *name != "client")
                .map(|name| (section, name.to_owned())),
        );
    }
    found
}

fn cell(check: &Check) -> String {
    let saw = |name: &str| check.saw[name].as_str().map(|text| format!(" `{text}`"));
    let part = !check.text().is_empty();
    if check.case.outcome == Outcome::DenyEarly {
        // Which of the two it is depends on how the upstream's frames happen to arrive.
        return "the refusal alone".to_owned();
    }
    let mut cell = match check.error() {
        None if part && check.case.outcome == Outcome::DenyMidway => {
            format!("part of the text,{}", saw("finish").unwrap_or_default())
        }
        None => format!("answer,{}", saw("finish").unwrap_or_default()),
        Some(class) => {
            let status = check.status().map(|status| format!(" {status}"));
            let after = if part { " after part of the text" } else { "" };
            let code = saw("code").unwrap_or_default();
            format!("`{class}`{}{code}{after}", status.unwrap_or_default())
        }
    };
    if check.requests() > 1 {
        write!(cell, ", {} requests", check.requests()).unwrap();
    }
    cell
}

/// Text in lines of at most 100 characters.
fn wrapped(text: &str) -> String {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split_whitespace() {
        if !line.is_empty() && line.len() + 1 + word.len() > 100 {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    lines.push(line);
    lines.join("\n")
}
