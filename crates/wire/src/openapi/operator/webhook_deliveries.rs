//! Webhook deliveries.

use rollcall_domain::delivery::DeliveryStatus;
use utoipa::openapi::schema::Object;

use super::webhook_endpoints::any_id;
use super::{Described, answers, get, list_linked, operation, post, takes_nothing};
use crate::openapi::public::{path_parameter, query};
use crate::openapi::schema::{
    self, Member, Shape, answer, array, choice, id, integer, named, nullable, organization_id,
    shown_optional_time, shown_time, word,
};

pub(super) fn operations() -> Vec<Described> {
    const ALL: &str = "/operator/v1/webhook_deliveries";
    const ONE: &str = "/operator/v1/webhook_deliveries/{webhook_delivery_id}";
    const REDELIVER: &str = "/operator/v1/webhook_deliveries/{webhook_delivery_id}/redeliver";
    let delivery = |id, summary| {
        let operation = operation("Webhook deliveries", id, summary);
        operation.parameter(path_parameter("webhook_delivery_id", schema::id("whd_")))
    };
    let statuses = DeliveryStatus::ALL.iter().map(|status| status.as_str());
    let listed = operation(
        "Webhook deliveries",
        "list_webhook_deliveries",
        "List webhook deliveries, newest first",
    )
    .parameter(query("endpoint_id", "Only to this endpoint.", any_id()))
    .parameter(query("status", "Only with this status.", choice(statuses)));
    vec![
        get(
            ALL,
            list_linked(
                listed,
                "WebhookDelivery",
                "webhook_delivery_id",
                &["get_webhook_delivery", "redeliver"],
            ),
        ),
        get(
            ONE,
            answers(
                delivery("get_webhook_delivery", "Get a delivery with what was sent"),
                named("WebhookDeliveryWithRequest"),
            ),
        ),
        post(
            REDELIVER,
            takes_nothing(answers(
                delivery("redeliver", "Start a delivery that ended again"),
                named("WebhookDelivery"),
            )),
        ),
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Shape)> {
    vec![
        ("WebhookDelivery", answer(delivery_members()).into()),
        ("WebhookDeliveryWithRequest", delivery_with_request().into()),
    ]
}

/// A delivery, as lists show it.
fn delivery_members() -> Vec<Member> {
    let statuses = DeliveryStatus::ALL.iter().map(|status| status.as_str());
    let attempt = answer([
        shown_time("at"),
        ("status_code", nullable(integer(100, Some(999)))),
        ("latency_ms", integer(0, None).into()),
        ("error", nullable(schema::string().build())),
    ]);
    vec![
        ("type", word("webhook_delivery").into()),
        ("id", id("whd_").into()),
        ("organization_id", organization_id().into()),
        ("endpoint_id", schema::string().build().into()),
        ("event_id", id("whe_").into()),
        ("event_type", schema::string().build().into()),
        ("status", choice(statuses).into()),
        shown_time("created_at"),
        shown_optional_time("next_attempt_at"),
        ("attempts", array(attempt)),
    ]
}

fn delivery_with_request() -> Object {
    let mut members = delivery_members();
    let headers = schema::map(schema::string().build(), schema::string().build(), 10);
    let request = answer([
        ("headers", headers.into()),
        ("body", schema::string().build().into()),
    ]);
    members.push(("request", request.into()));
    answer(members)
}
