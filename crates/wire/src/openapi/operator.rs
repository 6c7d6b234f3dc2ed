//! The operator API's document, the development controls included: a server that is not a development
//! server has none of their paths.

use rollcall_domain::audit::{ActorKind, AuditAction, TargetKind};
use rollcall_domain::delivery::DeliveryStatus;
use rollcall_domain::enforcement::{CheckState, OPEN_ACTIONS, Resolution};
use rollcall_domain::enrollment::EnrollmentStatus;
use rollcall_domain::profile::AccessType;
use rollcall_domain::program::OWN_PROGRAMS;
use rollcall_domain::tenant::{KeyKind, KeyStatus, OrganizationStatus};
use rollcall_domain::text::{Name, OpaqueHash, ReferenceId};
use serde_json::{Value, json};
use utoipa::openapi::link::LinkBuilder;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, Parameter};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{AdditionalProperties, Object, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, OpenApi, Paths, Required};

use super::answers::{self, Caller, with_errors};
use super::public::{beta, limit, page, path_parameter, query};
use super::schema::{
    self, Member, Shape, answer, any_of, array, body, boolean, choice, described, id, integer,
    matching, named, nullable, organization_id, ruled, shown_optional_time, shown_text, shown_time,
    text, time_in, word,
};
use super::{begin, security};
use crate::dialects;
use crate::error::ErrorKind;
use crate::operator::enrollments::NOTE_LIMIT;
use crate::parts::Write;

const ABOUT: &str = "What the party that runs Rollcall does, over every organization: tenants and their \
                     keys, programs, enforcement, search, import and export, the audit trail. Needs an \
                     `operator` key and no `anthropic-*` header. The paths under `/operator/v1/dev` exist \
                     under `rollcall dev` alone.";

/// The document.
pub(super) fn document() -> OpenApi {
    let mut components = answers::components(Caller::Operator);
    security(&mut components);
    for (name, object) in schemas() {
        components.schemas.insert(name.to_owned(), object);
    }
    let mut paths = Paths::new();
    for (path, method, operation) in operations() {
        paths.add_path_operation(path, vec![method], operation.build());
    }
    begin("Rollcall operator API", ABOUT)
        .paths(paths)
        .components(Some(components))
        .build()
}

