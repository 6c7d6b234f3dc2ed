//! A connection's socket as hyper sees it: counts what moves, and withholds hyper's own responses.
//!
//! hyper answers an unparsable head by itself: status 400, 414 or 431 and no field but
//! `connection`, `content-length: 0` and `date`. It is the last thing hyper writes on a connection and
//! the only response that does not come from the service, whose responses always carry more
//! fields than these. [`Socket`] recognises exactly that text at the end of what it is
//! given, pretends to have written it, and remembers the status, so that the contract's error can be sent
//! instead once hyper lets go of the socket.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::{Activity, is_line_end};

/// Wraps the stream `S` of one connection.
#[derive(Debug)]
pub(super) struct Socket<S> {
    stream: S,
    /// What was read to tell the protocols apart, for hyper to read again.
    replay: Bytes,
    activity: Arc<Activity>,
    /// What only HTTP/1.1 needs.
    http1: Option<Http1>,
    /// The peer has closed its side.
    pub(super) at_end: bool,
}

#[derive(Debug, Default)]
struct Http1 {
    withheld: Option<StatusCode>,
    /// hyper has more to write than the socket took.
    unflushed: bool,
    /// The number of the head that `line_ended` speaks of.
    head: u64,
    line_ended: bool,
}

impl<S> Socket<S> {
    pub(super) fn http1(stream: S, replay: Bytes, activity: Arc<Activity>) -> Self {
        Self {
            http1: Some(Http1::default()),
            ..Self::http2(stream, replay, activity)
        }
    }

    pub(super) fn http2(stream: S, replay: Bytes, activity: Arc<Activity>) -> Self {
        Self {
            stream,
            replay,
            activity,
            http1: None,
            at_end: false,
        }
    }

    /// The status of the response that hyper meant to send and did not.
    ///
    /// hyper says 431 when its buffer is full, also if all of it is the request target.
    pub(super) fn withheld(&self) -> Option<StatusCode> {
        let http1 = self.http1.as_ref()?;
        let status = http1.withheld?;
        if status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE && !http1.line_ended {
            return Some(StatusCode::URI_TOO_LONG);
        }
        Some(status)
    }

    /// Whether a response now would follow a complete one, and not land in the middle of it.
    pub(super) fn is_between_responses(&self) -> bool {
        self.http1.as_ref().is_some_and(|http1| !http1.unflushed)
    }

    pub(super) fn into_stream(self) -> S {
        self.stream
    }

    fn record_read(&mut self, bytes: &[u8]) {
        self.activity.moved(bytes.len());
        if bytes.is_empty() {
            self.at_end = true;
        }
        let Some(http1) = &mut self.http1 else {
            return;
        };
        if self.activity.is_in_exchange() {
            return;
        }
        http1.record_head(self.activity.requests(), bytes);
        if bytes.iter().any(|byte| !is_line_end(*byte)) {
            self.activity.begin_head();
        }
    }

    fn record_write(&mut self, offered: usize, written: &Poll<io::Result<usize>>) {
        let taken = match written {
            Poll::Ready(Ok(bytes)) => *bytes,
            Poll::Ready(Err(_)) | Poll::Pending => 0,
        };
        self.activity.moved(taken);
        if let Some(http1) = &mut self.http1 {
            http1.unflushed = taken < offered;
            self.activity.set_unflushed(http1.unflushed);
        }
    }

    /// Where hyper's own response begins in what it wants to write.
    fn own_response(&self, bytes: &[u8]) -> Option<OwnResponse> {
        if self.http1.is_some() && !self.activity.is_in_exchange() {
            OwnResponse::find(bytes)
        } else {
            None
        }
    }

    fn withhold(&mut self, status: StatusCode) {
        if let Some(http1) = &mut self.http1 {
            http1.withheld = Some(status);
        }
    }
}

