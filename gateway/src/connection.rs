//! One connection: its strict framing, its pulse, its bounds.

mod crowd;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::body::{Body, BoxError};
use crate::framing::{Flaw, Framing};
use crate::limits::Limits;

pub(crate) use crowd::Crowd;

/// How often a busy connection is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the connection says about whoever is at its other end. In each request's extensions.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// SHA-256 of its client certificate, where the listener asks for one.
    pub certificate: Option<[u8; 32]>,
    /// The flaw in this request's framing, if it has one. Nothing else of the request is true then.
    pub flaw: Option<Flaw>,
}

/// What a connection is doing, for those who bound it.
#[derive(Debug)]
pub(crate) struct Pulse {
    born: Instant,
    open: AtomicUsize,
    in_head: AtomicBool,
    quiet_since_ms: AtomicU64,
    /// Requests served.
    requests: AtomicU64,
    /// The number of the request whose framing has a flaw. None follows it.
    flaw: OnceLock<(u64, Flaw)>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            born: Instant::now(),
            open: AtomicUsize::new(0),
            // A fresh connection owes its first head.
            in_head: AtomicBool::new(true),
            quiet_since_ms: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            flaw: OnceLock::new(),
        }
    }
}

impl Pulse {
    /// Takes note of an exchange until the value returned is dropped; with it the flaw in the
    /// request's framing, if it has one.
    pub(crate) fn enter(self: &Arc<Self>) -> (Busy, Option<Flaw>) {
        self.open.fetch_add(1, Ordering::AcqRel);
        self.in_head.store(false, Ordering::Release);
        let number = self.requests.fetch_add(1, Ordering::AcqRel);
        let flaw = self.flaw.get().filter(|(flawed, _)| number >= *flawed);
        (Busy(Arc::clone(self)), flaw.map(|(_, flaw)| *flaw))
    }

    /// Since when the peer owes something, in milliseconds of the connection's life; `None` while
    /// an exchange is open.
    fn quiet_since_ms(&self) -> Option<u64> {
        let quiet = self.open.load(Ordering::Acquire) == 0;
        quiet.then(|| self.quiet_since_ms.load(Ordering::Acquire))
    }

    /// For how long the peer has owed something.
    pub(crate) fn quiet_for(&self) -> Option<Duration> {
        let since = Duration::from_millis(self.quiet_since_ms()?);
        Some(self.born.elapsed().saturating_sub(since))
    }

    fn quieten(&self) {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.quiet_since_ms.store(now, Ordering::Release);
    }

    fn head_begins(&self) {
        if !self.in_head.swap(true, Ordering::AcqRel) {
            self.quieten();
        }
    }

    fn head_ends(&self) {
        if self.in_head.swap(false, Ordering::AcqRel) {
            self.quieten();
        }
    }

    /// Resolves once the peer has owed a head, or kept an idle connection, for too long.
    pub(crate) async fn outlived(&self, limits: &Limits) {
        loop {
            let bound = if self.in_head.load(Ordering::Acquire) {
                limits.header_read_max
            } else {
                limits.keep_alive_max
            };
            match self.quiet_for() {
                None => tokio::time::sleep(LOOK_EVERY).await,
                Some(quiet) if quiet >= bound => return,
                Some(quiet) => tokio::time::sleep(bound.saturating_sub(quiet)).await,
            }
        }
    }
}

/// An open exchange of a connection.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Pulse>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.quieten();
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A response body whose exchange is open until it is dropped.
#[derive(Debug)]
pub(crate) struct Served {
    inner: Body,
    _busy: Busy,
}

impl Served {
    pub(crate) fn new(inner: Body, busy: Busy) -> Self {
        Self { inner, _busy: busy }
    }
}

impl http_body::Body for Served {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A transport that passes on well-framed requests alone, and gives up on a peer that does not
/// read.
#[derive(Debug)]
pub(crate) struct Guarded<T> {
    inner: T,
    framing: Framing,
    /// Bytes that may be read.
    ready: Vec<u8>,
    ready_from: usize,
    pulse: Arc<Pulse>,
    stall_max: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    refused: Option<Flaw>,
}

impl<T> Guarded<T> {
    pub(crate) fn new(inner: T, pulse: Arc<Pulse>, limits: &Limits) -> Self {
        Self {
            inner,
            framing: Framing::new(limits.head_bytes_max, limits.headers_max),
            ready: Vec::new(),
            ready_from: 0,
            pulse,
            stall_max: limits.write_stall_max,
            stalled: None,
            refused: None,
        }
    }

    fn take_ready(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let ready = self.ready.get(self.ready_from..).unwrap_or_default();
        if ready.is_empty() {
            return false;
        }
        let taken = ready.len().min(buf.remaining());
        buf.put_slice(ready.get(..taken).unwrap_or_default());
        self.ready_from += taken;
        if self.ready_from == self.ready.len() {
            self.ready.clear();
            self.ready_from = 0;
        }
        true
    }

    /// Reads `bytes` strictly. After a flaw in a head one last, empty request is passed on in its
    /// place, which the gateway refuses in its own words; a flaw in a body just ends it.
    fn take_in(&mut self, bytes: &[u8]) {
        let flaw = self.framing.feed(bytes, &mut self.ready).err();
        if let Some(flaw) = flaw {
            self.refused = Some(flaw);
            let flawed = (self.framing.heads(), flaw);
            if flaw.is_of_head() && self.pulse.flaw.set(flawed).is_ok() {
                let target = self.framing.refused_target().unwrap_or("/");
                let stand_in =
                    format!("POST {target} HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n");
                self.ready.extend_from_slice(stand_in.as_bytes());
            }
        }
        if self.framing.in_head() {
            self.pulse.head_begins();
        } else {
            self.pulse.head_ends();
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Guarded<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.take_ready(buf) {
                return Poll::Ready(Ok(()));
            }
            if let Some(flaw) = this.refused {
                // The answer to what was refused still has to leave; nothing more is read.
                return if flaw.is_of_head() {
                    Poll::Pending
                } else {
                    Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, flaw)))
                };
            }
            let before = buf.filled().len();
            ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
            let fresh = buf.filled().get(before..).unwrap_or_default();
            if fresh.is_empty() || this.framing.passes(fresh.len()) {
                return Poll::Ready(Ok(()));
            }
            let fresh = fresh.to_vec();
            buf.set_filled(before);
            this.take_in(&fresh);
        }
    }
}

impl<T: AsyncWrite + Unpin> Guarded<T> {
    /// Polls `write`; pending for too long is an error.
    fn bounded<R>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut T>, &mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        let polled = write(Pin::new(&mut self.inner), cx);
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let stall_max = self.stall_max;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(stall_max)));
        match stalled.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the peer does not read",
            ))),
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Guarded<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut()
            .bounded(cx, |inner, cx| inner.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut()
            .bounded(cx, |inner, cx| inner.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().bounded(cx, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().bounded(cx, AsyncWrite::poll_shutdown)
    }
}
