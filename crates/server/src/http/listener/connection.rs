//! One connection from its first byte to its end.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::activity::{Activity, Phase, is_line_end};
use super::connections::Connections;
use super::head::{HeadTooLarge, MOST_FIELDS};
use super::sending::{ExchangeBody, Sent, known_bytes};
use super::socket::Socket;
use super::{Answers, EdgeErrors, ListenerLimits, OnlyHealthChecks, PeerAddress};

/// How every HTTP/2 connection begins when the client knows beforehand that the server speaks it.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long a peer may go on sending after the last answer before the connection is dropped.
const LINGER: Duration = Duration::from_secs(2);

/// Bytes of an HTTP/2 header list, which counts 32 for every field: enough for as many of the shortest fields
/// as a header section of the contract's size holds, and a request target of the contract's size.
const HTTP2_HEADER_LIST: u32 = 256 * 1024;

/// The contract's status of a server that has too much to do.
const OVERLOADED: StatusCode = match StatusCode::from_u16(529) {
    Ok(status) => status,
    Err(_) => StatusCode::SERVICE_UNAVAILABLE,
};

/// Everything that governs one connection.
pub(super) struct Attendant {
    pub(super) peer: PeerAddress,
    pub(super) limits: Arc<ListenerLimits>,
    pub(super) errors: EdgeErrors,
    pub(super) shutdown: CancellationToken,
    pub(super) activity: Arc<Activity>,
    pub(super) connections: Arc<Connections>,
    /// It is answered one health check, and closed.
    pub(super) only_health_checks: bool,
}

impl Attendant {
    /// Serves the connection until it ends, by its peer, by a time limit or by the shutdown.
    pub(super) async fn serve(self, mut stream: TcpStream, service: impl Answers) {
        // Without it small answers may wait for the acknowledgement of earlier ones.
        if stream.set_nodelay(true).is_err() {
            return;
        }
        match self.tell_protocol(&mut stream).await {
            Opening::Http1(start) => self.serve_http1(stream, start, service).await,
            Opening::Http2(start) => self.serve_http2(stream, start, service).await,
            Opening::Stopped => self.refuse(stream, self.head_timed_out()).await,
            Opening::Silent => {}
        }
    }

    /// Reads until the first bytes differ from HTTP/2's preface or are all of it.
    ///
    /// hyper-util's `auto` connection does the same without a time limit, which would let a peer
    /// that sends nothing stay forever.
    async fn tell_protocol(&self, stream: &mut TcpStream) -> Opening {
        let deadline = Instant::now() + self.limits.header_read_timeout;
        let mut buffer = [0; HTTP2_PREFACE.len()];
        let mut filled = 0;
        loop {
            let read = tokio::select! {
                biased;
                read = timeout_at(deadline, stream.read(&mut buffer[filled..])) => read,
                () = self.shutdown.cancelled(), if filled == 0 => return Opening::Silent,
            };
            match read {
                Ok(Ok(0) | Err(_)) => return Opening::Silent,
                Ok(Ok(bytes)) => filled += bytes,
                Err(_elapsed) if filled == 0 => return Opening::Silent,
                Err(_elapsed) => return Opening::Stopped,
            }
            let start = &buffer[..filled];
            if start == HTTP2_PREFACE {
                return Opening::Http2(Bytes::copy_from_slice(start));
            }
            if !HTTP2_PREFACE.starts_with(start) {
                return Opening::Http1(Bytes::copy_from_slice(start));
            }
        }
    }

    /// Serves HTTP/1.1, and once more with room for all the fields that the contract allows when a head
    /// has more than hyper usually holds: room for so many costs every request, and few need it.
    async fn serve_http1(&self, stream: TcpStream, start: Bytes, service: impl Answers) {
        let socket = Socket::http1(stream, start, Arc::clone(&self.activity));
        let usual = http1::Builder::new();
        let mut end = self.drive_http1(usual, socket, service.clone()).await;
        if end.may_have_too_many_fields() {
            let mut roomy = http1::Builder::new();
            roomy.max_headers(MOST_FIELDS);
            let stream = end.socket.into_stream();
            let socket = Socket::http1(stream, end.unparsed, Arc::clone(&self.activity));
            end = self.drive_http1(roomy, socket, service).await;
        }
        if let Some(response) = self.last_response(&end) {
            self.refuse(end.socket.into_stream(), response).await;
        } else if end.ending == Ending::Finished && !end.socket.at_end {
            linger(end.socket.into_stream()).await;
        }
    }

