//! How long a client may take for what it sends.

use super::*;

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
