//! Connections kept for reuse.
//!
//! A connection carries no state from one use to the next but plans, and those only where its session is
//! ours alone ([`super::ownership`]). So any of them serves any call, and a pooler in transaction mode
//! may stand between.
//!
//! The size of the pool is a limit on sessions: one whose answer is not waited for any more keeps its place
//! ([`super::abandoned`]). A few places are never given to writes, so that reads go on while writes wait
//! for a standby that is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError,
    RecyclingMethod, Runtime, TimeoutType,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::{Error, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::abandoned::{self, Abandoned};
use super::ownership::{Connector, Ownership, prepared};
use super::target::Target;
use super::trouble::Trouble;
use super::value::Value;
use crate::OpenError;

/// A pool, and the limits that hold for whatever uses it.
#[derive(Clone)]
pub(super) struct Connections(Arc<Shared>);

struct Shared {
    pool: Pool,
    /// The places that writes may have.
    for_writes: Arc<Semaphore>,
    /// How many writes wait for such a place.
    waiting: AtomicUsize,
    abandoned: Abandoned,
    /// How long one exchange with the server may take.
    limit: Duration,
    wait: Duration,
    ownership: Ownership,
    tls: MakeRustlsConnect,
}

/// One connection, returned to the pool when dropped unless it was discarded.
pub(super) struct Connection {
    object: Option<Object>,
    /// Its place among those of writes.
    place: Option<OwnedSemaphorePermit>,
    limit: Duration,
    connections: Connections,
}

/// One in so many connections, and one at the least, is kept for reads.
const KEPT_FOR_READS: usize = 8;

/// How often a statement is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planned {
    /// With each use: what depends on its values, or is one of many texts.
    EachTime,
    /// Once in a session that is ours alone. For texts of which there are few, and whose plan is the
    /// same whatever their values are.
    Once,
}

/// How long a plan is kept: tables grow, and the database makes new plans only when it has counted them.
const PLAN_LIFE: Duration = Duration::from_secs(10);

impl Connections {
    pub(super) fn new(
        target: Target,
        size: usize,
        connect_timeout: Duration,
        limit: Duration,
        recycle: Duration,
    ) -> Result<Self, OpenError> {
        if size < 2 {
            return Err(OpenError::Failed(
                "postgres.pool_size must be at least 2: one connection is kept for reads".into(),
            ));
        }
        let for_writes = size - (size / KEPT_FOR_READS).max(1);
        let tls = target.tls.clone();
        let hosts = u32::try_from(target.config.get_hosts().len()).unwrap_or(u32::MAX);
        // Whether a connection still works is found out by using it: asking first would cost every
        // call a round trip.
        let config = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let ownership = Ownership::new(target.prepares);
        let connector = Connector::new(target.tls, ownership.clone());
        let manager = Manager::from_connect(target.config, connector, config);
        let began = Instant::now();
        let life = move |then: Instant| (then - began).as_secs() / PLAN_LIFE.as_secs();
        let pool = Pool::builder(manager)
            .max_size(size)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(connect_timeout))
            // The library's own limit is for each host and address; this one is for all together.
            .create_timeout(Some(connect_timeout * hosts.max(2)))
            .pre_recycle(Hook::sync_fn(move |client: &mut ClientWrapper, metrics| {
                if life(metrics.recycled.unwrap_or(metrics.created)) != life(Instant::now()) {
                    client.statement_cache.clear();
                }
                if metrics.age() > recycle {
                    Err(HookError::message("old enough to be replaced"))
                } else {
                    Ok(())
                }
            }))
            .build()
            .map_err(|error| {
                OpenError::Failed(format!("cannot set up the connection pool: {error}"))
            })?;
        Ok(Self(Arc::new(Shared {
            pool,
            for_writes: Arc::new(Semaphore::new(for_writes)),
            waiting: AtomicUsize::new(0),
            abandoned: Abandoned::default(),
            limit,
            wait: connect_timeout,
            ownership,
            tls,
        })))
    }

    /// A connection for a transaction that may write.
    pub(super) async fn connection_for_writing(&self) -> Result<Connection, Trouble> {
        let place = {
            let _waiting = Waiting::among(&self.0.waiting);
            let free = Arc::clone(&self.0.for_writes).acquire_owned();
            tokio::time::timeout(self.0.wait, free).await
        };
        let Ok(Ok(place)) = place else {
            return Err(self.none_became_free());
        };
        let mut connection = self.connection().await?;
        connection.place = Some(place);
        Ok(connection)
    }

    fn none_became_free(&self) -> Trouble {
        Trouble::Busy(format!(
            "no connection became free within {:?}",
            self.0.wait
        ))
    }

    /// A connection, made or reused.
    pub(super) async fn connection(&self) -> Result<Connection, Trouble> {
        let connection = self.first_connection().await;
        connection.map_err(|error| self.no_connection(&error))
    }

    /// Like [`Self::connection`], keeping what the client library says.
    pub(super) async fn first_connection(&self) -> Result<Connection, PoolError> {
        let object = self.0.pool.get().await?;
        Ok(Connection {
            object: Some(object),
            place: None,
            limit: self.0.limit,
            connections: self.clone(),
        })
    }

    fn no_connection(&self, error: &PoolError) -> Trouble {
        match error {
            PoolError::Backend(error) => Trouble::connecting(error),
            PoolError::Closed => Trouble::Busy("storage is closed".into()),
            PoolError::Timeout(TimeoutType::Wait) => self.none_became_free(),
            PoolError::Timeout(_) => {
                Trouble::Unreachable("the database did not answer in time".into())
            }
            PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
                Trouble::Busy(error.to_string())
            }
        }
    }

    /// How many calls wait for a connection.
    pub(super) fn waiting(&self) -> usize {
        self.0.pool.status().waiting + self.0.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn close(&self) {
        self.0.pool.close();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.pool.is_closed()
    }

    /// Closes the connections that nobody uses.
    pub(super) fn drop_idle(&self) {
        self.0.pool.retain(|_, _| false);
    }

    pub(super) fn abandoned(&self) -> &Abandoned {
        &self.0.abandoned
    }
}

