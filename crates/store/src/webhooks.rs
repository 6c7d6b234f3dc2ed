//! Webhook endpoints: of one organization, as its administrator manages them, and of all of them, for
//! the operator.
//!
//! Signing secrets come in and go out sealed: what they are sealed with is the server's business, and
//! storage keeps the name of the key beside them so that keys can be replaced.

use async_trait::async_trait;
use rollcall_domain::audit::Act;
use rollcall_domain::decision::Decided;
use rollcall_domain::delivery::EndpointHealth;
use rollcall_domain::id::{OrganizationId, WebhookEndpointId};
use rollcall_domain::page::Limit;
use rollcall_domain::tenant::{OperatorProof, OrganizationScope};
use rollcall_domain::webhook::{EndpointState, WebhookEndpoint};

use crate::{Stored, page};

/// A rule to apply to an endpoint as it is in the transaction. It may be run again after a conflict.
pub type DecideEndpoint = Box<dyn Fn(&WebhookEndpoint) -> Decided<WebhookEndpoint> + Send + Sync>;

/// A signing secret as it is kept: encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSecret {
    /// Which key it is sealed with.
    pub key_id: String,
    /// The sealed bytes.
    pub bytes: Vec<u8>,
}

/// An endpoint and the organization it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedEndpoint {
    /// The organization.
    pub organization_id: OrganizationId,
    /// The endpoint.
    pub endpoint: WebhookEndpoint,
    /// Its signing secret.
    pub secret: SealedSecret,
    /// How it has been doing since it last took an event.
    pub health: EndpointHealth,
}

/// Which endpoints the operator wants; what is absent matches every one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointFilter {
    /// Of this organization.
    pub organization_id: Option<OrganizationId>,
    /// In this state.
    pub state: Option<EndpointState>,
    /// Whether the last attempt failed.
    pub is_failing: Option<bool>,
}

/// One page of endpoints, newest id first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointPage {
    /// The endpoints.
    pub endpoints: Vec<OwnedEndpoint>,
    /// The endpoint to go on after; `None` when nothing follows.
    pub next: Option<WebhookEndpointId>,
}

impl EndpointPage {
    /// The page of at most `limit` of what was found, which is one more where something follows.
    pub(crate) fn of(found: Vec<OwnedEndpoint>, limit: Limit) -> Self {
        let (endpoints, next) = page::cut(found, limit, |last| last.endpoint.id.clone());
        Self { endpoints, next }
    }
}

/// Why an endpoint was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointNotStored {
    /// The organization does not exist.
    UnknownOrganization,
    /// The organization has as many as it may.
    TooMany,
    /// An endpoint with this id exists.
    Taken,
}

/// Webhook endpoints.
///
/// Disabling or removing an endpoint cancels the deliveries that wait for it, in the same transaction
/// when they are few; what is left of many is canceled by the next claims, and never delivered.
#[async_trait]
pub trait WebhookEndpoints: Send + Sync {
    /// Stores a new endpoint, unless the organization has
    /// [`ENDPOINTS_PER_ORGANIZATION`](rollcall_domain::webhook::ENDPOINTS_PER_ORGANIZATION) already,
    /// however many are being stored at the same time.
    async fn insert_webhook_endpoint(
        &self,
        scope: &OrganizationScope,
        act: &Act,
        decided: Decided<WebhookEndpoint>,
        secret: SealedSecret,
    ) -> Stored<Result<(), EndpointNotStored>>;

    /// All endpoints of the organization, of which there are few, in no particular order.
    async fn list_webhook_endpoints(
        &self,
        scope: &OrganizationScope,
    ) -> Stored<Vec<WebhookEndpoint>>;

    /// The endpoint with this id, if the organization has it.
    async fn find_webhook_endpoint(
        &self,
        scope: &OrganizationScope,
        id: &WebhookEndpointId,
    ) -> Stored<Option<WebhookEndpoint>>;

    /// Applies `decide` to the endpoint and stores what it decides, with a new secret if one is given.
    /// `None` when the organization has no such endpoint.
    async fn change_webhook_endpoint(
        &self,
        scope: &OrganizationScope,
        act: &Act,
        id: &WebhookEndpointId,
        decide: DecideEndpoint,
        secret: Option<SealedSecret>,
    ) -> Stored<Option<WebhookEndpoint>>;

    /// Removes the endpoint; `false` when the organization has no such endpoint.
    async fn remove_webhook_endpoint(
        &self,
        scope: &OrganizationScope,
        act: &Act,
        id: &WebhookEndpointId,
    ) -> Stored<bool>;

    /// The endpoint with this id, whoever's it is.
    async fn locate_webhook_endpoint(
        &self,
        proof: OperatorProof,
        id: &WebhookEndpointId,
    ) -> Stored<Option<OwnedEndpoint>>;

    /// One page of the endpoints of every organization, newest id first: ids that were made here sort by
    /// creation, and the ones of a seed are what they are.
    async fn search_webhook_endpoints(
        &self,
        proof: OperatorProof,
        filter: &EndpointFilter,
        after: Option<&WebhookEndpointId>,
        limit: Limit,
    ) -> Stored<EndpointPage>;

    /// Up to `limit` secrets that are not sealed with the key `key_id`.
    async fn secrets_sealed_otherwise(
        &self,
        proof: OperatorProof,
        key_id: &str,
        limit: usize,
    ) -> Stored<Vec<OwnedEndpoint>>;

    /// Keeps the endpoint's secret sealed anew. Nothing happens, and the answer is `false`, when the
    /// secret is not `before` any more.
    async fn reseal_secret(
        &self,
        proof: OperatorProof,
        id: &WebhookEndpointId,
        before: SealedSecret,
        after: SealedSecret,
    ) -> Stored<bool>;
}
