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
    {"kind":"api","id":"apikey_bound","name":"apikey_bound"} "user_profile.deleted" {"type":"user_profile","id":"uprof_011CZkZCu8hGbp5mYRQgUmz9"} []
    {"kind":"operator","id":"apikey_operator","name":"apikey_operator"} "user_profiles.exported" {"type":"organization","id":"0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11"} []
    {"kind":"operator","id":"apikey_operator","name":"apikey_operator"} "api_key.disabled" {"type":"api_key","id":"apikey_free"} []
    {"kind":"operator","id":"apikey_operator","name":"apikey_operator"} "enforcement_action.opened" {"type":"enforcement_action","id":"[opened]"} ["uprof_011CZkZCu8hGbp5mYRQgUmz9","high_harm"]
    {"kind":"operator","id":"apikey_operator","name":"apikey_operator"} "program.set" {"type":"user_profile","id":"uprof_011CZkZCu8hGbp5mYRQgUmz9"} ["cyber","active"]
    {"kind":"api","id":"apikey_bound","name":"apikey_bound"} "user_profile.updated" {"type":"user_profile","id":"uprof_011CZkZCu8hGbp5mYRQgUmz9"} ["name","metadata"]
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

#[tokio::test]
async fn the_trail_is_filtered_by_all_at_once_and_names_who_acted() {
    let server = TestServer::start().await;
    let (platform, operator) = (server.platform(), server.operator());
    let profile = format!("/v1/user_profiles/{PROFILE}");
    let record = format!("/operator/v1/user_profiles/{PROFILE}");
    for name in ["A", "B", "C"] {
        server.clock.advance(std::time::Duration::from_mins(1));
        let body = format!(r#"{{"name":"{name}"}}"#);
        platform.post(&profile, &body).await.ok();
    }
    server.clock.advance(std::time::Duration::from_mins(1));
    operator.post(&record, r#"{"name":"D"}"#).await.ok();
    let found = async |query: &str| {
        let target = format!("/operator/v1/audit_events?{query}");
        let found = operator.get(&target).await.ok();
        found["data"].as_array().unwrap().clone()
    };
    let updated = format!("action=user_profile.updated&target_id={PROFILE}");
    let all = found(&updated).await;
    assert_eq!(all.len(), 4);
    let (by_operator, by_platform) = (&all[0]["actor"], &all[1]["actor"]);
    assert_eq!(by_operator["kind"], "operator");
    assert_eq!(by_platform["kind"], "api");
    for actor in [by_operator, by_platform] {
        assert!(actor["name"].is_string(), "{actor}");
    }
    let (api, times) = (
        by_platform["id"].as_str().unwrap(),
        [&all[1]["at"], &all[3]["at"]],
    );
    let [last, first] = times.map(|at| at.as_str().unwrap());
    let only = format!(
        "{updated}&organization_id={ORGANIZATION}&actor_id={api}&after={first}&before={last}"
    );
    let only = found(&only).await;
    assert_eq!(only, [all[2].clone()]);
    for wrong in ["after=yesterday", "before=2026-01-01", "actor=x"] {
        let target = format!("/operator/v1/audit_events?{wrong}");
        assert_eq!(operator.get(&target).await.status, 400, "{wrong}");
    }
    // What it is called later does not change what it was called.
    let system = found("actor_id=command-line").await;
    assert!(system.iter().all(|it| it["actor"]["name"].is_null()));
}

#[tokio::test]
async fn the_trail_is_downloaded_as_csv_in_which_nothing_is_a_formula() {
    let server = TestServer::start().await;
    let operator = server.operator();
    let keys = format!("/operator/v1/organizations/{ORGANIZATION}/api_keys");
    let made = operator
        .post(&keys, r#"{"name":"=cmd|' /C calc'!A0","kind":"api"}"#)
        .await;
    let secret = made.string("secret");
    let client = server.platform_with(&secret);
    for _ in 0..120 {
        client.post("/v1/user_profiles", "{}").await.ok();
    }
    let browser = crate::console::signed_in(&server).await;
    let page = browser.get("/console/audit?after=2026-01-01T00%3A00").await;
    assert!(
        page.text()
            .contains("/console/audit/download?after=2026-01-01T00%3A00"),
        "{page}"
    );
    let query = format!("organization_id={ORGANIZATION}&action=user_profile.created");
    let reply = browser
        .get(&format!("/console/audit/download?{query}"))
        .await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.header("content-type"),
        Some("text/csv; charset=utf-8")
    );
    let disposition = reply.header("content-disposition").unwrap();
    assert!(disposition.contains("rollcall-audit.csv"), "{disposition}");
    let lines: Vec<_> = reply.text().lines().collect();
    assert!(lines[0].starts_with("\"id\",\"at\","), "{}", lines[0]);
    assert!(lines.len() > 120, "{}", lines.len());
    let named = lines.iter().filter(|line| line.contains("\"'=cmd|"));
    assert_eq!(named.count(), 120);
    assert!(!reply.text().contains("\"=cmd"));
    let refused = browser.get("/console/audit/download?action=odd").await;
    assert_eq!(refused.status, 400);
}