impl Http1 {
    fn record_head(&mut self, head: u64, bytes: &[u8]) {
        if self.head != head {
            self.head = head;
            self.line_ended = false;
        }
        self.line_ended = self.line_ended || bytes.contains(&b'\n');
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.replay.is_empty() {
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        } else {
            let again = self.replay.len().min(buffer.remaining());
            buffer.put_slice(&self.replay[..again]);
            self.replay.advance(again);
        }
        self.record_read(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let before_own = match self.own_response(bytes) {
            Some(own) if own.begins_at == 0 => {
                self.withhold(own.status);
                return Poll::Ready(Ok(bytes.len()));
            }
            Some(own) => &bytes[..own.begins_at],
            None => bytes,
        };
        let written = Pin::new(&mut self.stream).poll_write(context, before_own);
        self.record_write(bytes.len(), &written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let last = slices.iter().rfind(|slice| !slice.is_empty());
        if last.is_some_and(|last| self.own_response(last).is_some()) {
            // Rare enough to go slice by slice; the last one then arrives at `poll_write` alone.
            let first = slices.iter().find(|slice| !slice.is_empty());
            return self.poll_write(context, first.map_or(&[], |slice| slice));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.record_write(slices.iter().map(|slice| slice.len()).sum(), &written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.withheld().is_some() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A response that hyper made by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OwnResponse {
    begins_at: usize,
    status: StatusCode,
}

impl OwnResponse {
    /// Longer than any of them.
    const MOST_BYTES: usize = 256;

    fn find(bytes: &[u8]) -> Option<Self> {
        if !bytes.ends_with(b"\r\n\r\n") {
            return None;
        }
        let tail_at = bytes.len().saturating_sub(Self::MOST_BYTES);
        let tail = &bytes[tail_at..];
        // From the last line upwards: an answer without a body ends like this too, and is told by its first
        // field that hyper has not.
        let mut end = tail.len() - b"\r\n\r\n".len();
        let in_tail = loop {
            let before = tail[..end].iter().rposition(|byte| *byte == b'\n');
            let begin = before.map_or(0, |line_end| line_end + 1);
            let line = &tail[begin..end];
            if !is_own_field(line) {
                let word = line.windows(7).rposition(|word| word == b"HTTP/1.")?;
                break begin + word;
            }
            end = begin.checked_sub(b"\r\n".len())?;
        };
        Some(Self {
            begins_at: tail_at + in_tail,
            status: status_of(std::str::from_utf8(&tail[in_tail..]).ok()?)?,
        })
    }
}

fn status_of(head: &str) -> Option<StatusCode> {
    let mut lines = head.trim_end().split("\r\n");
    let status = match lines.next()?.split(' ').nth(1)? {
        "400" => StatusCode::BAD_REQUEST,
        "414" => StatusCode::URI_TOO_LONG,
        "431" => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        _ => return None,
    };
    lines
        .all(|line| is_own_field(line.as_bytes()))
        .then_some(status)
}

fn is_own_field(line: &[u8]) -> bool {
    line == b"content-length: 0" || line == b"connection: close" || line.starts_with(b"date: ")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const BARE: &str = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\
                        date: Sun, 15 Mar 2026 10:00:00 GMT\r\n\r\n";

    #[test]
    fn hypers_own_response_is_found_alone_and_behind_another() {
        let alone = OwnResponse::find(BARE.as_bytes()).unwrap();
        assert_eq!((alone.begins_at, alone.status.as_u16()), (0, 400));

        let earlier = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        let behind = OwnResponse::find(format!("{earlier}{BARE}").as_bytes()).unwrap();
        assert_eq!(behind.begins_at, earlier.len());
    }

    #[rstest]
    #[case::with_a_body("HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}")]
    #[case::of_the_service(
        "HTTP/1.1 400 Bad Request\r\nrequest-id: req_1\r\ncontent-length: 0\r\n\r\n"
    )]
    #[case::another_status("HTTP/1.1 204 No Content\r\ndate: x\r\n\r\n")]
    #[case::end_of_chunks("5\r\nHTTP/\r\n0\r\n\r\n")]
    #[case::quoted("HTTP/1.1 200 OK\r\nx: y\r\n\r\nHTTP/1.1 400 Bad Request\r\nx: y\r\n\r\n")]
    #[case::empty("")]
    fn nothing_else_is_taken_for_it(#[case] written: &str) {
        assert_eq!(OwnResponse::find(written.as_bytes()), None);
    }
}