    async fn drive_http1(
        &self,
        mut builder: http1::Builder,
        socket: Socket<TcpStream>,
        service: impl Answers,
    ) -> Http1End {
        let answer = self.answering(service);
        let mut connection = builder
            // The timers of `Watch` know what hyper's does not: idle from half-sent.
            .header_read_timeout(None)
            // A client may close its side and still wait for the answer.
            .half_close(true)
            .max_buf_size(ListenerLimits::READ_BUFFER as usize)
            .serve_connection(TokioIo::new(socket), answer);
        let watch = Watch::new(self, Protocol::Http1);
        let close = http1::Connection::graceful_shutdown;
        let ending = watch.attend(Pin::new(&mut connection), close).await;
        let parts = connection.into_parts();
        Http1End {
            ending,
            socket: parts.io.into_inner(),
            unparsed: parts.read_buf,
        }
    }

    /// What an HTTP/1.1 peer is still owed when hyper is done, or we are done with hyper.
    fn last_response(&self, end: &Http1End) -> Option<Response<Bytes>> {
        let head_begun = match end.ending {
            Ending::TimedOut(Phase::Head) => true,
            Ending::TimedOut(Phase::Idle) => end.unparsed.iter().any(|byte| !is_line_end(*byte)),
            Ending::TimedOut(Phase::Busy) | Ending::ClosedIdle | Ending::Finished => false,
        };
        match end.socket.withheld() {
            Some(status) => Some(self.unparsable(status)),
            None if head_begun && end.socket.is_between_responses() => Some(self.head_timed_out()),
            None => None,
        }
    }

    async fn serve_http2(&self, stream: TcpStream, start: Bytes, service: impl Answers) {
        let socket = Socket::http2(stream, start, Arc::clone(&self.activity));
        let answer = self.answering(service);
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.limits.max_concurrent_streams)
            .max_header_list_size(HTTP2_HEADER_LIST)
            .max_send_buf_size(SEND_BUFFER)
            .keep_alive_interval(self.limits.ping_interval)
            .keep_alive_timeout(self.limits.ping_interval)
            .serve_connection(TokioIo::new(socket), answer);
        let watch = Watch::new(self, Protocol::Http2);
        let close = http2::Connection::graceful_shutdown;
        watch.attend(pin!(connection), close).await;
    }

    /// Adapts the service to hyper: requests know their peer, exchanges are counted, and a peer that does not
    /// take its answers waits with further ones.
    fn answering<S: Answers>(
        &self,
        service: S,
    ) -> impl hyper::service::Service<
        Request<Incoming>,
        Response = Response<ExchangeBody<S::Body>>,
        Error = Infallible,
        Future: Send + 'static,
    > + use<S> {
        let (peer, activity) = (self.peer, Arc::clone(&self.activity));
        let connections = Arc::clone(&self.connections);
        let errors = Arc::clone(&self.errors);
        let close = self.only_health_checks.then(|| self.shutdown.clone());
        service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            if let Some(close) = &close {
                request.extensions_mut().insert(OnlyHealthChecks);
                close.cancel();
            }
            let mut exchange = activity.begin_exchange();
            let (service, connections) = (service.clone(), Arc::clone(&connections));
            let errors = Arc::clone(&errors);
            // HTTP/2 has no such header, and is told otherwise.
            let is_last = close.is_some() && request.version() != Version::HTTP_2;
            async move {
                let can_be_repeated = request.method() == Method::GET;
                let head = || bytes_of_head(&request);
                exchange.wait_for_room(can_be_repeated, head).await;
                let response = service.oneshot(request).await?;
                let bytes = known_bytes(response.body());
                let response =
                    if connections.has_room_for(bytes) || !can_be_repeated || bytes <= SMALL_ANSWER
                    {
                        response.map(Sent::Left)
                    } else {
                        drop(response);
                        errors(OVERLOADED, NO_ROOM).map(|body| Sent::Right(Full::new(body)))
                    };
                let mut response = response.map(|body| ExchangeBody::new(body, exchange));
                if is_last {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(CONNECTION, close);
                }
                if response.status().canonical_reason().is_none() {
                    let reason = ReasonPhrase::from_static(reason(response.status()).as_bytes());
                    response.extensions_mut().insert(reason);
                }
                Ok(response)
            }
        })
    }

    fn unparsable(&self, status: StatusCode) -> Response<Bytes> {
        let message = match status {
            StatusCode::URI_TOO_LONG => HeadTooLarge::Target.to_string(),
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => HeadTooLarge::Headers.to_string(),
            _ => "The request is not valid HTTP; check its first line and its headers".to_owned(),
        };
        (self.errors)(status, &message)
    }

    fn head_timed_out(&self) -> Response<Bytes> {
        let limit = self.limits.header_read_timeout.as_secs_f64();
        let message = format!("The request head did not arrive within {limit} seconds");
        (self.errors)(StatusCode::REQUEST_TIMEOUT, &message)
    }

    /// Sends the last response of an HTTP/1.1 connection. The peer's failing to take it changes nothing.
    async fn refuse(&self, mut stream: TcpStream, response: Response<Bytes>) {
        let bytes = http1_bytes(&response);
        let sent = timeout(self.limits.header_read_timeout, stream.write_all(&bytes)).await;
        if matches!(sent, Ok(Ok(()))) {
            linger(stream).await;
        }
    }
}

