//! Health, readiness and metrics.

use insta::assert_snapshot;

use crate::server::{PROFILE, TestServer};

#[tokio::test]
async fn the_process_lives_and_storage_answers() {
    let server = TestServer::start().await;
    assert_snapshot!(server.stranger().get("/healthz").await, @r#"
    200
    cache-control: no-store
    content-type: application/json
    request-id: req_011ChEJeR5DXK7L4Xj38Ud9M
    x-content-type-options: nosniff

    {"status":"ok"}
    "#);
    assert_eq!(
        server.stranger().get("/readyz").await.text(),
        r#"{"status":"ready"}"#
    );
}

#[tokio::test]
async fn with_an_admin_listener_health_is_on_it_alone() {
    let server = TestServer::with(|options| options.admin_listener = true).await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(server.caretaker().get(path).await.status, 200, "{path}");
        assert_eq!(server.stranger().get(path).await.status, 404, "{path}");
    }
    assert_eq!(
        server.caretaker().get("/v1/user_profiles").await.status,
        404
    );
}

#[tokio::test]
async fn metrics_count_routes_and_hold_nothing_of_anyone() {
    let server = TestServer::start().await;
    server
        .create(r#"{"name":"Ana Ferreira","metadata":{"plan":"gold"}}"#)
        .await;
    server
        .platform()
        .get(&format!("/v1/user_profiles/{PROFILE}"))
        .await
        .ok();
    server.stranger().get("/v1/user_profiles").await;
    server.stranger().get("/nowhere/Ana").await;
    let metrics = server.stranger().get("/metrics").await;
    assert_eq!(
        metrics.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let text = metrics.text();
    for line in [
        r#"rollcall_http_requests_total{method="POST",route="/v1/user_profiles",status="200"} 1"#,
        r#"rollcall_http_requests_total{method="GET",route="/v1/user_profiles/{user_profile_id}",status="200"} 1"#,
        r#"rollcall_http_requests_total{method="GET",route="/v1/user_profiles",status="401"} 1"#,
        r#"rollcall_http_requests_total{method="other",route="unmatched",status="404"} 1"#,
        r#"rollcall_storage_duration_seconds_count{operation="insert_profile"} 1"#,
    ] {
        assert!(
            text.lines().any(|written| written == line),
            "{line} is not in\n{text}"
        );
    }
    for secret in ["Ana", "gold", "key-api", PROFILE, "uprof_"] {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }
}

#[tokio::test]
async fn metrics_are_open_metrics_for_those_who_ask() {
    let server = TestServer::start().await;
    let classic = server.stranger().get("/metrics").await;
    let text = classic.text();
    assert!(
        text.contains("# TYPE rollcall_rate_limited_requests_total counter\n"),
        "{text}"
    );
    assert!(
        text.contains("# TYPE rollcall_build_info gauge\n"),
        "{text}"
    );
    assert!(
        !text.contains("# UNIT") && !text.contains("# EOF"),
        "{text}"
    );

    let asking = server.stranger().with(
        "accept",
        "application/openmetrics-text;q=0.6,text/plain;q=0.3",
    );
    let open = asking.get("/metrics").await;
    assert_eq!(
        open.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    let text = open.text();
    assert!(
        text.contains("# TYPE rollcall_rate_limited_requests counter\n"),
        "{text}"
    );
    assert!(text.contains("# TYPE rollcall_build info\n"), "{text}");
    assert!(
        text.contains("# UNIT rollcall_http_request_duration_seconds seconds\n"),
        "{text}"
    );
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[tokio::test]
async fn metrics_tell_how_commits_are_grouped() {
    let server = TestServer::start().await;
    let figure = |text: &str, name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} is not in\n{text}"))
            .trim()
            .parse()
            .unwrap()
    };
    let read = async || server.stranger().get("/metrics").await.text().to_owned();
    let before = read().await;
    let platform = server.platform();
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let platform = platform.clone();
        clients.spawn(async move { platform.post("/v1/user_profiles", "{}").await.status });
    }
    assert!(clients.join_all().await.iter().all(|status| *status == 200));
    let after = read().await;
    let grew = |name: &str| figure(&after, name) - figure(&before, name);
    let commits = grew("rollcall_commit_batch_size_count");
    let decisions = grew("rollcall_commit_batch_size_sum");
    assert!(decisions >= 20.0, "{decisions}");
    assert!(
        (1.0..=decisions).contains(&commits),
        "{commits} of {decisions}"
    );
    let all = grew("rollcall_commit_batch_size_bucket{le=\"+Inf\"}");
    assert!((all - commits).abs() < 0.5, "{all} {commits}");
    assert!(figure(&after, "rollcall_commit_queue_depth") < 0.5);
}

#[tokio::test]
async fn a_server_that_is_asked_to_end_says_so_and_finishes_what_it_began() {
    let server = TestServer::with(|options| options.admin_listener = true).await;
    let slow = r#"{"method":"POST","status":503,"delay_ms":400}"#;
    server
        .operator()
        .post("/operator/v1/dev/faults", slow)
        .await
        .ok();
    let platform = server.platform();
    let begun = tokio::spawn(async move { platform.post("/v1/user_profiles", "{}").await });
    tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    server.begin_to_stop();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(server.caretaker().get("/healthz").await.status, 200);
    let ready = server.caretaker().get("/readyz").await;
    assert!(ready.error().starts_with("503 overloaded_error"), "{ready}");
    assert_eq!(begun.await.unwrap().status, 503);
    assert_eq!(server.stop().await.cut, 0);
}
