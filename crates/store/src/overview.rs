//! Figures of the whole registry, kept with every change and never counted when they are asked for; what
//! there is of webhooks is counted among few rows, however many there are.

use async_trait::async_trait;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::delivery::DeliveryStatus;
use rollcall_domain::id::OrganizationId;
use rollcall_domain::tenant::OperatorProof;

use crate::Stored;

/// An organization in figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationFigures {
    /// The organization.
    pub organization_id: OrganizationId,
    /// Its name.
    pub name: String,
    /// How many profiles it has.
    pub profiles: u64,
    /// How many enforcement actions are not recorded as ended.
    pub open_actions: u64,
    /// How many enrollments nobody has decided on.
    pub waiting_enrollments: u64,
}

/// The most waiting deliveries that are counted: an overview must not take longer the more there are.
pub const MOST_WAITING: u32 = 10_000;

/// How many of the newest deliveries are looked at.
pub const NEWEST_DELIVERIES: u32 = 1_000;

/// Webhooks in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookFigures {
    /// How many endpoints are enabled and did not fail at their last attempt.
    pub healthy: u64,
    /// How many endpoints are enabled and failed at their last attempt.
    pub failing: u64,
    /// How many endpoints are disabled.
    pub disabled: u64,
    /// How many deliveries wait for an attempt; counted up to [`MOST_WAITING`].
    pub waiting: u64,
    /// What became of the [`NEWEST_DELIVERIES`] newest deliveries: how many have each status.
    pub newest: Vec<(DeliveryStatus, u64)>,
}

/// The registry in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryFigures {
    /// How many organizations there are.
    pub organization_count: u64,
    /// The organizations with the most profiles, most first, then by id.
    pub organizations: Vec<OrganizationFigures>,
    /// How many profiles there are.
    pub profiles: u64,
    /// How many enforcement actions are not recorded as ended.
    pub open_actions: u64,
    /// How many enrollments nobody has decided on.
    pub waiting_enrollments: u64,
    /// How many of today's profiles were created on each day (days since 1970-01-01), oldest first;
    /// days without any are left out.
    pub created: Vec<(i64, u64)>,
    /// Webhooks.
    pub webhooks: WebhookFigures,
}

/// Figures of the registry.
#[async_trait]
pub trait Overview: Send + Sync {
    /// All figures, with the `most` largest organizations, and days from `since_day` on.
    async fn registry_figures(
        &self,
        proof: OperatorProof,
        most: u32,
        since_day: i64,
    ) -> Stored<RegistryFigures>;

    /// How many bytes the database takes, free places in it included.
    async fn size(&self, proof: OperatorProof) -> Stored<u64>;

    /// Draws together what is counted of the days before the one of `now`, where a backend spreads it
    /// over several rows while it changes: at most `limit` rows at a time. Answers with how many rows
    /// it found; with none there is nothing left to do. No figure changes by it.
    async fn fold_counts(&self, _now: Timestamp, _limit: usize) -> Stored<u64> {
        Ok(0)
    }
}
