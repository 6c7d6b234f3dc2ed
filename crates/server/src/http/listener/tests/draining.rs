//! The end of the listener.

use super::*;

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
