//! What each role of an operator's key may do, and the life of those keys.

use std::time::Duration;

use insta::assert_snapshot;
use rollcall::http::router::Audience;
use rollcall::http::routes::{Route, table};
use rollcall_domain::role::{Right, Role};
use rollcall_wire::headers::DATA_CONTROLS_BETA;
use serde_json::{Value, json};

use crate::client::{Client, Reply};
use crate::console::{post, signed_in_with};
use crate::matrices::{OURS, fill, send};
use crate::server::{
    ENDPOINT, NOW, OPERATOR_KEY, ORGANIZATION, PROFILE, REVIEWER_KEY, SECOND_OWNER_KEY, TestServer,
    VIEWER_KEY,
};

const KEYS: &str = "/operator/v1/operator_keys";
const DISABLED: &str = r#"{"status":"disabled"}"#;

const ROLES: [(Role, &str); 3] = [
    (Role::Owner, OPERATOR_KEY),
    (Role::Reviewer, REVIEWER_KEY),
    (Role::Viewer, VIEWER_KEY),
];

fn is_page(route: &Route) -> bool {
    matches!(
        route.audience,
        Audience::Console | Audience::DevelopmentConsole
    )
}

async fn server() -> TestServer {
    TestServer::with(|options| {
        options.roles = true;
        options.endpoints = true;
    })
    .await
}

/// Asks for a page, or sends its form without a field.
async fn visit(browser: &Client, route: &Route) -> Reply {
    let target = fill(route, &OURS).target;
    match route.method {
        "GET" => browser.get(&target).await,
        _ => post(browser, &target, "").await,
    }
}

#[tokio::test]
async fn every_route_of_the_operator_and_every_role() {
    for route in table() {
        let is_operators = matches!(route.audience, Audience::Operator | Audience::Development);
        if !is_operators && !is_page(&route) || route.template == "/console/sign-in" {
            assert_eq!(route.right, None, "{route:?}");
            continue;
        }
        let right = route.right.unwrap();
        let server = server().await;
        // The weakest first: what it may not do has done nothing for the next one to find.
        for (role, key) in ROLES.into_iter().rev() {
            let reply = if is_page(&route) {
                visit(&signed_in_with(&server, key).await, &route).await
            } else {
                send(&server.operator_with(key), &route, &OURS).await
            };
            let refusal = format!("This operator key has the role {role}; this needs the role");
            let refused = reply.status == 403 && reply.text().contains(&refusal);
            assert_eq!(refused, !role.has(right), "{route:?} for a {role}: {reply}");
            if !refused {
                assert!(
                    ![401, 403].contains(&reply.status.as_u16()),
                    "{route:?} for a {role}: {reply}"
                );
                assert_ne!(
                    reply.header("location").map(|to| to.contains("sign-in")),
                    Some(route.template != "/console/sign-out"),
                    "{route:?} for a {role}: {reply}"
                );
            }
        }
    }
}

#[tokio::test]
async fn nothing_is_done_for_who_may_only_read() {
    // Ending one's own session is everybody's, and so is a search, whose words are to stand in no address.
    let own = [
        "/console/sign-out",
        "/console/sessions/{name}",
        "/console/search",
    ];
    for route in table().filter(|route| route.method != "GET" && route.right == Some(Right::Read)) {
        assert!(own.contains(&route.template), "{route:?}");
    }
}

#[tokio::test]
async fn who_may_not_do_it_is_told_before_anything_else_is_looked_at() {
    let server = server().await;
    let viewer = server.operator_with(VIEWER_KEY);
    let refused = viewer
        .post("/operator/v1/enforcement_actions/enac_nobody/resolve", "{")
        .await;
    assert_eq!(
        refused.error(),
        "403 permission_error: This operator key has the role viewer; this needs the role owner or reviewer"
    );
    let reviewer = server.operator_with(REVIEWER_KEY);
    let refused = reviewer.get("/operator/v1/user_profiles/export?x").await;
    assert_eq!(
        refused.error(),
        "403 permission_error: This operator key has the role reviewer; this needs the role owner"
    );
}

