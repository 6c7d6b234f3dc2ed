//! Credentials, versions, betas, workspaces: every row of the contract's header tables.

use insta::assert_snapshot;
use rollcall_wire::headers::KnownBetas;

use crate::server::{BOUND_KEY, FREE_KEY, OPERATOR_KEY, OTHER_WORKSPACE, TestServer, WORKSPACE};

const PROFILES: &str = "/v1/user_profiles";

#[tokio::test]
async fn either_header_carries_a_key_and_the_api_key_decides() {
    let server = TestServer::start().await;
    let stranger = server.stranger().with("anthropic-version", "2023-06-01");
    let bearer = format!("Bearer {FREE_KEY}");
    for (client, expected) in [
        (stranger.clone().with("x-api-key", FREE_KEY), "200"),
        (stranger.clone().with("authorization", &bearer), "200"),
        (
            stranger
                .clone()
                .with("authorization", &bearer.replace("Bearer", "bEARER")),
            "200",
        ),
        (
            stranger
                .clone()
                .with("authorization", &bearer)
                .with("x-api-key", ""),
            "200",
        ),
        (
            stranger
                .clone()
                .with("authorization", "Bearer x")
                .with("x-api-key", FREE_KEY),
            "200",
        ),
        (
            stranger
                .clone()
                .with("authorization", &bearer)
                .with("x-api-key", "x"),
            "invalid x-api-key",
        ),
        (
            stranger.clone().with("authorization", "Bearer x"),
            "invalid bearer token",
        ),
        (
            stranger.clone().with("authorization", FREE_KEY),
            "is required",
        ),
        (
            stranger.clone().with("authorization", "Basic eDp5"),
            "is required",
        ),
        (stranger.clone(), "is required"),
        (stranger.clone().with("x-api-key", ""), "is required"),
        (
            stranger
                .clone()
                .with("x-api-key", FREE_KEY)
                .with("x-api-key", FREE_KEY),
            "invalid x-api-key",
        ),
    ] {
        let reply = client.get(PROFILES).await;
        let shown = match reply.status.as_u16() {
            200 => "200".to_owned(),
            _ => reply.error(),
        };
        assert!(shown.ends_with(expected), "{client:?}: {shown}");
    }
}

