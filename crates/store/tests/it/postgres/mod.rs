//! The backend on `PostgreSQL`, on servers that the tests start themselves.

mod faults;
mod opening;
mod outages;
mod plans;
mod pooler;
mod proxy;
mod replica;
mod server;

use std::sync::Arc;

use rollcall_domain::id::Ids;
use rollcall_store::Store;
use rollcall_store::postgres::{PostgresSettings, PostgresStore};

use crate::world::Opened;

struct OnServer(Arc<PostgresStore>);

impl Opened for OnServer {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.0) as Arc<dyn Store>
    }
}

async fn fresh(ids: Arc<Ids>) -> OnServer {
    let url = server::migrated_database().await;
    let store = PostgresStore::open(&url, PostgresSettings::default(), ids).await;
    OnServer(Arc::new(store.unwrap()))
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
