//! Ledgers of every shape that our writer leaves behind are accepted by everybody.

use std::{fs, ops::Range, path::Path, time::Duration};

use countersign_ledger::Ledger;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    common::{Home, members},
    equipment::{self, Equipment},
    judges,
};

/// Appends that wait at the same time; the ledger's queue takes more.
const SIDE_BY_SIDE: u64 = 2000;

/// A home whose ledger publishes when it is closed and not before.
pub(crate) fn quiet_home() -> Home {
    let mut home = Home::new();
    home.settings.publish_every = Duration::from_hours(1);
    home.settings.max_pending = 100_000;
    home
}

pub(crate) async fn fill(ledger: &Ledger, range: Range<u64>) {
    for start in range
        .clone()
        .step_by(usize::try_from(SIDE_BY_SIDE).unwrap())
    {
        let mut tasks = JoinSet::new();
        for i in start..range.end.min(start + SIDE_BY_SIDE) {
            let ledger = ledger.clone();
            tasks.spawn(async move { ledger.append(members(i)).await.unwrap() });
        }
        tasks.join_all().await;
    }
}

/// Opens, appends and closes, once for each number of entries.
pub(crate) async fn closed(runs: &[u64]) -> Home {
    let home = quiet_home();
    let mut from = 0;
    for entries in runs {
        let (ledger, _) = home.open();
        fill(&ledger, from..from + entries).await;
        ledger.close().await.unwrap();
        from += entries;
    }
    home
}

/// A ledger of published entries and of entries that wait in the log, as after a crash.
pub(crate) async fn crashed(published: u64, pending: u64) -> Home {
    let home = if published > 0 {
        closed(&[published]).await
    } else {
        quiet_home()
    };
    let (ledger, _) = home.open();
    fill(&ledger, published..published + pending).await;
    home
}

/// The newest segment of a ledger's log.
pub(crate) fn newest_segment(home: &Path) -> std::path::PathBuf {
    let segments = fs::read_dir(home.join("wal")).unwrap();
    let segments = segments.map(|item| item.unwrap().path());
    segments
        .filter(|path| path.extension().is_some_and(|e| e == "wal"))
        .max()
        .unwrap()
}

fn accepted(with: &Equipment, home: &Home) {
    let (data, tiles) = (home.path(), home.path().join("ledger"));
    assert_eq!(judges::ours(data, &home.name, None), Ok(()));
    assert_eq!(judges::python(with, data, &home.name, None), Ok(()));
    if tiles.join("checkpoint").exists() {
        let since = tiles.join("checkpoint");
        let since = Some(since.as_path());
        assert_eq!(judges::ours(&tiles, &home.name, since), Ok(()));
        assert_eq!(judges::python(with, &tiles, &home.name, since), Ok(()));
        assert_eq!(judges::go(with, &tiles, &home.name, since), Ok(()));
    }
}

#[tokio::test]
async fn ledgers_of_every_size_are_accepted_by_everybody() {
    let Some(with) = equipment::find("oracles::shapes::sizes") else {
        return;
    };
    for size in [0, 1, 2, 255, 256, 257, 512, 700] {
        accepted(&with, &closed(&[size]).await);
    }
}

#[tokio::test]
async fn ledgers_with_restarts_and_older_partial_tiles_are_accepted_by_everybody() {
    let Some(with) = equipment::find("oracles::shapes::restarts") else {
        return;
    };
    for runs in [&[10, 10][..], &[200, 100], &[0, 256, 44], &[300, 0, 212, 3]] {
        accepted(&with, &closed(runs).await);
    }
}

#[tokio::test]
async fn ledgers_with_pending_entries_are_accepted_by_everybody() {
    let Some(with) = equipment::find("oracles::shapes::pending") else {
        return;
    };
    for (published, pending) in [(0, 20), (250, 20), (256, 1), (300, 300)] {
        let home = crashed(published, pending).await;
        let found = countersign_ledger::verify::verify(home.path(), &home.name, None).unwrap();
        assert_eq!((found.entries, found.pending), (published, pending));
        accepted(&with, &home);
    }
}

