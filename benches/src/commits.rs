//! What SQLite itself does with the same rows on the same disk.
//!
//! The reference for durable creates puts the same kind of row into a table, one commit each, as a server without group
//! commit would. It is given every advantage: no HTTP, no parsing, an empty database, one prepared statement. The
//! one for imports copies what an import has written, in the order of its keys, and makes the indexes of it at the
//! end, as an import does.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rusqlite::{Connection, params};

use crate::records;
use crate::stats::float;

#[derive(Debug)]
pub(crate) struct Reference {
    connection: Connection,
    /// Made beforehand: what is timed is SQLite alone.
    documents: Vec<String>,
    next: usize,
}

impl Reference {
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        if path.exists() {
            std::fs::remove_file(path)?;
        }
        let connection = Connection::open(path)?;
        // `journal_mode` answers with a row, so it cannot go with the rest.
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.execute_batch(
            "PRAGMA synchronous = FULL;
             CREATE TABLE profile (
                 organization TEXT NOT NULL, created_at INTEGER NOT NULL, id TEXT NOT NULL,
                 document TEXT NOT NULL,
                 PRIMARY KEY (organization, created_at, id)
             ) WITHOUT ROWID;
             CREATE UNIQUE INDEX profile_by_id ON profile (id);",
        )?;
        let organization = "00000000-0000-0000-0000-000000000000";
        let documents = (0..1_000)
            .map(|number| records::line(number, 1_000, organization))
            .collect();
        Ok(Self {
            connection,
            documents,
            next: 0,
        })
    }

    /// Commits one row after the other for `time`; returns how many each second.
    pub(crate) fn commits_per_second(&mut self, time: Duration) -> anyhow::Result<f64> {
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO profile VALUES (?1, ?2, ?3, ?4)")?;
        let started = Instant::now();
        let mut commits = 0_u32;
        while started.elapsed() < time {
            let number = self.next;
            self.next += 1;
            let id = format!("uprof_01{number:022}");
            let document = &self.documents[number % self.documents.len()];
            insert.execute(params![
                "organization",
                i64::try_from(number)?,
                id,
                document
            ])?;
            commits += 1;
        }
        Ok(f64::from(commits) / started.elapsed().as_secs_f64())
    }
}

/// The tables that a profile has rows in.
const OF_PROFILES: [&str; 3] = ["profiles", "profile_programs", "enforcement_actions"];
/// The one index that an import looks into while it writes.
const KEPT_INDEX: &str = "profiles_by_id";
/// What an import has for its own pages, in kibibytes, and the threads that sort for it.
const CACHE_KIB: i64 = 32 * 1_024;
const SORTING_THREADS: u32 = 2;

/// Records a second when SQLite copies the rows of profiles from `database` into a file of its own at `copied`, in one
/// transaction.
pub(crate) fn copies_per_second(
    database: &Path,
    copied: &Path,
    profiles: u64,
) -> anyhow::Result<f64> {
    if copied.exists() {
        std::fs::remove_file(copied)?;
    }
    let connection = Connection::open(copied)?;
    let path = database.to_str().context("a path that is text")?;
    connection.execute("ATTACH ?1 AS source", [path])?;
    let page_size: i64 = connection.query_row("PRAGMA source.page_size", [], |row| row.get(0))?;
    connection.pragma_update(None, "page_size", page_size)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "threads", SORTING_THREADS)?;
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for table in OF_PROFILES {
        let mut made = connection.prepare(
            "SELECT name, sql FROM source.sqlite_master \
             WHERE tbl_name = ?1 AND sql IS NOT NULL ORDER BY type DESC",
        )?;
        let mut made = made.query([table])?;
        while let Some(row) = made.next()? {
            let (name, sql): (String, String) = (row.get(0)?, row.get(1)?);
            let is_first = name == table || name == KEPT_INDEX;
            let when = if is_first { &mut first } else { &mut last };
            when.push(sql);
        }
    }
    connection.execute_batch(&first.join(";"))?;
    let started = Instant::now();
    let tables = OF_PROFILES.map(|table| {
        // With a condition, or SQLite would not insert the rows but copy what its pages hold.
        format!("INSERT INTO {table} SELECT * FROM source.{table} WHERE organization IS NOT NULL")
    });
    let [rows, indexes] = [tables.join(";"), last.join(";")];
    connection.execute_batch(&format!("BEGIN; {rows}; {indexes}; COMMIT"))?;
    Ok(float(profiles) / started.elapsed().as_secs_f64())
}
