//! The listener over real sockets. Time limits are short here; a test waits for events, not for times,
//! and only asserts that nothing ended much too early or far too late.

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

#[tokio::test]
async fn a_connection_serves_requests_one_after_the_other() {
    let server = start(limits()).await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let response = read_until(&mut stream, "hello").await;
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
        assert!(response.contains("\r\ncontent-length: 5\r\n"), "{response}");
    }
    assert_eq!(server.figures.connections.get(), 1);
    drop(stream);
    server.wait_for_connections(0).await;
}

#[tokio::test]
async fn requests_know_their_peer() {
    let server = start(limits()).await;
    let mut stream = server.connect().await;
    let address = stream.local_addr().unwrap().to_string();
    stream
        .write_all(b"GET /peer HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut stream, &address).await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = start(limits()).await;
    let request = "POST /echo HTTP/1.1\r\ncontent-length: 1\r\n\r\n";
    let close = "GET / HTTP/1.1\r\nconnection: close\r\n\r\n";
    let received = server
        .exchange(format!("{request}a{request}b{request}c{close}"))
        .await;
    let bodies: Vec<&str> = received
        .split("HTTP/1.1 200 OK\r\n")
        .skip(1)
        .map(|response| response.split_once("\r\n\r\n").unwrap().1)
        .collect();
    assert_eq!(bodies, ["a", "b", "c", "hello"]);
}

#[rstest]
#[case::garbage_line("\u{1}\u{2}\u{3}\r\n\r\n")]
#[case::tls_client_hello("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\r\n")]
#[case::not_a_version("GET / HTTP/3.0\r\n\r\n")]
#[case::broken_http2_preface("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")]
#[case::bad_header("GET / HTTP/1.1\r\nbad header\r\n\r\n")]
#[case::bad_length("POST /echo HTTP/1.1\r\ncontent-length: many\r\n\r\n")]
#[case::two_lengths("POST /echo HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n")]
#[case::not_chunked_last("POST /echo HTTP/1.1\r\ntransfer-encoding: chunked, gzip\r\n\r\n")]
#[case::head("HEAD / HTTP/1.1\r\ncontent-length: many\r\n\r\n")]
#[tokio::test]
async fn what_cannot_be_parsed_gets_the_contracts_error(#[case] sent: &str) {
    let server = start(limits()).await;
    assert_eq!(server.exchange(sent).await, not_http());
}

#[tokio::test]
async fn garbage_behind_a_request_gets_the_contracts_error_behind_its_answer() {
    let server = start(limits()).await;
    let received = server.exchange("GET / HTTP/1.1\r\n\r\n\u{1}\r\n\r\n").await;
    let (first, second) = received.split_once("hello").unwrap();
    assert!(first.starts_with("HTTP/1.1 200 OK\r\n"), "{received}");
    assert_eq!(second, not_http());
}

#[rstest]
#[case::more_than_hyper_usually_holds(101)]
#[case::as_many_as_there_is_room_for(6_553)]
#[tokio::test]
async fn only_its_size_limits_a_header_section(#[case] fields: usize) {
    let server = start(limits()).await;
    let fields = "a:\r\n".repeat(fields);
    let crowded = format!(
        "POST /echo HTTP/1.1\r\n{}content-length: 1\r\n\r\n",
        &fields[20..]
    );
    let close = "GET / HTTP/1.1\r\nconnection: close\r\n\r\n";
    let received = server
        .exchange(format!("GET / HTTP/1.1\r\n\r\n{crowded}b{crowded}c{close}"))
        .await;
    let bodies: Vec<&str> = received
        .split("HTTP/1.1 200 OK\r\n")
        .skip(1)
        .map(|response| response.split_once("\r\n\r\n").unwrap().1)
        .collect();
    assert_eq!(bodies, ["hello", "b", "c", "hello"], "{received}");
}

#[tokio::test]
async fn more_fields_than_a_header_section_holds_are_431() {
    let server = start(limits()).await;
    let fields = "a:\r\n".repeat(6_554);
    let received = server
        .exchange(format!("GET / HTTP/1.1\r\n{fields}\r\n"))
        .await;
    let message = "The request header section exceeds 32768 bytes";
    let expected = edge_response("431 Request Header Fields Too Large", message);
    assert_eq!(received, expected);
}

#[tokio::test]
async fn only_its_size_limits_an_http2_header_list() {
    let server = start(limits()).await;
    let url = format!("http://{}/", server.address);
    let mut headers = reqwest::header::HeaderMap::new();
    for _ in 0..6_500 {
        headers.append("a", reqwest::header::HeaderValue::from_static(""));
    }
    let response = http2_client()
        .get(url)
        .headers(headers)
        .send()
        .await
        .unwrap();
    assert_eq!(response.text().await.unwrap(), "hello");
}

#[tokio::test]
async fn a_header_section_without_end_is_431() {
    let server = start(limits()).await;
    let value = "v".repeat(300 * 1024);
    let received = server
        .exchange(format!("GET / HTTP/1.1\r\nh: {value}"))
        .await;
    assert!(received.starts_with("HTTP/1.1 431 "), "{received}");
    assert!(received.contains("request-id: req_edge"), "{received}");
}

#[rstest]
#[case::hyper_can_hold(100 * 1024)]
#[case::hyper_cannot_hold(300 * 1024)]
#[tokio::test]
async fn an_enormous_target_is_414(#[case] bytes: usize) {
    let server = start(limits()).await;
    let target = "a".repeat(bytes);
    let received = server
        .exchange(format!("GET /{target} HTTP/1.1\r\n\r\n"))
        .await;
    let message = "The request target exceeds 8192 bytes";
    assert_eq!(received, edge_response("414 URI Too Long", message));
}

#[rstest]
#[case::target("414 URI Too Long", 10 * 1024, 10)]
#[case::headers("431 Request Header Fields Too Large", 10, 40 * 1024)]
#[tokio::test]
async fn ordinary_excess_reaches_the_router(
    #[case] status: &str,
    #[case] target: usize,
    #[case] value: usize,
) {
    let server = start(limits()).await;
    let (target, value) = ("a".repeat(target), "v".repeat(value));
    let received = server
        .exchange(format!(
            "GET /{target} HTTP/1.1\r\nh: {value}\r\nconnection: close\r\n\r\n"
        ))
        .await;
    assert!(
        received.starts_with(&format!("HTTP/1.1 {status}\r\n")),
        "{received}"
    );
    assert!(received.ends_with("by the router"), "{received}");
}

fn impatient() -> ListenerLimits {
    ListenerLimits {
        header_read_timeout: SHORT,
        ..limits()
    }
}

#[rstest]
#[case::line("GET / HT")]
#[case::headers("GET / HTTP/1.1\r\nhost: a\r\n")]
#[case::http2_preface("PRI * HTTP/2.0\r\n")]
#[tokio::test]
async fn a_half_sent_head_is_408_after_the_limit(#[case] sent: &str) {
    let server = start(impatient()).await;
    let began = Instant::now();
    let received = server.exchange(sent).await;
    let message = "The request head did not arrive within 0.15 seconds";
    assert_eq!(received, edge_response("408 Request Timeout", message));
    assert!(began.elapsed() >= SHORT);
}

#[tokio::test]
async fn a_second_half_sent_head_is_408_too() {
    let server = start(impatient()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    read_until(&mut stream, "hello").await;
    stream.write_all(b"GET / HT").await.unwrap();
    let received = rest_of(&mut stream).await;
    assert!(received.starts_with("HTTP/1.1 408 "), "{received}");
}

/// Nothing shows on its socket when this head began, so the idle limit stands in.
#[tokio::test]
async fn a_half_sent_head_that_came_along_with_a_request_is_408_too() {
    let server = start(ListenerLimits {
        idle_timeout: SHORT,
        ..limits()
    })
    .await;
    let mut stream = server.connect().await;
    let request = b"GET / HTTP/1.1\r\n\r\n";
    stream.write_all(request).await.unwrap();
    read_until(&mut stream, "hello").await;
    stream
        .write_all(&[request, &b"GET / HT"[..]].concat())
        .await
        .unwrap();
    let received = rest_of(&mut stream).await;
    let (_, second) = received.split_once("hello").unwrap();
    assert!(second.starts_with("HTTP/1.1 408 "), "{received}");
}

#[tokio::test]
async fn a_head_that_drips_in_wins_no_time() {
    let server = start(impatient()).await;
    let (mut reader, mut writer) = server.connect().await.into_split();
    let dripping = tokio::spawn(async move {
        writer.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        while writer.write_all(b"a: b\r\n").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    });
    let mut received = vec![0; 32];
    let read = timeout(LONG, reader.read_exact(&mut received)).await;
    read.expect("it is cut off").unwrap();
    assert!(received.starts_with(b"HTTP/1.1 408 "));
    dripping.abort();
}

#[rstest]
#[case::nothing("")]
#[case::empty_lines("\r\n")]
#[tokio::test]
async fn a_connection_that_sends_no_request_is_closed_in_silence(#[case] sent: &str) {
    let server = start(impatient()).await;
    assert_eq!(server.exchange(sent).await, "");
}

#[tokio::test]
async fn an_idle_connection_outlives_the_header_limit_and_not_the_idle_limit() {
    let server = start(ListenerLimits {
        header_read_timeout: SHORT / 10,
        idle_timeout: SHORT,
        ..limits()
    })
    .await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    read_until(&mut stream, "hello").await;
    let idle = Instant::now();
    assert_eq!(rest_of(&mut stream).await, "");
    assert!(idle.elapsed() >= SHORT * 9 / 10);
}

#[tokio::test]
async fn a_body_that_stops_is_cut_after_the_quiet_limit() {
    let server = start(ListenerLimits {
        quiet_timeout: SHORT,
        ..limits()
    })
    .await;
    let request = "POST /echo HTTP/1.1\r\ncontent-length: 10\r\n\r\nabc";
    assert_eq!(server.exchange(request).await, "");
    server.wait_for_connections(0).await;
}

#[tokio::test]
async fn a_client_that_closed_its_side_still_gets_its_answer() {
    let server = start(limits()).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /slow HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    server.slow_began.notified().await;
    stream.shutdown().await.unwrap();
    server.slow_may_end.notify_one();
    assert!(rest_of(&mut stream).await.ends_with("slow"));
}

#[tokio::test]
async fn a_refusal_is_not_lost_when_the_body_keeps_coming() {
    let server = start(limits()).await;
    let length = 8 * 1024 * 1024;
    let (mut reader, mut writer) = server.connect().await.into_split();
    let sending = tokio::spawn(async move {
        let head = format!("POST /refuse HTTP/1.1\r\ncontent-length: {length}\r\n\r\n");
        writer.write_all(head.as_bytes()).await.unwrap();
        writer.write_all(&vec![b'x'; length]).await
    });
    let mut received = String::new();
    reader
        .read_to_string(&mut received)
        .await
        .expect("not reset");
    assert!(received.starts_with("HTTP/1.1 413 "), "{received}");
    sending.await.unwrap().expect("the whole body is taken");
}

fn client() -> reqwest::ClientBuilder {
    // Another test may have installed it before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy()
}

fn http2_client() -> reqwest::Client {
    client().http2_prior_knowledge().build().unwrap()
}

#[tokio::test]
async fn http2_is_spoken_with_prior_knowledge() {
    let server = start(limits()).await;
    let client = http2_client();
    for _ in 0..3 {
        let url = format!("http://{}/", server.address);
        let response = client.get(url).send().await.unwrap();
        assert_eq!(response.version(), http::Version::HTTP_2);
        assert_eq!(response.text().await.unwrap(), "hello");
    }
    assert_eq!(server.figures.connections.get(), 1);
}

#[tokio::test]
async fn large_http2_heads_reach_the_router() {
    let server = start(limits()).await;
    let url = format!("http://{}/", server.address);
    let request = http2_client().get(url).header("h", "v".repeat(40 * 1024));
    let response = request.send().await.unwrap();
    assert_eq!(
        response.status(),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    );
    assert_eq!(response.text().await.unwrap(), "by the router");
}

#[tokio::test]
async fn an_idle_http2_connection_is_told_to_go_away() {
    let server = start(ListenerLimits {
        idle_timeout: SHORT,
        header_read_timeout: SHORT,
        ..limits()
    })
    .await;
    let mut stream = server.connect().await;
    let settings = b"\0\0\0\x04\0\0\0\0\0";
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    stream
        .write_all(&[&preface[..], settings].concat())
        .await
        .unwrap();
    let mut received = Vec::new();
    let read = timeout(LONG, stream.read_to_end(&mut received)).await;
    read.expect("it closes").unwrap();
    let go_away = [0, 0, 8, 7, 0, 0, 0, 0, 0];
    assert!(
        received.windows(9).any(|frame| frame == go_away),
        "{received:?}"
    );
}

fn at_most(connections: usize) -> ListenerLimits {
    ListenerLimits {
        max_connections: connections,
        proxy_networks: vec!["127.0.0.0/8".parse().unwrap()],
        ..limits()
    }
}

const HELLO: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// A connection that has been answered once, and is idle.
async fn idle(server: &TestListener) -> TcpStream {
    let mut stream = server.connect().await;
    stream.write_all(HELLO).await.unwrap();
    read_until(&mut stream, "hello").await;
    stream
}

/// A connection whose request is being answered.
async fn at_work(server: &TestListener) -> TcpStream {
    let mut stream = server.connect().await;
    let request = b"GET /slow HTTP/1.1\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let began = timeout(LONG, server.slow_began.notified()).await;
    began.expect("it is served");
    stream
}

async fn is_cut(stream: &mut TcpStream) {
    let mut byte = [0];
    let read = timeout(LONG, stream.read(&mut byte)).await;
    assert!(matches!(read.expect("it is cut"), Ok(0) | Err(_)));
}

async fn still_answers(stream: &mut TcpStream) {
    stream.write_all(HELLO).await.unwrap();
    read_until(stream, "hello").await;
}

#[tokio::test]
async fn at_the_cap_the_connection_that_was_idle_longest_gives_way() {
    let server = start(at_most(3)).await;
    let mut at_work = at_work(&server).await;
    let mut first = idle(&server).await;
    let mut second = idle(&server).await;
    // Both went idle in the same millisecond otherwise.
    tokio::time::sleep(Duration::from_millis(5)).await;
    still_answers(&mut second).await;

    let mut third = idle(&server).await;
    is_cut(&mut first).await;
    still_answers(&mut second).await;
    still_answers(&mut third).await;
    server.slow_may_end.notify_one();
    read_until(&mut at_work, "slow").await;
}

/// Asks on new connections until one is let in for more than health checks.
async fn until_in_time(server: &TestListener) {
    let request = "GET /late HTTP/1.1\r\nconnection: close\r\n\r\n";
    let let_in = async { while !server.exchange(request).await.ends_with("in time") {} };
    timeout(LONG, let_in).await.expect("one gives way");
}

#[tokio::test]
async fn at_the_cap_a_connection_that_never_spoke_gives_way() {
    let server = start(at_most(1)).await;
    let mut silent = server.connect().await;
    server.wait_for_connections(1).await;
    until_in_time(&server).await;
    is_cut(&mut silent).await;
}

#[tokio::test]
async fn at_the_cap_an_answer_that_is_not_taken_gives_way() {
    let server = start(at_most(1)).await;
    let mut stalled = connect_with_little_room(&server).await;
    let request = b"GET /large HTTP/1.1\r\n\r\n";
    stalled.write_all(request).await.unwrap();
    server.wait_for_connections(1).await;
    // Silent ones have the places for health checks, and give way too.
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(server.connect().await);
    }
    until_in_time(&server).await;
}

#[tokio::test]
async fn while_all_connections_are_at_work_others_are_let_in_for_health_checks_alone() {
    let server = start(at_most(1)).await;
    let mut busy = at_work(&server).await;
    // One after the other, because there are only so many places.
    for _ in 0..8 {
        let late = server.exchange("GET /late HTTP/1.1\r\n\r\n").await;
        assert!(late.contains("\r\nconnection: close\r\n"), "{late}");
        assert!(late.ends_with("\r\n\r\nlate"), "{late}");
    }
    server.slow_may_end.notify_one();
    read_until(&mut busy, "slow").await;
    let request = "GET /late HTTP/1.1\r\nconnection: close\r\n\r\n";
    let in_time = server.exchange(request).await;
    assert!(in_time.ends_with("\r\n\r\nin time"), "{in_time}");
}

#[tokio::test]
async fn an_address_with_its_share_gives_way_to_itself_and_leaves_the_rest_to_others() {
    let server = start(ListenerLimits {
        max_connections: 8,
        proxy_networks: Vec::new(),
        ..limits()
    })
    .await;
    let mut busy = at_work(&server).await;
    let mut first = idle(&server).await;
    let mut second = idle(&server).await;
    is_cut(&mut first).await;
    still_answers(&mut second).await;

    let request = b"GET /slow HTTP/1.1\r\n\r\n";
    second.write_all(request).await.unwrap();
    server.slow_began.notified().await;
    let mut third = server.connect().await;
    is_cut(&mut third).await;
    let reason = CutLabels {
        reason: "over_share",
    };
    assert_eq!(server.figures.cut.get_or_create(&reason).get(), 1);

    let other = tokio::net::TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = other.connect(server.address).await.unwrap();
    still_answers(&mut other).await;
    server.slow_may_end.notify_one();
    server.slow_may_end.notify_one();
    read_until(&mut busy, "slow").await;
}

async fn connect_with_little_room(server: &TestListener) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    socket.connect(server.address).await.unwrap()
}

