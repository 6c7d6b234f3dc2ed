//! Enrollment and action URLs.

use insta::assert_snapshot;

use crate::fixtures::{every_dialect, legacy_dialects};
use crate::server::{PROFILE, TestServer};

const ACTION: &str = r#"{"action":{"type":"enroll_end_user"}}"#;

fn enrollment_url() -> String {
    format!("/v1/user_profiles/{PROFILE}/enrollment_url")
}

fn action_urls() -> String {
    format!("/v1/user_profiles/{PROFILE}/action_urls")
}

#[tokio::test]
async fn both_endpoints_make_the_same_kind_of_url() {
    let server = TestServer::start().await;
    assert_snapshot!(server.platform().post(&action_urls(), ACTION).await.text(), @r#"{"expires_at":"2026-11-20T15:03:27.650118Z","type":"user_profile_action_url","url":"https://profiles.example.net/user-profiles/enrollment/eoSuUxeJnOm--itcBFmbdcIbY9l4LtwumQVywFB6Pr4"}"#);
    let legacy = server.platform().speaking("2026-03-24");
    let made = legacy.call("POST", &enrollment_url()).send().await;
    assert_snapshot!(made.text(), @r#"{"expires_at":"2026-11-20T15:03:27.650118Z","type":"enrollment_url","url":"https://profiles.example.net/user-profiles/enrollment/mxxlVryE-sxVBqbl00bCXDS5hWTIF4Uq76HX8cwAJJc"}"#);
    for dialect in every_dialect() {
        let client = server.platform().speaking(dialect);
        assert_eq!(
            client.post(&action_urls(), ACTION).await.status,
            200,
            "{dialect}"
        );
    }
    for dialect in legacy_dialects() {
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
