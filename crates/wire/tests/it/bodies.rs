//! Bodies of creates and updates: the contract's tables, row by row.

use rollcall_domain::profile::{AccessType, Relationship, RelationshipPatch};
use rollcall_domain::text::Metadata;
use rollcall_wire::enrollment_urls::{parse_action_url_body, parse_enrollment_url_body};

use crate::example::{at, dialect, every_dialect, now};

const CREATE: &str = "create";
const UPDATE: &str = "update";

/// Nothing, or the message of the error.
fn outcome(name: &str, write: &str, body: &str) -> Result<(), String> {
    let dialect = dialect(name);
    let read = match write {
        CREATE => dialect.parse_create(body.as_bytes(), now()).map(|_| ()),
        _ => dialect.parse_update(body.as_bytes(), now()).map(|_| ()),
    };
    read.map_err(|error| {
        assert_eq!(error.status(), 400);
        error.message
    })
}

fn refused(name: &str, write: &str, body: &str) -> String {
    outcome(name, write, body).expect_err(body)
}

/// The same on create and update.
#[track_caller]
fn both(name: &str, body: &str, message: &str) {
    assert_eq!(refused(name, CREATE, body), message, "{name} create {body}");
    assert_eq!(refused(name, UPDATE, body), message, "{name} update {body}");
}

