//! What the operator sends and is told.

use std::time::Duration;

use rollcall_domain::audit::{Act, Actor, ActorKind, AuditAction, AuditEvent, TargetKind};
use rollcall_domain::billing::BillingState;
use rollcall_domain::data_controls::{ControlKind, Region, Validator};
use rollcall_domain::delivery::{Attempt, Delivery, DeliveryStatus};
use rollcall_domain::enrollment::{Enrollment, EnrollmentStatus};
use rollcall_domain::event::{Event, EventKind};
use rollcall_domain::gateway::{Decision, Reason, Verdict};
use rollcall_domain::gateway_policy::GatewayPolicy;
use rollcall_domain::id::{
    ApiKeyId, AuditEventId, DeliveryId, EnforcementActionId, EnrollmentId, EventId, ProfileId,
    WorkspaceId,
};
use rollcall_domain::profile::Profile;
use rollcall_domain::program::ProgramName;
use rollcall_domain::role::Role;
use rollcall_domain::tenant::{
    ApiKey, KeyOwner, KeyStatus, Organization, OrganizationPatch, OrganizationStatus,
    OrganizationSwitches, Workspace,
};
use rollcall_record::{event, line};
use serde_json::{Value, json};

use super::profiles::{
    action_url, ana, nordlicht, restriction, shown_controls, updated, with_controls,
};
use super::{
    Examples, NOW, at, endpoint, only, organization_id, page, read, signing_key, value, written,
};
use crate::dialects;
use crate::operator::audit::write_audit_event;
use crate::operator::deliveries::{ShownRequest, write_delivery};
use crate::operator::dev::{parse_fault, write_billing, write_clock, write_fault};
use crate::operator::endpoints::write_endpoint;
use crate::operator::enforcement::{ShownAction, parse_action, write_action};
use crate::operator::enrollments::write_enrollment;
use crate::operator::gateway::{JudgedProfile, write_decision, write_policy};
use crate::operator::profiles::{
    ImportReport, Rest, parse_program, write_import_report, write_record,
};
use crate::operator::tenants::{
    parse_organization_patch, write_api_key, write_organization, write_workspace,
};
use crate::operator::{body_fields, deleted};
use crate::webhooks::sign;

/// The examples of the operator API.
pub(super) fn examples() -> Option<Examples> {
    let mut examples = Examples::default();
    tenants(&mut examples)?;
    gateway(&mut examples)?;
    profiles(&mut examples)?;
    data_controls(&mut examples)?;
    enforcement(&mut examples)?;
    webhooks(&mut examples)?;
    enrollments(&mut examples)?;
    development(&mut examples)?;
    Some(examples)
}

fn fields(body: &Value) -> Option<rollcall_record::field::Fields> {
    body_fields(body.to_string().as_bytes()).ok()
}

fn organization() -> Option<Organization> {
    Some(Organization {
        id: organization_id()?,
        name: "Acme".to_owned(),
        created_at: at("2026-04-01T08:00:00Z")?,
        rate_limit_rpm: Some(600),
        status: OrganizationStatus::Active,
        switches: OrganizationSwitches::default(),
        gateway_policy: GatewayPolicy::default(),
    })
}

