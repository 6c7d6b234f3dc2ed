//! What a connection is doing, as its socket and its service see it, for the timers to judge.
//!
//! hyper does not say in which state a connection is. Its socket sees bytes come, and its service sees
//! requests start and responses end; together they tell the three states a timer must tell apart.
//!
//! One thing is not seen: a second head that arrived half in the same read as the first. Such a
//! connection counts as idle, so its head times out by the longer of the two limits.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};

/// Counters of one connection. HTTP/2 runs its requests on other tasks, hence atomics.
#[derive(Debug, Default)]
pub(super) struct Activity {
    requests: AtomicU64,
    in_flight: AtomicUsize,
    bytes_moved: AtomicU64,
    head_begun: AtomicBool,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The peer's next request.
    Idle,
    /// The rest of a request head.
    Head,
    /// A request's body, its answer, or the peer's taking of it.
    Busy,
}

impl Activity {
    pub(super) fn phase(&self) -> Phase {
        if self.in_flight.load(Ordering::Relaxed) > 0 {
            Phase::Busy
        } else if self.head_begun.load(Ordering::Relaxed) {
            Phase::Head
        } else {
            Phase::Idle
        }
    }

    /// Requests that have reached the service so far.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Bytes read and written so far.
    pub(super) fn bytes_moved(&self) -> u64 {
        self.bytes_moved.load(Ordering::Relaxed)
    }

    pub(super) fn moved(&self, bytes: usize) {
        self.bytes_moved.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A part of a request head arrived.
    pub(super) fn begin_head(&self) {
        self.head_begun.store(true, Ordering::Relaxed);
    }

    /// A request head was complete. The exchange lasts until the guard is dropped.
    pub(super) fn begin_exchange(self: &Arc<Self>) -> Exchange {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.head_begun.store(false, Ordering::Relaxed);
        Exchange(Arc::clone(self))
    }
}

/// A request between its head and the end of its response body.
#[derive(Debug)]
pub(super) struct Exchange(Arc<Activity>);

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A response body that ends its exchange when hyper is done with it.
#[derive(Debug)]
pub(super) struct ExchangeBody<B> {
    body: B,
    _exchange: Exchange,
}

impl<B> ExchangeBody<B> {
    pub(super) fn new(body: B, exchange: Exchange) -> Self {
        Self {
            body,
            _exchange: exchange,
        }
    }
}

impl<B: Body + Unpin> Body for ExchangeBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Old clients send an empty line after a body. hyper skips it, and it begins no head.
pub(super) fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}