/// What the first bytes of a connection tell.
enum Opening {
    Http1(Bytes),
    Http2(Bytes),
    /// A part of what could be either arrived, and then nothing.
    Stopped,
    /// Nothing arrived, or the peer left.
    Silent,
}

/// Bytes of a response that one HTTP/2 stream may hold while its peer does not take them.
const SEND_BUFFER: usize = 128 * 1024;

/// An answer that is sent however little room there is: an error, a health check, a profile.
const SMALL_ANSWER: usize = 64 * 1024;

const NO_ROOM: &str =
    "Too many answers wait for clients that do not read them; try again in a second";

/// What a request's head takes in memory, at least: field names and values lie apart from their table.
fn bytes_of_head(request: &Request<Incoming>) -> usize {
    const FIELD: usize = 128;
    let fields = request.headers().iter();
    let fields = fields.map(|(name, value)| name.as_str().len() + value.len() + FIELD);
    1024 + fields.sum::<usize>()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// How a connection came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Its peer or hyper ended it.
    Finished,
    /// It was idle and was closed, for the time or for the shutdown.
    ClosedIdle,
    /// The time limit of this phase passed. hyper was not done with it.
    TimedOut(Phase),
}

/// What is left of an HTTP/1.1 connection when hyper is done with it, or we are done with hyper.
struct Http1End {
    ending: Ending,
    socket: Socket<TcpStream>,
    /// What was read and not understood.
    unparsed: Bytes,
}

impl Http1End {
    /// hyper says the same of a head with too many fields and of one that fills its buffer.
    fn may_have_too_many_fields(&self) -> bool {
        self.ending == Ending::Finished
            && self.socket.withheld() == Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
            && self.unparsed.len() < ListenerLimits::READ_BUFFER as usize
    }
}

/// Drives a connection and judges how long each of its phases may last.
struct Watch<'a> {
    limits: &'a ListenerLimits,
    shutdown: &'a CancellationToken,
    connections: &'a Connections,
    activity: &'a Activity,
    protocol: Protocol,
    /// What was seen last, and since when it has been so.
    seen: Seen,
    since: Instant,
    /// The connection was told to close, when it was idle or not.
    told_to_close: Option<Phase>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    phase: Phase,
    requests: u64,
    bytes_moved: u64,
}

impl<'a> Watch<'a> {
    fn new(attendant: &'a Attendant, protocol: Protocol) -> Self {
        let activity = &*attendant.activity;
        Self {
            limits: &attendant.limits,
            shutdown: &attendant.shutdown,
            connections: &attendant.connections,
            seen: Seen::now(activity),
            activity,
            protocol,
            since: Instant::now(),
            told_to_close: None,
        }
    }

    /// Polls the connection until it ends or a limit passes; `close` asks it to end in order.
    async fn attend<C, E>(mut self, mut connection: Pin<&mut C>, close: fn(Pin<&mut C>)) -> Ending
    where
        C: Future<Output = Result<(), E>>,
    {
        let shutdown = self.shutdown;
        let mut shutdown = pin!(shutdown.cancelled());
        let mut alarm = pin!(sleep_until(self.deadline()));
        poll_fn(|context| {
            loop {
                if connection.as_mut().poll(context).is_ready() {
                    return Poll::Ready(self.finished());
                }
                self.look();
                let stopping = self.seen.phase != Phase::Head
                    && self.told_to_close.is_none()
                    && shutdown.as_mut().poll(context).is_ready();
                let overdue = self.poll_deadline(alarm.as_mut(), context).is_ready();
                if overdue && !self.may_close_in_order() {
                    if self.seen.phase == Phase::Busy {
                        self.connections.figures().count_cut("stalled");
                    }
                    return Poll::Ready(Ending::TimedOut(self.seen.phase));
                }
                if !stopping && !overdue {
                    return Poll::Pending;
                }
                self.told_to_close = Some(self.seen.phase);
                self.since = Instant::now();
                close(connection.as_mut());
            }
        })
        .await
    }

