//! The operator's programs, and what each answer of the public API reports of them.

use insta::assert_snapshot;
use serde_json::json;

use crate::server::{PROFILE, TestServer};

fn program(name: &str) -> String {
    format!("/operator/v1/user_profiles/{PROFILE}/programs/{name}")
}

fn profile() -> String {
    format!("/v1/user_profiles/{PROFILE}")
}

#[tokio::test]
async fn get_tells_programs_in_full_and_the_others_in_summary() {
    let server = TestServer::start().await;
    let operator = server.operator();
    let cyber =
        r#"{"status":"active","tiers":{"a":"active"},"requirements":{"data_retention":true}}"#;
    operator.put(&program("cyber"), cyber).await.ok();
    operator
        .put(
            &program("efs"),
            r#"{"status":"pending","features":{"cmek":"active"}}"#,
        )
        .await
        .ok();
    let record = operator
        .put(&program("beta-lab"), r#"{"status":"rejected"}"#)
        .await;
    assert_snapshot!(record.text(), @r#"{"type":"user_profile","organization_id":"0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11","id":"uprof_011CZkZCu8hGbp5mYRQgUmz9","created_at":"2026-03-15T10:00:00Z","updated_at":"2026-11-20T14:03:27.650120Z","access_type":"application","relationship":"external","name":"Example User","external_id":null,"external_user_onboarded_at":null,"external_user_details":{"account_status":null,"country":null,"email_hash":null,"entity_type":null,"name_hash":null,"onboarded_at":null,"reference_id":null},"metadata":{},"trust_grants":{"cyber":{"status":"active"},"beta-lab":{"status":"rejected"}},"programs":{"cyber":{"requirements":{"data_retention":true,"human_review":false},"status":"active","tiers":{"a":{"status":"active"},"b":{"status":"inactive"},"c":{"status":"inactive"}}},"efs":{"features":{"data_retention_exemption":{"status":"inactive"},"cmek":{"status":"active"},"storage":{"status":"inactive"}},"status":"pending"},"beta-lab":{"status":"rejected"}},"enforcement_status":"unrestricted","enforcement_actions":[]}"#);
    let platform = server.platform();
    let get = platform.get(&profile()).await.ok();
    assert_snapshot!(get["programs"], @r#"{"cyber":{"requirements":{"data_retention":true,"human_review":false},"status":"active","tiers":{"a":{"status":"active"},"b":{"status":"inactive"},"c":{"status":"inactive"}}},"efs":{"features":{"data_retention_exemption":{"status":"inactive"},"cmek":{"status":"active"},"storage":{"status":"inactive"}},"status":"pending"},"beta-lab":{"status":"rejected"}}"#);
    let updated = platform.post(&profile(), "{}").await.ok();
    assert_snapshot!(updated["programs"], @r#"{"cyber":{"requirements":null,"status":"active","tiers":{}},"efs":null,"beta-lab":{"status":"rejected"}}"#);
    let listed = platform.get("/v1/user_profiles").await.ok();
    assert_eq!(listed["data"][0]["programs"], updated["programs"]);
    let legacy = server
        .platform()
        .speaking("2026-09-04")
        .get(&profile())
        .await
        .ok();
    assert_snapshot!(legacy["trust_grants"], @r#"{"cyber":{"status":"active"},"beta-lab":{"status":"rejected"}}"#);
}

#[tokio::test]
async fn a_status_moves_updated_at_and_anything_else_does_not() {
    let server = TestServer::start().await;
    let operator = server.operator();
    let updated_at = async || server.platform().get(&profile()).await.ok()["updated_at"].clone();
    let before = updated_at().await;
    operator
        .put(&program("cyber"), r#"{"status":"active"}"#)
        .await
        .ok();
    let after = updated_at().await;
    assert_ne!(before, after);
    server.clock.advance(std::time::Duration::from_secs(5));
    operator
        .put(
            &program("cyber"),
            r#"{"status":"active","tiers":{"b":"active"}}"#,
        )
        .await
        .ok();
    assert_eq!(updated_at().await, after);
    operator.delete(&program("cyber")).await.ok();
    assert_eq!(updated_at().await, json!("2026-11-20T14:03:32.650118Z"));
    operator.delete(&program("cyber")).await.ok();
    assert_eq!(updated_at().await, json!("2026-11-20T14:03:32.650118Z"));
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let server = TestServer::start().await;
    let mut shown = String::new();
    for (name, body) in [
        ("cyber", "{}"),
        ("cyber", r#"{"status":"done"}"#),
        ("cyber", r#"{"status":"pending","tiers":{"a":"active"}}"#),
        (
            "cyber",
            r#"{"status":"active","requirements":{"human_review":true}}"#,
        ),
        ("efs", r#"{"status":"active","tiers":{}}"#),
        ("beta-lab", r#"{"status":"active","features":{}}"#),
        ("Beta", r#"{"status":"active"}"#),
    ] {
        let reply = server.operator().put(&program(name), body).await;
        shown.push_str(&format!("{name} {body}\n    {}\n", reply.error()));
    }
    assert_snapshot!(shown, @r#"
    cyber {}
        400 invalid_request_error: status: is required
    cyber {"status":"done"}
        400 invalid_request_error: status: must be one of: active, pending, rejected
    cyber {"status":"pending","tiers":{"a":"active"}}
        400 invalid_request_error: status: must be active while a tier is active
    cyber {"status":"active","requirements":{"human_review":true}}
        400 invalid_request_error: requirements: need an active tier
    efs {"status":"active","tiers":{}}
        400 invalid_request_error: tiers: Extra inputs are not permitted
    beta-lab {"status":"active","features":{}}
        400 invalid_request_error: features: Extra inputs are not permitted
    Beta {"status":"active"}
        400 invalid_request_error: name: must be a program name: 1 to 64 characters from a-z, 0-9, _ and -
    "#);
}
