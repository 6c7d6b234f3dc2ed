//! Receivers of webhooks: real HTTP servers on loopback, some of which misbehave on purpose.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// What a receiver answers.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    /// This status, at once.
    Status(u16),
    /// This status after a while.
    After(Duration, u16),
    /// 200, once there is a permit.
    Held(Arc<Semaphore>),
    /// A redirect to somewhere else.
    Redirect(String),
    /// 200, and a body that never ends.
    EndlessBody,
    /// 200, and a body that never comes.
    StalledBody,
    /// Nothing, ever.
    Silent,
    /// The end of the connection, before any answer.
    HangUp,
    /// These bytes, whatever they are.
    Bytes(&'static [u8]),
}

/// What a receiver was sent.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Received {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().skip(1);
        let mut values = lines.filter_map(|line| line.split_once(": "));
        let found = values.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found
            .unwrap_or_else(|| panic!("no {name} in {}", self.head))
            .1
    }
}

#[derive(Debug)]
struct Shared {
    behaviour: Behaviour,
    received: Mutex<Vec<Received>>,
    connections: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
    /// How much of endless bodies went out.
    written: AtomicUsize,
}

/// A running receiver. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    running: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Receiver {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        Self::start_on(Ipv4Addr::LOCALHOST, 0, behaviour).await
    }

    pub(crate) async fn start_on(address: Ipv4Addr, port: u16, behaviour: Behaviour) -> Self {
        Self::start_with(address, port, behaviour, None).await
    }

    /// One that shows a certificate.
    pub(crate) async fn start_with_tls(behaviour: Behaviour, tls: ServerConfig) -> Self {
        let tls = TlsAcceptor::from(Arc::new(tls));
        Self::start_with(Ipv4Addr::LOCALHOST, 0, behaviour, Some(tls)).await
    }

    async fn start_with(
        address: Ipv4Addr,
        port: u16,
        behaviour: Behaviour,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind((address, port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            behaviour,
            received: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            most_open: AtomicUsize::new(0),
            written: AtomicUsize::new(0),
        });
        let accepting = Arc::clone(&shared);
        let running = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                accepting.connections.fetch_add(1, Ordering::Relaxed);
                let shared = Arc::clone(&accepting);
                let Some(tls) = tls.clone() else {
                    tokio::spawn(serve(stream, shared));
                    continue;
                };
                tokio::spawn(async move {
                    // A client that does not like the certificate ends the handshake.
                    serve(tls.accept(stream).await.ok()?, shared).await
                });
            }
        });
        Self {
            address,
            shared,
            running,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// How many bytes of endless bodies were taken, by the client or the buffers on the way.
    pub(crate) fn written(&self) -> usize {
        self.shared.written.load(Ordering::Relaxed)
    }

    /// The most requests that were being answered at the same time.
    pub(crate) fn most_open(&self) -> usize {
        self.shared.most_open.load(Ordering::Relaxed)
    }

    /// Everything received, once it is so much.
    pub(crate) async fn wait_for(&self, wanted: usize) -> Vec<Received> {
        for _ in 0..1_000 {
            let received = self.received();
            if received.len() >= wanted {
                return received;
            }
            // Another task sends: there is nothing to wait for but its work.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("received {} of {wanted}", self.received().len());
    }
}

/// Serves one connection, request after request.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, shared: Arc<Shared>) -> Option<()> {
    let mut buffer = Vec::new();
    loop {
        let received = read_request(&mut stream, &mut buffer).await?;
        shared.received.lock().push(received);
        let open = shared.open.fetch_add(1, Ordering::Relaxed) + 1;
        shared.most_open.fetch_max(open, Ordering::Relaxed);
        let behaviour = shared.behaviour.clone();
        let answered = answer(&mut stream, behaviour, &shared.written).await;
        shared.open.fetch_sub(1, Ordering::Relaxed);
        answered?;
    }
}

async fn read_request(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
) -> Option<Received> {
    loop {
        let end = buffer.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.parse::<usize>().unwrap())
            });
            let whole = end + 4 + length.unwrap_or(0);
            if buffer.len() >= whole {
                let body = String::from_utf8_lossy(&buffer[end + 4..whole]).into_owned();
                buffer.drain(..whole);
                return Some(Received { head, body });
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

/// Answers one request; `None` when the connection is over.
async fn answer(
    stream: &mut (impl AsyncWrite + Unpin),
    behaviour: Behaviour,
    written: &AtomicUsize,
) -> Option<()> {
    let plain = |status: u16| format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\nok");
    let (text, goes_on) = match behaviour {
        Behaviour::Status(status) => (plain(status), true),
        Behaviour::After(wait, status) => {
            tokio::time::sleep(wait).await;
            (plain(status), true)
        }
        Behaviour::Held(permits) => {
            permits.acquire().await.unwrap().forget();
            (plain(200), true)
        }
        Behaviour::Redirect(to) => (
            format!("HTTP/1.1 302 X\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"),
            true,
        ),
        Behaviour::EndlessBody => {
            let head = b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(head).await.ok()?;
            let chunk = [b"2000\r\n".as_slice(), &[b'x'; 0x2000], b"\r\n"].concat();
            loop {
                stream.write_all(&chunk).await.ok()?;
                written.fetch_add(chunk.len(), Ordering::Relaxed);
            }
        }
        Behaviour::StalledBody => {
            let head = b"HTTP/1.1 200 X\r\ncontent-length: 10\r\n\r\nhalf";
            stream.write_all(head).await.ok()?;
            std::future::pending().await
        }
        Behaviour::Silent => std::future::pending().await,
        Behaviour::HangUp => return None,
        Behaviour::Bytes(bytes) => (String::from_utf8_lossy(bytes).into_owned(), false),
    };
    stream.write_all(text.as_bytes()).await.ok()?;
    goes_on.then_some(())
}
