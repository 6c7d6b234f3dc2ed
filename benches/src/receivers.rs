//! Receivers of webhooks on this machine that answer at once, and what came to them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, bail};
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;
use memchr::memmem;
use tokio::net::TcpListener;

/// Microseconds from each event's decision to its arrival, or what was wrong with it.
type Arrived = Arc<Mutex<Vec<anyhow::Result<u32>>>>;

/// Receivers that all report to the same place.
#[derive(Debug)]
pub(crate) struct Receivers {
    urls: Vec<String>,
    arrived: Arrived,
}

impl Receivers {
    pub(crate) async fn start(count: usize) -> anyhow::Result<Self> {
        let arrived = Arrived::default();
        let mut urls = Vec::with_capacity(count);
        for _ in 0..count {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            urls.push(format!("http://{}/hooks", listener.local_addr()?));
            let app = Router::new().route("/hooks", post(receive));
            let app = app.with_state(Arc::clone(&arrived));
            tokio::spawn(async move { axum::serve(listener, app).await });
        }
        Ok(Self { urls, arrived })
    }

    pub(crate) fn urls(&self) -> &[String] {
        &self.urls
    }

    /// Waits until so many arrived since the last take, or for `patience` without any.
    pub(crate) async fn take(&self, wanted: u64, patience: Duration) -> anyhow::Result<Vec<u32>> {
        let wanted = usize::try_from(wanted)?;
        let arrived = || self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut seen, mut last) = (0, Instant::now());
        while seen < wanted && last.elapsed() <= patience {
            let count = arrived().len();
            if count > seen {
                (seen, last) = (count, Instant::now());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let all = std::mem::take(&mut *arrived());
        all.into_iter().collect()
    }
}

async fn receive(State(arrived): State<Arrived>, body: Bytes) -> StatusCode {
    let lag = lag(&body).context("a receiver");
    arrived
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(lag);
    StatusCode::NO_CONTENT
}

/// Microseconds since the event in a body.
fn lag(body: &[u8]) -> anyhow::Result<u32> {
    const BEFORE: &[u8] = b"\"created_at\":\"";
    let Some(start) = memmem::find(body, BEFORE) else {
        bail!("an event without created_at");
    };
    let rest = &body[start + BEFORE.len()..];
    let end = memchr::memchr(b'"', rest).context("an event's created_at")?;
    let created: Timestamp = std::str::from_utf8(&rest[..end])?.parse()?;
    let lag = now()?.as_microsecond() - created.as_microsecond();
    Ok(u32::try_from(lag.max(0)).unwrap_or(u32::MAX))
}

fn now() -> anyhow::Result<Timestamp> {
    #[expect(
        clippy::disallowed_methods,
        reason = "an arrival is compared with what the server's clock said on the same machine"
    )]
    Ok(Timestamp::try_from(SystemTime::now())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_tells_its_age() {
        let body = br#"{"type":"event","created_at":"2026-10-30T18:20:11.5Z"}"#;
        assert!(lag(body).is_ok());
        assert!(lag(b"{}").is_err());
    }
}
