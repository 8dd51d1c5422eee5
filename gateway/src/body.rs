//! The one response body type: whole bytes, or frames from a bounded channel.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;
use tokio::sync::mpsc;

/// Any error that ends a body early.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A response body.
#[derive(Debug)]
pub enum Body {
    /// All of it at once.
    Whole(Option<Bytes>),
    /// Piece by piece; an `Err` aborts the connection, so that a cut can never look whole.
    Pieces {
        /// Where the pieces come from.
        receiver: mpsc::Receiver<Result<Bytes, BoxError>>,
        /// How many of them the connection has taken.
        taken: Arc<AtomicU64>,
        /// The error that comes next, once what was sent before it has left.
        breaking: Option<BoxError>,
    },
}

impl Body {
    /// A body of these bytes.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Some(bytes.into()))
    }

    /// A body fed through a channel of `capacity` pieces: the way in, the body, and how many
    /// pieces the connection has taken.
    pub fn channel(
        capacity: usize,
    ) -> (mpsc::Sender<Result<Bytes, BoxError>>, Self, Arc<AtomicU64>) {
        let (sender, receiver) = mpsc::channel(capacity);
        let taken = Arc::new(AtomicU64::new(0));
        let body = Self::Pieces {
            receiver,
            taken: Arc::clone(&taken),
            breaking: None,
        };
        (sender, body, taken)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(
                bytes
                    .take()
                    .filter(|b| !b.is_empty())
                    .map(|b| Ok(Frame::data(b))),
            ),
            Self::Pieces {
                receiver,
                taken,
                breaking,
            } => {
                if let Some(error) = breaking.take() {
                    return Poll::Ready(Some(Err(error)));
                }
                match ready!(receiver.poll_recv(cx)) {
                    None => Poll::Ready(None),
                    Some(Ok(piece)) => {
                        taken.fetch_add(1, Ordering::Release);
                        Poll::Ready(Some(Ok(Frame::data(piece))))
                    }
                    Some(Err(error)) => {
                        // A body that fails takes along what the connection has not flushed, and
                        // it flushes when there is nothing to write.
                        *breaking = Some(error);
                        cx.waker().wake_by_ref();
                        Poll::Pending
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self {
            Self::Whole(bytes) => {
                http_body::SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64))
            }
            Self::Pieces { .. } => http_body::SizeHint::default(),
        }
    }
}
