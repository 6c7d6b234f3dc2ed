//! Webhook endpoints of every organization, and the test of one.

use rollcall_domain::webhook::EndpointState;

use super::{Described, answers, get, linked, list, ok, operation, post, takes_nothing};
use crate::members::shape;
use crate::openapi::public::{path_parameter, query};
use crate::openapi::schema::{Shape, choice, endpoint_id, named, organization_id};
use crate::operator::endpoints::endpoint_members;

pub(super) fn operations() -> Vec<Described> {
    const ALL: &str = "/operator/v1/webhook_endpoints";
    const ONE: &str = "/operator/v1/webhook_endpoints/{webhook_endpoint_id}";
    const TEST: &str = "/operator/v1/webhook_endpoints/{webhook_endpoint_id}/test";
    let endpoints = |id, summary| operation("Webhook endpoints", id, summary);
    let one = |id, summary| {
        endpoints(id, summary).parameter(path_parameter("webhook_endpoint_id", endpoint_id()))
    };
    let listed = endpoints(
        "list_webhook_endpoints",
        "List the webhook endpoints of every organization, newest first",
    )
    .parameter(query(
        "organization_id",
        "Only of this organization.",
        organization_id(),
    ))
    .parameter(query("state", "Only in this state.", choice(states())));
    let found = one("get_webhook_endpoint", "Get a webhook endpoint");
    let test = one(
        "test_webhook_endpoint",
        "Send a signed test event to an endpoint",
    );
    let sent = linked(
        ok(named("WebhookDelivery")),
        "webhook_delivery_id",
        &["get_webhook_delivery", "redeliver"],
    );
    let test = test.response("200", sent);
    vec![
        get(ALL, list(listed, "WebhookEndpoint")),
        get(ONE, answers(found, named("WebhookEndpoint"))),
        post(TEST, takes_nothing(test)),
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Shape)> {
    let endpoint = shape(&endpoint_members());
    vec![("WebhookEndpoint", endpoint)]
}

fn states() -> impl Iterator<Item = &'static str> {
    EndpointState::ALL.iter().map(|state| state.as_str())
}
