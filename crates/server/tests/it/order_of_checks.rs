//! The contract's order of checks: of several mistakes, the one of the first step decides.

use insta::assert_snapshot;

use crate::server::{ADMIN_KEY, BOUND_KEY, TestServer};

#[tokio::test]
async fn the_first_failing_step_decides() {
    let server = TestServer::with(|options| options.rate_limit_rpm = Some(1)).await;
    let unknown = "/v1/user_profiles/uprof_unknown/enrollment_url";
    let long = "x".repeat(9_000);
    // Everything is wrong at first; each line puts the step right that decided the line before.
    let everything_wrong = || server.stranger().with("content-type", "text/plain");
    let with_admin_key = || everything_wrong().with("x-api-key", ADMIN_KEY);
    let with_key = || everything_wrong().with("x-api-key", BOUND_KEY);
    let free = || server.clock.advance(std::time::Duration::from_mins(1));
    let bad_beta = || {
        with_key()
            .with("anthropic-version", "2023-06-01")
            .with("anthropic-beta", "b")
    };
    let bad_workspace = || {
        with_key()
            .with("anthropic-version", "2023-06-01")
            .with("anthropic-workspace-id", "w")
    };
    let versioned = || with_key().with("anthropic-version", "2023-06-01");
    let legacy = || versioned().with("anthropic-beta", "user-profiles-2026-03-24");
    let mut shown = String::new();
    let mut show = |step: &str, reply: crate::client::Reply| {
        shown.push_str(&format!("{step:>2} {}\n", reply.error()));
    };
    show(
        "1",
        everything_wrong()
            .call("PATCH", &format!("/nowhere?{long}"))
            .body("x")
            .send()
            .await,
    );
    show(
        "2",
        everything_wrong()
            .call("PATCH", "/nowhere?limit=x")
            .body("x")
            .send()
            .await,
    );
    show(
        "3",
        everything_wrong()
            .call("PATCH", unknown)
            .body("x")
            .send()
            .await,
    );
    show(
        "4",
        everything_wrong()
            .call("POST", unknown)
            .body("x")
            .send()
            .await,
    );
    show(
        "5",
        with_admin_key()
            .call("POST", unknown)
            .body("x")
            .send()
            .await,
    );
    // This one takes the only request there is and fails at the version.
    show("7", with_key().call("POST", unknown).body("x").send().await);
    show("6", with_key().call("POST", unknown).body("x").send().await);
    free();
    show(
        "8",
        bad_beta()
            .with("anthropic-workspace-id", "w")
            .call("POST", unknown)
            .body("x")
            .send()
            .await,
    );
    free();
    show(
        "9",
        bad_workspace().call("POST", unknown).body("x").send().await,
    );
    free();
    show(
        "10",
        versioned()
            .call("POST", &format!("{unknown}?limit=x"))
            .body("x")
            .send()
            .await,
    );
    free();
    show(
        "11",
        legacy()
            .call("POST", &format!("{unknown}?limit=x"))
            .body("x")
            .send()
            .await,
    );
    free();
    show("12", legacy().call("POST", unknown).body("x").send().await);
    free();
    show(
        "13",
        legacy()
            .without("content-type")
            .call("POST", unknown)
            .send()
            .await,
    );
    assert_snapshot!(shown, @"
     1 414 invalid_request_error: The request target exceeds 8192 bytes
     2 404 not_found_error: Not found
     3 405 invalid_request_error: Method not allowed
     4 401 authentication_error: x-api-key header or Authorization bearer token is required
     5 403 permission_error: This API key cannot be used for this endpoint
     7 400 invalid_request_error: anthropic-version: header is required
     6 429 rate_limit_error: This request would exceed your organization's rate limit of 1 requests per minute.
     8 400 invalid_request_error: Unexpected value(s) `b` for the `anthropic-beta` header. See the documentation for the known values, or leave the header out. The server's setting `extra_betas` makes further ones known.
     9 400 invalid_request_error: anthropic-workspace-id: must be one workspace ID (wrkspc_...)
    10 400 invalid_request_error: enrollment_url: requires the anthropic-beta header (user-profiles-2026-09-04, user-profiles-2026-08-18 or user-profiles-2026-03-24); without it use action_urls
    11 400 invalid_request_error: limit: unknown query parameter
    12 400 invalid_request_error: content-type: must be application/json
    13 404 not_found_error: The requested user profile was not found.
    ");
}

#[tokio::test]
async fn a_valid_body_for_a_missing_profile_is_404_and_an_invalid_one_400() {
    let server = TestServer::start().await;
    let path = "/v1/user_profiles/uprof_unknown";
    let valid = server.platform().post(path, r#"{"name":"A"}"#).await;
    assert_eq!(valid.status, 404, "{valid}");
    let invalid = server.platform().post(path, r#"{"name":""}"#).await;
    assert_eq!(invalid.status, 400, "{invalid}");
    let malformed = server
        .platform()
        .post("/v1/user_profiles/x", r#"{"name":""}"#)
        .await;
    assert_eq!(malformed.status, 400, "{malformed}");
}