type Described = (&'static str, HttpMethod, OperationBuilder);

fn operations() -> Vec<Described> {
    let parts = [
        tenants(),
        profiles(),
        decisions(),
        webhooks(),
        enrollments(),
        development(),
    ];
    parts.into_iter().flatten().collect()
}

fn get(path: &'static str, operation: OperationBuilder) -> Described {
    (path, HttpMethod::Get, errors(path, operation, &[]))
}

fn post(path: &'static str, operation: OperationBuilder) -> Described {
    (
        path,
        HttpMethod::Post,
        errors(path, operation, &[ErrorKind::TooLarge]),
    )
}

fn put(path: &'static str, operation: OperationBuilder) -> Described {
    (
        path,
        HttpMethod::Put,
        errors(path, operation, &[ErrorKind::TooLarge]),
    )
}

fn delete(path: &'static str, operation: OperationBuilder) -> Described {
    (path, HttpMethod::Delete, errors(path, operation, &[]))
}

/// A path that names something may not find it, and a body may conflict with what is stored.
fn errors(path: &str, operation: OperationBuilder, more: &[ErrorKind]) -> OperationBuilder {
    let mut kinds = more.to_vec();
    if path.contains('{') {
        kinds.push(ErrorKind::NotFound);
    }
    if !more.is_empty() {
        kinds.push(ErrorKind::Conflict);
    }
    with_errors(operation, &kinds)
}

fn operation(tag: &str, id: &str, summary: &str) -> OperationBuilder {
    let operation = OperationBuilder::new().tag(tag);
    let operation = operation.operation_id(Some(id)).summary(Some(summary));
    operation.parameter(beta())
}

fn answers(operation: OperationBuilder, shape: impl Into<Shape>) -> OperationBuilder {
    operation.response("200", ok(shape))
}

fn ok(shape: impl Into<Shape>) -> ResponseBuilder {
    answers::json(Caller::Operator, "Done.", shape)
}

fn list(operation: OperationBuilder, item: &str) -> OperationBuilder {
    let operation = operation.parameter(limit()).parameter(page());
    answers(operation, schema::page(named(item)))
}

fn takes(operation: OperationBuilder, name: &str) -> OperationBuilder {
    operation.request_body(Some(sent(named(name))))
}

/// A body that may be left out.
fn may_take(operation: OperationBuilder, name: &str) -> OperationBuilder {
    let mut body = sent(named(name));
    body.required = Some(Required::False);
    operation.request_body(Some(body))
}

fn sent(shape: impl Into<Shape>) -> RequestBody {
    let content = ContentBuilder::new().schema(Some(shape.into())).build();
    let body = RequestBodyBuilder::new().required(Some(Required::True));
    body.content("application/json", content).build()
}

/// Links from an answer with an `id` to what takes it.
fn linked(answer: ResponseBuilder, parameter: &str, operations: &[&str]) -> ResponseBuilder {
    operations.iter().fold(answer, |answer, operation| {
        let link = LinkBuilder::new().operation_id(*operation);
        answer.link(
            *operation,
            link.parameter(parameter, "$response.body#/id").build(),
        )
    })
}

fn organization_in_path() -> Parameter {
    path_parameter("organization_id", organization_id())
}

fn key_in_path() -> Parameter {
    path_parameter("api_key_id", id("apikey_"))
}

fn profile_in_path() -> Parameter {
    path_parameter("user_profile_id", id("uprof_"))
}

fn action_in_path() -> Parameter {
    path_parameter("enforcement_action_id", id("enac_"))
}

#[expect(clippy::too_many_lines, reason = "a table of operations")]
fn tenants() -> Vec<Described> {
    const ORGANIZATIONS: &str = "/operator/v1/organizations";
    const ORGANIZATION: &str = "/operator/v1/organizations/{organization_id}";
    const WORKSPACES: &str = "/operator/v1/organizations/{organization_id}/workspaces";
    const KEYS: &str = "/operator/v1/organizations/{organization_id}/api_keys";
    const KEY: &str = "/operator/v1/api_keys/{api_key_id}";
    let organizations = |id, summary| operation("Organizations", id, summary);
    let one = |id, summary| organizations(id, summary).parameter(organization_in_path());
    let workspaces =
        |id, summary| operation("Workspaces", id, summary).parameter(organization_in_path());
    let keys = |id, summary| operation("API keys", id, summary);
    let created = linked(
        ok(named("Organization")),
        "organization_id",
        &[
            "get_organization",
            "update_organization",
            "create_workspace",
            "create_api_key",
        ],
    );
    let create =
        organizations("create_organization", "Create an organization").response("200", created);
    let created_key = linked(
        ok(named("NewApiKey")),
        "api_key_id",
        &["update_api_key", "delete_api_key"],
    );
    let key_of_organization =
        keys("create_api_key", "Create an API key").parameter(organization_in_path());
    vec![
        get(
            ORGANIZATIONS,
            list(
                organizations("list_organizations", "List organizations"),
                "Organization",
            ),
        ),
        post(ORGANIZATIONS, takes(create, "OrganizationCreate")),
        get(
            ORGANIZATION,
            answers(
                one("get_organization", "Get an organization"),
                named("Organization"),
            ),
        ),
        post(
            ORGANIZATION,
            takes(
                answers(
                    one("update_organization", "Update an organization"),
                    named("Organization"),
                ),
                "OrganizationUpdate",
            ),
        ),
        get(
            WORKSPACES,
            list(
                workspaces("list_workspaces", "List workspaces"),
                "Workspace",
            ),
        ),
        post(
            WORKSPACES,
            takes(
                answers(
                    workspaces("create_workspace", "Create a workspace"),
                    named("Workspace"),
                ),
                "WorkspaceCreate",
            ),
        ),
        get(
            KEYS,
            list(
                keys("list_api_keys", "List API keys").parameter(organization_in_path()),
                "ApiKey",
            ),
        ),
        post(
            KEYS,
            takes(
                key_of_organization.response("200", created_key),
                "ApiKeyCreate",
            ),
        ),
        post(
            KEY,
            takes(
                answers(
                    keys("update_api_key", "Disable or enable an API key").parameter(key_in_path()),
                    named("ApiKey"),
                ),
                "ApiKeyUpdate",
            ),
        ),
        delete(
            KEY,
            answers(
                keys("delete_api_key", "Delete an API key").parameter(key_in_path()),
                deleted("apikey_", "api_key_deleted"),
            ),
        ),
    ]
}

fn profiles() -> Vec<Described> {
    const SEARCH: &str = "/operator/v1/user_profiles";
    const ONE: &str = "/operator/v1/user_profiles/{user_profile_id}";
    const IMPORT: &str = "/operator/v1/user_profiles/import";
    const EXPORT: &str = "/operator/v1/user_profiles/export";
    let profiles = |id, summary| operation("User profiles", id, summary);
    let search = profiles(
        "search_user_profiles",
        "Search the user profiles of every organization",
    );
    let search = search_parameters()
        .into_iter()
        .fold(search, OperationBuilder::parameter);
    let names = dialects::ALL.iter().map(|dialect| dialect.short_name());
    let words =
        "The profile exactly as this dialect's get answers it, instead of the whole record.";
    let get_one = profiles("get_user_profile", "Get a user profile's whole record")
        .parameter(profile_in_path())
        .parameter(query("as", words, choice(names)));
    let shown = any_of([named("FullRecord"), named("DialectProfile")]);
    let put_one = profiles(
        "put_user_profile",
        "Create or replace a user profile's record",
    )
    .description(Some(
        "With the given id and times; nothing moves between organizations.",
    ))
    .parameter(profile_in_path());
    // A line that is no record fails alone, so that there is no body that would be refused.
    let anything = Shape::from(Object::with_type(SchemaType::AnyValue));
    let anything = ContentBuilder::new().schema(Some(anything));
    let lines = || {
        ContentBuilder::new()
            .schema(Some(Shape::from(Object::new())))
            .build()
    };
    let import = profiles("import_user_profiles", "Import user profiles")
        .description(Some(
            "A stream of records, one JSON object a line. A bad line fails alone.",
        ))
        .request_body(Some(
            RequestBodyBuilder::new()
                .required(Some(Required::False))
                .content("application/x-ndjson", anything.build())
                .build(),
        ));
    let words = "Only this organization's.";
    let export = profiles("export_user_profiles", "Export user profiles")
        .description(Some("An import of what it answers restores it exactly."))
        .parameter(query("organization_id", words, organization_id()));
    let stream = answers::success(Caller::Operator, "Records, one JSON object a line.");
    let export = export.response("200", stream.content("application/x-ndjson", lines()));
    vec![
        get(SEARCH, list(search, "Record")),
        post(IMPORT, answers(import, named("ImportReport"))),
        (
            EXPORT,
            HttpMethod::Get,
            errors(EXPORT, export, &[ErrorKind::NotFound]),
        ),
        get(ONE, answers(get_one, shown)),
        put(ONE, takes(answers(put_one, named("Record")), "RecordPut")),
    ]
}

fn search_parameters() -> Vec<Parameter> {
    vec![
        query(
            "organization_id",
            "Only this organization's.",
            organization_id(),
        ),
        query(
            "external_id",
            "With exactly this reference.",
            text(1, ReferenceId::LIMIT),
        ),
        query(
            "reference_id",
            "Another name of `external_id`.",
            text(1, ReferenceId::LIMIT),
        ),
        query(
            "email_hash",
            "With exactly this hash.",
            text(1, OpaqueHash::LIMIT),
        ),
        query(
            "name_prefix",
            "Whose name begins so, regardless of ASCII case.",
            text(1, Name::LIMIT),
        ),
        query("country", "With this country.", matching("^[A-Z]{2}$")),
        query(
            "access_type",
            "With this access.",
            choice(AccessType::ALL.iter().map(|value| value.as_str())),
        ),
        query(
            "enforcement_status",
            "With this status now.",
            schema::enforcement_status(),
        ),
        query("program", "In this program.", schema::program_name()),
        query(
            "program_status",
            "With this status in `program`, which must stand beside it.",
            schema::program_status(),
        ),
        query("created_after", "Created later than this.", time_in()),
        query("created_before", "Created earlier than this.", time_in()),
    ]
}

fn decisions() -> Vec<Described> {
    const PROGRAM: &str = "/operator/v1/user_profiles/{user_profile_id}/programs/{name}";
    const ACTIONS: &str = "/operator/v1/user_profiles/{user_profile_id}/enforcement_actions";
    const RESOLVE: &str = "/operator/v1/enforcement_actions/{enforcement_action_id}/resolve";
    const CHECK: &str = "/operator/v1/enforcement_actions/{enforcement_action_id}/identity_check";
    const AUDIT: &str = "/operator/v1/audit_events";
    let program = |id, summary| {
        let operation = operation("Programs", id, summary).parameter(profile_in_path());
        operation.parameter(path_parameter("name", schema::program_name()))
    };
    let enforcement = |id, summary| operation("Enforcement", id, summary);
    let conflict = &[ErrorKind::Conflict];
    let opened = linked(
        ok(named("EnforcementAction")),
        "enforcement_action_id",
        &["resolve_enforcement_action", "set_identity_check"],
    );
    let open = enforcement("open_enforcement_action", "Open an enforcement action");
    let open = open.parameter(profile_in_path()).response("200", opened);
    let resolve = enforcement(
        "resolve_enforcement_action",
        "Resolve an enforcement action",
    );
    let check = enforcement("set_identity_check", "Say what became of an identity check");
    let audit = operation(
        "Audit trail",
        "list_audit_events",
        "List audit events, newest first",
    );
    let actions = AuditAction::ALL.iter().map(|value| value.as_str());
    let audit = audit
        .parameter(query(
            "organization_id",
            "Only in this organization.",
            organization_id(),
        ))
        .parameter(query(
            "target_id",
            "Only done to the thing with this id.",
            schema::string().build(),
        ))
        .parameter(query("action", "Only this action.", choice(actions)));
    vec![
        put(
            PROGRAM,
            takes(
                answers(
                    program("set_program", "Set a profile's standing in a program"),
                    named("Record"),
                ),
                "Program",
            ),
        ),
        delete(
            PROGRAM,
            answers(
                program("delete_program", "Take a profile out of a program"),
                named("Record"),
            ),
        ),
        get(
            ACTIONS,
            list(
                enforcement(
                    "list_enforcement_actions",
                    "List a profile's actions, open and past",
                )
                .parameter(profile_in_path()),
                "EnforcementAction",
            ),
        ),
        post(ACTIONS, takes(open, "EnforcementActionOpen")),
        (
            RESOLVE,
            HttpMethod::Post,
            errors(
                RESOLVE,
                answers(
                    resolve.parameter(action_in_path()),
                    named("EnforcementAction"),
                ),
                conflict,
            ),
        ),
        post(
            CHECK,
            takes(
                answers(
                    check.parameter(action_in_path()),
                    named("EnforcementAction"),
                ),
                "IdentityCheck",
            ),
        ),
        get(AUDIT, list(audit, "AuditEvent")),
    ]
}

fn webhooks() -> Vec<Described> {
    const ALL: &str = "/operator/v1/webhook_deliveries";
    const ONE: &str = "/operator/v1/webhook_deliveries/{webhook_delivery_id}";
    const REDELIVER: &str = "/operator/v1/webhook_deliveries/{webhook_delivery_id}/redeliver";
    const TEST: &str = "/operator/v1/webhook_endpoints/{webhook_endpoint_id}/test";
    let delivery = |id, summary| {
        let operation = operation("Webhook deliveries", id, summary);
        operation.parameter(path_parameter("webhook_delivery_id", schema::id("whd_")))
    };
    let plain = || matching("^[A-Za-z0-9_-]{1,128}$");
    let statuses = DeliveryStatus::ALL.iter().map(|status| status.as_str());
    let listed = operation(
        "Webhook deliveries",
        "list_webhook_deliveries",
        "List webhook deliveries, newest first",
    )
    .parameter(query("endpoint_id", "Only to this endpoint.", plain()))
    .parameter(query("status", "Only with this status.", choice(statuses)));
    let test = operation(
        "Webhook deliveries",
        "test_webhook_endpoint",
        "Send a signed test event to an endpoint",
    );
    let test = test.parameter(path_parameter("webhook_endpoint_id", plain()));
    let conflict = &[ErrorKind::Conflict];
    vec![
        get(ALL, list(listed, "WebhookDelivery")),
        get(
            ONE,
            answers(
                delivery("get_webhook_delivery", "Get a delivery with what was sent"),
                named("WebhookDeliveryWithRequest"),
            ),
        ),
        (
            REDELIVER,
            HttpMethod::Post,
            errors(
                REDELIVER,
                answers(
                    delivery("redeliver", "Start a delivery that ended again"),
                    named("WebhookDelivery"),
                ),
                conflict,
            ),
        ),
        (
            TEST,
            HttpMethod::Post,
            errors(TEST, answers(test, named("WebhookDelivery")), conflict),
        ),
    ]
}

/// A delivery, as lists show it.
fn delivery_members() -> Vec<Member> {
    let statuses = DeliveryStatus::ALL.iter().map(|status| status.as_str());
    let attempt = answer([
        shown_time("at"),
        ("status_code", nullable(integer(100, Some(999)))),
        ("latency_ms", integer(0, None).into()),
        ("error", nullable(schema::string().build())),
    ]);
    vec![
        ("type", word("webhook_delivery").into()),
        ("id", id("whd_").into()),
        ("organization_id", organization_id().into()),
        ("endpoint_id", schema::string().build().into()),
        ("event_id", id("whe_").into()),
        ("event_type", schema::string().build().into()),
        ("status", choice(statuses).into()),
        shown_time("created_at"),
        shown_optional_time("next_attempt_at"),
        ("attempts", array(attempt)),
    ]
}

fn delivery_with_request() -> Object {
    let mut members = delivery_members();
    let headers = schema::map(schema::string().build(), schema::string().build(), 10);
    let request = answer([
        ("headers", headers.into()),
        ("body", schema::string().build().into()),
    ]);
    members.push(("request", request.into()));
    answer(members)
}

fn enrollments() -> Vec<Described> {
    const LIST: &str = "/operator/v1/enrollments";
    const ONE: &str = "/operator/v1/enrollments/{enrollment_id}";
    const APPROVE: &str = "/operator/v1/enrollments/{enrollment_id}/approve";
    const REJECT: &str = "/operator/v1/enrollments/{enrollment_id}/reject";
    let enrollment = |id, summary| operation("Enrollments", id, summary);
    let named_one = |id, summary| {
        let named = enrollment(id, summary);
        named.parameter(path_parameter("enrollment_id", id_of_enrollment()))
    };
    let statuses = EnrollmentStatus::ALL.iter().map(|value| value.as_str());
    let listed = enrollment("list_enrollments", "List enrollments, newest first");
    let listed = listed.parameter(query("status", "Only with this status.", choice(statuses)));
    let approve = named_one("approve_enrollment", "Approve what an end user applied for");
    let reject = named_one("reject_enrollment", "Reject what an end user applied for");
    let get_one = named_one("get_enrollment", "Get an enrollment");
    let shown = || named("Enrollment");
    vec![
        get(LIST, list(listed, "Enrollment")),
        get(ONE, answers(get_one, shown())),
        post(
            APPROVE,
            may_take(answers(approve, shown()), "EnrollmentApproval"),
        ),
        post(
            REJECT,
            may_take(answers(reject, shown()), "EnrollmentRejection"),
        ),
    ]
}

fn id_of_enrollment() -> Object {
    id("enr_")
}

fn enrollment_schemas() -> Vec<(&'static str, Shape)> {
    let statuses = EnrollmentStatus::ALL.iter().map(|value| value.as_str());
    let submitted = ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::RefOr(
            schema::string().build().into(),
        )))
        .build();
    let note = || {
        let note = schema::string().max_length(Some(NOTE_LIMIT)).build();
        described(nullable(note), "Words to the end user.")
    };
    let active = json!({"const": "active"});
    let rule = json!({
        "if": {"required": ["requirements"], "properties": {"requirements": {"type": "object"}}},
        "then": {"required": ["tiers"], "properties": {"tiers": {"type": "object", "anyOf": [
            {"required": ["a"], "properties": {"a": active}},
            {"required": ["b"], "properties": {"b": active}},
            {"required": ["c"], "properties": {"c": active}}
        ]}}}
    });
    let requirements = body(
        [
            ("data_retention", boolean().into()),
            ("human_review", boolean().into()),
        ],
        &[],
    );
    let approval = body(
        [
            ("tiers", activities(["a", "b", "c"])),
            ("requirements", nullable(Shape::from(requirements))),
            ("note", note()),
        ],
        &[],
    );
    vec![
        (
            "Enrollment",
            answer([
                ("type", word("enrollment").into()),
                ("id", id_of_enrollment().into()),
                ("organization_id", organization_id().into()),
                ("user_profile_id", id("uprof_").into()),
                ("program", schema::program_name().into()),
                ("status", choice(statuses).into()),
                (
                    "submitted",
                    described(submitted, "The form's fields and what was answered."),
                ),
                shown_time("submitted_at"),
                shown_optional_time("decided_at"),
                shown_text("note"),
            ])
            .into(),
        ),
        ("EnrollmentApproval", ruled(approval, vec![rule]).into()),
        ("EnrollmentRejection", body([("note", note())], &[]).into()),
    ]
}

