//! The development controls: reset, clock, faults, recorded requests, tenants on demand.

use std::time::Duration;

use insta::assert_snapshot;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::server::{FREE_KEY, NOW, PROFILE, TestServer};
use crate::storage::Place;
use crate::tenancy::failures;

const DEV: &str = "/operator/v1/dev";
const PROFILES: &str = "/v1/user_profiles";

#[tokio::test]
async fn a_reset_leads_back_to_the_start() {
    let server = TestServer::with(|options| options.rate_limit_rpm = Some(2)).await;
    let operator = server.operator();
    let start = server.platform().get(PROFILES).await.body;
    server
        .platform()
        .delete(&format!("{PROFILES}/{PROFILE}"))
        .await
        .ok();
    assert_eq!(server.platform().get(PROFILES).await.status, 429);
    operator
        .post(&format!("{DEV}/clock"), r#"{"advance":"7d"}"#)
        .await
        .ok();
    operator
        .post(&format!("{DEV}/faults"), r#"{"status":529,"times":5}"#)
        .await
        .ok();
    operator
        .post(
            "/operator/v1/api_keys/apikey_bound",
            r#"{"status":"disabled"}"#,
        )
        .await
        .ok();
    let reset = operator.call("POST", &format!("{DEV}/reset")).send().await;
    assert_eq!(reset.text(), format!(r#"{{"now":"{NOW}"}}"#));
    assert_eq!(server.platform().get(PROFILES).await.body, start);
    assert_eq!(
        operator.get(&format!("{DEV}/faults")).await.text(),
        r#"{"data":[],"next_page":null}"#
    );
}

#[tokio::test]
async fn the_clock_stops_advances_and_runs() {
    let server = TestServer::start().await;
    let clock = format!("{DEV}/clock");
    let operator = server.operator();
    assert_eq!(operator.get(&clock).await.string("now"), NOW);
    let stopped = operator
        .post(&clock, r#"{"now":"2026-03-15T10:00:00Z"}"#)
        .await;
    assert_eq!(stopped.string("now"), "2026-03-15T10:00:00Z");
    let advanced = operator.post(&clock, r#"{"advance":"15m"}"#).await;
    assert_eq!(advanced.string("now"), "2026-03-15T10:15:00Z");
    let id = server.create("{}").await;
    let profile = server.platform().get(&format!("{PROFILES}/{id}")).await;
    assert_eq!(profile.string("created_at"), "2026-03-15T10:15:00Z");
    let real = operator
        .post(&clock, r#"{"real":true}"#)
        .await
        .string("now");
    assert_ne!(real, "2026-03-15T10:15:00Z");
    for body in [
        "{}",
        r#"{"real":false}"#,
        r#"{"advance":"x"}"#,
        r#"{"real":true,"advance":"1s"}"#,
    ] {
        assert_eq!(operator.post(&clock, body).await.status, 400, "{body}");
    }
}

#[tokio::test]
async fn the_next_matching_requests_fail_as_a_real_server_would() {
    let server = TestServer::with(|options| options.rate_limit_rpm = Some(600)).await;
    let faults = format!("{DEV}/faults");
    let body = r#"{"method":"post","path":"/v1/user_profiles","organization_id":null,"status":529,"times":2}"#;
    assert_snapshot!(server.operator().post(&faults, body).await.text(), @r#"{"method":"POST","path":"/v1/user_profiles","organization_id":null,"status":529,"error_type":"overloaded_error","error_code":null,"times":2,"delay_ms":0,"drop_connection":false}"#);
    assert_eq!(server.platform().get(PROFILES).await.status, 200);
    assert_snapshot!(server.platform().post(PROFILES, "{}").await, @r#"
    529
    anthropic-organization-id: 0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11
    anthropic-ratelimit-requests-limit: 600
    anthropic-ratelimit-requests-remaining: 598
    anthropic-ratelimit-requests-reset: 2026-11-20T14:03:27.850118Z
    cache-control: no-store
    content-type: application/json
    request-id: req_011ChEJeR5DXK4TejLdzHjTK
    retry-after-ms: 1000
    retry-after: 1
    x-content-type-options: nosniff
    x-rollcall-fault: fault_1 529 overloaded_error
    x-should-retry: true

    {"type":"error","error":{"type":"overloaded_error","message":"A fault that was asked for"},"request_id":"req_011ChEJeR5DXK4TejLdzHjTK"}
    "#);
    assert_snapshot!(server.operator().get(&faults).await.text(), @r#"{"data":[{"method":"POST","path":"/v1/user_profiles","organization_id":null,"status":529,"error_type":"overloaded_error","error_code":null,"times":1,"delay_ms":0,"drop_connection":false}],"next_page":null}"#);
    assert_eq!(server.platform().post(PROFILES, "{}").await.status, 529);
    assert_eq!(server.platform().post(PROFILES, "{}").await.status, 200);

    let custom = r#"{"status":402,"error_type":"billing_error","path":"/v1/user_profiles/{id}"}"#;
    server.operator().post(&faults, custom).await.ok();
    let failed = server
        .platform()
        .get(&format!("{PROFILES}/{PROFILE}"))
        .await;
    assert_eq!(
        failed.error(),
        "402 billing_error: A fault that was asked for"
    );
    for status in [500, 401] {
        let fault = format!(r#"{{"status":{status}}}"#);
        server.operator().post(&faults, &fault).await.ok();
    }
    let internal = server.platform().get(PROFILES).await;
    assert_eq!(internal.error(), "500 api_error: Internal server error");
    let unknown = server.platform().get(PROFILES).await;
    assert_eq!(unknown.status, 401);
    for header in [
        "anthropic-organization-id",
        "anthropic-ratelimit-requests-limit",
    ] {
        assert_eq!(unknown.header(header), None, "{header}");
    }
    server
        .operator()
        .post(&faults, r#"{"status":500}"#)
        .await
        .ok();
    server.operator().delete(&faults).await.ok();
    assert_eq!(server.platform().get(PROFILES).await.status, 200);
}

#[tokio::test]
async fn a_delay_without_a_status_is_a_slow_success() {
    let server = TestServer::start().await;
    let faults = format!("{DEV}/faults");
    let body = r#"{"method":"POST","delay_ms":30}"#;
    assert_snapshot!(server.operator().post(&faults, body).await.text(), @r#"{"method":"POST","path":null,"organization_id":null,"status":null,"error_type":null,"error_code":null,"times":1,"delay_ms":30,"drop_connection":false}"#);
    assert_eq!(server.platform().get(PROFILES).await.status, 200);
    let asked = tokio::time::Instant::now();
    let slow = server.platform().post(PROFILES, r#"{"name":"Slow"}"#).await;
    assert!(asked.elapsed() >= Duration::from_millis(30));
    assert_eq!(slow.string("name"), "Slow");
    assert_eq!(slow.header("x-rollcall-fault"), Some("fault_1 delay 30ms"));
    let next = server.platform().post(PROFILES, "{}").await;
    assert_eq!(next.status, 200);
    assert_eq!(next.header("x-rollcall-fault"), None);
    for (body, message) in [
        (
            r#"{"delay_ms":0}"#,
            "status: is required without delay_ms or drop_connection",
        ),
        (
            r#"{"delay_ms":5,"error_type":"api_error"}"#,
            "status: is required beside error_type",
        ),
    ] {
        let refused = server.operator().post(&faults, body).await;
        assert_eq!(
            refused.error(),
            format!("400 invalid_request_error: {message}")
        );
    }
}

#[tokio::test]
async fn a_dropped_connection_is_no_answer_at_all() {
    let server = TestServer::start().await;
    let faults = format!("{DEV}/faults");
    server
        .operator()
        .post(&faults, r#"{"drop_connection":true,"delay_ms":20}"#)
        .await
        .ok();
    let dropped = server.platform().call("GET", PROFILES).try_send().await;
    assert!(dropped.is_err(), "{dropped:?}");
    assert_eq!(server.platform().get(PROFILES).await.status, 200);

    let recorded = server.operator().get(&format!("{DEV}/requests")).await.ok();
    let statuses: Vec<_> = (0..2).map(|at| &recorded["data"][at]["status"]).collect();
    assert_eq!(statuses, [&json!(200), &json!(null)]);
}

#[tokio::test]
async fn a_dropped_connection_is_broken_off_at_once() {
    let server = TestServer::start().await;
    let fault = r#"{"drop_connection":true}"#;
    let faults = format!("{DEV}/faults");
    server.operator().post(&faults, fault).await.ok();
    let mut stream = TcpStream::connect(server.stranger().address).await.unwrap();
    let request = format!(
        "GET {PROFILES} HTTP/1.1\r\nhost: x\r\nx-api-key: {FREE_KEY}\r\nanthropic-version: 2023-06-01\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"");
    // The end came first, and not after everything that the peer might have sent was waited for: it still
    // is. A closed socket would refuse the second write.
    for _ in 0..2 {
        stream.write_all(b"\r\n").await.unwrap();
    }
}

#[tokio::test]
async fn recorded_requests_show_what_was_sent_and_no_secret() {
    let server = TestServer::start().await;
    let bearer = server
        .stranger()
        .with("authorization", "Bearer very-secret")
        .with("anthropic-version", "2023-06-01");
    bearer.get("/v1/user_profiles?limit=3&beta=true").await;
    server
        .stranger()
        .get("/user-profiles/enrollment/secret-token")
        .await;
    server.create(r#"{"name":"Ana"}"#).await;
    // The console and what its pages load would push out what is looked for.
    for own in ["/console", "/console/sign-in", "/assets/style.css"] {
        server.stranger().get(own).await;
    }
    let recorded = server.operator().get(&format!("{DEV}/requests")).await;
    assert_snapshot!(recorded.text(), @r#"{"data":[{"type":"request","request_id":"req_011ChEJeR5DXK4TejLdzHjTK","at":"2026-11-20T14:03:27.650118Z","organization_id":"0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11","method":"POST","path":"/v1/user_profiles","query":null,"headers":[["x-api-key","[removed]"],["anthropic-version","2026-10-21"],["content-type","application/json"],["host","rollcall.test"],["content-length","14"]],"unknown_betas":[],"body":"{\"name\":\"Ana\"}","status":200},{"type":"request","request_id":"req_011ChEJeR5DXK7cfKKwnQ5tu","at":"2026-11-20T14:03:27.650118Z","organization_id":null,"method":"GET","path":"/user-profiles/enrollment/[removed]","query":null,"headers":[["host","rollcall.test"]],"unknown_betas":[],"body":null,"status":404},{"type":"request","request_id":"req_011ChEJeR5DXK7L4Xj38Ud9M","at":"2026-11-20T14:03:27.650118Z","organization_id":null,"method":"GET","path":"/v1/user_profiles","query":"limit=3&beta=true","headers":[["authorization","[removed]"],["anthropic-version","2023-06-01"],["host","rollcall.test"]],"unknown_betas":[],"body":null,"status":401}],"next_page":null}"#);
}

#[tokio::test]
async fn the_last_two_hundred_requests_come_in_pages() {
    let server = TestServer::start().await;
    let operator = server.operator();
    for number in 0..203 {
        server.stranger().get(&format!("/{number}")).await;
    }
    let paths = |page: &serde_json::Value| -> Vec<String> {
        let requests = page["data"].as_array().unwrap().iter();
        let paths = requests.map(|request| request["path"].as_str().unwrap().to_owned());
        paths.collect()
    };
    let numbers = |range: std::ops::Range<u32>| -> Vec<String> {
        range.rev().map(|number| format!("/{number}")).collect()
    };
    let requests = format!("{DEV}/requests");
    let first = operator.get(&requests).await.ok();
    assert_eq!(paths(&first), numbers(183..203));
    // What comes meanwhile moves nothing. It also pushes the oldest out.
    server.stranger().get("/203").await;
    let cursor = first["next_page"].as_str().unwrap();
    let second = operator
        .get(&format!("{requests}?limit=100&page={cursor}"))
        .await
        .ok();
    assert_eq!(paths(&second), numbers(83..183));
    let cursor = second["next_page"].as_str().unwrap();
    let third = operator
        .get(&format!("{requests}?limit=79&page={cursor}"))
        .await
        .ok();
    assert_eq!(paths(&third), numbers(4..83));
    assert_eq!(third["next_page"], json!(null));
    let elsewhere = operator.get(&format!("{DEV}/faults?page={cursor}")).await;
    assert_eq!(elsewhere.status, 400, "{elsewhere}");
    for wrong in ["limit=0", "limit=101", "page=x", "since=1"] {
        let refused = operator.get(&format!("{requests}?{wrong}")).await;
        assert_eq!(refused.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn faults_come_in_pages_in_which_those_spent_are_not_missed() {
    let server = TestServer::start().await;
    let operator = server.operator();
    let faults = format!("{DEV}/faults");
    for status in 500..505 {
        let fault = format!(r#"{{"status":{status}}}"#);
        operator.post(&faults, &fault).await.ok();
    }
    let statuses = |page: &serde_json::Value| -> Vec<u64> {
        let faults = page["data"].as_array().unwrap().iter();
        faults
            .map(|fault| fault["status"].as_u64().unwrap())
            .collect()
    };
    let first = operator.get(&format!("{faults}?limit=2")).await.ok();
    assert_eq!(statuses(&first), [500, 501]);
    assert_eq!(server.platform().get(PROFILES).await.status, 500);
    let cursor = first["next_page"].as_str().unwrap();
    let second = operator
        .get(&format!("{faults}?limit=3&page={cursor}"))
        .await
        .ok();
    assert_eq!(statuses(&second), [502, 503, 504]);
    assert_eq!(second["next_page"], json!(null));
    let refused = operator.delete(&format!("{faults}?limit=2")).await;
    assert_eq!(refused.status, 400, "{refused}");
    let left = operator.get(&faults).await.ok();
    assert_eq!(statuses(&left), [501, 502, 503, 504]);
}

#[tokio::test]
async fn an_unknown_test_key_becomes_an_empty_organization_that_idles_away() {
    let server = TestServer::with(|options| {
        options.tenant_idle = Some(Duration::from_millis(300));
    })
    .await;
    let (one, other) = (
        server.platform_with("test-one"),
        server.platform_with("test-other"),
    );
    let created = one.post(PROFILES, r#"{"name":"Mine"}"#).await;
    assert_eq!(created.status, 200);
    assert_eq!(
        one.get(PROFILES).await.ok()["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let seen = other.get(PROFILES).await;
    assert_eq!(seen.text(), r#"{"data":[],"next_page":null}"#);
    let organization = |reply: &crate::client::Reply| {
        reply
            .header("anthropic-organization-id")
            .unwrap()
            .to_owned()
    };
    assert_ne!(organization(&seen), organization(&created));
    assert_eq!(
        server.platform_with("other-key").get(PROFILES).await.status,
        401
    );
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let organizations = server
            .operator()
            .get("/operator/v1/organizations")
            .await
            .ok();
        if organizations["data"].as_array().unwrap().len() == 2 {
            let again = one.get(PROFILES).await;
            assert_eq!(again.text(), r#"{"data":[],"next_page":null}"#);
            assert_ne!(organization(&again), organization(&created));
            return;
        }
    }
    panic!("the tenants were not dropped");
}

#[tokio::test]
async fn first_requests_that_race_make_one_organization() {
    let server =
        TestServer::with(|options| options.tenant_idle = Some(Duration::from_mins(1))).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let client = server.platform_with("test-race");
        tasks.spawn(async move {
            let reply = client.get(PROFILES).await;
            reply
                .header("anthropic-organization-id")
                .unwrap()
                .to_owned()
        });
    }
    let mut organizations = tasks.join_all().await;
    organizations.dedup();
    assert_eq!(organizations.len(), 1, "{organizations:?}");
}

#[tokio::test]
async fn a_tenant_that_cannot_be_dropped_keeps_no_other_and_is_dropped_later() {
    let place = Place::new().await;
    let server = TestServer::with(|options| {
        options.tenant_idle = Some(Duration::from_secs(1));
        options.place = Some(place.clone());
    })
    .await;
    let make = async |key: &str| {
        let reply = server.platform_with(key).get(PROFILES).await;
        let id = reply.header("anthropic-organization-id").unwrap();
        id.to_owned()
    };
    let status = async |id: &str| {
        let one = format!("/operator/v1/organizations/{id}");
        server.operator().get(&one).await.status.as_u16()
    };
    let set_status = async |id: &str, status: &str| {
        let sql = format!("UPDATE organizations SET status = '{status}' WHERE id = '{id}'");
        place.execute(&sql).await;
    };
    let mut others = Vec::new();
    for number in 0..4 {
        others.push(make(&format!("test-{number}")).await);
    }
    let mut number = 4;
    let damaged = loop {
        // Where this took a second, it was dropped before it was damaged.
        let id = make(&format!("test-{number}")).await;
        set_status(&id, "odd").await;
        if status(&id).await == 500 {
            break id;
        }
        number += 1;
    };
    let gone = async |id: &str| {
        for _ in 0..1_500 {
            if status(id).await == 404 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("a tenant was not dropped");
    };
    // It was tried, and the others go all the same.
    for _ in 0..1_500 {
        if failures(&server).await > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(failures(&server).await > 0);
    for id in &others {
        gone(id).await;
    }
    assert_eq!(status(&damaged).await, 500);
    set_status(&damaged, "active").await;
    gone(&damaged).await;
}

#[tokio::test]
async fn what_is_made_while_the_clock_stands_is_listed_in_order() {
    let server = TestServer::start().await;
    let clock = format!("{DEV}/clock");
    let stop = r#"{"now":"2027-01-01T00:00:00Z"}"#;
    server.operator().post(&clock, stop).await.ok();
    let mut made = Vec::new();
    for _ in 0..20 {
        made.push(server.create("{}").await);
    }
    let listed = server
        .platform()
        .get(&format!("{PROFILES}?order=asc&limit=100"))
        .await
        .ok();
    let listed = listed["data"].as_array().unwrap().iter();
    let ids: Vec<_> = listed.map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(ids[ids.len() - made.len()..], made);
}

#[tokio::test]
async fn a_test_tenant_has_an_administrator_and_faults_and_requests_of_its_own() {
    let server =
        TestServer::with(|options| options.tenant_idle = Some(Duration::from_mins(10))).await;
    let operator = server.operator();
    let (one, other) = (
        server.platform_with("test-one"),
        server.platform_with("test-other"),
    );
    // The administrator may come first, and is of the same organization.
    let webhooks =
        |client: crate::client::Client| client.with("anthropic-beta", "webhooks-2026-10-07");
    let administrator = webhooks(server.platform_with("test-one-admin"));
    let endpoints = administrator.get("/v1/organizations/webhooks").await;
    assert_eq!(endpoints.status, 200, "{endpoints}");
    let organization = |reply: &crate::client::Reply| {
        let id = reply.header("anthropic-organization-id").unwrap();
        id.to_owned()
    };
    let mine = one.get(PROFILES).await;
    let id = organization(&endpoints);
    assert_eq!(organization(&mine), id);
    let platforms = webhooks(server.platform_with("test-one"));
    let refused = platforms.get("/v1/organizations/webhooks").await;
    assert_eq!(refused.status, 403);
    assert_ne!(organization(&other.get(PROFILES).await), id);
    // With nobody before the word it is a tenant's key like any other.
    for word in ["test-admin", "test-gateway"] {
        let named = server.platform_with(word).get(PROFILES).await;
        assert_eq!(named.status, 200, "{word}: {named}");
    }

    let faults = format!("{DEV}/faults");
    let order = json!({"status": 529, "times": 5, "organization_id": id}).to_string();
    let ordered = operator.post(&faults, &order).await.ok();
    assert_eq!(ordered["organization_id"], id);
    assert_eq!(other.get(PROFILES).await.status, 200);
    assert_eq!(one.get(PROFILES).await.status, 529);
    let for_all = json!({"status": 503, "path": "/nowhere"}).to_string();
    operator.post(&faults, &for_all).await.ok();
    let count = async |target: &str| {
        let listed = operator.get(target).await.ok();
        listed["data"].as_array().unwrap().len()
    };
    let narrowed = format!("{faults}?organization_id={id}");
    assert_eq!((count(&faults).await, count(&narrowed).await), (2, 1));
    operator.delete(&narrowed).await.ok();
    assert_eq!((count(&faults).await, count(&narrowed).await), (1, 0));
    assert_eq!(one.get(PROFILES).await.status, 200);

    let requests = format!("{DEV}/requests?limit=100");
    let requests = operator
        .get(&format!("{requests}&organization_id={id}"))
        .await
        .ok();
    let requests = requests["data"].as_array().unwrap();
    assert_eq!(requests.len(), 5, "{requests:?}");
    assert!(requests.iter().all(|it| it["organization_id"] == id));
    for wrong in ["faults?organization=x", "requests?organization_id="] {
        let reply = operator.get(&format!("{DEV}/{wrong}")).await;
        assert_eq!(
            reply.status,
            if wrong.ends_with('=') { 200 } else { 400 },
            "{wrong}"
        );
    }
}
