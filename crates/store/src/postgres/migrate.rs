//! The schema, grown by numbered migrations that are never changed once released.
//!
//! To change the schema, add a file to `migrations/` and a line to [`MIGRATIONS`]. Migrations add; the
//! binary before must be able to run on the result, because nodes are replaced one after the other.
//!
//! Each statement is a transaction of its own and harmless to repeat, so a migration that was broken off
//! is simply run again. One node migrates at a time, the holder of a lease that it renews; the others wait
//! for it, and when it dies, one of them takes over within seconds.

use std::time::Duration;

use rollcall_domain::clock::Timestamp;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::leases::{claim, release};
use super::pool::{Connection, Connections};
use super::trouble::Trouble;
use super::value::values;
use crate::OpenError;
use crate::transfer::UNDER_WAY;

/// Every migration, oldest first; its number is its place, counted from 1.
const MIGRATIONS: &[(&str, &str)] = &[
    ("initial", include_str!("migrations/0001_initial.sql")),
    (
        "delivery lists",
        include_str!("migrations/0002_delivery_lists.sql"),
    ),
    (
        "folded counts",
        include_str!("migrations/0003_folded_counts.sql"),
    ),
    (
        "documents without keys",
        include_str!("migrations/0004_documents_without_keys.sql"),
    ),
    (
        "enrollment URLs by profile",
        include_str!("migrations/0005_enrollment_urls_by_profile.sql"),
    ),
    (
        "literal keys",
        include_str!("migrations/0006_literal_keys.sql"),
    ),
    (
        "organization switches",
        include_str!("migrations/0007_organization_switches.sql"),
    ),
    ("gateway", include_str!("migrations/0008_gateway.sql")),
    (
        "operator roles",
        include_str!("migrations/0009_operator_roles.sql"),
    ),
    (
        "tenancies end",
        include_str!("migrations/0010_tenancies_end.sql"),
    ),
];

/// What migrations themselves need.
const LEDGER: &str = include_str!("migrations/0000_ledger.sql");

/// The name of the lease.
const LEASE: &str = "migrations";
/// How long a claim of it holds: a node that is killed keeps the others waiting no longer.
const LEASE_DURATION: Duration = Duration::from_secs(5);
/// How often the node that migrates claims it again, on a connection of its own: a statement may take hours.
const RENEW_EVERY: Duration = Duration::from_millis(1_500);
/// How often a statement is tried: one that a dead node has begun may still be under way, and makes the
/// same thing.
const TRIES: u32 = 3;

/// The right to migrate.
struct Lease {
    owner: String,
    fence: u64,
}

