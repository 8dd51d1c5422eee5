//! Bodies that grow when they are decoded: refused, and never held in memory.

use std::io::Write as _;

use async_compression::Level;
use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
use countersign_tests::client::Client;
use countersign_tests::gateway::{Gateway, Setup};
use countersign_tests::ledger;
use countersign_tests::stand_in::StandIn;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

const CHAT: &str = "/v1/chat/completions";
const MIB: usize = 1 << 20;
const EXPANDED: usize = 1024 * MIB;
/// The default of `limits.body_bytes_max`.
const CAP: usize = 32 * MIB;

/// Feeds a JSON string of `EXPANDED` bytes.
async fn fill<W: AsyncWrite + Unpin>(encoder: &mut W) {
    let piece = vec![b'0'; MIB];
    encoder.write_all(b"\"").await.unwrap();
    for _mib in 0..EXPANDED / MIB {
        encoder.write_all(&piece).await.unwrap();
    }
    encoder.write_all(b"\"").await.unwrap();
    encoder.shutdown().await.unwrap();
}

async fn bomb(encoding: &str) -> Vec<u8> {
    let mut out = Vec::new();
    match encoding {
        "gzip" => fill(&mut GzipEncoder::with_quality(&mut out, Level::Fastest)).await,
        "br" => fill(&mut BrotliEncoder::with_quality(&mut out, Level::Fastest)).await,
        "zstd" => fill(&mut ZstdEncoder::new(&mut out)).await,
        "deflate" => fill(&mut ZlibEncoder::with_quality(&mut out, Level::Fastest)).await,
        _ => {
            let inner = Box::pin(bomb("gzip")).await;
            let mut outer = flate2::write::GzEncoder::new(&mut out, flate2::Compression::best());
            outer.write_all(&inner).unwrap();
            outer.finish().unwrap();
        }
    }
    out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gibibyte_in_disguise_costs_less_than_twice_the_cap() {
    let upstream = StandIn::start().await;
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let gateway = Gateway::start(Setup::Upstream(&upstream.url()), &data).await;
    let small = serde_json::json!({ "model": "plain", "messages": [{ "role": "user", "content": "Hello" }] });
    let answer = Client::new()
        .post(&gateway.url(CHAT), &small)
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    for encoding in ["gzip", "br", "zstd", "deflate", "gzip, gzip"] {
        let bytes = bomb(encoding).await;
        let (sent, before) = (bytes.len(), gateway.peak_memory());
        let headers = [("content-encoding", encoding)];
        let answer = Client::new()
            .post_bytes(&gateway.url(CHAT), bytes, &headers)
            .await
            .unwrap();
        assert_eq!(answer.status, 413, "{encoding}: {}", answer.text());
        let grown = gateway.peak_memory() - before;
        println!(
            "{encoding}: {sent} bytes sent, memory grew by {} KiB",
            grown / 1024
        );
        assert!(grown < 2 * CAP, "{encoding}: memory grew by {grown} bytes");
    }
    assert_eq!(upstream.seen().len(), 1, "a bomb was forwarded");
    gateway.stop().await;
    ledger::verify_by_binary(&data).expect_code(0);
    assert_eq!(ledger::decisions(&ledger::records(&data)).len(), 6);
}
