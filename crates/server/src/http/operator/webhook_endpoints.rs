//! `/operator/v1/webhook_endpoints`: where platforms are told things. Managing endpoints is their
//! administrator's part; the operator looks, and tests.

use rollcall_domain::id::WebhookEndpointId;
use rollcall_store::deliveries::NotSent;
use rollcall_store::webhooks::{EndpointFilter, OwnedEndpoint};
use rollcall_wire::error::ApiError;
use rollcall_wire::object;
use rollcall_wire::operator::endpoints::{parse_list, write_endpoint};
use rollcall_wire::operator::parse_nothing;
use rollcall_wire::query::parse_query_beta_only;

use super::webhook_deliveries::begun;
use super::written;
use crate::app::Operation;
use crate::http::answer::json;
use crate::http::call::OperatorCall;
use crate::http::error::{Failure, Outcome};

/// `GET /operator/v1/webhook_endpoints`: newest first.
pub(crate) async fn list(call: OperatorCall<'_>) -> Outcome {
    let app = call.app();
    let request = parse_list(call.query(), &app.cursors)?;
    let filter = EndpointFilter {
        organization_id: request.organization_id.clone(),
        state: request.state,
        is_failing: None,
    };
    let (after, limit) = (request.list.after.as_ref(), request.list.limit);
    let search = app
        .store
        .search_webhook_endpoints(call.proof, &filter, after, limit);
    let page = call
        .exchange()
        .read(Operation::ReadWebhookEndpoints, search)
        .await?;
    let next_page = page.next.as_ref();
    let next_page = next_page.map(|next| request.list.next_page(&app.cursors, next));
    Ok(json(object::page(
        &page.endpoints,
        write,
        next_page.as_deref(),
    )))
}

/// `GET /operator/v1/webhook_endpoints/{id}`
pub(crate) async fn get(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let id = named(&call)?;
    let locate = call.app().store.locate_webhook_endpoint(call.proof, &id);
    let found = call
        .exchange()
        .read(Operation::ReadWebhookEndpoints, locate)
        .await?;
    let owned = found.ok_or_else(ApiError::webhook_endpoint_not_found)?;
    Ok(json(written(|out| write(out, &owned))))
}

/// `POST /operator/v1/webhook_endpoints/{id}/test`: answers with the delivery, which is under way.
pub(crate) async fn test(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    parse_nothing(&call.body().await?)?;
    let id = named(&call)?;
    let app = call.app();
    let act = call.act(app.clock.now());
    let insert = app.store.insert_test_delivery(call.proof, &act, &id);
    let inserted = call
        .exchange()
        .write(Operation::WriteDeliveries, insert)
        .await?;
    match inserted {
        Err(NotSent::EndpointMissing) => Err(ApiError::webhook_endpoint_not_found().into()),
        inserted => begun(inserted),
    }
}

fn write(out: &mut String, owned: &OwnedEndpoint) {
    let failing_since = owned.health.failing_since;
    write_endpoint(out, &owned.organization_id, &owned.endpoint, failing_since);
}

fn named(call: &OperatorCall<'_>) -> Result<WebhookEndpointId, Failure> {
    let id = WebhookEndpointId::parse(call.param(0));
    id.map_err(|_| ApiError::webhook_endpoint_not_found().into())
}
