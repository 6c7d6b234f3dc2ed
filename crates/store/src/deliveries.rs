//! Deliveries: the outbox that decisions fill, and what a delivery worker does to it.
//!
//! A decision that emits an event stores, in its own transaction, one delivery for each endpoint that
//! is enabled and subscribed at that moment ([`crate::profiles`] does it; nothing here can forget to).
//!
//! # Leases
//!
//! Any number of workers on any number of nodes may claim. A claimed delivery belongs to its
//! [`Claim::owner`] until the claim's `lease_until`, which its worker puts off for as long as it has the
//! attempt under way, and carries a fencing number that every claim raises: what a worker reports under an
//! older number is not kept. An attempt that was claimed and never recorded counts, is shown as one of
//! unknown outcome, and is made again. So the places that a dead worker had at an endpoint are free again as
//! soon as its leases have run out.
//!
//! A worker's own leases do not run out for itself: it knows what it has under way.

use async_trait::async_trait;
use rollcall_domain::audit::Act;
use rollcall_domain::clock::Timestamp;
pub use rollcall_domain::delivery::{AttemptReport, NotSent};
use rollcall_domain::delivery::{Delivery, DeliveryStatus};
use rollcall_domain::id::{DeliveryId, EventId, OrganizationId, ProfileId, WebhookEndpointId};
use rollcall_domain::page::Limit;
use rollcall_domain::tenant::OperatorProof;
use rollcall_domain::webhook::AutoDisabled;
use tokio::sync::Notify;

use crate::webhooks::SealedSecret;
use crate::{Stored, page};

/// Which deliveries are wanted; what is absent matches every one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// To this endpoint.
    pub endpoint_id: Option<WebhookEndpointId>,
    /// With this status.
    pub status: Option<DeliveryStatus>,
    /// Of events about this profile.
    pub profile_id: Option<ProfileId>,
    /// Of this event.
    pub event_id: Option<EventId>,
}

/// One page of deliveries, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryPage {
    /// The deliveries.
    pub deliveries: Vec<Delivery>,
    /// The delivery to go on after; `None` when nothing follows.
    pub next: Option<DeliveryId>,
}

impl DeliveryPage {
    /// The page of at most `limit` of what was found, which is one more where something follows.
    pub(crate) fn of(found: Vec<Delivery>, limit: Limit) -> Self {
        let (deliveries, next) = page::cut(found, limit, |last| last.id.clone());
        Self { deliveries, next }
    }
}

/// A worker's wish for work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The worker; unique to one start of one process.
    pub owner: String,
    /// The present.
    pub now: Timestamp,
    /// Until when what is claimed belongs to the owner, as far as others are concerned.
    pub lease_until: Timestamp,
    /// The latest that a wait or a lease can honestly end. What ends later was begun before the clock was
    /// set back, and waiting for that time to come again would stop deliveries for as long.
    pub latest: Timestamp,
    /// The most deliveries to claim.
    pub limit: usize,
}

/// An attempt to be made now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedAttempt {
    /// The delivery.
    pub delivery_id: DeliveryId,
    /// The number under which its outcome is to be recorded.
    pub fence: i64,
    /// Which attempt this is, counted from 1, or from the last redelivery.
    pub number: u32,
    /// The organization.
    pub organization_id: OrganizationId,
    /// The endpoint.
    pub endpoint_id: WebhookEndpointId,
    /// Its address now.
    pub url: String,
    /// Its secret now.
    pub secret: SealedSecret,
    /// The event, which is the `webhook-id`.
    pub event_id: EventId,
    /// When the event was stored, to tell how late the attempt is.
    pub created_at: Timestamp,
    /// The exact body.
    pub body: String,
}

/// What a claim came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claimed {
    /// To be attempted now: for each endpoint in the order they were due.
    pub attempts: Vec<ClaimedAttempt>,
    /// When claiming again may come to something although nothing was committed or recorded meanwhile.
    pub next: Option<Timestamp>,
    /// Whether an endpoint has as many attempts under way as it may: the end of one makes room for more.
    pub full: bool,
}

/// A delivery that a worker has under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryLease {
    /// The delivery.
    pub delivery_id: DeliveryId,
    /// The claim's number, which says whose it is.
    pub fence: i64,
}

/// What recording an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// The lease had been lost; nothing was kept.
    Stale,
    /// The attempt was kept.
    Kept {
        /// What the delivery is now.
        status: DeliveryStatus,
        /// Why the endpoint was disabled by it, if it was.
        disabled: Option<AutoDisabled>,
    },
}

/// Deliveries.
#[async_trait]
pub trait Deliveries: Send + Sync {
    /// Is notified when deliveries were committed here that may be due.
    fn deliveries_added(&self) -> &Notify;

    /// Claims deliveries that are due: at most
    /// [`IN_FLIGHT_PER_ENDPOINT`](rollcall_domain::delivery::IN_FLIGHT_PER_ENDPOINT) leased at a time
    /// for each endpoint, in the order they were due, with the endpoint that has waited longest first.
    async fn claim_deliveries(&self, claim: Claim) -> Stored<Claimed>;

    /// Puts the end of leases off until `until`; those that were lost stay lost.
    async fn renew_leases(&self, leases: Vec<DeliveryLease>, until: Timestamp) -> Stored<()>;

    /// Records attempts, with what follows from them for the delivery and for its endpoint.
    async fn record_attempts(&self, reports: Vec<AttemptReport>) -> Stored<Vec<Recorded>>;

    /// One page, newest first.
    async fn list_deliveries(
        &self,
        proof: OperatorProof,
        filter: &DeliveryFilter,
        after: Option<&DeliveryId>,
        limit: Limit,
    ) -> Stored<DeliveryPage>;

    /// The delivery with this id, and its event's exact body.
    async fn find_delivery(
        &self,
        proof: OperatorProof,
        id: &DeliveryId,
    ) -> Stored<Option<(Delivery, String)>>;

    /// Starts a delivery that has ended again, with all its attempts; `None` when there is none.
    async fn redeliver(
        &self,
        proof: OperatorProof,
        act: &Act,
        id: &DeliveryId,
    ) -> Stored<Option<Result<Delivery, NotSent>>>;

    /// Makes a test event and its delivery to this endpoint alone, subscribed or not.
    async fn insert_test_delivery(
        &self,
        proof: OperatorProof,
        act: &Act,
        endpoint_id: &WebhookEndpointId,
    ) -> Stored<Result<Delivery, NotSent>>;

    /// Forgets up to `limit` deliveries that ended before `before`, and as many events from before then
    /// that have no delivery left; answers with how many rows went.
    async fn prune_deliveries(&self, before: Timestamp, limit: usize) -> Stored<u64>;
}