fn development() -> Vec<Described> {
    const RESET: &str = "/operator/v1/dev/reset";
    const CLOCK: &str = "/operator/v1/dev/clock";
    const FAULTS: &str = "/operator/v1/dev/faults";
    const REQUESTS: &str = "/operator/v1/dev/requests";
    let development = |id, summary| operation("Development", id, summary);
    let faults = || schema::page(named("Fault"));
    vec![
        (
            RESET,
            HttpMethod::Post,
            errors(
                RESET,
                answers(
                    development("reset", "Go back to the state after the start"),
                    named("Clock"),
                ),
                &[],
            ),
        ),
        get(
            CLOCK,
            answers(development("get_clock", "Read the clock"), named("Clock")),
        ),
        post(
            CLOCK,
            takes(
                answers(
                    development("set_clock", "Move, stop or release the clock"),
                    named("Clock"),
                ),
                "ClockChange",
            ),
        ),
        get(
            FAULTS,
            answers(
                development("list_faults", "List the failures still to come"),
                faults(),
            ),
        ),
        post(
            FAULTS,
            takes(
                answers(
                    development("add_fault", "Prepare a failure"),
                    named("Fault"),
                ),
                "FaultAdd",
            ),
        ),
        delete(
            FAULTS,
            answers(
                development("clear_faults", "Drop the failures still to come"),
                faults(),
            ),
        ),
        get(
            REQUESTS,
            answers(
                development("list_requests", "List the last requests received"),
                schema::page(named("Request")),
            ),
        ),
    ]
}

