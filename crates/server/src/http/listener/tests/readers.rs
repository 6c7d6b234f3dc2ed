//! Clients that do not take their answers.

use super::*;

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
