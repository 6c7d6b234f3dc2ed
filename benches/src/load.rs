//! The load generator: some connections, each sending its next request as soon as it has the
//! answer to the last, all on one thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::task::JoinSet;

use crate::connection::Connection;
use crate::random::Random;
use crate::stats::{float, percentile};

/// What came of a stretch of load.
#[derive(Debug, Default)]
pub(crate) struct Load {
    pub(crate) requests: u64,
    pub(crate) body_bytes: u64,
    pub(crate) elapsed: Duration,
    /// Nanoseconds from before sending to after receiving.
    latencies: Vec<u32>,
}

impl Load {
    pub(crate) fn per_second(&self) -> f64 {
        float(self.requests) / self.elapsed.as_secs_f64()
    }

    /// In microseconds.
    pub(crate) fn latency(&mut self, percent: usize) -> anyhow::Result<f64> {
        let nanoseconds =
            percentile(&mut self.latencies, percent).context("no request was answered")?;
        Ok(f64::from(nanoseconds) / 1_000.0)
    }
}

/// Connections that are driven together. Opened for one measurement: a server may close idle ones.
#[derive(Debug)]
pub(crate) struct Generator {
    connections: Vec<Connection>,
}

impl Generator {
    /// As many connections to each of the servers as to the next.
    pub(crate) async fn connect(addresses: &[&str], connections: usize) -> anyhow::Result<Self> {
        let mut open = Vec::with_capacity(connections);
        for address in addresses.iter().cycle().take(connections) {
            open.push(Connection::open(address).await?);
        }
        Ok(Self { connections: open })
    }

    /// Sends requests chosen by `seed` for `time`. When this returns every request is answered, so
    /// that the server's CPU time belongs to the requests counted. The first answer that is not
    /// 200 ends it with that answer's body.
    pub(crate) async fn drive(
        &mut self,
        requests: &Arc<[Vec<u8>]>,
        seed: u64,
        time: Duration,
    ) -> anyhow::Result<Load> {
        self.drive_paced(requests, seed, time, None).await
    }

    /// The same at no more than so many requests a second.
    pub(crate) async fn drive_paced(
        &mut self,
        requests: &Arc<[Vec<u8>]>,
        seed: u64,
        time: Duration,
        per_second: Option<f64>,
    ) -> anyhow::Result<Load> {
        let started = Instant::now();
        let connections = float(u64::try_from(self.connections.len())?);
        let mut tasks = JoinSet::new();
        for (connection, stream) in self.connections.drain(..).zip(0_u64..) {
            let random = Random::new(seed.wrapping_mul(1_000_003) ^ stream);
            let requests = Arc::clone(requests);
            let turns = per_second.map(|rate| Turns {
                next: started + Duration::from_secs_f64(float(stream) / rate),
                every: Duration::from_secs_f64(connections / rate),
            });
            tasks.spawn(repeat(connection, requests, random, started, time, turns));
        }
        let mut load = Load::default();
        while let Some(ended) = tasks.join_next().await {
            let (connection, part) = ended??;
            self.connections.push(connection);
            load.requests += part.requests;
            load.body_bytes += part.body_bytes;
            load.latencies.extend(part.latencies);
        }
        load.elapsed = started.elapsed();
        Ok(load)
    }
}

/// When a connection sends.
struct Turns {
    next: Instant,
    every: Duration,
}

async fn repeat(
    mut connection: Connection,
    requests: Arc<[Vec<u8>]>,
    mut random: Random,
    started: Instant,
    time: Duration,
    mut turns: Option<Turns>,
) -> anyhow::Result<(Connection, Load)> {
    let mut load = Load::default();
    loop {
        if let Some(turns) = &mut turns {
            tokio::time::sleep_until(turns.next.into()).await;
            turns.next += turns.every;
        }
        let sent = Instant::now();
        if sent.duration_since(started) >= time {
            return Ok((connection, load));
        }
        let request = random.pick(&requests);
        let answer = connection.exchange(request).await?;
        let body = answer.ok()?;
        load.body_bytes += u64::try_from(body.len())?;
        load.requests += 1;
        load.latencies
            .push(u32::try_from(sent.elapsed().as_nanos()).unwrap_or(u32::MAX));
    }
}
