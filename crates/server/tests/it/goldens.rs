//! The contract's golden bodies that `contract.rs` does not serve, and the list of all: states of a profile, last
//! pages, webhook endpoints, delivered events.

use serde_json::Value;

use crate::contract::{ANA, NORDLICHT, ana, nordlicht, put, speaking, unset, with_own};
use crate::fixtures::{dialects_with_examples, example};
use crate::receiver::{Behaviour, Receiver};
use crate::server::{ORGANIZATION, PROFILE, TestServer, at};
use crate::webhook_deliveries::{administrator, start, subscribe};

const WEBHOOKS: &str = "/v1/organizations/webhooks";

/// What is served in this file or in `contract.rs`. The two others are no answers: a page with nothing on it
/// and more behind depends on what storage examined, so its shape is `listing.rs`'s to see, and the
/// vector is computed in `rollcall-wire`.
const SERVED: [&str; 12] = [
    "create.",
    "retrieve.",
    "list.2026-",
    "list.ga.json",
    "list.empty",
    "list.last-page.",
    "update.",
    "delete.",
    "action_url.",
    "enrollment_url.",
    "error.",
    "webhook-e",
];

#[test]
fn no_golden_body_is_forgotten() {
    let directory = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../wire/tests/fixtures/contract"
    );
    let mut left: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !SERVED.iter().any(|served| name.starts_with(served)))
        .collect();
    left.sort();
    assert_eq!(left, ["webhook-signature.vector.json"]);
}

#[tokio::test]
async fn the_last_page_in_every_dialect() {
    let server = TestServer::start().await;
    let record: Value = serde_json::from_str(&unset()).unwrap();
    let seeded = format!("/v1/user_profiles/{PROFILE}");
    server.platform().delete(&seeded).await.ok();
    put(&server, record["id"].as_str().unwrap(), &unset()).await;
    put(&server, NORDLICHT, &nordlicht()).await;
    put(&server, ANA, &ana()).await;
    for dialect in dialects_with_examples() {
        let client = speaking(&server, dialect);
        let path = |page: &str| format!("/v1/user_profiles?limit=2{page}");
        let first = client.get(&path("")).await.string("next_page");
        let last = client.get(&path(&format!("&page={first}"))).await;
        let expected = example(&format!("list.last-page.{dialect}"));
        assert_eq!(last.text(), expected, "{dialect}");
    }
}

async fn newest(server: &TestServer, id: &str) -> String {
    let path = format!("/v1/user_profiles/{id}");
    server.platform().get(&path).await.text().to_owned()
}

#[tokio::test]
async fn every_state_of_enforcement() {
    let server = TestServer::start().await;
    put(&server, ANA, &ana()).await;
    assert_eq!(
        newest(&server, ANA).await,
        example("retrieve.ga.restricted")
    );
    let check = "/operator/v1/enforcement_actions/enac_011CgYtEdis35bAPd4Ls8CRd/identity_check";
    let submitted = r#"{"state":"submitted"}"#;
    server.operator().post(check, submitted).await.ok();
    assert_eq!(newest(&server, ANA).await, example("retrieve.ga.pending"));
    let ban = r#"{"id":"enac_011CghNqVAgU1igejhfmgPkf","type":"ban","reason":"high_harm","opened_at":"2026-11-04T06:00:00Z"}"#;
    let banned = ana().replace("}]}", &format!("}},{ban}]}}"));
    put(&server, ANA, &banned).await;
    assert_eq!(newest(&server, ANA).await, example("retrieve.ga.banned"));
}

#[tokio::test]
async fn a_program_without_an_active_tier() {
    let server = TestServer::start().await;
    let mut record: Value = serde_json::from_str(&nordlicht()).unwrap();
    record["programs"]["cyber"] = serde_json::json!({"status": "active"});
    put(&server, NORDLICHT, &record.to_string()).await;
    let expected = example("retrieve.ga.cyber-without-tier");
    assert_eq!(newest(&server, NORDLICHT).await, expected);
}

/// `example` with what differs from run to run taken from `served`: the ids, and the secret.
fn with_ids(example: &str, served: &str) -> String {
    let served_value: Value = serde_json::from_str(served).unwrap();
    let members = ["id", "signing_secret"];
    let members = members
        .iter()
        .filter(|member| served_value.get(**member).is_some());
    members.fold(example.to_owned(), |example, member| {
        with_own(&example, served, member)
    })
}

