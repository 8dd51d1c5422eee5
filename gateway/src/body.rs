//! The one response body type: whole bytes, or frames from a bounded channel.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

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
            Self::Pieces { receiver, taken } => receiver.poll_recv(cx).map(|piece| {
                if let Some(Ok(_)) = piece {
                    taken.fetch_add(1, Ordering::Release);
                }
                piece.map(|p| p.map(Frame::data))
            }),
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
