//! User profiles: search, whole records, import and export.

use rollcall_domain::enforcement::OPEN_ACTIONS;
use rollcall_domain::profile::AccessType;
use rollcall_domain::program::OWN_PROGRAMS;
use rollcall_domain::text::{Name, OpaqueHash, ReferenceId};
use serde_json::{Value, json};
use utoipa::openapi::path::{HttpMethod, OperationBuilder, Parameter};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{AdditionalProperties, Object, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, Required};

use super::{
    Described, answers, delete, deleted, errors, get, list_linked, operation, post,
    profile_in_path, put, takes,
};
use crate::dialects;
use crate::error::ErrorKind;
use crate::openapi::answers::Caller;
use crate::openapi::data_controls;
use crate::openapi::public::{self, query, repeatable};
use crate::openapi::schema::{
    self, Member, Shape, answer, any_of, array, body, choice, described, id, integer, matching,
    named, nullable, organization_id, ruled, text, time_in,
};
use crate::parts::Write;
use crate::{sent, shown};

#[expect(clippy::too_many_lines, reason = "a table of operations")]
pub(super) fn operations() -> Vec<Described> {
    const SEARCH: &str = "/operator/v1/user_profiles";
    const ONE: &str = "/operator/v1/user_profiles/{user_profile_id}";
    const ACTION_URLS: &str = "/operator/v1/user_profiles/{user_profile_id}/action_urls";
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
    let words =
        "The profile exactly as this dialect's get answers it, instead of the whole record.";
    let get_one = profiles("get_user_profile", "Get a user profile's whole record")
        .parameter(profile_in_path())
        .parameter(query("as", words, choice(dialects::names())));
    let shown = any_of([named("FullRecord"), named("DialectProfile")]);
    let put_one = profiles(
        "put_user_profile",
        "Create or replace a user profile's record",
    )
    .description(Some(
        "With the given id and times; nothing moves between organizations.",
    ))
    .parameter(profile_in_path());
    let update = profiles("update_user_profile", "Change a user profile")
        .description(Some(
            "What is stated changes, as in the platform's own update in the newest dialect; the rest stays.",
        ))
        .parameter(profile_in_path());
    let link = profiles("create_action_url", "Create an action URL")
        .description(Some(
            "Works for an hour unless settings say otherwise, for whoever has it; one form can be sent through it.",
        ))
        .parameter(profile_in_path())
        .request_body(Some(public::action_url_body()))
        .response("200", public::url(Caller::Operator, "user_profile_action_url"));
    let erase = profiles("erase_user_profile", "Erase a person")
        .description(Some(
            "The profile, its enrollments with what was submitted, its URLs; payloads of its webhook deliveries are \
             emptied. The audit trail keeps ids alone.",
        ))
        .parameter(profile_in_path());
    // A line that is no record fails alone, so that there is no body that would be refused.
    let anything = Shape::from(Object::with_type(SchemaType::AnyValue));
    let anything = ContentBuilder::new().schema(Some(anything)).build();
    let lines = || {
        ContentBuilder::new()
            .schema(Some(Shape::from(Object::new())))
            .build()
    };
    let import = profiles("import_user_profiles", "Import user profiles")
        .description(Some(
            "A stream of records, one JSON object a line, or the rows of a CSV whose first one names their fields. A \
             bad line fails alone.",
        ))
        .parameter(query(
            "dry_run",
            "Check every line and write nothing.",
            choice(["true", "false"]),
        ))
        .parameter(query(
            "match",
            "A line without an id replaces the one profile of its organization that has its reference id.",
            choice(["reference_id"]),
        ))
        .request_body(Some(
            RequestBodyBuilder::new()
                .required(Some(Required::False))
                .content("application/x-ndjson", anything.clone())
                .content("text/csv", anything)
                .build(),
        ));
    let words = "Only this organization's.";
    let export = profiles("export_user_profiles", "Export user profiles")
        .description(Some("An import of what it answers restores it exactly."))
        .parameter(query("organization_id", words, organization_id()));
    let stream = answers::success(Caller::Operator, "Records, one JSON object a line.");
    let export = export.response("200", stream.content("application/x-ndjson", lines()));
    vec![
        get(
            SEARCH,
            list_linked(
                search,
                "Record",
                "user_profile_id",
                &[
                    "get_user_profile",
                    "update_user_profile",
                    "put_user_profile",
                    "create_action_url",
                    "set_program",
                    "delete_program",
                    "list_enforcement_actions",
                    "open_enforcement_action",
                ],
            ),
        ),
        post(IMPORT, answers(import, named("ImportReport"))),
        (
            EXPORT,
            HttpMethod::Get,
            errors(EXPORT, export, &[ErrorKind::NotFound]),
        ),
        get(ONE, answers(get_one, shown)),
        post(
            ONE,
            takes(answers(update, named("Record")), "UserProfileUpdate"),
        ),
        put(ONE, takes(answers(put_one, named("Record")), "RecordPut")),
        delete(
            ONE,
            answers(erase, deleted("uprof_", "user_profile_deleted")),
        ),
        post(ACTION_URLS, link),
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
        repeatable(
            "enforcement_status",
            "With any of these statuses now; may repeat.",
            schema::enforcement_statuses(),
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

pub(super) fn schemas() -> Vec<(&'static str, Shape)> {
    let mut full = record_members();
    full.push(("google_data_controls", named("DataControls")));
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
        (
            "UserProfileUpdate",
            public::profile_body(dialects::DEFAULT, Write::Update).into(),
        ),
        ("RecordPut", record_put()),
        ("ImportReport", report.into()),
    ]
}

fn record_members() -> Vec<Member> {
    let mut members = shown::shapes(&[&shown::TYPE]);
    members.push(("organization_id", organization_id().into()));
    members.extend(shown::shapes(shown::RECORDED.members));
    members.push(("enforcement_status", schema::enforcement_status().into()));
    members.push(("enforcement_actions", array(named("EnforcementAction"))));
    members
}

/// Access and relationship say the same thing twice and must agree.
fn agreeing_access() -> Value {
    json!({"anyOf": [
        {"not": {"required": ["access_type", "relationship"]}},
        {"properties": {"access_type": {"const": "application"}, "relationship": {"enum": ["external", "internal"]}}},
        {"properties": {"access_type": {"const": "passthrough"}, "relationship": {"const": "resold"}}}
    ]})
}

/// Past actions do not count towards the limit of open ones.
fn open_actions() -> Value {
    let past =
        json!({"required": ["resolved_at"], "properties": {"resolved_at": {"type": "string"}}});
    json!({"contains": {"not": past}, "minContains": 0, "maxContains": OPEN_ACTIONS})
}

/// The limit is one of the operator's own programs: `cyber` and `efs` do not count towards it.
fn own_programs() -> Vec<Value> {
    let without = |names: &[&str], most: usize| {
        let none: Vec<Value> = names
            .iter()
            .map(|name| json!({"not": {"required": [name]}}))
            .collect();
        json!({"if": {"allOf": none}, "then": {"maxProperties": most}})
    };
    vec![
        without(&["cyber"], OWN_PROGRAMS + 1),
        without(&["efs"], OWN_PROGRAMS + 1),
        without(&["cyber", "efs"], OWN_PROGRAMS),
    ]
}

fn record_put() -> Shape {
    let programs = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("cyber", nullable(named("CyberProgram")))
        .property("efs", nullable(named("EfsProgram")))
        .property_names(Some(schema::program_name()))
        .max_properties(Some(OWN_PROGRAMS + 2))
        .additional_properties(Some(AdditionalProperties::RefOr(nullable(named(
            "OwnProgram",
        )))))
        .build();
    let programs = ruled(programs, own_programs());
    let words = "Open and past; at most 100 of them open.";
    let actions = described(array(named("RecordedAction")), words);
    // Unlike a platform's, a record's time of onboarding may be null, as an export writes it.
    let details = sent::recorded_details();
    let field = |field: &sent::Field| field.member(Write::Create);
    let put = body(
        [
            ("type", schema::word("user_profile").into()),
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
            field(&sent::ACCESS_TYPE),
            field(&sent::RELATIONSHIP),
            field(&sent::NAME),
            (sent::EXTERNAL_USER_DETAILS.name, details),
            field(&sent::METADATA),
            ("programs", programs.into()),
            ("enforcement_actions", actions),
            ("google_data_controls", data_controls::recorded()),
        ],
        &["organization_id"],
    );
    let open = json!({"properties": {"enforcement_actions": open_actions()}});
    ruled(put, vec![agreeing_access(), open]).into()
}