fn tenants(examples: &mut Examples) -> Option<()> {
    let organization = organization()?;
    let shown = |it: &Organization| written(|out| write_organization(out, it));
    let create = json!({"name": organization.name, "rate_limit_rpm": organization.rate_limit_rpm});
    examples.sends("OrganizationCreate", create);
    examples.answers("Organization", shown(&organization)?);
    let update = json!({"rate_limit_rpm": 1200});
    let patch: OrganizationPatch = parse_organization_patch(fields(&update)?).ok()?;
    examples.sends("OrganizationUpdate", update);
    let updated = organization.update(&patch).value;
    examples.answers("update_organization", shown(&updated)?);

    let answer = read(&deleted("organization", organization.id.as_str()))?;
    examples.answers("remove_organization", answer);

    let workspace = Workspace {
        id: WorkspaceId::parse(value("workspace_id")).ok()?,
        organization_id: organization_id()?,
        name: "Production".to_owned(),
        created_at: at("2026-04-01T08:05:00Z")?,
    };
    examples.sends("WorkspaceCreate", json!({"name": workspace.name}));
    let answer = written(|out| write_workspace(out, &workspace))?;
    examples.answers("Workspace", answer);

    let key = ApiKey {
        id: ApiKeyId::parse(value("api_key_id")).ok()?,
        owner: KeyOwner::Api {
            organization_id: organization_id()?,
            workspace_id: None,
        },
        name: "platform".to_owned(),
        created_at: at("2026-04-01T08:10:00Z")?,
        expires_at: None,
        last_used_at: None,
        status: KeyStatus::Active,
        literal: false,
    };
    examples.sends("ApiKeyCreate", json!({"name": key.name, "kind": "api"}));
    let secret = "sk-rollcall-api01-shown-here-and-never-again";
    let answer = written(|out| write_api_key(out, &key, Some(secret)))?;
    examples.answers("NewApiKey", answer);
    let used = ApiKey {
        last_used_at: at(NOW),
        ..key.clone()
    };
    let answer = written(|out| write_api_key(out, &used, None))?;
    examples.answers("ApiKey", answer);
    examples.sends("ApiKeyUpdate", json!({"status": "disabled"}));
    let disabled = used.with_status(KeyStatus::Disabled, &[], at(NOW)?);
    let disabled = disabled.ok()?.value;
    let answer = written(|out| write_api_key(out, &disabled, None))?;
    examples.answers("update_api_key", answer);
    let answer = read(&deleted("api_key", key.id.as_str()))?;
    examples.answers("delete_api_key", answer);

    let reviewer = ApiKey {
        id: ApiKeyId::parse(value("operator_key_id")).ok()?,
        owner: KeyOwner::Operator {
            role: Role::Reviewer,
        },
        name: "Inês Marques".to_owned(),
        ..key
    };
    let create = json!({"name": reviewer.name, "role": Role::Reviewer.as_str()});
    examples.sends("OperatorKeyCreate", create);
    let secret = "sk-rollcall-op01-shown-here-and-never-again";
    let shown = |it: &ApiKey, secret| written(|out| write_api_key(out, it, secret));
    examples.answers("create_operator_key", shown(&reviewer, Some(secret))?);
    examples.answers("list_operator_keys", page(&shown(&reviewer, None)?));
    let disabled = reviewer.with_status(KeyStatus::Disabled, &[], at(NOW)?);
    let disabled = disabled.ok()?.value;
    examples.answers("update_operator_key", shown(&disabled, None)?);
    let answer = read(&deleted("api_key", disabled.id.as_str()))?;
    examples.answers("delete_operator_key", answer);
    Some(())
}

fn gateway(examples: &mut Examples) -> Option<()> {
    let organization = organization()?;
    let answer = written(|out| write_policy(out, &organization))?;
    examples.answers("GatewayPolicy", answer);
    let update = json!({"pending": "allow", "cache_seconds": 10});
    let patch = crate::operator::gateway::parse_policy(fields(&update)?).ok()?;
    let updated = organization.update(&patch).value;
    examples.sends("GatewayPolicyUpdate", update);
    let answer = written(|out| write_policy(out, &updated))?;
    examples.answers("update_gateway_policy", answer);
    let customer = nordlicht()?;
    let profile = JudgedProfile {
        id: customer.id.as_str(),
        enforcement_status: customer.enforcement.status_at(at(NOW)?),
        access_type: customer.relationship.access_type(),
        programs: "cyber,efs",
        cache_seconds: organization.gateway_policy.cache_seconds.get(),
    };
    let decision = Decision {
        verdict: Verdict::Allow,
        reason: Reason::GoodStanding,
    };
    let answer = written(|out| write_decision(out, decision, Some(&profile)))?;
    examples.answers("GatewayDecision", answer);
    Some(())
}

fn record(profile: &Profile, rest: Option<Rest<'_>>) -> Option<Value> {
    let (organization_id, now) = (organization_id()?, at(NOW)?);
    let mut out = String::new();
    write_record(&mut out, &organization_id, profile, rest, now).ok()?;
    read(&out)
}

fn profiles(examples: &mut Examples) -> Option<()> {
    let profile = nordlicht()?;
    let answer = record(&profile, None)?;
    let organization_id = organization_id()?;
    let line = written(|out| line::write(out, &organization_id, &profile))?;
    let put = only(&line, |name| {
        matches!(
            name,
            "organization_id"
                | "access_type"
                | "name"
                | "external_user_details"
                | "metadata"
                | "programs"
        )
    });
    examples.sends("RecordPut", put);
    examples.sends("import_user_profiles", line.clone());
    examples.answers("export_user_profiles", line);
    examples.answers("Record", answer);
    let enrollment = enrollment()?;
    let rest = Rest {
        validator: Validator::Operator,
        enrollments: std::slice::from_ref(&enrollment),
    };
    let answer = record(&with_controls()?, Some(rest))?;
    examples.answers("get_user_profile", answer);
    let (update, updated) = updated(dialects::DEFAULT)?;
    examples.sends("update_user_profile", update);
    examples.answers("update_user_profile", record(&updated, None)?);
    action_url(examples)?;
    let report = ImportReport {
        imported: 1,
        ..ImportReport::default()
    };
    examples.answers("ImportReport", read(&write_import_report(&report))?);
    let answer = read(&deleted("user_profile", profile.id.as_str()))?;
    examples.answers("erase_user_profile", answer);

    let program = json!({
        "status": "active",
        "tiers": {"a": "active"},
        "requirements": {"data_retention": true, "human_review": false}
    });
    let standing = parse_program(fields(&program)?, &ProgramName::Cyber).ok()?;
    examples.sends("Program", program);
    let now = at(NOW)?;
    let set = profile.set_program(standing, now).ok()?.value;
    examples.answers("set_program", record(&set, None)?);
    let without = profile.delete_program(&ProgramName::Cyber, now).value;
    examples.answers("delete_program", record(&without, None)?);
    Some(())
}

