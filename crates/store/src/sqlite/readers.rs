//! Connections to read with, each with a state of the database that it keeps for as long as nothing is
//! committed.
//!
//! Entering and leaving a state of the write-ahead log costs two file locks, a tenth of looking one
//! profile up. So a read leaves its transaction open, and the next one goes on in it unless something
//! was committed in between. The only one who commits is the writer in this process ([`super::writer`]),
//! which counts its commits here: a read that begins after a commit was answered sees what it changed.
//!
//! A state that is kept holds the log back from starting over. So [`Readers::let_go`] ends those of
//! the idle connections, before each commit and before the log is folded back.
//!
//! Everything that one read asks is asked of one state.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use rusqlite::Connection;

use super::failed;
use crate::Stored;

/// Opens another connection.
type Connect = Box<dyn Fn() -> Stored<Connection> + Send + Sync>;

/// The connections that nobody reads with at the moment, and the count of commits.
pub(super) struct Readers {
    connect: Connect,
    /// Whether a transaction may stay open after a read. Under a rollback journal, and in memory, it
    /// would keep the writer out.
    keeps_state: bool,
    idle: Mutex<Vec<Reader>>,
    commits: AtomicU64,
}

impl std::fmt::Debug for Readers {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Readers")
            .field("keeps_state", &self.keeps_state)
            .field("commits", &self.commits)
            .finish_non_exhaustive()
    }
}

struct Reader {
    connection: Connection,
    /// How many commits there had been when the open transaction began; the state may be newer.
    state: Option<u64>,
}

impl Readers {
    pub(super) fn new(connect: Connect, keeps_state: bool) -> Self {
        Self {
            connect,
            keeps_state,
            idle: Mutex::new(Vec::new()),
            commits: AtomicU64::new(0),
        }
    }

    /// Runs `read` inline, in one state of the database that holds every commit answered so far.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Connection) -> Stored<T>) -> Stored<T> {
        let pooled = self.idle.lock().pop();
        let mut reader = match pooled {
            Some(reader) => reader,
            None => Reader {
                connection: (self.connect)()?,
                state: None,
            },
        };
        reader.enter(self.commits.load(Ordering::Acquire))?;
        let result = read(&reader.connection);
        if !self.keeps_state || result.is_err() {
            reader.leave()?;
        }
        self.idle.lock().push(reader);
        result
    }

    /// Notes a commit: no read that begins from here on may go on in an earlier state.
    pub(super) fn committed(&self) {
        self.commits.fetch_add(1, Ordering::Release);
    }

    /// Ends the transactions that idle connections keep.
    pub(super) fn let_go(&self) {
        if !self.keeps_state {
            return;
        }
        // A connection that cannot leave its state is closed, which leaves it.
        self.idle.lock().retain_mut(|reader| reader.leave().is_ok());
    }
}

impl Reader {
    fn enter(&mut self, commits: u64) -> Stored<()> {
        if self.state == Some(commits) {
            return Ok(());
        }
        self.leave()?;
        execute(&self.connection, "BEGIN DEFERRED")?;
        self.state = Some(commits);
        Ok(())
    }

    fn leave(&mut self) -> Stored<()> {
        // A failed statement may have ended the transaction by itself.
        if self.state.take().is_some() && !self.connection.is_autocommit() {
            execute(&self.connection, "COMMIT")?;
        }
        Ok(())
    }
}

fn execute(connection: &Connection, sql: &str) -> Stored<()> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.raw_execute())
        .map(|_| ())
        .map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(directory: &std::path::Path) -> Connection {
        let connection = Connection::open(directory.join("test.db")).unwrap();
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .unwrap();
        connection
            .pragma_update(None, "wal_autocheckpoint", 0)
            .unwrap();
        connection
    }

    /// A database with an empty table, who writes to it and who reads.
    struct Place {
        _directory: tempfile::TempDir,
        writer: Connection,
        readers: Readers,
    }

    fn place() -> Place {
        let directory = tempfile::tempdir().unwrap();
        let writer = open(directory.path());
        let table = "CREATE TABLE things (number INTEGER)";
        writer.execute_batch(table).unwrap();
        let path = directory.path().to_owned();
        let readers = Readers::new(Box::new(move || Ok(open(&path))), true);
        Place {
            _directory: directory,
            writer,
            readers,
        }
    }

    impl Place {
        fn add_one(&self) {
            let insert = "INSERT INTO things VALUES (1)";
            self.writer.execute_batch(insert).unwrap();
        }

        fn count(&self) -> i64 {
            let sql = "SELECT count(*) FROM things";
            let count = |connection: &Connection| {
                connection
                    .query_row(sql, [], |row| row.get(0))
                    .map_err(failed)
            };
            self.readers.read(count).unwrap()
        }
    }

    #[test]
    fn a_read_goes_on_in_its_state_until_a_commit_is_noted() {
        let place = place();
        assert_eq!(place.count(), 0);
        place.add_one();
        assert_eq!(place.count(), 0, "the state was not kept");
        place.readers.committed();
        assert_eq!(place.count(), 1);
    }

    #[test]
    fn a_read_that_fails_leaves_its_state_and_the_next_one_works() {
        let place = place();
        let failing = |connection: &Connection| {
            let sql = "SELECT * FROM nothing";
            connection.execute_batch(sql).map_err(failed)
        };
        place.readers.read(failing).unwrap_err();
        assert_eq!(place.count(), 0);
    }

    #[test]
    fn states_that_are_let_go_do_not_hold_the_log_back() {
        let place = place();
        assert_eq!(place.count(), 0);
        place.add_one();
        let is_held_back = || -> bool {
            let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
            let writer = &place.writer;
            writer.query_row(checkpoint, [], |row| row.get(0)).unwrap()
        };
        assert!(is_held_back());
        place.readers.let_go();
        assert!(!is_held_back());
    }
}
