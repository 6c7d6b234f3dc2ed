//! A TCP proxy between a node and its database that can cut, delay, fall silent and close one direction.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What happens to what passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// It passes.
    Passing,
    /// It passes after this long.
    Delayed(Duration),
    /// Requests pass; answers are swallowed, and the connection stays open.
    Answerless,
    /// The direction to the database is closed; answers to what came before still pass.
    RequestsEnded,
    /// The direction from the database is closed; requests still pass, and are carried out.
    AnswersEnded,
    /// Every connection is cut, and new ones are refused.
    Cut,
}

#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) port: u16,
    traffic: Arc<watch::Sender<Traffic>>,
    connections: Arc<AtomicU64>,
}

impl Proxy {
    /// A proxy before the server on `target`.
    pub(crate) async fn before(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let traffic = Arc::new(watch::Sender::new(Traffic::Passing));
        let connections = Arc::new(AtomicU64::new(0));
        let (shared, count) = (Arc::clone(&traffic), Arc::clone(&connections));
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                if *shared.borrow() == Traffic::Cut {
                    continue;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else {
                    continue;
                };
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(pass(client, server, shared.subscribe()));
            }
        });
        Self {
            port,
            traffic,
            connections,
        }
    }

    pub(crate) fn set(&self, traffic: Traffic) {
        self.traffic.send_replace(traffic);
    }

    /// How many connections were passed on so far.
    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn pass(client: TcpStream, server: TcpStream, mut traffic: watch::Receiver<Traffic>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (requests, answers) = (traffic.clone(), traffic.clone());
    tokio::select! {
        () = pass_on(&mut from_client, &mut to_server, requests, Traffic::RequestsEnded) => {}
        () = pass_on(&mut from_server, &mut to_client, answers, Traffic::AnswersEnded) => {}
        _ = traffic.wait_for(|traffic| *traffic == Traffic::Cut) => {}
    }
}

/// Passes one direction on until an end closes it. Under `ends` the receiver is told that nothing more
/// comes; what still does is swallowed, whatever happens to the traffic later.
async fn pass_on(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    mut traffic: watch::Receiver<Traffic>,
    ends: Traffic,
) {
    let mut buffer = vec![0; 65_536];
    let mut ended = false;
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            () = is(&mut traffic, ends), if !ended => {
                ended = true;
                let _ = to.shutdown().await;
                continue;
            }
        };
        let Ok(length @ 1..) = read else { return };
        delay(&traffic).await;
        let swallows = ends == Traffic::AnswersEnded && *traffic.borrow() == Traffic::Answerless;
        if ended || swallows {
            continue;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn is(traffic: &mut watch::Receiver<Traffic>, wanted: Traffic) {
    let _ = traffic.wait_for(|traffic| *traffic == wanted).await;
}

async fn delay(traffic: &watch::Receiver<Traffic>) {
    let traffic = *traffic.borrow();
    if let Traffic::Delayed(time) = traffic {
        tokio::time::sleep(time).await;
    }
}