fn data_controls(examples: &mut Examples) -> Option<()> {
    let found = json!({"status": "active"});
    let mut report = |operation, schema, control, region: Region| {
        let said = crate::data_controls::parse_report(fields(&found)?, control).ok()?;
        let validator = Validator::Operator;
        let decided = with_controls()?.report_on_region(region, &said, validator, at(NOW)?);
        examples.sends(schema, found.clone());
        examples.answers(operation, shown_controls(&decided.ok()?.value)?);
        examples.places(operation, "region", region.as_str());
        Some(())
    };
    report("report_on_key", "KeyReport", ControlKind::Cmek, Region::Us)?;
    report(
        "report_on_bucket",
        "BucketReport",
        ControlKind::Storage,
        Region::Eu,
    )
}

fn enforcement(examples: &mut Examples) -> Option<()> {
    let now = at(NOW)?;
    let open = json!({"type": "restriction", "reason": "fraud_or_abuse", "action": "verify"});
    let id = EnforcementActionId::parse(value("enforcement_action_id")).ok()?;
    let opened = parse_action(fields(&open)?, id.clone(), now).ok()?;
    examples.sends("EnforcementActionOpen", open);
    let customer = nordlicht()?.id;
    let shown = |profile_id: &ProfileId, action: ShownAction<'_>| {
        written(|out| write_action(out, profile_id, action))
    };
    let answer = shown(&customer, ShownAction::unresolved(&opened, now))?;
    examples.answers("open_enforcement_action", answer);
    let of = |profile: &Profile| {
        let action = ShownAction::find(&profile.enforcement, &id, now)?;
        shown(&profile.id, action)
    };
    let restricted = ana()?;
    let answer = shown(
        &restricted.id,
        ShownAction::unresolved(&restriction()?, now),
    )?;
    examples.answers("EnforcementAction", answer);
    let resolved = restricted.resolve_action(&id, now).ok()?.value;
    examples.answers("resolve_enforcement_action", of(&resolved)?);
    let check = json!({"state": "submitted"});
    let state = crate::operator::enforcement::parse_identity_check(fields(&check)?).ok()?;
    let checked = restricted.identity_check(&id, state, now).ok()?.value;
    examples.sends("IdentityCheck", check);
    examples.answers("set_identity_check", of(&checked)?);
    let event = AuditEvent {
        id: AuditEventId::parse("aud_011CgYtEdis35bAPd4Ls8CRg").ok()?,
        act: Act {
            actor: Actor {
                kind: ActorKind::Operator,
                id: value("api_key_id").to_owned(),
                name: Some("support desk".to_owned()),
            },
            at: restriction()?.opened_at(),
        },
        organization_id: organization_id(),
        action: AuditAction::EnforcementActionOpened,
        target_kind: TargetKind::EnforcementAction,
        target_id: id.to_string(),
        details: vec![restriction()?.reason().as_str().to_owned()],
    };
    let answer = written(|out| write_audit_event(out, &event))?;
    examples.answers("AuditEvent", answer);
    Some(())
}

