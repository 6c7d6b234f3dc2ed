//! Enrollments: what end users submitted, and the decision.

use rollcall_domain::enrollment::EnrollmentStatus;
use serde_json::json;

use super::programs::activities;
use super::{Described, answers, get, list_linked, may_take, operation, post};
use crate::members::shape;
use crate::openapi::public::{path_parameter, query};
use crate::openapi::schema::{self, Shape, body, boolean, choice, named, nullable, ruled};
use crate::operator::enrollments::{ENROLLMENT, note_shape};

pub(super) fn operations() -> Vec<Described> {
    const LIST: &str = "/operator/v1/enrollments";
    const ONE: &str = "/operator/v1/enrollments/{enrollment_id}";
    const APPROVE: &str = "/operator/v1/enrollments/{enrollment_id}/approve";
    const REJECT: &str = "/operator/v1/enrollments/{enrollment_id}/reject";
    let enrollment = |id, summary| operation("Enrollments", id, summary);
    let named_one = |id, summary| {
        let named = enrollment(id, summary);
        named.parameter(path_parameter("enrollment_id", schema::id("enr_")))
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

pub(super) fn schemas() -> Vec<(&'static str, Shape)> {
    let note = note_shape;
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
        ("Enrollment", shape(ENROLLMENT)),
        ("EnrollmentApproval", ruled(approval, vec![rule]).into()),
        ("EnrollmentRejection", body([("note", note())], &[]).into()),
    ]
}