    /// An idle HTTP/2 connection is told to go away when its time is over, once. HTTP/1.1 has no
    /// words for it.
    fn may_close_in_order(&self) -> bool {
        self.protocol == Protocol::Http2
            && self.seen.phase == Phase::Idle
            && self.told_to_close.is_none()
    }

    fn finished(&self) -> Ending {
        match self.told_to_close {
            Some(Phase::Idle) => Ending::ClosedIdle,
            Some(Phase::Head | Phase::Busy) | None => Ending::Finished,
        }
    }

    /// Starts the time anew when something changed that the present limit is about.
    fn look(&mut self) {
        let now = Seen::now(self.activity);
        let same_state = now.phase == self.seen.phase && now.requests == self.seen.requests;
        // Dripping a head byte by byte, or answering pings, wins no time.
        let stalled = now.bytes_moved == self.seen.bytes_moved || now.phase != Phase::Busy;
        self.seen = now;
        if !(same_state && stalled) {
            self.since = Instant::now();
            self.activity.changed_at(self.since);
        }
    }

    fn deadline(&self) -> Instant {
        // Bytes may move without any of them being an answer's: the other answers', pings, empty frames.
        if let Some(since) = self.activity.untaken_since() {
            return since + self.limits.stall_timeout;
        }
        let closing = self.told_to_close.is_some();
        let awaits_first = self.protocol == Protocol::Http1 && self.seen.requests == 0;
        self.since
            + match self.seen.phase {
                Phase::Busy => self.limits.quiet_timeout,
                Phase::Head => self.limits.header_read_timeout,
                Phase::Idle if closing || awaits_first => self.limits.header_read_timeout,
                Phase::Idle => self.limits.idle_timeout,
            }
    }

    /// Ready when the deadline has passed.
    ///
    /// The alarm is set anew only to ring earlier. When it rings early, because the deadline has moved on
    /// since, it is set again; that spares most requests the cost of setting it.
    fn poll_deadline(&self, mut alarm: Pin<&mut Sleep>, context: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline();
        if deadline < alarm.deadline() {
            alarm.as_mut().reset(deadline);
        }
        while alarm.as_mut().poll(context).is_ready() {
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

impl Seen {
    fn now(activity: &Activity) -> Self {
        Self {
            phase: activity.phase(),
            requests: activity.requests(),
            bytes_moved: activity.bytes_moved(),
        }
    }
}

/// Tells the peer that nothing more comes, and reads and drops what it still sends, until it closes too or
/// [`LINGER`] has passed. hyper tells it too, but not when it breaks off an answer.
///
/// Closing a socket that holds unread input resets the connection, and the reset overtakes the answer: a
/// client that sends too much would see a broken connection instead of its 413.
async fn linger(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut sink = vec![0; 16 * 1024];
    let drained = async { while matches!(stream.read(&mut sink).await, Ok(bytes) if bytes > 0) {} };
    // Either way the connection is over.
    let _ = timeout(LINGER, drained).await;
}

/// Writes a response as the last one of an HTTP/1.1 connection.
fn http1_bytes(response: &Response<Bytes>) -> Bytes {
    let status = response.status();
    let body = response.body();
    let mut bytes = BytesMut::with_capacity(512 + body.len());
    let reason = reason(status);
    bytes.put_slice(format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).as_bytes());
    for (name, value) in response.headers() {
        if name != CONNECTION && name != CONTENT_LENGTH {
            put_field(&mut bytes, name.as_str(), value.as_bytes());
        }
    }
    put_field(
        &mut bytes,
        "content-length",
        body.len().to_string().as_bytes(),
    );
    put_field(&mut bytes, "connection", b"close");
    bytes.put_slice(b"\r\n");
    bytes.put_slice(body);
    bytes.freeze()
}

/// What HTTP/1.1 calls a status. Clients expect something there.
fn reason(status: StatusCode) -> &'static str {
    match status.as_u16() {
        529 => "Overloaded",
        _ => status.canonical_reason().unwrap_or("Unassigned"),
    }
}

fn put_field(bytes: &mut BytesMut, name: &str, value: &[u8]) {
    bytes.put_slice(name.as_bytes());
    bytes.put_slice(b": ");
    bytes.put_slice(value);
    bytes.put_slice(b"\r\n");
}
