//! The listener over real sockets. Time limits are short here; a test waits for events, not for times,
//! and only asserts that nothing ended much too early or far too late.

mod crowd;
mod draining;
mod heads;
mod http2;
mod patience;
mod readers;

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{Extension, Request as AxumRequest};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response as AxumResponse};
use axum::routing::{get, post};
use rstest::rstest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::*;

const SHORT: Duration = Duration::from_millis(150);
const LONG: Duration = Duration::from_secs(20);

/// More than the kernel takes from the server for a client that reads nothing.
const LARGE: usize = 24 * 1024 * 1024;

const SOME_MIB: usize = 3 * 1024 * 1024;

/// A listener on a free port, with a few routes to call.
struct TestListener {
    address: SocketAddr,
    shutdown: CancellationToken,
    serving: JoinHandle<Drained>,
    figures: Figures,
    /// Told when `/slow` begins, and tells `/slow` to end.
    slow_began: Arc<Notify>,
    slow_may_end: Arc<Notify>,
    slow_ended: Arc<AtomicUsize>,
}

fn limits() -> ListenerLimits {
    ListenerLimits {
        header_read_timeout: LONG,
        idle_timeout: LONG,
        quiet_timeout: LONG,
        stall_timeout: LONG,
        drain_timeout: LONG,
        ..ListenerLimits::default()
    }
}

async fn start(limits: ListenerLimits) -> TestListener {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let figures = Figures::default();
    let slow_began = Arc::new(Notify::new());
    let slow_may_end = Arc::new(Notify::new());
    let slow_ended = Arc::new(AtomicUsize::new(0));
    let slow = {
        let (began, may_end) = (Arc::clone(&slow_began), Arc::clone(&slow_may_end));
        let ended = Arc::clone(&slow_ended);
        move || async move {
            began.notify_one();
            may_end.notified().await;
            ended.fetch_add(1, Ordering::SeqCst);
            "slow"
        }
    };
    let router = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/echo", post(|body: String| async move { body }))
        .route("/refuse", post(|| async { StatusCode::PAYLOAD_TOO_LARGE }))
        .route("/slow", get(slow))
        .route("/peer", get(peer))
        .route("/late", get(late))
        .route("/large", get(|| async { vec![b'x'; LARGE] }))
        .route("/asked-of-a-database", get(asked_of_a_database))
        .layer(from_fn(refuse_large_heads));
    let listener = Listener {
        socket,
        limits,
        errors: Arc::new(edge_error),
        figures: figures.clone(),
    };
    let serving = tokio::spawn(listener.serve(router, shutdown.clone()));
    TestListener {
        address,
        shutdown,
        serving,
        figures,
        slow_began,
        slow_may_end,
        slow_ended,
    }
}

async fn peer(Extension(PeerAddress(address)): Extension<PeerAddress>) -> String {
    address.to_string()
}

/// Answers of some size that are made together while their requests wait for one another.
async fn asked_of_a_database() -> Vec<u8> {
    tokio::time::sleep(SHORT).await;
    vec![b'x'; SOME_MIB]
}

async fn late(late: Option<Extension<OnlyHealthChecks>>) -> &'static str {
    if late.is_some() { "late" } else { "in time" }
}

async fn refuse_large_heads(request: AxumRequest, next: Next) -> AxumResponse {
    let (parts, body) = request.into_parts();
    if let Err(too_large) = check_head(&parts) {
        return (too_large.status(), "by the router").into_response();
    }
    next.run(AxumRequest::from_parts(parts, body)).await
}

fn edge_error(status: StatusCode, message: &str) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .header("request-id", "req_edge")
        .body(Bytes::from(format!("{{\"message\":\"{message}\"}}")))
        .unwrap()
}

impl TestListener {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends these bytes on a connection of their own and reads until it closes.
    async fn exchange(&self, sent: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        stream.write_all(sent.as_ref()).await.unwrap();
        rest_of(&mut stream).await
    }

    async fn wait_for_connections(&self, expected: i64) {
        let reached = async {
            while self.figures.connections.get() != expected {
                tokio::task::yield_now().await;
            }
        };
        timeout(LONG, reached).await.expect("the gauge settles");
    }
}

async fn rest_of(stream: &mut TcpStream) -> String {
    let mut received = Vec::new();
    timeout(LONG, stream.read_to_end(&mut received))
        .await
        .expect("the connection closes")
        .expect("it is not reset");
    String::from_utf8(received).unwrap()
}

/// Reads one response of the router whose body is this.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut received = Vec::new();
    while !received.ends_with(end.as_bytes()) {
        let read = timeout(LONG, stream.read_buf(&mut received)).await;
        assert_ne!(read.expect("a response arrives").unwrap(), 0, "it closed");
    }
    String::from_utf8(received).unwrap()
}

fn edge_response(status: &str, message: &str) -> String {
    let body = format!("{{\"message\":\"{message}\"}}");
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nrequest-id: req_edge\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    )
}

fn not_http() -> String {
    edge_response(
        "400 Bad Request",
        "The request is not valid HTTP; check its first line and its headers",
    )
}

fn client() -> reqwest::ClientBuilder {
    // Another test may have installed it before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy()
}

fn http2_client() -> reqwest::Client {
    client().http2_prior_knowledge().build().unwrap()
}

async fn connect_with_little_room(server: &TestListener) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    socket.connect(server.address).await.unwrap()
}
