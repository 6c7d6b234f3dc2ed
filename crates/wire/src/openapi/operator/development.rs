//! The development controls.

use rollcall_domain::billing::BillingState;
use serde_json::json;
use utoipa::openapi::path::OperationBuilder;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use super::{
    Described, answers, delete, get, list, operation, post, profile_in_path, put, takes,
    takes_nothing,
};
use crate::members::{shape, shapes};
use crate::openapi::public::query;
use crate::openapi::schema::{
    self, Shape, answer, array, body, choice, described, id, integer, named, nullable,
    organization_id, ruled, shown_time, time_in, word,
};
use crate::operator::dev::FAULT;

pub(super) fn operations() -> Vec<Described> {
    const RESET: &str = "/operator/v1/dev/reset";
    const CLOCK: &str = "/operator/v1/dev/clock";
    const FAULTS: &str = "/operator/v1/dev/faults";
    const REQUESTS: &str = "/operator/v1/dev/requests";
    const BILLING: &str = "/operator/v1/dev/user_profiles/{user_profile_id}/billing";
    let development = |id, summary| operation("Development", id, summary);
    let narrowed = |operation: OperationBuilder| {
        let words = "Only of this organization.";
        operation.parameter(query("organization_id", words, organization_id()))
    };
    vec![
        post(
            RESET,
            takes_nothing(answers(
                development("reset", "Go back to the state after the start"),
                named("Clock"),
            )),
        ),
        get(
            CLOCK,
            answers(development("get_clock", "Read the clock"), named("Clock")),
        ),
        post(
            CLOCK,
            takes(
                answers(
                    development("set_clock", "Move, stop or release the clock"),
                    named("Clock"),
                ),
                "ClockChange",
            ),
        ),
        get(
            FAULTS,
            list(
                narrowed(development(
                    "list_faults",
                    "List the failures still to come",
                )),
                "Fault",
            ),
        ),
        post(
            FAULTS,
            takes(
                answers(
                    development("add_fault", "Prepare a failure"),
                    named("Fault"),
                ),
                "FaultAdd",
            ),
        ),
        put(
            BILLING,
            takes(
                answers(
                    development("set_billing", "Say how the billing of a profile stands")
                        .parameter(profile_in_path()),
                    named("UserProfileBilling"),
                ),
                "UserProfileBillingSet",
            ),
        ),
        delete(
            FAULTS,
            answers(
                narrowed(development(
                    "clear_faults",
                    "Drop the failures still to come",
                )),
                schema::page(named("Fault")),
            ),
        ),
        get(
            REQUESTS,
            list(
                narrowed(development(
                    "list_requests",
                    "List the last requests received",
                )),
                "Request",
            ),
        ),
    ]
}

fn billing_state() -> Object {
    choice(BillingState::ALL.iter().map(|state| state.as_str()))
}

pub(super) fn schemas() -> Vec<(&'static str, Shape)> {
    let change = body(
        [
            (
                "advance",
                described(schema::string().build(), "Such as 90s, 15m, 1h30m or 7d."),
            ),
            ("now", described(time_in(), "Stops it there.")),
            (
                "real",
                described(
                    ObjectBuilder::new()
                        .schema_type(Type::Boolean)
                        .enum_values(Some([true]))
                        .build(),
                    "Lets it follow the machine's clock.",
                ),
            ),
        ],
        &[],
    );
    let one = json!({"minProperties": 1, "maxProperties": 1});
    let ends = json!({"anyOf": [
        {"required": ["status"], "properties": {"status": {"type": "integer"}}},
        {"required": ["drop_connection"], "properties": {"drop_connection": {"const": true}}},
        {
            "required": ["delay_ms"],
            "properties": {"delay_ms": {"type": "integer", "minimum": 1}, "error_type": {"type": "null"}, "error_code": {"type": "null"}}
        }
    ]});
    let header = utoipa::openapi::schema::ArrayBuilder::new().items(schema::string().build());
    let header = header.min_items(Some(2)).max_items(Some(2)).build();
    let optional = || nullable(schema::string().build());
    let request = answer([
        ("type", word("request").into()),
        ("request_id", id("req_").into()),
        shown_time("at"),
        (
            "organization_id",
            described(
                nullable(organization_id()),
                "Whose key came with it; null where that was nobody's, or the operator's.",
            ),
        ),
        ("method", schema::string().build().into()),
        ("path", schema::string().build().into()),
        ("query", optional()),
        ("headers", array(header)),
        (
            "unknown_betas",
            described(
                array(schema::string().build()),
                "What `anthropic-beta` listed that is not known, accepted or not.",
            ),
        ),
        ("body", optional()),
        (
            "status",
            described(
                nullable(integer(100, Some(999))),
                "Null when the connection was broken off, as a fault ordered, and nothing was sent.",
            ),
        ),
    ]);
    vec![
        ("Clock", answer([shown_time("now")]).into()),
        (
            "UserProfileBilling",
            answer([
                ("type", word("user_profile_billing").into()),
                ("user_profile_id", id("uprof_").into()),
                ("state", billing_state().into()),
            ])
            .into(),
        ),
        (
            "UserProfileBillingSet",
            body([("state", billing_state().into())], &["state"]).into(),
        ),
        ("ClockChange", ruled(change, vec![one]).into()),
        ("Fault", shape(FAULT)),
        (
            "FaultAdd",
            ruled(body(shapes(FAULT), &[]), vec![ends]).into(),
        ),
        ("Request", request.into()),
    ]
}
