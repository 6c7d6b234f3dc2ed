//! Organizations, workspaces and keys.

use insta::assert_snapshot;

use crate::server::{ORGANIZATION, OTHER_WORKSPACE, TestServer};

const ORGANIZATIONS: &str = "/operator/v1/organizations";

#[tokio::test]
async fn an_organization_is_made_read_and_changed() {
    let server = TestServer::start().await;
    let operator = server.operator();
    let made = operator
        .post(ORGANIZATIONS, r#"{"name":"Acme","rate_limit_rpm":600}"#)
        .await;
    assert_snapshot!(made, @r#"
    200
    cache-control: no-store
    content-type: application/json
    request-id: req_011ChEJeR5DXK7L4Xj38Ud9M
    x-content-type-options: nosniff

    {"type":"organization","id":"01a1f944-f222-71e3-ae53-17899ce9befa","name":"Acme","created_at":"2026-11-20T14:03:27.650118Z","rate_limit_rpm":600,"status":"active","enrollment_links":"enabled","data_controls":"open"}
    "#);
    let path = format!("{ORGANIZATIONS}/{}", made.string("id"));
    assert_eq!(operator.get(&path).await.body, made.body);
    let changed = operator
        .post(
            &path,
            r#"{"name":"Acme 2","status":"on_hold","rate_limit_rpm":null}"#,
        )
        .await;
    assert_snapshot!(changed.text(), @r#"{"type":"organization","id":"01a1f944-f222-71e3-ae53-17899ce9befa","name":"Acme 2","created_at":"2026-11-20T14:03:27.650118Z","rate_limit_rpm":null,"status":"on_hold","enrollment_links":"enabled","data_controls":"open"}"#);
    assert_eq!(operator.post(&path, "{}").await.body, changed.body);
}

#[tokio::test]
async fn lists_go_on_where_they_ended() {
    let server = TestServer::start().await;
    let operator = server.operator();
    for number in 0..3 {
        server.clock.advance(std::time::Duration::from_secs(1));
        operator
            .post(ORGANIZATIONS, &format!(r#"{{"name":"{number}"}}"#))
            .await
            .ok();
    }
    let mut names = Vec::new();
    let mut target = format!("{ORGANIZATIONS}?limit=2");
    loop {
        let page = operator.get(&target).await.ok();
        let data = page["data"].as_array().unwrap();
        names.extend(
            data.iter()
                .map(|it| it["name"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next_page"].as_str() else {
            break;
        };
        target = format!("{ORGANIZATIONS}?limit=2&page={next}");
    }
    assert_eq!(names, ["Nordlicht & Söhne", "Other", "0", "1", "2"]);
}

#[tokio::test]
async fn a_key_is_shown_once_and_works_in_its_workspace() {
    let server = TestServer::start().await;
    let operator = server.operator();
    let workspaces = format!("{ORGANIZATIONS}/{ORGANIZATION}/workspaces");
    let workspace = operator.post(&workspaces, r#"{"name":"Staging"}"#).await;
    assert_snapshot!(workspace.text(), @r#"{"type":"workspace","id":"wrkspc_011ChEJeR5DXK7cfKKwnQ5tu","name":"Staging","created_at":"2026-11-20T14:03:27.650118Z"}"#);
    let workspace = workspace.string("id");
    let keys = format!("{ORGANIZATIONS}/{ORGANIZATION}/api_keys");
    let body = format!(r#"{{"name":"CI","kind":"api","workspace_id":"{workspace}"}}"#);
    let made = operator.post(&keys, &body).await;
    assert_snapshot!(made.text(), @r#"{"type":"api_key","id":"apikey_011ChEJeR5DXJzG9kaFc2Jpv","organization_id":"0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11","kind":"api","role":null,"name":"CI","workspace_id":"wrkspc_011ChEJeR5DXK7cfKKwnQ5tu","created_at":"2026-11-20T14:03:27.650118Z","expires_at":null,"last_used_at":null,"status":"active","secret":"sk-rollcall-api01-koMdVbwl4qGY_2n2dq4vp-y1xhCbHGVWvIT6zFUGpuU1ZqpRh"}"#);
    let secret = made.string("secret");
    assert!(rollcall::secrets::is_well_formed_key(&secret), "{secret}");
    let used = server.platform_with(&secret).get("/v1/user_profiles").await;
    assert_eq!(used.status, 200);
    assert_eq!(
        used.header("anthropic-workspace-id"),
        Some(workspace.as_str())
    );
    let listed = operator.get(&keys).await;
    assert!(!listed.text().contains("secret"), "{listed}");
    assert!(!listed.text().contains(&secret), "{listed}");

    let path = format!("/operator/v1/api_keys/{}", made.string("id"));
    assert_snapshot!(operator.delete(&path).await.text(), @r#"{"id":"apikey_011ChEJeR5DXJzG9kaFc2Jpv","type":"api_key_deleted"}"#);
    let refused = server.platform_with(&secret).get("/v1/user_profiles").await;
    assert_eq!(
        refused.error(),
        "401 authentication_error: invalid x-api-key"
    );
    let again = operator.delete(&path).await;
    assert_eq!(
        again.error(),
        "404 not_found_error: The requested API key was not found."
    );
}

#[tokio::test]
async fn what_cannot_be_made_is_refused() {
    let server = TestServer::start().await;
    let operator = server.operator();
    let keys = format!("{ORGANIZATIONS}/{ORGANIZATION}/api_keys");
    let foreign = format!(r#"{{"name":"N","kind":"api","workspace_id":"{OTHER_WORKSPACE}"}}"#);
    let mut shown = String::new();
    for (path, body) in [
        (ORGANIZATIONS, "{}"),
        (ORGANIZATIONS, r#"{"name":""}"#),
        (ORGANIZATIONS, r#"{"name":"N","rate_limit_rpm":0}"#),
        (ORGANIZATIONS, r#"{"name":"N","status":"gone"}"#),
        (&*format!("{ORGANIZATIONS}/unknown"), "{}"),
        (
            &*format!("{ORGANIZATIONS}/unknown/workspaces"),
            r#"{"name":"N"}"#,
        ),
        (
            &*format!("{ORGANIZATIONS}/unknown/api_keys"),
            r#"{"name":"N","kind":"api"}"#,
        ),
        (&keys, r#"{"name":"N","kind":"operator"}"#),
        (
            &keys,
            r#"{"name":"N","kind":"admin","workspace_id":"wrkspc_1"}"#,
        ),
        (&keys, &foreign),
        (&keys, r#"{"name":"N","kind":"api","expires_at":"soon"}"#),
        ("/operator/v1/api_keys/apikey_bound", r#"{"status":"off"}"#),
        (
            "/operator/v1/api_keys/apikey_unknown",
            r#"{"status":"active"}"#,
        ),
    ] {
        let reply = operator.post(path, body).await;
        shown.push_str(&format!("{path} {body}\n    {}\n", reply.error()));
    }
    assert_snapshot!(shown, @r#"
    /operator/v1/organizations {}
        400 invalid_request_error: name: is required
    /operator/v1/organizations {"name":""}
        400 invalid_request_error: name: must be at least 1 character
    /operator/v1/organizations {"name":"N","rate_limit_rpm":0}
        400 invalid_request_error: rate_limit_rpm: must be an integer from 1 to 4294967295
    /operator/v1/organizations {"name":"N","status":"gone"}
        400 invalid_request_error: status: must be one of: active, on_hold
    /operator/v1/organizations/unknown {}
        404 not_found_error: The requested organization was not found.
    /operator/v1/organizations/unknown/workspaces {"name":"N"}
        404 not_found_error: The requested organization was not found.
    /operator/v1/organizations/unknown/api_keys {"name":"N","kind":"api"}
        404 not_found_error: The requested organization was not found.
    /operator/v1/organizations/0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11/api_keys {"name":"N","kind":"operator"}
        400 invalid_request_error: kind: must be one of: api, admin, gateway
    /operator/v1/organizations/0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11/api_keys {"name":"N","kind":"admin","workspace_id":"wrkspc_1"}
        400 invalid_request_error: workspace_id: must be null for a key of the kind admin
    /operator/v1/organizations/0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11/api_keys {"name":"N","kind":"api","workspace_id":"wrkspc_011COther"}
        400 invalid_request_error: workspace_id: is not a workspace of this organization
    /operator/v1/organizations/0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11/api_keys {"name":"N","kind":"api","expires_at":"soon"}
        400 invalid_request_error: expires_at: must be an RFC 3339 date-time with an offset, such as 2026-03-15T10:00:00Z
    /operator/v1/api_keys/apikey_bound {"status":"off"}
        400 invalid_request_error: status: must be one of: active, disabled
    /operator/v1/api_keys/apikey_unknown {"status":"active"}
        404 not_found_error: The requested API key was not found.
    "#);
}
