//! What is kept when a server ends, and what it answers when its storage has.

use std::sync::Arc;

use rollcall_domain::id::Ids;
use rollcall_domain::page::Limit;
use rollcall_domain::tenant::OperatorProof;

use crate::server::{NOW, TestServer, at};
use crate::storage::Place;

const PROFILES: &str = "/v1/user_profiles";

#[tokio::test]
async fn a_server_that_ends_keeps_everything_and_when_keys_were_used() {
    let place = Place::new().await;
    let start = |seed| {
        let place = place.clone();
        TestServer::with(move |options| {
            options.place = Some(place);
            options.seed = seed;
        })
    };
    let server = start(1).await;
    let id = server.create(r#"{"name":"Kept"}"#).await;
    server.stop().await;

    let store = place.open(Arc::new(Ids::default())).await;
    let proof = OperatorProof::of_storage_access();
    let operators = store.list_keys(proof, None, None, Limit::DEFAULT).await;
    assert_eq!(operators.unwrap().items[0].last_used_at, None);
    let organization = rollcall_domain::id::OrganizationId::parse(crate::server::ORGANIZATION);
    let keys = store
        .list_keys(proof, Some(&organization.unwrap()), None, Limit::DEFAULT)
        .await
        .unwrap();
    let used = keys.items.iter().filter(|key| key.last_used_at.is_some());
    let used: Vec<_> = used
        .map(|key| (key.id.as_str(), key.last_used_at))
        .collect();
    assert_eq!(used, [("apikey_bound", Some(at(NOW)))]);
    drop(store);

    let server = start(2).await;
    let kept = server.platform().get(&format!("{PROFILES}/{id}")).await;
    assert_eq!(kept.ok()["name"], "Kept");
}

#[tokio::test]
async fn a_write_that_storage_does_not_take_is_529_and_worth_trying_again() {
    let server = TestServer::start().await;
    server.platform().get(PROFILES).await.ok();
    server.store.close().await;
    let refused = server.platform().post(PROFILES, "{}").await;
    insta::assert_snapshot!(refused, @r#"
    529
    anthropic-organization-id: 0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11
    anthropic-workspace-id: wrkspc_011CZkZaBF1tNoB5wlCeusgy
    cache-control: no-store
    content-type: application/json
    request-id: req_011ChEJeR5DXK7cfKKwnQ5tu
    retry-after-ms: 1000
    retry-after: 1
    x-content-type-options: nosniff
    x-should-retry: true

    {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_011ChEJeR5DXK7cfKKwnQ5tu"}
    "#);
}
