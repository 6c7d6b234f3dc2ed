//! Organizations, workspaces and keys.

use async_trait::async_trait;
use rollcall_domain::audit::Act;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::decision::Refusal;
use rollcall_domain::id::{ApiKeyId, OrganizationId, WorkspaceId};
use rollcall_domain::page::{Limit, ListPosition};
use rollcall_domain::tenant::{
    ApiKey, KeyStatus, OperatorProof, Organization, OrganizationPatch, OrganizationScope,
    SecretHash, Workspace,
};

use crate::Stored;

/// A page of things with text ids, oldest first, and the id to go on after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// The things.
    pub items: Vec<T>,
    /// The position to go on after; `None` when nothing follows.
    pub next: Option<ListPosition>,
}

/// Why a tenant's thing was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotStored {
    /// The organization does not exist.
    UnknownOrganization,
    /// The workspace does not exist in the organization.
    UnknownWorkspace,
    /// Something with this id, or a key with this secret, exists.
    Taken,
}

/// What is left of an organization whose end has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Perhaps more of it.
    More,
    /// Nothing; it is gone.
    Nothing,
}

/// Everything that authentication needs to know about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The key.
    pub key: ApiKey,
    /// Its organization; the operator's key has none.
    pub organization: Option<Organization>,
    /// The full hash of its secret, to be compared in constant time.
    pub secret_hash: SecretHash,
}

/// Tenants and their keys.
#[async_trait]
pub trait Tenants: Send + Sync {
    /// Stores a new organization.
    async fn insert_organization(
        &self,
        proof: OperatorProof,
        act: &Act,
        organization: &Organization,
    ) -> Stored<Result<(), NotStored>>;

    /// The organization with this id.
    async fn find_organization(
        &self,
        proof: OperatorProof,
        id: &OrganizationId,
    ) -> Stored<Option<Organization>>;

    /// One page of organizations, oldest first.
    async fn list_organizations(
        &self,
        proof: OperatorProof,
        after: Option<&ListPosition>,
        limit: Limit,
    ) -> Stored<Listed<Organization>>;

    /// Changes an organization; `None` when there is none.
    async fn change_organization(
        &self,
        proof: OperatorProof,
        act: &Act,
        id: &OrganizationId,
        patch: &OrganizationPatch,
    ) -> Stored<Option<Organization>>;

    /// Begins the end of a tenancy: from now on the organization is not found, and nothing can be written in it. To
    /// begin again is as good as once. `None` when there is no such organization.
    async fn begin_removal(
        &self,
        proof: OperatorProof,
        act: &Act,
        id: &OrganizationId,
    ) -> Stored<Option<Result<(), Refusal>>>;

    /// Removes up to `limit` rows of an organization whose end has begun, and itself once it has no others: then the audit
    /// trail of the installation says at `now` how much it was. Each call is a transaction.
    async fn go_on_removing(
        &self,
        proof: OperatorProof,
        id: &OrganizationId,
        now: Timestamp,
        limit: usize,
    ) -> Stored<Left>;

    /// The organizations whose end has begun and is not over.
    async fn list_removals(&self, proof: OperatorProof) -> Stored<Vec<OrganizationId>>;

    /// Stores a new workspace.
    async fn insert_workspace(
        &self,
        proof: OperatorProof,
        act: &Act,
        workspace: &Workspace,
    ) -> Stored<Result<(), NotStored>>;

    /// One page of an organization's workspaces, oldest first.
    async fn list_workspaces(
        &self,
        scope: &OrganizationScope,
        after: Option<&ListPosition>,
        limit: Limit,
    ) -> Stored<Listed<Workspace>>;

    /// Whether the organization has this workspace.
    async fn has_workspace(&self, scope: &OrganizationScope, id: &WorkspaceId) -> Stored<bool>;

    /// The workspace with this id, whoever's it is.
    async fn find_workspace(
        &self,
        proof: OperatorProof,
        id: &WorkspaceId,
    ) -> Stored<Option<Workspace>>;

    /// Stores a new key under the hash of its secret.
    async fn insert_key(
        &self,
        proof: OperatorProof,
        act: &Act,
        key: &ApiKey,
        secret: &SecretHash,
    ) -> Stored<Result<(), NotStored>>;

    /// The key whose secret has this hash. The caller compares the full hashes in constant time.
    async fn find_credential(&self, secret: &SecretHash) -> Stored<Option<Credential>>;

    /// The key with this id.
    async fn find_key(&self, proof: OperatorProof, id: &ApiKeyId) -> Stored<Option<ApiKey>>;

    /// One page of keys, oldest first: an organization's, or the operator's own.
    async fn list_keys(
        &self,
        proof: OperatorProof,
        organization_id: Option<&OrganizationId>,
        after: Option<&ListPosition>,
        limit: Limit,
    ) -> Stored<Listed<ApiKey>>;

    /// How many keys are literal, of all organizations and the operator.
    async fn count_literal_keys(&self, proof: OperatorProof) -> Stored<u64>;

    /// Enables or disables a key; `None` when there is none. Console sessions end with a disabled one.
    ///
    /// Whether an owner's key may go is decided with all of the operator's keys held still, so that of two owners who
    /// disable each other at the same time one is left.
    async fn set_key_status(
        &self,
        proof: OperatorProof,
        act: &Act,
        id: &ApiKeyId,
        status: KeyStatus,
    ) -> Stored<Result<Option<ApiKey>, Refusal>>;

    /// Removes a key and its console sessions; `false` when there was none. Decided like a disabling.
    async fn remove_key(
        &self,
        proof: OperatorProof,
        act: &Act,
        id: &ApiKeyId,
    ) -> Stored<Result<bool, Refusal>>;

    /// Records when keys were last used.
    async fn touch_keys(&self, used: Vec<(ApiKeyId, Timestamp)>) -> Stored<()>;
}
