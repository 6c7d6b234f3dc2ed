//! More connections than there are places: who gives way.

use super::*;

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
