//! The end of a tenancy, from wherever it is gone on with: the request that asks for it, and whoever finds it unfinished
//! after that broke off. Several may at once.

use std::time::Duration;

use rollcall_domain::clock::Clock;
use rollcall_domain::id::OrganizationId;
use rollcall_domain::tenant::OperatorProof;
use rollcall_store::tenants::Left;
use rollcall_store::{Store, Stored};

/// How many rows go at a time: what everybody else's writes wait for on embedded storage, some 20 ms.
const PIECE: usize = 250;

/// The pause after each: others come first.
const PAUSE: Duration = Duration::from_millis(2);

/// Removes what is left of an organization whose end has begun, until nothing is. Whoever waits no longer may drop it at any
/// time: what went is gone, and the rest is gone on with.
pub(crate) async fn go_on(store: &dyn Store, clock: &dyn Clock, id: &OrganizationId) -> Stored<()> {
    let proof = OperatorProof::of_storage_access();
    while store.go_on_removing(proof, id, clock.now(), PIECE).await? == Left::More {
        tokio::time::sleep(PAUSE).await;
    }
    if !store.empty_log().await.unwrap_or_default() {
        tracing::warn!("the log is being read and will be emptied of what was erased later");
    }
    Ok(())
}
