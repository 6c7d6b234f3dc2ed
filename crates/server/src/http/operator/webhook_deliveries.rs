//! `/operator/v1/webhook_deliveries`: what platforms were told, attempt by attempt, and telling them again.

use rollcall_domain::delivery::Delivery;
use rollcall_domain::id::DeliveryId;
use rollcall_store::deliveries::DeliveryFilter;
use rollcall_wire::error::ApiError;
use rollcall_wire::object;
use rollcall_wire::operator::deliveries::{parse_list, write_delivery};
use rollcall_wire::operator::{ListPosition, parse_nothing};
use rollcall_wire::query::parse_query_beta_only;

use super::written;
use crate::acts::{deliveries, endpoints};
use crate::http::answer::json;
use crate::http::call::OperatorCall;
use crate::http::error::Outcome;

/// `GET /operator/v1/webhook_deliveries`: newest first.
pub(crate) async fn list(call: OperatorCall<'_>) -> Outcome {
    let app = call.app();
    let request = parse_list(call.query(), &app.cursors)?;
    let filter = DeliveryFilter {
        endpoint_id: request.endpoint_id.clone(),
        status: request.status,
        ..DeliveryFilter::default()
    };
    // Ids sort by creation, so the id alone is the position.
    let after = request.list.after.as_ref();
    let after = after.map(|after| DeliveryId::parse(&after.id));
    let after = after
        .transpose()
        .map_err(|error| ApiError::at("page", error))?;
    let limit = request.list.limit;
    let page = deliveries::list(&call.desk, &filter, after.as_ref(), limit).await?;
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
    let id = deliveries::named(call.param("webhook_delivery_id"))?;
    let (delivery, body) = deliveries::find(&call.desk, &id).await?;
    let endpoint = endpoints::look_up(&call.desk, &delivery.endpoint_id).await?;
    let request = deliveries::sent(&call.desk, &delivery, endpoint.as_ref(), body);
    Ok(json(written(|out| {
        write_delivery(out, &delivery, Some(&request));
    })))
}

/// `POST /operator/v1/webhook_deliveries/{id}/redeliver`
pub(crate) async fn redeliver(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    parse_nothing(&call.body().await?)?;
    let id = deliveries::named(call.param("webhook_delivery_id"))?;
    let delivery = deliveries::redeliver(&call.desk, &id).await?;
    Ok(json(written(|out| write_delivery(out, &delivery, None))))
}
