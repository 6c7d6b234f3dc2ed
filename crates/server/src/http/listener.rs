//! The accept loop: from a bound port to requests that reach the router, and back to a quiet port.
//!
//! `axum::serve` keeps a connection open for as long as a client pleases to send its request head, so
//! that a few thousand idle sockets stop a server. This loop over hyper puts a time limit on every
//! state in which a connection waits for its peer, caps the number of connections, and drains.
//!
//! It also closes a gap in the contract: *every* response carries `request-id`, a JSON error and
//! `nosniff`, yet hyper answers what it cannot parse with a bare `400`, `414` or `431` of its own, and
//! a head that does not arrive in time not at all. [`socket`] withholds hyper's answer and
//! [`connection`] sends the one that [`EdgeErrors`] makes in its place.
//!
//! | a connection that … | is closed after | with |
//! | --- | --- | --- |
//! | has not sent a byte yet | [`ListenerLimits::header_read_timeout`] | nothing |
//! | has sent a part of a request head | [`ListenerLimits::header_read_timeout`] | `408` |
//! | waits between requests | [`ListenerLimits::idle_timeout`] | nothing, or `GOAWAY` |
//! | moves no byte during a request | [`ListenerLimits::stall_timeout`] | nothing |
//! | does not answer HTTP/2 pings | twice [`ListenerLimits::ping_interval`] | nothing |
//!
//! What remains hyper's: HTTP/2 framing errors, which are resets and not responses, and HTTP/2
//! header lists of several times the contract's size, which it answers with a bare `431`. Smaller
//! ones, and HTTP/1.1 heads up to [`ListenerLimits::READ_BUFFER`], reach the router, which asks [`check_head`].

mod activity;
mod connection;
mod head;
mod socket;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tower::Service;

pub use head::{HeadTooLarge, check_head};

/// Who is at the other end of the connection; in the extensions of every request.
///
/// It is the address of the TCP peer, hence of the nearest proxy if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// Makes the answer to what never became a request: status and message in, response out, with a
/// `request-id` of its own. The listener adds `content-length` and `connection: close`.
pub type EdgeErrors = Arc<dyn Fn(StatusCode, &str) -> Response<Bytes> + Send + Sync>;

/// A service that the listener can serve, such as `axum::Router`. Implemented for all that fit.
pub trait Answers:
    Service<
        Request<Incoming>,
        Response = Response<<Self as Answers>::Body>,
        Error = Infallible,
        Future: Send + 'static,
    > + Clone
    + Send
    + 'static
{
    /// The body of its responses.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static;
}

impl<S, B> Answers for S
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    type Body = B;
}

/// What the listener allows a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerLimits {
    /// Most connections at a time. Further ones wait in the kernel's backlog until one ends: a client
    /// sees a slow connect instead of an error, and the server no more memory in use.
    pub max_connections: usize,
    /// Longest time from the first byte of a request head (or from the connect) to its last.
    pub header_read_timeout: Duration,
    /// Longest time between two requests of one connection. Longer than the 5 seconds to 90 seconds
    /// for which common clients keep a pooled connection is wasted, shorter costs them a
    /// reconnect and, at worst, a request that meets the closing.
    pub idle_timeout: Duration,
    /// Longest time in which no byte moves in either direction while a request is in flight. It
    /// must exceed the time limits of reading a body and of making an answer, since both are quiet.
    pub stall_timeout: Duration,
    /// Longest time for requests in flight to finish once the shutdown began.
    pub drain_timeout: Duration,
    /// Most requests in flight on one HTTP/2 connection.
    pub max_concurrent_streams: u32,
    /// How often an HTTP/2 peer is pinged, and how long it may take to answer.
    pub ping_interval: Duration,
}

impl ListenerLimits {
    /// Bytes of a request head that are held: more than the 8 KiB target and the 32 KiB header section
    /// of the contract, so that ordinary excess is answered by the router.
    pub const READ_BUFFER: u32 = 128 * 1024;
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            header_read_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(90),
            stall_timeout: Duration::from_secs(75),
            drain_timeout: Duration::from_secs(30),
            max_concurrent_streams: 128,
            ping_interval: Duration::from_secs(20),
        }
    }
}

/// A bound port and what governs its connections.
pub struct Listener {
    /// The bound port.
    pub socket: TcpListener,
    /// What a connection is allowed.
    pub limits: ListenerLimits,
    /// Makes the answers to what never became a request.
    pub errors: EdgeErrors,
    /// Follows the number of open connections.
    pub connections: Gauge,
}

impl fmt::Debug for Listener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Listener")
            .field("socket", &self.socket)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still open at the deadline and were cut.
    pub cut: usize,
}

impl Listener {
    /// Serves until `shutdown` is cancelled, then drains.
    ///
    /// Draining closes the port at once, so that new connects are refused and reach another
    /// instance; closes idle connections; lets requests in flight finish, telling their clients that the
    /// connection closes; and cuts whatever is left after [`ListenerLimits::drain_timeout`].
    ///
    /// Nothing a peer does ends the loop. Errors of accepting, such as a lack of file descriptors, are
    /// logged and waited out.
    pub async fn serve(self, service: impl Answers, shutdown: CancellationToken) -> Drained {
        let limits = Arc::new(self.limits);
        let mut connections = JoinSet::new();
        loop {
            let room = connections.len() < limits.max_connections;
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(ended) = connections.join_next() => report(ended),
                (stream, peer) = accept(&self.socket), if room => {
                    let attendant = connection::Attendant {
                        peer: PeerAddress(peer),
                        limits: Arc::clone(&limits),
                        errors: Arc::clone(&self.errors),
                        shutdown: shutdown.clone(),
                    };
                    let open = OpenConnection::new(self.connections.clone());
                    let service = service.clone();
                    connections.spawn(async move {
                        attendant.serve(stream, service).await;
                        drop(open);
                    });
                }
            }
        }
        drop(self.socket);
        drain(connections, limits.drain_timeout).await
    }
}

async fn drain(mut connections: JoinSet<()>, deadline: Duration) -> Drained {
    let all_ended = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    if tokio::time::timeout(deadline, all_ended).await.is_ok() {
        return Drained { cut: 0 };
    }
    let cut = connections.len();
    connections.shutdown().await;
    Drained { cut }
}

/// The next connection, whatever it takes.
async fn accept(socket: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match socket.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_the_peers(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections; raise the limit of open files if this persists");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Accepting fails again at once while descriptors or memory lack; waiting keeps that from
/// using up the processor that the open connections need to finish.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// A connection that ended before it was accepted says nothing about the next one.
fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a connection's task panicked; its connection was dropped");
    }
}

/// Counts a connection for as long as it lives, however it ends.
struct OpenConnection(Gauge);

impl OpenConnection {
    fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}