#[tokio::test]
async fn webhook_endpoints() {
    let server = TestServer::start().await;
    let admin = administrator(&server);
    let empty = admin.get(WEBHOOKS).await;
    assert_eq!(empty.text(), example("webhook-endpoint.list.empty"));

    server.clock.stop_at(at("2026-10-25T12:30:00Z"));
    let older = r#"{"enabled_events":["user_profile.program_status_updated"],"url":"https://old.example.com/in"}"#;
    let older = admin.post(WEBHOOKS, older).await.string("id");
    server.clock.stop_at(at("2026-11-01T08:00:00Z"));
    let created = admin
        .post(WEBHOOKS, &example("webhook-endpoint.create.request"))
        .await;
    let expected = example("webhook-endpoint.create");
    assert_eq!(created.text(), with_ids(&expected, created.text()));
    let path = format!("{WEBHOOKS}/{}", created.string("id"));
    let one = admin.get(&path).await;
    let expected = example("webhook-endpoint.retrieve");
    assert_eq!(one.text(), with_ids(&expected, one.text()));

    // The second one was disabled by what it answered: its deliveries' tests see that.
    let listed = admin.get(WEBHOOKS).await;
    let mut expected: Value = serde_json::from_str(&example("webhook-endpoint.list")).unwrap();
    for name in ["first_id", "last_id"] {
        expected[name] = listed.json()[name].clone();
    }
    for (at, name) in [
        (0, "id"),
        (1, "id"),
        (1, "disabled_reason"),
        (1, "state"),
        (1, "updated_at"),
    ] {
        expected["data"][at][name] = listed.json()["data"][at][name].clone();
    }
    assert_eq!(listed.text(), expected.to_string());

    server.clock.stop_at(at("2026-11-20T14:03:27.650118Z"));
    let path = format!("{WEBHOOKS}/{older}");
    let updated = admin
        .post(&path, &example("webhook-endpoint.update.request"))
        .await;
    let expected = example("webhook-endpoint.update");
    assert_eq!(updated.text(), with_ids(&expected, updated.text()));
    let secret = format!("{path}/regenerate_signing_secret");
    let secret = admin.call("POST", &secret).send().await;
    let expected = example("webhook-endpoint.regenerate_signing_secret");
    assert_eq!(secret.text(), with_ids(&expected, secret.text()));
    let deleted = admin.delete(&path).await;
    let expected = example("webhook-endpoint.delete");
    assert_eq!(deleted.text(), with_ids(&expected, deleted.text()));
}

#[tokio::test]
async fn delivered_events() {
    let server = start().await;
    let receiver = Receiver::start(Behaviour::Status(200)).await;
    subscribe(&server, &receiver.url()).await;
    let profile = format!("/operator/v1/user_profiles/{PROFILE}");
    let operator = server.operator();
    let open = r#"{"type":"restriction","reason":"high_harm"}"#;
    let action = operator
        .post(&format!("{profile}/enforcement_actions"), open)
        .await
        .string("id");
    let resolve = format!("/operator/v1/enforcement_actions/{action}/resolve");
    operator.call("POST", &resolve).send().await.ok();
    let cyber = format!("{profile}/programs/cyber");
    operator.put(&cyber, r#"{"status":"rejected"}"#).await.ok();
    crate::webhook_deliveries::ended(&server).await;
    let mut seen = 0;
    for received in receiver.received() {
        let body: Value = serde_json::from_str(&received.body).unwrap();
        let kind = body["data"]["type"].as_str().unwrap();
        let kind = kind.strip_prefix("user_profile.").unwrap();
        let mut expected: Value =
            serde_json::from_str(&example(&format!("webhook-event.{kind}"))).unwrap();
        for name in ["id", "created_at"] {
            expected[name] = body[name].clone();
        }
        expected["data"]["id"] = PROFILE.into();
        expected["data"]["organization_id"] = ORGANIZATION.into();
        if expected["data"].get("enforcement_action_id").is_some() {
            expected["data"]["enforcement_action_id"] = action.as_str().into();
        }
        assert_eq!(received.body, expected.to_string());
        seen += 1;
    }
    assert_eq!(seen, 3);
}

/// What an upgrade from the first dialect to the newest changes for code that reads a profile with a program and a
/// restriction. Checked by hand against the contract's presence table: `relationship`, `external_id` and
/// `trust_grants` go; `access_type`, `external_user_details`, `programs` and enforcement come.
#[tokio::test]
async fn the_lens_shows_what_an_upgrade_changes() {
    let server = TestServer::start().await;
    put(&server, ANA, &ana()).await;
    let seen = async |dialect: &str| {
        let path = format!("/operator/v1/user_profiles/{ANA}?as={dialect}");
        server.operator().get(&path).await.json()
    };
    let (first, newest) = (seen("2026-03-24").await, seen("ga").await);
    let names = |value: &Value, other: &Value| -> Vec<String> {
        let members = value.as_object().unwrap().keys();
        members
            .filter(|name| other.get(*name).is_none())
            .cloned()
            .collect()
    };
    assert_eq!(
        names(&first, &newest),
        ["relationship", "trust_grants", "external_id"]
    );
    assert_eq!(
        names(&newest, &first),
        [
            "access_type",
            "enforcement_actions",
            "enforcement_status",
            "external_user_details",
            "programs"
        ]
    );
    assert_eq!(first["relationship"], "external");
    assert_eq!(newest["access_type"], "application");
    assert_eq!(first["trust_grants"]["cyber"]["status"], "pending");
    assert_eq!(newest["programs"]["cyber"]["status"], "pending");
    assert_eq!(
        first["external_id"],
        newest["external_user_details"]["reference_id"]
    );
    assert_eq!(newest["enforcement_status"], "restricted");
    assert_eq!(newest["enforcement_actions"][0]["action"], "verify");
}
