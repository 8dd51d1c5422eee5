//! Witnesses over real sockets.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::common::{Log, ORIGIN, log_key, raw};
use countersign_ledger::{
    Checkpoint, SigningKey,
    witness::{Policy, Witness, WitnessError, WitnessKey, Witnesses, append},
};
use countersign_ledger_remote::witness::{
    ClientSettings, FileStore, Running, ServerSettings, StoreError, WitnessClient, serve,
};
use tokio::net::TcpListener;

pub(crate) fn witness_key(seed: u8) -> (Arc<SigningKey>, WitnessKey) {
    let key = SigningKey::from_bytes(&[seed; 32]);
    let name = format!("witness.example/w{seed}");
    let public = WitnessKey::new(&name, key.verifying_key()).unwrap();
    (Arc::new(key), public)
}

/// A witness with the state in `dir`, on a port of its own.
pub(crate) async fn start(dir: &Path, seed: u8) -> Running {
    start_with(dir, seed, ServerSettings::default()).await
}

async fn start_with(dir: &Path, seed: u8, settings: ServerSettings) -> Running {
    let (signer, key) = witness_key(seed);
    let store = match FileStore::create(dir, &key) {
        Err(StoreError::Exists(_)) => FileStore::open(dir, &key).unwrap(),
        store => store.unwrap(),
    };
    let witness = Witness::new(key, signer, &[log_key().1], store).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    serve(listener, witness, settings).unwrap()
}

pub(crate) fn policy(witnesses: &[(u8, String)], threshold: &str) -> Policy {
    let line = |(seed, url): &(u8, String)| {
        let key = witness_key(*seed).1;
        format!("witness w{seed} {key} {url}\n")
    };
    let lines: String = witnesses.iter().map(line).collect();
    let names: Vec<String> = witnesses
        .iter()
        .map(|(seed, _)| format!("w{seed}"))
        .collect();
    let (log, names) = (log_key().1, names.join(" "));
    let text = format!("log {log}\n{lines}group g {threshold} {names}\nquorum g\n");
    text.parse().unwrap()
}

pub(crate) fn url(running: &Running) -> String {
    format!("http://{}/", running.address())
}

pub(crate) fn client(policy: Policy) -> WitnessClient {
    let settings = ClientSettings {
        answer_max: Duration::from_secs(3),
        total_max: Duration::from_secs(5),
        ..ClientSettings::default()
    };
    WitnessClient::new(policy, settings).unwrap()
}

/// Asks from a thread that may block.
pub(crate) async fn ask(
    mut client: WitnessClient,
    log: &Log,
    size: u64,
) -> (WitnessClient, Result<Vec<String>, WitnessError>) {
    let log = log.clone();
    tokio::task::spawn_blocking(move || {
        let answer = client.cosign(&log.note(size), size, &mut |old| Ok(log.proof(old, size)));
        (client, answer)
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_growing_ledger_is_cosigned_by_all_and_the_note_satisfies_the_policy() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let one = start(dirs[0].path(), 1).await;
    let two = start(dirs[1].path(), 2).await;
    let policy = policy(&[(1, url(&one)), (2, url(&two))], "all");
    let log = Log::new(300, 300);
    let mut asking = client(policy.clone());
    for size in [0, 1, 7, 256, 300, 300] {
        let (back, lines) = ask(asking, &log, size).await;
        asking = back;
        let merged = append(&log.note(size), &lines.unwrap()).unwrap();
        assert_eq!(policy.open(&merged).unwrap().size, size);
        assert_eq!(Checkpoint::open(&merged, &log_key().1).unwrap().size, size);
    }
    // A client that remembers nothing learns the size from the refusal.
    let (_, lines) = ask(client(policy), &Log::new(310, 310), 310).await;
    assert_eq!(lines.unwrap().len(), 2);
}

#[tokio::test]
async fn two_of_three_are_enough_when_one_is_dead_and_the_wait_for_it_is_short() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let one = start(dirs[0].path(), 1).await;
    let two = start(dirs[1].path(), 2).await;
    // It takes connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = format!("http://{}", silent.local_addr().unwrap());
    let witnesses = [(1, url(&one)), (2, url(&two)), (3, dead)];
    let log = Log::new(20, 20);
    let began = Instant::now();
    let (_, lines) = ask(client(policy(&witnesses, "2")), &log, 20).await;
    assert_eq!(lines.unwrap().len(), 2);
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );

    let (_, refusal) = ask(client(policy(&witnesses, "all")), &log, 20).await;
    assert!(
        matches!(refusal, Err(WitnessError::NoQuorum(_))),
        "{refusal:?}"
    );
    assert!(began.elapsed() < Duration::from_secs(9));
}

