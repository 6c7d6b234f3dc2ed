//! Webhook deliveries.

use rollcall_domain::delivery::DeliveryStatus;

use super::{Described, answers, get, list_linked, operation, post, takes_nothing};
use crate::members::{shape, shapes};
use crate::openapi::public::{path_parameter, query};
use crate::openapi::schema::{self, Shape, answer, choice, endpoint_id, named};
use crate::operator::deliveries::{DELIVERY, REQUEST};

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
    .parameter(query(
        "endpoint_id",
        "Only to this endpoint.",
        endpoint_id(),
    ))
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
    let mut with_request = shapes(DELIVERY);
    with_request.push(("request", shape(REQUEST)));
    vec![
        ("WebhookDelivery", shape(DELIVERY)),
        ("WebhookDeliveryWithRequest", answer(with_request).into()),
    ]
}
