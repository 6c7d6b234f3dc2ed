//! What one node of several does for all of them: sweeping and pruning.
//!
//! Nodes that share storage hold a lease in turn. Its holder claims it again well before its end, and
//! releases it when it ends itself; when it dies, another node's claim succeeds as soon as the lease
//! has run out, within [`LEASE`] and [`CLAIM_EVERY`].
//!
//! A node that is cut off, or stopped and resumed, may for a moment do what its successor does too.
//! Nothing comes of that: what is swept or pruned is judged anew under the lock of its row. The fencing
//! number stands in the log, where it tells the holders apart.
//!
//! Storage of one process alone has no lease, and costs nothing here.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rollcall_domain::clock::{Clock as _, SystemClock};
use rollcall_domain::id::{Chance as _, SystemChance};
use rollcall_store::leases::TRANSFER;
use rollcall_store::{Store, Stored};
use tokio::sync::Notify;

/// The lease's name.
const NAME: &str = rollcall_store::leases::BACKGROUND;
/// How long a claim holds.
const LEASE: Duration = Duration::from_secs(5);
/// How often the lease is claimed: by its holder to keep it, by others to take it over.
pub(crate) const CLAIM_EVERY: Duration = Duration::from_millis(1_500);

/// Whether the duty is this node's.
#[derive(Debug)]
pub(crate) struct Duty {
    /// None when no other process can have the storage.
    owner: Option<String>,
    held: Mutex<Option<Held>>,
    taken: Notify,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    fence: u64,
    until: Instant,
}

impl Duty {
    pub(crate) fn new(store: &dyn Store) -> Self {
        let owner = store.is_shared().then(|| {
            let mut random = [0; 8];
            SystemChance.fill(&mut random);
            format!("{:016x}", u64::from_be_bytes(random))
        });
        Self {
            owner,
            held: Mutex::new(None),
            taken: Notify::new(),
        }
    }

    /// Whether this node has the duty at this moment.
    pub(crate) fn is_ours(&self) -> bool {
        let held = *self.held.lock();
        self.owner.is_none() || held.is_some_and(|held| Instant::now() < held.until)
    }

    /// Waits until the duty is this node's.
    pub(crate) async fn ours(&self) {
        loop {
            let taken = self.taken.notified();
            if self.is_ours() {
                return;
            }
            taken.await;
        }
    }

    /// What this node calls itself; none when no other can have the storage.
    pub(crate) fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// Claims the duty, again or for the first time. Answers whether a transfer has it, beside which nobody may write.
    pub(crate) async fn claim(&self, store: &dyn Store, owner: &str) -> Stored<bool> {
        let begun = Instant::now();
        // By the machine's clock, whatever the one of a development server shows: this is about who lives.
        let now = SystemClock.now();
        let fence = store.claim_lease(NAME, owner, LEASE, now).await?;
        let before = std::mem::replace(
            &mut *self.held.lock(),
            fence.map(|fence| Held {
                fence,
                until: begun + LEASE,
            }),
        );
        match (before.map(|held| held.fence), fence) {
            (before, Some(fence)) if before != Some(fence) => {
                tracing::info!(fence, "this node sweeps and prunes from now on");
            }
            (Some(before), None) => {
                tracing::warn!(fence = before, "another node has taken sweeping over");
            }
            _ => {}
        }
        self.taken.notify_waiters();
        if fence.is_some() {
            return Ok(false);
        }
        let holder = store.lease_owner(NAME, now).await?;
        Ok(holder.is_some_and(|holder| holder.starts_with(TRANSFER)))
    }

    /// Gives the duty up, so that another node need not wait for the end of its lease.
    pub(crate) async fn give_up(&self, store: &dyn Store) -> Stored<()> {
        let held = self.held.lock().take();
        match self.owner().filter(|_| held.is_some()) {
            Some(owner) => store.release_lease(NAME, owner).await,
            None => Ok(()),
        }
    }
}
