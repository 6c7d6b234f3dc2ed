//! Enrollment and action URLs, and what end users submit through them. Tokens are kept as hashes only.

use async_trait::async_trait;
use rollcall_domain::audit::Act;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::decision::Refusal;
use rollcall_domain::enrollment::{
    Application, Enrollment, EnrollmentStatus, EnrollmentUrl, Verdict,
};
use rollcall_domain::id::{EnrollmentId, OrganizationId, ProfileId};
use rollcall_domain::page::{Limit, ListPosition, Order};
use rollcall_domain::tenant::{OperatorProof, OrganizationScope, SecretHash};

use crate::Stored;
use crate::tenants::Listed;

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

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// There is no such URL, or its profile was deleted.
    Missing,
    /// The URL has expired; nothing was stored.
    Expired,
    /// The rule said no, as to a second submission; nothing was stored.
    Refused(Refusal),
    /// It was stored, and the profile's program is pending if it was not active.
    Done(Enrollment),
}

/// What became of the operator's decision on an enrollment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    /// There is no such enrollment.
    Missing,
    /// The rule said no, as to a second decision; nothing was stored.
    Refused(Refusal),
    /// The enrollment as it is now.
    Done(Enrollment),
}

/// Which enrollments are wanted; what is absent matches every one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnrollmentFilter {
    /// With this status.
    pub status: Option<EnrollmentStatus>,
    /// Of this organization's profiles.
    pub organization_id: Option<OrganizationId>,
    /// Of this profile.
    pub profile_id: Option<ProfileId>,
}

/// What end users submit, and what is decided on it. An enrollment goes with its profile.
#[async_trait]
pub trait Enrollments: Send + Sync {
    /// Submits `application` through the URL with this token, as the enrollment `id`: enrollment, use
    /// of the URL, program, event and audit are one transaction.
    async fn submit_enrollment(
        &self,
        act: &Act,
        token: &SecretHash,
        id: &EnrollmentId,
        application: &Application,
    ) -> Stored<Submitted>;

    /// The enrollment with this id.
    async fn find_enrollment(
        &self,
        proof: OperatorProof,
        id: &EnrollmentId,
    ) -> Stored<Option<Enrollment>>;

    /// One page of enrollments by time of submission, then id. Positions hold that time.
    async fn list_enrollments(
        &self,
        proof: OperatorProof,
        filter: &EnrollmentFilter,
        order: Order,
        after: Option<&ListPosition>,
        limit: Limit,
    ) -> Stored<Listed<Enrollment>>;

    /// Decides on an enrollment: enrollment, program, event and audit are one transaction.
    async fn decide_enrollment(
        &self,
        proof: OperatorProof,
        act: &Act,
        id: &EnrollmentId,
        verdict: &Verdict,
        note: Option<&str>,
    ) -> Stored<Decided>;
}
