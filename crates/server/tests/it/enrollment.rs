//! Enrollment and action URLs, and the page behind them.

use std::time::Duration;

use insta::assert_snapshot;

use crate::fixtures::{DIALECTS, LEGACY};
use crate::server::{PROFILE, TestServer};

const BASE: &str = "https://profiles.example.net";
const ACTION: &str = r#"{"action":{"type":"enroll_end_user"}}"#;

fn enrollment_url() -> String {
    format!("/v1/user_profiles/{PROFILE}/enrollment_url")
}

fn action_urls() -> String {
    format!("/v1/user_profiles/{PROFILE}/action_urls")
}

/// A new URL's path on this server.
async fn page_path(server: &TestServer) -> String {
    let url = server
        .platform()
        .post(&action_urls(), ACTION)
        .await
        .string("url");
    url.strip_prefix(BASE).unwrap().to_owned()
}

#[tokio::test]
async fn both_endpoints_make_the_same_kind_of_url() {
    let server = TestServer::start().await;
    assert_snapshot!(server.platform().post(&action_urls(), ACTION).await.text(), @r#"{"expires_at":"2026-11-20T14:18:27.650118Z","type":"user_profile_action_url","url":"https://profiles.example.net/user-profiles/enrollment/eoSuUxeJnOm--itcBFmbdcIbY9l4LtwumQVywFB6Pr4"}"#);
    let legacy = server.platform().speaking("2026-03-24");
    let made = legacy.call("POST", &enrollment_url()).send().await;
    assert_snapshot!(made.text(), @r#"{"expires_at":"2026-11-20T14:18:27.650118Z","type":"enrollment_url","url":"https://profiles.example.net/user-profiles/enrollment/mxxlVryE-sxVBqbl00bCXDS5hWTIF4Uq76HX8cwAJJc"}"#);
    for dialect in DIALECTS {
        let client = server.platform().speaking(dialect);
        assert_eq!(
            client.post(&action_urls(), ACTION).await.status,
            200,
            "{dialect}"
        );
    }
    for dialect in LEGACY {
        let client = server.platform().speaking(dialect);
        assert_eq!(
            client.post(&enrollment_url(), "{}").await.status,
            200,
            "{dialect}"
        );
    }
    let profile = server
        .platform()
        .get(&format!("/v1/user_profiles/{PROFILE}"))
        .await
        .ok();
    assert_eq!(profile["updated_at"], profile["created_at"]);
}

#[tokio::test]
async fn bodies_of_urls_are_read_strictly() {
    let server = TestServer::start().await;
    let mut shown = String::new();
    for body in [
        "",
        "{}",
        r#"{"action":{}}"#,
        r#"{"action":{"type":"x"}}"#,
        r#"{"action":"x"}"#,
    ] {
        let reply = server.platform().post(&action_urls(), body).await;
        shown.push_str(&format!("{body}: {}\n", reply.error()));
    }
    let legacy = server.platform().speaking("2026-08-18");
    let refused = legacy.post(&enrollment_url(), r#"{"action":1}"#).await;
    shown.push_str(&refused.error());
    assert_snapshot!(shown, @r#"
    : 400 invalid_request_error: The request body must be a JSON object.
    {}: 400 invalid_request_error: action: is required
    {"action":{}}: 400 invalid_request_error: action.type: is required
    {"action":{"type":"x"}}: 400 invalid_request_error: action.type: must be one of: enroll_end_user
    {"action":"x"}: 400 invalid_request_error: action: must be an object
    400 invalid_request_error: action: Extra inputs are not permitted
    "#);
}

#[tokio::test]
async fn the_page_names_the_platform_and_keeps_the_token_to_itself() {
    let server = TestServer::start().await;
    let page = server.stranger().get(&page_path(&server).await).await;
    assert_snapshot!(page, @r#"
    200
    cache-control: no-store
    content-security-policy: default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'
    content-type: text/html; charset=utf-8
    referrer-policy: no-referrer
    request-id: req_011ChEJeR5DXK6tM2xiie6yS
    x-content-type-options: nosniff
    x-frame-options: DENY

    <!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Enrollment</title><style>body{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem}</style></head><body><main><h1>Enrollment</h1><p><strong>Nordlicht &amp; Söhne</strong> has invited you to enroll.</p><p>This link is yours alone and works for a few minutes.</p></main></body></html>
    "#);
}

#[tokio::test]
async fn an_unknown_token_is_404_and_one_that_is_over_410() {
    let server = TestServer::start().await;
    let stranger = server.stranger();
    let path = page_path(&server).await;
    let other = page_path(&server).await;
    assert_ne!(path, other);
    let mut tampered = path.clone();
    let last = if tampered.pop() == Some('A') {
        'B'
    } else {
        'A'
    };
    tampered.push(last);
    for unknown in [
        tampered.as_str(),
        "/user-profiles/enrollment/x",
        "/user-profiles/enrollment/%FF",
    ] {
        assert_eq!(stranger.get(unknown).await.status, 404, "{unknown}");
    }
    server
        .clock
        .advance(Duration::from_mins(15) - Duration::from_micros(1));
    assert_eq!(stranger.get(&path).await.status, 200);
    server.clock.advance(Duration::from_micros(1));
    assert_eq!(stranger.get(&path).await.status, 410);

    let fresh = page_path(&server).await;
    assert_eq!(stranger.get(&fresh).await.status, 200);
    server
        .platform()
        .delete(&format!("/v1/user_profiles/{PROFILE}"))
        .await
        .ok();
    assert_eq!(stranger.get(&fresh).await.status, 410);
}
