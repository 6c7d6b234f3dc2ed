//! Figures of the whole registry, kept with every change and never counted when they are asked for.

use async_trait::async_trait;
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
}