#[test]
fn each_dialect_takes_its_own_fields_and_names_what_to_send_instead_of_others() {
    let fields = [
        (r#"{"access_type":"application"}"#, [0, 1, 1, 1]),
        (r#"{"relationship":"external"}"#, [1, 0, 0, 0]),
        (r#"{"name":"A"}"#, [1, 1, 1, 1]),
        (r#"{"metadata":{"k":"v"}}"#, [1, 1, 1, 1]),
        (r#"{"external_id":"a"}"#, [1, 1, 0, 0]),
        (
            r#"{"external_user_onboarded_at":"2026-01-01T00:00:00Z"}"#,
            [0, 1, 0, 0],
        ),
        (
            r#"{"external_user_details":{"country":"DE"}}"#,
            [0, 0, 1, 1],
        ),
        ("{}", [1, 1, 1, 1]),
    ];
    for (body, accepted) in fields {
        for (name, accepted) in every_dialect().zip(accepted) {
            for write in [CREATE, UPDATE] {
                let taken = outcome(name, write, body);
                assert_eq!(
                    taken.is_ok(),
                    accepted == 1,
                    "{name} {write} {body}: {taken:?}"
                );
            }
        }
    }
    let access_type = r#"{"access_type":null}"#;
    both(
        "2026-03-24",
        access_type,
        "access_type: not accepted under user-profiles-2026-03-24; send relationship",
    );
    both(
        "ga",
        r#"{"external_id":"a"}"#,
        "external_id: not accepted without a legacy beta header; send external_user_details.reference_id",
    );
    both(
        "2026-09-04",
        r#"{"external_user_onboarded_at":""}"#,
        "external_user_onboarded_at: not accepted under user-profiles-2026-09-04; send external_user_details.onboarded_at",
    );
    both(
        "2026-03-24",
        r#"{"external_user_onboarded_at":""}"#,
        "external_user_onboarded_at: not accepted under user-profiles-2026-03-24; use user-profiles-2026-08-18 to send it",
    );
    both(
        "2026-08-18",
        r#"{"relationship":"resold"}"#,
        "relationship: not accepted under user-profiles-2026-08-18; send access_type",
    );
}

#[test]
fn null_is_what_the_contract_s_table_says() {
    const NOT_NULL: &str = "must not be null";
    const NOT_CLEARED: &str = "must not be null; a value that is set cannot be cleared";
    let detail = |name: &str| format!("{{\"external_user_details\":{{\"{name}\":null}}}}");
    let rows: Vec<(&str, String, Option<String>, Option<String>)> = vec![
        ("ga", r#"{"name":null}"#.into(), None, None),
        ("2026-08-18", r#"{"external_id":null}"#.into(), None, None),
        (
            "ga",
            r#"{"access_type":null}"#.into(),
            Some(format!("access_type: {NOT_NULL}")),
            None,
        ),
        (
            "2026-03-24",
            r#"{"relationship":null}"#.into(),
            Some(format!("relationship: {NOT_NULL}")),
            None,
        ),
        (
            "ga",
            r#"{"metadata":null}"#.into(),
            Some(format!("metadata: {NOT_NULL}")),
            Some(format!("metadata: {NOT_NULL}")),
        ),
        (
            "ga",
            r#"{"metadata":{"k":null}}"#.into(),
            Some(format!("metadata.k: {NOT_NULL}")),
            Some(format!("metadata.k: {NOT_NULL}")),
        ),
        (
            "ga",
            r#"{"external_user_details":null}"#.into(),
            Some(format!("external_user_details: {NOT_NULL}")),
            Some(format!("external_user_details: {NOT_NULL}")),
        ),
        (
            "2026-08-18",
            r#"{"external_user_onboarded_at":null}"#.into(),
            Some(format!("external_user_onboarded_at: {NOT_NULL}")),
            Some(format!("external_user_onboarded_at: {NOT_CLEARED}")),
        ),
        (
            "ga",
            detail("onboarded_at"),
            Some(format!("external_user_details.onboarded_at: {NOT_NULL}")),
            Some(format!("external_user_details.onboarded_at: {NOT_CLEARED}")),
        ),
    ];
    for (name, body, create, update) in rows {
        assert_eq!(outcome(name, CREATE, &body).err(), create, "create {body}");
        assert_eq!(outcome(name, UPDATE, &body).err(), update, "update {body}");
    }
    for name in [
        "account_status",
        "country",
        "email_hash",
        "name_hash",
        "entity_type",
        "reference_id",
    ] {
        assert_eq!(outcome("2026-09-04", CREATE, &detail(name)), Ok(()));
        assert_eq!(
            refused("2026-09-04", UPDATE, &detail(name)),
            format!("external_user_details.{name}: {NOT_CLEARED}")
        );
    }
}

#[test]
fn empty_is_what_the_contract_s_table_says() {
    let short = "must be at least 1 character";
    both("ga", r#"{"name":""}"#, &format!("name: {short}"));
    both(
        "2026-03-24",
        r#"{"external_id":""}"#,
        &format!("external_id: {short}"),
    );
    both(
        "ga",
        r#"{"external_user_details":{"reference_id":""}}"#,
        &format!("external_user_details.reference_id: {short}"),
    );
    let emptied = r#"{"metadata":{"k":""}}"#;
    assert_eq!(
        refused("ga", CREATE, emptied),
        format!("metadata.k: {short}")
    );
    assert_eq!(outcome("ga", UPDATE, emptied), Ok(()));
    both(
        "ga",
        r#"{"metadata":{"":"v"}}"#,
        &format!("metadata: keys {short}"),
    );
    for body in [r#"{"metadata":{}}"#, r#"{"external_user_details":{}}"#] {
        assert_eq!(outcome("ga", CREATE, body), Ok(()));
        assert_eq!(outcome("ga", UPDATE, body), Ok(()));
    }
}

#[test]
fn an_update_without_content_asks_for_nothing() {
    for name in every_dialect() {
        let patch = dialect(name).parse_update(br#"{"name":null,"metadata":{}}"#, now());
        assert_eq!(
            patch.unwrap(),
            rollcall_domain::profile::ProfilePatch::default()
        );
    }
}

#[test]
fn limits_count_characters_and_name_the_place() {
    let text = |count| "𝔸".repeat(count);
    let body = |field: &str, value: String| format!("{{\"{field}\":\"{value}\"}}");
    assert_eq!(outcome("ga", CREATE, &body("name", text(255))), Ok(()));
    both(
        "ga",
        &body("name", text(256)),
        "name: must be at most 255 characters",
    );
    both(
        "2026-08-18",
        &body("external_id", text(256)),
        "external_id: must be at most 255 characters",
    );
    let metadata =
        |key: String, value: String| format!("{{\"metadata\":{{\"{key}\":\"{value}\"}}}}");
    assert_eq!(
        outcome("ga", CREATE, &metadata(text(64), text(512))),
        Ok(())
    );
    both(
        "ga",
        &metadata(text(65), "v".into()),
        "metadata: keys must be at most 64 characters",
    );
    both(
        "ga",
        &metadata("plan".into(), text(513)),
        "metadata.plan: must be at most 512 characters",
    );
    let keys: Vec<_> = (0..17).map(|key| format!("\"k{key}\":\"v\"")).collect();
    let many = |count: usize| format!("{{\"metadata\":{{{}}}}}", keys[..count].join(","));
    assert_eq!(outcome("ga", CREATE, &many(16)), Ok(()));
    both("ga", &many(17), "metadata: must have at most 16 keys");
}

#[test]
fn values_of_the_wrong_form_are_named_with_what_is_expected() {
    for country in ["us", "USA", "ÅX", ""] {
        both(
            "ga",
            &format!("{{\"external_user_details\":{{\"country\":\"{country}\"}}}}"),
            "external_user_details.country: must be two upper-case ASCII letters",
        );
    }
    let country = r#"{"external_user_details":{"country":"ZZ"}}"#;
    assert_eq!(outcome("ga", CREATE, country), Ok(()));
    for (name, body, message) in [
        (
            "ga",
            r#"{"access_type":"Application"}"#,
            "access_type: must be one of: application, passthrough",
        ),
        (
            "2026-03-24",
            r#"{"relationship":"partner"}"#,
            "relationship: must be one of: external, resold, internal",
        ),
        ("ga", r#"{"name":5}"#, "name: must be a string"),
        ("ga", r#"{"metadata":[]}"#, "metadata: must be an object"),
        (
            "ga",
            r#"{"metadata":{"k":1}}"#,
            "metadata.k: must be a string",
        ),
        (
            "ga",
            r#"{"external_user_details":"x"}"#,
            "external_user_details: must be an object",
        ),
        (
            "2026-09-04",
            r#"{"external_user_details":{"entity_type":"robot"}}"#,
            "external_user_details.entity_type: must be one of: individual, business, non_profit, government",
        ),
        (
            "ga",
            r#"{"external_user_details":{"nickname":"x"}}"#,
            "external_user_details.nickname: Extra inputs are not permitted",
        ),
    ] {
        both(name, body, message);
    }
}

#[test]
fn read_only_fields_are_refused_as_unknown_ones() {
    for name in every_dialect() {
        for field in [
            "id",
            "type",
            "created_at",
            "updated_at",
            "trust_grants",
            "programs",
            "enforcement_status",
            "enforcement_actions",
            "object",
        ] {
            both(
                name,
                &format!("{{\"{field}\":null}}"),
                &format!("{field}: Extra inputs are not permitted"),
            );
        }
    }
}

#[test]
fn onboarding_may_lie_a_minute_ahead_and_no_more() {
    let body =
        |text: &str| format!("{{\"external_user_details\":{{\"onboarded_at\":\"{text}\"}}}}");
    for text in ["2026-11-20T14:04:27.650118Z", "0001-01-01T00:00:00Z"] {
        assert_eq!(outcome("ga", CREATE, &body(text)), Ok(()));
    }
    both(
        "ga",
        &body("2026-11-20T14:04:27.650119Z"),
        "external_user_details.onboarded_at: must not be more than 1 minute in the future",
    );
    let message = "must be an RFC 3339 date-time with an offset, such as 2026-03-15T10:00:00Z";
    for text in [
        "2026-03-15",
        "2026-03-15T10:00:00",
        "2026-03-15 10:00:00Z",
        "",
    ] {
        both(
            "ga",
            &body(text),
            &format!("external_user_details.onboarded_at: {message}"),
        );
    }
    both(
        "2026-08-18",
        r#"{"external_user_onboarded_at":"soon"}"#,
        &format!("external_user_onboarded_at: {message}"),
    );
    let offset = dialect("2026-08-18").parse_create(
        br#"{"external_user_onboarded_at":"2025-01-20T12:45:00.1234567+01:00"}"#,
        now(),
    );
    let onboarded_at = offset.unwrap().details.onboarded_at;
    assert_eq!(onboarded_at, Some(at("2025-01-20T11:45:00.123456Z")));
}

#[test]
fn of_several_mistakes_the_first_in_the_table_is_told_and_unknown_fields_last() {
    let wrong = [
        ("nickname", "1"),
        (
            "external_user_details",
            r#"{"x":1,"reference_id":1,"country":1}"#,
        ),
        ("external_user_onboarded_at", "1"),
        ("external_id", "1"),
        ("metadata", "1"),
        ("name", "1"),
        ("relationship", "1"),
        ("access_type", "1"),
    ];
    let order: [(&str, &[&str]); 2] = [
        (
            "2026-08-18",
            &[
                "access_type: must be a string",
                "relationship: not accepted",
                "name: must be a string",
                "metadata: must be an object",
                "external_id: must be a string",
                "external_user_onboarded_at: must be a string",
                "external_user_details: not accepted",
                "nickname: Extra inputs",
            ],
        ),
        (
            "ga",
            &[
                "access_type: must be a string",
                "relationship: not accepted",
                "name: must be a string",
                "metadata: must be an object",
                "external_id: not accepted",
                "external_user_onboarded_at: not accepted",
                "external_user_details.country: must be a string",
                "nickname: Extra inputs",
            ],
        ),
    ];
    for (name, messages) in order {
        for (fixed, message) in messages.iter().enumerate() {
            let left: Vec<_> = wrong[..wrong.len() - fixed]
                .iter()
                .map(|(field, value)| format!("\"{field}\":{value}"))
                .collect();
            let body = format!("{{{}}}", left.join(","));
            for write in [CREATE, UPDATE] {
                let told = refused(name, write, &body);
                assert!(told.starts_with(message), "{name} {write} {body}: {told}");
            }
        }
    }
}

#[test]
fn what_is_not_one_json_object_is_refused_without_a_quotation() {
    for (body, message) in [
        ("", "The request body must be a JSON object."),
        ("[]", "The request body must be a JSON object."),
        ("null", "The request body must be a JSON object."),
        ("\"x\"", "The request body must be a JSON object."),
        (
            "{\"name\":\"Sesame\"",
            "The request body is not valid JSON: unexpected end at line 1 column 16",
        ),
        (
            "{}\n{}",
            "The request body is not valid JSON: trailing characters at line 2 column 1",
        ),
        (r#"{"name":"A","name":"B"}"#, "name: duplicate key"),
        (
            r#"{"metadata":{"plan":"a","plan":"a"}}"#,
            "metadata.plan: duplicate key",
        ),
    ] {
        for name in every_dialect() {
            both(name, body, message);
        }
    }
    let long = format!("{{\"{}\":1}}", "ß".repeat(300));
    both(
        "ga",
        &long,
        &format!("{}: Extra inputs are not permitted", "ß".repeat(64)),
    );
}

#[test]
fn values_and_names_are_never_told() {
    for body in [
        r#"{"metadata":{"k":["Sesame"]}}"#.to_owned(),
        r#"{"metadata":{"k":{"Sesame":1}}}"#.to_owned(),
        r#"{"name":["Sesame"]}"#.to_owned(),
        format!(r#"{{"name":"Sesame{}"}}"#, "x".repeat(300)),
        format!(r#"{{"metadata":{{"k":"Sesame{}"}}}}"#, "x".repeat(600)),
        r#"{"name":"Sesame\u0000"}"#.to_owned(),
        r#"{"metadata":{"k":Sesame}}"#.to_owned(),
    ] {
        assert!(!refused("ga", CREATE, &body).contains("Sesame"), "{body}");
    }
}

#[test]
fn access_is_stored_in_the_words_of_the_oldest_dialect() {
    for (body, expected) in [
        ("{}", None),
        (
            r#"{"access_type":"application"}"#,
            Some(Relationship::External),
        ),
        (
            r#"{"access_type":"passthrough"}"#,
            Some(Relationship::Resold),
        ),
    ] {
        let draft = dialect("ga").parse_create(body.as_bytes(), now()).unwrap();
        assert_eq!(draft.relationship, expected);
        assert_eq!(draft.metadata, Metadata::default());
    }
    let patch = dialect("2026-09-04").parse_update(br#"{"access_type":"application"}"#, now());
    assert_eq!(
        patch.unwrap().relationship,
        Some(RelationshipPatch::AccessType(AccessType::Application))
    );
}

#[test]
fn url_bodies_hold_what_they_must_and_nothing_else() {
    for body in ["", "{}"] {
        assert_eq!(parse_enrollment_url_body(body.as_bytes()), Ok(()));
    }
    let message = |body: &str| parse_action_url_body(body.as_bytes()).unwrap_err().message;
    assert_eq!(
        parse_enrollment_url_body(br#"{"a":1}"#)
            .unwrap_err()
            .message,
        "a: Extra inputs are not permitted"
    );
    for (body, expected) in [
        ("", "The request body must be a JSON object."),
        ("{}", "action: is required"),
        (r#"{"action":null}"#, "action: must not be null"),
        (r#"{"action":"enroll"}"#, "action: must be an object"),
        (r#"{"action":{}}"#, "action.type: is required"),
        (
            r#"{"action":{"type":"verify"}}"#,
            "action.type: must be one of: enroll_end_user",
        ),
        (
            r#"{"action":{"type":"enroll_end_user","x":1}}"#,
            "action.x: Extra inputs are not permitted",
        ),
        (
            r#"{"action":{"type":"enroll_end_user"},"y":1}"#,
            "y: Extra inputs are not permitted",
        ),
    ] {
        assert_eq!(message(body), expected, "{body}");
    }
}
