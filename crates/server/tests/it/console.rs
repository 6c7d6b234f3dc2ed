//! The operator's console: who gets in, who does not, and what is asked first.

use std::time::Duration;

use http::StatusCode;
use rollcall::http::router::Audience;
use rollcall::http::routes::table;
use rollcall_domain::audit::{Act, Actor};
use rollcall_domain::clock::Clock as _;
use rollcall_domain::id::ApiKeyId;
use rollcall_domain::tenant::{KeyStatus, OperatorProof};
use serde_json::json;

use crate::client::{Client, Reply};
use crate::server::{
    ADMIN_KEY, BOUND_KEY, ENDPOINT, NOW, OPERATOR_KEY, ORGANIZATION, PROFILE, SECOND_OWNER_KEY,
    TestServer,
};

async fn try_key(server: &TestServer, key: &str) -> Reply {
    try_key_at(&server.stranger(), key).await
}

async fn try_key_at(door: &Client, key: &str) -> Reply {
    door.call("POST", "/console/sign-in")
        .header("sec-fetch-site", "same-origin")
        .form(&format!("key={key}&next=%2Fconsole%2Faudit"))
        .send()
        .await
}

/// A browser that is signed in.
pub(crate) async fn signed_in(server: &TestServer) -> Client {
    signed_in_with(server, OPERATOR_KEY).await
}

/// A browser that is signed in with this key.
pub(crate) async fn signed_in_with(server: &TestServer, key: &str) -> Client {
    signed_in_at(server.stranger(), key).await
}

/// The same where the console is.
pub(crate) async fn signed_in_at(door: Client, key: &str) -> Client {
    let reply = try_key_at(&door, key).await;
    let cookie = reply.header("set-cookie").unwrap();
    let (cookie, _) = cookie.split_once(';').unwrap();
    door.with("cookie", cookie)
        .with("sec-fetch-site", "same-origin")
}

pub(crate) async fn post(browser: &Client, target: &str, fields: &str) -> Reply {
    browser.call("POST", target).form(fields).send().await
}

#[tokio::test]
async fn an_operator_key_and_no_other_is_exchanged_for_a_session() {
    let server = TestServer::start().await;
    for key in ["", "unknown", BOUND_KEY, ADMIN_KEY] {
        let refused = try_key(&server, key).await;
        assert_eq!(refused.status, 401, "{key}");
        assert_eq!(refused.header("set-cookie"), None);
    }
    let reply = try_key(&server, OPERATOR_KEY).await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("location")),
        (303, Some("/console/audit?signed-in=1"))
    );
    let cookie = reply.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-rollcall="), "{cookie}");
    assert!(
        cookie.ends_with("; Path=/; Max-Age=43200; Secure; HttpOnly; SameSite=Strict"),
        "{cookie}"
    );
    for elsewhere in [
        "https://evil.example/",
        "//evil.example",
        "/consoles",
        "/console/sign-in",
    ] {
        let call = server.stranger().call("POST", "/console/sign-in");
        let call = call.header("sec-fetch-site", "same-origin");
        let reply = call
            .form(&format!("key={OPERATOR_KEY}&next={elsewhere}"))
            .send()
            .await;
        assert_eq!(
            reply.header("location"),
            Some("/console?signed-in=1"),
            "{elsewhere}"
        );
    }
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let server = TestServer::start().await;
    let mut last = StatusCode::OK;
    for _ in 0..61 {
        last = try_key(&server, "unknown").await.status;
    }
    assert_eq!(last, 429);
    // The right key still works for whoever shares the address.
    assert_eq!(try_key(&server, OPERATOR_KEY).await.status, 303);
}

#[tokio::test]
async fn every_page_is_shown_to_who_is_signed_in() {
    let server = TestServer::with(|options| options.endpoints = true).await;
    let id = server.apply().await;
    let test = format!("/operator/v1/webhook_endpoints/{ENDPOINT}/test");
    let delivery = server.operator().post(&test, "").await.string("id");
    let browser = signed_in(&server).await;
    let trail = server
        .operator()
        .get("/operator/v1/audit_events?limit=1")
        .await;
    let event = trail.ok()["data"][0]["id"].as_str().unwrap().to_owned();
    for route in table() {
        let is_page = matches!(
            route.audience,
            Audience::Console | Audience::DevelopmentConsole
        );
        if !is_page || route.method != "GET" {
            continue;
        }
        let target = route
            .template
            .replace("{user_profile_id}", PROFILE)
            .replace("{organization_id}", ORGANIZATION)
            .replace("{webhook_endpoint_id}", ENDPOINT)
            .replace("{webhook_delivery_id}", &delivery)
            .replace("{audit_event_id}", &event)
            .replace("{enrollment_id}", &id)
            .replace("{document}", "ga")
            .replace("{operation}", "create_user_profile");
        let page = browser.get(&target).await;
        assert_eq!(page.status, 200, "{target}: {page}");
        assert_eq!(page.header("cache-control"), Some("no-store"), "{target}");
        let policy = page.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
            "{target}"
        );
        let inline = ["style=\"", "onclick=", "onload=", "javascript:", "<script>"];
        let found = inline.iter().find(|it| page.text().contains(**it));
        assert_eq!(found, None, "{target}");
    }
}

