//! API keys, and the one answer that shows a secret.

use serde_json::json;
use utoipa::openapi::path::Parameter;

use super::{
    Described, answers, delete_or_conflict, deleted, get, linked, list, name, ok, operation,
    organization_in_path, post, takes,
};
use crate::members::{shape, shapes};
use crate::openapi::public::path_parameter;
use crate::openapi::schema::{
    self, Shape, answer, body, choice, described, id, named, nullable, ruled, time_in,
};
use crate::operator::tenants;

pub(super) fn operations() -> Vec<Described> {
    const KEYS: &str = "/operator/v1/organizations/{organization_id}/api_keys";
    const KEY: &str = "/operator/v1/api_keys/{api_key_id}";
    let keys = |id, summary| operation("API keys", id, summary);
    let created_key = linked(
        ok(named("NewApiKey")),
        "api_key_id",
        &["update_api_key", "delete_api_key"],
    );
    let key_of_organization =
        keys("create_api_key", "Create an API key").parameter(organization_in_path());
    vec![
        get(
            KEYS,
            list(
                keys("list_api_keys", "List API keys").parameter(organization_in_path()),
                "ApiKey",
            ),
        ),
        post(
            KEYS,
            takes(
                key_of_organization.response("200", created_key),
                "ApiKeyCreate",
            ),
        ),
        post(
            KEY,
            takes(
                answers(
                    keys("update_api_key", "Disable or enable an API key").parameter(key_in_path()),
                    named("ApiKey"),
                ),
                "ApiKeyUpdate",
            ),
        ),
        delete_or_conflict(
            KEY,
            answers(
                keys("delete_api_key", "Delete an API key").parameter(key_in_path()),
                deleted("apikey_", "api_key_deleted"),
            ),
        ),
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Shape)> {
    let mut with_secret = shapes(tenants::API_KEY);
    let words = "The key itself: shown here and never again.";
    with_secret.push(("secret", described(schema::string().build(), words)));
    let key_create = body(
        [
            name(),
            ("kind", choice(["api", "admin", "gateway"]).into()),
            (
                "workspace_id",
                described(
                    nullable(id("wrkspc_")),
                    "Binds a key of the kind `api` to this workspace.",
                ),
            ),
            ("expires_at", nullable(time_in())),
        ],
        &["name", "kind"],
    );
    let admin_has_no_workspace = json!({
        "if": {"properties": {"kind": {"const": "admin"}}, "required": ["kind"]},
        "then": {"properties": {"workspace_id": {"type": "null"}}}
    });
    vec![
        ("ApiKey", shape(tenants::API_KEY)),
        ("NewApiKey", answer(with_secret).into()),
        (
            "ApiKeyCreate",
            ruled(key_create, vec![admin_has_no_workspace]).into(),
        ),
        (
            "ApiKeyUpdate",
            body([("status", tenants::key_status_shape())], &["status"]).into(),
        ),
    ]
}

fn key_in_path() -> Parameter {
    path_parameter("api_key_id", id("apikey_"))
}