/// One that waits, for as long as this lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn among(all: &'a AtomicUsize) -> Self {
        all.fetch_add(1, Ordering::Relaxed);
        Self(all)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connection {
    /// The client, while the connection was not discarded.
    pub(super) fn client(&self) -> Result<&ClientWrapper, Trouble> {
        match &self.object {
            Some(object) => Ok(object),
            None => Err(Trouble::Lost("the connection was given up".into())),
        }
    }

    /// Closes the connection instead of returning it; what it had begun and not committed is undone.
    pub(super) fn discard(&mut self) {
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
    }

    /// Closes the connection, and has what it was asked canceled: it has not begun to commit.
    pub(super) fn cancel(&mut self) {
        if let Some((object, place)) = self.take() {
            abandoned::cancel(self.connections.0.tls.clone(), object, place);
        }
    }

    /// Gives the connection up to whoever keeps its place.
    pub(super) fn take(&mut self) -> Option<(Object, Option<OwnedSemaphorePermit>)> {
        let object = self.object.take()?;
        Some((object, self.place.take()))
    }

    /// Where it comes from.
    pub(super) fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Shortens how long one exchange with the server may take.
    pub(super) fn limit_to(&mut self, limit: Duration) {
        self.limit = self.limit.min(limit);
    }

    /// Lengthens how long one exchange with the server may take.
    pub(super) fn extend_to(&mut self, limit: Duration) {
        self.limit = self.limit.max(limit);
    }

    /// How long one exchange with the server may take that is not of a kind of its own.
    pub(super) fn usual_limit(&self) -> Duration {
        self.connections.0.limit
    }

    /// How long one exchange with the server may take.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// The statement as this session keeps it, if it may keep any.
    pub(super) async fn prepared(
        &self,
        sql: &str,
        parameters: &[Value],
    ) -> Result<Option<Statement>, Trouble> {
        if !self.connections.0.ownership.holds() {
            return Ok(None);
        }
        let statement = within(self.limit, prepared(self.client()?, sql, parameters)).await;
        statement.map(Some)
    }

    /// Runs a statement by itself, in one round trip.
    pub(super) async fn query(
        &mut self,
        sql: &str,
        parameters: &[Value],
    ) -> Result<Vec<Row>, Trouble> {
        self.query_planned(Planned::EachTime, sql, parameters).await
    }

    /// The same, where its plan may be worth keeping.
    pub(super) async fn query_planned(
        &mut self,
        planned: Planned,
        sql: &str,
        parameters: &[Value],
    ) -> Result<Vec<Row>, Trouble> {
        let result = self.answer(planned, sql, parameters).await;
        match &result {
            Err(Trouble::Lost(_)) => self.discard(),
            Err(Trouble::Silent(_)) => self.cancel(),
            _ => {}
        }
        result
    }
}

impl Connection {
    async fn answer(
        &self,
        planned: Planned,
        sql: &str,
        parameters: &[Value],
    ) -> Result<Vec<Row>, Trouble> {
        let statement = match planned {
            Planned::EachTime => None,
            Planned::Once => self.prepared(sql, parameters).await?,
        };
        let client = self.client()?;
        match statement {
            None => within(self.limit, query(client, sql, parameters)).await,
            Some(statement) => {
                let parameters = parameters.iter().map(|value| value.typed().0);
                let parameters: Vec<_> = parameters.collect();
                within(self.limit, client.query(&statement, &parameters)).await
            }
        }
    }

    /// Runs a statement that changes the schema, however long it takes.
    pub(super) async fn define(&mut self, sql: &str) -> Result<(), Trouble> {
        let defined = self.client()?.batch_execute(sql).await;
        defined.map_err(|error| Trouble::of(&error))
    }
}

/// Sends a statement with its parameters and their types, and reads the rows.
pub(super) async fn query(
    client: &tokio_postgres::Client,
    sql: &str,
    parameters: &[Value],
) -> Result<Vec<Row>, Error> {
    let typed: Vec<_> = parameters.iter().map(Value::typed).collect();
    client.query_typed(sql, &typed).await
}

/// Waits for an answer no longer than `limit`. Whoever is told that it did not come uses the connection
/// no more: the answer may still be on its way.
pub(super) async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, Trouble> {
    match tokio::time::timeout(limit, answer).await {
        Ok(result) => result.map_err(|error| Trouble::of(&error)),
        Err(_) => Err(Trouble::Silent(format!(
            "the database did not answer within {limit:?}"
        ))),
    }
}