/// Brings the schema up to date; refuses one that this binary does not know. Waits until `until` for
/// another node that is doing it.
pub(super) async fn run(primary: &Connections, until: Instant) -> Result<(), OpenError> {
    let owner = format!("{:032x}", rand::random::<u128>());
    let mut connection = primary.connection().await?;
    prepare(&mut connection).await?;
    while applied(&mut connection).await? < MIGRATIONS.len() {
        let Some(fence) = claim_now(&mut connection, &owner).await? else {
            if Instant::now() >= until {
                return Err(held_by_another(&mut connection).await?);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        };
        let lease = Lease {
            owner: owner.clone(),
            fence,
        };
        tokio::select! {
            applied = apply_missing(&mut connection, &lease) => {
                // The lease ends by itself should this fail.
                let _ = release(&mut connection, LEASE, &owner).await;
                applied?;
            }
            () = keep(primary, &lease) => {
                tracing::warn!("another node has taken the migrations over");
                connection.cancel();
                connection = primary.connection().await?;
            }
        }
    }
    Ok(())
}

/// Claims the lease by the database's clock.
async fn claim_now(connection: &mut Connection, owner: &str) -> Result<Option<u64>, Trouble> {
    let now = now(connection).await?;
    claim(connection, LEASE, owner, LEASE_DURATION, now).await
}

/// Keeps the lease, and comes back when it is lost.
async fn keep(primary: &Connections, lease: &Lease) {
    let mut until = Instant::now() + LEASE_DURATION;
    loop {
        tokio::time::sleep(RENEW_EVERY).await;
        let began = Instant::now();
        let renewed = async {
            let mut connection = primary.connection().await?;
            claim_now(&mut connection, &lease.owner).await
        };
        match renewed.await {
            Ok(Some(fence)) if fence == lease.fence => until = began + LEASE_DURATION,
            Ok(_) => return,
            Err(_) if Instant::now() >= until => return,
            Err(trouble) => tracing::warn!(?trouble, "keeping the lease of the migrations"),
        }
    }
}

/// What is told to a node that cannot wait any longer.
async fn held_by_another(connection: &mut Connection) -> Result<OpenError, OpenError> {
    let sql = "SELECT expires_at FROM rollcall_leases WHERE name = $1";
    let rows = connection.query(sql, &values![LEASE]).await?;
    let ends = rows
        .first()
        .and_then(|row| super::rows::timestamp(row, 0).ok())
        .map(|end| format!(" until {}", rollcall_record::time::to_text(end)));
    Ok(OpenError::Failed(format!(
        "another node is bringing the schema up to date: it has the right to{}, and renews it for as long \
         as it lives; start again when it has finished",
        ends.unwrap_or_default()
    )))
}

/// The number of the last migration that was applied; 0 when there is none.
pub(super) async fn version(connection: &mut Connection) -> Result<u32, OpenError> {
    let tables = tables(connection).await?;
    if !tables.iter().any(|table| table == "rollcall_migrations") {
        return Ok(0);
    }
    let sql = "SELECT coalesce(max(number), 0) FROM rollcall_migrations WHERE number < $1";
    let rows = connection.query(sql, &values![UNDER_WAY]).await?;
    let number: Option<i64> = rows.first().and_then(|row| row.try_get(0).ok());
    Ok(number
        .and_then(|number| u32::try_from(number).ok())
        .unwrap_or_default())
}

async fn tables(connection: &mut Connection) -> Result<Vec<String>, OpenError> {
    let rows = connection
        .query(
            "SELECT table_name::text FROM information_schema.tables \
             WHERE table_schema = ANY (current_schemas(false))",
            &[],
        )
        .await?;
    Ok(rows.iter().filter_map(|row| row.try_get(0).ok()).collect())
}

/// Makes the ledger, unless the database is somebody else's.
async fn prepare(connection: &mut Connection) -> Result<(), OpenError> {
    let tables = tables(connection).await?;
    let has = |name: &str| tables.iter().any(|table| table == name);
    if has("rollcall_migrations") && has("rollcall_leases") {
        return Ok(());
    }
    if has("profiles") || has("organizations") {
        return Err(OpenError::Failed(
            "the database has tables that are not rollcall's; give rollcall a database of its own"
                .into(),
        ));
    }
    for statement in statements(LEDGER) {
        define(connection, "0 (ledger)", statement).await?;
    }
    Ok(())
}

/// Runs one statement. Where two nodes make the same thing at once, one of them is told that it exists,
/// and finds it the next time.
async fn define(
    connection: &mut Connection,
    migration: &str,
    statement: &str,
) -> Result<(), OpenError> {
    let mut tries = 1;
    while let Err(trouble) = connection.define(statement).await {
        if tries == TRIES {
            return Err(cannot(migration, trouble));
        }
        tries += 1;
    }
    Ok(())
}

/// How many migrations were applied, each in the form this binary has it.
async fn applied(connection: &mut Connection) -> Result<usize, OpenError> {
    let rows = connection
        .query(
            "SELECT number, checksum FROM rollcall_migrations WHERE number < $1 ORDER BY number",
            &values![UNDER_WAY],
        )
        .await?;
    if rows.len() > MIGRATIONS.len() {
        return Err(OpenError::Failed(format!(
            "the database has schema {} and this rollcall knows up to {}; run a newer rollcall",
            rows.len(),
            MIGRATIONS.len()
        )));
    }
    for (row, (name, sql)) in rows.iter().zip(MIGRATIONS) {
        let number: i64 = row.try_get(0).unwrap_or_default();
        let stored: Option<String> = row.try_get(1).ok();
        if stored != Some(checksum(sql)) {
            return Err(OpenError::Failed(format!(
                "migration {number} ({name}) was applied in another form than this rollcall has it; \
                 run the version that created the database"
            )));
        }
    }
    Ok(rows.len())
}

/// Applies what is missing. What is recorded late, when another node has the lease, is not kept.
async fn apply_missing(connection: &mut Connection, lease: &Lease) -> Result<(), OpenError> {
    let first = applied(connection).await?;
    for (index, (name, sql)) in MIGRATIONS.iter().enumerate().skip(first) {
        let number = index + 1;
        let place = format!("{number} ({name})");
        for statement in statements(sql) {
            define(connection, &place, statement).await?;
        }
        let recorded = connection
            .query(
                "INSERT INTO rollcall_migrations (number, name, checksum) \
                 SELECT $1, $2, $3 FROM rollcall_leases WHERE name = $4 AND owner = $5 AND fence = $6 \
                 ON CONFLICT (number) DO NOTHING RETURNING number",
                &values![
                    number,
                    *name,
                    checksum(sql),
                    LEASE,
                    lease.owner.as_str(),
                    i64::try_from(lease.fence).unwrap_or(i64::MAX),
                ],
            )
            .await;
        let recorded = recorded.map_err(|trouble| cannot(&place, trouble))?;
        if recorded.is_empty() {
            return Ok(());
        }
        tracing::info!("migration {place} is applied");
    }
    Ok(())
}

fn cannot(migration: &str, trouble: Trouble) -> OpenError {
    OpenError::Failed(format!(
        "migration {migration} failed: {}",
        OpenError::from(trouble)
    ))
}

/// The statements of a file: each ends with a semicolon at the end of a line.
fn statements(sql: &str) -> impl Iterator<Item = &str> {
    sql.split_inclusive(";\n").filter(|statement| {
        statement
            .lines()
            .any(|line| !line.trim().is_empty() && !line.starts_with("--"))
    })
}

/// The database's clock: nodes that start at once need not agree on the time.
async fn now(connection: &mut Connection) -> Result<Timestamp, Trouble> {
    let sql = "SELECT (extract(epoch FROM now()) * 1000000)::bigint";
    let rows = connection.query(sql, &[]).await?;
    let micros = rows.first().and_then(|row| row.try_get(0).ok());
    Ok(micros
        .and_then(Timestamp::from_micros)
        .unwrap_or(Timestamp::EPOCH))
}

fn checksum(sql: &str) -> String {
    hexadecimal(&Sha256::digest(sql.as_bytes()))
}

/// Bytes as lower-case hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
pub(super) fn all_statements() -> impl Iterator<Item = &'static str> {
    statements(LEDGER).chain(MIGRATIONS.iter().flat_map(|(_, sql)| statements(sql)))
}
