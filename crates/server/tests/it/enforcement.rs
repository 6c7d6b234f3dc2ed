//! Enforcement actions: what the operator does and what the platform sees.

use insta::assert_snapshot;

use crate::client::Reply;
use crate::server::{PROFILE, TestServer};

fn actions() -> String {
    format!("/operator/v1/user_profiles/{PROFILE}/enforcement_actions")
}

async fn open(server: &TestServer, body: &str) -> String {
    server.operator().post(&actions(), body).await.string("id")
}

async fn act(server: &TestServer, id: &str, what: &str, body: &str) -> Reply {
    let path = format!("/operator/v1/enforcement_actions/{id}/{what}");
    server.operator().post(&path, body).await
}

/// What the platform sees of it.
async fn seen(server: &TestServer) -> String {
    let path = format!("/v1/user_profiles/{PROFILE}");
    let profile = server.platform().get(&path).await.ok();
    format!(
        "{} {}",
        profile["enforcement_status"], profile["enforcement_actions"]
    )
}

#[tokio::test]
async fn an_identity_check_goes_from_offered_to_cleared() {
    let server = TestServer::start().await;
    let opened = server
        .operator()
        .post(
            &actions(),
            r#"{"type":"restriction","reason":"fraud_or_abuse","action":"verify"}"#,
        )
        .await;
    assert_snapshot!(opened.text(), @r#"{"id":"enac_011ChEJeR5DXK7cfKKwnQ5tu","action":"verify","expires_at":null,"opened_at":"2026-11-20T14:03:27.650118Z","reason":"fraud_or_abuse","type":"restriction","user_profile_id":"uprof_011CZkZCu8hGbp5mYRQgUmz9","identity_check":null,"resolved_at":null,"resolution":null}"#);
    let id = opened.string("id");
    assert_snapshot!(seen(&server).await, @r#""restricted" [{"id":"enac_011ChEJeR5DXK7cfKKwnQ5tu","action":"verify","expires_at":null,"opened_at":"2026-11-20T14:03:27.650118Z","reason":"fraud_or_abuse","type":"restriction"}]"#);
    act(&server, &id, "identity_check", r#"{"state":"submitted"}"#)
        .await
        .ok();
    assert_snapshot!(seen(&server).await, @r#""pending" [{"id":"enac_011ChEJeR5DXK7cfKKwnQ5tu","action":null,"expires_at":null,"opened_at":"2026-11-20T14:03:27.650118Z","reason":"fraud_or_abuse","type":"restriction"}]"#);
    act(&server, &id, "identity_check", r#"{"state":"failed"}"#)
        .await
        .ok();
    assert_snapshot!(seen(&server).await, @r#""restricted" [{"id":"enac_011ChEJeR5DXK7cfKKwnQ5tu","action":"verify","expires_at":null,"opened_at":"2026-11-20T14:03:27.650118Z","reason":"fraud_or_abuse","type":"restriction"}]"#);
    let passed = act(&server, &id, "identity_check", r#"{"state":"passed"}"#).await;
    assert_snapshot!(passed.text(), @r#"{"id":"enac_011ChEJeR5DXK7cfKKwnQ5tu","action":"verify","expires_at":null,"opened_at":"2026-11-20T14:03:27.650118Z","reason":"fraud_or_abuse","type":"restriction","user_profile_id":"uprof_011CZkZCu8hGbp5mYRQgUmz9","identity_check":null,"resolved_at":"2026-11-20T14:03:27.650118Z","resolution":"identity_check"}"#);
    assert_eq!(seen(&server).await, "\"unrestricted\" []");
    let again = act(&server, &id, "identity_check", r#"{"state":"passed"}"#).await;
    assert_snapshot!(again, @r#"
    409
    cache-control: no-store
    content-type: application/json
    request-id: req_011ChEJeR5DXK58KuGrMpyMQ
    x-content-type-options: nosniff
    x-should-retry: false

    {"type":"error","error":{"type":"conflict_error","message":"The enforcement action is not open"},"request_id":"req_011ChEJeR5DXK58KuGrMpyMQ"}
    "#);
}

#[tokio::test]
async fn a_ban_wins_and_a_compromise_hides_a_submitted_check() {
    let server = TestServer::start().await;
    let check = open(
        &server,
        r#"{"type":"restriction","reason":"unspecified","action":"verify"}"#,
    )
    .await;
    act(
        &server,
        &check,
        "identity_check",
        r#"{"state":"submitted"}"#,
    )
    .await
    .ok();
    let compromise = open(
        &server,
        r#"{"type":"restriction","reason":"account_compromise"}"#,
    )
    .await;
    assert!(seen(&server).await.starts_with("\"restricted\""));
    let ban = open(&server, r#"{"type":"ban","reason":"high_harm"}"#).await;
    assert!(seen(&server).await.starts_with("\"banned\""));
    for id in [&ban, &compromise] {
        act(&server, id, "resolve", "").await.ok();
    }
    assert!(seen(&server).await.starts_with("\"pending\""));
}

#[tokio::test]
async fn an_action_is_over_at_the_instant_of_its_expiry() {
    let server = TestServer::start().await;
    let body = r#"{"type":"restriction","reason":"high_harm","expires_at":"2026-11-20T15:00:00Z"}"#;
    let id = open(&server, body).await;
    server
        .clock
        .stop_at(crate::server::at("2026-11-20T14:59:59.999999Z"));
    assert!(seen(&server).await.starts_with("\"restricted\""));
    server
        .clock
        .stop_at(crate::server::at("2026-11-20T15:00:00Z"));
    assert_eq!(seen(&server).await, "\"unrestricted\" []");
    let refused = act(&server, &id, "resolve", "").await;
    assert_eq!(
        refused.error(),
        "409 conflict_error: The enforcement action is not open"
    );
}

#[tokio::test]
async fn what_cannot_be_opened_is_refused() {
    let server = TestServer::start().await;
    let mut shown = String::new();
    for body in [
        "{}",
        r#"{"type":"warning","reason":"high_harm"}"#,
        r#"{"type":"ban","reason":"bad"}"#,
        r#"{"type":"ban","reason":"high_harm","action":"verify"}"#,
        r#"{"type":"ban","reason":"high_harm","expires_at":"2027-01-01T00:00:00Z"}"#,
        r#"{"type":"restriction","reason":"high_harm","expires_at":"2026-11-20T14:03:27Z"}"#,
        r#"{"type":"restriction","reason":"account_compromise","expires_at":"2027-01-01T00:00:00Z"}"#,
        r#"{"type":"restriction","reason":"account_compromise","action":"verify"}"#,
        r#"{"type":"restriction","reason":"high_harm","id":"enac_1"}"#,
    ] {
        let reply = server.operator().post(&actions(), body).await;
        shown.push_str(&format!("{body}\n    {}\n", reply.error()));
    }
    let ban = open(&server, r#"{"type":"ban","reason":"high_harm"}"#).await;
    let fixed = open(&server, r#"{"type":"restriction","reason":"high_harm"}"#).await;
    for id in [&ban, &fixed, "enac_unknown", "x"] {
        let reply = act(&server, id, "identity_check", r#"{"state":"passed"}"#).await;
        shown.push_str(&format!("check: {}\n", reply.error()));
    }
    act(&server, &ban, "resolve", "{}").await.ok();
    shown.push_str(&format!(
        "resolve: {}\n",
        act(&server, &ban, "resolve", "").await.error()
    ));
    assert_snapshot!(shown, @r#"
    {}
        400 invalid_request_error: type: is required
    {"type":"warning","reason":"high_harm"}
        400 invalid_request_error: type: must be one of: restriction, ban
    {"type":"ban","reason":"bad"}
        400 invalid_request_error: reason: must be one of: unsupported_region, fraud_or_abuse, high_harm, usage_policy_violation, account_compromise, unspecified
    {"type":"ban","reason":"high_harm","action":"verify"}
        400 invalid_request_error: action: must be null for a ban
    {"type":"ban","reason":"high_harm","expires_at":"2027-01-01T00:00:00Z"}
        400 invalid_request_error: expires_at: must be null for a ban
    {"type":"restriction","reason":"high_harm","expires_at":"2026-11-20T14:03:27Z"}
        400 invalid_request_error: expires_at: must be in the future
    {"type":"restriction","reason":"account_compromise","expires_at":"2027-01-01T00:00:00Z"}
        400 invalid_request_error: expires_at: must be null when reason is account_compromise
    {"type":"restriction","reason":"account_compromise","action":"verify"}
        400 invalid_request_error: action: must be null when reason is account_compromise
    {"type":"restriction","reason":"high_harm","id":"enac_1"}
        400 invalid_request_error: id: Extra inputs are not permitted
    check: 409 conflict_error: An identity check cannot clear this enforcement action: it is a ban
    check: 409 conflict_error: An identity check cannot clear this enforcement action: it offers no check
    check: 404 not_found_error: The requested enforcement action was not found.
    check: 404 not_found_error: The requested enforcement action was not found.
    resolve: 409 conflict_error: The enforcement action is not open
    "#);
}

#[tokio::test]
async fn all_actions_are_listed_page_by_page_oldest_first() {
    let server = TestServer::start().await;
    let mut opened = Vec::new();
    for _ in 0..3 {
        server.clock.advance(std::time::Duration::from_secs(1));
        opened.push(open(&server, r#"{"type":"restriction","reason":"high_harm"}"#).await);
    }
    act(&server, &opened[1], "resolve", "").await.ok();
    let mut listed = Vec::new();
    let mut target = format!("{}?limit=1", actions());
    loop {
        let page = server.operator().get(&target).await.ok();
        let data = page["data"].as_array().unwrap();
        listed.extend(
            data.iter()
                .map(|it| (it["id"].clone(), it["resolution"].clone())),
        );
        let Some(next) = page["next_page"].as_str() else {
            break;
        };
        target = format!("{}?limit=1&page={next}", actions());
    }
    let ids: Vec<_> = listed.iter().map(|(id, _)| id.as_str().unwrap()).collect();
    assert_eq!(ids, opened);
    assert_eq!(listed[1].1, "operator");
    assert!(listed[0].1.is_null());
}

#[tokio::test]
async fn a_write_that_takes_nothing_takes_nothing_else() {
    let server = TestServer::start().await;
    let operator = server.operator();
    for path in [
        "/operator/v1/enforcement_actions/enac_x/resolve",
        "/operator/v1/webhook_deliveries/whd_x/redeliver",
        "/operator/v1/webhook_endpoints/whep_x/test",
        "/operator/v1/dev/reset",
    ] {
        assert_eq!(
            operator.post(path, r#"{"note":"x"}"#).await.error(),
            "400 invalid_request_error: note: Extra inputs are not permitted",
            "{path}"
        );
        let nothing = operator.post(path, "{}").await.status.as_u16();
        assert!(matches!(nothing, 200 | 404), "{path}: {nothing}");
    }
}
