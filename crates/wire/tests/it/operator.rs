//! The operator API: bodies read, objects written in the contract's order of fields.

use std::time::Duration;

use rollcall_domain::audit::{Act, Actor, ActorKind, AuditAction, AuditEvent, TargetKind};
use rollcall_domain::data_controls::Validator;
use rollcall_domain::delivery::{Attempt, Delivery, DeliveryStatus};
use rollcall_domain::enforcement::Enforcement;
use rollcall_domain::enforcement::{CheckState, IdentityCheck, PastAction, Resolution};
use rollcall_domain::enrollment::{Enrollment, EnrollmentStatus};
use rollcall_domain::id::{
    ApiKeyId, AuditEventId, DeliveryId, EnforcementActionId, EnrollmentId, EventId, Ids,
    OrganizationId, ProfileId, WebhookEndpointId, WorkspaceId,
};
use rollcall_domain::profile::Profile;
use rollcall_domain::program::{ProgramName, ProgramStatus};
use rollcall_domain::role::Role;
use rollcall_domain::search::SearchPosition;
use rollcall_domain::tenant::{
    ApiKey, KeyOwner, KeyStatus, Organization, OrganizationStatus, Workspace,
};
use rollcall_domain::text::ReferenceId;
use rollcall_record::field::Fields;
use rollcall_wire::error::ApiError;
use rollcall_wire::operator::deliveries::ShownRequest;
use rollcall_wire::operator::dev::{ClockChange, FaultOutcome};
use rollcall_wire::operator::profiles::ImportReport;
use rollcall_wire::operator::{
    ListPosition, ListRequest, audit, body_fields, deliveries, dev, enforcement, enrollments,
    optional_body_fields, profiles, tenants,
};

use crate::example::{
    ana, at, ban, cursors, every_dialect, nordlicht, now, organization, restriction,
};

fn written(write: impl FnOnce(&mut String)) -> String {
    let mut out = String::new();
    write(&mut out);
    serde_json::from_str::<serde_json::Value>(&out).expect(&out);
    out
}

fn fields(body: &[u8]) -> Fields {
    body_fields(body).unwrap()
}

fn optional_fields(body: &[u8]) -> Fields {
    optional_body_fields(body).unwrap()
}

fn message<T: std::fmt::Debug>(read: Result<T, ApiError>) -> String {
    let error = read.unwrap_err();
    assert_eq!(error.status(), 400);
    error.message
}

