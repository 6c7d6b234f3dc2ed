//! The schema, grown by numbered migrations that are never changed once released.
//!
//! To change the schema, add a file to `migrations/` and a line to [`MIGRATIONS`]. Migrations add; the
//! binary before must be able to run on the result, because nodes are replaced one after the other.
//!
//! Each statement is a transaction of its own and harmless to repeat, so a migration that was broken off
//! is simply run again. One node migrates at a time, the holder of a lease; the others wait for it.

use std::time::Duration;

use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::Ids;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::leases::claim;
use super::pool::Connection;
use super::trouble::Trouble;
use super::value::values;
use crate::OpenError;

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
];

/// What migrations themselves need.
const LEDGER: &str = include_str!("migrations/0000_ledger.sql");

const LEASE: &str = "migrations";
/// Longer than any statement of a migration takes on a table that is in use.
const LEASE_DURATION: Duration = Duration::from_mins(10);

/// Brings the schema up to date; refuses one that this binary does not know.
pub(super) async fn run(
    connection: &mut Connection,
    ids: &Ids,
    until: Instant,
) -> Result<(), OpenError> {
    prepare(connection).await?;
    if applied(connection).await? == MIGRATIONS.len() {
        return Ok(());
    }
    let owner = owner(ids);
    loop {
        let now = now(connection).await?;
        let claimed = claim(connection, LEASE, &owner, LEASE_DURATION, now).await?;
        if claimed.is_some() {
            break;
        }
        if Instant::now() >= until {
            return Err(OpenError::Failed(
                "another node is bringing the schema up to date and has not finished; start again \
                 when it has"
                    .into(),
            ));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let result = apply_missing(connection).await;
    // The lease ends by itself should this fail.
    let _ = super::leases::release(connection, LEASE, &owner).await;
    result
}

/// The number of the last migration that was applied; 0 when there is none.
pub(super) async fn version(connection: &mut Connection) -> Result<u32, OpenError> {
    let tables = tables(connection).await?;
    if !tables.iter().any(|table| table == "rollcall_migrations") {
        return Ok(0);
    }
    let sql = "SELECT coalesce(max(number), 0) FROM rollcall_migrations";
    let rows = connection.query(sql, &[]).await?;
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
        let mut tries = 0;
        while let Err(trouble) = connection.define(statement).await {
            // Two nodes that make the same table at once: one of them is told that it exists.
            tries += 1;
            if tries == 3 {
                return Err(cannot("0 (ledger)", trouble));
            }
        }
    }
    Ok(())
}

/// How many migrations were applied, each in the form this binary has it.
async fn applied(connection: &mut Connection) -> Result<usize, OpenError> {
    let rows = connection
        .query(
            "SELECT number, checksum FROM rollcall_migrations ORDER BY number",
            &[],
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

async fn apply_missing(connection: &mut Connection) -> Result<(), OpenError> {
    let first = applied(connection).await?;
    for (index, (name, sql)) in MIGRATIONS.iter().enumerate().skip(first) {
        let number = index + 1;
        let place = format!("{number} ({name})");
        for statement in statements(sql) {
            let defined = connection.define(statement).await;
            defined.map_err(|trouble| cannot(&place, trouble))?;
        }
        let recorded = connection
            .query(
                "INSERT INTO rollcall_migrations (number, name, checksum) VALUES ($1, $2, $3) \
                 ON CONFLICT (number) DO NOTHING",
                &values![number, *name, checksum(sql)],
            )
            .await;
        recorded.map_err(|trouble| cannot(&place, trouble))?;
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
async fn now(connection: &mut Connection) -> Result<Timestamp, OpenError> {
    let sql = "SELECT (extract(epoch FROM now()) * 1000000)::bigint";
    let rows = connection.query(sql, &[]).await?;
    let micros = rows.first().and_then(|row| row.try_get(0).ok());
    Ok(micros
        .and_then(Timestamp::from_micros)
        .unwrap_or(Timestamp::EPOCH))
}

fn owner(ids: &Ids) -> String {
    hexadecimal(&ids.secret_bytes()[..16])
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
