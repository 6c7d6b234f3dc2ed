//! `/v1/organizations/webhooks`: the contract's *Organization webhooks*, *Endpoints* and *List*.

use serde_json::{Value, json};

use crate::client::Client;
use crate::server::TestServer;

const WEBHOOKS: &str = "/v1/organizations/webhooks";
const BODY: &str = r#"{"enabled_events":["user_profile.enforcement_action_opened"],"url":"https://example.com/anthropic-webhooks"}"#;

fn administrator(server: &TestServer) -> Client {
    server
        .administrator()
        .with("anthropic-beta", "webhooks-2026-10-07")
}

/// A server whose organization has no endpoint.
async fn empty() -> (TestServer, Client) {
    let server = TestServer::start().await;
    let admin = administrator(&server);
    for endpoint in admin.get(WEBHOOKS).await.ok()["data"].as_array().unwrap() {
        let id = endpoint["id"].as_str().unwrap();
        admin.delete(&format!("{WEBHOOKS}/{id}")).await.ok();
    }
    (server, admin)
}

async fn create(admin: &Client, body: &str) -> Value {
    admin.post(WEBHOOKS, body).await.ok()
}

fn path(endpoint: &Value) -> String {
    format!("{WEBHOOKS}/{}", endpoint["id"].as_str().unwrap())
}

