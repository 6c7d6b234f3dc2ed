//! Leases: one process has the data directory, so every claim is granted.

use std::time::Duration;

use async_trait::async_trait;
use rollcall_domain::clock::Timestamp;

use super::SqliteStore;
use crate::Stored;
use crate::leases::Leases;

#[async_trait]
impl Leases for SqliteStore {
    fn is_shared(&self) -> bool {
        false
    }

    async fn claim_lease(
        &self,
        _name: &str,
        _owner: &str,
        _duration: Duration,
        _now: Timestamp,
    ) -> Stored<Option<u64>> {
        Ok(Some(1))
    }

    async fn lease_owner(&self, _name: &str, _now: Timestamp) -> Stored<Option<String>> {
        Ok(None)
    }

    async fn release_lease(&self, _name: &str, _owner: &str) -> Stored<()> {
        Ok(())
    }
}
