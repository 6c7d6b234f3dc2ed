//! The reference for durable creates: the same kind of row put into SQLite on the same disk, one
//! commit each, as a server without group commit would.
//!
//! It is given every advantage: no HTTP, no parsing, an empty database, one prepared statement.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use crate::records;

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
