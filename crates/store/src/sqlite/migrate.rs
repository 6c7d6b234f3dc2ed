//! The schema, grown by numbered migrations that are never changed once released.
//!
//! To change the schema, add a file to `migrations/` and a line to [`MIGRATIONS`]. Migrations add; the
//! binary before must be able to run on the result.

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::way_out;
use crate::{OpenError, Opening};

/// Marks a file as Rollcall's ("roll" in ASCII).
const APPLICATION_ID: i32 = 0x726f_6c6c;

/// Every migration, oldest first; its number is its place, counted from 1.
const MIGRATIONS: &[(&str, &str)] = &[
    ("initial", include_str!("migrations/0001_initial.sql")),
    ("webhooks", include_str!("migrations/0002_webhooks.sql")),
    (
        "enrollments",
        include_str!("migrations/0003_enrollments.sql"),
    ),
    (
        "delivery lists",
        include_str!("migrations/0004_delivery_lists.sql"),
    ),
    ("covering", include_str!("migrations/0005_covering.sql")),
    (
        "documents without keys",
        include_str!("migrations/0006_documents_without_keys.sql"),
    ),
    (
        "counts by day",
        include_str!("migrations/0007_counts_by_day.sql"),
    ),
    (
        "enrollment URLs by profile",
        include_str!("migrations/0008_enrollment_urls_by_profile.sql"),
    ),
    (
        "literal keys",
        include_str!("migrations/0009_literal_keys.sql"),
    ),
    (
        "organization switches",
        include_str!("migrations/0010_organization_switches.sql"),
    ),
    ("gateway", include_str!("migrations/0011_gateway.sql")),
    (
        "operator roles",
        include_str!("migrations/0012_operator_roles.sql"),
    ),
    (
        "tenancies end",
        include_str!("migrations/0013_tenancies_end.sql"),
    ),
];

/// The number of the last migration that this version knows.
#[expect(clippy::cast_possible_truncation, reason = "there are few")]
pub const KNOWN_SCHEMA: u32 = MIGRATIONS.len() as u32;

/// Sets what must be set before a database has its first table.
pub(super) fn prepare(connection: &Connection, on_disk: bool) -> rusqlite::Result<()> {
    connection.pragma_update(None, "page_size", 8_192)?;
    if on_disk {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "journal_size_limit", 67_108_864)?;
    }
    Ok(())
}

/// Gives up the write-ahead log for a rollback journal, until the file is opened the next time. `false` when
/// it stays, because somebody has the file open, as a backup does.
pub(super) fn leave_log(connection: &Connection) -> bool {
    let mode = connection.pragma_update_and_check(None, "journal_mode", "TRUNCATE", |row| {
        row.get::<_, String>(0)
    });
    mode.is_ok_and(|mode| mode.eq_ignore_ascii_case("truncate"))
}

/// Writes a page that says what it said before.
pub(super) fn touch(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "application_id", APPLICATION_ID)
}

/// Brings the schema up to date; refuses one that this binary does not know.
pub(super) fn run(connection: &mut Connection, opening: &Opening) -> Result<(), OpenError> {
    let cannot = |error: rusqlite::Error| {
        let way_out = way_out(&error);
        OpenError::Failed(format!("cannot read the schema: {error}; {way_out}"))
    };
    let application: i32 = connection
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(cannot)?;
    let version: u32 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(cannot)?;
    let version = usize::try_from(version).unwrap_or(usize::MAX);
    if application != APPLICATION_ID && (application != 0 || version != 0) {
        return Err(OpenError::Failed(
            "the database file is not one of rollcall's".into(),
        ));
    }
    if version > MIGRATIONS.len() {
        return Err(OpenError::Failed(format!(
            "the data directory has schema {version} and this rollcall knows up to {}; run a newer \
             rollcall",
            MIGRATIONS.len()
        )));
    }
    if version > 0 {
        verify(connection, version)?;
    }
    for (number, (name, sql)) in MIGRATIONS.iter().enumerate().skip(version) {
        let migration = format!("migration {} ({name})", number + 1);
        if version > 0 {
            tracing::info!("bringing the storage up to date: {migration}");
        }
        opening.begin(migration.clone(), number, MIGRATIONS.len());
        apply(connection, number + 1, name, sql).map_err(|error| {
            let way_out = way_out(&error);
            OpenError::Failed(format!("{migration} failed: {error}; {way_out}"))
        })?;
    }
    Ok(())
}

fn apply(
    connection: &mut Connection,
    number: usize,
    name: &str,
    sql: &str,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    if number == 1 {
        transaction.execute_batch(
            "CREATE TABLE migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, \
             checksum TEXT NOT NULL)",
        )?;
    }
    transaction.execute_batch(sql)?;
    transaction.execute(
        "INSERT INTO migrations (number, name, checksum) VALUES (?1, ?2, ?3)",
        (
            i64::try_from(number).unwrap_or(i64::MAX),
            name,
            checksum(sql),
        ),
    )?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(
        None,
        "user_version",
        i64::try_from(number).unwrap_or(i64::MAX),
    )?;
    transaction.commit()
}

/// Refuses a database whose applied migrations are not the ones this binary was built with.
fn verify(connection: &Connection, version: usize) -> Result<(), OpenError> {
    for (number, (name, sql)) in MIGRATIONS.iter().enumerate().take(version) {
        let stored: Result<String, _> = connection.query_row(
            "SELECT checksum FROM migrations WHERE number = ?1",
            [i64::try_from(number + 1).unwrap_or(i64::MAX)],
            |row| row.get(0),
        );
        if stored.as_deref() != Ok(checksum(sql).as_str()) {
            return Err(OpenError::Failed(format!(
                "migration {} ({name}) was applied in another form than this rollcall has it; run \
                 the version that created the data directory",
                number + 1
            )));
        }
    }
    Ok(())
}

fn checksum(sql: &str) -> String {
    use std::fmt::Write as _;
    let digest = Sha256::digest(sql.as_bytes());
    digest
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
