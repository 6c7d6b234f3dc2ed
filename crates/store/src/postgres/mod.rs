//! The backend for more than one machine: any number of stateless nodes on one `PostgreSQL`.
//!
//! - **Nodes** keep nothing that another node must have. What one task of all nodes is enough for is
//!   done by the holder of a lease row (`leases`).
//! - **Reads** are one statement and one round trip, typed (`value`); it has a name on the server only
//!   where the session is ours alone (`ownership`), so a pooler in transaction mode works. Lists may be
//!   read from a replica.
//! - **Writes** are closed functions run as one transaction, again after a conflict (`transaction`).
//! - **SQL** stays in the part that distributed relatives of `PostgreSQL` share; a test greps for what
//!   is outside of it. The schema is in `migrations/`, `migrate` brings it up to date.
//!
//! `docs/postgresql.md` is for those who run it.

mod abandoned;
mod audit;
mod bulk;
mod check;
mod commit;
mod creates;
mod deliveries;
mod emitter;
mod endpoint_rows;
mod enrollments;
mod faults;
mod inserts;
mod keys;
mod leases;
mod listing;
mod migrate;
mod open;
mod order;
mod organization_rows;
mod outbox;
mod outlasting;
mod overview;
mod ownership;
mod pool;
mod profile_rows;
mod profiles;
mod puts;
mod recent;
mod registry;
mod removal;
mod rows;
mod search;
mod sessions;
mod tables;
mod target;
mod tenants;
mod transaction;
mod transfer;
mod trouble;
mod value;
mod webhooks;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use rollcall_domain::id::Ids;
use tokio_postgres::Row;

use crate::Stored;
use creates::Creates;
use order::Order;
use pool::{Connections, Planned};
use transaction::{Attempts, Tx};
use trouble::Trouble;
use value::Value;
use writer::{Work, Writer};

#[doc(hidden)]
pub use faults::{Fault, Faults};
#[doc(hidden)]
pub use listing::statements as listing_statements;
pub use open::schema_version;

/// How the database is used.
#[derive(Clone, Debug)]
pub struct PostgresSettings {
    /// Most connections to the primary, and as many to the replica; at least 2. Those whose answer nobody
    /// waits for any more are counted.
    pub pool_size: usize,
    /// Longest time for a connection to be made, or to become free.
    pub connect_timeout: Duration,
    /// Longest time for a statement to run, and for a write to be tried again.
    pub statement_timeout: Duration,
    /// Age at which a connection is replaced.
    pub recycle: Duration,
    /// How long to wait, while opening, for a database that is away.
    pub patience: Duration,
    /// How long to wait, while opening, for another node's migrations.
    pub migration_patience: Duration,
    /// A transfer reads or fills it; nobody else may have it open.
    pub transferring: bool,
    /// A replica for lists and searches, which may then lag behind.
    pub read_url: Option<String>,
}

impl Default for PostgresSettings {
    fn default() -> Self {
        Self {
            pool_size: 16,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
            recycle: Duration::from_mins(30),
            patience: Duration::from_secs(30),
            migration_patience: Duration::from_secs(30),
            transferring: false,
            read_url: None,
        }
    }
}

/// The backend on `PostgreSQL`.
pub struct PostgresStore {
    settings: PostgresSettings,
    ids: Arc<Ids>,
    primary: Connections,
    replica: Option<Connections>,
    writer: Arc<Writer>,
    creates: Arc<Creates>,
    /// The calls that write whole records.
    puts: Order,
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The connections know the password.
        formatter
            .debug_struct("PostgresStore")
            .finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// This storage with faults that tests put into its writes.
    #[doc(hidden)]
    #[must_use]
    pub fn with_faults(self, faults: Arc<dyn Faults>) -> Self {
        let _ = self.writer.faults.set(faults);
        self
    }

    /// Runs `work` as one transaction and answers once it is committed. See [`Writer::run`].
    async fn run<C: Sync + ?Sized, T: Send>(
        &self,
        name: &'static str,
        context: &C,
        work: for<'t> fn(&'t mut Tx, &'t C) -> Work<'t, T>,
    ) -> Stored<T> {
        let ended = Writer::run(&self.writer, name, context, work).await;
        Ok(ended?)
    }

    /// Runs one statement that only reads, on the primary: it sees every acknowledged write.
    async fn read(&self, sql: &str, parameters: &[Value]) -> Stored<Vec<Row>> {
        self.read_planned(Planned::EachTime, sql, parameters).await
    }

    /// The same, where its plan may be worth keeping.
    async fn read_planned(
        &self,
        planned: Planned,
        sql: &str,
        parameters: &[Value],
    ) -> Stored<Vec<Row>> {
        let rows = self.read_from(&self.primary, planned, sql, parameters);
        Ok(rows.await?)
    }

    /// Runs one statement that only reads and may lag behind what others wrote: on the replica if there is one that
    /// has what this organization, or any, wrote through this node. While the replica does not answer, the primary
    /// does.
    async fn read_lagging(
        &self,
        organization: Option<&str>,
        planned: Planned,
        sql: &str,
        parameters: &[Value],
    ) -> Stored<Vec<Row>> {
        let Some(replica) = self.replica_for(organization).await else {
            return self.read_planned(planned, sql, parameters).await;
        };
        match self.read_from(replica, planned, sql, parameters).await {
            Ok(rows) => Ok(rows),
            Err(Trouble::Stored(error)) => Err(error),
            Err(trouble) => {
                tracing::warn!(
                    ?trouble,
                    "the read replica does not answer; the primary does"
                );
                self.read_planned(planned, sql, parameters).await
            }
        }
    }

    /// Reading can be tried again whatever happened.
    async fn read_from(
        &self,
        connections: &Connections,
        planned: Planned,
        sql: &str,
        parameters: &[Value],
    ) -> Result<Vec<Row>, Trouble> {
        let mut attempts = Attempts::new("read", self.settings.statement_timeout);
        loop {
            let mut connection = connections.connection().await?;
            match connection.query_planned(planned, sql, parameters).await {
                Ok(rows) => return Ok(rows),
                Err(trouble) => {
                    drop(connection);
                    attempts.pause(trouble, false).await?;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
