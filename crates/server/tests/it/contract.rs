//! The contract's golden bodies, served: whole servers answer what the examples show, in every
//! dialect.

use crate::client::Client;
use crate::fixtures::{dialects_with_examples, every_dialect, example, legacy_dialects};
use crate::server::{ORGANIZATION, TestServer, at};

pub(crate) const NORDLICHT: &str = "uprof_011CbeBHspRT5JW7RnPynu5d";
pub(crate) const ANA: &str = "uprof_011Caw7UBvkeMCpZkHRpjtPh";

/// The two profiles that the examples show, as records.
pub(crate) fn nordlicht() -> String {
    format!(
        r#"{{"organization_id":"{ORGANIZATION}","created_at":"2026-06-02T09:14:31.482913Z","updated_at":"2026-11-04T06:12:09.120004Z","access_type":"passthrough","relationship":"resold","name":"Nordlicht Analytics GmbH","external_user_details":{{"account_status":"active","country":"DE","entity_type":"business","name_hash":"sha256:5d1c0b7e","onboarded_at":"2025-01-20T11:45:00Z","reference_id":"acct_88213"}},"metadata":{{"plan":"team","region":"eu-north"}},"programs":{{"cyber":{{"status":"active","tiers":{{"a":"active"}},"requirements":{{"data_retention":true,"human_review":false}}}},"efs":{{"status":"active","features":{{"cmek":"active"}}}}}}}}"#
    )
}

pub(crate) fn ana() -> String {
    format!(
        r#"{{"organization_id":"{ORGANIZATION}","created_at":"2026-05-11T16:40:02Z","updated_at":"2026-10-28T10:00:00Z","name":"Ana Ferreira","external_user_details":{{"country":"PT","entity_type":"individual","reference_id":"user_4410"}},"programs":{{"cyber":{{"status":"pending"}}}},"enforcement_actions":[{{"id":"enac_011CgYtEdis35bAPd4Ls8CRd","type":"restriction","reason":"fraud_or_abuse","action":"verify","opened_at":"2026-10-30T18:20:11Z"}}]}}"#
    )
}

pub(crate) fn unset() -> String {
    let profile: serde_json::Value = serde_json::from_str(&example("retrieve.unset.ga")).unwrap();
    let created_at = profile["created_at"].as_str().unwrap();
    let id = profile["id"].as_str().unwrap();
    format!(
        r#"{{"organization_id":"{ORGANIZATION}","id":"{id}","created_at":"{created_at}","relationship":"internal","metadata":{{"internal":"true"}}}}"#
    )
}

pub(crate) async fn put(server: &TestServer, id: &str, record: &str) {
    let path = format!("/operator/v1/user_profiles/{id}");
    server.operator().put(&path, record).await.ok();
}

pub(crate) fn speaking(server: &TestServer, dialect: &str) -> Client {
    server.platform().speaking(dialect)
}

/// `example` with the value that differs from run to run taken from `served`.
pub(crate) fn with_own(example: &str, served: &str, member: &str) -> String {
    let mut expected: serde_json::Value = serde_json::from_str(example).unwrap();
    let served: serde_json::Value = serde_json::from_str(served).unwrap();
    expected[member] = served[member].clone();
    expected.to_string()
}

#[tokio::test]
async fn get_list_update_and_delete() {
    for dialect in dialects_with_examples() {
        let server = TestServer::start().await;
        let client = speaking(&server, dialect);
        client
            .delete(&format!("/v1/user_profiles/{}", crate::server::PROFILE))
            .await
            .ok();
        put(&server, NORDLICHT, &nordlicht()).await;
        put(&server, ANA, &ana()).await;
        let path = format!("/v1/user_profiles/{NORDLICHT}");
        let get = client.get(&path).await;
        assert_eq!(
            get.text(),
            example(&format!("retrieve.{dialect}")),
            "{dialect}"
        );

        let older = format!(
            r#"{{"organization_id":"{ORGANIZATION}","created_at":"2026-01-01T00:00:00Z"}}"#
        );
        put(&server, "uprof_older", &older).await;
        let page = client.get("/v1/user_profiles?limit=2").await;
        let expected = example(&format!("list.{dialect}"));
        assert_eq!(
            page.text(),
            with_own(&expected, page.text(), "next_page"),
            "{dialect}"
        );
        assert!(page.ok()["next_page"].is_string(), "{dialect}");

        let body = example(&format!("update.request.{dialect}"));
        let updated = client.post(&path, &body).await;
        assert_eq!(
            updated.text(),
            example(&format!("update.{dialect}")),
            "{dialect}"
        );
        assert_eq!(client.delete(&path).await.text(), example("delete"));
    }
}

#[tokio::test]
async fn create() {
    for dialect in dialects_with_examples() {
        let server = TestServer::start().await;
        server.clock.stop_at(at("2026-06-02T09:14:31.482913Z"));
        let body = example(&format!("create.request.{dialect}"));
        let created = speaking(&server, dialect)
            .post("/v1/user_profiles", &body)
            .await;
        let expected = example(&format!("create.{dialect}"));
        assert_eq!(
            created.text(),
            with_own(&expected, created.text(), "id"),
            "{dialect}"
        );
    }
}

