//! The page `docs/attacks.md`.

use std::fmt::Write;

use crate::{
    attack::{Answer, Power, Row},
    world::{ENTRIES, Knowledge, OLDER, RECEIPT, RECEIPT_INDEX, WITNESSED},
};

/// A heading, what has to be said of all its attacks, and their rows.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) about: &'static str,
    pub(crate) rows: Vec<Row>,
}

const TITLE: &str = "# What an attacker can do to a ledger, and who sees it

What is promised: whoever has the verifier and one line of text, the ledger's public key, finds every
change that somebody without the ledger's private key makes to it. An entry that is edited, left out,
put in, moved or signed by somebody else is named by its place, years later and without asking
anyone. Against those who hold the private key, a thief or the operator, the public key alone does
not help: they can write another history from the beginning, and it looks as genuine as the true one.
What they cannot do is make it agree with anything that has left their hands. What is not promised:
that an entry was true when it was written, that it was written at all, or, until the next checkpoint
about a second later, that an entry of which nobody else has a copy is still there.

So keep three things where the operator cannot reach them: the public key as you first had it; the
newest checkpoint that you were given, a few lines of text of which one is enough; and the receipts
of the records that matter to you. A witness, somebody who signs a checkpoint only when it extends
the one before, keeps checkpoints in everybody's place: then keep the witness's public key, and ask
for its newest checkpoint when it matters that nothing is missing at the end.
";

/// The whole page.
pub(crate) fn page(sections: &[Section], mutations: usize) -> String {
    let mut page = TITLE.to_owned();
    setting(&mut page, mutations);
    summary(&mut page, sections);
    for section in sections {
        let _ = write!(page, "\n## {}\n", section.title);
        if !section.about.is_empty() {
            let _ = write!(page, "\n{}\n", section.about);
        }
        table(&mut page, section);
    }
    page
}

fn setting(page: &mut String, mutations: usize) {
    let _ = write!(
        page,
        "
## How it was tried

The test `attacks` of the ledger's crate does all of this and fails when this page says anything
else. The ledger has {ENTRIES} entries, from runs that ended at 150, {OLDER}, {RECEIPT} and
{WITNESSED} of them and a crash that left the last {} pending. Attackers can write every file;
*another key* is one of their own, *stolen key* is the ledger's private key, with which they also ask
the witness for a cosignature. \"Derive anew\" means that tiles and log are computed again after the
change.

The auditor holds the public key, and further, column by column:

| column | holds |
|---|---|
| key | nothing else |
| old checkpoint | the checkpoint of {OLDER} entries |
| receipt | the receipt of entry {RECEIPT_INDEX}, with its checkpoint of {RECEIPT} entries |
| witness's key | the public key of a witness, and wants the checkpoint cosigned |
| witness | the newest checkpoint that the witness saw, of {WITNESSED} entries |

Each cell is what the verifier says: the kind of fault and its place, \"same\" for the same as in the
column before. The place is the attacked one in every cell. Where only a hash tells that something
changed, the place is all that this hash covers: the `older checkpoint` that the auditor holds, or the
ledger's own.

The controls hold the same entries: a **plain log** of JSON lines, and a **hash chain** in which each
line holds the SHA-256 of the line before. Attackers on the chain compute it anew where they do so in
the ledger; nothing secret is needed. Their auditors hold as much: for each checkpoint the number of
lines then and, of the chain, the last hash; for the receipt also a copy of the plain line. Lines
count from 0; a line that is named because its hash is not the noted one only tells that something
up to it changed. A dash means that there is no such thing in the controls.

Besides these, {mutations} mutations of every structure in the directory are drawn at random in each
run; every one is found with the key alone, and the named place is the mutated file or entry.
",
        ENTRIES - WITNESSED
    );
}

