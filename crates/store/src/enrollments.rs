//! Enrollment and action URLs. Tokens are kept as hashes only.

use async_trait::async_trait;
use rollcall_domain::audit::Act;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::enrollment::EnrollmentUrl;
use rollcall_domain::tenant::{OrganizationScope, SecretHash};

use crate::Stored;

/// Enrollment URLs of one organization, and their way back from a token.
#[async_trait]
pub trait EnrollmentUrls: Send + Sync {
    /// Stores a new URL; `false` when the organization has no such profile.
    async fn insert_enrollment_url(
        &self,
        scope: &OrganizationScope,
        act: &Act,
        url: &EnrollmentUrl,
    ) -> Stored<bool>;

    /// The URL whose token has this hash. A URL whose profile was deleted is still found.
    async fn find_enrollment_url(&self, token: &SecretHash) -> Stored<Option<EnrollmentUrl>>;

    /// Forgets URLs that expired before `before`; answers with how many.
    async fn prune_enrollment_urls(&self, before: Timestamp) -> Stored<u64>;
}
