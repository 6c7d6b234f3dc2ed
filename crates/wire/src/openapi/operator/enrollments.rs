//! Enrollments: what end users submitted, and the decision.

use rollcall_domain::enrollment::EnrollmentStatus;
use serde_json::json;
use utoipa::openapi::schema::{AdditionalProperties, Object, ObjectBuilder, Type};

use super::programs::activities;
use super::{Described, answers, get, list_linked, may_take, operation, post};
use crate::openapi::public::{path_parameter, query};
use crate::openapi::schema::{
    self, Shape, answer, body, boolean, choice, described, id, named, nullable, organization_id,
    ruled, shown_optional_time, shown_time, word,
};
use crate::operator::enrollments::NOTE_LIMIT;

pub(super) fn operations() -> Vec<Described> {
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
        get(
            LIST,
            list_linked(
                listed,
                "Enrollment",
                "enrollment_id",
                &["get_enrollment", "approve_enrollment", "reject_enrollment"],
            ),
        ),
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

pub(super) fn schemas() -> Vec<(&'static str, Shape)> {
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
                ("note", note()),
            ])
            .into(),
        ),
        ("EnrollmentApproval", ruled(approval, vec![rule]).into()),
        ("EnrollmentRejection", body([("note", note())], &[]).into()),
    ]
}
