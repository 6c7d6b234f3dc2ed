//! Leases: which one of several nodes does a task that one is enough for.
//!
//! A lease has an owner and an end. Its owner claims it again before the end; when the owner dies,
//! another node's claim succeeds once the end has passed. The fencing number grows each time a lease
//! changes hands, so that what an owner does late can be told from what its successor does.

use std::time::Duration;

use async_trait::async_trait;
use rollcall_domain::clock::Timestamp;

use crate::Stored;

/// The lease that some server on a shared storage holds at any time.
pub const BACKGROUND: &str = "background";
/// How a transfer begins to call itself; while it holds [`BACKGROUND`], no server starts.
pub const TRANSFER: &str = "transfer-";

/// Leases of background tasks.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Whether other processes may have this storage open too. Where none can, nothing needs a lease.
    fn is_shared(&self) -> bool;

    /// Claims the lease `name` for `owner` until `duration` after `now`, or keeps it for that long.
    ///
    /// Answers with the fencing number, or `None` while another owner has the lease.
    async fn claim_lease(
        &self,
        name: &str,
        owner: &str,
        duration: Duration,
        now: Timestamp,
    ) -> Stored<Option<u64>>;

    /// Who has the lease `name` at `now`; `None` where nobody does.
    async fn lease_owner(&self, name: &str, now: Timestamp) -> Stored<Option<String>>;

    /// Gives the lease up, if `owner` has it, so that another node need not wait for its end.
    async fn release_lease(&self, name: &str, owner: &str) -> Stored<()>;
}
