//! What holds for every route, taken from the router's own table: who may call it, and that another
//! tenant's ids are answered exactly as ids that are nobody's.
//!
//! A new route is covered the moment it is in the table. Where it needs a body or another kind of id
//! to get as far as looking something up, the test fails and says so.

use insta::assert_snapshot;
use rollcall::http::router::Audience;
use rollcall::http::routes::{Route, table};
use rollcall_wire::dialects;

use crate::client::{Client, Reply};
use crate::server::{
    ADMIN_KEY, BOUND_KEY, ENDPOINT, GATEWAY_KEY, OPERATOR_KEY, ORGANIZATION, OTHER_ENDPOINT,
    OTHER_ORGANIZATION, OTHER_PROFILE, PROFILE, TestServer,
};

/// A request that would succeed but for what the ids name.
pub(crate) struct Filled {
    pub(crate) target: String,
    pub(crate) body: &'static str,
}

/// The ids that stand for a template's parameters.
pub(crate) struct Ids {
    profile: &'static str,
    organization: &'static str,
    key: &'static str,
    operator_key: &'static str,
    action: &'static str,
    endpoint: &'static str,
    token: &'static str,
}

pub(crate) const OURS: Ids = Ids {
    profile: PROFILE,
    organization: ORGANIZATION,
    key: "apikey_free",
    operator_key: "apikey_operator",
    action: "enac_ours",
    endpoint: ENDPOINT,
    token: "token",
};

const NOBODYS: Ids = Ids {
    profile: "uprof_nobody",
    organization: "00000000-0000-4000-8000-000000000000",
    key: "apikey_nobody",
    operator_key: "apikey_nobody",
    action: "enac_nobody",
    endpoint: "whep_nobody",
    token: "token",
};

pub(crate) fn fill(route: &Route, ids: &Ids) -> Filled {
    let target = route
        .template
        .replace("{user_profile_id}", ids.profile)
        .replace("{organization_id}", ids.organization)
        .replace("{api_key_id}", ids.key)
        .replace("{operator_key_id}", ids.operator_key)
        .replace("{enforcement_action_id}", ids.action)
        .replace("{webhook_endpoint_id}", ids.endpoint)
        .replace("{webhook_delivery_id}", "whd_nobody")
        .replace("{document}", "ga.json")
        .replace("{group}", "user-profiles")
        .replace("{operation}", "get_user_profile")
        .replace("{token}", ids.token)
        .replace("{enrollment_id}", "enr_nobody")
        .replace("{audit_event_id}", "aud_nobody")
        .replace("{region}", "us")
        .replace("{name}", "cyber");
    assert!(
        !target.contains('{'),
        "{route:?} has a parameter that this test does not know"
    );
    let body = match (
        route.method,
        route.template.rsplit('/').next().unwrap_or_default(),
    ) {
        ("GET" | "DELETE", _)
        | (
            "POST",
            "reset"
            | "resolve"
            | "enrollment_url"
            | "redeliver"
            | "test"
            | "regenerate_signing_secret",
        ) => "",
        (_, "action_urls") => r#"{"action":{"type":"enroll_end_user"}}"#,
        ("PUT", "{name}") | (_, "{api_key_id}" | "{operator_key_id}") => r#"{"status":"active"}"#,
        (_, "enforcement_actions") => r#"{"type":"ban","reason":"high_harm"}"#,
        (_, "{region}") => r#"{"status":"pending"}"#,
        (_, "identity_check") => r#"{"state":"submitted"}"#,
        (_, "workspaces" | "organizations") => r#"{"name":"N"}"#,
        ("POST", "operator_keys") => r#"{"name":"N","role":"viewer"}"#,
        (_, "api_keys") => r#"{"name":"N","kind":"api"}"#,
        ("POST", "webhooks") => {
            r#"{"enabled_events":["external_key.failed"],"url":"https://example.com/"}"#
        }
        ("ANY", _) => "",
        (_, "messages" | "count_tokens") => r#"{"model":"m","max_tokens":1,"messages":[]}"#,
        (_, "billing") => r#"{"state":"linked"}"#,
        (_, "clock") => r#"{"real":true}"#,
        (_, "faults") => r#"{"status":529,"path":"/nowhere"}"#,
        ("PUT", "{user_profile_id}") => {
            r#"{"organization_id":"0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11"}"#
        }
        (_, _) => "{}",
    };
    Filled { target, body }
}