#[tokio::test]
async fn a_ledger_that_was_rolled_back_meets_a_conflict() {
    let dir = tempfile::tempdir().unwrap();
    let one = start(dir.path(), 1).await;
    let policy = policy(&[(1, url(&one))], "any");
    let log = Log::new(40, 40);
    let (asking, lines) = ask(client(policy.clone()), &log, 40).await;
    lines.unwrap();
    for asking in [asking, client(policy)] {
        let (_, refusal) = ask(asking, &log, 30).await;
        let Err(WitnessError::Conflict(why)) = refusal else {
            panic!("{refusal:?}")
        };
        assert!(why.contains("signature over size 40"), "{why}");
    }
}

#[tokio::test]
async fn a_fork_shown_to_two_witnesses_finds_no_quorum_of_both() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let one = start(dirs[0].path(), 1).await;
    let two = start(dirs[1].path(), 2).await;
    let (left, right) = (Log::new(40, 40), Log::new(40, 9));
    let (_, lines) = ask(client(policy(&[(1, url(&one))], "any")), &left, 20).await;
    lines.unwrap();
    let (_, lines) = ask(client(policy(&[(2, url(&two))], "any")), &right, 20).await;
    lines.unwrap();
    let both = policy(&[(1, url(&one)), (2, url(&two))], "all");
    for (log, size) in [(&left, 20), (&left, 40), (&right, 20), (&right, 40)] {
        let (_, refusal) = ask(client(both.clone()), log, size).await;
        let Err(WitnessError::Conflict(why)) = refusal else {
            panic!("{refusal:?}")
        };
        assert!(why.contains("it has this ledger's signature over"), "{why}");
    }
    // The evidence is the log's own signature, kept by the witness that was shown the fork.
    let evidence = |at: usize| dirs[at].path().join("evidence").exists();
    assert!(evidence(0) && evidence(1));
}

#[tokio::test]
async fn a_witness_that_starts_again_keeps_its_high_water_mark() {
    let dir = tempfile::tempdir().unwrap();
    let one = start(dir.path(), 1).await;
    let log = Log::new(60, 60);
    let (_, lines) = ask(client(policy(&[(1, url(&one))], "any")), &log, 50).await;
    lines.unwrap();
    one.stop().await;
    let again = start(dir.path(), 1).await;
    let policy = policy(&[(1, url(&again))], "any");
    let (_, refusal) = ask(client(policy.clone()), &log, 49).await;
    assert!(
        matches!(refusal, Err(WitnessError::Conflict(_))),
        "{refusal:?}"
    );
    let (_, lines) = ask(client(policy), &log, 60).await;
    lines.unwrap();
}

#[tokio::test]
async fn a_witness_without_its_state_does_not_start_and_no_two_share_one() {
    let dir = tempfile::tempdir().unwrap();
    let (_, key) = witness_key(1);
    let refusal = FileStore::open(dir.path(), &key);
    assert!(matches!(refusal, Err(StoreError::NoState(_))));
    let open = FileStore::create(dir.path(), &key).unwrap();
    assert!(matches!(
        FileStore::open(dir.path(), &key),
        Err(StoreError::Io { .. })
    ));
    drop(open);
    let other = FileStore::open(dir.path(), &witness_key(2).1);
    assert!(matches!(other, Err(StoreError::OtherWitness { .. })));
    FileStore::open(dir.path(), &key).unwrap();
}

