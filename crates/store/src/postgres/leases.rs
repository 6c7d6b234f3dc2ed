//! Lease rows: a claim is one statement, so it needs no lock that outlives it.

use std::time::Duration;

use async_trait::async_trait;
use rollcall_domain::clock::Timestamp;

use super::PostgresStore;
use super::pool::Connection;
use super::rows::{column, number};
use super::trouble::Trouble;
use super::value::{Value, values};
use crate::Stored;
use crate::leases::Leases;

/// Repeating a claim changes nothing but its end, so it can be tried again whatever happened to it.
const CLAIM: &str = "INSERT INTO rollcall_leases (name, owner, expires_at, fence) \
    VALUES ($1, $2, $3, 1) ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, \
    expires_at = excluded.expires_at, fence = rollcall_leases.fence \
      + CASE WHEN rollcall_leases.owner = excluded.owner THEN 0 ELSE 1 END \
    WHERE rollcall_leases.owner = excluded.owner OR rollcall_leases.expires_at <= $4 \
    RETURNING fence";

/// The row stays, so that the fencing number goes on growing.
const RELEASE: &str =
    "UPDATE rollcall_leases SET owner = '', expires_at = 0 WHERE name = $1 AND owner = $2";

#[async_trait]
impl Leases for PostgresStore {
    fn is_shared(&self) -> bool {
        true
    }

    async fn claim_lease(
        &self,
        name: &str,
        owner: &str,
        duration: Duration,
        now: Timestamp,
    ) -> Stored<Option<u64>> {
        let parameters = claiming(name, owner, duration, now);
        self.run("claim_lease", &parameters, |tx, parameters| {
            Box::pin(async move {
                let rows = tx.write_now(CLAIM, parameters).await?;
                fence(&rows)
            })
        })
        .await
    }

    async fn lease_owner(&self, name: &str, now: Timestamp) -> Stored<Option<String>> {
        let sql = "SELECT owner FROM rollcall_leases WHERE name = $1 AND expires_at > $2";
        let rows = self.read(sql, &values![name, now]).await?;
        rows.first().map(|row| column(row, 0)).transpose()
    }

    async fn release_lease(&self, name: &str, owner: &str) -> Stored<()> {
        self.run("release_lease", &values![name, owner], |tx, parameters| {
            Box::pin(async move {
                tx.write(RELEASE, parameters.to_vec());
                Ok(())
            })
        })
        .await
    }
}

fn claiming(name: &str, owner: &str, duration: Duration, now: Timestamp) -> [Value; 4] {
    values![name, owner, now.saturating_add(duration), now]
}

fn fence(rows: &[tokio_postgres::Row]) -> Result<Option<u64>, Trouble> {
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    Ok(Some(u64::try_from(number(row, 0)?).unwrap_or_default()))
}

/// Claims a lease on a connection, before there is a storage.
pub(super) async fn claim(
    connection: &mut Connection,
    name: &str,
    owner: &str,
    duration: Duration,
    now: Timestamp,
) -> Result<Option<u64>, Trouble> {
    let rows = connection
        .query(CLAIM, &claiming(name, owner, duration, now))
        .await?;
    fence(&rows)
}

/// Gives a lease up on a connection, before there is a storage.
pub(super) async fn release(
    connection: &mut Connection,
    name: &str,
    owner: &str,
) -> Result<(), Trouble> {
    let released = connection.query(RELEASE, &values![name, owner]).await;
    released.map(|_| ())
}