#[tokio::test]
async fn ledgers_whose_log_was_torn_by_a_crash_are_accepted_by_everybody() {
    let Some(with) = equipment::find("oracles::shapes::torn") else {
        return;
    };
    let home = crashed(250, 20).await;
    let segment = newest_segment(home.path());
    let whole = fs::read(&segment).unwrap();
    for cut in [1, 7, 16, 400, 401] {
        fs::write(&segment, &whole[..whole.len() - cut]).unwrap();
        accepted(&with, &home);
    }
    let mut zeros = whole;
    zeros.extend([0; 4096]);
    fs::write(&segment, zeros).unwrap();
    accepted(&with, &home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_of_three_tile_levels_is_accepted_by_everybody() {
    let Some(with) = equipment::find("oracles::shapes::large") else {
        return;
    };
    let home = closed(&[69_000]).await;
    let older = home.path().join("older");
    fs::copy(home.path().join("ledger/checkpoint"), &older).unwrap();
    let (ledger, _) = home.open();
    fill(&ledger, 69_000..70_000).await;
    ledger.close().await.unwrap();
    let tiles = home.path().join("ledger");
    assert!(tiles.join("tile/2/000.p/1").exists());
    let since = Some(older.as_path());
    assert_eq!(judges::ours(home.path(), &home.name, since), Ok(()));
    assert_eq!(
        judges::python(&with, home.path(), &home.name, since),
        Ok(())
    );
    assert_eq!(judges::go(&with, &tiles, &home.name, since), Ok(()));
}

#[tokio::test]
async fn a_crash_in_the_first_publication_is_no_fault() {
    let Some(with) = equipment::find("oracles::shapes::first_publication") else {
        return;
    };
    let home = closed(&[300]).await;
    fs::remove_file(home.path().join("wal/clean")).unwrap();
    fs::remove_file(home.path().join("ledger/checkpoint")).unwrap();
    assert_eq!(judges::python(&with, home.path(), &home.name, None), Ok(()));
    drop(home.open());
    assert_eq!(judges::ours(home.path(), &home.name, None), Ok(()));
    accepted(&with, &home);
}

/// Members that strain the canonical form: order by UTF-16 units, escapes, extremes.
fn edges() -> Vec<Value> {
    let nest = |levels: usize| (1..levels).fold(json!([]), |inner, _| json!([inner]));
    vec![
        json!({}),
        json!({"\u{ffff}": 1, "\u{1f600}": 2, "\u{e9}": 3, "z": 4, "A": 5, "": 6}),
        json!({"attestatioz": 1, "attestation ": 2, "prew": 3, "seq0": 4, "\u{10ffff}": 5}),
        json!({"x": "\u{0}\u{8}\t\n\u{b}\u{c}\r\u{1f} \"\\/\u{7f}\u{80}\u{2028}\u{feff}\u{1f600}"}),
        json!({"x": [9_007_199_254_740_991_i64, -9_007_199_254_740_991_i64, 0, true, null, {}, []]}),
        json!({"x": nest(64), "y": {"chain_uid": 1, "ledger": {"handover": "x"}}}),
        json!({"x": "1e3", "y": [1, [2, [3, {"b": 1, "a": {"d": 1, "c": 2}}]]]}),
    ]
}

#[tokio::test]
async fn entries_at_the_edges_of_the_form_are_accepted_by_everybody() {
    let Some(with) = equipment::find("oracles::shapes::edges") else {
        return;
    };
    let home = quiet_home();
    let (ledger, _) = home.open();
    let append = async |members: Value| {
        let members = members.as_object().unwrap().clone();
        ledger.append(members).await
    };
    for members in edges() {
        append(members).await.unwrap();
    }
    let bare = append(json!({"x": ""})).await.unwrap();
    let bare = ledger.read(bare.index).unwrap().unwrap().len();
    append(json!({"x": "a".repeat(65_535 - bare)}))
        .await
        .unwrap();
    assert!(
        append(json!({"x": "a".repeat(65_536 - bare)}))
            .await
            .is_err()
    );
    ledger.close().await.unwrap();
    accepted(&with, &home);
}
