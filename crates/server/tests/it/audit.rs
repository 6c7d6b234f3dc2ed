//! The audit trail: who did what to what.

use insta::assert_snapshot;

use crate::server::{ORGANIZATION, PROFILE, TestServer};

#[tokio::test]
async fn every_change_leaves_its_trace_and_no_value() {
    let server = TestServer::start().await;
    let (platform, operator) = (server.platform(), server.operator());
    let profile = format!("/v1/user_profiles/{PROFILE}");
    let record = format!("/operator/v1/user_profiles/{PROFILE}");
    let export = format!("/operator/v1/user_profiles/export?organization_id={ORGANIZATION}");
    let key = "/operator/v1/api_keys/apikey_free";
    let mut opened = String::new();
    for (client, method, path, body) in [
        (
            &platform,
            "POST",
            profile.clone(),
            r#"{"name":"Changed","metadata":{"plan":"gold"}}"#,
        ),
        (&platform, "POST", profile.clone(), "{}"),
        (
            &operator,
            "PUT",
            format!("{record}/programs/cyber"),
            r#"{"status":"active"}"#,
        ),
        (
            &operator,
            "POST",
            format!("{record}/enforcement_actions"),
            r#"{"type":"ban","reason":"high_harm"}"#,
        ),
        (
            &operator,
            "POST",
            key.to_owned(),
            r#"{"status":"disabled"}"#,
        ),
        (&operator, "GET", export, ""),
        (&platform, "DELETE", profile, ""),
    ] {
        // The trail is ordered by time, so time has to pass.
        server.clock.advance(std::time::Duration::from_secs(1));
        let reply = client.call(method, &path).json(body).send().await;
        assert_eq!(reply.status, 200, "{method} {path}: {reply}");
        if path.ends_with("/enforcement_actions") {
            opened = reply.string("id");
        }
    }
    let target = format!("/operator/v1/audit_events?organization_id={ORGANIZATION}");
    let trail = operator.get(&target).await;
    let trail_json = trail.ok();
    let mut shown = String::new();
    for event in trail_json["data"].as_array().unwrap() {
        if event["actor"]["kind"] == "system" {
            continue;
        }
        shown.push_str(&format!(
            "{} {} {} {}\n",
            event["actor"], event["action"], event["target"], event["details"]
        ));
    }
    // When ids are made differs between engines.
    let shown = shown.replace(&opened, "[opened]");
    assert_snapshot!(shown, @r#"
    {"kind":"api","id":"apikey_bound"} "user_profile.deleted" {"type":"user_profile","id":"uprof_011CZkZCu8hGbp5mYRQgUmz9"} []
    {"kind":"operator","id":"apikey_operator"} "user_profiles.exported" {"type":"organization","id":"0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11"} []
    {"kind":"operator","id":"apikey_operator"} "api_key.disabled" {"type":"api_key","id":"apikey_free"} []
    {"kind":"operator","id":"apikey_operator"} "enforcement_action.opened" {"type":"enforcement_action","id":"[opened]"} ["uprof_011CZkZCu8hGbp5mYRQgUmz9","high_harm"]
    {"kind":"operator","id":"apikey_operator"} "program.set" {"type":"user_profile","id":"uprof_011CZkZCu8hGbp5mYRQgUmz9"} ["cyber","active"]
    {"kind":"api","id":"apikey_bound"} "user_profile.updated" {"type":"user_profile","id":"uprof_011CZkZCu8hGbp5mYRQgUmz9"} ["name","metadata"]
    "#);
    for value in ["Changed", "gold"] {
        assert!(!trail.text().contains(value), "{trail}");
    }
}

#[tokio::test]
async fn the_trail_is_read_page_by_page_and_by_filter() {
    let server = TestServer::start().await;
    for _ in 0..3 {
        server.create("{}").await;
        server.clock.advance(std::time::Duration::from_secs(1));
    }
    let operator = server.operator();
    let first = operator
        .get("/operator/v1/audit_events?limit=2&action=user_profile.created")
        .await
        .ok();
    assert_eq!(first["data"].as_array().unwrap().len(), 2);
    let next = first["next_page"].as_str().unwrap();
    let target =
        format!("/operator/v1/audit_events?limit=2&action=user_profile.created&page={next}");
    let second = operator.get(&target).await.ok();
    assert_eq!(second["data"].as_array().unwrap().len(), 1);
    assert!(second["next_page"].is_null());
    let other_filter = format!("/operator/v1/audit_events?page={next}");
    assert_eq!(operator.get(&other_filter).await.status, 400);
    let unknown = operator.get("/operator/v1/audit_events?action=x").await;
    assert_eq!(
        unknown.error(),
        "400 invalid_request_error: action: is not an action of the audit trail"
    );
}
