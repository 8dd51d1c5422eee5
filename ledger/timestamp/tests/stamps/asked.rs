//! The client against an authority that is honest, and against ones that are not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_ledger_timestamp::{
    Authority as Settings, ClientError, Expected, Roots, StampError, TsaClient, verify,
};
use countersign_tests::certificates;
use tokio_rustls::TlsAcceptor;

use crate::authority::{Authority, Key};
use crate::http::{Manner, Server};
use crate::note;

/// Whether an error is the one that is expected.
type Judge = fn(&ClientError) -> bool;

#[tokio::test(flavor = "multi_thread")]
async fn what_the_client_returns_verifies() {
    let Some(authority) = Authority::with(Key::Rsa) else {
        return;
    };
    let root = authority.root();
    let note = note(8);
    let server = Server::start(Arc::new(authority), note.clone()).await;
    for roots in [None, Some(root.as_slice())] {
        let reply = server.client(roots).stamp(note.as_bytes()).await.unwrap();
        let roots = Roots::from_pem(&root).unwrap();
        let stamp = verify(&reply.der, note.as_bytes(), &roots, &Expected::default()).unwrap();
        assert_eq!(stamp.time, reply.time);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_does_not_do_its_work_is_told_apart_from_the_others() {
    let Some(authority) = Authority::with(Key::P256) else {
        return;
    };
    let note = note(8);
    let server = Server::start(Arc::new(authority), note.clone()).await;
    let client = server.client(None);
    let faults: [(Manner, Judge); 5] = [
        (Manner::Refusing, |e| {
            matches!(e, ClientError::Stamp(StampError::NotGranted { .. }))
        }),
        (Manner::Replaying, |e| {
            matches!(e, ClientError::Stamp(StampError::Nonce))
        }),
        (Manner::Page, |e| matches!(e, ClientError::MediaType)),
        (
            Manner::Busy,
            |e| matches!(e, ClientError::Status(status) if status.as_u16() == 503),
        ),
        (Manner::Flooding, |e| matches!(e, ClientError::TooLong)),
    ];
    for (manner, is_it) in faults {
        server.behave(manner);
        let error = client.stamp(note.as_bytes()).await.unwrap_err();
        assert!(is_it(&error), "{manner:?}: {error}");
    }
    server.behave(Manner::Honest);
    client.stamp(note.as_bytes()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_of_a_foreign_root_is_refused_where_roots_are_configured() {
    let (Some(authority), Some(other)) = (Authority::with(Key::P256), Authority::with(Key::P256))
    else {
        return;
    };
    let note = note(8);
    let server = Server::start(Arc::new(authority), note.clone()).await;
    let client = server.client(Some(&other.root()));
    let error = client.stamp(note.as_bytes()).await.unwrap_err();
    let chain = matches!(error, ClientError::Stamp(StampError::Chain { .. }));
    assert!(chain, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_authority_is_waited_for_no_longer_than_allowed() {
    let Some(authority) = Authority::with(Key::P256) else {
        return;
    };
    let note = note(8);
    let server = Server::start(Arc::new(authority), note.clone()).await;
    server.behave(Manner::Silent);
    let url = format!("http://{}/", server.address).parse().unwrap();
    let patience = Duration::from_millis(300);
    let client = TsaClient::new(Settings {
        time_max: patience,
        ..Settings::at(url)
    });
    let start = Instant::now();
    let error = client.unwrap().stamp(note.as_bytes()).await.unwrap_err();
    let bounded = matches!(error, ClientError::TimedOut(limit) if limit == patience);
    assert!(bounded, "{error}");
    assert!(start.elapsed() < patience + Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_behind_tls_is_asked_when_it_is_trusted_and_only_then() {
    let Some(authority) = Authority::with(Key::P256) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let ca = certificates::Authority::new(folder.path(), "ca");
    let shown = ca.sign(folder.path(), "server");
    let tls = TlsAcceptor::from(Arc::new(ca.server(&shown)));
    let note = note(8);
    let server = Server::start_with(Arc::new(authority), note.clone(), Some(tls)).await;
    let client = |tls| {
        let url = format!("https://localhost:{}/", server.address.port());
        let url = url.parse().unwrap();
        TsaClient::new(Settings {
            tls,
            ..Settings::at(url)
        })
    };
    let own = ca.sign(folder.path(), "client");
    let trusting = client(Some(ca.client(Some(&own), "http/1.1"))).unwrap();
    trusting.stamp(note.as_bytes()).await.unwrap();
    let error = client(None)
        .unwrap()
        .stamp(note.as_bytes())
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::Unreachable(_)), "{error}");
    assert_eq!(server.asked(), 1);
}

#[test]
fn an_address_that_is_none_is_refused_before_anything_is_sent() {
    for address in ["/tsa", "ftp://tsa.example/", "tsa.example:80"] {
        let error = TsaClient::new(Settings::at(address.parse().unwrap())).unwrap_err();
        assert!(matches!(error, ClientError::Address(_)), "{error}");
    }
}
