//! Receivers of webhooks on this machine that answer at once, and what came to them.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Microseconds from each event's decision to its first arrival.
#[derive(Debug, Default)]
struct Arrived {
    lags: Vec<u32>,
    problem: Option<String>,
}

/// Receivers that all report to the same place.
#[derive(Debug)]
pub(crate) struct Receivers {
    urls: Vec<String>,
    arrived: Arc<Mutex<Arrived>>,
}

impl Receivers {
    pub(crate) async fn start(count: usize) -> anyhow::Result<Self> {
        let arrived = Arc::new(Mutex::new(Arrived::default()));
        let mut urls = Vec::with_capacity(count);
        for _ in 0..count {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            urls.push(format!("http://{}/hooks", listener.local_addr()?));
            tokio::spawn(accept(listener, Arc::clone(&arrived)));
        }
        Ok(Self { urls, arrived })
    }

    pub(crate) fn urls(&self) -> &[String] {
        &self.urls
    }

    /// Waits until so many arrived since the last take, or for `patience` without any.
    pub(crate) async fn take(&self, wanted: u64, patience: Duration) -> anyhow::Result<Vec<u32>> {
        let mut seen = 0;
        let mut last = Instant::now();
        loop {
            let count = {
                let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(problem) = arrived.problem.take() {
                    anyhow::bail!("a receiver: {problem}");
                }
                if u64::try_from(arrived.lags.len())? >= wanted {
                    return Ok(std::mem::take(&mut arrived.lags));
                }
                arrived.lags.len()
            };
            if count > seen {
                (seen, last) = (count, Instant::now());
            } else if last.elapsed() > patience {
                let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
                return Ok(std::mem::take(&mut arrived.lags));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn accept(listener: TcpListener, arrived: Arc<Mutex<Arrived>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let arrived = Arc::clone(&arrived);
        tokio::spawn(async move {
            if let Err(error) = serve(stream, &arrived).await {
                let mut arrived = arrived.lock().unwrap_or_else(PoisonError::into_inner);
                arrived.problem = Some(format!("{error:#}"));
            }
        });
    }
}

/// Answers request after request, until the other side ends the connection.
async fn serve(mut stream: TcpStream, arrived: &Mutex<Arrived>) -> anyhow::Result<()> {
    const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
    stream.set_nodelay(true)?;
    let mut received = Vec::with_capacity(4 * 1_024);
    loop {
        let length = loop {
            if let Some(length) = whole(&received)? {
                break length;
            }
            if stream.read_buf(&mut received).await.unwrap_or(0) == 0 {
                return Ok(());
            }
        };
        let lag = lag(&received[..length])?;
        arrived
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .lags
            .push(lag);
        received.drain(..length);
        stream.write_all(ANSWER).await?;
    }
}

/// The length of the first request, once all of it is there.
fn whole(received: &[u8]) -> anyhow::Result<Option<usize>> {
    let Some(end) = memmem::find(received, b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&received[..end])?;
    let body = crate::connection::header(head, "content-length").context("no content-length")?;
    let length = end + 4 + body.parse::<usize>()?;
    Ok((received.len() >= length).then_some(length))
}

/// Microseconds since the event that a request tells of.
fn lag(request: &[u8]) -> anyhow::Result<u32> {
    const BEFORE: &[u8] = b"\"created_at\":\"";
    let start = memmem::find(request, BEFORE).context("an event without created_at")?;
    let rest = &request[start + BEFORE.len()..];
    let end = memchr::memchr(b'"', rest).context("an event's created_at")?;
    let created: jiff::Timestamp = std::str::from_utf8(&rest[..end])?.parse()?;
    let lag = now()?.as_microsecond() - created.as_microsecond();
    Ok(u32::try_from(lag.max(0)).unwrap_or(u32::MAX))
}

fn now() -> anyhow::Result<jiff::Timestamp> {
    #[expect(
        clippy::disallowed_methods,
        reason = "an arrival is compared with what the server's clock said on the same machine"
    )]
    Ok(jiff::Timestamp::try_from(SystemTime::now())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_whole_with_its_body_and_tells_its_events_age() {
        let body = r#"{"type":"event","created_at":"2026-10-30T18:20:11.5Z"}"#;
        let length = body.len();
        let request = format!("POST / HTTP/1.1\r\ncontent-length: {length}\r\n\r\n{body}");
        let request = request.as_bytes();
        assert_eq!(whole(request).unwrap(), Some(request.len()));
        assert_eq!(whole(&request[..request.len() - 1]).unwrap(), None);
        assert!(lag(request).is_ok());
        assert!(lag(b"{}").is_err());
    }
}
