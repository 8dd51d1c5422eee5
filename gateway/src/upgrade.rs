//! Upgraded connections: what is inside them is not evaluated, so they are refused unless the
//! route passes them, and then their records say so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use countersign_record::{Action, Decision, Delivery, Effect, Finish, Side, Unscanned};
use countersign_wire::RefusalKind;
use http::header::{CONNECTION, HeaderMap, HeaderValue, UPGRADE};
use http::{Method, Response, StatusCode, Version, request};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::body::Body;
use crate::evidence::{Finding, Observed};
use crate::exchange::{Exchange, Gateway};
use crate::intake::{Content, UPGRADE_REASON};
use crate::limits::Limits;
use crate::refusal::{self, Fault};
use crate::release::answer_with;
use crate::route::{Route, Upgrades};

/// The one protocol that is tunnelled.
const WEBSOCKET: &str = "websocket";
/// Bytes copied at once.
const BUFFER: usize = 16 << 10;

/// The upgraded connections that are open.
#[derive(Debug)]
pub struct Tunnels {
    slots: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Tunnels {
    /// At most `limits.upgrades_max` of them.
    pub fn new(limits: &Limits) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(limits.upgrades_max)),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Ends them all, and waits at most `patience` for their records.
    pub(crate) async fn drain(&self, patience: Duration) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("upgraded connections were still open when the drain ended");
        }
    }
}

/// What a request for another protocol is taken in as; `None` when it asks for none.
///
/// # Errors
/// [`Fault`] unless the route passes upgrades and the request is a sound wish for a websocket.
pub(crate) fn wished(head: &request::Parts, route: &Route) -> Result<Option<Content>, Fault> {
    let mut wishes = head.headers.get_all(UPGRADE).iter();
    let Some(wish) = wishes.next() else {
        return Ok(None);
    };
    let names_it = |value: &HeaderValue| {
        let text = value.to_str().unwrap_or_default();
        let mut names = text.split(',');
        names.any(|name| name.trim().eq_ignore_ascii_case("upgrade"))
    };
    let sound = head.method == Method::GET
        && head.version == Version::HTTP_11
        && wishes.next().is_none()
        && wish.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes())
        && head.headers.get_all(CONNECTION).iter().any(names_it);
    if sound && route.upgrades == Upgrades::PassUnevaluated {
        let protocol = WEBSOCKET;
        return Ok(Some(Content::Tunnel { protocol }));
    }
    let message = "Protocol upgrades are not supported on this route.";
    Err(Fault::new(RefusalKind::Unsupported, message))
}

/// Asks the upstream for what the caller asked.
pub(crate) fn pass_on_wish(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static(WEBSOCKET));
}

/// The two ends of a tunnel, and the place it takes.
struct Tunnel {
    caller: OnUpgrade,
    upstream: OnUpgrade,
    slot: OwnedSemaphorePermit,
}

impl Gateway {
    /// Passes on that the upstream has switched protocols, and everything after it.
    pub(crate) async fn tunnel(
        self: Arc<Self>,
        exchange: &Exchange,
        head: &mut request::Parts,
        answer: Response<Incoming>,
    ) -> Result<Response<Body>, Fault> {
        let slot = Arc::clone(&self.tunnels.slots).try_acquire_owned();
        let caller = head.extensions.remove::<OnUpgrade>();
        let (Ok(slot), Some(caller)) = (slot, caller) else {
            let message = "As many upgraded connections are open as may be. Try again later.";
            let fault = Fault::new(RefusalKind::Overloaded, message);
            let observed = self.evidence.observe();
            return Err(self
                .closed(exchange, observed, fault, Finish::Blocked)
                .await);
        };
        let mut answer = answer;
        let upstream = hyper::upgrade::on(&mut answer);
        let (answer, _body) = answer.into_parts();
        let mut response = answer_with(&answer, Body::whole(""), "not-evaluated");
        pass_on_wish(response.headers_mut());
        refusal::insert(response.headers_mut(), refusal::DECISION, "not-evaluated");
        let tunnel = Tunnel {
            caller,
            upstream,
            slot,
        };
        let gateway = Arc::clone(&self);
        let exchange = exchange.clone();
        self.tunnels.tasks.spawn(tunnel.run(gateway, exchange));
        Ok(response)
    }
}