#[test]
fn organizations_are_made_changed_and_shown() {
    let draft =
        tenants::parse_organization(fields(br#"{"name":"Acme","rate_limit_rpm":600}"#)).unwrap();
    assert_eq!(draft.status, OrganizationStatus::Active);
    let patch =
        tenants::parse_organization_patch(fields(br#"{"rate_limit_rpm":null,"status":"on_hold"}"#));
    let patch = patch.unwrap();
    assert_eq!((patch.name, patch.rate_limit_rpm), (None, Some(None)));
    assert_eq!(patch.status, Some(OrganizationStatus::OnHold));
    for (body, expected) in [
        ("{}", "name: is required"),
        (r#"{"name":""}"#, "name: must be at least 1 character"),
        (
            r#"{"name":"a","rate_limit_rpm":0}"#,
            "rate_limit_rpm: must be an integer from 1 to 4294967295",
        ),
        (
            r#"{"name":"a","status":"paused"}"#,
            "status: must be one of: active, on_hold",
        ),
        (
            r#"{"name":"a","id":"b"}"#,
            "id: Extra inputs are not permitted",
        ),
    ] {
        assert_eq!(
            message(tenants::parse_organization(fields(body.as_bytes()))),
            expected
        );
    }
    let shown = Organization {
        id: organization(),
        name: draft.name,
        created_at: at("2026-01-01T00:00:00Z"),
        rate_limit_rpm: draft.rate_limit_rpm,
        switches: draft.switches,
        status: draft.status,
        gateway_policy: rollcall_domain::gateway_policy::GatewayPolicy::default(),
    };
    assert_eq!(
        written(|out| tenants::write_organization(out, &shown)),
        r#"{"type":"organization","id":"0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11","name":"Acme","created_at":"2026-01-01T00:00:00Z","rate_limit_rpm":600,"status":"active","enrollment_links":"enabled","data_controls":"open"}"#
    );
    assert_eq!(
        tenants::parse_workspace(fields(br#"{"name":"Main"}"#)).as_deref(),
        Ok("Main")
    );
    let workspace = Workspace {
        id: WorkspaceId::parse("wrkspc_1").unwrap(),
        organization_id: organization(),
        name: "Main".into(),
        created_at: at("2026-01-01T00:00:00Z"),
    };
    assert_eq!(
        written(|out| tenants::write_workspace(out, &workspace)),
        r#"{"type":"workspace","id":"wrkspc_1","name":"Main","created_at":"2026-01-01T00:00:00Z"}"#
    );
}

#[test]
fn keys_are_of_three_kinds_and_show_their_secret_once() {
    let read = |body: &str| tenants::parse_api_key(fields(body.as_bytes()), organization());
    let draft = read(r#"{"name":"CI","kind":"api","workspace_id":"wrkspc_1"}"#).unwrap();
    assert_eq!(
        draft.owner.workspace_id().map(WorkspaceId::as_str),
        Some("wrkspc_1")
    );
    assert!(matches!(
        read(r#"{"name":"a","kind":"admin"}"#).unwrap().owner,
        KeyOwner::Admin { .. }
    ));
    for (body, expected) in [
        (r#"{"kind":"api"}"#, "name: is required"),
        (
            r#"{"name":"a","kind":"operator"}"#,
            "kind: must be one of: api, admin, gateway",
        ),
        (
            r#"{"name":"a","kind":"admin","workspace_id":"wrkspc_1"}"#,
            "workspace_id: must be null for a key of the kind admin",
        ),
        (
            r#"{"name":"a","kind":"api","workspace_id":"ws"}"#,
            "workspace_id: must be an ID of at most 128 characters (wrkspc_...)",
        ),
    ] {
        assert_eq!(message(read(body)), expected);
    }
    let key = ApiKey {
        id: ApiKeyId::parse("apikey_1").unwrap(),
        owner: draft.owner,
        name: draft.name,
        created_at: at("2026-01-01T00:00:00Z"),
        expires_at: None,
        last_used_at: None,
        status: KeyStatus::Active,
        literal: false,
    };
    let without = r#"{"type":"api_key","id":"apikey_1","organization_id":"0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11","kind":"api","role":null,"name":"CI","workspace_id":"wrkspc_1","created_at":"2026-01-01T00:00:00Z","expires_at":null,"last_used_at":null,"status":"active""#;
    assert_eq!(
        written(|out| tenants::write_api_key(out, &key, None)),
        format!("{without}}}")
    );
    assert_eq!(
        written(|out| tenants::write_api_key(out, &key, Some("sk"))),
        format!("{without},\"secret\":\"sk\"}}")
    );
    let read = |body: &str| tenants::parse_operator_key(fields(body.as_bytes()));
    let draft = read(r#"{"name":"Ana","role":"reviewer","expires_at":null}"#).unwrap();
    let reviewer = Role::Reviewer;
    assert_eq!(draft.owner, KeyOwner::Operator { role: reviewer });
    for (body, expected) in [
        (r#"{"name":"Ana"}"#, "role: is required"),
        (
            r#"{"name":"Ana","role":"admin"}"#,
            "role: must be one of: owner, reviewer, viewer",
        ),
        (
            r#"{"name":"Ana","role":"viewer","kind":"operator"}"#,
            "kind: Extra inputs are not permitted",
        ),
    ] {
        assert_eq!(message(read(body)), expected);
    }
    assert_eq!(
        tenants::parse_api_key_status(fields(br#"{"status":"disabled"}"#)),
        Ok(KeyStatus::Disabled)
    );
}

#[test]
fn actions_are_opened_by_the_operator_s_rules() {
    let read = |body: &str| {
        let id = EnforcementActionId::parse("enac_1").unwrap();
        enforcement::parse_action(fields(body.as_bytes()), id, now())
    };
    let action = read(
        r#"{"type":"restriction","reason":"high_harm","action":"verify","expires_at":"2026-12-01T00:00:00Z"}"#,
    );
    let action = action.unwrap();
    assert_eq!(action.expires_at(), Some(at("2026-12-01T00:00:00Z")));
    assert_eq!(action.opened_at(), now());
    assert!(read(r#"{"type":"ban","reason":"high_harm","action":null,"expires_at":null}"#).is_ok());
    for (body, expected) in [
        (r#"{"reason":"high_harm"}"#, "type: is required"),
        (r#"{"type":"ban"}"#, "reason: is required"),
        (
            r#"{"type":"fine","reason":"high_harm"}"#,
            "type: must be one of: restriction, ban",
        ),
        (
            r#"{"type":"ban","reason":"high_harm","action":"verify"}"#,
            "action: must be null for a ban",
        ),
        (
            r#"{"type":"ban","reason":"high_harm","expires_at":"2026-12-01T00:00:00Z"}"#,
            "expires_at: must be null for a ban",
        ),
        (
            r#"{"type":"restriction","reason":"high_harm","expires_at":"2026-11-20T14:03:27.650118Z"}"#,
            "expires_at: must be in the future",
        ),
        (
            r#"{"type":"restriction","reason":"account_compromise","expires_at":"2026-12-01T00:00:00Z"}"#,
            "expires_at: must be null when reason is account_compromise",
        ),
        (
            r#"{"type":"restriction","reason":"account_compromise","action":"verify"}"#,
            "action: must be null when reason is account_compromise",
        ),
        (
            r#"{"type":"restriction","reason":"high_harm","identity_check":"submitted"}"#,
            "identity_check: Extra inputs are not permitted",
        ),
    ] {
        assert_eq!(message(read(body)), expected, "{body}");
    }
    assert_eq!(
        enforcement::parse_identity_check(fields(br#"{"state":"passed"}"#)),
        Ok(CheckState::Passed)
    );
}

fn punished() -> Profile {
    let past = PastAction {
        action: ban(),
        resolved_at: at("2026-11-05T00:00:00Z"),
        resolution: Resolution::Operator,
    };
    let open = vec![restriction(IdentityCheck::Submitted, None)];
    Profile {
        enforcement: Enforcement::new(open, vec![past]),
        ..ana(Vec::new())
    }
}

#[test]
fn a_profile_s_actions_are_listed_oldest_first_whether_open_or_past() {
    let profile = punished();
    let list = |query: Option<&str>| {
        let request = enforcement::parse_list(query, &cursors(), &profile.id).unwrap();
        enforcement::write_list(
            &profile.id,
            &profile.enforcement,
            &request,
            &cursors(),
            now(),
        )
    };
    let restricted = r#"{"id":"enac_011CgYtEdis35bAPd4Ls8CRd","action":null,"expires_at":null,"opened_at":"2026-10-30T18:20:11Z","reason":"fraud_or_abuse","type":"restriction","user_profile_id":"uprof_011Caw7UBvkeMCpZkHRpjtPh","identity_check":"submitted","resolved_at":null,"resolution":null}"#;
    let banned = r#"{"id":"enac_011CghNqVAgU1igejhfmgPkf","action":null,"expires_at":null,"opened_at":"2026-11-04T06:00:00Z","reason":"high_harm","type":"ban","user_profile_id":"uprof_011Caw7UBvkeMCpZkHRpjtPh","identity_check":null,"resolved_at":"2026-11-05T00:00:00Z","resolution":"operator"}"#;
    assert_eq!(
        list(None),
        format!("{{\"data\":[{restricted},{banned}],\"next_page\":null}}")
    );
    let first: serde_json::Value = serde_json::from_str(&list(Some("limit=1"))).unwrap();
    let next = first["next_page"].as_str().unwrap();
    assert_eq!(
        list(Some(&format!("limit=1&page={next}"))),
        format!("{{\"data\":[{banned}],\"next_page\":null}}")
    );
}

#[test]
fn an_expiry_that_was_reached_is_shown_whether_or_not_it_is_recorded() {
    let action = restriction(IdentityCheck::Offered, Some(now()));
    let shown = enforcement::ShownAction::unresolved(&action, now());
    let text = written(|out| enforcement::write_action(out, &ana(vec![]).id, shown));
    assert!(
        text.ends_with(r#""resolved_at":"2026-11-20T14:03:27.650118Z","resolution":"expired"}"#)
    );
}

fn enrollment() -> Enrollment {
    Enrollment {
        id: EnrollmentId::parse("enr_1").unwrap(),
        organization_id: organization(),
        profile_id: ana(vec![]).id,
        program: ProgramName::Cyber,
        status: EnrollmentStatus::Pending,
        submitted: vec![
            ("legal_name".into(), "Ana \"F\"".into()),
            ("country".into(), "PT".into()),
        ],
        submitted_at: at("2026-11-01T00:00:00Z"),
        decided_at: None,
        note: None,
    }
}

#[test]
fn enrollments_are_shown_and_decided() {
    assert_eq!(
        written(|out| enrollments::write_enrollment(out, &enrollment())),
        r#"{"type":"enrollment","id":"enr_1","organization_id":"0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11","user_profile_id":"uprof_011Caw7UBvkeMCpZkHRpjtPh","program":"cyber","status":"pending","submitted":{"legal_name":"Ana \"F\"","country":"PT"},"submitted_at":"2026-11-01T00:00:00Z","decided_at":null,"note":null}"#
    );
    let approval = enrollments::parse_approval(optional_fields(
        br#"{"tiers":{"a":"active"},"requirements":{"human_review":true},"note":"Welcome"}"#,
    ));
    let approval = approval.unwrap();
    assert_eq!(approval.note.as_deref(), Some("Welcome"));
    let standing = approval.standing(&ProgramName::Cyber).unwrap();
    assert_eq!(standing.status(), ProgramStatus::Active);
    assert_eq!(
        message(approval.standing(&ProgramName::Efs)),
        "tiers: must be left out for a program other than cyber"
    );
    let bare = enrollments::parse_approval(optional_fields(b"")).unwrap();
    assert!(bare.standing(&ProgramName::Efs).is_ok());
    assert_eq!(
        message(
            enrollments::parse_approval(optional_fields(br#"{"requirements":{}}"#))
                .unwrap()
                .standing(&ProgramName::Cyber)
        ),
        "requirements: need an active tier"
    );
    assert_eq!(
        enrollments::parse_rejection(optional_fields(br#"{"note":""}"#)),
        Ok(None)
    );
    let long = format!("{{\"note\":\"{}\"}}", "n".repeat(1_001));
    assert_eq!(
        message(enrollments::parse_rejection(optional_fields(
            long.as_bytes()
        ))),
        "note: must be at most 1000 characters"
    );
    let request = enrollments::parse_list(Some("status=pending"), &cursors()).unwrap();
    assert_eq!(request.status, Some(EnrollmentStatus::Pending));
}

#[test]
fn searches_are_read_criterion_by_criterion() {
    let read = |query: &str| profiles::parse_search(Some(query), &cursors());
    let request = read(
        "organization_id=org&external_id=a%20b&email_hash=h&name_prefix=Nord+%C3%84&country=DE\
         &access_type=passthrough&enforcement_status=banned&program=cyber&program_status=active\
         &created_after=2026-01-01T00:00:00Z&created_before=2026-02-01T00:00:00%2B01:00&limit=5",
    );
    let request = request.unwrap();
    let search = &request.search;
    assert_eq!(search.organization_id, OrganizationId::parse("org").ok());
    assert_eq!(
        search.reference_id.as_ref().map(ReferenceId::as_str),
        Some("a b")
    );
    assert_eq!(search.name_prefix.as_deref(), Some("nord Ä"));
    assert_eq!(
        search.program,
        Some((ProgramName::Cyber, Some(ProgramStatus::Active)))
    );
    assert_eq!(search.created_before, Some(at("2026-01-31T23:00:00Z")));
    assert_eq!(request.page().limit.get(), 5);
    assert_eq!(
        read("reference_id=x")
            .unwrap()
            .search
            .reference_id
            .unwrap()
            .as_str(),
        "x"
    );
    for (query, expected) in [
        (
            "external_id=a&reference_id=a",
            "reference_id: is another name of external_id",
        ),
        (
            "program_status=active",
            "program: is required beside program_status",
        ),
        (
            "created_after=yesterday",
            "created_after: must be an RFC 3339 date-time with an offset, such as 2026-03-15T10:00:00Z",
        ),
        (
            "country=de",
            "country: must be two upper-case ASCII letters",
        ),
        ("limit=0", "limit: must be an integer from 1 to 100"),
        ("q=x", "q: unknown query parameter"),
    ] {
        assert_eq!(message(read(query)), expected);
    }
}

#[test]
fn cursors_of_a_list_go_on_in_that_list_alone() {
    let read = |query: &str| profiles::parse_search(Some(query), &cursors());
    let first = read("country=DE&program=cyber").unwrap();
    for position in [
        SearchPosition::CreatedAt(now(), nordlicht().id),
        SearchPosition::Name("nord\nlicht".into(), nordlicht().id),
    ] {
        let next = first.list.next_page(&cursors(), &position);
        let second = read(&format!("page={next}&program=cyber&limit=3&country=DE")).unwrap();
        assert_eq!(second.list.after, Some(position));
        for query in [
            "country=PT&program=cyber",
            "country=DE",
            "country=DE&program=cyber&name_prefix=n",
        ] {
            assert_eq!(
                message(read(&format!("{query}&page={next}"))),
                "page: not a valid cursor for this request"
            );
        }
    }
    let organizations = |query: Option<&str>| {
        ListRequest::<ListPosition>::parse(query, &cursors(), "organizations")
    };
    let position = ListPosition {
        created_at: now(),
        id: "org".into(),
    };
    let next = organizations(None)
        .unwrap()
        .next_page(&cursors(), &position);
    let query = format!("page={next}");
    assert_eq!(organizations(Some(&query)).unwrap().after, Some(position));
    assert!(ListRequest::<ListPosition>::parse(Some(&query), &cursors(), "workspaces").is_err());
    assert!(audit::parse_list(Some(&query), &cursors()).is_err());
}

#[test]
fn the_whole_record_has_every_field_of_every_dialect() {
    let shown = |profile: &Profile, enrollments: Option<&[Enrollment]>| {
        let rest = enrollments.map(|enrollments| profiles::Rest {
            validator: Validator::Operator,
            enrollments,
        });
        written(|out| {
            profiles::write_record(out, &organization(), profile, rest, now()).unwrap();
        })
    };
    insta::assert_snapshot!("record.nordlicht", shown(&nordlicht(), None));
    insta::assert_snapshot!("record.punished", shown(&punished(), Some(&[enrollment()])));
}

#[test]
fn a_get_may_ask_for_a_dialect() {
    assert!(profiles::parse_get(None).unwrap().is_none());
    let dialect = profiles::parse_get(Some("as=2026-08-18")).unwrap().unwrap();
    assert_eq!(dialect.short_name(), "2026-08-18");
    assert_eq!(
        message(profiles::parse_get(Some("as=v1"))),
        format!(
            "as: must be one of: {}",
            every_dialect().collect::<Vec<_>>().join(", ")
        )
    );
    let export = profiles::parse_export(Some("organization_id=org")).unwrap();
    assert_eq!(export, OrganizationId::parse("org").ok());
}

#[test]
fn a_record_is_put_under_the_id_in_the_path() {
    let id = ProfileId::parse("uprof_1").unwrap();
    let put =
        |body: &str| profiles::parse_record(body.as_bytes(), id.clone(), &Ids::default(), now());
    let (organization_id, profile) = put(
        r#"{"type":"user_profile","organization_id":"org","created_at":"2026-01-01T00:00:00Z","programs":{"cyber":{"status":"active","tiers":{"a":"active"}}}}"#,
    )
    .unwrap();
    assert_eq!(
        (organization_id.as_str(), profile.profile.id),
        ("org", id.clone())
    );
    assert_eq!(profile.profile.updated_at, at("2026-01-01T00:00:00Z"));
    for (body, expected) in [
        ("{}", "organization_id: is required"),
        (r#"{"type":"order"}"#, "type: must be user_profile"),
        (
            r#"{"organization_id":"org","id":"uprof_2"}"#,
            "id: must be the ID in the path",
        ),
        (
            r#"{"organization_id":"org","external_id":"a"}"#,
            "external_id: Extra inputs are not permitted",
        ),
    ] {
        assert_eq!(message(put(body)), expected);
    }
}

#[test]
fn programs_have_their_own_parts_each() {
    let own = profiles::parse_program_name("lab").unwrap();
    assert!(profiles::parse_program(fields(br#"{"status":"active"}"#), &own).is_ok());
    assert_eq!(
        message(profiles::parse_program_name("Lab")),
        "name: must be a program name: 1 to 64 characters from a-z, 0-9, _ and -"
    );
    for (name, body, expected) in [
        (
            "lab",
            r#"{"status":"active","tiers":{}}"#,
            "tiers: Extra inputs are not permitted",
        ),
        ("cyber", "{}", "status: is required"),
        (
            "cyber",
            r#"{"status":"pending","tiers":{"b":"active"}}"#,
            "status: must be active while a tier is active",
        ),
        (
            "efs",
            r#"{"status":"active","features":{"cmek":true}}"#,
            "features.cmek: must be a string",
        ),
    ] {
        let name = profiles::parse_program_name(name).unwrap();
        assert_eq!(
            message(profiles::parse_program(fields(body.as_bytes()), &name)),
            expected
        );
    }
}

#[test]
fn an_import_is_reported_line_by_line() {
    let report = ImportReport {
        imported: 2,
        replaced: 1,
        failed: 1,
        errors: vec![(3, "type: is required".into())],
    };
    assert_eq!(
        profiles::write_import_report(&report),
        r#"{"imported":2,"replaced":1,"failed":1,"errors":[{"line":3,"message":"type: is required"}]}"#
    );
}

#[test]
fn deliveries_show_their_attempts_and_on_request_what_was_sent() {
    let delivery = Delivery {
        id: DeliveryId::parse("whd_1").unwrap(),
        organization_id: organization(),
        endpoint_id: WebhookEndpointId::parse("whep_1").unwrap(),
        event_id: EventId::parse("whe_1").unwrap(),
        event_type: "user_profile.program_status_updated".into(),
        status: DeliveryStatus::Pending,
        created_at: at("2026-11-01T00:00:00Z"),
        next_attempt_at: Some(at("2026-11-01T00:00:10Z")),
        attempts: vec![
            Attempt {
                at: at("2026-11-01T00:00:00Z"),
                status_code: Some(500),
                latency_ms: 12,
                error: None,
                answer: None,
            },
            Attempt {
                at: at("2026-11-01T00:00:05Z"),
                status_code: None,
                latency_ms: 5_000,
                error: Some("connect timed out".into()),
                answer: None,
            },
        ],
    };
    let request = ShownRequest {
        headers: vec![("webhook-id".into(), "whe_1".into())],
        body: "{}".into(),
    };
    let head = r#"{"type":"webhook_delivery","id":"whd_1","organization_id":"0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11","endpoint_id":"whep_1","event_id":"whe_1","event_type":"user_profile.program_status_updated","status":"pending","created_at":"2026-11-01T00:00:00Z","next_attempt_at":"2026-11-01T00:00:10Z","attempts":[{"at":"2026-11-01T00:00:00Z","status_code":500,"latency_ms":12,"error":null},{"at":"2026-11-01T00:00:05Z","status_code":null,"latency_ms":5000,"error":"connect timed out"}]"#;
    assert_eq!(
        written(|out| deliveries::write_delivery(out, &delivery, None)),
        format!("{head}}}")
    );
    assert_eq!(
        written(|out| deliveries::write_delivery(out, &delivery, Some(&request))),
        format!(r#"{head},"request":{{"headers":{{"webhook-id":"whe_1"}},"body":"{{}}"}}}}"#)
    );
    let request = deliveries::parse_list(Some("endpoint_id=e&status=failed"), &cursors());
    assert_eq!(request.unwrap().status, Some(DeliveryStatus::Failed));
}

#[test]
fn audit_events_name_fields_and_no_values() {
    let event = AuditEvent {
        id: AuditEventId::parse("aud_1").unwrap(),
        act: Act {
            actor: Actor {
                kind: ActorKind::Api,
                id: "apikey_1".into(),
                name: Some("Platform".into()),
            },
            at: at("2026-11-01T00:00:00Z"),
        },
        organization_id: None,
        action: AuditAction::ProfileUpdated,
        target_kind: TargetKind::UserProfile,
        target_id: "uprof_1".into(),
        details: vec!["name".into()],
    };
    assert_eq!(
        written(|out| audit::write_audit_event(out, &event)),
        r#"{"type":"audit_event","id":"aud_1","at":"2026-11-01T00:00:00Z","organization_id":null,"actor":{"kind":"api","id":"apikey_1","name":"Platform"},"action":"user_profile.updated","target":{"type":"user_profile","id":"uprof_1"},"details":["name"]}"#
    );
    let request = audit::parse_list(Some("action=api_key.disabled&target_id=x"), &cursors());
    assert_eq!(request.unwrap().action, Some(AuditAction::ApiKeyDisabled));
    assert_eq!(
        message(audit::parse_list(Some("action=nope"), &cursors())),
        "action: is not an action of the audit trail"
    );
}

#[test]
fn the_development_clock_takes_one_change_at_a_time() {
    let read = |body: &str| dev::parse_clock(fields(body.as_bytes()));
    assert_eq!(
        read(r#"{"advance":"15m"}"#),
        Ok(ClockChange::Advance(Duration::from_mins(15)))
    );
    assert_eq!(
        read(r#"{"now":"2026-03-15T10:00:00Z"}"#),
        Ok(ClockChange::StopAt(at("2026-03-15T10:00:00Z")))
    );
    assert_eq!(read(r#"{"real":true}"#), Ok(ClockChange::FollowSystem));
    let one = "The request body must have exactly one of: advance, now, real";
    assert_eq!(message(read("{}")), one);
    assert_eq!(message(read(r#"{"advance":"1s","real":true}"#)), one);
    assert_eq!(message(read(r#"{"real":false}"#)), "real: must be true");
    assert_eq!(
        message(read(r#"{"advance":"soon"}"#)),
        "advance: must be a duration such as 90s, 15m, 1h30m or 7d, of at most 100 years"
    );
    assert_eq!(
        dev::write_clock(now()),
        r#"{"now":"2026-11-20T14:03:27.650118Z"}"#
    );
}

#[test]
fn faults_default_to_one_answer_of_the_catalogue() {
    let fault = dev::parse_fault(fields(
        br#"{"status":529,"method":"post","path":"/v1/user_profiles"}"#,
    ));
    let fault = fault.unwrap();
    assert_eq!(
        written(|out| dev::write_fault(out, &fault)),
        r#"{"method":"POST","path":"/v1/user_profiles","organization_id":null,"status":529,"error_type":"overloaded_error","error_code":null,"times":1,"delay_ms":0,"drop_connection":false}"#
    );
    let dropped = dev::parse_fault(fields(
        br#"{"drop_connection":true,"times":3,"delay_ms":250}"#,
    ))
    .unwrap();
    assert_eq!(dropped.outcome, FaultOutcome::DropConnection);
    assert_eq!(dropped.delay, Duration::from_millis(250));
    for (body, expected) in [
        (
            "{}",
            "status: is required without delay_ms or drop_connection",
        ),
        (
            r#"{"status":200}"#,
            "status: must be an integer from 400 to 599",
        ),
        (r#"{"status":500,"path":"v1"}"#, "path: must begin with /"),
        (
            r#"{"status":500,"times":0}"#,
            "times: must be an integer from 1 to 1000000",
        ),
    ] {
        assert_eq!(message(dev::parse_fault(fields(body.as_bytes()))), expected);
    }
}
