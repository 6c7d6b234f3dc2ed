//! The backend on `PostgreSQL`, on servers that the tests start themselves.

mod erased;
mod faults;
mod folding;
mod opening;
mod outages;
mod plans;
mod pooler;
mod proxy;
mod removal;
mod replica;
mod together;

use std::sync::Arc;

use rollcall_domain::id::Ids;
use rollcall_store::postgres::{PostgresSettings, PostgresStore};
use rollcall_store::{Check as _, Store};

use crate::world::Opened;

struct OnServer(Arc<PostgresStore>);

impl Opened for OnServer {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.0) as Arc<dyn Store>
    }
}

async fn fresh(ids: Arc<Ids>) -> OnServer {
    let url = rollcall_scratch_postgres::emptied_database(migrate).await;
    let store = PostgresStore::open(&url, PostgresSettings::default(), ids).await;
    OnServer(Arc::new(store.unwrap()))
}

/// The URL of a database that has the schema.
async fn migrated_database() -> String {
    rollcall_scratch_postgres::database_like(migrate).await
}

async fn migrate(url: String) {
    open_at(&url).await.close().await;
}

/// A storage in the database at `url`, as one of several nodes would open it.
async fn open_at(url: &str) -> PostgresStore {
    PostgresStore::open(url, PostgresSettings::default(), Arc::new(Ids::default()))
        .await
        .unwrap()
}

/// Why the database at `url` is not opened, at once.
async fn refusal(url: &str) -> String {
    let settings = PostgresSettings {
        patience: std::time::Duration::from_secs(5),
        ..PostgresSettings::default()
    };
    let refused = PostgresStore::open(url, settings, Arc::new(Ids::default())).await;
    refused.unwrap_err().to_string()
}

mod suite {
    crate::store_suite!(super::fresh);
}