#[tokio::test]
async fn a_refused_credential_learns_nothing_about_the_organization() {
    let server = TestServer::start().await;
    assert_snapshot!(server.platform_with("nobody's").get(PROFILES).await, @r#"
    401
    cache-control: no-store
    content-type: application/json
    request-id: req_011ChEJeR5DXK7L4Xj38Ud9M
    x-content-type-options: nosniff

    {"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"},"request_id":"req_011ChEJeR5DXK7L4Xj38Ud9M"}
    "#);
    assert_snapshot!(server.stranger().get(PROFILES).await, @r#"
    401
    cache-control: no-store
    content-type: application/json
    request-id: req_011ChEJeR5DXK7cfKKwnQ5tu
    x-content-type-options: nosniff

    {"type":"error","error":{"type":"authentication_error","message":"x-api-key header or Authorization bearer token is required"},"request_id":"req_011ChEJeR5DXK7cfKKwnQ5tu"}
    "#);
}

#[tokio::test]
async fn a_key_of_another_kind_is_told_so() {
    let server = TestServer::start().await;
    assert_snapshot!(server.administrator().get(PROFILES).await, @r#"
    403
    anthropic-organization-id: 0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11
    cache-control: no-store
    content-type: application/json
    request-id: req_011ChEJeR5DXK7L4Xj38Ud9M
    x-content-type-options: nosniff

    {"type":"error","error":{"type":"permission_error","message":"This API key cannot be used for this endpoint"},"request_id":"req_011ChEJeR5DXK7L4Xj38Ud9M"}
    "#);
    assert_snapshot!(server.platform_with(OPERATOR_KEY).get(PROFILES).await, @r#"
    403
    cache-control: no-store
    content-type: application/json
    request-id: req_011ChEJeR5DXK7cfKKwnQ5tu
    x-content-type-options: nosniff

    {"type":"error","error":{"type":"permission_error","message":"This API key cannot be used for this endpoint"},"request_id":"req_011ChEJeR5DXK7cfKKwnQ5tu"}
    "#);
    let refused = server.platform().get("/operator/v1/organizations").await;
    assert_snapshot!(refused.error(), @"403 permission_error: This API key cannot be used for this endpoint");
}

#[tokio::test]
async fn disabled_and_expired_keys_are_told_apart_to_their_holder_alone() {
    let server = TestServer::start().await;
    let operator = server.operator();
    assert_eq!(server.platform().get(PROFILES).await.status, 200);
    operator
        .post(
            "/operator/v1/api_keys/apikey_bound",
            r#"{"status":"disabled"}"#,
        )
        .await
        .ok();
    let disabled = server.platform().get(PROFILES).await;
    assert_eq!(
        disabled.error(),
        "401 authentication_error: API key is disabled"
    );
    assert_eq!(disabled.header("anthropic-organization-id"), None);
    let almost = format!("{BOUND_KEY}x");
    let guess = server.platform_with(&almost).get(PROFILES).await;
    assert_eq!(guess.error(), "401 authentication_error: invalid x-api-key");
    operator
        .post(
            "/operator/v1/api_keys/apikey_bound",
            r#"{"status":"active"}"#,
        )
        .await
        .ok();
    assert_eq!(server.platform().get(PROFILES).await.status, 200);

    let keys = format!(
        "/operator/v1/organizations/{}/api_keys",
        crate::server::ORGANIZATION
    );
    let body = r#"{"name":"Short","kind":"api","expires_at":"2026-11-20T14:04:00Z"}"#;
    let secret = operator.post(&keys, body).await.string("secret");
    let client = server.platform_with(&secret);
    assert_eq!(client.get(PROFILES).await.status, 200);
    server
        .clock
        .stop_at(crate::server::at("2026-11-20T14:04:00Z"));
    let expired = client.get(PROFILES).await;
    assert_eq!(
        expired.error(),
        "401 authentication_error: API key has expired"
    );
}

#[tokio::test]
async fn the_version_is_required_once_and_known() {
    let server = TestServer::start().await;
    let client = server.platform().without("anthropic-version");
    let mut shown = String::new();
    for versions in [
        &[][..],
        &[""],
        &["2020-01-01"],
        &["2023-01-01"],
        &["2023-06-01", "2023-06-01"],
        &["2023-06-01"],
        &["2026-10-21"],
    ] {
        let mut client = client.clone();
        for version in versions {
            client = client.with("anthropic-version", version);
        }
        let reply = client.get(PROFILES).await;
        let said = match reply.status.as_u16() {
            200 => "200".to_owned(),
            _ => reply.error(),
        };
        shown.push_str(&format!("{versions:?} {said}\n"));
    }
    assert_snapshot!(shown, @r#"
    [] 400 invalid_request_error: anthropic-version: header is required
    [""] 400 invalid_request_error: anthropic-version: header is required
    ["2020-01-01"] 400 invalid_request_error: anthropic-version: "2020-01-01" is not a supported version; use "2023-06-01" or "2026-10-21"
    ["2023-01-01"] 400 invalid_request_error: anthropic-version: "2023-01-01" is not a supported version; use "2023-06-01" or "2026-10-21"
    ["2023-06-01", "2023-06-01"] 400 invalid_request_error: anthropic-version: header must be sent once
    ["2023-06-01"] 200
    ["2026-10-21"] 200
    "#);
}

#[tokio::test]
async fn unknown_betas_are_named_and_configured_ones_are_known() {
    let server =
        TestServer::with(|options| options.betas = KnownBetas::new(["ours-2026-01-01"])).await;
    let client = server.platform();
    let unknown = client
        .clone()
        .with("anthropic-beta", "no-such-1, user-profiles-2026-03-24")
        .with("anthropic-beta", "no-such-2,no-such-1");
    assert_snapshot!(unknown.get(PROFILES).await, @r#"
    400
    anthropic-organization-id: 0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11
    cache-control: no-store
    content-type: application/json
    request-id: req_011ChEJeR5DXK7L4Xj38Ud9M
    x-content-type-options: nosniff

    {"type":"error","error":{"type":"invalid_request_error","message":"Unexpected value(s) `no-such-1`, `no-such-2` for the `anthropic-beta` header. See the documentation for the known values, or leave the header out. The server's setting `extra_betas` makes further ones known."},"request_id":"req_011ChEJeR5DXK7L4Xj38Ud9M"}
    "#);
    let known = client
        .with("anthropic-beta", "ours-2026-01-01,,computer-use-2024-10-22")
        .with("anthropic-beta", "webhooks-2026-10-07");
    let page = known.get(PROFILES).await.ok();
    assert!(page["data"][0].get("programs").is_some(), "{page}");
}

/// What the Python SDK sends when it signs in with OAuth or a workload's identity: a bearer token, and
/// this beta that nobody asked it for.
#[tokio::test]
async fn an_oauth_client_is_not_locked_out_by_the_beta_it_sends() {
    let server = TestServer::start().await;
    let client = server
        .stranger()
        .with("authorization", &format!("Bearer {FREE_KEY}"))
        .with("anthropic-version", "2023-06-01")
        .with("anthropic-beta", "oauth-2025-04-20");
    let page = client.get(PROFILES).await.ok();
    assert!(page["data"][0].get("programs").is_some(), "{page}");
    let beside = client.with(
        "anthropic-beta",
        "user-profiles-2026-08-18,claude-code-20250219",
    );
    let page = beside.get(PROFILES).await.ok();
    assert!(page["data"][0].get("trust_grants").is_some(), "{page}");
}

#[tokio::test]
async fn a_beta_of_tomorrow_is_accepted_counted_and_shown() {
    let server = TestServer::start().await;
    let client = server.platform().with(
        "anthropic-beta",
        "quantum-2027-02-28, user-profiles-2026-08-18, telepathy-20270301",
    );
    let page = client.get(PROFILES).await.ok();
    assert!(page["data"][0].get("access_type").is_some(), "{page}");
    let metrics = server.stranger().get("/metrics").await;
    let line = "rollcall_unknown_beta_requests_total{outcome=\"accepted\"} 1";
    assert!(metrics.text().contains(line), "{metrics}");
    let requests = server
        .operator()
        .get("/operator/v1/dev/requests")
        .await
        .ok();
    let listing = requests["data"].as_array().unwrap();
    let listing = listing.iter().find(|it| it["path"] == PROFILES).unwrap();
    let unknown = serde_json::json!(["quantum-2027-02-28", "telepathy-20270301"]);
    assert_eq!(listing["unknown_betas"], unknown);

    let shape_of_tomorrow = server
        .platform()
        .with("anthropic-beta", "user-profiles-2027-01-01");
    assert_eq!(shape_of_tomorrow.get(PROFILES).await.status, 400);
    let metrics = server.stranger().get("/metrics").await;
    let line = "rollcall_unknown_beta_requests_total{outcome=\"refused\"} 1";
    assert!(metrics.text().contains(line), "{metrics}");
}

#[tokio::test]
async fn a_strict_server_refuses_betas_of_tomorrow_and_knows_those_of_today() {
    let server =
        TestServer::with(|options| options.betas = KnownBetas::default().strictly(true)).await;
    let client = server.platform();
    let tomorrow = client.clone().with("anthropic-beta", "quantum-2027-02-28");
    let error = tomorrow.get(PROFILES).await.error();
    assert!(
        error.contains("Unexpected value(s) `quantum-2027-02-28` for"),
        "{error}"
    );
    assert!(error.contains("`extra_betas`"), "{error}");
    for known in [
        "efs-2026-10-01",
        "google-managed-data-controls-2026-09-01",
        "oauth-2025-04-20",
        "oidc-federation-2026-04-01",
        "claude-code-20250219",
        "user-profiles-search-2026-08-30",
    ] {
        client
            .clone()
            .with("anthropic-beta", known)
            .get(PROFILES)
            .await
            .ok();
    }
}

#[tokio::test]
async fn the_newest_of_several_dialects_wins() {
    let server = TestServer::start().await;
    for betas in [
        "user-profiles-2026-09-04,user-profiles-2026-03-24",
        "user-profiles-2026-03-24 , user-profiles-2026-09-04",
    ] {
        let client = server.platform().with("anthropic-beta", betas);
        let page = client.get(PROFILES).await.ok();
        let profile = page["data"][0].as_object().unwrap();
        assert!(profile.contains_key("external_user_details"), "{betas}");
        assert!(profile.contains_key("trust_grants"), "{betas}");
    }
}

#[tokio::test]
async fn every_row_of_the_workspace_table() {
    let server = TestServer::start().await;
    let too_long = format!("wrkspc_{}", "a".repeat(122));
    let mut shown = String::new();
    for (key, sent) in [
        (BOUND_KEY, vec![]),
        (BOUND_KEY, vec![WORKSPACE]),
        (BOUND_KEY, vec!["wrkspc_unknown"]),
        (BOUND_KEY, vec![OTHER_WORKSPACE]),
        (FREE_KEY, vec![]),
        (FREE_KEY, vec![WORKSPACE]),
        (FREE_KEY, vec!["wrkspc_unknown"]),
        (FREE_KEY, vec![OTHER_WORKSPACE]),
        (FREE_KEY, vec!["workspace"]),
        (FREE_KEY, vec!["wrkspc_"]),
        (FREE_KEY, vec![&too_long]),
        (FREE_KEY, vec![WORKSPACE, WORKSPACE]),
    ] {
        let mut client = server.platform_with(key);
        for workspace in &sent {
            client = client.with("anthropic-workspace-id", workspace);
        }
        let reply = client.get(PROFILES).await;
        let said = match reply.status.as_u16() {
            200 => "200".to_owned(),
            _ => reply.error(),
        };
        let acts_in = reply.header("anthropic-workspace-id").unwrap_or("none");
        let sent = sent.join(" + ").replace(&too_long, "wrkspc_ and 122 more");
        shown.push_str(&format!("{key} + {sent:?}: in {acts_in}, {said}\n"));
    }
    assert_snapshot!(shown, @r#"
    key-api-bound + "": in wrkspc_011CZkZaBF1tNoB5wlCeusgy, 200
    key-api-bound + "wrkspc_011CZkZaBF1tNoB5wlCeusgy": in wrkspc_011CZkZaBF1tNoB5wlCeusgy, 200
    key-api-bound + "wrkspc_unknown": in none, 403 permission_error: anthropic-workspace-id: this credential cannot act in that workspace
    key-api-bound + "wrkspc_011COther": in none, 403 permission_error: anthropic-workspace-id: this credential cannot act in that workspace
    key-api-free + "": in none, 200
    key-api-free + "wrkspc_011CZkZaBF1tNoB5wlCeusgy": in wrkspc_011CZkZaBF1tNoB5wlCeusgy, 200
    key-api-free + "wrkspc_unknown": in none, 403 permission_error: anthropic-workspace-id: this credential cannot act in that workspace
    key-api-free + "wrkspc_011COther": in none, 403 permission_error: anthropic-workspace-id: this credential cannot act in that workspace
    key-api-free + "workspace": in none, 400 invalid_request_error: anthropic-workspace-id: must be one workspace ID (wrkspc_...)
    key-api-free + "wrkspc_": in none, 400 invalid_request_error: anthropic-workspace-id: must be one workspace ID (wrkspc_...)
    key-api-free + "wrkspc_ and 122 more": in none, 400 invalid_request_error: anthropic-workspace-id: must be one workspace ID (wrkspc_...)
    key-api-free + "wrkspc_011CZkZaBF1tNoB5wlCeusgy + wrkspc_011CZkZaBF1tNoB5wlCeusgy": in none, 400 invalid_request_error: anthropic-workspace-id: must be one workspace ID (wrkspc_...)
    "#);
}

#[tokio::test]
async fn an_organization_on_hold_is_told_whatever_else_is_wrong() {
    let server = TestServer::start().await;
    let organization = format!("/operator/v1/organizations/{}", crate::server::ORGANIZATION);
    server
        .operator()
        .post(&organization, r#"{"status":"on_hold"}"#)
        .await
        .ok();
    let held = server
        .platform()
        .without("anthropic-version")
        .get(PROFILES)
        .await;
    assert_snapshot!(held, @r#"
    400
    anthropic-organization-id: 0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11
    cache-control: no-store
    content-type: application/json
    request-id: req_011ChEJeR5DXK4TejLdzHjTK
    x-content-type-options: nosniff

    {"type":"error","error":{"type":"invalid_request_error","message":"This organization is on hold; contact the operator of this server","details":{"error_code":"organization_on_hold"}},"request_id":"req_011ChEJeR5DXK4TejLdzHjTK"}
    "#);
    server
        .operator()
        .post(&organization, r#"{"status":"active"}"#)
        .await
        .ok();
    assert_eq!(server.platform().get(PROFILES).await.status, 200);
}