fn deleted(prefix: &str, kind: &str) -> Object {
    answer([("id", id(prefix).into()), ("type", word(kind).into())])
}

fn name() -> Member {
    ("name", text(1, Name::LIMIT).into())
}

fn schemas() -> Vec<(&'static str, Shape)> {
    [
        tenant_schemas(),
        profile_schemas(),
        decision_schemas(),
        enrollment_schemas(),
        development_schemas(),
    ]
    .concat()
}

#[expect(clippy::too_many_lines, reason = "a table of shapes")]
fn tenant_schemas() -> Vec<(&'static str, Shape)> {
    let statuses = || choice(OrganizationStatus::ALL.iter().map(|value| value.as_str()));
    let rate = || nullable(integer(1, Some(i64::from(u32::MAX))));
    let rate = || described(rate(), "Public requests a minute; null: no limit.");
    let key_statuses = || choice(KeyStatus::ALL.iter().map(|value| value.as_str()));
    let key = || {
        vec![
            ("type", word("api_key").into()),
            ("id", id("apikey_").into()),
            ("organization_id", nullable(organization_id())),
            (
                "kind",
                choice(KeyKind::ALL.iter().map(|value| value.as_str())).into(),
            ),
            name(),
            ("workspace_id", nullable(id("wrkspc_"))),
            shown_time("created_at"),
            shown_optional_time("expires_at"),
            shown_optional_time("last_used_at"),
            ("status", key_statuses().into()),
        ]
    };
    let mut with_secret = key();
    let words = "The key itself: shown here and never again.";
    with_secret.push(("secret", described(schema::string().build(), words)));
    let key_create = body(
        [
            name(),
            ("kind", choice(["api", "admin"]).into()),
            (
                "workspace_id",
                described(
                    nullable(id("wrkspc_")),
                    "Binds a key of the kind `api` to this workspace.",
                ),
            ),
            ("expires_at", nullable(time_in())),
        ],
        &["name", "kind"],
    );
    let admin_has_no_workspace = json!({
        "if": {"properties": {"kind": {"const": "admin"}}, "required": ["kind"]},
        "then": {"properties": {"workspace_id": {"type": "null"}}}
    });
    vec![
        (
            "Organization",
            answer([
                ("type", word("organization").into()),
                ("id", organization_id().into()),
                name(),
                shown_time("created_at"),
                ("rate_limit_rpm", rate()),
                ("status", statuses().into()),
            ])
            .into(),
        ),
        (
            "OrganizationCreate",
            body(
                [
                    name(),
                    ("rate_limit_rpm", rate()),
                    ("status", statuses().into()),
                ],
                &["name"],
            )
            .into(),
        ),
        (
            "OrganizationUpdate",
            body(
                [
                    name(),
                    ("rate_limit_rpm", rate()),
                    ("status", statuses().into()),
                ],
                &[],
            )
            .into(),
        ),
        (
            "Workspace",
            answer([
                ("type", word("workspace").into()),
                ("id", id("wrkspc_").into()),
                name(),
                shown_time("created_at"),
            ])
            .into(),
        ),
        ("WorkspaceCreate", body([name()], &["name"]).into()),
        ("ApiKey", answer(key()).into()),
        ("NewApiKey", answer(with_secret).into()),
        (
            "ApiKeyCreate",
            ruled(key_create, vec![admin_has_no_workspace]).into(),
        ),
        (
            "ApiKeyUpdate",
            body([("status", key_statuses().into())], &["status"]).into(),
        ),
    ]
}

