//! The operator's own keys.

use utoipa::openapi::path::Parameter;

use super::{
    Described, answers, delete_or_conflict, deleted, get, linked, list, name, ok, operation, post,
    takes,
};
use crate::openapi::public::path_parameter;
use crate::openapi::schema::{Shape, body, described, id, named, nullable, time_in};
use crate::operator::tenants;

pub(super) fn operations() -> Vec<Described> {
    const KEYS: &str = "/operator/v1/operator_keys";
    const KEY: &str = "/operator/v1/operator_keys/{operator_key_id}";
    let keys = |id, summary| operation("Operator keys", id, summary);
    let created = linked(
        ok(named("NewApiKey")),
        "operator_key_id",
        &["update_operator_key", "delete_operator_key"],
    );
    let create = keys("create_operator_key", "Create an operator key");
    let update = keys("update_operator_key", "Disable or enable an operator key");
    let remove = keys("delete_operator_key", "Delete an operator key");
    vec![
        get(
            KEYS,
            list(keys("list_operator_keys", "List operator keys"), "ApiKey"),
        ),
        post(
            KEYS,
            takes(create.response("200", created), "OperatorKeyCreate"),
        ),
        post(
            KEY,
            takes(
                answers(update.parameter(key_in_path()), named("ApiKey")),
                "ApiKeyUpdate",
            ),
        ),
        delete_or_conflict(
            KEY,
            answers(
                remove.parameter(key_in_path()),
                deleted("apikey_", "api_key_deleted"),
            ),
        ),
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Shape)> {
    let role = "`owner` does everything; `reviewer` reads everything and decides about profiles; `viewer` reads.";
    let create = body(
        [
            name(),
            ("role", described(tenants::role_shape(), role)),
            ("expires_at", nullable(time_in())),
        ],
        &["name", "role"],
    );
    vec![("OperatorKeyCreate", create.into())]
}

fn key_in_path() -> Parameter {
    path_parameter("operator_key_id", id("apikey_"))
}
