//! Rate limits: per organization, and per source for failed authentications.

use std::time::Duration;

use insta::assert_snapshot;

use crate::server::{ADMIN_KEY, BOUND_KEY, FREE_KEY, ORGANIZATION, TestServer, rpm};

const PROFILES: &str = "/v1/user_profiles";

#[tokio::test]
async fn the_limit_is_told_before_and_after_it_is_reached() {
    let server = TestServer::with(|options| options.rate_limit_rpm = Some(2)).await;
    let mut shown = String::new();
    for _ in 0..3 {
        let reply = server.platform().get(PROFILES).await;
        let header = |name: &str| reply.header(name).unwrap_or("absent").to_owned();
        shown.push_str(&format!(
            "{}: limit {}, remaining {}, reset {}, retry after {} or {} ms, should retry {}\n",
            reply.status.as_u16(),
            header("anthropic-ratelimit-requests-limit"),
            header("anthropic-ratelimit-requests-remaining"),
            header("anthropic-ratelimit-requests-reset"),
            header("retry-after"),
            header("retry-after-ms"),
            header("x-should-retry"),
        ));
    }
    assert_snapshot!(shown, @"
    200: limit 2, remaining 1, reset 2026-11-20T14:03:57.650118Z, retry after absent or absent ms, should retry absent
    200: limit 2, remaining 0, reset 2026-11-20T14:04:27.650118Z, retry after absent or absent ms, should retry absent
    429: limit 2, remaining 0, reset 2026-11-20T14:04:27.650118Z, retry after 30 or 30000 ms, should retry true
    ");
    let refused = server.platform().get(PROFILES).await;
    assert_snapshot!(refused, @r#"
    429
    anthropic-organization-id: 0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11
    anthropic-ratelimit-requests-limit: 2
    anthropic-ratelimit-requests-remaining: 0
    anthropic-ratelimit-requests-reset: 2026-11-20T14:04:27.650118Z
    cache-control: no-store
    content-type: application/json
    request-id: req_011ChEJeR5DXK8Mc57bhFUPz
    retry-after-ms: 30000
    retry-after: 30
    x-content-type-options: nosniff
    x-should-retry: true

    {"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your organization's rate limit of 2 requests per minute."},"request_id":"req_011ChEJeR5DXK8Mc57bhFUPz"}
    "#);
    server.clock.advance(Duration::from_secs(30));
    assert_eq!(server.platform().get(PROFILES).await.status, 200);
}

#[tokio::test]
async fn the_bucket_is_the_organizations_and_refusals_before_it_take_nothing() {
    let server = TestServer::with(|options| options.rate_limit_rpm = Some(1)).await;
    for key in ["unknown", ADMIN_KEY] {
        let refused = server.platform_with(key).get(PROFILES).await;
        assert_ne!(refused.status, 429, "{refused}");
        assert_eq!(refused.header("anthropic-ratelimit-requests-limit"), None);
    }
    let bad_version = server
        .platform_with(FREE_KEY)
        .with("anthropic-version", "x");
    let refused = bad_version.get(PROFILES).await;
    assert_eq!(refused.status, 400);
    assert_eq!(
        refused.header("anthropic-ratelimit-requests-remaining"),
        Some("0")
    );
    assert_eq!(
        server.platform_with(BOUND_KEY).get(PROFILES).await.status,
        429
    );
    assert_eq!(server.neighbour().get(PROFILES).await.status, 200);
}

#[tokio::test]
async fn a_limit_that_the_operator_changes_holds_at_once() {
    let server = TestServer::start().await;
    let free = server.platform().get(PROFILES).await;
    assert_eq!(free.header("anthropic-ratelimit-requests-limit"), None);
    let path = format!("/operator/v1/organizations/{ORGANIZATION}");
    server
        .operator()
        .post(&path, r#"{"rate_limit_rpm":1}"#)
        .await
        .ok();
    assert_eq!(server.platform().get(PROFILES).await.status, 200);
    assert_eq!(server.platform().get(PROFILES).await.status, 429);
    server
        .operator()
        .post(&path, r#"{"rate_limit_rpm":null}"#)
        .await
        .ok();
    assert_eq!(server.platform().get(PROFILES).await.status, 200);
}

#[tokio::test]
async fn guessing_keys_is_limited_by_source_and_right_keys_keep_working() {
    let server = TestServer::with(|options| {
        options.settings.failed_authentications_per_minute = rpm(3);
    })
    .await;
    for _ in 0..3 {
        assert_eq!(
            server.platform_with("guess").get(PROFILES).await.status,
            401
        );
    }
    assert_snapshot!(server.platform_with("guess").get(PROFILES).await, @r#"
    429
    cache-control: no-store
    content-type: application/json
    request-id: req_011ChEJeR5DXK8Mc57bhFUPz
    retry-after-ms: 20000
    retry-after: 20
    x-content-type-options: nosniff
    x-should-retry: true

    {"type":"error","error":{"type":"rate_limit_error","message":"Too many failed authentications from this address; try again later."},"request_id":"req_011ChEJeR5DXK8Mc57bhFUPz"}
    "#);
    assert_eq!(server.platform().get(PROFILES).await.status, 200);
    assert_eq!(server.stranger().get(PROFILES).await.status, 401);
    server.clock.advance(Duration::from_secs(20));
    assert_eq!(
        server.platform_with("guess").get(PROFILES).await.status,
        401
    );
}