fn profile_schemas() -> Vec<(&'static str, Shape)> {
    let mut full = record_members();
    full.push(("enrollments", array(named("Enrollment"))));
    let any = ObjectBuilder::new().schema_type(Type::Object);
    let any = any.property("id", id("uprof_")).required("id");
    let words = "A profile as the dialect of `as` shows it; see that dialect's document.";
    let problem = answer([
        ("line", integer(1, None).into()),
        ("message", schema::string().build().into()),
    ]);
    let count = || Shape::from(integer(0, None));
    let report = answer([
        ("imported", count()),
        ("replaced", count()),
        ("failed", count()),
        (
            "errors",
            described(array(problem), "The first 1,000 of them."),
        ),
    ]);
    vec![
        ("Record", answer(record_members()).into()),
        ("FullRecord", answer(full).into()),
        ("DialectProfile", described(any.build(), words)),
        ("RecordPut", record_put()),
        ("ImportReport", report.into()),
    ]
}

fn record_members() -> Vec<Member> {
    vec![
        schema::profile_type(),
        ("organization_id", organization_id().into()),
        schema::profile_id(),
        shown_time("created_at"),
        shown_time("updated_at"),
        schema::shown_access_type(),
        schema::shown_relationship(),
        shown_text("name"),
        shown_text("external_id"),
        shown_optional_time("external_user_onboarded_at"),
        schema::shown_details(),
        schema::shown_metadata(),
        schema::trust_grants(),
        schema::full_programs(),
        ("enforcement_status", schema::enforcement_status().into()),
        ("enforcement_actions", array(named("EnforcementAction"))),
    ]
}

