//! Decisions at a fixed rate: each is due at its time whether or not the one before was answered, as
//! decisions are in the world.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::task::JoinSet;

use crate::connection::Connection;
use crate::requests::written;
use crate::stats::{float, percentile};

/// How fast, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// A second; without a pace each follows the one before.
    pub(crate) rate: Option<f64>,
    pub(crate) count: u64,
    pub(crate) connections: usize,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) count: u64,
    elapsed: Duration,
    /// Microseconds from when each was due to its answer.
    latencies: Vec<u32>,
}

impl Decided {
    pub(crate) fn per_second(&self) -> f64 {
        float(self.count) / self.elapsed.as_secs_f64()
    }

    pub(crate) fn latency_ms(&mut self, percent: usize) -> anyhow::Result<f64> {
        let micros = percentile(&mut self.latencies, percent).context("nothing was decided")?;
        Ok(f64::from(micros) / 1_000.0)
    }
}

/// Profiles whose standing in a program changes back and forth, each change one event.
#[derive(Debug)]
pub(crate) struct Decisions {
    operator_key: String,
    profiles: Vec<String>,
    made: AtomicU64,
}

impl Decisions {
    pub(crate) fn on(operator_key: &str, profiles: Vec<String>) -> Arc<Self> {
        Arc::new(Self {
            operator_key: operator_key.to_owned(),
            profiles,
            made: AtomicU64::new(0),
        })
    }

    /// The request of the next decision: profile after profile, and then all of them back again.
    fn next(&self) -> anyhow::Result<Vec<u8>> {
        let number = usize::try_from(self.made.fetch_add(1, Ordering::Relaxed))?;
        let (round, profile) = (number / self.profiles.len(), number % self.profiles.len());
        let status = if round.is_multiple_of(2) {
            "active"
        } else {
            "pending"
        };
        let body = format!(r#"{{"status":"{status}"}}"#);
        let profile = &self.profiles[profile];
        let target = format!("/operator/v1/user_profiles/{profile}/programs/bench");
        Ok(written("PUT", &target, &self.operator_key, &body, ""))
    }

    /// Makes decisions at this pace.
    pub(crate) async fn make(
        self: &Arc<Self>,
        address: &str,
        pace: Pace,
    ) -> anyhow::Result<Decided> {
        let started = Instant::now();
        let turn = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..pace.connections {
            let connection = Connection::open(address).await?;
            tasks.spawn(Arc::clone(self).work(connection, pace, started, Arc::clone(&turn)));
        }
        let mut latencies = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            latencies.extend(ended??);
        }
        Ok(Decided {
            count: pace.count,
            elapsed: started.elapsed(),
            latencies,
        })
    }

    async fn work(
        self: Arc<Self>,
        mut connection: Connection,
        pace: Pace,
        started: Instant,
        turn: Arc<AtomicU64>,
    ) -> anyhow::Result<Vec<u32>> {
        let mut latencies = Vec::new();
        loop {
            let number = turn.fetch_add(1, Ordering::Relaxed);
            if number >= pace.count {
                return Ok(latencies);
            }
            let due = pace.due(started, number);
            tokio::time::sleep_until(due.into()).await;
            let due = if pace.rate.is_some() {
                due
            } else {
                Instant::now()
            };
            connection.exchange(&self.next()?).await?.ok()?;
            latencies.push(u32::try_from(due.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
    }
}

impl Pace {
    fn due(&self, started: Instant, number: u64) -> Instant {
        self.rate.map_or(started, |rate| {
            started + Duration::from_secs_f64(float(number) / rate)
        })
    }
}
