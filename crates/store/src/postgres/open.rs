//! Opening: is the database there, may we, is it one we can use, is its schema ours.
//!
//! Every refusal is one line that says what to do and holds no secret.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::PoolError;
use rollcall_domain::id::Ids;
use rollcall_domain::tenant::OperatorProof;
use tokio::time::Instant;
use tokio_postgres::Row;
use tokio_postgres::error::DbError;

use super::creates::Creates;
use super::order::Order;
use super::pool::{Connection, Connections};
use super::target::Target;
use super::trouble::{Trouble, line, text};
use super::value::values;
use super::writer::Writer;
use super::{PostgresSettings, PostgresStore, migrate};
use crate::leases::{BACKGROUND, TRANSFER};
use crate::transfer::Transfer as _;
use crate::{OpenError, StoreError};

/// The oldest server that is supported.
const OLDEST_SERVER: i64 = 15;

impl PostgresStore {
    /// Opens the storage in the database at `url` and brings its schema up to date.
    ///
    /// While the database is away it is tried again for as long as the settings say. What waiting would
    /// not change is refused at once: a wrong password, an unknown database, a server that is too old
    /// or read-only, a newer schema.
    pub async fn open(
        url: &str,
        settings: PostgresSettings,
        ids: Arc<Ids>,
    ) -> Result<Self, OpenError> {
        let target = Target::parse(url, settings.connect_timeout)?;
        let name = target.name();
        let primary = connections(target, &settings)?;
        let replica = match &settings.read_url {
            None => None,
            Some(url) => {
                let target = Target::parse(url, settings.connect_timeout)?;
                Some(connections(target, &settings)?)
            }
        };
        let patience = settings.statement_timeout;
        let writer = Writer::new(primary.clone(), patience, replica.is_some());
        let writer = Arc::new(writer);
        let creates = Creates::new(&writer, &ids, settings.connect_timeout);
        let store = Self {
            settings,
            ids,
            primary,
            replica,
            writer,
            creates: Arc::new(creates),
            puts: Order::default(),
        };
        let mut connection = store.connect(&name).await?;
        examine(&mut connection, &name).await?;
        let until = Instant::now() + store.settings.migration_patience;
        // Its connection is one of those that migrating needs.
        drop(connection);
        migrate::run(&store.primary, until).await?;
        if !store.settings.transferring {
            store.refuse_transferred(&name).await?;
        }
        Ok(store)
    }

    /// Refuses a database that a transfer has begun to fill, or that one is reading.
    async fn refuse_transferred(&self, name: &str) -> Result<(), OpenError> {
        let proof = OperatorProof::of_storage_access();
        let told = |error: StoreError| cannot(name, &error.to_string());
        if self.arrival(proof).await.map_err(told)?.is_some() {
            return Err(OpenError::half_filled());
        }
        let sql = "SELECT 1 FROM rollcall_leases WHERE name = $1 AND owner LIKE $2 || '%' \
                   AND expires_at > (extract(epoch FROM now()) * 1000000)::bigint";
        let held = self.read(sql, &values![BACKGROUND, TRANSFER]).await;
        if held.map_err(told)?.is_empty() {
            return Ok(());
        }
        let what = "a transfer is reading or filling it; start again when that has ended";
        Err(cannot(name, what))
    }

