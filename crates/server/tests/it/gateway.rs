//! The gateway's check: every way of naming a profile, every answer, and who learns what.

use insta::assert_snapshot;
use serde_json::json;

use crate::client::{Client, Reply};
use crate::server::{
    BOUND_KEY, GATEWAY_KEY, NOW, OPERATOR_KEY, ORGANIZATION, OTHER_KEY, OTHER_PROFILE, PROFILE,
    TestServer,
};
use crate::storage::Place;

const CHECK: &str = "/gateway/v1/check";
const BY_ID: &str = "x-rollcall-user-profile-id";
const BY_REFERENCE: &str = "x-rollcall-reference-id";
const BY_CLIENT: &str = "anthropic-user-profile-id";
const PROGRAM: &str = "x-rollcall-require-program";

async fn check(client: &Client, headers: &[(&'static str, &str)]) -> Reply {
    let mut call = client.call("GET", CHECK);
    for (name, value) in headers {
        call = call.header(name, value);
    }
    call.send().await
}

/// `allow good_standing uprof_…`, `deny banned: 403 permission_error [user_profile_banned]`.
fn said(reply: &Reply) -> String {
    let header = |name| reply.header(name).unwrap_or("-").to_owned();
    let decision = header("x-rollcall-decision");
    let reason = header("x-rollcall-reason");
    if decision == "allow" {
        assert_eq!(
            (reply.status.as_u16(), reply.body.len()),
            (200, 0),
            "{reply}"
        );
        return format!("allow {reason} {}", header(BY_CLIENT));
    }
    let error = reply.error();
    let (error, _) = error.split_once(": ").unwrap();
    assert_eq!(
        reply.header("x-rollcall-error-type"),
        error.split(' ').nth(1)
    );
    assert_eq!(reply.header(BY_CLIENT), None, "{reply}");
    let code = reply.header("x-rollcall-error-code");
    assert_eq!(code.is_some(), error.contains('['), "{reply}");
    format!("{decision} {reason}: {error}")
}

async fn set_policy(server: &TestServer, policy: &str) {
    let path = format!("/operator/v1/organizations/{ORGANIZATION}/gateway_policy");
    server.operator().post(&path, policy).await.ok();
}

async fn act_on(server: &TestServer, id: &str, action: &str) -> String {
    let path = format!("/operator/v1/user_profiles/{id}/enforcement_actions");
    server.operator().post(&path, action).await.string("id")
}

const BAN: &str = r#"{"type":"ban","reason":"high_harm"}"#;

#[tokio::test]
async fn a_profile_is_named_by_id_by_reference_or_by_a_trusted_client() {
    let server = TestServer::with(|options| options.gateway = true).await;
    let gateway = server.gateway();
    let body =
        r#"{"external_user_details":{"reference_id":"kunde/7"},"access_type":"passthrough"}"#;
    let referenced = server.create(body).await;
    assert_snapshot!(check(&gateway, &[(BY_ID, PROFILE)]).await, @r#"
    200
    anthropic-organization-id: 0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11
    anthropic-user-profile-id: uprof_011CZkZCu8hGbp5mYRQgUmz9
    cache-control: private, max-age=5
    request-id: req_011ChEJeR5DXK4mqh2HuedfC
    x-content-type-options: nosniff
    x-rollcall-access-type: application
    x-rollcall-decision: allow
    x-rollcall-enforcement-status: unrestricted
    x-rollcall-programs: 
    x-rollcall-reason: good_standing
    "#);
    let found = check(&gateway, &[(BY_REFERENCE, "kunde/7")]).await;
    assert_eq!(said(&found), format!("allow good_standing {referenced}"));
    assert_eq!(found.header("x-rollcall-access-type"), Some("passthrough"));
    // The oldest that has it.
    server.clock.advance(std::time::Duration::from_secs(1));
    server.create(body).await;
    let again = check(&gateway, &[(BY_REFERENCE, "kunde/7")]).await;
    assert_eq!(said(&again), format!("allow good_standing {referenced}"));
    // The id decides, then the reference, then the client if it is trusted.
    let all = [
        (BY_REFERENCE, "kunde/7"),
        (BY_ID, PROFILE),
        (BY_CLIENT, "x"),
    ];
    let by_id = format!("allow good_standing {PROFILE}");
    assert_eq!(said(&check(&gateway, &all).await), by_id);
    let forged = check(&gateway, &[(BY_CLIENT, PROFILE)]).await;
    assert_eq!(said(&forged), "allow missing -");
    set_policy(&server, r#"{"trust_client_header":true}"#).await;
    let trusted = check(&gateway, &[(BY_CLIENT, PROFILE)]).await;
    assert_eq!(said(&trusted), by_id);
    let both = [(BY_CLIENT, PROFILE), (BY_REFERENCE, "kunde/7")];
    let both = check(&gateway, &both).await;
    assert_eq!(said(&both), format!("allow good_standing {referenced}"));
    // A header that is empty is not there.
    let empty = check(&gateway, &[(BY_ID, ""), (BY_REFERENCE, "kunde/7")]).await;
    assert_eq!(said(&empty), format!("allow good_standing {referenced}"));
}

#[tokio::test]
async fn every_refusal_has_its_status_type_and_code() {
    let server = TestServer::with(|options| options.gateway = true).await;
    let gateway = server.gateway();
    let us = [(BY_ID, PROFILE)];
    let ask = async |headers: &[(&'static str, &str)]| said(&check(&gateway, headers).await);

    assert_eq!(ask(&[]).await, "allow missing -");
    set_policy(&server, r#"{"missing":"deny"}"#).await;
    assert_snapshot!(ask(&[]).await, @"deny missing: 400 invalid_request_error [user_profile_required]");

    let unknown = "deny unknown: 400 invalid_request_error [user_profile_not_found]";
    for named in [
        (BY_ID, "uprof_nobody"),
        (BY_ID, "nobody's at all"),
        (BY_ID, OTHER_PROFILE),
        (BY_REFERENCE, "nobody"),
    ] {
        assert_eq!(ask(&[named]).await, unknown);
    }
    set_policy(&server, r#"{"unknown":"allow"}"#).await;
    assert_eq!(ask(&[(BY_ID, OTHER_PROFILE)]).await, "allow unknown -");
    set_policy(&server, r#"{"unknown":"create"}"#).await;
    assert_eq!(ask(&[(BY_ID, OTHER_PROFILE)]).await, unknown);

    let needs = |program| [(BY_ID, PROFILE), (PROGRAM, program)];
    assert_snapshot!(ask(&needs("cyber")).await, @"deny program_required: 403 permission_error [user_profile_program_required]");
    for program in ["cyber", "beta-lab"] {
        let path = format!("/operator/v1/user_profiles/{PROFILE}/programs/{program}");
        let active = r#"{"status":"active"}"#;
        server.operator().put(&path, active).await.ok();
        let passes = check(&gateway, &needs(program)).await;
        assert_eq!(said(&passes), format!("allow good_standing {PROFILE}"));
    }
    let programs = check(&gateway, &us).await;
    assert_eq!(
        programs.header("x-rollcall-programs"),
        Some("cyber,beta-lab")
    );
    // Its own status counts, whatever its features' are.
    let path = format!("/operator/v1/user_profiles/{PROFILE}/programs/efs");
    for (efs, told) in [
        (r#"{"status":"active"}"#, "cyber,efs,beta-lab"),
        (
            r#"{"status":"pending","features":{"data_retention_exemption":"active"}}"#,
            "cyber,beta-lab",
        ),
    ] {
        server.operator().put(&path, efs).await.ok();
        let programs = check(&gateway, &us).await;
        assert_eq!(programs.header("x-rollcall-programs"), Some(told));
    }
    assert_snapshot!(ask(&needs("No Program")).await, @"deny invalid_request: 400 invalid_request_error");
    assert_snapshot!(ask(&[(BY_ID, "a"), (BY_ID, "b")]).await, @"deny invalid_request: 400 invalid_request_error");

    let restriction = r#"{"type":"restriction","reason":"fraud_or_abuse","action":"verify"}"#;
    let action = act_on(&server, PROFILE, restriction).await;
    assert_eq!(ask(&us).await, format!("allow restricted {PROFILE}"));
    set_policy(&server, r#"{"restricted":"deny","pending":"deny"}"#).await;
    assert_snapshot!(ask(&us).await, @"deny restricted: 403 permission_error [user_profile_restricted]");
    let path = format!("/operator/v1/enforcement_actions/{action}/identity_check");
    server
        .operator()
        .post(&path, r#"{"state":"submitted"}"#)
        .await
        .ok();
    assert_snapshot!(ask(&us).await, @"deny pending: 403 permission_error [user_profile_pending]");
    act_on(&server, PROFILE, BAN).await;
    assert_snapshot!(ask(&us).await, @"deny banned: 403 permission_error [user_profile_banned]");
    set_policy(&server, r#"{"banned":"allow"}"#).await;
    assert_eq!(ask(&us).await, format!("allow banned {PROFILE}"));

    for (status, expected) in [
        (
            "blocked",
            "deny account_blocked: 403 permission_error [user_profile_account_blocked]",
        ),
        (
            "suspended",
            "deny account_suspended: 403 permission_error [user_profile_account_suspended]",
        ),
    ] {
        let body = json!({"external_user_details": {"account_status": status}});
        let id = server.create(&body.to_string()).await;
        assert_eq!(ask(&[(BY_ID, &id)]).await, expected);
    }

    let path = format!("/operator/v1/organizations/{ORGANIZATION}");
    let hold = r#"{"status":"on_hold"}"#;
    server.operator().post(&path, hold).await.ok();
    assert_snapshot!(ask(&us).await, @"deny organization_on_hold: 400 invalid_request_error [organization_on_hold]");
    // Nothing is made for an organization on hold.
    assert_snapshot!(ask(&[(BY_REFERENCE, "new")]).await, @"deny organization_on_hold: 400 invalid_request_error [organization_on_hold]");
}

#[tokio::test]
async fn nginx_is_told_in_the_one_status_that_it_knows() {
    let server = TestServer::with(|options| options.gateway = true).await;
    act_on(&server, PROFILE, BAN).await;
    let ask = async |client: Client, id: &'static str| {
        let call = client.call("GET", "/gateway/v1/check?deny=403");
        call.header(BY_ID, id).send().await
    };
    for (client, id, status) in [
        (server.gateway(), PROFILE, "403"),
        (server.gateway(), "uprof_nobody", "400"),
        (server.stranger(), PROFILE, "401"),
    ] {
        let told = ask(client, id).await;
        assert_eq!(told.status, 403, "{told}");
        assert_eq!(told.header("x-rollcall-status"), Some(status));
        assert_eq!(told.header("x-rollcall-decision"), Some("deny"));
    }
    assert_snapshot!(ask(server.gateway(), PROFILE).await, @r#"
    403
    anthropic-organization-id: 0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11
    cache-control: no-store
    content-type: application/json
    request-id: req_011ChEJeR5DXK5zFsvWjCHBo
    x-content-type-options: nosniff
    x-rollcall-decision: deny
    x-rollcall-error-code: user_profile_banned
    x-rollcall-error-type: permission_error
    x-rollcall-reason: banned
    x-rollcall-status: 403

    {"type":"error","error":{"type":"permission_error","message":"This user profile is banned","details":{"error_code":"user_profile_banned"}},"request_id":"req_011ChEJeR5DXK5zFsvWjCHBo"}
    "#);
}

#[tokio::test]
async fn whatever_stands_behind_the_check_is_somebody_else_s() {
    let server = TestServer::with(|options| options.gateway = true).await;
    let gateway = server.gateway().with(BY_ID, PROFILE);
    let expected = format!("allow good_standing {PROFILE}");
    for target in [
        "/gateway/v1/check/",
        "/gateway/v1/check/v1/messages?beta=true",
        "/gateway/v1/check/a/b/c/d/e/f/g/h/i/j",
        "/gateway/v1/check/../../%2e%2e//%ff?%zz",
    ] {
        for method in [
            "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND",
        ] {
            let told = gateway.call(method, target).send().await;
            assert_eq!(said(&told), expected, "{method} {target}");
        }
    }
    let with_body = gateway.call("POST", CHECK).body(vec![b'x'; 2_000_000]);
    assert_eq!(said(&with_body.send().await), expected);
    for target in [
        "/gateway/v1/checks",
        "/gateway/v1/check%2F",
        "/gateway/v1",
        "/gateway",
    ] {
        let told = gateway.get(target).await;
        assert_eq!(told.error(), "404 not_found_error: Not found", "{target}");
    }
}

#[tokio::test]
async fn a_gateway_needs_its_key_and_the_client_s_own_is_not_looked_at() {
    let server = TestServer::with(|options| options.gateway = true).await;
    let named = |client: Client| client.with(BY_ID, PROFILE);
    // `any:key-gateway` and `any:nobody`.
    let (ours, nobodys) = ("Basic YW55OmtleS1nYXRld2F5", "Basic YW55Om5vYm9keQ==");
    let stranger = || named(server.stranger());
    let expected = format!("allow good_standing {PROFILE}");
    for client in [
        stranger().with("authorization", ours),
        named(server.gateway()).with("x-api-key", "of a client"),
        named(server.gateway()).with("authorization", "Bearer of a client"),
        named(server.gateway()).with("authorization", nobodys),
        stranger()
            .with("authorization", ours)
            .with("x-api-key", BOUND_KEY),
    ] {
        assert_eq!(said(&check(&client, &[]).await), expected);
    }
    let header = "x-rollcall-gateway-key";
    for client in [
        stranger(),
        stranger().with("x-api-key", GATEWAY_KEY),
        stranger().with("authorization", &format!("Bearer {GATEWAY_KEY}")),
        stranger().with("authorization", nobodys),
        stranger()
            .with(header, "nobody")
            .with("authorization", ours),
        stranger()
            .with(header, GATEWAY_KEY)
            .with(header, GATEWAY_KEY),
    ] {
        let told = said(&check(&client, &[]).await);
        assert_eq!(told, "deny unauthenticated: 401 authentication_error");
    }
    for key in [BOUND_KEY, OPERATOR_KEY, OTHER_KEY] {
        let told = said(&check(&stranger().with(header, key), &[]).await);
        assert_eq!(told, "deny unauthenticated: 403 permission_error");
    }
    let disable = r#"{"status":"disabled"}"#;
    server
        .operator()
        .post("/operator/v1/api_keys/apikey_gateway", disable)
        .await
        .ok();
    let told = check(&named(server.gateway()), &[]).await;
    assert_eq!(
        told.error(),
        "401 authentication_error: API key is disabled"
    );
}

#[tokio::test]
async fn a_gateway_never_learns_whether_another_s_profile_exists() {
    let server = TestServer::with(|options| options.gateway = true).await;
    let body = r#"{"external_user_details":{"reference_id":"theirs"}}"#;
    let theirs = server.neighbour().post("/v1/user_profiles", body).await;
    let theirs = theirs.string("id");
    let alike = |reply: Reply| {
        let request_id = reply.header("request-id").unwrap().to_owned();
        reply.to_string().replace(&request_id, "REQUEST")
    };
    for policy in [r#"{"unknown":"deny"}"#, r#"{"unknown":"allow"}"#] {
        set_policy(&server, policy).await;
        for (named, nobody) in [
            ((BY_ID, OTHER_PROFILE), (BY_ID, "uprof_nobody")),
            ((BY_ID, theirs.as_str()), (BY_ID, "uprof_nobody")),
            ((BY_REFERENCE, "theirs"), (BY_REFERENCE, "nobodys")),
        ] {
            let about_theirs = check(&server.gateway(), &[named]).await;
            let about_nobody = check(&server.gateway(), &[nobody]).await;
            assert_eq!(alike(about_theirs), alike(about_nobody), "{named:?}");
        }
    }
    // A first use of the same reference makes a profile of one's own.
    set_policy(&server, r#"{"unknown":"create"}"#).await;
    let made = check(&server.gateway(), &[(BY_REFERENCE, "theirs")]).await;
    assert_ne!(made.header(BY_CLIENT), Some(theirs.as_str()));
}

#[tokio::test]
async fn references_that_are_thought_up_do_not_fill_the_storage() {
    let server = TestServer::with(|options| options.gateway = true).await;
    set_policy(&server, r#"{"unknown":"create"}"#).await;
    let path = format!("/operator/v1/organizations/{ORGANIZATION}");
    let operator = server.operator();
    operator.post(&path, r#"{"rate_limit_rpm":1}"#).await.ok();
    let gateway = server.gateway();
    let mut made = 0;
    for number in 0..10 {
        let reply = check(&gateway, &[(BY_REFERENCE, &format!("thought-up-{number}"))]).await;
        if reply.status == 200 {
            made += 1;
        } else {
            assert_eq!(reply.status, 429);
            assert_eq!(reply.header("x-rollcall-reason"), Some("rate_limited"));
        }
    }
    assert_eq!(made, 1);
    // Who is there is asked about as often as there are requests.
    for _ in 0..10 {
        let reply = check(&gateway, &[(BY_REFERENCE, "thought-up-0")]).await;
        assert_eq!(reply.status, 200);
    }
}

#[tokio::test]
async fn the_first_use_of_a_reference_makes_its_profile_once() {
    let server = TestServer::with(|options| options.gateway = true).await;
    set_policy(&server, r#"{"unknown":"create"}"#).await;
    let gateway = server.gateway();
    let asks = (0..100).map(|_| {
        let gateway = gateway.clone();
        tokio::spawn(async move { check(&gateway, &[(BY_REFERENCE, "Käthe 🌱")]).await })
    });
    let mut ids = std::collections::BTreeSet::new();
    for asked in asks.collect::<Vec<_>>() {
        let reply = asked.await.unwrap();
        assert_eq!(reply.header("x-rollcall-reason"), Some("good_standing"));
        ids.insert(reply.header(BY_CLIENT).unwrap().to_owned());
    }
    assert_eq!(ids.len(), 1);
    let id = ids.first().unwrap();
    let profile = server
        .platform()
        .get(&format!("/v1/user_profiles/{id}"))
        .await;
    assert_eq!(
        profile.ok()["external_user_details"]["reference_id"],
        "Käthe 🌱"
    );
    let path = format!("/operator/v1/audit_events?target_id={id}");
    let trail = server.operator().get(&path).await.ok();
    let [entry] = &trail["data"].as_array().unwrap()[..] else {
        panic!("{trail}");
    };
    assert_eq!(entry["action"], "user_profile.created");
    assert_eq!(entry["actor"]["kind"], "gateway");
    assert_eq!(entry["actor"]["id"], "apikey_gateway");
    let long = check(&gateway, &[(BY_REFERENCE, &"x".repeat(256))]).await;
    assert_snapshot!(long.error(), @"400 invalid_request_error [user_profile_not_found]: x-rollcall-reference-id: must be at most 255 characters");
}

/// On PostgreSQL two nodes are asked. `ROLLCALL_HOLD_FIRST_USES` says how often.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn simultaneous_first_uses_on_every_node_make_one_profile_and_one_entry() {
    let rounds = std::env::var("ROLLCALL_HOLD_FIRST_USES");
    let rounds: u32 = rounds.map_or(3, |rounds| rounds.parse().unwrap());
    let place = Place::new().await;
    let start = async |seed| {
        TestServer::with(|options| {
            options.gateway = true;
            options.place = Some(place.clone());
            options.seed = seed;
        })
        .await
    };
    let mut nodes = vec![start(11).await];
    if matches!(place, Place::Database(_)) {
        nodes.push(start(12).await);
    }
    set_policy(&nodes[0], r#"{"unknown":"create"}"#).await;
    for round in 0..rounds {
        let reference = format!("round-{round}");
        let asks = (0..100).map(|number| {
            let gateway = nodes[number % nodes.len()].gateway();
            let reference = reference.clone();
            tokio::spawn(async move { check(&gateway, &[(BY_REFERENCE, &reference)]).await })
        });
        let mut said_of_it = std::collections::BTreeSet::new();
        for asked in asks.collect::<Vec<_>>() {
            said_of_it.insert(said(&asked.await.unwrap()));
        }
        assert_eq!(said_of_it.len(), 1, "{said_of_it:?}");
        let one = said_of_it.first().unwrap();
        let id = one.strip_prefix("allow good_standing ").unwrap();
        let path = format!("/operator/v1/audit_events?target_id={id}");
        let trail = nodes[0].operator().get(&path).await.ok();
        assert_eq!(trail["data"].as_array().unwrap().len(), 1, "{trail}");
        let path = format!("/operator/v1/user_profiles?reference_id={reference}");
        let found = nodes[0].operator().get(&path).await.ok();
        assert_eq!(found["data"].as_array().unwrap().len(), 1, "{found}");
    }
}

#[tokio::test]
async fn an_answer_may_be_kept_until_the_next_expiry_and_no_longer() {
    let server = TestServer::with(|options| options.gateway = true).await;
    let us = [(BY_ID, PROFILE)];
    let kept = async || {
        let reply = check(&server.gateway(), &us).await;
        reply.header("cache-control").unwrap().to_owned()
    };
    assert_eq!(kept().await, "private, max-age=5");
    set_policy(&server, r#"{"cache_seconds":300}"#).await;
    assert_eq!(kept().await, "private, max-age=300");
    let expires_at = NOW.replace("14:03:27.650118", "14:04:00");
    let action = json!({"type":"restriction","reason":"high_harm","expires_at":expires_at});
    act_on(&server, PROFILE, &action.to_string()).await;
    assert_eq!(kept().await, "private, max-age=32");
    server.clock.advance(std::time::Duration::from_secs(32));
    assert_eq!(kept().await, "private, max-age=0");
    server.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(kept().await, "private, max-age=300");
    act_on(&server, PROFILE, BAN).await;
    assert_eq!(kept().await, "no-store");
}

#[tokio::test]
async fn checks_are_counted_by_decision_and_reason_and_leave_no_trail() {
    let server = TestServer::with(|options| options.gateway = true).await;
    let gateway = server.gateway();
    check(&gateway, &[(BY_ID, PROFILE)]).await;
    check(&gateway, &[(BY_ID, PROFILE)]).await;
    check(&gateway, &[(BY_ID, "uprof_nobody")]).await;
    check(&server.stranger(), &[]).await;
    let metrics = server.stranger().get("/metrics").await;
    for counted in [
        r#"rollcall_gateway_checks_total{decision="allow",reason="good_standing"} 2"#,
        r#"rollcall_gateway_checks_total{decision="deny",reason="unknown"} 1"#,
        r#"rollcall_gateway_checks_total{decision="deny",reason="unauthenticated"} 1"#,
    ] {
        assert!(metrics.text().contains(counted), "{counted}");
    }
    let trail = server
        .operator()
        .get("/operator/v1/audit_events")
        .await
        .ok();
    for event in trail["data"].as_array().unwrap() {
        assert_ne!(event["actor"]["kind"], "gateway", "{event}");
    }
}

#[tokio::test]
async fn a_policy_is_read_changed_in_part_and_audited() {
    let server = TestServer::with(|options| options.gateway = true).await;
    let path = format!("/operator/v1/organizations/{ORGANIZATION}/gateway_policy");
    let operator = server.operator();
    assert_snapshot!(operator.get(&path).await.text(), @r#"{"type":"gateway_policy","organization_id":"0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11","trust_client_header":false,"missing":"allow","unknown":"deny","banned":"deny","restricted":"allow","pending":"allow","account_blocked":"deny","account_suspended":"deny","cache_seconds":5}"#);
    let changed = operator
        .post(&path, r#"{"pending":"deny","cache_seconds":0}"#)
        .await;
    assert_eq!(
        (&changed.ok()["pending"], &changed.ok()["cache_seconds"]),
        (&json!("deny"), &json!(0))
    );
    assert_eq!(operator.get(&path).await.ok(), changed.ok());
    operator.post(&path, r#"{"pending":"deny"}"#).await.ok();
    let trail = format!("/operator/v1/audit_events?target_id={ORGANIZATION}");
    let trail = operator.get(&trail).await.ok();
    let policy: Vec<_> = trail["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["action"] == "gateway_policy.updated")
        .collect();
    assert_eq!(policy.len(), 1, "{trail}");
    assert_eq!(policy[0]["details"], json!(["pending", "cache_seconds"]));
    for (body, said) in [
        (
            r#"{"banned":"create"}"#,
            "400 invalid_request_error: banned: must be one of: allow, deny",
        ),
        (
            r#"{"cache_seconds":301}"#,
            "400 invalid_request_error: cache_seconds: must be an integer from 0 to 300",
        ),
        (
            r#"{"unknwon":"deny"}"#,
            "400 invalid_request_error: unknwon: Extra inputs are not permitted",
        ),
    ] {
        assert_eq!(operator.post(&path, body).await.error(), said);
    }
    let nowhere = "/operator/v1/organizations/00000000-0000-4000-8000-000000000000/gateway_policy";
    assert_eq!(operator.get(nowhere).await.status, 404);
    assert_eq!(operator.post(nowhere, "{}").await.status, 404);
}
