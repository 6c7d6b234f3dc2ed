//! What happens without being asked.

use std::time::Duration;

use serde_json::Value;

use crate::server::{PROFILE, TestServer};

/// The audit events of this action, once there are any.
async fn recorded(server: &TestServer, action: &str) -> Value {
    let target = format!("/operator/v1/audit_events?action={action}");
    for _ in 0..200 {
        let page = server.operator().get(&target).await.ok();
        if page["data"]
            .as_array()
            .is_some_and(|events| !events.is_empty())
        {
            return page["data"].clone();
        }
        // The sweeper is another task: there is nothing to wait for but its work.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nothing was recorded as {action}");
}

#[tokio::test]
async fn an_expiry_is_recorded_when_the_clock_gets_there() {
    let server = TestServer::start().await;
    let operator = server.operator();
    let actions = format!("/operator/v1/user_profiles/{PROFILE}/enforcement_actions");
    let body = r#"{"type":"restriction","reason":"high_harm","expires_at":"2026-11-20T15:00:00Z"}"#;
    operator.post(&actions, body).await.ok();
    operator
        .post("/operator/v1/dev/clock", r#"{"advance":"2h"}"#)
        .await
        .ok();
    let events = recorded(&server, "enforcement_action.expired").await;
    assert_eq!(events[0]["actor"]["kind"], "system");
    assert_eq!(events[0]["actor"]["id"], "sweeper");
    let listed = operator.get(&actions).await.ok();
    assert_eq!(listed["data"][0]["resolution"], "expired");
    assert_eq!(listed["data"][0]["resolved_at"], "2026-11-20T15:00:00Z");
}

#[tokio::test]
async fn an_imported_expiry_that_has_passed_is_recorded_too() {
    let server = TestServer::start().await;
    let record = format!(
        r#"{{"organization_id":"{}","enforcement_actions":[{{"id":"enac_1","type":"restriction","reason":"high_harm","opened_at":"2026-01-01T00:00:00Z","expires_at":"2026-02-01T00:00:00Z"}}]}}"#,
        crate::server::ORGANIZATION
    );
    server
        .operator()
        .put("/operator/v1/user_profiles/uprof_old", &record)
        .await
        .ok();
    recorded(&server, "enforcement_action.expired").await;
}

#[tokio::test]
async fn the_same_record_again_does_not_bring_back_an_action_that_expired() {
    let server = TestServer::start().await;
    let operator = server.operator();
    let path = "/operator/v1/user_profiles/uprof_sparse";
    let record = format!(
        r#"{{"organization_id":"{}","enforcement_actions":[{{"type":"restriction","reason":"high_harm","expires_at":"2026-02-01T00:00:00Z"}}]}}"#,
        crate::server::ORGANIZATION
    );
    operator.put(path, &record).await.ok();
    recorded(&server, "enforcement_action.expired").await;
    let before = operator.get(path).await.ok();
    let again = operator.put(path, &record).await.ok();
    assert_eq!(again["enforcement_actions"], before["enforcement_actions"]);
    assert_eq!(again["enforcement_actions"][0]["resolution"], "expired");
}