/// Access and relationship say the same thing twice and must agree.
fn agreeing_access() -> Value {
    json!({"anyOf": [
        {"not": {"required": ["access_type", "relationship"]}},
        {"properties": {"access_type": {"const": "application"}, "relationship": {"enum": ["external", "internal"]}}},
        {"properties": {"access_type": {"const": "passthrough"}, "relationship": {"const": "resold"}}}
    ]})
}

fn record_put() -> Shape {
    let programs = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("cyber", nullable(named("CyberProgram")))
        .property("efs", nullable(named("EfsProgram")))
        .property_names(Some(schema::program_name()))
        .max_properties(Some(OWN_PROGRAMS))
        .additional_properties(Some(AdditionalProperties::RefOr(nullable(named(
            "OwnProgram",
        )))))
        .build();
    let mut actions = utoipa::openapi::schema::ArrayBuilder::new().items(named("RecordedAction"));
    actions = actions.max_items(Some(OPEN_ACTIONS));
    // Unlike a platform's, a record's time of onboarding may be null, as an export writes it.
    let details = schema::recorded_details();
    let put = body(
        [
            schema::profile_type(),
            ("organization_id", organization_id().into()),
            (
                "id",
                described(id("uprof_"), "If it is there, the one in the path."),
            ),
            ("created_at", time_in().into()),
            (
                "updated_at",
                described(time_in(), "Not before `created_at`."),
            ),
            schema::access_type(Write::Create),
            schema::relationship(Write::Create),
            schema::name(),
            details,
            schema::metadata(Write::Create),
            ("programs", programs.into()),
            ("enforcement_actions", actions.build().into()),
        ],
        &["organization_id"],
    );
    ruled(put, vec![agreeing_access()]).into()
}

