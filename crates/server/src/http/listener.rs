//! The accept loop: from a bound port to requests that reach the router, and back to a quiet port.
//!
//! `axum::serve` keeps a connection open for as long as a client pleases to send its request head, so
//! that a few thousand idle sockets stop a server. This loop over hyper puts a time limit on every
//! state in which a connection waits for its peer, caps the number of connections, and drains.
//!
//! It also closes a gap in the contract: *every* response carries `request-id`, a JSON error and
//! `nosniff`, yet hyper answers what it cannot parse with a bare `400`, `414` or `431` of its own, and
//! a head that does not arrive in time not at all. `socket` withholds hyper's answer and
//! `connection` sends the one that [`EdgeErrors`] makes in its place.
//!
//! | a connection that … | is closed after | with |
//! | --- | --- | --- |
//! | has not sent a byte yet | [`ListenerLimits::header_read_timeout`] | nothing |
//! | has sent a part of a request head | [`ListenerLimits::header_read_timeout`] | `408` |
//! | waits between requests | [`ListenerLimits::idle_timeout`] | nothing, or `GOAWAY` |
//! | moves no byte before an answer begins | [`ListenerLimits::quiet_timeout`] | nothing |
//! | leaves an answer untaken | [`ListenerLimits::stall_timeout`] | nothing |
//! | does not answer HTTP/2 pings | twice [`ListenerLimits::ping_interval`] | nothing |
//!
//! What a peer does not take is held, so `sending` counts it: a connection that holds much waits with its
//! next requests, and when all together hold too much, or there are too many of them, `connections` says
//! which gives way (`docs/adr/0013-connections-that-give-way.md`).
//!
//! What remains hyper's: HTTP/2 framing errors, which are resets and not responses, and HTTP/2
//! header lists of several times the contract's size, which it answers with a bare `431`. Smaller
//! ones, and HTTP/1.1 heads up to [`ListenerLimits::READ_BUFFER`], reach the router, which asks [`check_head`].

mod activity;
mod connection;
mod connections;
mod head;
mod sending;
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
use ipnet::IpNet;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tower::Service;

pub use head::{HeadTooLarge, check_head};

use activity::Activity;
use connections::{BETWEEN_LOOKS, Connections};

/// Who is at the other end of the connection; in the extensions of every request.
///
/// It is the address of the TCP peer, hence of the nearest proxy if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// In the extensions of a request that came while every connection was taken: it is answered if it is a health
/// check, else refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnlyHealthChecks;

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
    /// Most connections at a time. For a further one the connection that has waited longest for its peer
    /// gives way. While none waits, a few more are let in for health checks alone, and the rest wait in the
    /// kernel's backlog.
    pub max_connections: usize,
    /// Most connections of one address, or of one IPv6 /64; without it a quarter of all.
    pub max_connections_per_address: Option<usize>,
    /// Networks whose addresses may have all connections, because many clients come from each.
    pub proxy_networks: Vec<IpNet>,
    /// Most bytes of answers that are held until their peers take them. An answer that would make it more is
    /// replaced by a 529 unless it is small, or was a change's.
    pub max_unsent: usize,
    /// Bytes of answers that one connection may hold before it waits with its next requests.
    pub max_unsent_per_connection: usize,
    /// Longest time from the first byte of a request head (or from the connect) to its last.
    pub header_read_timeout: Duration,
    /// Longest time between two requests of one connection. Longer than the 5 seconds to 90 seconds
    /// for which common clients keep a pooled connection is wasted, shorter costs them a
    /// reconnect and, at worst, a request that meets the closing.
    pub idle_timeout: Duration,
    /// Longest time in which no byte moves in either direction between a request's head and its answer. It
    /// must exceed the time limits of reading a body and of making an answer, since both are quiet.
    pub quiet_timeout: Duration,
    /// Longest time for a peer to take the next 16 KiB of an answer, or what is left of it.
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
            max_connections_per_address: None,
            proxy_networks: Vec::new(),
            max_unsent: 256 * 1024 * 1024,
            max_unsent_per_connection: 8 * 1024 * 1024,
            header_read_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(90),
            quiet_timeout: Duration::from_secs(75),
            stall_timeout: Duration::from_secs(75),
            drain_timeout: Duration::from_secs(30),
            max_concurrent_streams: 100,
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
    /// What is measured of it.
    pub figures: Figures,
}

/// What is measured of a listener. Clones measure together.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Open connections.
    pub connections: Gauge,
    /// Bytes of answers that are held until their peers take them. Listeners that share it share the room.
    pub unsent: Gauge,
    /// Connections that were cut, by reason.
    pub cut: Family<CutLabels, Counter>,
}

/// Why a connection was cut.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct CutLabels {
    /// `stalled`, `gave_way`, `memory` or `over_share`.
    pub reason: &'static str,
}

impl Figures {
    /// Counts a connection that was cut.
    pub(crate) fn count_cut(&self, reason: &'static str) {
        self.cut.get_or_create_owned(&CutLabels { reason }).inc();
    }
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
        let open = Arc::new(Connections::new(&limits, self.figures));
        let mut tasks = JoinSet::new();
        loop {
            let has_place = open.has_place();
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(ended) = tasks.join_next_with_id() => open.forget(report(ended)),
                // Nothing tells when one can give way.
                () = tokio::time::sleep(BETWEEN_LOOKS), if !has_place => {}
                (stream, peer) = accept(&self.socket), if has_place => {
                    let Some(place) = open.place(peer.ip()) else {
                        continue;
                    };
                    let figures = open.figures();
                    let unsent = figures.unsent.clone();
                    let activity = Activity::new(unsent, limits.max_unsent_per_connection);
                    let activity = Arc::new(activity);
                    let only_health_checks = place.for_health_checks;
                    let attendant = connection::Attendant {
                        peer: PeerAddress(peer),
                        limits: Arc::clone(&limits),
                        errors: Arc::clone(&self.errors),
                        shutdown: if only_health_checks {
                            shutdown.child_token()
                        } else {
                            shutdown.clone()
                        },
                        activity: Arc::clone(&activity),
                        connections: Arc::clone(&open),
                        only_health_checks,
                    };
                    let counted = OpenConnection::new(figures.connections.clone());
                    let service = service.clone();
                    let task = tasks.spawn(async move {
                        attendant.serve(stream, service).await;
                        drop(counted);
                    });
                    activity.is_served_by(task.clone());
                    open.enter(task.id(), activity, place);
                }
            }
        }
        drop(self.socket);
        drain(tasks, &open, limits.drain_timeout).await
    }
}

async fn drain(mut tasks: JoinSet<()>, open: &Connections, deadline: Duration) -> Drained {
    let all_ended = async {
        while let Some(ended) = tasks.join_next_with_id().await {
            open.forget(report(ended));
        }
    };
    if tokio::time::timeout(deadline, all_ended).await.is_ok() {
        return Drained { cut: 0 };
    }
    let cut = tasks.len();
    tasks.shutdown().await;
    open.forget_all();
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

/// Says which task ended, and logs that it panicked if it did.
fn report(ended: Result<(Id, ()), JoinError>) -> Id {
    match ended {
        Ok((task, ())) => task,
        Err(error) => {
            if error.is_panic() {
                tracing::error!("a connection's task panicked; its connection was dropped");
            }
            error.id()
        }
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
