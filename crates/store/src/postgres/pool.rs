//! Connections kept for reuse.
//!
//! A connection carries no state from one use to the next but plans, and those only where its session is
//! ours alone ([`super::ownership`]). So any of them serves any call, and a pooler in transaction mode
//! may stand between.

use std::time::{Duration, Instant};

use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError,
    RecyclingMethod, Runtime, TimeoutType,
};
use tokio_postgres::{Error, Row, Statement};

use super::ownership::{Connector, Ownership, prepared};
use super::target::Target;
use super::trouble::Trouble;
use super::value::Value;
use crate::OpenError;

/// A pool, and the limits that hold for whatever uses it.
pub(super) struct Connections {
    pool: Pool,
    /// How long one exchange with the server may take.
    limit: Duration,
    wait: Duration,
    ownership: Ownership,
}

/// One connection, returned to the pool when dropped unless it was discarded.
pub(super) struct Connection {
    object: Option<Object>,
    limit: Duration,
    ownership: Ownership,
}

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
            .create_timeout(Some(connect_timeout * 2))
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
        Ok(Self {
            pool,
            limit,
            wait: connect_timeout,
            ownership,
        })
    }

    /// A connection, made or reused.
    pub(super) async fn connection(&self) -> Result<Connection, Trouble> {
        let connection = self.first_connection().await;
        connection.map_err(|error| self.no_connection(&error))
    }

    /// Like [`Self::connection`], keeping what the client library says.
    pub(super) async fn first_connection(&self) -> Result<Connection, PoolError> {
        let object = self.pool.get().await?;
        Ok(Connection {
            object: Some(object),
            limit: self.limit,
            ownership: self.ownership.clone(),
        })
    }

    fn no_connection(&self, error: &PoolError) -> Trouble {
        match error {
            PoolError::Backend(error) => Trouble::connecting(error),
            PoolError::Closed => Trouble::Busy("storage is closed".into()),
            PoolError::Timeout(TimeoutType::Wait) => {
                Trouble::Busy(format!("no connection became free within {:?}", self.wait))
            }
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
        self.pool.status().waiting
    }

    pub(super) fn close(&self) {
        self.pool.close();
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
        if !self.ownership.holds() {
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
        if let Err(Trouble::Lost(_)) = result {
            self.discard();
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

/// Waits for an answer no longer than `limit`. Whoever is told that it did not come discards the
/// connection: the answer may still be on its way.
pub(super) async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, Trouble> {
    match tokio::time::timeout(limit, answer).await {
        Ok(result) => result.map_err(|error| Trouble::of(&error)),
        Err(_) => Err(Trouble::Lost(format!(
            "the database did not answer within {limit:?}"
        ))),
    }
}