#[tokio::test]
async fn a_profile_with_nothing_supplied() {
    let server = TestServer::start().await;
    let record: serde_json::Value = serde_json::from_str(&unset()).unwrap();
    let id = record["id"].as_str().unwrap();
    put(&server, id, &unset()).await;
    for dialect in dialects_with_examples() {
        let get = speaking(&server, dialect)
            .get(&format!("/v1/user_profiles/{id}"))
            .await;
        assert_eq!(
            get.text(),
            example(&format!("retrieve.unset.{dialect}")),
            "{dialect}"
        );
    }
}

#[tokio::test]
async fn urls() {
    // The examples show links of 15 minutes.
    let server = TestServer::with(|options| {
        options.settings.enrollment_url_lifetime = std::time::Duration::from_mins(15);
    })
    .await;
    put(&server, NORDLICHT, &nordlicht()).await;
    for dialect in every_dialect() {
        let path = format!("/v1/user_profiles/{NORDLICHT}/action_urls");
        let body = example("action_url.request");
        let made = speaking(&server, dialect).post(&path, &body).await;
        assert_eq!(
            made.text(),
            with_own(&example("action_url"), made.text(), "url"),
            "{dialect}"
        );
    }
    for dialect in legacy_dialects() {
        let path = format!("/v1/user_profiles/{NORDLICHT}/enrollment_url");
        let made = speaking(&server, dialect).call("POST", &path).send().await;
        assert_eq!(
            made.text(),
            with_own(&example("enrollment_url"), made.text(), "url"),
            "{dialect}"
        );
    }
}

#[tokio::test]
async fn an_empty_list() {
    let server = TestServer::start().await;
    let path = format!("/v1/user_profiles/{}", crate::server::PROFILE);
    server.platform().delete(&path).await.ok();
    let empty = server.platform().get("/v1/user_profiles").await;
    assert_eq!(empty.text(), example("list.empty"));
}

#[tokio::test]
async fn errors() {
    let server = TestServer::with(|options| options.rate_limit_rpm = Some(600)).await;
    put(&server, NORDLICHT, &nordlicht()).await;
    let list = "/v1/user_profiles";
    let profile = format!("{list}/{NORDLICHT}");
    let (platform, stranger) = (server.platform(), server.stranger());
    let legacy = platform.clone().speaking("2026-08-18");
    let keys: Vec<_> = (0..15).map(|key| format!(r#""k{key}":"v""#)).collect();
    let too_many = format!(r#"{{"metadata":{{{}}}}}"#, keys.join(","));
    for (name, reply) in [
        (
            "400.body-encoding",
            platform
                .call("POST", list)
                .header("content-encoding", "br")
                .json("{}")
                .send()
                .await,
        ),
        (
            "400.cursor",
            platform.get(&format!("{list}?page=page_x")).await,
        ),
        (
            "400.field-in-wrong-dialect",
            platform.post(list, r#"{"external_id":"a"}"#).await,
        ),
        (
            "400.filter-in-legacy-dialect",
            legacy
                .get(&format!("{list}?enforcement_status[]=banned"))
                .await,
        ),
        ("400.limit", platform.get(&format!("{list}?limit=0")).await),
        (
            "400.metadata-merge",
            platform.post(&profile, &too_many).await,
        ),
        (
            "400.metadata-value",
            platform.post(list, r#"{"metadata":{"plan":""}}"#).await,
        ),
        (
            "400.missing-version",
            platform
                .clone()
                .without("anthropic-version")
                .get(list)
                .await,
        ),
        (
            "400.null-detail",
            platform
                .post(&profile, r#"{"external_user_details":{"country":null}}"#)
                .await,
        ),
        ("400.order", platform.get(&format!("{list}?order=up")).await),
        (
            "400.unknown-beta",
            platform
                .clone()
                .with("anthropic-beta", "invalid-beta-name")
                .get(list)
                .await,
        ),
        (
            "400.unknown-field",
            platform.post(list, r#"{"nickname":"x"}"#).await,
        ),
        ("401.invalid-key", server.platform_with("x").get(list).await),
        ("401.missing-key", stranger.get(list).await),
        ("403.key-kind", server.administrator().get(list).await),
        (
            "403.workspace",
            platform
                .clone()
                .with("anthropic-workspace-id", "wrkspc_x")
                .get(list)
                .await,
        ),
        ("404.path", platform.get("/v1/nothing").await),
        (
            "404.profile",
            platform.get(&format!("{list}/uprof_unknown")).await,
        ),
        ("405.method", platform.call("PATCH", list).send().await),
        (
            "413.body",
            platform.post(list, &" ".repeat(1_048_577)).await,
        ),
    ] {
        let expected: serde_json::Value =
            serde_json::from_str(&example(&format!("error.{name}"))).unwrap();
        let answered = reply.json();
        assert_eq!(
            answered["error"]["type"], expected["error"]["type"],
            "{name}"
        );
        assert_eq!(
            answered["error"].get("details"),
            expected["error"].get("details"),
            "{name}"
        );
        let status: u16 = name[..3].parse().unwrap();
        assert_eq!(reply.status.as_u16(), status, "{name}");
        let members = |value: &serde_json::Value| {
            value
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(members(&answered), members(&expected), "{name}");
        assert_eq!(
            members(&answered["error"]),
            members(&expected["error"]),
            "{name}"
        );
    }
}
