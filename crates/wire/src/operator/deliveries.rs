//! Webhook deliveries: every attempt, and on request what was sent.

use rollcall_domain::delivery::{Attempt, Delivery, DeliveryStatus};
use rollcall_domain::id::WebhookEndpointId;

use super::lists::{ListPosition, ListRequest};
use crate::cursor::Cursors;
use crate::error::ApiError;
use crate::members::{Member, Value, begin, member, shape};
use crate::openapi::schema::{
    among, any_text, array, id, integer, map, nullable, organization_id, string, time_out, word,
};
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

/// What is shown of a delivery, in lists too.
#[rustfmt::skip]
pub(crate) static DELIVERY: &[Member<Delivery>] = &[
    member("type", || word("webhook_delivery").into(), |_| "webhook_delivery".into()),
    member("id", || id("whd_").into(), |it| it.id.as_str().into()),
    member("organization_id", || organization_id().into(), |it| it.organization_id.as_str().into()),
    member("endpoint_id", any_text, |it| it.endpoint_id.as_str().into()),
    member("event_id", || id("whe_").into(), |it| it.event_id.as_str().into()),
    member("event_type", any_text, |it| (&it.event_type).into()),
    member("status", || among(DeliveryStatus::ALL, |status| status.as_str()), |it| it.status.as_str().into()),
    member("created_at", || time_out().into(), |it| it.created_at.into()),
    member("next_attempt_at", || nullable(time_out()), |it| it.next_attempt_at.into()),
    member("attempts", || array(shape(ATTEMPT)), |it| Value::array(&it.attempts, |out, attempt| begin(out, ATTEMPT, attempt).close())),
];

#[rustfmt::skip]
static ATTEMPT: &[Member<Attempt>] = &[
    member("at", || time_out().into(), |it| it.at.into()),
    member("status_code", || nullable(integer(100, Some(999))), |it| it.status_code.map(u64::from).into()),
    member("latency_ms", || integer(0, None).into(), |it| it.latency_ms.into()),
    member("error", || nullable(string().build()), |it| it.error.as_deref().into()),
];

/// What is shown of a request.
#[rustfmt::skip]
pub(crate) static REQUEST: &[Member<ShownRequest>] = &[
    member("headers", || map(string().build(), any_text(), 10).into(), |it| Value::texts_by_name(&it.headers)),
    member("body", any_text, |it| (&it.body).into()),
];

/// Appends a delivery; `request` only in the answer to the get of one.
pub fn write_delivery(out: &mut String, delivery: &Delivery, request: Option<&ShownRequest>) {
    let object = begin(out, DELIVERY, delivery);
    match request {
        None => object.close(),
        Some(request) => object
            .with("request", |out| begin(out, REQUEST, request).close())
            .close(),
    }
}