#[tokio::test]
async fn an_answer_that_is_not_taken_is_cut_after_the_stall_limit() {
    let server = start(ListenerLimits {
        stall_timeout: SHORT,
        ..limits()
    })
    .await;
    let mut stream = connect_with_little_room(&server).await;
    let request = b"GET /large HTTP/1.1\r\n\r\n";
    stream.write_all(request).await.unwrap();
    server.wait_for_connections(1).await;
    server.wait_for_connections(0).await;
    assert_eq!(server.figures.unsent.get(), 0);
}

#[tokio::test]
async fn an_answer_that_is_taken_byte_by_byte_is_cut_after_the_stall_limit() {
    let server = start(ListenerLimits {
        stall_timeout: SHORT,
        ..limits()
    })
    .await;
    let mut stream = connect_with_little_room(&server).await;
    let request = b"GET /large HTTP/1.1\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let dripping = async {
        let mut byte = [0];
        while matches!(stream.read(&mut byte).await, Ok(1)) {
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    let cut = async {
        server.wait_for_connections(1).await;
        server.wait_for_connections(0).await;
    };
    tokio::select! {
        () = dripping => server.wait_for_connections(0).await,
        () = cut => {}
    }
}

#[tokio::test]
async fn answers_are_not_made_for_a_peer_that_reads_none() {
    let server = start(limits()).await;
    let stream = connect_with_little_room(&server).await;
    let (_reader, mut writer) = stream.into_split();
    let pipelined = "GET /peer HTTP/1.1\r\n\r\nGET /large HTTP/1.1\r\n\r\n".repeat(1_000);
    // Not all of it is taken, since nothing is read either.
    let sending = tokio::spawn(async move { writer.write_all(pipelined.as_bytes()).await });
    let held = async {
        while server.figures.unsent.get() == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, held).await.expect("an answer is held");
    tokio::time::sleep(SHORT).await;
    let held = usize::try_from(server.figures.unsent.get()).unwrap();
    assert!(held <= LARGE, "{held} bytes are held");
    sending.abort();
}

#[tokio::test]
async fn streams_that_begin_together_do_not_fill_the_same_room() {
    let server = start(limits()).await;
    let client = http2_client();
    // All on one connection.
    let greeting = client.get(format!("http://{}/", server.address));
    greeting.send().await.unwrap();
    let url = format!("http://{}/asked-of-a-database", server.address);
    let may_read = CancellationToken::new();
    let mut answers = JoinSet::new();
    for _ in 0..20 {
        let (request, may_read) = (client.get(&url), may_read.clone());
        answers.spawn(async move {
            let answer = request.send().await.unwrap();
            may_read.cancelled().await;
            answer.bytes().await.unwrap().len()
        });
    }
    let limit = limits().max_unsent_per_connection;
    let mut most = 0;
    while most < limit {
        tokio::time::sleep(SHORT).await;
        most = usize::try_from(server.figures.unsent.get()).unwrap();
    }
    // Small as the greeting was, eight answers of what is usual after it fit.
    assert!(most <= limit + 8 * SOME_MIB, "{most} bytes are held");
    may_read.cancel();
    let all = async {
        let lengths = answers.join_all().await;
        lengths.into_iter().sum::<usize>()
    };
    let taken = timeout(LONG, all).await.expect("all are answered");
    assert_eq!(taken, 20 * SOME_MIB);
}

#[tokio::test]
async fn answers_that_fill_memory_give_way_to_those_that_are_taken() {
    let server = start(ListenerLimits {
        max_unsent: 2 * LARGE,
        ..limits()
    })
    .await;
    let request = b"GET /large HTTP/1.1\r\nconnection: close\r\n\r\n";
    let mut stalled = Vec::new();
    for _ in 0..2 {
        let mut stream = connect_with_little_room(&server).await;
        stream.write_all(request).await.unwrap();
        stalled.push(stream);
    }
    let filled = async {
        while server.figures.unsent.get() < 2 * i64::try_from(LARGE).unwrap() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, filled).await.expect("memory is filled");
    // Until the two have stalled long enough, there is no room for a large answer, and then there is.
    let answered = async {
        loop {
            let answer = server.exchange(request).await;
            if answer.starts_with("HTTP/1.1 200 OK\r\n") {
                return answer.len();
            }
            assert!(answer.starts_with("HTTP/1.1 529 "), "{answer}");
            let small = server
                .exchange("GET / HTTP/1.1\r\nconnection: close\r\n\r\n")
                .await;
            assert!(small.ends_with("hello"), "{small}");
            tokio::time::sleep(SHORT).await;
        }
    };
    let length = timeout(LONG, answered).await.expect("there is room again");
    assert!(length > LARGE);
}

#[tokio::test]
async fn draining_finishes_what_is_in_flight_and_closes_the_rest() {
    let server = start(limits()).await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    read_until(&mut idle, "hello").await;
    let mut silent = server.connect().await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\n\r\n").await.unwrap();
    server.slow_began.notified().await;
    server.wait_for_connections(3).await;

    server.shutdown.cancel();
    assert_eq!(rest_of(&mut idle).await, "");
    assert_eq!(rest_of(&mut silent).await, "");
    assert!(!server.serving.is_finished());
    assert!(TcpStream::connect(server.address).await.is_err());

    server.slow_may_end.notify_one();
    let answer = rest_of(&mut busy).await;
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert!(answer.ends_with("slow"), "{answer}");
    drop(busy);
    let drained = timeout(LONG, server.serving).await.unwrap().unwrap();
    assert_eq!(drained, Drained { cut: 0 });
    assert_eq!(server.figures.connections.get(), 0);
}

#[tokio::test]
async fn draining_answers_a_request_whose_head_was_arriving() {
    let server = start(limits()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    read_until(&mut stream, "hello").await;
    stream.write_all(b"GET / HTTP/1.1\r\nhos").await.unwrap();
    // No event shows that the server has read this part.
    tokio::time::sleep(SHORT).await;
    server.shutdown.cancel();
    tokio::time::sleep(SHORT).await;
    stream.write_all(b"t: a\r\n\r\n").await.unwrap();
    let answer = rest_of(&mut stream).await;
    assert!(answer.ends_with("hello"), "{answer}");
}

#[tokio::test]
async fn draining_finishes_http2_requests_in_flight() {
    let server = start(limits()).await;
    let url = format!("http://{}/slow", server.address);
    let request = tokio::spawn(http2_client().get(url).send());
    server.slow_began.notified().await;
    server.shutdown.cancel();
    server.slow_may_end.notify_one();
    let response = request.await.unwrap().unwrap();
    assert_eq!(response.text().await.unwrap(), "slow");
    let drained = timeout(LONG, server.serving).await.unwrap().unwrap();
    assert_eq!(drained, Drained { cut: 0 });
}

#[rstest]
#[case::http1(false)]
#[case::http2(true)]
#[tokio::test]
async fn draining_cuts_what_is_left_at_the_deadline(#[case] http2: bool) {
    let server = start(ListenerLimits {
        drain_timeout: SHORT,
        ..limits()
    })
    .await;
    let url = format!("http://{}/slow", server.address);
    let client = if http2 {
        http2_client()
    } else {
        client().build().unwrap()
    };
    let request = tokio::spawn(client.get(url).send());
    server.slow_began.notified().await;
    server.shutdown.cancel();
    let drained = timeout(LONG, server.serving).await.unwrap().unwrap();
    assert_eq!(drained, Drained { cut: 1 });
    assert!(request.await.unwrap().is_err());
    server.slow_may_end.notify_one();
    assert_eq!(server.slow_ended.load(Ordering::SeqCst), 0);
}
