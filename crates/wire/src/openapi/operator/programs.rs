//! Programs: a profile's standing in each.

use serde_json::json;
use utoipa::openapi::schema::Object;

use super::{Described, answers, delete, operation, profile_in_path, put, takes};
use crate::openapi::public::path_parameter;
use crate::openapi::schema::{
    self, Shape, any_of, body, boolean, choice, described, named, nullable, ruled,
};

pub(super) fn operations() -> Vec<Described> {
    const PROGRAM: &str = "/operator/v1/user_profiles/{user_profile_id}/programs/{name}";
    let program = |id, summary| {
        let operation = operation("Programs", id, summary).parameter(profile_in_path());
        operation.parameter(path_parameter("name", schema::program_name()))
    };
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
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Shape)> {
    let program = any_of([named("CyberProgram"), named("EfsProgram")]);
    vec![
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
    ]
}

fn activity() -> Object {
    choice(["active", "inactive"])
}

pub(super) fn activities(names: [&'static str; 3]) -> Shape {
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