fn decision_schemas() -> Vec<(&'static str, Shape)> {
    let states = CheckState::ALL.iter().map(|value| value.as_str());
    let resolutions = Resolution::ALL.iter().map(|value| value.as_str());
    let mut action = schema::action_members().to_vec();
    action.extend([
        ("user_profile_id", id("uprof_").into()),
        ("identity_check", nullable(word("submitted"))),
        shown_optional_time("resolved_at"),
        ("resolution", nullable(choice(resolutions))),
    ]);
    let open = body(
        [
            ("type", choice(["restriction", "ban"]).into()),
            ("reason", schema::reason().into()),
            ("action", nullable(word("verify"))),
            (
                "expires_at",
                described(nullable(time_in()), "In the future."),
            ),
        ],
        &["type", "reason"],
    );
    let actors = ActorKind::ALL.iter().map(|value| value.as_str());
    let actions = AuditAction::ALL.iter().map(|value| value.as_str());
    let targets = TargetKind::ALL.iter().map(|value| value.as_str());
    let event = answer([
        ("type", word("audit_event").into()),
        ("id", id("aud_").into()),
        shown_time("at"),
        ("organization_id", nullable(organization_id())),
        (
            "actor",
            answer([
                ("kind", choice(actors).into()),
                ("id", schema::string().build().into()),
            ])
            .into(),
        ),
        ("action", choice(actions).into()),
        (
            "target",
            answer([
                ("type", choice(targets).into()),
                ("id", schema::string().build().into()),
            ])
            .into(),
        ),
        (
            "details",
            described(
                array(schema::string().build()),
                "Names of changed fields, never their values.",
            ),
        ),
    ]);
    let program = any_of([named("CyberProgram"), named("EfsProgram")]);
    vec![
        ("EnforcementAction", answer(action).into()),
        ("WebhookDelivery", answer(delivery_members()).into()),
        ("WebhookDeliveryWithRequest", delivery_with_request().into()),
        ("EnforcementActionOpen", ruled(open, restrictions()).into()),
        (
            "IdentityCheck",
            body([("state", choice(states).into())], &["state"]).into(),
        ),
        ("CyberProgram", cyber()),
        ("EfsProgram", efs()),
        (
            "OwnProgram",
            body([("status", schema::program_status().into())], &["status"]).into(),
        ),
        (
            "Program",
            described(
                program,
                "`tiers` and `requirements` are cyber's, `features` are efs's.",
            ),
        ),
        ("RecordedAction", recorded_action()),
        ("AuditEvent", event.into()),
    ]
}

