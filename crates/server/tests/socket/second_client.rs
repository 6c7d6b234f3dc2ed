//! The crate `claude-api`, which knows the API from its public documentation alone: it sends and reads
//! what its authors think is right.

use std::collections::HashSet;

use claude_api::Client;
use claude_api::error::Error;
use claude_api::user_profiles::{
    CreateUserProfileRequest, ListOrder, ListUserProfilesParams, TrustGrantStatus,
    UpdateUserProfileRequest,
};
use serde_json::json;

use crate::passing;
use crate::support::client;
use crate::support::program::Program;

const OPERATOR_KEY: &str = "operator-of-the-second-client";

#[tokio::test]
async fn an_independent_client_finds_every_method_it_offers() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["dev", "--auto-tenants", "--operator-key", OPERATOR_KEY];
    let program = passing::start(&arguments, &directory.path().join("log"));
    let client = second_client(&program, "test-second-client");
    let profiles = client.user_profiles();

    let request = CreateUserProfileRequest::new()
        .external_id("acct_88213")
        .metadata_entry("plan", "team")
        .metadata_entry("region", "eu-north");
    let created = profiles.create(request).await.unwrap();
    assert_eq!(created.kind, "user_profile");
    assert_eq!(created.external_id.as_deref(), Some("acct_88213"));
    assert_eq!(created.metadata["region"], "eu-north");
    assert_eq!(created.created_at, created.updated_at);
    assert_eq!(profiles.get(&created.id).await.unwrap(), created);

    let change = UpdateUserProfileRequest::new()
        .external_id("acct_9")
        .set_metadata("seats", "40")
        .remove_metadata("region");
    let updated = profiles.update(&created.id, change).await.unwrap();
    assert_eq!(updated.external_id.as_deref(), Some("acct_9"));
    let metadata = [("plan", "team"), ("seats", "40")];
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(updated.metadata, metadata.into());

    let enrollment = profiles.create_enrollment_url(&created.id).await.unwrap();
    assert_eq!(enrollment.kind, "enrollment_url");
    let page = reqwest::Url::parse(&enrollment.url).unwrap();
    assert!(
        page.path().starts_with("/user-profiles/enrollment/"),
        "{page}"
    );

    let path = format!("/operator/v1/user_profiles/{}/programs/cyber", created.id);
    let pending = json!({"status": "pending"});
    client::Client::new(program.address, OPERATOR_KEY).ok("PUT", &path, "ga", Some(&pending));
    let granted = profiles.get(&created.id).await.unwrap();
    assert_eq!(
        granted.trust_grants["cyber"].status,
        TrustGrantStatus::Pending
    );
}

#[tokio::test]
async fn an_independent_client_walks_every_page_in_both_orders() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["dev", "--auto-tenants"];
    let program = passing::start(&arguments, &directory.path().join("log"));
    let client = second_client(&program, "test-walk");
    let profiles = client.user_profiles();
    let mut created = Vec::new();
    for number in 0..9 {
        let request = CreateUserProfileRequest::new().external_id(format!("acct_{number}"));
        created.push(profiles.create(request).await.unwrap());
    }
    for order in [ListOrder::Asc, ListOrder::Desc] {
        let (mut listed, mut sizes) = (Vec::new(), Vec::new());
        let mut params = ListUserProfilesParams::default().limit(3).order(order);
        loop {
            let page = profiles.list(params.clone()).await.unwrap();
            let next = page.next_cursor().map(ToOwned::to_owned);
            sizes.push(page.data.len());
            listed.extend(page.data);
            match next {
                Some(next) => params = params.page(next),
                None => break,
            }
        }
        if order == ListOrder::Desc {
            listed.reverse();
        }
        assert_eq!(listed, created);
        assert_eq!(sizes, [3, 3, 3], "no empty page at the end");
    }
    let ids: HashSet<_> = created.iter().map(|profile| &profile.id).collect();
    assert_eq!(ids.len(), created.len());
}

#[tokio::test]
async fn an_independent_client_understands_the_errors() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["dev", "--auto-tenants"];
    let program = passing::start(&arguments, &directory.path().join("log"));
    let stranger = second_client(&program, "sk-nobody");
    let client = second_client(&program, "test-errors");
    let too_many = ListUserProfilesParams::default().limit(101);
    let not_a_cursor = ListUserProfilesParams::default().page("page_invented");
    let errors = [
        (
            client.user_profiles().get("uprof_unknown").await.map(drop),
            404,
        ),
        (client.user_profiles().list(too_many).await.map(drop), 400),
        (
            client.user_profiles().list(not_a_cursor).await.map(drop),
            400,
        ),
        (
            stranger
                .user_profiles()
                .get("uprof_unknown")
                .await
                .map(drop),
            401,
        ),
    ];
    for (error, expected) in errors {
        let Err(Error::Api {
            status,
            request_id,
            message,
            ..
        }) = error
        else {
            panic!("{expected}: {error:?}");
        };
        assert_eq!(status.as_u16(), expected, "{message}");
        assert!(request_id.unwrap().starts_with("req_"));
    }
}

fn second_client(program: &Program, key: &str) -> Client {
    // Its HTTP client wants one even where nothing is encrypted; only the first is taken.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .api_key(key)
        .base_url(format!("http://{}", program.address));
    client.build().unwrap()
}