#[tokio::test]
async fn a_session_ends_in_every_way_there_is() {
    let server = TestServer::with(|options| options.roles = true).await;
    let works = async |browser: &Client| browser.get("/console").await.status == 200;
    let browser = signed_in(&server).await;
    assert!(works(&browser).await);
    assert_eq!(post(&browser, "/console/sign-out", "").await.status, 303);
    assert!(!works(&browser).await);

    let idle = signed_in(&server).await;
    server.clock.advance(Duration::from_mins(59));
    assert!(works(&idle).await);
    server.clock.advance(Duration::from_mins(59));
    assert!(works(&idle).await);
    server.clock.advance(Duration::from_hours(1));
    assert!(!works(&idle).await);

    let old = signed_in(&server).await;
    for _ in 0..13 {
        assert!(works(&old).await);
        server.clock.advance(Duration::from_mins(55));
    }
    server.clock.advance(Duration::from_mins(5));
    assert!(!works(&old).await);

    let (one, other) = (signed_in(&server).await, signed_in(&server).await);
    let sessions = one.get("/console/sessions").await;
    let names: Vec<_> = sessions
        .text()
        .split("/console/sessions/")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect();
    let sure = "confirmed=yes";
    for name in &names {
        let target = format!("/console/sessions/{name}");
        assert_eq!(post(&one, &target, "").await.status, 200, "it asks first");
        assert!(works(&one).await);
    }
    for name in names {
        // Whichever of the two is left ends the other.
        for browser in [&one, &other] {
            post(browser, &format!("/console/sessions/{name}"), sure).await;
        }
    }
    assert!(!works(&one).await && !works(&other).await);

    let keyed = signed_in(&server).await;
    assert!(works(&keyed).await);
    let target = "/operator/v1/api_keys/apikey_operator";
    server
        .operator()
        .post(target, r#"{"status":"disabled"}"#)
        .await
        .ok();
    assert!(!works(&keyed).await);
}

#[tokio::test]
async fn a_session_stays_over_when_its_disabled_key_is_enabled_again() {
    let server = TestServer::with(|options| options.roles = true).await;
    let (works, browser) = (
        async |browser: &Client| browser.get("/console").await.status == 200,
        signed_in(&server).await,
    );
    assert!(works(&browser).await);
    // The operator's own key, disabled by another owner and enabled by somebody on the storage.
    let id = ApiKeyId::parse("apikey_operator").unwrap();
    let key = "/operator/v1/operator_keys/apikey_operator";
    server
        .operator_with(SECOND_OWNER_KEY)
        .post(key, r#"{"status":"disabled"}"#)
        .await
        .ok();
    assert!(!works(&browser).await);
    let act = Act {
        actor: Actor::system("test"),
        at: server.clock.now(),
    };
    let proof = OperatorProof::of_storage_access();
    let enable = server
        .store
        .set_key_status(proof, &act, &id, KeyStatus::Active);
    assert_eq!(
        enable.await.unwrap().unwrap().unwrap().status,
        KeyStatus::Active
    );
    assert!(!works(&browser).await);
    assert!(works(&signed_in(&server).await).await);
}

#[tokio::test]
async fn no_key_is_made_that_has_expired() {
    let server = TestServer::start().await;
    let keys = format!("/operator/v1/organizations/{ORGANIZATION}/api_keys");
    let before = server.operator().get(&keys).await.body;
    for expires_at in ["0001-01-01T00:00:00Z", NOW] {
        let body = format!(r#"{{"name":"Short","kind":"api","expires_at":"{expires_at}"}}"#);
        let refused = server.operator().post(&keys, &body).await;
        assert_eq!(
            refused.error(),
            "400 invalid_request_error: expires_at: must be in the future"
        );
    }
    let browser = signed_in(&server).await;
    let target = format!("/console/organizations/{ORGANIZATION}/keys");
    let fields = "name=Short&kind=api&expires_at=2001-01-01T00%3A00";
    let refused = post(&browser, &target, fields).await;
    assert_eq!(refused.status, 400, "{refused}");
    assert!(
        refused.text().contains("must be in the future"),
        "{refused}"
    );
    assert_eq!(server.operator().get(&keys).await.body, before);
}

#[tokio::test]
async fn what_no_page_of_ours_sent_does_nothing() {
    let server = TestServer::start().await;
    let browser = signed_in(&server).await.without("sec-fetch-site");
    let target = format!("/console/organizations/{ORGANIZATION}");
    let hold = "do=hold&confirmed=yes";
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("x-nothing", "at all"),
    ] {
        let reply = post(&browser.clone().with(name, value), &target, hold).await;
        assert_eq!(reply.status, 403, "{name}: {value}");
    }
    assert_eq!(server.platform().get("/v1/user_profiles").await.status, 200);
    let ours = browser.with("origin", "http://rollcall.test");
    assert_eq!(post(&ours, &target, hold).await.status, 303);
    assert_eq!(server.platform().get("/v1/user_profiles").await.status, 400);
}

#[tokio::test]
async fn a_ban_asks_first_and_says_what_it_will_do() {
    let server = TestServer::start().await;
    let browser = signed_in(&server).await;
    let target = format!("/console/profiles/{PROFILE}/actions");
    let wrong = post(&browser, &target, "type=ban&reason=high_harm&verify=yes").await;
    assert_eq!(wrong.status, 400);
    assert!(
        wrong.text().contains("action: must be null for a ban"),
        "{wrong}"
    );
    let asked = post(&browser, &target, "type=ban&reason=high_harm").await;
    assert!(asked.text().contains("Ban this profile?"), "{asked}");
    let profile = format!("/v1/user_profiles/{PROFILE}");
    assert_eq!(
        server.platform().get(&profile).await.ok()["enforcement_status"],
        "unrestricted"
    );
    let done = post(&browser, &target, "type=ban&reason=high_harm&confirmed=yes").await;
    assert_eq!(done.status, 303);
    let banned = server.platform().get(&profile).await.ok();
    assert_eq!(banned["enforcement_status"], "banned");
    let action = banned["enforcement_actions"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let end = format!("/console/profiles/{PROFILE}/actions/{action}");
    post(&browser, &end, "do=resolve&confirmed=yes").await;
    assert_eq!(
        server.platform().get(&profile).await.ok()["enforcement_status"],
        "unrestricted"
    );
}

#[tokio::test]
async fn an_application_is_decided_in_the_console() {
    let server = TestServer::start().await;
    let browser = signed_in(&server).await;
    let id = server.apply().await;
    let target = format!("/console/enrollments/{id}");
    let page = browser.get(&target).await;
    assert!(page.text().contains("Ana &#60;b&#62;"), "{page}");
    let approved = post(
        &browser,
        &target,
        "do=approve&tiers=a&requirements=human_review&note=Fine",
    )
    .await;
    assert_eq!(approved.status, 303, "{approved}");
    let record = format!("/operator/v1/user_profiles/{PROFILE}");
    let record = server.operator().get(&record).await.ok();
    assert_eq!(
        record["programs"]["cyber"]["requirements"],
        json!({"data_retention": false, "human_review": true})
    );
    let again = post(&browser, &target, "do=reject&confirmed=yes").await;
    assert_eq!(again.status, 409);
    let trail = server
        .operator()
        .get(&format!("/operator/v1/audit_events?target_id={id}"))
        .await
        .ok();
    let decided = trail["data"].as_array().unwrap().iter();
    let mut decided = decided.filter(|it| it["action"] == "enrollment.approved");
    let actor = json!({"kind": "operator", "id": "apikey_operator", "name": "apikey_operator"});
    assert_eq!(decided.next().unwrap()["actor"], actor);
}

#[tokio::test]
async fn a_new_keys_secret_is_shown_once_and_works() {
    let server = TestServer::start().await;
    let browser = signed_in(&server).await;
    let target = format!("/console/organizations/{ORGANIZATION}/keys");
    let page = post(&browser, &target, "name=CI&kind=api").await;
    let secret = page.text().split("<code id=\"secret\">").nth(1).unwrap();
    let secret = secret.split('<').next().unwrap();
    let client = server.platform_with(secret);
    assert_eq!(client.get("/v1/user_profiles").await.status, 200);
    let detail = browser
        .get(&format!("/console/organizations/{ORGANIZATION}"))
        .await;
    assert!(detail.text().contains("CI") && !detail.text().contains(secret));
}

#[tokio::test]
async fn the_overview_counts_what_programs_ask_and_not_its_own_pages() {
    let server = TestServer::start().await;
    let browser = signed_in(&server).await;
    for page in ["/console", "/console/profiles", "/console/nothing"] {
        browser.get(page).await;
    }
    server.stranger().get("/healthz").await;
    let overview = browser.get("/console").await.text().to_owned();
    assert!(
        overview.contains("<span class=\"number\">0</span> API requests"),
        "{overview}"
    );

    server.platform().get("/v1/user_profiles").await;
    let overview = browser.get("/console").await.text().to_owned();
    assert!(overview.contains(">1</span> API request<"), "{overview}");
    server.platform().get("/v1/nothing").await;
    server.operator().get("/operator/v1/user_profiles").await;
    let overview = browser.get("/console").await.text().to_owned();
    assert!(
        overview.contains("<span class=\"number\">3</span> API requests"),
        "{overview}"
    );
}

#[tokio::test]
async fn open_actions_lead_to_whoever_is_under_one() {
    let server = TestServer::start().await;
    let browser = signed_in(&server).await;
    let mut people = Vec::new();
    for (name, action) in [
        ("Banned", r#"{"type":"ban","reason":"high_harm"}"#),
        (
            "Restricted",
            r#"{"type":"restriction","reason":"fraud_or_abuse","action":"verify"}"#,
        ),
    ] {
        let id = server.create(&format!(r#"{{"name":"{name}"}}"#)).await;
        let open = format!("/operator/v1/user_profiles/{id}/enforcement_actions");
        server.operator().post(&open, action).await.ok();
        people.push(id);
    }
    let overview = browser.get("/console").await.text().to_owned();
    let link = "<a href=\"/console/profiles?enforcement_status=any-action\"><span class=\"number\">2</span> Open actions</a>";
    assert!(overview.contains(link), "{overview}");
    for sort in ["newest", "name&organization_id=", "oldest&organization_id="] {
        let organization = if sort.ends_with('=') {
            ORGANIZATION
        } else {
            ""
        };
        let list =
            format!("/console/profiles?enforcement_status=any-action&sort={sort}{organization}");
        let list = browser.get(&list).await;
        let shown = people
            .iter()
            .filter(|id| list.text().contains(id.as_str()))
            .count();
        assert_eq!((list.status.as_u16(), shown), (200, 2), "{list}");
        assert!(!list.text().contains(PROFILE), "{list}");
        assert!(
            list.text()
                .contains("<option value=\"any-action\" selected>"),
            "{list}"
        );
    }
}

#[tokio::test]
async fn a_profile_s_page_shows_its_keys_and_buckets_and_takes_what_became_of_them() {
    let server = TestServer::start().await;
    let browser = signed_in(&server).await;
    let page = format!("/console/profiles/{PROFILE}");
    let nothing = browser.get(&page).await;
    assert!(nothing.text().contains("No region has a key or a bucket."));
    let given = r#"{"cmek":{"type":"enabled","external_key_ids":{"us":"ekey_theirs"}},"storage":{"type":"enabled","buckets":{"eu":{"bucket_name":"their-bucket","project_number":"42"}}}}"#;
    let path = format!("/v1/user_profiles/{PROFILE}/providers/google/data_controls");
    let platform = server
        .platform()
        .with("anthropic-beta", "google-managed-data-controls-2026-09-01");
    let updated = platform.post(&path, given).await;
    let label = updated.string("bucket_label_value");
    let shown = browser.get(&page).await;
    for expected in [
        "ekey_theirs",
        "their-bucket",
        "project 42",
        &label,
        "pending",
    ] {
        assert!(shown.text().contains(expected), "{expected}");
    }
    let form = format!("{page}/data_controls");
    for (fields, status) in [
        ("place=cmek+us&status=failed&error=No+such+key", 303),
        (
            "place=storage+eu&status=failed&check=versioning&error=Switch+it+off",
            303,
        ),
        ("place=cmek+us&status=failed&check=versioning", 400),
        ("place=cmek+us&status=active&location=US", 400),
        ("place=storage+eu&status=failed&error=Switch+it+off", 400),
        ("place=storage+eu&status=failed&role=ingest", 400),
        ("place=cmek+eu&status=active", 409),
        ("place=nowhere&status=active", 400),
        (
            "place=storage+eu&status=active&location=EU&error=&check=",
            303,
        ),
    ] {
        let reply = post(&browser, &form, fields).await;
        assert_eq!(reply.status, status, "{fields}");
    }
    let shown = browser.get(&page).await;
    assert!(shown.text().contains("No such key"));
    assert!(!shown.text().contains("Switch it off"));
    let seen = platform.get(&path).await.ok();
    assert_eq!(seen["storage"]["buckets"]["eu"]["location"], "EU");
    assert_eq!(seen["cmek"]["status"]["us"]["type"], "failed");

    let active = post(&browser, &form, "place=cmek+us&status=active").await;
    assert_eq!(active.status, 303);
    let next = r#"{"cmek":{"type":"enabled","external_key_ids":{"us":"ekey_next"}}}"#;
    platform.post(&path, next).await.ok();
    let applies = |page: &str| page.contains("<span class=\"quiet\">applies</span>");
    assert!(applies(browser.get(&page).await.text()));
    let suspended = post(&browser, &form, "place=cmek+us&status=suspended").await;
    assert_eq!(suspended.status, 303);
    assert!(!applies(browser.get(&page).await.text()));
}
