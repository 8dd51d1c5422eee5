//! Releases a stream frame by frame: judged first, recorded before its end, never just cut.
//!
//! A pump task reads the upstream and sends what may leave; an engine without any I/O decides what
//! that is. The caller's response begins with the first release, so that a block decided before it
//! is a plain refusal and not a stream.

mod engine;
mod outlet;
mod pump;
mod stop;
mod transcript;

use std::sync::Arc;

use countersign_record::Finish;
use countersign_wire::{Framing, RefusalKind};
use http::{Response, response};
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tracing::Instrument;

use crate::body::Body;
use crate::exchange::{Exchange, Gateway};
use crate::refusal::Fault;
use crate::release::answer_with;
use outlet::Outlet;
use pump::Pump;

/// How a stream opens.
#[derive(Debug)]
enum Opening {
    /// Frames follow.
    Begin,
    /// Nothing was released and nothing will be.
    Refuse(Fault),
}

/// Starts the pump and waits for its first word.
pub(crate) async fn release(
    gateway: Arc<Gateway>,
    exchange: &Exchange,
    (head, framing): (response::Parts, Framing),
    body: Incoming,
) -> Result<Response<Body>, Fault> {
    let Some(place) = gateway.under_way.place() else {
        let message = "The gateway carries as many streams as it may. Try again later.";
        let fault = Fault::new(RefusalKind::Overloaded, message);
        let observed = gateway.evidence.observe();
        let closed = gateway.closed(exchange, observed, fault, Finish::Blocked);
        return Err(closed.await);
    };
    let (outlet, released) = Outlet::new(gateway.limits.write_stall_max);
    let (opening, opened) = oneshot::channel();
    let pump = Pump::new(
        Arc::clone(&gateway),
        exchange.clone(),
        (head.status, framing),
        (outlet, opening),
    );
    let pumping = pump.run(body).instrument(exchange.trace.span());
    gateway.under_way.spawn(async move {
        pumping.await;
        drop(place);
    });
    match opened.await {
        Ok(Opening::Begin) => Ok(answer_with(&head, released, exchange.input_effect)),
        Ok(Opening::Refuse(fault)) => Err(fault),
        Err(_gone) => {
            let message = "The stream ended before it began.";
            Err(Fault::new(RefusalKind::Internal, message))
        }
    }
}
