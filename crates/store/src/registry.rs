//! All profiles of all organizations, as the operator reaches them.

use async_trait::async_trait;
use rollcall_domain::audit::Act;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::{EnforcementActionId, OrganizationId, ProfileId};
use rollcall_domain::profile::{ProfileRecord, Unmatched};
use rollcall_domain::search::{SearchPage, SearchPosition};
use rollcall_domain::tenant::OperatorProof;
use rollcall_record::document::ProfileDocument;

use crate::Stored;

/// A profile and the organization it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedProfile {
    /// The organization.
    pub organization_id: OrganizationId,
    /// The profile.
    pub id: ProfileId,
    /// The profile's document.
    pub document: ProfileDocument,
}

/// What became of writing one whole record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// There was no profile with this id.
    Created,
    /// The profile with this id was replaced.
    Replaced,
    /// The profile with this id is what the record says, and stays as it is.
    Unchanged,
    /// The organization does not exist.
    UnknownOrganization,
    /// The id belongs to another organization's profile; nothing moves between tenants.
    ForeignProfile,
    /// One of the enforcement action ids belongs to another profile.
    ForeignAction(EnforcementActionId),
    /// It is matched by its reference id, and nobody's.
    Unmatched(Unmatched),
}

/// How records are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PutMode {
    /// A record is the one profile's of its organization that has its reference id.
    pub match_reference: bool,
    /// Nothing is written; the answers say what would become of each record.
    pub dry_run: bool,
}

/// One page of an export or a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPage<P> {
    /// The profiles.
    pub profiles: Vec<OwnedProfile>,
    /// The position to go on after; `None` when nothing follows.
    pub next: Option<P>,
}

/// Where an export goes on: the organization, then creation time and id within it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportPosition {
    /// The organization of the last profile.
    pub organization_id: OrganizationId,
    /// When the last profile was created.
    pub created_at: Timestamp,
    /// The last profile's id.
    pub id: ProfileId,
}

/// An expiry that is to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueExpiry {
    /// When it was reached.
    pub expires_at: Timestamp,
    /// The action that expires.
    pub action_id: EnforcementActionId,
    /// Whose it is.
    pub profile_id: ProfileId,
    /// The organization of that profile.
    pub organization_id: OrganizationId,
}

/// All profiles.
#[async_trait]
pub trait Registry: Send + Sync {
    /// The profile with this id, whoever's it is.
    async fn locate_profile(
        &self,
        proof: OperatorProof,
        id: &ProfileId,
    ) -> Stored<Option<OwnedProfile>>;

    /// The profile that has, or had, this enforcement action.
    async fn locate_action(
        &self,
        proof: OperatorProof,
        id: &EnforcementActionId,
    ) -> Stored<Option<(OrganizationId, ProfileId)>>;

    /// Writes whole records, each alone: a record that cannot be written does not keep the others
    /// from it. All that can are one transaction, with one audit event for each organization in which
    /// anything changed. Calls that have a profile's or an action's id in common write in the order in which they
    /// were made, so that several may be under way.
    async fn put_profiles(
        &self,
        proof: OperatorProof,
        act: &Act,
        records: Vec<(OrganizationId, ProfileRecord)>,
        mode: PutMode,
    ) -> Stored<Vec<Put>>;

    /// One page of a search's answers, judged at `now`. See [`rollcall_domain::search`] for the order
    /// and for why a page may be short.
    async fn search_profiles(
        &self,
        proof: OperatorProof,
        page: &SearchPage,
        now: Timestamp,
    ) -> Stored<FoundPage<SearchPosition>>;

    /// Up to `limit` profiles in export order: of one organization, or of all of them.
    async fn export_profiles(
        &self,
        proof: OperatorProof,
        organization_id: Option<&OrganizationId>,
        after: Option<&ExportPosition>,
        limit: usize,
    ) -> Stored<FoundPage<ExportPosition>>;

    /// Up to `limit` expiries that have been reached and are not yet recorded, the earliest first; those
    /// that follow `after`, if that is given.
    async fn due_expiries(
        &self,
        proof: OperatorProof,
        after: Option<&DueExpiry>,
        now: Timestamp,
        limit: usize,
    ) -> Stored<Vec<DueExpiry>>;

    /// When the next unrecorded expiry after `now` is.
    async fn next_expiry(&self, proof: OperatorProof, now: Timestamp) -> Stored<Option<Timestamp>>;

    /// How many profiles each organization has, by organization id; maintained, not counted.
    async fn count_profiles(&self, proof: OperatorProof) -> Stored<Vec<(OrganizationId, u64)>>;
}