#[tokio::test]
async fn an_endpoint_is_created_changed_and_deleted() {
    let (_server, admin) = empty().await;
    let made = create(&admin, BODY).await;
    let members: Vec<_> = made.as_object().unwrap().keys().collect();
    assert_eq!(
        members,
        [
            "id",
            "created_at",
            "description",
            "disabled_reason",
            "enabled_events",
            "name",
            "signing_secret",
            "state",
            "updated_at",
            "url"
        ]
    );
    assert!(made["id"].as_str().unwrap().starts_with("whep_01"));
    let secret = made["signing_secret"].as_str().unwrap();
    assert_eq!(secret.len(), "whsec_".len() + 44);
    assert_eq!(
        (&made["state"], &made["name"]),
        (&json!("enabled"), &json!(""))
    );

    let path = path(&made);
    let mut shown = made.clone();
    shown
        .as_object_mut()
        .unwrap()
        .shift_remove("signing_secret");
    assert_eq!(admin.get(&path).await.ok(), shown);

    let body = r#"{"name":"billing","enabled_events":[],"state":"disabled","description":"d"}"#;
    let changed = admin.post(&path, body).await.ok();
    assert_eq!(changed["enabled_events"], made["enabled_events"]);
    assert_eq!(
        (&changed["state"], &changed["disabled_reason"]),
        (&json!("disabled"), &json!(""))
    );
    assert_ne!(changed["updated_at"], made["updated_at"]);
    let unchanged = admin.post(&path, r#"{"state":"disabled"}"#).await.ok();
    assert_eq!(unchanged, changed);

    let regenerate = format!("{path}/regenerate_signing_secret");
    let one = admin.call("POST", &regenerate).send().await.ok();
    let two = admin.post(&regenerate, "{}").await.ok();
    assert_eq!(one.as_object().unwrap().len(), 1);
    assert_ne!(one, two);
    assert!(
        one["signing_secret"]
            .as_str()
            .unwrap()
            .starts_with("whsec_")
    );

    let deleted = admin.delete(&path).await.ok();
    assert_eq!(deleted["type"], "webhook_endpoint_deleted");
    let missing = "404 not_found_error: The requested webhook endpoint was not found.";
    assert_eq!(admin.delete(&path).await.error(), missing);
    assert_eq!(admin.get(&path).await.error(), missing);
    assert_eq!(admin.post(&path, "{}").await.error(), missing);
    assert_eq!(admin.post(&regenerate, "{}").await.error(), missing);
}

#[tokio::test]
async fn without_the_beta_the_api_does_not_exist() {
    let server = TestServer::start().await;
    let missing = "404 not_found_error: Not found";
    for client in [
        server.stranger(),
        server.administrator(),
        server
            .administrator()
            .with("anthropic-beta", "user-profiles-2026-08-18"),
    ] {
        assert_eq!(client.get(WEBHOOKS).await.error(), missing);
        assert_eq!(
            client.post(&format!("{WEBHOOKS}/x"), "{}").await.error(),
            missing
        );
    }
    let beside = server
        .administrator()
        .with("anthropic-beta", "files-api-2025-04-14,webhooks-2026-10-07");
    beside.get(&format!("{WEBHOOKS}?beta=true")).await.ok();
    let stranger = server
        .stranger()
        .with("anthropic-beta", "webhooks-2026-10-07");
    assert_eq!(stranger.get(WEBHOOKS).await.status, 401);
    let platform = server
        .platform()
        .with("anthropic-beta", "webhooks-2026-10-07");
    assert_eq!(platform.get(WEBHOOKS).await.status, 403);
    let unknown = administrator(&server).with("anthropic-beta", "nonsense");
    assert!(unknown.get(WEBHOOKS).await.error().starts_with("400"));
    let reply = administrator(&server)
        .with("anthropic-workspace-id", "not a workspace")
        .get(WEBHOOKS)
        .await;
    assert_eq!(reply.status, 200, "the workspace is ignored");
    assert_eq!(reply.header("anthropic-workspace-id"), None);
    assert!(reply.header("anthropic-organization-id").is_some());
}

/// A browser asks before it sends, and its question cannot carry a beta.
#[tokio::test]
async fn a_preflight_of_the_webhooks_needs_no_beta() {
    let server = TestServer::with(|options| {
        options.settings.cors_origins = vec![http::HeaderValue::from_static("https://app.example")];
    })
    .await;
    for (path, methods) in [
        (WEBHOOKS.to_owned(), "GET, HEAD, POST, OPTIONS"),
        (format!("{WEBHOOKS}/x"), "GET, HEAD, POST, DELETE, OPTIONS"),
        (
            format!("{WEBHOOKS}/x/regenerate_signing_secret"),
            "POST, OPTIONS",
        ),
    ] {
        let preflight = server
            .stranger()
            .with("origin", "https://app.example")
            .with("access-control-request-method", "POST")
            .with("access-control-request-headers", "anthropic-beta,x-api-key")
            .call("OPTIONS", &path)
            .send()
            .await;
        assert_eq!(preflight.status, 204, "{path}: {preflight}");
        assert_eq!(preflight.header("allow"), Some(methods));
        let permitted = preflight.header("access-control-allow-origin");
        assert_eq!(permitted, Some("https://app.example"));
    }
    let missing = "404 not_found_error: Not found";
    assert_eq!(server.administrator().get(WEBHOOKS).await.error(), missing);
}

#[tokio::test]
async fn subscriptions_to_events_of_tomorrow_are_kept() {
    let (_server, admin) = empty().await;
    let all = r#"["external_storage.failed","external_storage.recovered","external_vault.sealed"]"#;
    let body = format!(r#"{{"enabled_events":{all},"url":"https://example.com/hook"}}"#);
    let made = admin.post(WEBHOOKS, &body).await.ok();
    let all: serde_json::Value = serde_json::from_str(all).unwrap();
    assert_eq!(made["enabled_events"], all);
    let path = format!("{WEBHOOKS}/{}", made["id"].as_str().unwrap());
    assert_eq!(admin.get(&path).await.ok()["enabled_events"], all);
    let mistyped = r#"{"enabled_events":["user_profile.enforcement_action_open"]}"#;
    let error = admin.post(&path, mistyped).await.error();
    let expected = "400 invalid_request_error: enabled_events.0: must be one of: ";
    assert!(error.starts_with(expected), "{error}");
}

#[tokio::test]
async fn bodies_are_judged() {
    let (_server, admin) = empty().await;
    let refused = |path: String, body: &'static str| {
        let admin = admin.clone();
        async move { admin.post(&path, body).await.error() }
    };
    let made = create(&admin, BODY).await;
    for (body, message) in [
        (r#"{"url":"https://example.com"}"#, "enabled_events: "),
        (
            r#"{"enabled_events":[],"url":"https://example.com"}"#,
            "enabled_events: must list at least one event type",
        ),
        (
            r#"{"enabled_events":["external_key.failed"],"url":"http://example.com"}"#,
            "url: must be an https URL",
        ),
        (
            r#"{"enabled_events":["nonsense"],"url":"https://example.com"}"#,
            "enabled_events.0: ",
        ),
        (
            r#"{"enabled_events":["external_key.failed"],"url":"https://127.0.0.1/"}"#,
            "url: ",
        ),
        (
            r#"{"enabled_events":["external_key.failed"],"url":"https://example.com","name":null}"#,
            "name: must not be null",
        ),
        (
            r#"{"enabled_events":["external_key.failed"],"url":"https://example.com","state":"enabled"}"#,
            "state: Extra inputs are not permitted",
        ),
    ] {
        let error = refused(WEBHOOKS.to_owned(), body).await;
        let expected = format!("400 invalid_request_error: {message}");
        assert!(error.starts_with(&expected), "{error}");
    }
    let error = refused(path(&made), r#"{"url":"x"}"#).await;
    assert_eq!(
        error,
        "400 invalid_request_error: url: must be an https URL"
    );
    let error = refused(format!("{WEBHOOKS}/unknown"), r#"{"url":"x"}"#).await;
    assert!(
        error.starts_with("400"),
        "the body is judged first: {error}"
    );
}

#[tokio::test]
async fn the_33rd_is_refused_however_many_come_at_once() {
    let (_server, admin) = empty().await;
    let tasks = (0..40).map(|_| {
        let admin = admin.clone();
        tokio::spawn(async move { admin.post(WEBHOOKS, BODY).await })
    });
    let mut created = 0;
    for task in tasks.collect::<Vec<_>>() {
        let reply = task.await.unwrap();
        if reply.status == 200 {
            created += 1;
        } else {
            assert_eq!(
                reply.error(),
                "400 invalid_request_error: An organization can have at most 32 webhook endpoints"
            );
        }
    }
    assert_eq!(created, 32);
}

#[tokio::test]
async fn pages_go_forwards_and_backwards() {
    let (server, admin) = empty().await;
    let none = admin.get(WEBHOOKS).await;
    assert_eq!(
        none.text(),
        r#"{"data":[],"first_id":null,"has_more":false,"last_id":null}"#
    );
    let mut ids = Vec::new();
    for _ in 0..5 {
        server.clock.advance(std::time::Duration::from_secs(1));
        ids.push(
            create(&admin, BODY).await["id"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    let list = |query: String| {
        let admin = admin.clone();
        async move {
            let page = admin.get(&format!("{WEBHOOKS}?{query}")).await.ok();
            let data = page["data"].as_array().unwrap();
            let found: Vec<_> = data
                .iter()
                .map(|it| it["id"].as_str().unwrap().to_owned())
                .collect();
            assert_eq!(page["first_id"].as_str(), found.first().map(String::as_str));
            assert_eq!(page["last_id"].as_str(), found.last().map(String::as_str));
            (found, page["has_more"].as_bool().unwrap())
        }
    };
    let newest: Vec<_> = ids.iter().rev().cloned().collect();
    assert_eq!(list("limit=0".into()).await, (newest.clone(), false));
    assert_eq!(list("limit=2".into()).await, (newest[..2].to_vec(), true));
    let after = format!("limit=2&after_id={}", newest[1]);
    assert_eq!(list(after).await, (newest[2..4].to_vec(), true));
    let after = format!("order=asc&limit=3&after_id={}", ids[1]);
    assert_eq!(list(after).await, (ids[2..].to_vec(), false));
    // The first ones before the cursor, not those just before it.
    let before = format!("limit=2&before_id={}", newest[4]);
    assert_eq!(list(before).await, (newest[..2].to_vec(), true));
    let before = format!("limit=2&before_id={}", newest[2]);
    assert_eq!(list(before).await, (newest[..2].to_vec(), false));
    for (query, message) in [
        ("limit=101", "limit: must be an integer from 0 to 100"),
        ("limit=-1", "limit: must be an integer from 0 to 100"),
        (
            "after_id=whep_x",
            "after_id: not a webhook endpoint of this organization",
        ),
        (
            "after_id=a&before_id=b",
            "before_id: must not stand beside after_id",
        ),
    ] {
        let error = admin.get(&format!("{WEBHOOKS}?{query}")).await.error();
        assert_eq!(error, format!("400 invalid_request_error: {message}"));
    }
}