fn webhooks(examples: &mut Examples) -> Option<()> {
    let (organization_id, endpoint, now) = (organization_id()?, endpoint()?, at(NOW)?);
    let answer = written(|out| write_endpoint(out, &organization_id, &endpoint, None))?;
    examples.answers("WebhookEndpoint", answer);

    let opened = restriction()?;
    let event = Event {
        profile_id: ana()?.id,
        at: opened.opened_at(),
        kind: EventKind::EnforcementActionOpened(opened.id().clone()),
    };
    let event_id = EventId::parse("whe_0192f1c2d3e4f5a6b7c8d9e0f1a2b3c4").ok()?;
    let id = || DeliveryId::parse(value("webhook_delivery_id")).ok();
    let delivery = Delivery {
        id: id()?,
        organization_id: organization_id.clone(),
        endpoint_id: endpoint.id.clone(),
        event_id: event_id.clone(),
        event_type: event.kind.event_type().as_str().to_owned(),
        status: DeliveryStatus::Delivered,
        created_at: event.at,
        next_attempt_at: None,
        attempts: vec![Attempt {
            at: event.at,
            status_code: Some(200),
            latency_ms: 42,
            error: None,
            answer: None,
        }],
    };
    let shown = |it: &Delivery, request: Option<&ShownRequest>| {
        written(|out| write_delivery(out, it, request))
    };
    let body = event::body(&event_id, &organization_id, &event);
    let sent_at = event.at.as_micros().div_euclid(1_000_000);
    let signature = sign(&signing_key(1), event_id.as_str(), sent_at, body.as_bytes());
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("webhook-id", event_id.to_string()),
        ("webhook-timestamp", sent_at.to_string()),
        ("webhook-signature", signature),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value));
    let request = ShownRequest {
        headers: headers.into(),
        body,
    };
    examples.answers("WebhookDelivery", shown(&delivery, None)?);
    let answer = shown(&delivery, Some(&request))?;
    examples.answers("WebhookDeliveryWithRequest", answer);
    let tested = Delivery::test(id()?, event_id, &organization_id, &endpoint, now);
    let answer = shown(&tested.ok()?.value, None)?;
    examples.answers("test_webhook_endpoint", answer);
    let again = delivery.redeliver(&endpoint, now).ok()?.value;
    examples.answers("redeliver", shown(&again, None)?);
    Some(())
}

fn enrollment() -> Option<Enrollment> {
    let submitted = [
        ("tiers", "a"),
        ("full_name", "Kim Petersen"),
        ("organization", "Nordlicht Analytics GmbH"),
        ("role", "Security engineer"),
        ("intended_use", "Testing our own systems"),
    ];
    let submitted = submitted.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Some(Enrollment {
        id: EnrollmentId::parse(value("enrollment_id")).ok()?,
        organization_id: organization_id()?,
        profile_id: nordlicht()?.id,
        program: ProgramName::Cyber,
        status: EnrollmentStatus::Pending,
        submitted: submitted.into(),
        submitted_at: at("2026-11-03T15:20:00Z")?,
        decided_at: None,
        note: None,
    })
}

fn enrollments(examples: &mut Examples) -> Option<()> {
    let waiting = enrollment()?;
    let shown = |it: &Enrollment| written(|out| write_enrollment(out, it));
    examples.answers("Enrollment", shown(&waiting)?);
    let decided = |status, note: &str| Enrollment {
        status,
        decided_at: at(NOW),
        note: Some(note.to_owned()),
        ..waiting.clone()
    };
    let approved = decided(EnrollmentStatus::Approved, "Welcome.");
    let approval = json!({
        "tiers": {"a": "active"},
        "requirements": {"data_retention": true, "human_review": false},
        "note": approved.note
    });
    examples.sends("EnrollmentApproval", approval);
    examples.answers("approve_enrollment", shown(&approved)?);
    let rejected = decided(EnrollmentStatus::Rejected, "Please tell us more.");
    examples.sends("EnrollmentRejection", json!({"note": rejected.note}));
    examples.answers("reject_enrollment", shown(&rejected)?);
    Some(())
}

fn development(examples: &mut Examples) -> Option<()> {
    let now = at(NOW)?;
    examples.answers("Clock", read(&write_clock(now))?);
    examples.sends("ClockChange", json!({"advance": "15m"}));
    let later = rollcall_domain::clock::Timestamp::from_micros(
        now.as_micros() + i64::try_from(Duration::from_mins(15).as_micros()).ok()?,
    )?;
    examples.answers("set_clock", read(&write_clock(later))?);
    let fault = json!({"path": "/v1/messages", "status": 529, "times": 2});
    let prepared = parse_fault(fields(&fault)?).ok()?;
    examples.sends("FaultAdd", fault);
    examples.answers("Fault", written(|out| write_fault(out, &prepared))?);
    let none = json!({"data": [], "next_page": null});
    examples.answers("clear_faults", none);
    let customer = nordlicht()?.id;
    let state = BillingState::Linked;
    examples.sends("UserProfileBillingSet", json!({"state": state.as_str()}));
    let answer = written(|out| write_billing(out, &customer, state))?;
    examples.answers("UserProfileBilling", answer);
    // The server writes it, which has seen the request.
    examples.answers(
        "Request",
        json!({
            "type": "request",
            "request_id": "req_011CgYtEdis35bAPd4Ls8CRh",
            "at": NOW,
            "organization_id": value("organization_id"),
            "method": "GET",
            "path": "/v1/user_profiles",
            "query": "limit=20",
            "headers": [["x-api-key", "[removed]"], ["anthropic-version", "2023-06-01"]],
            "unknown_betas": [],
            "body": null,
            "status": 200
        }),
    );
    Some(())
}