    /// The first connection: tried again while the database is away. That it is waited for is said once.
    async fn connect(&self, name: &str) -> Result<Connection, OpenError> {
        let patience = self.settings.patience;
        let until = Instant::now() + patience;
        let mut pause = Duration::from_millis(100);
        let mut waiting = false;
        loop {
            let error = match self.primary.first_connection().await {
                Ok(connection) => break Ok(connection),
                Err(error) => error,
            };
            let passing = is_passing(&error);
            if !passing || Instant::now() + pause >= until {
                break Err(unreachable(name, &error));
            }
            if !waiting {
                let (reason, seconds) = (reason(&error), patience.as_secs());
                tracing::warn!(%reason, "the database at {name} is away; waiting up to {seconds} s for it");
                waiting = true;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
        .inspect(|_| {
            if waiting {
                tracing::info!("the database at {name} is there");
            }
        })
    }
}

/// The number of the last migration applied to the database at `url`; 0 when there is none.
pub async fn schema_version(url: &str, settings: &PostgresSettings) -> Result<u32, OpenError> {
    let target = Target::parse(url, settings.connect_timeout)?;
    let name = target.name();
    let opened = connections(target, settings)?.first_connection().await;
    let mut connection = opened.map_err(|error| unreachable(&name, &error))?;
    refuse_old(&mut connection, &name).await?;
    migrate::version(&mut connection).await
}

fn connections(target: Target, settings: &PostgresSettings) -> Result<Connections, OpenError> {
    Connections::new(
        target,
        settings.pool_size,
        settings.connect_timeout,
        settings.statement_timeout,
        settings.recycle,
    )
}

fn is_passing(error: &PoolError) -> bool {
    match error {
        PoolError::Backend(error) => may_pass(error),
        PoolError::Timeout(_) => true,
        PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => false,
    }
}

/// Why there is no connection and, where the database itself did not say, what to do.
fn unreachable(name: &str, error: &PoolError) -> OpenError {
    let reason = reason(error);
    let answered = matches!(error, PoolError::Backend(error) if error.as_db_error().is_some());
    let advice = if answered {
        ""
    } else if is_passing(error) {
        "; is it running, and is that its address? Start it, or correct the database URL"
    } else {
        "; correct the database URL, or what the database accepts"
    };
    OpenError::Failed(format!(
        "cannot open the database at {name}: {reason}{advice}"
    ))
}

/// Whether waiting can help: it does where nothing answers, or an answer says "not now".
fn may_pass(error: &tokio_postgres::Error) -> bool {
    if let Some(answer) = error.as_db_error() {
        let code = answer.code().code();
        return ["57P", "53", "08"]
            .iter()
            .any(|class| code.starts_with(class));
    }
    let text = error.to_string();
    !["TLS", "authentication", "configuration"]
        .iter()
        .any(|lasting| text.contains(lasting))
}

fn reason(error: &PoolError) -> String {
    match error {
        PoolError::Backend(error) => match error.as_db_error() {
            Some(answer) => advice(answer),
            None => text(error),
        },
        PoolError::Timeout(_) => "it did not answer in time".into(),
        PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
            error.to_string()
        }
    }
}

fn advice(answer: &DbError) -> String {
    let said = line(answer);
    match answer.code().code() {
        "28P01" | "28000" => format!("{said}; check user and password in the database URL"),
        "3D000" => format!("{said}; create it first, for instance with createdb"),
        "57P03" => format!("{said}; try again when it has started"),
        "53300" => format!("{said}; close some, or raise its max_connections"),
        _ => said,
    }
}

/// Refuses a server that is too old. It is asked by itself, in words that old servers know.
async fn refuse_old(connection: &mut Connection, name: &str) -> Result<(), OpenError> {
    let asked = connection
        .query(
            "SELECT current_setting('server_version_num'), current_setting('server_version')",
            &[],
        )
        .await;
    let version = asked.map_err(|trouble| not_told(name, trouble))?;
    let number = text_of(&version, 0).parse::<i64>().unwrap_or(0) / 10_000;
    if number < OLDEST_SERVER {
        let what = format!(
            "it runs PostgreSQL {}, and Rollcall needs {OLDEST_SERVER} or later",
            text_of(&version, 1)
        );
        return Err(cannot(name, &what));
    }
    Ok(())
}

/// Refuses a server that Rollcall cannot keep its promises on.
async fn examine(connection: &mut Connection, name: &str) -> Result<(), OpenError> {
    refuse_old(connection, name).await?;
    let asked = connection
        .query(
            "SELECT current_setting('server_encoding'), current_setting('transaction_read_only'), \
             coalesce(current_setting('fsync', true), 'on'), \
             coalesce(current_setting('synchronous_commit', true), 'on')",
            &[],
        )
        .await;
    let settings = asked.map_err(|trouble| not_told(name, trouble))?;
    let setting = |column: usize| text_of(&settings, column);
    if setting(0) != "UTF8" {
        let what = format!(
            "its encoding is {}; create it with encoding UTF8",
            setting(0)
        );
        return Err(cannot(name, &what));
    }
    if setting(1) == "on" {
        return Err(cannot(
            name,
            "it is read-only; give the URL of the primary, and a replica's as the read URL",
        ));
    }
    if setting(2) == "off" || setting(3) == "off" {
        tracing::warn!(
            "the database at {name} has fsync or synchronous_commit off: acknowledged writes can be lost"
        );
    }
    Ok(())
}

fn cannot(name: &str, what: &str) -> OpenError {
    OpenError::Failed(format!("cannot use the database at {name}: {what}"))
}

fn not_told(name: &str, trouble: Trouble) -> OpenError {
    cannot(name, &StoreError::from(trouble).to_string())
}

/// A text in the first row; empty when there is none.
fn text_of(rows: &[Row], column: usize) -> &str {
    let value = rows.first().and_then(|row| row.try_get(column).ok());
    value.unwrap_or_default()
}

impl From<Trouble> for OpenError {
    fn from(trouble: Trouble) -> Self {
        Self::Failed(StoreError::from(trouble).to_string())
    }
}
