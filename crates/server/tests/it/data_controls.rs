//! The end customer's keys and buckets, as a platform reaches them (contract `data-controls.md`).

use insta::assert_snapshot;
use rollcall_domain::data_controls::Validator;

use crate::client::{Client, Reply};
use crate::server::{OTHER_PROFILE, PROFILE, TestServer};

const BETAS: &str = "user-profiles-2026-09-04,google-managed-data-controls-2026-09-01";

fn path(id: &str) -> String {
    format!("/v1/user_profiles/{id}/providers/google/data_controls")
}

fn platform(server: &TestServer) -> Client {
    server.platform().with("anthropic-beta", BETAS)
}

async fn update(server: &TestServer, body: &str) -> Reply {
    platform(server).post(&path(PROFILE), body).await
}

async fn get(server: &TestServer) -> Reply {
    platform(server).get(&path(PROFILE)).await
}

#[tokio::test]
async fn every_profile_has_the_object_and_asking_for_it_changes_nothing() {
    let server = TestServer::start().await;
    let fresh = get(&server).await;
    assert_snapshot!(fresh.text(), @r#"{"bucket_label_value":"bb0e35d04ebaea820f7130d2764325cb","cmek":{"retired_keys":[],"type":"disabled"},"storage":{"retired_buckets":[],"type":"disabled"},"type":"google_managed_data_controls","updated_at":"2026-03-15T10:00:00Z","user_profile_id":"uprof_011CZkZCu8hGbp5mYRQgUmz9"}"#);
    assert_eq!(update(&server, "{}").await.text(), fresh.text());
    assert_eq!(get(&server).await.text(), fresh.text());
    let profile = server
        .platform()
        .get(&format!("/v1/user_profiles/{PROFILE}"))
        .await;
    assert_eq!(profile.ok()["created_at"], fresh.ok()["updated_at"]);
}

#[tokio::test]
async fn an_update_answers_with_the_whole_object() {
    let server = TestServer::start().await;
    let body = r#"{"cmek":{"type":"enabled","external_key_ids":{"us":"ekey_1","eu":"ekey_2","sg":null}},"storage":{"type":"enabled","buckets":{"global":{"bucket_name":"their-bucket","project_number":"123456789012"}}}}"#;
    let updated = update(&server, body).await;
    assert_snapshot!(updated.text(), @r#"{"bucket_label_value":"bb0e35d04ebaea820f7130d2764325cb","cmek":{"external_key_ids":{"us":"ekey_1","eu":"ekey_2"},"retired_keys":[],"status":{"us":{"effective_external_key_id":null,"error":null,"type":"pending"},"eu":{"effective_external_key_id":null,"error":null,"type":"pending"},"sg":{"effective_external_key_id":null,"type":"not_configured"},"global":{"effective_external_key_id":null,"type":"not_configured"}},"type":"enabled"},"storage":{"buckets":{"global":{"bucket_name":"their-bucket","kms_key_name":null,"location":null,"project_id":null,"project_number":"123456789012"}},"retired_buckets":[],"status":{"us":{"effective_bucket":null,"type":"not_configured"},"eu":{"effective_bucket":null,"type":"not_configured"},"sg":{"effective_bucket":null,"type":"not_configured"},"global":{"effective_bucket":null,"failed_checks":[],"type":"pending"}},"type":"enabled"},"type":"google_managed_data_controls","updated_at":"2026-11-20T14:03:27.650118Z","user_profile_id":"uprof_011CZkZCu8hGbp5mYRQgUmz9"}"#);
    assert_eq!(get(&server).await.text(), updated.text());
    let off = r#"{"cmek":{"type":"disabled"},"storage":{"type":"disabled"}}"#;
    assert_snapshot!(update(&server, off).await.text(), @r#"{"bucket_label_value":"bb0e35d04ebaea820f7130d2764325cb","cmek":{"retired_keys":[{"expires_at":"2026-12-20T14:03:27.650118Z","external_key_id":"ekey_1","region":"us"},{"expires_at":"2026-12-20T14:03:27.650118Z","external_key_id":"ekey_2","region":"eu"}],"type":"disabled"},"storage":{"retired_buckets":[{"bucket_name":"their-bucket","expires_at":"2026-12-20T14:03:27.650118Z","project_number":"123456789012","region":"global"}],"type":"disabled"},"type":"google_managed_data_controls","updated_at":"2026-11-20T14:03:27.650119Z","user_profile_id":"uprof_011CZkZCu8hGbp5mYRQgUmz9"}"#);
    let profile = server
        .platform()
        .get(&format!("/v1/user_profiles/{PROFILE}"))
        .await;
    let profile = profile.ok();
    assert_eq!(
        profile["created_at"], profile["updated_at"],
        "its own time stays"
    );
}

#[tokio::test]
async fn what_is_wrong_is_named_with_its_place() {
    let server = TestServer::start().await;
    let mut shown = String::new();
    for body in [
        "",
        "[]",
        r#"{"cmek":null}"#,
        r#"{"cmek":{}}"#,
        r#"{"cmek":{"type":"on"}}"#,
        r#"{"cmek":{"type":"disabled","external_key_ids":{}}}"#,
        r#"{"cmek":{"type":"enabled"}}"#,
        r#"{"cmek":{"type":"enabled","external_key_ids":null}}"#,
        r#"{"cmek":{"type":"enabled","external_key_ids":[]}}"#,
        r#"{"cmek":{"type":"enabled","external_key_ids":{"us":null}}}"#,
        r#"{"cmek":{"type":"enabled","external_key_ids":{"us":7}}}"#,
        r#"{"cmek":{"type":"enabled","external_key_ids":{"us":"key_1"}}}"#,
        r#"{"cmek":{"type":"enabled","external_key_ids":{"us-east1":"ekey_1"}}}"#,
        r#"{"cmek":{"type":"enabled","external_key_ids":{"us":"ekey_1","us":"ekey_2"}}}"#,
        r#"{"cmek":{"type":"enabled","external_key_ids":{"us":"ekey_1"},"retired_keys":[]}}"#,
        r#"{"storage":{"type":"enabled","buckets":null}}"#,
        r#"{"storage":{"type":"enabled"}}"#,
        r#"{"storage":{"type":"enabled","buckets":{"us":"b"}}}"#,
        r#"{"storage":{"type":"enabled","buckets":{"us":{"bucket_name":"abc"}}}}"#,
        r#"{"storage":{"type":"enabled","buckets":{"us":{"bucket_name":"AB","project_number":"1"}}}}"#,
        r#"{"storage":{"type":"enabled","buckets":{"us":{"bucket_name":"abc","project_number":1}}}}"#,
        r#"{"storage":{"type":"enabled","buckets":{"us":{"bucket_name":"abc","project_number":"1","location":"US"}}}}"#,
        r#"{"storage":{"type":"enabled","buckets":{"us":{"bucket_name":"abc","project_number":"1"},"eu":{"bucket_name":"abc","project_number":"1"}}}}"#,
        r#"{"bucket_label_value":"x"}"#,
        r#"{"type":"google_managed_data_controls"}"#,
    ] {
        let reply = update(&server, body).await;
        shown.push_str(&format!("{body}\n    {}\n", reply.error()));
    }
    assert_snapshot!(shown, @r#"
        400 invalid_request_error: The request body must be a JSON object.
    []
        400 invalid_request_error: The request body must be a JSON object.
    {"cmek":null}
        400 invalid_request_error: cmek: must not be null
    {"cmek":{}}
        400 invalid_request_error: cmek.type: is required
    {"cmek":{"type":"on"}}
        400 invalid_request_error: cmek.type: must be one of: disabled, enabled
    {"cmek":{"type":"disabled","external_key_ids":{}}}
        400 invalid_request_error: cmek.external_key_ids: Extra inputs are not permitted
    {"cmek":{"type":"enabled"}}
        400 invalid_request_error: cmek.external_key_ids: must leave at least one region with a key
    {"cmek":{"type":"enabled","external_key_ids":null}}
        400 invalid_request_error: cmek.external_key_ids: must leave at least one region with a key
    {"cmek":{"type":"enabled","external_key_ids":[]}}
        400 invalid_request_error: cmek.external_key_ids: must be an object
    {"cmek":{"type":"enabled","external_key_ids":{"us":null}}}
        400 invalid_request_error: cmek.external_key_ids: must leave at least one region with a key
    {"cmek":{"type":"enabled","external_key_ids":{"us":7}}}
        400 invalid_request_error: cmek.external_key_ids.us: must be a string
    {"cmek":{"type":"enabled","external_key_ids":{"us":"key_1"}}}
        400 invalid_request_error: cmek.external_key_ids.us: must be the ID of an external key: ekey_ and 1 to 122 characters from A-Z a-z 0-9 _ -
    {"cmek":{"type":"enabled","external_key_ids":{"us-east1":"ekey_1"}}}
        400 invalid_request_error: cmek.external_key_ids.us-east1: is no region; a region must be one of: us, eu, sg, global
    {"cmek":{"type":"enabled","external_key_ids":{"us":"ekey_1","us":"ekey_2"}}}
        400 invalid_request_error: cmek.external_key_ids.us: duplicate key
    {"cmek":{"type":"enabled","external_key_ids":{"us":"ekey_1"},"retired_keys":[]}}
        400 invalid_request_error: cmek.retired_keys: Extra inputs are not permitted
    {"storage":{"type":"enabled","buckets":null}}
        400 invalid_request_error: storage.buckets: must not be null
    {"storage":{"type":"enabled"}}
        400 invalid_request_error: storage.buckets: must leave at least one region with a bucket
    {"storage":{"type":"enabled","buckets":{"us":"b"}}}
        400 invalid_request_error: storage.buckets.us: must be an object
    {"storage":{"type":"enabled","buckets":{"us":{"bucket_name":"abc"}}}}
        400 invalid_request_error: storage.buckets.us.project_number: is required
    {"storage":{"type":"enabled","buckets":{"us":{"bucket_name":"AB","project_number":"1"}}}}
        400 invalid_request_error: storage.buckets.us.bucket_name: must be 3 to 222 characters from a-z 0-9 - _ .
    {"storage":{"type":"enabled","buckets":{"us":{"bucket_name":"abc","project_number":1}}}}
        400 invalid_request_error: storage.buckets.us.project_number: must be a string
    {"storage":{"type":"enabled","buckets":{"us":{"bucket_name":"abc","project_number":"1","location":"US"}}}}
        400 invalid_request_error: storage.buckets.us.location: Extra inputs are not permitted
    {"storage":{"type":"enabled","buckets":{"us":{"bucket_name":"abc","project_number":"1"},"eu":{"bucket_name":"abc","project_number":"1"}}}}
        400 invalid_request_error: storage.buckets.eu: serves another region already
    {"bucket_label_value":"x"}
        400 invalid_request_error: bucket_label_value: Extra inputs are not permitted
    {"type":"google_managed_data_controls"}
        400 invalid_request_error: type: Extra inputs are not permitted
    "#);
    // Whole or not at all.
    let half = r#"{"cmek":{"type":"enabled","external_key_ids":{"us":"ekey_1"}},"storage":{"type":"enabled"}}"#;
    assert_eq!(update(&server, half).await.status, 400);
    assert_eq!(get(&server).await.ok()["cmek"]["type"], "disabled");
}

#[tokio::test]
async fn checks_come_in_the_order_of_the_contract() {
    let server = TestServer::start().await;
    let client = platform(&server);
    let wrong = r#"{"cmek":7}"#;
    let unknown = path("uprof_nobody");
    let (bad_query, bad_version) = (format!("{unknown}?limit=1"), "2020-01-01");
    let both = client
        .clone()
        .without("anthropic-version")
        .with("anthropic-version", bad_version);
    let mut shown = String::new();
    for reply in [
        both.post(&bad_query, wrong).await,
        client.post(&bad_query, wrong).await,
        client.post(&unknown, wrong).await,
        // What needs the stored state comes after whether there is any.
        client
            .post(&unknown, r#"{"cmek":{"type":"enabled"}}"#)
            .await,
        client.post(&path(OTHER_PROFILE), "{}").await,
        client.get(&path("not-an-id")).await,
        client.call("DELETE", &path(PROFILE)).send().await,
        client.call("PUT", &path(PROFILE)).send().await,
    ] {
        shown.push_str(&format!("{}\n", reply.error()));
    }
    assert_snapshot!(shown, @r#"
    400 invalid_request_error: anthropic-version: "2020-01-01" is not a supported version; use "2023-06-01" or "2026-10-21"
    400 invalid_request_error: limit: unknown query parameter
    400 invalid_request_error: cmek: must be an object
    404 not_found_error: The requested user profile was not found.
    404 not_found_error: The requested user profile was not found.
    404 not_found_error: The requested user profile was not found.
    405 invalid_request_error: Method not allowed
    405 invalid_request_error: Method not allowed
    "#);
}

#[tokio::test]
async fn an_organization_that_is_not_approved_switches_nothing_on() {
    let server = TestServer::start().await;
    let on = r#"{"cmek":{"type":"enabled","external_key_ids":{"us":"ekey_1"}}}"#;
    assert_eq!(update(&server, on).await.status, 200);
    let organization = format!("/operator/v1/organizations/{}", crate::server::ORGANIZATION);
    let switched = server
        .operator()
        .post(&organization, r#"{"data_controls":"not_approved"}"#)
        .await;
    assert_eq!(switched.ok()["data_controls"], "not_approved");
    let mut shown = String::new();
    for (id, body) in [
        (PROFILE, on),
        (PROFILE, r#"{"cmek":{"type":"enabled"}}"#),
        (
            PROFILE,
            r#"{"storage":{"type":"enabled","buckets":{"us":{"bucket_name":"abc","project_number":"1"}}}}"#,
        ),
        (
            PROFILE,
            r#"{"cmek":{"type":"disabled"},"storage":{"type":"enabled"}}"#,
        ),
        ("uprof_nobody", on),
    ] {
        let reply = platform(&server).post(&path(id), body).await;
        shown.push_str(&format!("{}\n", reply.error()));
    }
    assert_snapshot!(shown, @"
    400 invalid_request_error [cmek_not_approved]: cmek: this organization is not approved for it; the operator of this server approves organizations
    400 invalid_request_error [cmek_not_approved]: cmek: this organization is not approved for it; the operator of this server approves organizations
    400 invalid_request_error [storage_not_approved]: storage: this organization is not approved for it; the operator of this server approves organizations
    400 invalid_request_error [storage_not_approved]: storage: this organization is not approved for it; the operator of this server approves organizations
    404 not_found_error: The requested user profile was not found.
    ");
    assert_eq!(
        get(&server).await.ok()["cmek"]["type"],
        "enabled",
        "what is on stays on"
    );
    assert_eq!(update(&server, "{}").await.status, 200);
    let off = update(&server, r#"{"cmek":{"type":"disabled"}}"#).await;
    assert_eq!(off.ok()["cmek"]["type"], "disabled");
}

#[tokio::test]
async fn without_enrollment_links_a_profile_is_answered_like_an_unknown_one() {
    let server = TestServer::start().await;
    let client = server.platform();
    let body = r#"{"action":{"type":"enroll_end_user"}}"#;
    let urls = |id: &str| format!("/v1/user_profiles/{id}/action_urls");
    let made = client.post(&urls(PROFILE), body).await;
    let link = made.string("url");
    let organization = format!("/operator/v1/organizations/{}", crate::server::ORGANIZATION);
    let switched = server
        .operator()
        .post(&organization, r#"{"enrollment_links":"disabled"}"#)
        .await;
    assert_eq!(switched.ok()["enrollment_links"], "disabled");
    let refused = client.post(&urls(PROFILE), body).await;
    let unknown = client.post(&urls("uprof_nobody"), body).await;
    assert_eq!(refused.error(), unknown.error());
    assert_eq!(
        refused.error(),
        "404 not_found_error: The requested user profile was not found."
    );
    // A body that does not fit is told before.
    assert_eq!(client.post(&urls(PROFILE), "{}").await.status, 400);
    let legacy = server.platform().speaking("2026-03-24");
    let legacy = legacy
        .post(&format!("/v1/user_profiles/{PROFILE}/enrollment_url"), "{}")
        .await;
    assert_eq!(legacy.error(), unknown.error());
    // Links that were made work on.
    let link = link.split_once("/user-profiles").unwrap().1;
    let page = server
        .stranger()
        .get(&format!("/user-profiles{link}"))
        .await;
    assert_eq!(page.status, 200);
    server
        .operator()
        .post(&organization, r#"{"enrollment_links":"enabled"}"#)
        .await;
    assert_eq!(client.post(&urls(PROFILE), body).await.status, 200);
}

#[tokio::test]
async fn without_anybody_to_ask_regions_are_active_a_second_later() {
    let server =
        TestServer::with(|options| options.settings.data_controls = Validator::Automatic).await;
    let on = r#"{"cmek":{"type":"enabled","external_key_ids":{"us":"ekey_1"}}}"#;
    let pending = update(&server, on).await;
    assert_eq!(pending.ok()["cmek"]["status"]["us"]["type"], "pending");
    let clock = r#"{"advance":"999ms"}"#;
    server
        .operator()
        .post("/operator/v1/dev/clock", clock)
        .await;
    assert_eq!(
        get(&server).await.ok()["cmek"]["status"]["us"]["type"],
        "pending"
    );
    server
        .operator()
        .post("/operator/v1/dev/clock", r#"{"advance":"1ms"}"#)
        .await;
    assert_snapshot!(get(&server).await.ok()["cmek"]["status"]["us"].to_string(), @r#"{"effective_external_key_id":"ekey_1","error":null,"last_checked_at":"2026-11-20T14:03:28.650118Z","type":"active","validated_at":"2026-11-20T14:03:28.650118Z"}"#);
}

#[tokio::test]
async fn a_retired_bucket_runs_out_after_thirty_days_of_the_server_s_clock() {
    let server = TestServer::start().await;
    let on = r#"{"storage":{"type":"enabled","buckets":{"us":{"bucket_name":"abc","project_number":"1"}}}}"#;
    update(&server, on).await;
    let off = update(&server, r#"{"storage":{"type":"disabled"}}"#).await;
    assert_snapshot!(off.ok()["storage"].to_string(), @r#"{"retired_buckets":[{"bucket_name":"abc","expires_at":"2026-12-20T14:03:27.650118Z","project_number":"1","region":"us"}],"type":"disabled"}"#);
    server
        .operator()
        .post("/operator/v1/dev/clock", r#"{"advance":"720h"}"#)
        .await;
    let later = get(&server).await;
    assert_eq!(
        later.ok()["storage"]["retired_buckets"],
        serde_json::json!([])
    );
    assert_eq!(later.ok()["updated_at"], off.ok()["updated_at"]);
}

async fn report(server: &TestServer, place: &str, body: &str) -> Reply {
    let path = format!("/operator/v1/user_profiles/{PROFILE}/data_controls/{place}");
    server.operator().post(&path, body).await
}

const BOTH: &str = r#"{"cmek":{"type":"enabled","external_key_ids":{"us":"ekey_1"}},"storage":{"type":"enabled","buckets":{"eu":{"bucket_name":"abc","project_number":"1"}}}}"#;

#[tokio::test]
async fn the_operator_says_what_became_of_each_and_the_platform_sees_it() {
    let server = TestServer::start().await;
    update(&server, BOTH).await;
    let mut shown = String::new();
    for (place, body) in [
        ("cmek/us", r#"{"status":"pending","error":"not yet"}"#),
        ("cmek/us", r#"{"status":"active"}"#),
        ("cmek/us", r#"{"status":"active","error":"refused since"}"#),
        ("cmek/us", r#"{"status":"failed","error":"given up"}"#),
        ("cmek/us", r#"{"status":"failed"}"#),
        (
            "cmek/us",
            r#"{"status":"suspended","error":null,"failed_checks":null}"#,
        ),
        (
            "storage/eu",
            r#"{"status":"pending","failed_checks":[{"check":"grant_mismatch","message":"Grant it","role":"ingest"}]}"#,
        ),
        (
            "storage/eu",
            r#"{"status":"active","location":"EU","project_id":"theirs","kms_key_name":"projects/p/k"}"#,
        ),
        (
            "storage/eu",
            r#"{"status":"failed","failed_checks":[{"check":"versioning","message":"Switch it off"}]}"#,
        ),
        ("storage/eu", r#"{"status":"suspended"}"#),
    ] {
        let reported = report(&server, place, body).await;
        let seen = get(&server).await;
        assert_eq!(reported.text(), seen.text(), "{place} {body}");
        let (control, region) = place.split_once('/').unwrap();
        let status = &seen.ok()[control]["status"][region];
        shown.push_str(&format!("{place} {body}\n    {status}\n"));
    }
    assert_snapshot!(shown, @r#"
    cmek/us {"status":"pending","error":"not yet"}
        {"effective_external_key_id":null,"error":"not yet","type":"pending"}
    cmek/us {"status":"active"}
        {"effective_external_key_id":"ekey_1","error":null,"last_checked_at":"2026-11-20T14:03:27.650118Z","type":"active","validated_at":"2026-11-20T14:03:27.650118Z"}
    cmek/us {"status":"active","error":"refused since"}
        {"effective_external_key_id":"ekey_1","error":"refused since","last_checked_at":"2026-11-20T14:03:27.650118Z","type":"active","validated_at":"2026-11-20T14:03:27.650118Z"}
    cmek/us {"status":"failed","error":"given up"}
        {"effective_external_key_id":"ekey_1","error":"given up","type":"failed"}
    cmek/us {"status":"failed"}
        {"effective_external_key_id":"ekey_1","error":"The key cannot be used","type":"failed"}
    cmek/us {"status":"suspended","error":null,"failed_checks":null}
        {"effective_external_key_id":null,"type":"suspended"}
    storage/eu {"status":"pending","failed_checks":[{"check":"grant_mismatch","message":"Grant it","role":"ingest"}]}
        {"effective_bucket":null,"failed_checks":[{"check":"grant_mismatch","message":"Grant it","role":"ingest"}],"type":"pending"}
    storage/eu {"status":"active","location":"EU","project_id":"theirs","kms_key_name":"projects/p/k"}
        {"effective_bucket":{"bucket_name":"abc","project_number":"1"},"failed_checks":[],"type":"active","validated_at":"2026-11-20T14:03:27.650118Z"}
    storage/eu {"status":"failed","failed_checks":[{"check":"versioning","message":"Switch it off"}]}
        {"effective_bucket":{"bucket_name":"abc","project_number":"1"},"failed_checks":[{"check":"versioning","message":"Switch it off","role":null}],"type":"failed"}
    storage/eu {"status":"suspended"}
        {"effective_bucket":null,"type":"suspended"}
    "#);
    let buckets = get(&server).await.ok()["storage"]["buckets"].to_string();
    assert_snapshot!(buckets, @r#"{"eu":{"bucket_name":"abc","kms_key_name":"projects/p/k","location":"EU","project_id":"theirs","project_number":"1"}}"#);
    let record = server
        .operator()
        .get(&format!("/operator/v1/user_profiles/{PROFILE}"))
        .await;
    assert_eq!(record.ok()["google_data_controls"], get(&server).await.ok());
}

#[tokio::test]
async fn a_report_that_does_not_fit_is_refused_and_says_where() {
    let server = TestServer::start().await;
    update(&server, BOTH).await;
    let mut shown = String::new();
    for (place, body) in [
        ("cmek/eu", r#"{"status":"active"}"#),
        ("storage/us", r#"{"status":"suspended"}"#),
        ("cmek/mars", r#"{"status":"active"}"#),
        ("keys/us", r#"{"status":"active"}"#),
        ("cmek/us", "{}"),
        ("cmek/us", r#"{"status":"not_configured"}"#),
        ("cmek/us", r#"{"status":"suspended","error":"x"}"#),
        ("cmek/us", r#"{"status":"active","location":"US"}"#),
        ("cmek/us", r#"{"status":"active","failed_checks":[]}"#),
        ("storage/eu", r#"{"status":"failed","error":"x"}"#),
        ("storage/eu", r#"{"status":"pending","location":"EU"}"#),
        (
            "storage/eu",
            r#"{"status":"failed","failed_checks":[{"check":"smell","message":"x"}]}"#,
        ),
        (
            "storage/eu",
            r#"{"status":"failed","failed_checks":[{"check":"versioning"}]}"#,
        ),
        ("storage/eu", r#"{"status":"active","nickname":1}"#),
    ] {
        let reply = report(&server, place, body).await;
        shown.push_str(&format!("{place} {body}\n    {}\n", reply.error()));
    }
    assert_snapshot!(shown, @r#"
    cmek/eu {"status":"active"}
        409 conflict_error: The region eu has no key to report on
    storage/us {"status":"suspended"}
        409 conflict_error: The region us has no bucket to report on
    cmek/mars {"status":"active"}
        400 invalid_request_error: region: must be one of: us, eu, sg, global
    keys/us {"status":"active"}
        404 not_found_error: Not found
    cmek/us {}
        400 invalid_request_error: status: is required
    cmek/us {"status":"not_configured"}
        400 invalid_request_error: status: must be one of: active, pending, failed, suspended
    cmek/us {"status":"suspended","error":"x"}
        400 invalid_request_error: error: must be left out when cmek is suspended
    cmek/us {"status":"active","location":"US"}
        400 invalid_request_error: location: must be left out when cmek is active
    cmek/us {"status":"active","failed_checks":[]}
        400 invalid_request_error: failed_checks: must be left out when cmek is active
    storage/eu {"status":"failed","error":"x"}
        400 invalid_request_error: error: must be left out when storage is failed
    storage/eu {"status":"pending","location":"EU"}
        400 invalid_request_error: location: must be left out when storage is pending
    storage/eu {"status":"failed","failed_checks":[{"check":"smell","message":"x"}]}
        400 invalid_request_error: failed_checks.0.check: must be one of: label_mismatch, location_mismatch, encryption, versioning, bucket_settings, lifecycle_rules, deletion_policy, grant_mismatch, kms_key_refused, probe_failed, project_not_verified
    storage/eu {"status":"failed","failed_checks":[{"check":"versioning"}]}
        400 invalid_request_error: failed_checks.0.message: is required
    storage/eu {"status":"active","nickname":1}
        400 invalid_request_error: nickname: Extra inputs are not permitted
    "#);
}

#[tokio::test]
async fn of_several_mistakes_that_of_the_first_region_is_told() {
    let server = TestServer::start().await;
    for (body, expected) in [
        (
            r#"{"cmek":{"type":"enabled","external_key_ids":{"mars":1,"global":2,"eu":3}}}"#,
            "400 invalid_request_error: cmek.external_key_ids.eu: must be a string",
        ),
        (
            r#"{"cmek":{"type":"enabled","external_key_ids":{"mars":1,"us":"ekey_1"}}}"#,
            "400 invalid_request_error: cmek.external_key_ids.mars: is no region; a region must be one of: us, eu, sg, global",
        ),
    ] {
        assert_eq!(update(&server, body).await.error(), expected);
    }
}

#[tokio::test]
async fn a_fact_of_a_bucket_is_forgotten_when_it_is_reported_as_null() {
    let server = TestServer::start().await;
    update(&server, BOTH).await;
    let learned = r#"{"status":"active","location":"EU","project_id":"theirs"}"#;
    report(&server, "storage/eu", learned).await.ok();
    let forgotten = r#"{"status":"active","location":null}"#;
    let seen = report(&server, "storage/eu", forgotten).await.ok();
    let bucket = &seen["storage"]["buckets"]["eu"];
    assert_eq!(bucket["location"], serde_json::Value::Null);
    assert_eq!(bucket["project_id"], "theirs");
}

#[tokio::test]
async fn what_was_known_of_a_bucket_comes_back_with_it_also_after_an_import() {
    let server = TestServer::start().await;
    let give = async |name: &str| {
        let body = format!(
            r#"{{"storage":{{"type":"enabled","buckets":{{"eu":{{"bucket_name":"{name}","project_number":"1"}}}}}}}}"#
        );
        let given = update(&server, &body).await.ok();
        given["storage"]["buckets"]["eu"]["location"].clone()
    };
    let active = async |location: &str| {
        let body = format!(r#"{{"status":"active","location":"{location}"}}"#);
        report(&server, "storage/eu", &body).await.ok();
    };
    give("first").await;
    active("EU").await;
    give("second").await;
    active("US").await;
    assert_eq!(give("third").await, serde_json::Value::Null);
    let exported = export(&server).await;
    update(&server, r#"{"storage":{"type":"disabled"}}"#).await;
    import(&server, &exported).await.ok();
    assert_eq!(export(&server).await, exported);
    assert_eq!(give("second").await, "US", "applied still");
    assert_eq!(give("first").await, "EU", "retired");
}

#[tokio::test]
async fn a_suspended_region_that_is_given_another_key_is_pending() {
    let server = TestServer::start().await;
    update(&server, BOTH).await;
    report(&server, "cmek/us", r#"{"status":"failed"}"#).await;
    let suspended = report(&server, "cmek/us", r#"{"status":"suspended"}"#).await;
    let same = r#"{"cmek":{"type":"enabled","external_key_ids":{"us":"ekey_1"}}}"#;
    assert_eq!(update(&server, same).await.text(), suspended.text());
    let other = r#"{"cmek":{"type":"enabled","external_key_ids":{"us":"ekey_2"}}}"#;
    let pending = update(&server, other).await.ok();
    assert_eq!(pending["cmek"]["status"]["us"]["type"], "pending");
}

async fn advance(server: &TestServer, by: &str) {
    let body = format!(r#"{{"advance":"{by}"}}"#);
    server
        .operator()
        .post("/operator/v1/dev/clock", &body)
        .await
        .ok();
}

async fn export(server: &TestServer) -> String {
    let path = "/operator/v1/user_profiles/export";
    server.operator().get(path).await.text().to_owned()
}

async fn import(server: &TestServer, lines: &str) -> Reply {
    let call = server
        .operator()
        .call("POST", "/operator/v1/user_profiles/import");
    call.header("content-type", "application/x-ndjson")
        .body(lines.to_owned())
        .send()
        .await
}

#[tokio::test]
async fn an_import_of_an_export_restores_exactly_and_an_export_shows_what_time_made() {
    let server = TestServer::start().await;
    let fresh = get(&server).await;
    let untouched = export(&server).await;
    update(&server, BOTH).await;
    report(&server, "cmek/us", r#"{"status":"active"}"#).await;
    let used = get(&server).await;
    let in_use = export(&server).await;
    import(&server, &untouched).await.ok();
    assert_eq!(get(&server).await.text(), fresh.text());
    import(&server, &in_use).await.ok();
    assert_eq!(get(&server).await.text(), used.text());

    // A label that is stated is taken, also where it is that of the id; one that is left out stays.
    let record = |controls: &str| {
        let organization = crate::server::ORGANIZATION;
        format!(r#"{{"organization_id":"{organization}","google_data_controls":{controls}}}"#)
    };
    let put = async |controls: &str| {
        let path = format!("/operator/v1/user_profiles/{PROFILE}");
        let put = server.operator().put(&path, &record(controls)).await;
        put.ok();
        get(&server).await.string("bucket_label_value")
    };
    let label = "00112233445566778899aabbccddeeff";
    let derived = fresh.string("bucket_label_value");
    for (stated, expected) in [
        (Some(label), label),
        (None, label),
        (Some(&derived), &derived),
    ] {
        let controls = match stated {
            Some(label) => format!(r#"{{"bucket_label_value":"{label}"}}"#),
            None => "{}".to_owned(),
        };
        assert_eq!(put(&controls).await, *expected);
    }

    update(&server, BOTH).await;
    update(&server, r#"{"cmek":{"type":"disabled"}}"#).await;
    assert!(
        export(&server)
            .await
            .contains(r#""external_key_id":"ekey_1""#)
    );
    advance(&server, "720h").await;
    let later = export(&server).await;
    assert!(!later.contains(r#""external_key_id":"ekey_1""#));
    let again = import(&server, &later).await.ok();
    assert_eq!(again["failed"], 0);
}

#[tokio::test]
async fn a_pending_region_of_a_record_is_active_a_second_after_it_was_put() {
    let server =
        TestServer::with(|options| options.settings.data_controls = Validator::Automatic).await;
    let organization = crate::server::ORGANIZATION;
    let record = format!(
        r#"{{"organization_id":"{organization}","google_data_controls":{{"cmek":{{"type":"enabled","external_key_ids":{{"us":"ekey_1"}}}}}}}}"#
    );
    let path = format!("/operator/v1/user_profiles/{PROFILE}");
    server.operator().put(&path, &record).await.ok();
    let pending = get(&server).await;
    advance(&server, "1s").await;
    let active = get(&server).await;
    assert_eq!(active.ok()["cmek"]["status"]["us"]["type"], "active");
    assert_ne!(active.ok()["updated_at"], pending.ok()["updated_at"]);
    assert!(export(&server).await.contains(r#""type":"active""#));
    advance(&server, "1h").await;
    assert_eq!(get(&server).await.text(), active.text());
}

#[tokio::test]
async fn a_code_of_the_original_is_reachable_as_an_ordered_fault() {
    let server = TestServer::start().await;
    let fault = r#"{"status":400,"error_code":"external_key_not_found"}"#;
    let faults = "/operator/v1/dev/faults";
    let ordered = server.operator().post(faults, fault).await.ok();
    assert_eq!(ordered["error_code"], "external_key_not_found");
    assert_eq!(
        update(&server, BOTH).await.error(),
        "400 invalid_request_error [external_key_not_found]: A fault that was asked for"
    );
    for (body, expected) in [
        (
            r#"{"status":400,"error_code":"A"}"#,
            "400 invalid_request_error: error_code: must be a code such as external_key_not_found",
        ),
        (
            r#"{"delay_ms":5,"error_code":"a"}"#,
            "400 invalid_request_error: status: is required beside error_code",
        ),
    ] {
        assert_eq!(server.operator().post(faults, body).await.error(), expected);
    }
}

#[tokio::test]
async fn the_trail_names_regions_and_never_what_they_were_given() {
    let server = TestServer::start().await;
    update(&server, BOTH).await;
    report(&server, "cmek/us", r#"{"status":"active"}"#).await;
    update(&server, r#"{"storage":{"type":"disabled"}}"#).await;
    // Neither changes anything.
    update(&server, "{}").await;
    let trail = server
        .operator()
        .get(&format!("/operator/v1/audit_events?target_id={PROFILE}"))
        .await;
    assert!(!trail.text().contains("ekey_1") && !trail.text().contains("abc"));
    let events = trail.ok()["data"].as_array().unwrap().clone();
    let mut lines: Vec<_> = events
        .iter()
        .map(|event| {
            let kind = &event["actor"]["kind"];
            format!("{kind} {} {}", event["action"], event["details"])
        })
        .filter(|line| line.contains("data_controls."))
        .collect();
    lines.sort();
    assert_snapshot!(lines.join("\n"), @r#"
    "api" "data_controls.updated" ["cmek.us","storage.eu"]
    "api" "data_controls.updated" ["storage.eu"]
    "operator" "data_controls.reported" ["cmek.us"]
    "#);
}

#[tokio::test]
async fn the_example_of_the_document_is_what_is_answered() {
    let server = TestServer::start().await;
    let document = server.stranger().get("/openapi/data-controls.json").await;
    let template = path("{user_profile_id}").replace('/', "~1");
    let document = document.ok();
    let operation = |method| {
        document
            .pointer(&format!("/paths/{template}/{method}"))
            .unwrap()
    };
    let json = "application~1json/example";
    let sent = operation("post").pointer(&format!("/requestBody/content/{json}"));
    let mut parameters = operation("post")["parameters"].as_array().unwrap().iter();
    let id = parameters.find_map(|parameter| parameter["example"].as_str());
    let id = id.unwrap();
    let organization = crate::server::ORGANIZATION;
    let created = "2026-06-02T09:14:31.482913Z";
    let record = format!(r#"{{"organization_id":"{organization}","created_at":"{created}"}}"#);
    let put = format!("/operator/v1/user_profiles/{id}");
    server.operator().put(&put, &record).await.ok();
    let platform = platform(&server);
    let answer = platform.post(&path(id), &sent.unwrap().to_string()).await;
    let read = platform.get(&path(id)).await;
    for (method, found) in [("post", answer.ok()), ("get", read.ok())] {
        let expected = operation(method).pointer(&format!("/responses/200/content/{json}"));
        assert_eq!(Some(&found), expected, "{method}");
    }
}
