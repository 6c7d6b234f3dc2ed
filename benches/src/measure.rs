//! A stretch of load on one server, and what it cost that server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::connection::Connection;
use crate::load::Generator;
use crate::results::Row;
use crate::rollcall::Server;
use crate::stats::{Spread, float, median};
use crate::usage;

/// How hard and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pressure {
    pub(crate) connections: usize,
    pub(crate) time: Duration,
}

/// One round's figures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    /// Microseconds of the server's CPU time per request.
    pub(crate) cpu: f64,
    /// The same of the database's, where there is one.
    pub(crate) database_cpu: f64,
    pub(crate) requests_per_second: f64,
    /// Microseconds.
    p50: f64,
    p99: f64,
    /// Of bodies, per request.
    bytes: f64,
}

/// What answers: one server, or several nodes on a database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answering<'a> {
    pub(crate) servers: &'a [&'a Server],
    /// The process that started all of the database's.
    pub(crate) database: Option<u32>,
}

impl Answering<'_> {
    /// Of the servers, and of the database.
    fn cpu_time(&self) -> anyhow::Result<(Duration, Duration)> {
        let servers = self.servers.iter();
        let servers = servers.map(|server| usage::cpu_time(server.pid()));
        let database = self.database.map(usage::cpu_time).transpose()?;
        let servers = servers.sum::<anyhow::Result<Duration>>()?;
        Ok((servers, database.unwrap_or_default()))
    }
}

/// The rounds of one scenario, as they come in.
#[derive(Debug, Default)]
pub(crate) struct Rounds(Vec<Stretch>);

impl Rounds {
    /// Warms up for a fifth of the time, then measures.
    pub(crate) async fn add(
        &mut self,
        server: &Server,
        requests: &Arc<[Vec<u8>]>,
        seed: u64,
        pressure: Pressure,
    ) -> anyhow::Result<()> {
        let answering = Answering {
            servers: &[server],
            database: None,
        };
        self.add_of(answering, requests, seed, pressure).await
    }

    /// The same of whatever answers.
    pub(crate) async fn add_of(
        &mut self,
        answering: Answering<'_>,
        requests: &Arc<[Vec<u8>]>,
        seed: u64,
        pressure: Pressure,
    ) -> anyhow::Result<()> {
        if requests.is_empty() {
            bail!("the data directory holds nothing to ask for");
        }
        let servers = answering.servers.iter();
        let addresses: Vec<_> = servers.map(|server| server.address()).collect();
        let mut generator = Generator::connect(&addresses, pressure.connections).await?;
        generator.drive(requests, !seed, pressure.time / 5).await?;
        let before = answering.cpu_time()?;
        let mut load = generator.drive(requests, seed, pressure.time).await?;
        let after = answering.cpu_time()?;
        let count = float(load.requests.max(1));
        let each =
            |before, after: Duration| after.saturating_sub(before).as_secs_f64() * 1e6 / count;
        self.0.push(Stretch {
            cpu: each(before.0, after.0),
            database_cpu: each(before.1, after.1),
            requests_per_second: load.per_second(),
            p50: load.latency(50)?,
            p99: load.latency(99)?,
            bytes: float(load.body_bytes) / count,
        });
        Ok(())
    }

    pub(crate) fn spread(&self, figure: impl Fn(&Stretch) -> f64) -> Option<Spread> {
        Spread::of(self.0.iter().map(figure))
    }

    /// A figure divided by the other's, round by round.
    pub(crate) fn against(&self, other: &Self, figure: impl Fn(&Stretch) -> f64) -> Option<Spread> {
        let rounds = self.0.iter().zip(&other.0);
        Spread::of(rounds.map(|(this, that)| figure(this) / figure(that)))
    }

    /// Requests a second divided by a rate that was taken in the same rounds.
    pub(crate) fn times(&self, rates: &[f64]) -> Option<Spread> {
        let rounds = self.0.iter().zip(rates);
        Spread::of(rounds.map(|(round, rate)| round.requests_per_second / rate))
    }

    pub(crate) fn row(&self, name: impl Into<String>) -> Row {
        let mut row = Row::of(name).with("CPU µs", self.spread(|round| round.cpu));
        if self.0.iter().any(|round| round.database_cpu > 0.0) {
            row = row.with("database CPU µs", self.spread(|round| round.database_cpu));
        }
        let middle = |figure: fn(&Stretch) -> f64| median(self.spread(figure));
        row.with("requests/s", middle(|round| round.requests_per_second))
            .with("p50 µs", middle(|round| round.p50))
            .with("p99 µs", middle(|round| round.p99))
            .with("bytes", middle(|round| round.bytes))
    }
}

/// From now until the server first answers 200.
pub(crate) async fn first_answer(server: &mut Server, request: &[u8]) -> anyhow::Result<Duration> {
    const PATIENCE: Duration = Duration::from_mins(1);
    let started = Instant::now();
    loop {
        let problem = match ask(server.address(), request).await {
            Ok(()) => return Ok(started.elapsed()),
            Err(problem) => problem,
        };
        server.check_running()?;
        if started.elapsed() > PATIENCE {
            return Err(problem.context("no 200 within a minute of the start"));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn ask(address: &str, request: &[u8]) -> anyhow::Result<()> {
    let mut connection = Connection::open(address).await?;
    connection.exchange(request).await?.ok().context("asking")?;
    Ok(())
}
