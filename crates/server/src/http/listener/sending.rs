//! Answers on their way to the peer: how many of their bytes are held, and whether the peer takes them.
//!
//! A body is handed to hyper long before its bytes leave: HTTP/2 keeps what the peer's windows have no room
//! for, HTTP/1.1 what the socket does not take. So the pieces are wrapped instead of the body alone. hyper
//! advances a piece by what it has written and drops it when nothing is left or the stream is reset, and both are
//! seen here. The bytes of a piece share one allocation, hence all of them are held until the last is taken.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Either, Full};

use super::activity::{AnswerPart, Exchange};

/// Bytes of an answer that its peer must take for its time to start anew. With the default time of 75 seconds
/// that is some 220 bytes a second: slower than any line a client is on, faster than dripping is worth.
const WORTH_MENTIONING: usize = 16 * 1024;

/// What the listener answers with: what the service made, or an answer of its own in place of it.
pub(super) type Sent<B> = Either<B, Full<Bytes>>;

/// A response body that ends its exchange when hyper has it whole, and its answer when the peer does.
#[derive(Debug)]
pub(super) struct ExchangeBody<B> {
    body: Sent<B>,
    /// `None` when the last piece has gone, and for an answer without a body.
    answer: Option<AnswerPart>,
    /// Bytes that are held before they have become pieces.
    held: usize,
    exchange: Exchange,
}

/// The bytes of a body that are known before it is read.
pub(super) fn known_bytes(body: &impl Body) -> usize {
    usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX)
}

impl<B> ExchangeBody<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
{
    pub(super) fn new(body: Sent<B>, mut exchange: Exchange) -> Self {
        let held = known_bytes(&body);
        exchange.activity().hold(held);
        exchange.is_answered(held);
        let answer =
            (!body.is_end_stream()).then(|| AnswerPart::first(exchange.activity(), held > 0));
        Self {
            body,
            answer,
            held,
            exchange,
        }
    }
}

impl<B> ExchangeBody<B> {
    /// A piece of the body, held until the peer has taken it.
    fn piece(&mut self, bytes: Bytes, is_last: bool) -> Piece {
        let activity = self.exchange.activity();
        let known = self.held.min(bytes.len());
        self.held -= known;
        activity.hold(bytes.len() - known);
        let answer = self
            .answer
            .take()
            .unwrap_or_else(|| AnswerPart::first(activity, true));
        if !is_last {
            self.answer = Some(answer.another());
        }
        Piece {
            held: bytes.len(),
            bytes,
            taken: 0,
            answer,
        }
    }
}

impl<B> Drop for ExchangeBody<B> {
    fn drop(&mut self) {
        self.exchange.activity().release(self.held);
    }
}

impl<B> Body for ExchangeBody<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
{
    type Data = Piece;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, Self::Error>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let is_last = self.body.is_end_stream();
                let frame = frame.map_data(|bytes| self.piece(bytes, is_last));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                if let Some(answer) = &self.answer {
                    answer.is_not_ready();
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A piece of a body on its way.
#[derive(Debug)]
pub(super) struct Piece {
    bytes: Bytes,
    held: usize,
    /// Since the last time that was worth mentioning.
    taken: usize,
    answer: AnswerPart,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.taken += count;
        if self.taken >= WORTH_MENTIONING {
            self.taken = 0;
            self.answer.renew();
        }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.answer.activity().release(self.held);
    }
}