#[tokio::test]
async fn an_operators_key_is_made_listed_disabled_and_deleted_while_the_server_runs() {
    let server = TestServer::start().await;
    let operator = server.operator();
    let made = operator
        .post(
            KEYS,
            r#"{"name":"Ana","role":"reviewer","expires_at":"2027-01-01T00:00:00Z"}"#,
        )
        .await;
    assert_snapshot!(made.text(), @r#"{"type":"api_key","id":"apikey_011ChEJeR5DXK559ntVvQmZE","organization_id":null,"kind":"operator","role":"reviewer","name":"Ana","workspace_id":null,"created_at":"2026-11-20T14:03:27.650118Z","expires_at":"2027-01-01T00:00:00Z","last_used_at":null,"status":"active","secret":"sk-rollcall-op01-eoSuUxeJnOm--itcBFmbdcIbY9l4LtwumQVywFB6Pr40DOwVf"}"#);
    let secret = made.string("secret");
    assert!(rollcall::secrets::is_well_formed_key(&secret), "{secret}");
    let reviewer = server.operator_with(&secret);
    reviewer.get("/operator/v1/enrollments").await.ok();

    let listed = operator.get(KEYS).await;
    assert!(!listed.text().contains("secret"), "{listed}");
    let listed = listed.ok();
    let of_each = |member: &str| {
        let data = listed["data"].as_array().unwrap().iter();
        data.map(|key| key[member].clone()).collect::<Vec<_>>()
    };
    assert_eq!(of_each("role"), ["owner", "reviewer"]);
    assert_eq!(of_each("organization_id"), [Value::Null, Value::Null]);

    let path = format!("{KEYS}/{}", made.string("id"));
    assert_eq!(
        operator.post(&path, DISABLED).await.ok()["status"],
        "disabled"
    );
    assert_eq!(
        reviewer.get("/operator/v1/enrollments").await.error(),
        "401 authentication_error: API key is disabled"
    );
    operator.post(&path, r#"{"status":"active"}"#).await.ok();
    reviewer.get("/operator/v1/enrollments").await.ok();
    assert_eq!(operator.delete(&path).await.ok()["type"], "api_key_deleted");
    assert_eq!(reviewer.get("/operator/v1/enrollments").await.status, 401);
    let gone = operator.delete(&path).await;
    assert_eq!(
        gone.error(),
        "404 not_found_error: The requested API key was not found."
    );

    let trail = format!("/operator/v1/audit_events?target_id={}", made.string("id"));
    let trail = operator.get(&trail).await.ok();
    let trail = trail["data"].as_array().unwrap().iter();
    let done: Vec<_> = trail
        .map(|it| (it["action"].clone(), it["details"].clone()))
        .collect();
    assert_eq!(
        done,
        [
            (json!("api_key.deleted"), json!([])),
            (json!("api_key.enabled"), json!([])),
            (json!("api_key.disabled"), json!([])),
            (json!("api_key.created"), json!(["reviewer"])),
        ]
    );
}

#[tokio::test]
async fn what_is_no_operators_key_is_not_one_of_them() {
    let server = TestServer::start().await;
    let operator = server.operator();
    for id in ["apikey_free", "apikey_nobody", "odd"] {
        let path = format!("{KEYS}/{id}");
        for reply in [
            operator.post(&path, DISABLED).await,
            operator.delete(&path).await,
        ] {
            assert_eq!(
                reply.error(),
                "404 not_found_error: The requested API key was not found."
            );
        }
    }
    server.platform().get("/v1/user_profiles").await.ok();
    for (body, message) in [
        (r#"{"name":"N"}"#, "role: is required"),
        (
            r#"{"name":"N","role":"admin"}"#,
            "role: must be one of: owner, reviewer, viewer",
        ),
    ] {
        let refused = operator.post(KEYS, body).await;
        assert_eq!(
            refused.error(),
            format!("400 invalid_request_error: {message}")
        );
    }
    let late = format!(r#"{{"name":"N","role":"owner","expires_at":"{NOW}"}}"#);
    let refused = operator.post(KEYS, &late).await;
    assert_eq!(
        refused.error(),
        "400 invalid_request_error: expires_at: must be in the future"
    );
}

#[tokio::test]
async fn the_last_owner_can_be_neither_disabled_nor_deleted() {
    const LAST: &str = "409 conflict_error: No other enabled key of the role owner lasts as long as this one; make one \
                        first, so that somebody can still do everything";
    let server = TestServer::start().await;
    let operator = server.operator();
    let own = format!("{KEYS}/apikey_operator");
    let other_path = "/operator/v1/api_keys/apikey_operator";
    let expiring = r#"{"name":"N","role":"owner","expires_at":"2026-11-20T15:00:00Z"}"#;
    let expiring = operator.post(KEYS, expiring).await;
    operator
        .post(KEYS, r#"{"name":"N","role":"reviewer"}"#)
        .await
        .ok();
    for path in [own.as_str(), other_path] {
        assert_eq!(operator.post(path, DISABLED).await.error(), LAST);
        assert_eq!(operator.delete(path).await.error(), LAST);
    }
    // One that expires can go, and must not be what is left.
    let second = operator.post(KEYS, r#"{"name":"N","role":"owner"}"#).await;
    let second_owner = server.operator_with(&second.string("secret"));
    let second = format!("{KEYS}/{}", second.string("id"));
    operator.post(&own, DISABLED).await.ok();
    assert_eq!(second_owner.post(&second, DISABLED).await.error(), LAST);
    assert_eq!(second_owner.delete(&second).await.error(), LAST);
    second_owner.post(&own, r#"{"status":"active"}"#).await.ok();
    server.clock.advance(Duration::from_hours(2));
    let path = format!("{KEYS}/{}", expiring.string("id"));
    second_owner.delete(&path).await.ok();
    second_owner.delete(&second).await.ok();
    assert_eq!(operator.delete(&own).await.error(), LAST);
}

#[tokio::test]
async fn the_console_sessions_of_a_disabled_owner_end_and_its_key_opens_none() {
    let server = server().await;
    let browser = signed_in_with(&server, SECOND_OWNER_KEY).await;
    assert_eq!(browser.get("/console").await.status, 200);
    let path = format!("{KEYS}/apikey_second");
    server.operator().post(&path, DISABLED).await.ok();
    assert_eq!(browser.get("/console").await.status, 303);
    server
        .operator()
        .post(&path, r#"{"status":"active"}"#)
        .await
        .ok();
    assert_eq!(browser.get("/console").await.status, 303);
    let again = signed_in_with(&server, SECOND_OWNER_KEY).await;
    assert_eq!(again.get("/console").await.status, 200);
}

/// The route that answers a link, or a form, of the console.
fn answering(method: &str, target: &str) -> Option<Route> {
    let path = target.split(['?', '#']).next().unwrap();
    let sent: Vec<_> = path.split('/').collect();
    table()
        .filter(|route| is_page(route) && route.method == method)
        .find(|route| {
            let wanted: Vec<_> = route.template.split('/').collect();
            let mut pairs = wanted.iter().zip(&sent);
            wanted.len() == sent.len()
                && pairs.all(|(wanted, sent)| wanted.starts_with('{') || wanted == sent)
        })
}

/// What the pages that a role sees lead to.
async fn offered(server: &TestServer, key: &str, role: Role, pages: &[String]) -> Vec<Route> {
    let browser = signed_in_with(server, key).await;
    let mut offered = Vec::new();
    for target in pages {
        let page = browser.get(target).await;
        if !role.has(answering("GET", target).unwrap().right.unwrap()) {
            assert_eq!(page.status, 403, "{target} for a {role}");
            continue;
        }
        assert_eq!(page.status, 200, "{target} for a {role}: {page}");
        for (method, mark) in [("POST", "method=\"post\" action=\""), ("GET", "href=\"")] {
            for rest in page.text().split(mark).skip(1) {
                let link = rest.split('"').next().unwrap();
                if link.starts_with("/console") {
                    let route = answering(method, link);
                    offered.push(route.unwrap_or_else(|| panic!("{method} {link} on {target}")));
                }
            }
        }
    }
    offered
}

#[tokio::test]
async fn what_a_role_may_not_do_is_offered_nowhere_in_the_console() {
    let server = server().await;
    let operator = server.operator();
    let enrollment = server.apply().await;
    let profile = format!("/operator/v1/user_profiles/{PROFILE}");
    let action = r#"{"type":"restriction","reason":"fraud_or_abuse","action":"verify"}"#;
    operator
        .post(&format!("{profile}/enforcement_actions"), action)
        .await
        .ok();
    let program = operator.call("PUT", &format!("{profile}/programs/efs"));
    program.json(r#"{"status":"active"}"#).send().await.ok();
    let controls = format!("/v1/user_profiles/{PROFILE}/providers/google/data_controls");
    let platform = server.platform().with("anthropic-beta", DATA_CONTROLS_BETA);
    platform
        .post(
            &controls,
            r#"{"cmek":{"type":"enabled","external_key_ids":{"us":"ekey_1"}}}"#,
        )
        .await
        .ok();
    operator
        .post(
            "/operator/v1/dev/faults",
            r#"{"status":529,"path":"/nowhere"}"#,
        )
        .await
        .ok();
    let test = format!("/operator/v1/webhook_endpoints/{ENDPOINT}/test");
    let delivery = operator.post(&test, "").await.string("id");
    let disabled = operator
        .post(KEYS, r#"{"name":"N","role":"viewer"}"#)
        .await
        .string("id");
    operator
        .post(&format!("{KEYS}/{disabled}"), DISABLED)
        .await
        .ok();

    let trail = operator.get("/operator/v1/audit_events").await.ok();
    let event = trail["data"][0]["id"].as_str().unwrap().to_owned();
    let pages = table().filter(|route| is_page(route) && route.method == "GET");
    let pages = pages.filter(|route| {
        let downloads = ["/console/export/profiles", "/console/audit/download"];
        route.template != "/console/sign-in" && !downloads.contains(&route.template)
    });
    let pages: Vec<_> = pages
        .map(|route| {
            route
                .template
                .replace("{user_profile_id}", PROFILE)
                .replace("{organization_id}", ORGANIZATION)
                .replace("{webhook_endpoint_id}", ENDPOINT)
                .replace("{webhook_delivery_id}", &delivery)
                .replace("{enrollment_id}", &enrollment)
                .replace("{audit_event_id}", &event)
                .replace("{document}", "ga")
                .replace("{operation}", "create_user_profile")
        })
        .collect();
    for (role, key) in ROLES {
        let offered = offered(&server, key, role, &pages).await;
        for route in &offered {
            assert!(
                role.has(route.right.unwrap()),
                "{route:?} is offered to a {role}"
            );
        }
        // And what it may do is.
        let forms = table().filter(|route| is_page(route) && route.method == "POST");
        // A request of the reference is sent to the page that it is written on.
        let forms = forms.filter(|route| !route.template.starts_with("/console/requests/"));
        let left_out = forms.filter(|route| {
            route.right.is_some_and(|right| role.has(right)) && !offered.contains(route)
        });
        let left_out: Vec<_> = left_out.map(|route| route.template).collect();
        // What is under way cannot be sent again, and only who is on hold can be removed.
        let pending: &[&str] = if role.has(Right::Administer) {
            &[
                "/console/deliveries/{webhook_delivery_id}",
                "/console/organizations/{organization_id}/removal",
            ]
        } else if role.has(Right::Decide) {
            &["/console/deliveries/{webhook_delivery_id}"]
        } else {
            &[]
        };
        assert_eq!(left_out, pending, "a {role}");
    }
}

#[tokio::test]
async fn a_session_of_anothers_key_is_an_owners_to_end() {
    let server = server().await;
    let owner = signed_in_with(&server, OPERATOR_KEY).await;
    let sessions = async |browser: &Client| {
        let page = browser.get("/console/sessions").await;
        let found = page.text().split("/console/sessions/").skip(1);
        found
            .map(|rest| rest.split('"').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let owners = sessions(&owner).await;
    let viewer = signed_in_with(&server, VIEWER_KEY).await;
    let own = sessions(&viewer).await;
    assert!(
        own.len() == 1 && owners.len() == 1 && own != owners,
        "{own:?} {owners:?}"
    );
    let end = async |browser: &Client, name: &str| {
        post(
            browser,
            &format!("/console/sessions/{name}"),
            "confirmed=yes",
        )
        .await
        .status
    };
    assert_eq!(end(&viewer, &owners[0]).await, 403);
    assert_eq!(owner.get("/console").await.status, 200);
    assert_eq!(end(&viewer, &own[0]).await, 303);
    assert_eq!(viewer.get("/console").await.status, 303);
}

#[tokio::test]
async fn operator_keys_are_kept_in_the_console() {
    let server = TestServer::start().await;
    let browser = signed_in_with(&server, OPERATOR_KEY).await;
    let keys = "/console/operator_keys";
    let wrong = post(&browser, keys, "name=Ana&role=admin").await;
    assert_eq!(wrong.status, 400);
    assert!(
        wrong
            .text()
            .contains("role: must be one of: owner, reviewer, viewer"),
        "{wrong}"
    );
    let made = post(&browser, keys, "name=Ana&role=reviewer&expires_at=").await;
    assert!(
        made.text().contains("operator key with the role reviewer"),
        "{made}"
    );
    let (_, secret) = made.text().split_once("<code id=\"secret\">").unwrap();
    let secret = secret.split('<').next().unwrap().to_owned();
    let reviewer = server.operator_with(&secret);
    reviewer.get("/operator/v1/enrollments").await.ok();
    let listed = browser.get(keys).await;
    assert!(!listed.text().contains(&secret), "{listed}");
    let id = server.operator().get(KEYS).await.ok()["data"][1]["id"].clone();
    let path = format!("{keys}/{}", id.as_str().unwrap());
    for (action, status) in [("disable", 401), ("enable", 200)] {
        if action == "disable" {
            let asked = post(&browser, &path, "do=disable").await;
            assert!(asked.text().contains("Disable the key Ana?"), "{asked}");
        }
        let done = post(&browser, &path, &format!("do={action}&confirmed=yes")).await;
        assert_eq!(done.status, 303, "{done}");
        assert_eq!(
            reviewer.get("/operator/v1/enrollments").await.status,
            status
        );
    }
    let own = format!("{keys}/apikey_operator");
    let refused = post(&browser, &own, "do=delete&confirmed=yes").await;
    assert_eq!(refused.status, 409);
    assert!(
        refused.text().contains("lasts as long as this one"),
        "{refused}"
    );
    assert_eq!(
        post(&browser, &path, "do=delete&confirmed=yes")
            .await
            .status,
        303
    );
    assert_eq!(reviewer.get("/operator/v1/enrollments").await.status, 401);
}
