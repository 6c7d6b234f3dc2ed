//! Paths and methods: exact, decoded once, and what each path allows.

use insta::assert_snapshot;

use crate::server::{PROFILE, TestServer};

#[tokio::test]
async fn only_the_exact_path_exists() {
    let server = TestServer::start().await;
    for path in [
        "/v1/user_profiles/",
        "/v1//user_profiles",
        "//v1/user_profiles",
        "/v1/./user_profiles",
        "/v1/x/../user_profiles",
        "/v1/user_profiles/.",
        "/v1/user_profiles/%2e%2E",
        "/v1/user_profiles/..",
        "/V1/user_profiles",
        "/v1/user%255Fprofiles",
        "/v1%2Fuser_profiles",
        "/v1",
        "/v1/",
        "/v1/organizations/webhooks",
        "/_stainless_unknown_path",
        "/operator/v1/nothing",
        "/v1/a/b/c/d/e/f/g/h/i/j",
    ] {
        let reply = server.platform().get(path).await;
        assert_eq!(reply.error(), "404 not_found_error: Not found", "{path}");
    }
    let encoded = format!("/v1/user%5Fprofiles/{}", PROFILE.replace('_', "%5f"));
    assert_eq!(server.platform().get(&encoded).await.status, 200);
    assert_snapshot!(server.stranger().get("/v1/nothing").await, @r#"
    404
    cache-control: no-store
    content-type: application/json
    request-id: req_011ChEJeR5DXJywUhd6LUD3K
    x-content-type-options: nosniff

    {"type":"error","error":{"type":"not_found_error","message":"Not found"},"request_id":"req_011ChEJeR5DXJywUhd6LUD3K"}
    "#);
}

#[tokio::test]
async fn a_method_that_a_path_lacks_is_405_with_what_it_has() {
    let server = TestServer::start().await;
    let stranger = server.stranger();
    let profile = format!("/v1/user_profiles/{PROFILE}");
    let enrollment = format!("{profile}/enrollment_url");
    let refused = stranger.call("DELETE", "/v1/user_profiles").send().await;
    assert_snapshot!(refused, @r#"
    405
    allow: GET, HEAD, POST, OPTIONS
    cache-control: no-store
    content-type: application/json
    request-id: req_011ChEJeR5DXK7L4Xj38Ud9M
    x-content-type-options: nosniff

    {"type":"error","error":{"type":"invalid_request_error","message":"Method not allowed"},"request_id":"req_011ChEJeR5DXK7L4Xj38Ud9M"}
    "#);
    for (method, path, allow) in [
        ("PUT", "/v1/user_profiles", "GET, HEAD, POST, OPTIONS"),
        (
            "PATCH",
            profile.as_str(),
            "GET, HEAD, POST, DELETE, OPTIONS",
        ),
        (
            "TRACE",
            profile.as_str(),
            "GET, HEAD, POST, DELETE, OPTIONS",
        ),
        ("BREW", profile.as_str(), "GET, HEAD, POST, DELETE, OPTIONS"),
        ("GET", enrollment.as_str(), "POST, OPTIONS"),
        ("HEAD", enrollment.as_str(), "POST, OPTIONS"),
        ("POST", "/", "GET, HEAD, OPTIONS"),
    ] {
        let reply = stranger.call(method, path).send().await;
        assert_eq!(reply.status, 405, "{method} {path}");
        assert_eq!(reply.header("allow"), Some(allow), "{method} {path}");
    }
}

#[tokio::test]
async fn options_needs_no_credential_and_shows_no_cors() {
    let server = TestServer::start().await;
    let options = server
        .stranger()
        .with("origin", "https://app.example")
        .call("OPTIONS", "/v1/user_profiles")
        .send()
        .await;
    assert_snapshot!(options, @"
    204
    allow: GET, HEAD, POST, OPTIONS
    cache-control: no-store
    request-id: req_011ChEJeR5DXK7L4Xj38Ud9M
    x-content-type-options: nosniff
    ");
    let nowhere = server
        .stranger()
        .call("OPTIONS", "/v1/nothing")
        .send()
        .await;
    assert_eq!(nowhere.status, 404);
}

#[tokio::test]
async fn configured_origins_may_read() {
    let origin = "https://app.example";
    let server = TestServer::with(|options| {
        options.settings.cors_origins = vec![http::HeaderValue::from_static("https://app.example")];
    })
    .await;
    let stranger = server.stranger();
    let preflight = stranger
        .clone()
        .with("origin", origin)
        .with("access-control-request-method", "POST")
        .with(
            "access-control-request-headers",
            "x-api-key, anthropic-version",
        )
        .call("OPTIONS", "/v1/user_profiles")
        .send()
        .await;
    assert_snapshot!(preflight, @"
    204
    access-control-allow-headers: x-api-key, anthropic-version
    access-control-allow-methods: GET, HEAD, POST, OPTIONS
    access-control-allow-origin: https://app.example
    access-control-expose-headers: request-id, anthropic-organization-id, anthropic-workspace-id, anthropic-ratelimit-requests-limit, anthropic-ratelimit-requests-remaining, anthropic-ratelimit-requests-reset, retry-after, retry-after-ms, x-should-retry
    access-control-max-age: 600
    allow: GET, HEAD, POST, OPTIONS
    cache-control: no-store
    request-id: req_011ChEJeR5DXK7L4Xj38Ud9M
    vary: origin
    x-content-type-options: nosniff
    ");
    let read = server
        .platform()
        .with("origin", origin)
        .get("/v1/user_profiles")
        .await;
    assert_eq!(read.header("access-control-allow-origin"), Some(origin));
    let other = server
        .platform()
        .with("origin", "https://evil.example")
        .get("/v1/user_profiles")
        .await;
    assert_eq!(other.header("access-control-allow-origin"), None);
    assert_eq!(other.header("vary"), Some("origin"));
}

#[tokio::test]
async fn head_answers_like_get_without_the_body() {
    let server = TestServer::start().await;
    let profile = format!("/v1/user_profiles/{PROFILE}");
    for path in [
        "/v1/user_profiles",
        profile.as_str(),
        "/",
        "/healthz",
        "/v1/user_profiles/uprof_x",
    ] {
        let get = server.platform().get(path).await;
        let head = server.platform().call("HEAD", path).send().await;
        assert_eq!(head.status, get.status, "{path}");
        assert!(head.body.is_empty(), "{path}");
        assert_eq!(
            head.header("content-length"),
            Some(&*get.body.len().to_string()),
            "{path}"
        );
        let mut names: Vec<_> = head
            .headers
            .keys()
            .map(|name| name.as_str().to_owned())
            .collect();
        let mut expected: Vec<_> = get
            .headers
            .keys()
            .map(|name| name.as_str().to_owned())
            .collect();
        names.sort();
        expected.sort();
        assert_eq!(names, expected, "{path}");
    }
}

#[tokio::test]
async fn the_root_names_the_server_to_anyone() {
    let server = TestServer::start().await;
    let root = server.stranger().get("/").await.ok();
    assert_eq!(root["name"], "rollcall");
    assert_eq!(root["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn the_root_leads_a_browser_to_the_console_and_the_reference() {
    let server = TestServer::start().await;
    let browser = server.stranger().with("accept", "text/html,*/*;q=0.8");
    let root = browser.get("/").await;
    assert_eq!(
        root.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(root.header("vary"), Some("accept"));
    for target in ["/console", "/docs"] {
        assert!(
            root.text().contains(&format!("href=\"{target}\"")),
            "{root}"
        );
        assert!(browser.get(target).await.status.as_u16() < 400, "{target}");
    }
}

#[tokio::test]
async fn what_is_too_long_is_told_before_anything_else() {
    let server = TestServer::start().await;
    let target = format!("/nowhere?{}", "a".repeat(9_000));
    assert_snapshot!(server.stranger().get(&target).await, @r#"
    414
    cache-control: no-store
    content-type: application/json
    request-id: req_011ChEJeR5DXK7L4Xj38Ud9M
    x-content-type-options: nosniff

    {"type":"error","error":{"type":"invalid_request_error","message":"The request target exceeds 8192 bytes"},"request_id":"req_011ChEJeR5DXK7L4Xj38Ud9M"}
    "#);
    let heavy = server.stranger().with("x-heavy", &"a".repeat(40_000));
    assert_snapshot!(heavy.get("/nowhere").await, @r#"
    431
    cache-control: no-store
    content-type: application/json
    request-id: req_011ChEJeR5DXK7cfKKwnQ5tu
    x-content-type-options: nosniff

    {"type":"error","error":{"type":"invalid_request_error","message":"The request header section exceeds 32768 bytes"},"request_id":"req_011ChEJeR5DXK7cfKKwnQ5tu"}
    "#);
    let garbage = server.stranger().raw(b"NONSENSE\r\n\r\n").await;
    assert!(garbage.starts_with("HTTP/1.1 400"), "{garbage}");
    for header in [
        "request-id: req_",
        "x-content-type-options: nosniff",
        "application/json",
    ] {
        assert!(garbage.contains(header), "{garbage}");
    }
}

#[tokio::test]
async fn configured_origins_may_read_nothing_but_the_public_api() {
    let server = TestServer::with(|options| {
        options.settings.cors_origins = vec![http::HeaderValue::from_static("https://app.example")];
    })
    .await;
    for path in [
        "/operator/v1/organizations",
        "/console",
        "/console/sign-in",
        "/user-profiles/enrollment/x",
        "/healthz",
    ] {
        for method in ["OPTIONS", "GET"] {
            let reply = server
                .operator()
                .with("origin", "https://app.example")
                .with("access-control-request-method", "GET")
                .with("access-control-request-headers", "x-api-key")
                .call(method, path)
                .send()
                .await;
            let told = reply.to_string();
            assert!(!told.contains("access-control-"), "{method} {path}: {told}");
        }
    }
}
