//! Loading many records into a storage that nobody else reads: the large indexes that only searches and
//! orders need are taken away first and built once at the end, which costs a third of keeping them.
//!
//! What was taken away is remembered in the database, in the same transaction, so that a load that is
//! interrupted is put right by whoever opens the storage next. Each index comes back in one transaction
//! with the end of its note, so that this can be interrupted as well.

use async_trait::async_trait;
use rollcall_domain::tenant::OperatorProof;
use rusqlite::Connection;

use super::{SqliteStore, failed};
use crate::Stored;
use crate::bulk::BulkLoad;
use crate::opening::Opening;

/// Indexes that no write needs. `profiles_by_id` is not among them: every record is looked up by it. Nor are those of
/// profiles with open actions: few have any, so that keeping them costs less than reading every profile again.
const SUSPENDED: &str = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' \
    AND sql IS NOT NULL AND tbl_name = 'profiles' AND name NOT IN ('profiles_by_id', \
    'profiles_by_outlook', 'profiles_by_outlook_and_name', 'search_outlook')";

/// Threads that sort beside the one that reads.
const SORTING_THREADS: u32 = 2;

#[async_trait]
impl BulkLoad for SqliteStore {
    async fn begin_bulk_load(&self, _proof: OperatorProof) -> Stored<()> {
        self.writer
            .write(|connection| {
                for (name, sql) in definitions(connection, SUSPENDED).map_err(failed)? {
                    suspend(connection, &name, &sql).map_err(failed)?;
                }
                Ok(())
            })
            .await
    }

    async fn finish_bulk_load(&self, _proof: OperatorProof) -> Stored<()> {
        self.writer
            .write(|connection| resume(connection, &Opening::default()).map_err(failed))
            .await
    }
}

fn suspend(connection: &Connection, name: &str, sql: &str) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO suspended_indexes (name, definition) VALUES (?1, ?2)",
        (name, sql),
    )?;
    connection.execute_batch(&format!("DROP INDEX {name}"))
}

/// Builds every index that was taken away and is not back yet.
pub(super) fn resume(connection: &Connection, opening: &Opening) -> rusqlite::Result<()> {
    // Earlier versions built an index and removed its note in two transactions.
    connection.execute(
        "DELETE FROM suspended_indexes WHERE name IN (SELECT name FROM sqlite_schema)",
        [],
    )?;
    let temp_store: i64 = connection.pragma_query_value(None, "temp_store", |row| row.get(0))?;
    // What is sorted may be larger than the memory, and the other cores have nothing to do.
    connection.pragma_update(None, "temp_store", "FILE")?;
    connection.pragma_update(None, "threads", SORTING_THREADS)?;
    let built = build(connection, opening);
    connection.pragma_update(None, "threads", 0)?;
    connection.pragma_update(None, "temp_store", temp_store)?;
    built
}

/// Outside a transaction each index is one of its own, so that a long rebuild that is killed goes on
/// with the next. After an error the caller gives up connection or transaction, and the savepoint with it.
fn build(connection: &Connection, opening: &Opening) -> rusqlite::Result<()> {
    let missing = definitions(connection, "SELECT name, definition FROM suspended_indexes")?;
    for (done, (name, sql)) in missing.iter().enumerate() {
        tracing::info!(index = name, "building an index");
        opening.begin(format!("building the index {name}"), done, missing.len());
        connection.execute_batch(&format!("SAVEPOINT one_index; {sql}"))?;
        connection.execute("DELETE FROM suspended_indexes WHERE name = ?1", [name])?;
        connection.execute_batch("RELEASE one_index")?;
    }
    Ok(())
}

fn definitions(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<(String, String)>> {
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}
