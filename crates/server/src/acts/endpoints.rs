//! Webhook endpoints. Managing them is the platform's administrator's part; the operator looks, tests, and disables one
//! that does harm.

use rollcall_domain::delivery::Delivery;
use rollcall_domain::id::WebhookEndpointId;
use rollcall_domain::page::Limit;
use rollcall_domain::webhook::{EndpointPatch, EndpointState, WebhookEndpoint};
use rollcall_store::deliveries::NotSent;
use rollcall_store::webhooks::{EndpointFilter, EndpointPage, OwnedEndpoint};
use rollcall_wire::error::ApiError;

use super::Desk;
use crate::app::Operation::{ReadWebhookEndpoints, WriteDeliveries, WriteWebhookEndpoints};
use crate::http::error::Failure;

/// The endpoint that is called so, whether or not there is one.
pub(crate) fn named(text: &str) -> Result<WebhookEndpointId, Failure> {
    WebhookEndpointId::parse(text).map_err(|_| not_found())
}

/// Those of every organization, newest first.
pub(crate) async fn list(
    desk: &Desk<'_>,
    filter: &EndpointFilter,
    after: Option<&WebhookEndpointId>,
    limit: Limit,
) -> Result<EndpointPage, Failure> {
    let search = desk
        .store()
        .search_webhook_endpoints(desk.proof, filter, after, limit);
    desk.read(ReadWebhookEndpoints, search).await
}

pub(crate) async fn find(
    desk: &Desk<'_>,
    id: &WebhookEndpointId,
) -> Result<OwnedEndpoint, Failure> {
    look_up(desk, id).await?.ok_or_else(not_found)
}

/// The endpoint, unless it was deleted.
pub(crate) async fn look_up(
    desk: &Desk<'_>,
    id: &WebhookEndpointId,
) -> Result<Option<OwnedEndpoint>, Failure> {
    let locate = desk.store().locate_webhook_endpoint(desk.proof, id);
    desk.read(ReadWebhookEndpoints, locate).await
}

/// Sends a signed test event. Answers with its delivery, which is under way.
pub(crate) async fn test(desk: &Desk<'_>, id: &WebhookEndpointId) -> Result<Delivery, Failure> {
    let act = desk.act();
    let insert = desk.store().insert_test_delivery(desk.proof, &act, id);
    match desk.write(WriteDeliveries, insert).await? {
        Ok(delivery) => Ok(delivery),
        Err(NotSent::EndpointMissing) => Err(not_found()),
        Err(refused) => Err(ApiError::conflict(refused.to_string()).into()),
    }
}

/// Enables or disables an endpoint.
pub(crate) async fn set_state(
    desk: &Desk<'_>,
    owned: &OwnedEndpoint,
    state: EndpointState,
) -> Result<(), Failure> {
    let act = desk.act();
    let (scope, now) = (desk.scope(&owned.organization_id), act.at);
    let patch = EndpointPatch {
        state: Some(state),
        ..EndpointPatch::default()
    };
    let decide = Box::new(move |endpoint: &WebhookEndpoint| endpoint.update(&patch, now));
    let id = &owned.endpoint.id;
    let change = desk
        .store()
        .change_webhook_endpoint(&scope, &act, id, decide, None);
    let changed = desk.write(WriteWebhookEndpoints, change).await?;
    changed.map(drop).ok_or_else(not_found)
}

fn not_found() -> Failure {
    ApiError::webhook_endpoint_not_found().into()
}
