//! `/operator/v1/webhook_deliveries`: what platforms were told, attempt by attempt, and telling them again.

use rollcall_domain::delivery::Delivery;
use rollcall_domain::id::DeliveryId;
use rollcall_store::deliveries::{DeliveryFilter, NotSent};
use rollcall_store::webhooks::OwnedEndpoint;
use rollcall_wire::error::ApiError;
use rollcall_wire::object;
use rollcall_wire::operator::deliveries::{ShownRequest, parse_list, write_delivery};
use rollcall_wire::operator::{ListPosition, parse_nothing};
use rollcall_wire::query::parse_query_beta_only;

use super::written;
use crate::app::Operation;
use crate::http::answer::{Answer, json};
use crate::http::call::OperatorCall;
use crate::http::error::{Failure, Outcome};
use crate::http::exchange::Exchange;
use crate::webhooks;

/// `GET /operator/v1/webhook_deliveries`: newest first.
pub(crate) async fn list(call: OperatorCall<'_>) -> Outcome {
    let app = call.app();
    let request = parse_list(call.query(), &app.cursors)?;
    let filter = DeliveryFilter {
        endpoint_id: request.endpoint_id.clone(),
        status: request.status,
        profile_id: None,
    };
    // Ids sort by creation, so the id alone is the position.
    let after = request.list.after.as_ref();
    let after = after.map(|after| DeliveryId::parse(&after.id));
    let after = after
        .transpose()
        .map_err(|error| ApiError::at("page", error))?;
    let limit = request.list.limit;
    let found = app
        .store
        .list_deliveries(call.proof, &filter, after.as_ref(), limit);
    let page = call
        .exchange()
        .read(Operation::ReadDeliveries, found)
        .await?;
    let last = page.deliveries.last().filter(|_| page.next.is_some());
    let next_page = last.map(|last| {
        let position = ListPosition {
            created_at: last.created_at,
            id: last.id.to_string(),
        };
        request.list.next_page(&app.cursors, &position)
    });
    let write = |out: &mut String, delivery: &Delivery| write_delivery(out, delivery, None);
    Ok(json(object::page(
        &page.deliveries,
        write,
        next_page.as_deref(),
    )))
}

/// `GET /operator/v1/webhook_deliveries/{id}`: with what was sent.
pub(crate) async fn get(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let id = named(&call)?;
    let find = call.app().store.find_delivery(call.proof, &id);
    let found = call
        .exchange()
        .read(Operation::ReadDeliveries, find)
        .await?;
    let (delivery, body) = found.ok_or_else(not_found)?;
    let locate = call
        .app()
        .store
        .locate_webhook_endpoint(call.proof, &delivery.endpoint_id);
    let endpoint = call
        .exchange()
        .read(Operation::ReadWebhookEndpoints, locate)
        .await?;
    let request = sent(call.exchange(), &delivery, endpoint.as_ref(), body);
    Ok(json(written(|out| {
        write_delivery(out, &delivery, Some(&request));
    })))
}

/// `POST /operator/v1/webhook_deliveries/{id}/redeliver`
pub(crate) async fn redeliver(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    parse_nothing(&call.body().await?)?;
    let id = named(&call)?;
    let app = call.app();
    let act = call.act(app.clock.now());
    let redeliver = app.store.redeliver(call.proof, &act, &id);
    let started = call
        .exchange()
        .write(Operation::WriteDeliveries, redeliver)
        .await?;
    begun(started.ok_or_else(not_found)?)
}

/// The answer to the start of a delivery.
pub(super) fn begun(started: Result<Delivery, NotSent>) -> Result<Answer, Failure> {
    let delivery = started.map_err(|refused| ApiError::conflict(refused.to_string()))?;
    Ok(json(written(|out| write_delivery(out, &delivery, None))))
}

/// The request of the last attempt to tell `endpoint`, or of the one to come. The signature is made
/// anew, which gives the same one as long as the endpoint, and so perhaps its secret, has not changed
/// since.
pub(crate) fn sent(
    exchange: &Exchange<'_>,
    delivery: &Delivery,
    endpoint: Option<&OwnedEndpoint>,
    body: String,
) -> ShownRequest {
    let app = exchange.app;
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

fn named(call: &OperatorCall<'_>) -> Result<DeliveryId, Failure> {
    DeliveryId::parse(call.param(0)).map_err(|_| not_found())
}

fn not_found() -> Failure {
    ApiError::not_found("webhook delivery").into()
}
