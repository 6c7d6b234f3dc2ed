//! Webhook deliveries: every attempt, and on request what was sent.

use rollcall_domain::delivery::{Attempt, Delivery, DeliveryStatus};
use rollcall_domain::id::WebhookEndpointId;

use super::lists::{ListPosition, ListRequest};
use crate::cursor::Cursors;
use crate::error::ApiError;
use crate::object::ObjectWriter;
use crate::query::Query;

/// A request for one page of deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveriesRequest {
    /// Which page.
    pub list: ListRequest<ListPosition>,
    /// Only deliveries to this endpoint.
    pub endpoint_id: Option<WebhookEndpointId>,
    /// Only deliveries with this status.
    pub status: Option<DeliveryStatus>,
}

/// Reads the query of the list.
pub fn parse_list(query: Option<&str>, cursors: &Cursors) -> Result<DeliveriesRequest, ApiError> {
    let mut query = Query::parse(query)?;
    let list = ListRequest::take(&mut query, cursors, "webhook_deliveries")?;
    let endpoint_id = query.take_parsed("endpoint_id", WebhookEndpointId::parse)?;
    let status = query.take_parsed("status", DeliveryStatus::parse)?;
    query.finish()?;
    Ok(DeliveriesRequest {
        list,
        endpoint_id,
        status,
    })
}

/// What was sent, or would be sent next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownRequest {
    /// Names and values, in the order sent. A signature may be shown, its key never.
    pub headers: Vec<(String, String)>,
    /// The exact body.
    pub body: String,
}

/// Appends a delivery; `request` only in the answer to the get of one.
pub fn write_delivery(out: &mut String, delivery: &Delivery, request: Option<&ShownRequest>) {
    let object = ObjectWriter::new(out)
        .text("type", "webhook_delivery")
        .text("id", delivery.id.as_str())
        .text("organization_id", delivery.organization_id.as_str())
        .text("endpoint_id", delivery.endpoint_id.as_str())
        .text("event_id", delivery.event_id.as_str())
        .text("event_type", &delivery.event_type)
        .text("status", delivery.status.as_str())
        .time("created_at", delivery.created_at)
        .optional_time("next_attempt_at", delivery.next_attempt_at)
        .array("attempts", &delivery.attempts, write_attempt);
    match request {
        None => object.close(),
        Some(request) => object
            .object("request", |sent| {
                sent.object("headers", |headers| {
                    let sent = request.headers.iter();
                    sent.fold(headers, |headers, (name, value)| headers.text(name, value))
                })
                .text("body", &request.body)
            })
            .close(),
    }
}

fn write_attempt(out: &mut String, attempt: &Attempt) {
    ObjectWriter::new(out)
        .time("at", attempt.at)
        .optional_number("status_code", attempt.status_code)
        .number("latency_ms", attempt.latency_ms)
        .optional_text("error", attempt.error.as_deref())
        .close();
}