/// A ban is for good and not to be checked away; nor does an action for a compromise expire.
fn restrictions() -> Vec<Value> {
    let nothing = json!({"type": "null"});
    vec![
        json!({
            "if": {"properties": {"type": {"const": "ban"}}},
            "then": {"properties": {"action": nothing, "expires_at": nothing}}
        }),
        json!({
            "if": {"properties": {"reason": {"const": "account_compromise"}}},
            "then": {"properties": {"expires_at": nothing}}
        }),
    ]
}

fn activity() -> Object {
    choice(["active", "inactive"])
}

fn activities(names: [&'static str; 3]) -> Shape {
    nullable(Shape::from(body(
        names.map(|name| (name, activity().into())),
        &[],
    )))
}

fn cyber() -> Shape {
    let requirements = body(
        [
            ("data_retention", boolean().into()),
            ("human_review", boolean().into()),
        ],
        &[],
    );
    let cyber = body(
        [
            ("status", schema::program_status().into()),
            ("tiers", activities(["a", "b", "c"])),
            ("requirements", nullable(Shape::from(requirements))),
        ],
        &["status"],
    );
    let active = json!({"const": "active"});
    let any_tier = json!({"required": ["tiers"], "properties": {"tiers": {"type": "object", "anyOf": [
        {"required": ["a"], "properties": {"a": active}},
        {"required": ["b"], "properties": {"b": active}},
        {"required": ["c"], "properties": {"c": active}}
    ]}}});
    let rule = json!({
        "if": any_tier,
        "then": {"properties": {"status": {"const": "active"}}},
        "else": {"properties": {"requirements": {"type": "null"}}}
    });
    let words = "A tier is active only where the status is, and there are requirements only of an active tier.";
    described(ruled(cyber, vec![rule]), words)
}

fn efs() -> Shape {
    body(
        [
            ("status", schema::program_status().into()),
            (
                "features",
                activities(["data_retention_exemption", "cmek", "storage"]),
            ),
        ],
        &["status"],
    )
    .into()
}

fn recorded_action() -> Shape {
    let resolutions = Resolution::ALL.iter().map(|value| value.as_str());
    let recorded = body(
        [
            ("id", id("enac_").into()),
            ("action", nullable(word("verify"))),
            ("expires_at", nullable(time_in())),
            ("opened_at", time_in().into()),
            ("reason", schema::reason().into()),
            ("type", choice(["restriction", "ban"]).into()),
            ("identity_check", nullable(word("submitted"))),
            ("resolved_at", nullable(time_in())),
            ("resolution", nullable(choice(resolutions))),
        ],
        &["type", "reason"],
    );
    ruled(recorded, restrictions()).into()
}

fn development_schemas() -> Vec<(&'static str, Shape)> {
    let change = body(
        [
            (
                "advance",
                described(schema::string().build(), "Such as 90s, 15m, 1h30m or 7d."),
            ),
            ("now", described(time_in(), "Stops it there.")),
            (
                "real",
                described(
                    ObjectBuilder::new()
                        .schema_type(Type::Boolean)
                        .enum_values(Some([true]))
                        .build(),
                    "Lets it follow the machine's clock.",
                ),
            ),
        ],
        &[],
    );
    let one = json!({"minProperties": 1, "maxProperties": 1});
    let fault = |status: Shape| {
        [
            ("method", nullable(matching("^[A-Za-z]+$"))),
            ("path", nullable(matching("^/"))),
            ("status", status),
            ("error_type", nullable(matching("^[a-z_]{1,64}$"))),
            ("times", nullable(integer(1, Some(1_000_000)))),
            ("delay_ms", nullable(integer(0, Some(600_000)))),
            ("drop_connection", nullable(boolean())),
        ]
    };
    let status = || nullable(integer(400, Some(599)));
    let needs_status = json!({"anyOf": [
        {"required": ["status"], "properties": {"status": {"type": "integer"}}},
        {"required": ["drop_connection"], "properties": {"drop_connection": {"const": true}}}
    ]});
    let header = utoipa::openapi::schema::ArrayBuilder::new().items(schema::string().build());
    let header = header.min_items(Some(2)).max_items(Some(2)).build();
    let optional = || nullable(schema::string().build());
    let request = answer([
        ("type", word("request").into()),
        ("request_id", id("req_").into()),
        shown_time("at"),
        ("method", schema::string().build().into()),
        ("path", schema::string().build().into()),
        ("query", optional()),
        ("headers", array(header)),
        ("body", optional()),
        ("status", integer(100, Some(999)).into()),
    ]);
    vec![
        ("Clock", answer([shown_time("now")]).into()),
        ("ClockChange", ruled(change, vec![one]).into()),
        ("Fault", answer(fault(status())).into()),
        (
            "FaultAdd",
            ruled(body(fault(status()), &[]), vec![needs_status]).into(),
        ),
        ("Request", request.into()),
    ]
}
