//! The inference stub of a development server: what it says, and what it refuses.

use insta::assert_snapshot;
use serde_json::json;

use crate::client::{Client, Reply};
use crate::server::{ORGANIZATION, PROFILE, TestServer};

const MESSAGES: &str = "/v1/messages";
const BY_CLIENT: &str = "anthropic-user-profile-id";
const BILLING: &str = "user-profiles-billing-2026-10-01";

fn body(more: &str) -> String {
    format!(
        r#"{{"model":"m","max_tokens":5,"messages":[{{"role":"user","content":"How do you do?"}}]{more}}}"#
    )
}

async fn send(client: &Client, more: &str) -> Reply {
    client.post(MESSAGES, &body(more)).await
}

#[tokio::test]
async fn the_stub_says_its_text_whole_or_as_events() {
    let server = TestServer::with(|options| options.gateway = true).await;
    let platform = server.platform();
    assert_snapshot!(send(&platform, "").await, @r#"
    200
    anthropic-organization-id: 0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11
    anthropic-workspace-id: wrkspc_011CZkZaBF1tNoB5wlCeusgy
    cache-control: no-store
    content-type: application/json
    request-id: req_011ChEJeR5DXK7cfKKwnQ5tu
    x-content-type-options: nosniff

    {"id":"msg_011ChEJeR5DXK7cfKKwnQ5tu","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Good day to you."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":5,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":4}}
    "#);
    let streamed = send(&platform, r#","stream":true,"temperature":0.5,"tools":[]"#).await;
    assert_eq!(
        streamed.header("content-type"),
        Some("text/event-stream; charset=utf-8")
    );
    assert_snapshot!(streamed.text(), @r#"
    event: message_start
    data: {"type":"message_start","message":{"id":"msg_011ChEJeR5DXK4TejLdzHjTK","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":5,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}

    event: content_block_start
    data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

    event: ping
    data: {"type":"ping"}

    event: content_block_delta
    data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Good "}}

    event: content_block_delta
    data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"day "}}

    event: content_block_delta
    data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"to "}}

    event: content_block_delta
    data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"you."}}

    event: content_block_stop
    data: {"type":"content_block_stop","index":0}

    event: message_delta
    data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":5,"output_tokens":4}}

    event: message_stop
    data: {"type":"message_stop"}
    "#);
    let counted = platform.post("/v1/messages/count_tokens", &body("")).await;
    assert_eq!(counted.text(), r#"{"input_tokens":5}"#);
    let missing = platform
        .post(MESSAGES, r#"{"model":"m","max_tokens":1}"#)
        .await;
    assert_snapshot!(missing.error(), @"400 invalid_request_error: messages: is required");
}

#[tokio::test]
async fn the_profile_stands_in_the_header_or_in_the_body_and_is_judged_as_by_a_gateway() {
    let server = TestServer::with(|options| options.gateway = true).await;
    let platform = server.platform();
    let named = |id: &str| server.platform().with(BY_CLIENT, id);
    let in_body = format!(r#","user_profile_id":"{PROFILE}""#);
    assert_eq!(send(&named(PROFILE), "").await.status, 200);
    assert_eq!(send(&platform, &in_body).await.status, 200);
    assert_eq!(send(&named(PROFILE), &in_body).await.status, 200);
    let different = send(&named("uprof_other"), &in_body).await;
    assert_snapshot!(different.error(), @"400 invalid_request_error: user_profile_id: must be the same as in the header anthropic-user-profile-id");
    let unknown = send(&named("uprof_nobody"), "").await;
    assert_snapshot!(unknown.error(), @"400 invalid_request_error [user_profile_not_found]: anthropic-user-profile-id: the user profile was not found");
    let path = format!("/operator/v1/user_profiles/{PROFILE}/enforcement_actions");
    let ban = r#"{"type":"ban","reason":"high_harm"}"#;
    server.operator().post(&path, ban).await.ok();
    for path in [MESSAGES, "/v1/messages/count_tokens"] {
        let banned = named(PROFILE).post(path, &body("")).await;
        let expected = "403 permission_error [user_profile_banned]: This user profile is banned";
        assert_eq!(banned.error(), expected);
    }
    let path = format!("/operator/v1/organizations/{ORGANIZATION}/gateway_policy");
    let lenient = r#"{"banned":"allow","missing":"deny"}"#;
    server.operator().post(&path, lenient).await.ok();
    assert_eq!(send(&named(PROFILE), "").await.status, 200);
    let missing = send(&platform, "").await;
    assert_snapshot!(missing.error(), @"400 invalid_request_error [user_profile_required]: anthropic-user-profile-id: this request must name a user profile");
}

#[tokio::test]
async fn billing_stands_as_the_operator_says() {
    let server = TestServer::with(|options| options.gateway = true).await;
    let billed = server.platform().with("anthropic-beta", BILLING);
    let named = billed.clone().with(BY_CLIENT, PROFILE);
    let policy =
        |who: &str| format!(r#","billing_policy":{{"type":"billing_policy","bill_to":"{who}"}}"#);
    let theirs = policy("user_profile");
    assert_eq!(send(&named, &policy("self")).await.status, 200);
    let without = send(&server.platform(), &theirs).await;
    assert_snapshot!(without.error(), @"400 invalid_request_error: billing_policy: needs anthropic-beta: user-profiles-billing-2026-10-01");
    let nobody = send(&billed, &theirs).await;
    assert_snapshot!(nobody.error(), @"400 invalid_request_error [user_profile_required]: anthropic-user-profile-id: this request must name a user profile");
    let path = format!("/operator/v1/dev/user_profiles/{PROFILE}/billing");
    let mut told = vec![send(&named, &theirs).await.error()];
    for state in [
        "not_linked",
        "unlinked",
        "not_billable",
        "unavailable",
        "limit_reached",
    ] {
        let body = json!({"state": state}).to_string();
        let set = server.operator().put(&path, &body).await;
        assert_eq!(set.string("state"), state);
        told.push(send(&named, &theirs).await.error());
    }
    assert_snapshot!(told.join("\n"), @r#"
    403 permission_error [user_profile_billing_not_authorized]: billing_policy: no organization has agreed to pay for this user profile
    403 permission_error [user_profile_billing_not_authorized]: billing_policy: no organization has agreed to pay for this user profile
    403 permission_error [user_profile_billing_not_authorized]: billing_policy: no organization has agreed to pay for this user profile
    403 permission_error [user_profile_not_billable]: billing_policy: this user profile cannot be billed
    402 billing_error [linked_organization_billing_unavailable]: The linked organization cannot be billed now
    402 billing_error [linked_organization_spend_limit_reached]: The linked organization has reached its spend limit
    "#);
    server
        .operator()
        .put(&path, r#"{"state":"linked"}"#)
        .await
        .ok();
    assert_eq!(send(&named, &theirs).await.status, 200);
    server
        .operator()
        .call("POST", "/operator/v1/dev/reset")
        .send()
        .await
        .ok();
    assert_eq!(send(&named, &theirs).await.status, 403);
    let unknown = path.replace(PROFILE, "uprof_nobody");
    let unknown = server
        .operator()
        .put(&unknown, r#"{"state":"linked"}"#)
        .await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn faults_recorded_requests_and_tenants_apply_to_the_stub_and_to_the_check() {
    let idle = std::time::Duration::from_mins(10);
    let server = TestServer::with(|options| {
        options.gateway = true;
        options.tenant_idle = Some(idle);
    })
    .await;
    let operator = server.operator();
    let fault = r#"{"status":529,"path":"/v1/messages"}"#;
    operator.post("/operator/v1/dev/faults", fault).await.ok();
    assert_eq!(send(&server.platform(), "").await.status, 529);
    assert_eq!(send(&server.platform(), "").await.status, 200);
    let fault = r#"{"status":500,"path":"/gateway/*"}"#;
    operator.post("/operator/v1/dev/faults", fault).await.ok();
    assert_eq!(server.gateway().get("/gateway/v1/check").await.status, 500);
    let requests = operator.get("/operator/v1/dev/requests?limit=2").await;
    let requests = requests.text().to_owned();
    assert!(requests.contains("How do you do?") && requests.contains("/gateway/v1/check"));
    assert!(!requests.contains("key-gateway"), "{requests}");

    let tenant = server.platform_with("test-a");
    let created = tenant.post("/v1/user_profiles", r#"{"name":"A"}"#).await;
    let id = created.string("id");
    assert_eq!(
        send(&tenant.clone().with(BY_CLIENT, &id), "").await.status,
        200
    );
    assert_eq!(
        send(&server.platform().with(BY_CLIENT, &id), "")
            .await
            .status,
        400
    );
    let gateway = server
        .stranger()
        .with("x-rollcall-gateway-key", "test-a-gateway");
    let call = gateway.call("GET", "/gateway/v1/check");
    let checked = call.header("x-rollcall-user-profile-id", &id).send().await;
    assert_eq!(checked.header(BY_CLIENT), Some(id.as_str()), "{checked}");
    // Whichever comes first makes both.
    let gateway = server
        .stranger()
        .with("x-rollcall-gateway-key", "test-b-gateway");
    assert_eq!(gateway.get("/gateway/v1/check").await.status, 200);
    assert_eq!(send(&server.platform_with("test-b"), "").await.status, 200);
}