#[tokio::test]
async fn a_witness_that_lost_its_state_counts_for_nothing() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let one = start(dirs[0].path(), 1).await;
    let log = Log::new(60, 60);
    let (asking, lines) = ask(client(policy(&[(1, url(&one))], "any")), &log, 50).await;
    lines.unwrap();
    let address = one.address();
    one.stop().await;
    // The same address, key and name, and nothing that it remembers.
    let (signer, key) = witness_key(1);
    let store = FileStore::create(dirs[1].path(), &key).unwrap();
    let witness = Witness::new(key, signer, &[log_key().1], store).unwrap();
    let listener = TcpListener::bind(address).await.unwrap();
    let _again = serve(listener, witness, ServerSettings::default()).unwrap();
    let (_, refusal) = ask(asking, &log, 60).await;
    let Err(WitnessError::NoQuorum(why)) = refusal else {
        panic!("{refusal:?}")
    };
    assert!(why.contains("lost its state"), "{why}");
}

/// A server with one fixed answer per path, in order of asking.
async fn liar(answers: &'static [(&'static str, &'static str, &'static str)]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for (status, content_type, body) in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut seen = vec![0; 1 << 16];
            let _read = socket.read(&mut seen).await.unwrap();
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            socket.write_all(head.as_bytes()).await.unwrap();
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn one_lying_witness_stops_no_ledger_that_has_a_quorum_without_it() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let one = start(dirs[0].path(), 1).await;
    let two = start(dirs[1].path(), 2).await;
    let liar = liar(&[
        ("409 Conflict", "text/x.tlog.size", "999999\n"),
        ("404 Not Found", "text/plain", ""),
    ])
    .await;
    let witnesses = [(1, url(&one)), (2, url(&two)), (3, liar)];
    let (_, lines) = ask(client(policy(&witnesses, "2")), &Log::new(20, 20), 20).await;
    assert_eq!(lines.unwrap().len(), 2);
}

#[tokio::test]
async fn a_refusal_without_evidence_is_a_conflict_where_the_witness_is_needed() {
    let liar = liar(&[
        ("422 Unprocessable Entity", "text/plain", "no"),
        ("404 Not Found", "text/plain", ""),
    ])
    .await;
    let (_, refusal) = ask(client(policy(&[(3, liar)], "any")), &Log::new(20, 20), 20).await;
    assert!(
        matches!(refusal, Err(WitnessError::Conflict(_))),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn an_answer_without_a_valid_cosignature_counts_for_nothing() {
    let lines = "\u{2014} witness.example/w3 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
    for answers in [
        &*Box::leak(Box::new([("200 OK", "text/plain", lines)])),
        &[("200 OK", "text/plain", "")],
        &[("409 Conflict", "text/plain", "7\n")],
        &[("500 Oh", "text/plain", "")],
        &[("403 Forbidden", "text/plain", "")],
    ] {
        let liar = liar(answers).await;
        let (_, refusal) = ask(client(policy(&[(3, liar)], "any")), &Log::new(20, 20), 20).await;
        assert!(
            matches!(refusal, Err(WitnessError::NoQuorum(_))),
            "{refusal:?}"
        );
    }
}

#[tokio::test]
async fn the_server_bounds_bodies_and_answers_only_its_paths() {
    let dir = tempfile::tempdir().unwrap();
    let arrival_max = Duration::from_millis(300);
    let settings = ServerSettings {
        arrival_max,
        ..ServerSettings::default()
    };
    let one = start_with(dir.path(), 1, settings).await;
    let address = one.address();
    let add = |length: usize| {
        format!("POST /add-checkpoint HTTP/1.1\r\nhost: w\r\ncontent-length: {length}\r\n\r\n")
    };
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: w\r\nconnection: close\r\n\r\n");
    let known = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(ORIGIN));
    for (request, status) in [
        (format!("{}{}", add(300_000), "x".repeat(300_000)), "413"),
        (add(10), "408"),
        (get("/add-checkpoint"), "405"),
        (get("/"), "404"),
        (get(&format!("/{known}/checkpoint")), "404"),
        (get("/00/checkpoint"), "404"),
    ] {
        let head = raw(address, request.as_bytes()).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
    }
    let log = Log::new(3, 3);
    ask(client(policy(&[(1, url(&one))], "any")), &log, 3)
        .await
        .1
        .unwrap();
    let head = raw(address, get(&format!("/{known}/checkpoint")).as_bytes()).await;
    let (_, note) = head.split_once("\r\n\r\n").unwrap();
    assert_eq!(policy(&[(1, url(&one))], "any").open(note).unwrap().size, 3);
}