fn summary(page: &mut String, sections: &[Section]) {
    let rows = || sections.iter().flat_map(|section| &section.rows);
    let compared = || rows().filter_map(|row| Some((row, row.controls.as_ref()?)));
    let (all, both) = (rows().count(), compared().count());
    let _ = write!(
        page,
        "
## In short

Attacks that are detected:

| auditor holds | ledger, all {all} | ledger, the {both} that controls know | plain log | hash chain |
|---|---|---|---|---|
"
    );
    let counted = |detected: &dyn Fn(&Row) -> bool| {
        let same = compared().filter(|(row, _)| detected(row)).count();
        (rows().filter(|row| detected(row)).count(), same)
    };
    for (place, knowledge) in Knowledge::ALL.into_iter().enumerate() {
        let (ours, same) = counted(&|row| row.answers[place].detected());
        let control = |which: usize| {
            let found = compared().filter(|(_, controls)| controls[which][place].is_some());
            found.count()
        };
        let (plain, chain) = (control(0), control(1));
        let name = name(knowledge);
        let _ = writeln!(page, "| {name} | {ours} | {same} | {plain} | {chain} |");
        if knowledge == Knowledge::Receipt {
            let (ours, same) = counted(&|row| row.demanding.detected());
            let _ = writeln!(page, "| witness's key | {ours} | {same} | - | - |");
        }
    }
}

fn name(knowledge: Knowledge) -> &'static str {
    match knowledge {
        Knowledge::Key => "key",
        Knowledge::Older => "old checkpoint",
        Knowledge::Receipt => "receipt",
        Knowledge::Witness => "witness",
    }
}

fn table(page: &mut String, section: &Section) {
    page.push_str(
        "
| attack | attacker has | key | old checkpoint | receipt | witness's key | witness | plain log | hash chain |
|---|---|---|---|---|---|---|---|---|
",
    );
    for row in &section.rows {
        let power = match row.power {
            Power::Files => "files",
            Power::OtherKey => "another key",
            Power::StolenKey => "stolen key",
        };
        let [key, older, receipt, witness] = &row.answers;
        let (mut cells, mut before) = (String::new(), None);
        for answer in [key, older, receipt, &row.demanding, witness] {
            let _ = write!(cells, " {} |", cell(answer, before));
            before = Some(answer);
        }
        let control = |which: usize| {
            let answers = row.controls.as_ref().map(|controls| &controls[which]);
            answers.map_or("-".to_owned(), control)
        };
        let _ = writeln!(
            page,
            "| {} | {power} |{cells} {} | {} |",
            row.name,
            control(0),
            control(1)
        );
    }
    remarks(page, &section.rows);
}

/// What has to be explained, once for all attacks of which it is true.
fn remarks(page: &mut String, rows: &[Row]) {
    let mut grouped: Vec<(&str, Vec<&str>)> = Vec::new();
    for row in rows.iter().filter(|row| !row.remark.is_empty()) {
        match grouped.iter_mut().find(|(remark, _)| *remark == row.remark) {
            Some((_, names)) => names.push(row.name),
            None => grouped.push((row.remark, vec![row.name])),
        }
    }
    if !grouped.is_empty() {
        page.push('\n');
    }
    for (remark, names) in grouped {
        let _ = writeln!(page, "* *{}*: {remark}.", names.join("*, *"));
    }
}

fn cell(answer: &Answer, before: Option<&Answer>) -> String {
    match answer {
        Answer::Clean => "not detected".to_owned(),
        same if before == Some(same) => "same".to_owned(),
        Answer::Fault { said, .. } => said.clone(),
    }
}

/// The least knowledge with which a control's auditor objects, and to what.
fn control(answers: &[Option<usize>; 4]) -> String {
    let mut found = Knowledge::ALL.into_iter().zip(answers);
    match found.find_map(|(knowledge, answer)| Some((knowledge, (*answer)?))) {
        None => "not detected".to_owned(),
        Some((Knowledge::Key, line)) => format!("line {line}"),
        Some((knowledge, line)) => format!("{}: line {line}", name(knowledge)),
    }
}
