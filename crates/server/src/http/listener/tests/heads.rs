//! What is read of a request: heads that fit, and what everything else is told.

use super::*;

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
