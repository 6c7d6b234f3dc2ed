//! Create, get, update and delete of profiles.

use insta::assert_snapshot;

use crate::fixtures::dialects_with_examples;
use crate::server::{PROFILE, TestServer};

const PROFILES: &str = "/v1/user_profiles";

fn path(id: &str) -> String {
    format!("{PROFILES}/{id}")
}

#[tokio::test]
async fn a_create_answers_with_the_profile_and_every_header() {
    let server = TestServer::start().await;
    let body = r#"{"name":"Ana Ferreira","metadata":{"plan":"team"},"external_user_details":{"country":"PT","reference_id":"user_4410"}}"#;
    let created = server.platform().post(PROFILES, body).await;
    assert_snapshot!(created, @r#"
    200
    anthropic-organization-id: 0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11
    anthropic-workspace-id: wrkspc_011CZkZaBF1tNoB5wlCeusgy
    cache-control: no-store
    content-type: application/json
    request-id: req_011ChEJeR5DXK7L4Xj38Ud9M
    x-content-type-options: nosniff

    {"id":"uprof_011ChEJeR5DXK7cfKKwnQ5tu","access_type":"application","created_at":"2026-11-20T14:03:27.650118Z","enforcement_actions":[],"enforcement_status":"unrestricted","external_user_details":{"account_status":null,"country":"PT","email_hash":null,"entity_type":null,"name_hash":null,"onboarded_at":null,"reference_id":"user_4410"},"metadata":{"plan":"team"},"name":"Ana Ferreira","programs":{"cyber":null,"efs":null},"type":"user_profile","updated_at":"2026-11-20T14:03:27.650118Z"}
    "#);
    let id = created.string("id");
    let read = server.platform().get(&path(&id)).await;
    assert_eq!(read.body, created.body);
}

#[tokio::test]
async fn an_update_merges_and_moves_updated_at_only_when_something_changes() {
    let server = TestServer::start().await;
    let id = server
        .create(r#"{"name":"A","metadata":{"plan":"team","region":"eu"}}"#)
        .await;
    let change = r#"{"metadata":{"seats":"40","region":""},"access_type":"passthrough"}"#;
    let changed = server.platform().post(&path(&id), change).await;
    assert_snapshot!(changed.text(), @r#"{"id":"uprof_011ChEJeR5DXK7cfKKwnQ5tu","access_type":"passthrough","created_at":"2026-11-20T14:03:27.650118Z","enforcement_actions":[],"enforcement_status":"unrestricted","external_user_details":{"account_status":null,"country":null,"email_hash":null,"entity_type":null,"name_hash":null,"onboarded_at":null,"reference_id":null},"metadata":{"plan":"team","seats":"40"},"name":"A","programs":{"cyber":null,"efs":null},"type":"user_profile","updated_at":"2026-11-20T14:03:27.650119Z"}"#);
    let again = server.platform().post(&path(&id), change).await;
    assert_eq!(again.body, changed.body);
    let nothing = server.platform().post(&path(&id), "{}").await;
    assert_eq!(nothing.body, changed.body);
}

#[tokio::test]
async fn a_refused_update_changes_nothing() {
    let server = TestServer::start().await;
    let keys: Vec<_> = (0..16).map(|key| format!(r#""k{key}":"v""#)).collect();
    let full = format!(r#"{{"metadata":{{{}}}}}"#, keys.join(","));
    let id = server.create(&full).await;
    let before = server.platform().get(&path(&id)).await;
    let refused = server
        .platform()
        .post(&path(&id), r#"{"name":"New","metadata":{"one_more":"v"}}"#)
        .await;
    assert_snapshot!(refused.error(), @"400 invalid_request_error: metadata: would hold 17 keys after this update; at most 16 are allowed");
    assert_eq!(server.platform().get(&path(&id)).await.body, before.body);
    let replaced = r#"{"metadata":{"one_more":"v","k0":""}}"#;
    assert_eq!(
        server.platform().post(&path(&id), replaced).await.status,
        200
    );
}

#[tokio::test]
async fn a_deleted_profile_is_gone_from_every_endpoint() {
    let server = TestServer::start().await;
    let platform = server.platform();
    assert_snapshot!(platform.delete(&path(PROFILE)).await, @r#"
    200
    anthropic-organization-id: 0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11
    anthropic-workspace-id: wrkspc_011CZkZaBF1tNoB5wlCeusgy
    cache-control: no-store
    content-type: application/json
    request-id: req_011ChEJeR5DXK7L4Xj38Ud9M
    x-content-type-options: nosniff

    {"id":"uprof_011CZkZCu8hGbp5mYRQgUmz9","type":"user_profile_deleted"}
    "#);
    let missing = platform.get(&path("uprof_011Cnever")).await.error();
    for reply in [
        platform.delete(&path(PROFILE)).await,
        platform.get(&path(PROFILE)).await,
        platform.post(&path(PROFILE), "{}").await,
        platform
            .post(
                &format!("{}/action_urls", path(PROFILE)),
                r#"{"action":{"type":"enroll_end_user"}}"#,
            )
            .await,
    ] {
        assert_eq!(reply.error(), missing);
    }
    assert_eq!(
        platform.get(PROFILES).await.text(),
        r#"{"data":[],"next_page":null}"#
    );
}

#[tokio::test]
async fn every_id_that_is_not_there_is_answered_alike() {
    let server = TestServer::start().await;
    let too_long = format!("uprof_{}", "a".repeat(200));
    for id in [
        "uprof_011Cnever",
        "user_1",
        "UPROF_1",
        "uprof_",
        "%20",
        "uprof_a%2Fb",
        "uprof_%FF",
        "uprof_%E2%82%AC",
        "import",
        &too_long,
    ] {
        let reply = server.platform().get(&path(id)).await;
        assert_eq!(
            reply.error(),
            "404 not_found_error: The requested user profile was not found.",
            "{id}"
        );
    }
}

#[tokio::test]
async fn a_profile_written_in_one_dialect_is_read_in_every_other() {
    let server = TestServer::start().await;
    let oldest = server.platform().speaking("2026-03-24");
    let body = r#"{"relationship":"internal","external_id":"acct_1","name":"N"}"#;
    let id = oldest.post(PROFILES, body).await.string("id");
    let newest = server.platform();
    // Writing back what was read must not destroy what the older client stated.
    let back = r#"{"access_type":"application","external_user_details":{"country":"DE"}}"#;
    assert_eq!(newest.post(&path(&id), back).await.status, 200);
    let mut shown = String::new();
    for dialect in dialects_with_examples() {
        let reply = server.platform().speaking(dialect).get(&path(&id)).await;
        shown.push_str(&format!("{dialect}: {}\n", reply.text()));
    }
    assert_snapshot!(shown, @r#"
    2026-03-24: {"id":"uprof_011ChEJeR5DXK7cfKKwnQ5tu","created_at":"2026-11-20T14:03:27.650118Z","metadata":{},"relationship":"internal","trust_grants":{},"type":"user_profile","updated_at":"2026-11-20T14:03:27.650119Z","external_id":"acct_1","name":"N"}
    2026-08-18: {"id":"uprof_011ChEJeR5DXK7cfKKwnQ5tu","created_at":"2026-11-20T14:03:27.650118Z","metadata":{},"name":"N","trust_grants":{},"type":"user_profile","updated_at":"2026-11-20T14:03:27.650119Z","access_type":"application","external_id":"acct_1","external_user_onboarded_at":null}
    2026-09-04: {"id":"uprof_011ChEJeR5DXK7cfKKwnQ5tu","created_at":"2026-11-20T14:03:27.650118Z","metadata":{},"name":"N","trust_grants":{},"type":"user_profile","updated_at":"2026-11-20T14:03:27.650119Z","access_type":"application","external_user_details":{"account_status":null,"country":"DE","email_hash":null,"entity_type":null,"name_hash":null,"onboarded_at":null,"reference_id":"acct_1"}}
    ga: {"id":"uprof_011ChEJeR5DXK7cfKKwnQ5tu","access_type":"application","created_at":"2026-11-20T14:03:27.650118Z","enforcement_actions":[],"enforcement_status":"unrestricted","external_user_details":{"account_status":null,"country":"DE","email_hash":null,"entity_type":null,"name_hash":null,"onboarded_at":null,"reference_id":"acct_1"},"metadata":{},"name":"N","programs":{"cyber":null,"efs":null},"type":"user_profile","updated_at":"2026-11-20T14:03:27.650119Z"}
    "#);
}

#[tokio::test]
async fn concurrent_updates_of_one_profile_lose_nothing() {
    let server = TestServer::start().await;
    let id = server.create("{}").await;
    let mut tasks = tokio::task::JoinSet::new();
    for key in 0..16 {
        let (platform, path) = (server.platform(), path(&id));
        tasks.spawn(async move {
            let body = format!(r#"{{"metadata":{{"k{key:02}":"v"}}}}"#);
            platform.post(&path, &body).await.status
        });
    }
    while let Some(status) = tasks.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
    let profile = server.platform().get(&path(&id)).await.ok();
    assert_eq!(profile["metadata"].as_object().unwrap().len(), 16);
}
