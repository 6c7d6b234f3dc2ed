//! Webhook deliveries: what platforms were told, attempt by attempt, and telling them again.

use rollcall_domain::delivery::Delivery;
use rollcall_domain::id::DeliveryId;
use rollcall_domain::page::Limit;
use rollcall_store::deliveries::{DeliveryFilter, DeliveryPage};
use rollcall_store::webhooks::OwnedEndpoint;
use rollcall_wire::error::ApiError;
use rollcall_wire::operator::deliveries::ShownRequest;

use super::Desk;
use crate::app::Operation::{ReadDeliveries, WriteDeliveries};
use crate::http::error::Failure;
use crate::webhooks;

/// The delivery that is called so, whether or not there is one.
pub(crate) fn named(text: &str) -> Result<DeliveryId, Failure> {
    DeliveryId::parse(text).map_err(|_| not_found())
}

/// Newest first.
pub(crate) async fn list(
    desk: &Desk<'_>,
    filter: &DeliveryFilter,
    after: Option<&DeliveryId>,
    limit: Limit,
) -> Result<DeliveryPage, Failure> {
    let list = desk
        .store()
        .list_deliveries(desk.proof, filter, after, limit);
    desk.read(ReadDeliveries, list).await
}

/// A delivery, and the body of its requests.
pub(crate) async fn find(desk: &Desk<'_>, id: &DeliveryId) -> Result<(Delivery, String), Failure> {
    let find = desk.store().find_delivery(desk.proof, id);
    let found = desk.read(ReadDeliveries, find).await?;
    found.ok_or_else(not_found)
}

/// Starts a delivery that has ended again, with all its attempts.
pub(crate) async fn redeliver(desk: &Desk<'_>, id: &DeliveryId) -> Result<Delivery, Failure> {
    let act = desk.act();
    let redeliver = desk.store().redeliver(desk.proof, &act, id);
    let started = desk.write(WriteDeliveries, redeliver).await?;
    let refused = |refused| ApiError::conflict(format!("{refused}"));
    Ok(started.ok_or_else(not_found)?.map_err(refused)?)
}

/// The request of the last attempt to tell `endpoint`, or of the one to come. The signature is made
/// anew, which gives the same one as long as the endpoint, and so perhaps its secret, has not changed
/// since.
pub(crate) fn sent(
    desk: &Desk<'_>,
    delivery: &Delivery,
    endpoint: Option<&OwnedEndpoint>,
    body: String,
) -> ShownRequest {
    let app = desk.app();
    let at = delivery.attempts.last().map(|attempt| attempt.at);
    let event_id = delivery.event_id.as_str();
    let mut headers = webhooks::headers(event_id, at.unwrap_or_else(|| app.clock.now()));
    if at.is_none() {
        headers.retain(|(name, _)| *name != "webhook-timestamp");
    }
    if let (Some(at), Some(owned)) = (at, endpoint)
        && owned.endpoint.updated_at <= at
        && let Ok(key) = app
            .settings
            .webhooks
            .vault
            .open(&delivery.endpoint_id, &owned.secret)
    {
        headers.push(webhooks::signature(&key, event_id, at, &body));
    }
    let headers = headers.into_iter();
    ShownRequest {
        headers: headers
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        body,
    }
}

fn not_found() -> Failure {
    ApiError::not_found("webhook delivery").into()
}
