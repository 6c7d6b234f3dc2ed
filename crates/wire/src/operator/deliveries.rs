//! Webhook deliveries: every attempt, and on request what was sent.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::{DeliveryId, EventId, OrganizationId, WebhookEndpointId};
use rollcall_domain::webhook::DeliveryStatus;

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

/// One attempt, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownAttempt {
    /// When it began.
    pub at: Timestamp,
    /// The receiver's status, if it answered.
    pub status_code: Option<u16>,
    /// How long it took, in milliseconds.
    pub latency_ms: u64,
    /// Why it failed without an answer.
    pub error: Option<String>,
}

/// What was sent, or would be sent next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownRequest {
    /// Names and values, in the order sent. A signature may be shown, its key never.
    pub headers: Vec<(String, String)>,
    /// The exact body.
    pub body: String,
}

/// One event's delivery to one endpoint, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// The organization.
    pub organization_id: OrganizationId,
    /// The endpoint.
    pub endpoint_id: WebhookEndpointId,
    /// The event.
    pub event_id: EventId,
    /// The event's type; a test event has one that no endpoint can subscribe to.
    pub event_type: String,
    /// What became of it.
    pub status: DeliveryStatus,
    /// When the event was stored for the endpoint.
    pub created_at: Timestamp,
    /// When the next attempt is due.
    pub next_attempt_at: Option<Timestamp>,
    /// The attempts so far, oldest first.
    pub attempts: Vec<ShownAttempt>,
}

/// Appends a delivery; `request` only in the answer to the get of one.
pub fn write_delivery(out: &mut String, delivery: &ShownDelivery, request: Option<&ShownRequest>) {
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

fn write_attempt(out: &mut String, attempt: &ShownAttempt) {
    ObjectWriter::new(out)
        .time("at", attempt.at)
        .optional_number("status_code", attempt.status_code)
        .number("latency_ms", attempt.latency_ms)
        .optional_text("error", attempt.error.as_deref())
        .close();
}