impl Tunnel {
    async fn run(self, gateway: Arc<Gateway>, exchange: Exchange) {
        let mut observed = gateway.evidence.observe();
        let mut from_caller = 0;
        let (caller, upstream) = tokio::join!(self.caller, self.upstream);
        let finish = match (caller, upstream) {
            (Ok(caller), Ok(upstream)) => {
                let copied = (&mut observed, &mut from_caller);
                carry(&gateway, (caller, upstream), copied).await
            }
            (Err(_), _) => Finish::ClientGone,
            (_, Err(_)) => Finish::UpstreamFault,
        };
        observed.unscanned([
            Unscanned {
                reason: UPGRADE_REASON.to_owned(),
                kind: WEBSOCKET.to_owned(),
            },
            Unscanned {
                reason: "bytes_from_caller".to_owned(),
                kind: from_caller.to_string(),
            },
        ]);
        let finding = Finding {
            side: Side::Output,
            runs: Vec::new(),
            signals: Vec::new(),
            decision: Decision {
                effect: Effect::Permit,
                rules: Vec::new(),
                redact: Vec::new(),
                message: Some("not_evaluated".to_owned()),
            },
            action: Action::Forwarded,
            delivery: Some(Delivery {
                status: StatusCode::SWITCHING_PROTOCOLS.as_u16(),
                released_bytes: observed.forwarded_bytes(),
                exposed_bytes: 0,
                finish,
            }),
            usage: None,
        };
        if let Err(error) = gateway.evidence.tell(&exchange, observed, finding).await {
            tracing::error!(%error, "the end of an upgraded connection could not be recorded");
        }
        drop(self.slot);
    }
}

/// Copies both ways until an end, an error, a bound or the drain.
async fn carry(
    gateway: &Gateway,
    (caller, upstream): (Upgraded, Upgraded),
    (observed, from_caller): (&mut Observed, &mut u64),
) -> Finish {
    let (limits, began) = (&gateway.limits, Instant::now());
    let last = AtomicU64::new(0);
    let touch = || {
        let now = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        last.store(now, Ordering::Relaxed);
    };
    let (caller_reads, caller_writes) = tokio::io::split(TokioIo::new(caller));
    let (upstream_reads, upstream_writes) = tokio::io::split(TokioIo::new(upstream));
    let towards_caller = copy(upstream_reads, caller_writes, |bytes| {
        observed.received(bytes);
        observed.forwarded(bytes);
        touch();
    });
    let towards_upstream = copy(caller_reads, upstream_writes, |bytes| {
        *from_caller += bytes.len() as u64;
        touch();
    });
    let both = async { tokio::join!(towards_caller, towards_upstream) };
    let idle = async {
        loop {
            let silent_since = Duration::from_millis(last.load(Ordering::Relaxed));
            let silent = began.elapsed().saturating_sub(silent_since);
            match limits.upgrade_idle_max.checked_sub(silent) {
                Some(left) if !left.is_zero() => tokio::time::sleep(left).await,
                _ => return,
            }
        }
    };
    tokio::select! {
        (to_caller, to_upstream) = both => match (to_caller, to_upstream) {
            (Ok(()), Ok(())) => Finish::Complete,
            (Err(End::Read), _) | (_, Err(End::Write)) => Finish::UpstreamCut,
            (Err(End::Write), _) | (_, Err(End::Read)) => Finish::ClientGone,
        },
        () = idle => Finish::Blocked,
        () = tokio::time::sleep(limits.upgrade_duration_max) => Finish::Blocked,
        () = gateway.tunnels.stop.cancelled() => Finish::Blocked,
    }
}

/// Which side of a copy broke.
enum End {
    Read,
    Write,
}

async fn copy(
    reads: impl AsyncRead + Unpin,
    writes: impl AsyncWrite + Unpin,
    mut seen: impl FnMut(&[u8]),
) -> Result<(), End> {
    let (mut reads, mut writes) = (reads, writes);
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = reads.read(&mut buffer).await.map_err(|_e| End::Read)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            writes.shutdown().await.map_err(|_e| End::Write)?;
            return Ok(());
        }
        seen(bytes);
        writes.write_all(bytes).await.map_err(|_e| End::Write)?;
        writes.flush().await.map_err(|_e| End::Write)?;
    }
}
