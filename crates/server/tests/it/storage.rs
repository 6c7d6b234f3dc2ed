//! Where the servers of these tests keep what they are told: the embedded engine, or PostgreSQL with
//! `ROLLCALL_TEST_STORE=postgres`. The tests do not know which.

use std::sync::Arc;

use rollcall_domain::id::Ids;
use rollcall_scratch_postgres as scratch;
use rollcall_store::postgres::{PostgresSettings, PostgresStore};
use rollcall_store::sqlite::{SqliteSettings, SqliteStore};
use rollcall_store::{Check as _, Store};
use tempfile::TempDir;

/// A place that outlives the servers on it.
#[derive(Clone)]
pub(crate) enum Place {
    Directory(Arc<TempDir>),
    Database(String),
}

impl Place {
    pub(crate) async fn new() -> Self {
        if scratch::is_chosen() {
            Self::Database(scratch::emptied_database(migrate).await)
        } else {
            Self::Directory(Arc::new(tempfile::tempdir().unwrap()))
        }
    }

    /// Runs a statement behind the back of whoever has it open next.
    pub(crate) async fn execute(&self, statement: &str) {
        match self {
            Self::Directory(directory) => {
                let file = directory.path().join(rollcall_store::sqlite::FILE_NAME);
                let connection = rusqlite::Connection::open(file).unwrap();
                connection.execute_batch(statement).unwrap();
            }
            Self::Database(url) => scratch::execute(url, &[statement]).await,
        }
    }

    pub(crate) async fn open(&self, ids: Arc<Ids>) -> Arc<dyn Store> {
        match self {
            Self::Directory(directory) => {
                let settings = SqliteSettings::default();
                Arc::new(SqliteStore::open(directory.path(), settings, ids).unwrap())
            }
            Self::Database(url) => {
                let settings = PostgresSettings::default();
                Arc::new(PostgresStore::open(url, settings, ids).await.unwrap())
            }
        }
    }
}

/// Storage for one server, in memory where the engine can.
pub(crate) async fn passing(ids: Arc<Ids>) -> Arc<dyn Store> {
    if scratch::is_chosen() {
        Place::new().await.open(ids).await
    } else {
        Arc::new(SqliteStore::open_in_memory(ids).unwrap())
    }
}

async fn migrate(url: String) {
    let store = PostgresStore::open(&url, PostgresSettings::default(), Arc::default());
    store.await.unwrap().close().await;
}
