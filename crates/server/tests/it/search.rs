//! The operator's search, the whole record, and the dialect lens.

use insta::assert_snapshot;

use crate::fixtures::every_dialect;
use crate::server::{ORGANIZATION, OTHER_PROFILE, PROFILE, TestServer};

const SEARCH: &str = "/operator/v1/user_profiles";

#[tokio::test]
async fn every_filter_finds_what_it_names() {
    let server = TestServer::start().await;
    let ana = server
        .create(r#"{"name":"Ana","access_type":"passthrough","external_user_details":{"country":"PT","email_hash":"h1","reference_id":"r1"}}"#)
        .await;
    let ban = r#"{"type":"ban","reason":"high_harm"}"#;
    server
        .operator()
        .post(&format!("{SEARCH}/{ana}/enforcement_actions"), ban)
        .await
        .ok();
    server
        .operator()
        .put(
            &format!("{SEARCH}/{ana}/programs/cyber"),
            r#"{"status":"pending"}"#,
        )
        .await
        .ok();
    let mut shown = String::new();
    for query in [
        "",
        &format!("organization_id={ORGANIZATION}"),
        "external_id=r1",
        "reference_id=r1",
        "email_hash=h1",
        "name_prefix=an",
        "country=PT",
        "access_type=passthrough",
        "enforcement_status=banned",
        "enforcement_status=pending&enforcement_status=banned",
        "enforcement_status[]=restricted&enforcement_status[]=pending",
        "program=cyber",
        "program=cyber&program_status=active",
        "created_after=2026-10-01T00:00:00Z",
        "created_before=2026-10-01T00:00:00Z",
        "external_id=r1&country=DE",
    ] {
        let page = server
            .operator()
            .get(&format!("{SEARCH}?{query}"))
            .await
            .ok();
        let data = page["data"].as_array().unwrap();
        let found = data
            .iter()
            .map(|profile| match profile["id"].as_str().unwrap() {
                PROFILE => "seeded",
                OTHER_PROFILE => "neighbour",
                _ => "ana",
            });
        shown.push_str(&format!(
            "{query}: {}\n",
            found.collect::<Vec<_>>().join(" ")
        ));
    }
    for query in [
        "program_status=active",
        "country=pt",
        "name=x",
        "=x",
        "created_after=today",
    ] {
        let reply = server.operator().get(&format!("{SEARCH}?{query}")).await;
        shown.push_str(&format!("{query}: {}\n", reply.error()));
    }
    assert_snapshot!(shown, @"
    : ana seeded neighbour
    organization_id=0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11: ana seeded
    external_id=r1: ana
    reference_id=r1: ana
    email_hash=h1: ana
    name_prefix=an: ana
    country=PT: ana
    access_type=passthrough: ana
    enforcement_status=banned: ana
    enforcement_status=pending&enforcement_status=banned: ana
    enforcement_status[]=restricted&enforcement_status[]=pending: 
    program=cyber: ana
    program=cyber&program_status=active: 
    created_after=2026-10-01T00:00:00Z: ana
    created_before=2026-10-01T00:00:00Z: seeded neighbour
    external_id=r1&country=DE: 
    program_status=active: 400 invalid_request_error: program: is required beside program_status
    country=pt: 400 invalid_request_error: country: must be two upper-case ASCII letters
    name=x: 400 invalid_request_error: name: unknown query parameter
    =x: 400 invalid_request_error: (empty name): unknown query parameter
    created_after=today: 400 invalid_request_error: created_after: must be an RFC 3339 date-time with an offset, such as 2026-03-15T10:00:00Z
    ");
}

#[tokio::test]
async fn the_lens_shows_a_profile_as_each_dialect_does() {
    let server = TestServer::start().await;
    let operator = server.operator();
    let path = format!("{SEARCH}/{PROFILE}");
    operator
        .put(
            &format!("{path}/programs/cyber"),
            r#"{"status":"active","tiers":{"a":"active"}}"#,
        )
        .await
        .ok();
    let restriction = r#"{"type":"restriction","reason":"fraud_or_abuse","action":"verify"}"#;
    operator
        .post(&format!("{path}/enforcement_actions"), restriction)
        .await
        .ok();
    assert_snapshot!(operator.get(&path).await.text(), @r#"{"type":"user_profile","organization_id":"0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11","id":"uprof_011CZkZCu8hGbp5mYRQgUmz9","created_at":"2026-03-15T10:00:00Z","updated_at":"2026-11-20T14:03:27.650118Z","access_type":"application","relationship":"external","name":"Example User","external_id":null,"external_user_onboarded_at":null,"external_user_details":{"account_status":null,"country":null,"email_hash":null,"entity_type":null,"name_hash":null,"onboarded_at":null,"reference_id":null},"metadata":{},"trust_grants":{"cyber":{"status":"active"}},"programs":{"cyber":{"requirements":{"data_retention":false,"human_review":false},"status":"active","tiers":{"a":{"status":"active"},"b":{"status":"inactive"},"c":{"status":"inactive"}}},"efs":null},"enforcement_status":"restricted","enforcement_actions":[{"id":"enac_011ChEJeR5DXK4mqh2HuedfC","action":"verify","expires_at":null,"opened_at":"2026-11-20T14:03:27.650118Z","reason":"fraud_or_abuse","type":"restriction","user_profile_id":"uprof_011CZkZCu8hGbp5mYRQgUmz9","identity_check":null,"resolved_at":null,"resolution":null}],"google_data_controls":{"bucket_label_value":"bb0e35d04ebaea820f7130d2764325cb","cmek":{"retired_keys":[],"type":"disabled"},"storage":{"retired_buckets":[],"type":"disabled"},"type":"google_managed_data_controls","updated_at":"2026-03-15T10:00:00Z","user_profile_id":"uprof_011CZkZCu8hGbp5mYRQgUmz9"},"enrollments":[]}"#);
    for dialect in every_dialect() {
        let through = operator.get(&format!("{path}?as={dialect}")).await;
        let own = server
            .platform()
            .speaking(dialect)
            .get(&format!("/v1/user_profiles/{PROFILE}"))
            .await;
        assert_eq!(through.text(), own.text(), "{dialect}");
    }
    // Checked by hand: what an upgrade from the oldest dialect to the newest changes.
    assert_snapshot!(operator.get(&format!("{path}?as=2026-03-24")).await.text(), @r#"{"id":"uprof_011CZkZCu8hGbp5mYRQgUmz9","created_at":"2026-03-15T10:00:00Z","metadata":{},"relationship":"external","trust_grants":{"cyber":{"status":"active"}},"type":"user_profile","updated_at":"2026-11-20T14:03:27.650118Z","external_id":null,"name":"Example User"}"#);
    assert_snapshot!(operator.get(&format!("{path}?as=ga")).await.text(), @r#"{"id":"uprof_011CZkZCu8hGbp5mYRQgUmz9","access_type":"application","created_at":"2026-03-15T10:00:00Z","enforcement_actions":[{"id":"enac_011ChEJeR5DXK4mqh2HuedfC","action":"verify","expires_at":null,"opened_at":"2026-11-20T14:03:27.650118Z","reason":"fraud_or_abuse","type":"restriction"}],"enforcement_status":"restricted","external_user_details":{"account_status":null,"country":null,"email_hash":null,"entity_type":null,"name_hash":null,"onboarded_at":null,"reference_id":null},"metadata":{},"name":"Example User","programs":{"cyber":{"requirements":{"data_retention":false,"human_review":false},"status":"active","tiers":{"a":{"status":"active"},"b":{"status":"inactive"},"c":{"status":"inactive"}}},"efs":null},"type":"user_profile","updated_at":"2026-11-20T14:03:27.650118Z"}"#);
    let unknown = operator.get(&format!("{path}?as=2020-01-01")).await;
    let names: Vec<_> = every_dialect().collect();
    assert_eq!(
        unknown.error(),
        format!(
            "400 invalid_request_error: as: must be one of: {}",
            names.join(", ")
        )
    );
    let missing = operator.get(&format!("{SEARCH}/uprof_unknown?as=ga")).await;
    assert_eq!(missing.status, 404);
}
