//! HTTP/2, which needs no TLS here.

use super::*;

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