pub(crate) async fn send(client: &Client, route: &Route, ids: &Ids) -> Reply {
    let Filled { target, body } = fill(route, ids);
    let call = client.call(route.method, &target);
    match body {
        "" => call.send().await,
        body if route.template.ends_with("/import") => {
            call.header("content-type", "application/x-ndjson")
                .body(body)
                .send()
                .await
        }
        body => call.json(body).send().await,
    }
}

fn with_key(server: &TestServer, route: &Route, key: Option<&str>) -> Client {
    let client = server
        .stranger()
        .with("anthropic-version", "2026-10-21")
        .with("anthropic-beta", "user-profiles-2026-09-04")
        .with("anthropic-beta", route.gate.unwrap_or_default());
    match key {
        // A gateway's key is looked for in a header of its own, and the others are tried there too.
        Some(key) if route.audience == Audience::Gateway => {
            client.with("x-rollcall-gateway-key", key)
        }
        Some(key) => client.with("x-api-key", key),
        None => client,
    }
}

#[tokio::test]
async fn every_route_and_every_kind_of_key() {
    let mut shown = String::new();
    for route in table() {
        let server = TestServer::with(|options| {
            options.endpoints = true;
            options.gateway = true;
        })
        .await;
        let mut statuses = Vec::new();
        for key in [
            None,
            Some("unknown"),
            Some(BOUND_KEY),
            Some(ADMIN_KEY),
            Some(OPERATOR_KEY),
            Some(GATEWAY_KEY),
        ] {
            let reply = send(&with_key(&server, &route, key), &route, &OURS).await;
            assert!(reply.header("request-id").is_some(), "{route:?}: {reply}");
            assert_eq!(
                reply.header("x-content-type-options"),
                Some("nosniff"),
                "{route:?}"
            );
            statuses.push(reply.status.as_u16());
        }
        let (open, key) = match route.audience {
            Audience::Console | Audience::DevelopmentConsole => {
                // No key opens the console: reading leads to where to sign in, and what no page of the
                // console has sent is refused.
                let expected = match (route.method, route.template) {
                    ("GET", "/console/sign-in") => 200,
                    ("GET", _) => 303,
                    (_, _) => 403,
                };
                assert_eq!(statuses, [expected; 6], "{route:?}");
                continue;
            }
            Audience::Anyone | Audience::Reader | Audience::Health | Audience::EndUser => (true, 0),
            Audience::Platform | Audience::Inference => (false, 2),
            Audience::Gateway => (false, 5),
            Audience::Administrator => (false, 3),
            Audience::Operator | Audience::Development => (false, 4),
        };
        for (place, status) in statuses.iter().enumerate() {
            let refused = match place {
                0 | 1 => Some(401),
                place if place == key => None,
                _ => Some(403),
            };
            match refused {
                Some(refused) if !open => assert_eq!(*status, refused, "{route:?}, key {place}"),
                _ => assert!(
                    ![401, 403].contains(status),
                    "{route:?}, key {place}: {status}"
                ),
            }
        }
        let row = statuses
            .iter()
            .map(u16::to_string)
            .collect::<Vec<_>>()
            .join(" ");
        shown.push_str(&format!("{row}  {} {}\n", route.method, route.template));
    }
    // No key, unknown key, api, admin, operator, gateway.
    assert_snapshot!(shown, @"
    401 401 200 403 403 403  GET /v1/user_profiles
    401 401 200 403 403 403  POST /v1/user_profiles
    401 401 200 403 403 403  GET /v1/user_profiles/{user_profile_id}
    401 401 200 403 403 403  POST /v1/user_profiles/{user_profile_id}
    401 401 200 403 403 403  DELETE /v1/user_profiles/{user_profile_id}
    401 401 200 403 403 403  POST /v1/user_profiles/{user_profile_id}/enrollment_url
    401 401 200 403 403 403  POST /v1/user_profiles/{user_profile_id}/action_urls
    401 401 200 403 403 403  GET /v1/user_profiles/{user_profile_id}/providers/google/data_controls
    401 401 200 403 403 403  POST /v1/user_profiles/{user_profile_id}/providers/google/data_controls
    401 401 403 403 403 200  ANY /gateway/v1/check
    401 401 200 403 403 403  POST /v1/messages
    401 401 200 403 403 403  POST /v1/messages/count_tokens
    401 401 403 200 403 403  GET /v1/organizations/webhooks
    401 401 403 200 403 403  POST /v1/organizations/webhooks
    401 401 403 200 403 403  GET /v1/organizations/webhooks/{webhook_endpoint_id}
    401 401 403 200 403 403  POST /v1/organizations/webhooks/{webhook_endpoint_id}
    401 401 403 200 403 403  DELETE /v1/organizations/webhooks/{webhook_endpoint_id}
    401 401 403 200 403 403  POST /v1/organizations/webhooks/{webhook_endpoint_id}/regenerate_signing_secret
    404 404 404 404 404 404  GET /user-profiles/enrollment/{token}
    404 404 404 404 404 404  POST /user-profiles/enrollment/{token}
    401 401 403 403 200 403  GET /operator/v1/organizations
    401 401 403 403 200 403  POST /operator/v1/organizations
    401 401 403 403 200 403  GET /operator/v1/organizations/{organization_id}
    401 401 403 403 200 403  POST /operator/v1/organizations/{organization_id}
    401 401 403 403 409 403  DELETE /operator/v1/organizations/{organization_id}
    401 401 403 403 200 403  GET /operator/v1/organizations/{organization_id}/workspaces
    401 401 403 403 200 403  POST /operator/v1/organizations/{organization_id}/workspaces
    401 401 403 403 200 403  GET /operator/v1/organizations/{organization_id}/api_keys
    401 401 403 403 200 403  POST /operator/v1/organizations/{organization_id}/api_keys
    401 401 403 403 200 403  GET /operator/v1/organizations/{organization_id}/gateway_policy
    401 401 403 403 200 403  POST /operator/v1/organizations/{organization_id}/gateway_policy
    401 401 403 403 200 403  GET /operator/v1/organizations/{organization_id}/gateway_decision
    401 401 403 403 200 403  POST /operator/v1/api_keys/{api_key_id}
    401 401 403 403 200 403  DELETE /operator/v1/api_keys/{api_key_id}
    401 401 403 403 200 403  GET /operator/v1/operator_keys
    401 401 403 403 200 403  POST /operator/v1/operator_keys
    401 401 403 403 200 403  POST /operator/v1/operator_keys/{operator_key_id}
    401 401 403 403 409 403  DELETE /operator/v1/operator_keys/{operator_key_id}
    401 401 403 403 200 403  GET /operator/v1/user_profiles
    401 401 403 403 200 403  POST /operator/v1/user_profiles/import
    401 401 403 403 200 403  GET /operator/v1/user_profiles/export
    401 401 403 403 200 403  GET /operator/v1/user_profiles/{user_profile_id}
    401 401 403 403 200 403  POST /operator/v1/user_profiles/{user_profile_id}
    401 401 403 403 200 403  PUT /operator/v1/user_profiles/{user_profile_id}
    401 401 403 403 200 403  DELETE /operator/v1/user_profiles/{user_profile_id}
    401 401 403 403 200 403  POST /operator/v1/user_profiles/{user_profile_id}/action_urls
    401 401 403 403 200 403  PUT /operator/v1/user_profiles/{user_profile_id}/programs/{name}
    401 401 403 403 200 403  DELETE /operator/v1/user_profiles/{user_profile_id}/programs/{name}
    401 401 403 403 409 403  POST /operator/v1/user_profiles/{user_profile_id}/data_controls/cmek/{region}
    401 401 403 403 409 403  POST /operator/v1/user_profiles/{user_profile_id}/data_controls/storage/{region}
    401 401 403 403 200 403  GET /operator/v1/user_profiles/{user_profile_id}/enforcement_actions
    401 401 403 403 200 403  POST /operator/v1/user_profiles/{user_profile_id}/enforcement_actions
    401 401 403 403 404 403  POST /operator/v1/enforcement_actions/{enforcement_action_id}/resolve
    401 401 403 403 404 403  POST /operator/v1/enforcement_actions/{enforcement_action_id}/identity_check
    401 401 403 403 200 403  GET /operator/v1/enrollments
    401 401 403 403 404 403  GET /operator/v1/enrollments/{enrollment_id}
    401 401 403 403 404 403  POST /operator/v1/enrollments/{enrollment_id}/approve
    401 401 403 403 404 403  POST /operator/v1/enrollments/{enrollment_id}/reject
    401 401 403 403 200 403  GET /operator/v1/audit_events
    401 401 403 403 200 403  GET /operator/v1/webhook_deliveries
    401 401 403 403 404 403  GET /operator/v1/webhook_deliveries/{webhook_delivery_id}
    401 401 403 403 404 403  POST /operator/v1/webhook_deliveries/{webhook_delivery_id}/redeliver
    401 401 403 403 200 403  GET /operator/v1/webhook_endpoints
    401 401 403 403 200 403  GET /operator/v1/webhook_endpoints/{webhook_endpoint_id}
    401 401 403 403 200 403  POST /operator/v1/webhook_endpoints/{webhook_endpoint_id}/test
    401 401 403 403 200 403  POST /operator/v1/dev/reset
    401 401 403 403 200 403  GET /operator/v1/dev/clock
    401 401 403 403 200 403  POST /operator/v1/dev/clock
    401 401 403 403 200 403  GET /operator/v1/dev/faults
    401 401 403 403 200 403  POST /operator/v1/dev/faults
    401 401 403 403 200 403  DELETE /operator/v1/dev/faults
    401 401 403 403 200 403  PUT /operator/v1/dev/user_profiles/{user_profile_id}/billing
    401 401 403 403 200 403  GET /operator/v1/dev/requests
    200 200 200 200 200 200  GET /
    200 200 200 200 200 200  GET /openapi/{document}
    200 200 200 200 200 200  GET /docs
    200 200 200 200 200 200  GET /docs/
    200 200 200 200 200 200  GET /docs/style.css
    404 404 404 404 404 404  GET /docs/{document}
    404 404 404 404 404 404  GET /docs/{document}/{group}
    404 404 404 404 404 404  GET /assets/{name}
    200 200 200 200 200 200  GET /healthz
    200 200 200 200 200 200  GET /readyz
    200 200 200 200 200 200  GET /metrics
    ");
}

#[tokio::test]
async fn development_routes_do_not_exist_elsewhere() {
    let server = TestServer::with(|options| options.development = false).await;
    let mut routes = 0;
    for route in table()
        .filter(|route| [Audience::Development, Audience::Inference].contains(&route.audience))
    {
        let reply = send(&server.operator(), &route, &OURS).await;
        assert_eq!(reply.error(), "404 not_found_error: Not found", "{route:?}");
        routes += 1;
    }
    assert!(routes > 0);
    assert_eq!(
        server
            .operator()
            .get("/operator/v1/organizations")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn anothers_ids_are_answered_exactly_as_nobodys() {
    let foreign = Ids {
        profile: OTHER_PROFILE,
        organization: OTHER_ORGANIZATION,
        key: "apikey_other",
        endpoint: OTHER_ENDPOINT,
        ..NOBODYS
    };
    let mut covered = 0;
    for route in table() {
        let is_tenants = matches!(route.audience, Audience::Platform | Audience::Administrator);
        if !is_tenants || !route.template.contains('{') {
            continue;
        }
        let server = TestServer::with(|options| options.endpoints = true).await;
        let key = match route.audience {
            Audience::Administrator => ADMIN_KEY,
            _ => BOUND_KEY,
        };
        let client = with_key(&server, &route, Some(key));
        let theirs = send(&client, &route, &foreign).await;
        let nobodys = send(&client, &route, &NOBODYS).await;
        assert_eq!(
            theirs.status, 404,
            "{route:?} did not get as far as looking: {theirs}"
        );
        assert_eq!(alike(&theirs), alike(&nobodys), "{route:?}");
        let untouched = server
            .neighbour()
            .get(&format!("/v1/user_profiles/{OTHER_PROFILE}"))
            .await;
        assert_eq!(untouched.ok()["name"], "Secret Neighbour", "{route:?}");
        // And the very same request reaches what is the caller's own.
        assert_eq!(send(&client, &route, &OURS).await.status, 200, "{route:?}");
        covered += 1;
    }
    assert!(covered >= 5, "{covered}");
}

#[tokio::test]
async fn a_path_behind_a_beta_does_not_exist_without_it() {
    let mut covered = 0;
    for route in table().filter(|route| route.gate.is_some()) {
        let server = TestServer::with(|options| options.endpoints = true).await;
        let gate = route.gate.unwrap();
        for key in [None, Some("unknown"), Some(BOUND_KEY), Some(ADMIN_KEY)] {
            let client = with_key(&server, &route, key).without("anthropic-beta");
            for others in ["", "user-profiles-2026-09-04", "not-a-name"] {
                let client = client.clone().with("anthropic-beta", others);
                let reply = send(&client, &route, &OURS).await;
                assert_eq!(reply.error(), "404 not_found_error: Not found", "{route:?}");
            }
        }
        // It is found wherever it stands, and a wrong name beside it is told in its turn.
        let beside = format!("user-profiles-2026-09-04 , {gate},not-a-name");
        let client = with_key(&server, &route, None).without("anthropic-beta");
        let client = client.with("anthropic-beta", &beside);
        assert_eq!(send(&client, &route, &OURS).await.status, 401, "{route:?}");
        covered += 1;
    }
    assert!(covered >= 8, "{covered}");
}

/// An answer without what differs from request to request.
fn alike(reply: &Reply) -> String {
    let request_id = reply.header("request-id").unwrap();
    reply.to_string().replace(request_id, "REQUEST")
}

#[tokio::test]
async fn every_route_of_the_platform_answers_in_every_dialect() {
    for route in table().filter(|route| route.audience == Audience::Platform) {
        for dialect in dialects::ALL {
            let server = TestServer::start().await;
            let client = server.platform().speaking(dialect.short_name());
            let client = client.with("anthropic-beta", route.gate.unwrap_or_default());
            let reply = send(&client, &route, &OURS).await;
            let is_enrollment_url = route.template.ends_with("/enrollment_url");
            let expected = if is_enrollment_url && !dialect.has_enrollment_url() {
                400
            } else {
                200
            };
            assert_eq!(reply.status, expected, "{route:?} in {dialect:?}: {reply}");
        }
    }
}

#[tokio::test]
async fn with_a_door_of_its_own_the_operators_side_is_there_alone() {
    let server = TestServer::with(|options| {
        options.operator_listener = true;
        options.gateway = true;
    })
    .await;
    // What stands for every path below it answers whatever was sent.
    for route in table().filter(|route| route.method != "ANY") {
        let is_there = async |client: Client| {
            // A beta that a path is behind would hide it too.
            let gate = route.gate.unwrap_or("user-profiles-2026-09-04");
            let client = client.with("anthropic-beta", gate);
            let target = fill(&route, &OURS).target.replace("/token", "/nobodys");
            let options = client.call("OPTIONS", &target).send().await;
            if options.status != 204 {
                assert_eq!(options.status, 404, "{route:?}: {options}");
            }
            options.status == 204
        };
        let found = [
            is_there(server.stranger()).await,
            is_there(server.at_the_operators_door()).await,
        ];
        let expected = match route.audience {
            Audience::Anyone => [true, true],
            Audience::Operator
            | Audience::Development
            | Audience::Console
            | Audience::DevelopmentConsole
            | Audience::Reader => [false, true],
            Audience::Platform
            | Audience::Inference
            | Audience::Gateway
            | Audience::Administrator
            | Audience::EndUser
            | Audience::Health => [true, false],
        };
        assert_eq!(found, expected, "{route:?}");
    }
    // Unknown like any other, whoever asks.
    let of_operators = "/operator/v1/organizations";
    for path in [of_operators, "/console", "/docs", "/openapi/ga.json"] {
        let missing = server.operator().get(path).await;
        assert_eq!(missing.error(), "404 not_found_error: Not found", "{path}");
    }
    let operator = server
        .at_the_operators_door()
        .with("x-api-key", OPERATOR_KEY);
    operator.get(of_operators).await.ok();
    // A browser is led to where console and reference are, and nowhere else.
    for (door, leads_on) in [
        (server.stranger(), false),
        (server.at_the_operators_door(), true),
    ] {
        let front = door.with("accept", "text/html").get("/").await;
        assert_eq!(front.text().contains("/console"), leads_on, "{front}");
    }
    let missing = operator.get("/gateway/v1/check").await;
    assert_eq!(missing.error(), "404 not_found_error: Not found");
    server.platform().get("/v1/user_profiles").await.ok();
    assert_eq!(server.gateway().get("/gateway/v1/check").await.status, 200);
    assert_eq!(server.stop().await.cut, 0);
}
