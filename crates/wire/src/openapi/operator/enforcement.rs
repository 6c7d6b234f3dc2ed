//! Enforcement actions and the identity checks that clear them.

use rollcall_domain::enforcement::{CheckState, Resolution};
use serde_json::{Value, json};
use utoipa::openapi::path::Parameter;

use super::{
    Described, answers, get, linked, list_linked, ok, operation, post, profile_in_path, takes,
    takes_nothing,
};
use crate::openapi::public::path_parameter;
use crate::openapi::schema::{
    self, Shape, answer, body, choice, described, id, named, nullable, ruled, shown_optional_time,
    time_in, word,
};

pub(super) fn operations() -> Vec<Described> {
    const ACTIONS: &str = "/operator/v1/user_profiles/{user_profile_id}/enforcement_actions";
    const RESOLVE: &str = "/operator/v1/enforcement_actions/{enforcement_action_id}/resolve";
    const CHECK: &str = "/operator/v1/enforcement_actions/{enforcement_action_id}/identity_check";
    let enforcement = |id, summary| operation("Enforcement", id, summary);
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
    vec![
        get(
            ACTIONS,
            list_linked(
                enforcement(
                    "list_enforcement_actions",
                    "List a profile's actions, open and past",
                )
                .parameter(profile_in_path()),
                "EnforcementAction",
                "enforcement_action_id",
                &["resolve_enforcement_action", "set_identity_check"],
            ),
        ),
        post(ACTIONS, takes(open, "EnforcementActionOpen")),
        post(
            RESOLVE,
            takes_nothing(answers(
                resolve.parameter(action_in_path()),
                named("EnforcementAction"),
            )),
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
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Shape)> {
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
    vec![
        ("EnforcementAction", answer(action).into()),
        ("EnforcementActionOpen", ruled(open, restrictions()).into()),
        (
            "IdentityCheck",
            body([("state", choice(states).into())], &["state"]).into(),
        ),
        ("RecordedAction", recorded_action()),
    ]
}

/// A ban is for good and not to be checked away. No check clears an account compromise, nor does time.
fn restrictions() -> Vec<Value> {
    let nothing = json!({"action": {"type": "null"}, "expires_at": {"type": "null"}});
    vec![
        json!({"if": is("type", "ban"), "then": {"properties": nothing}}),
        json!({"if": is("reason", "account_compromise"), "then": {"properties": nothing}}),
    ]
}

/// What holds besides where an action is recorded: a check is offered or submitted, and what has ended
/// says when.
fn recorded_restrictions() -> Vec<Value> {
    let no_check = json!({"properties": {"identity_check": {"type": "null"}}});
    let mut rules = restrictions();
    rules.extend([
        json!({"if": is("type", "ban"), "then": no_check}),
        json!({"if": is("reason", "account_compromise"), "then": no_check}),
        json!({"if": is("action", "verify"), "then": no_check}),
        json!({
            "if": {"required": ["resolution"], "properties": {"resolution": {"type": "string"}}},
            "then": {"required": ["resolved_at"], "properties": {"resolved_at": {"type": "string"}}}
        }),
    ]);
    rules
}

/// The object says so: a member that is left out says nothing.
fn is(name: &str, value: &str) -> Value {
    json!({"required": [name], "properties": {name: {"const": value}}})
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
    ruled(recorded, recorded_restrictions()).into()
}

fn action_in_path() -> Parameter {
    path_parameter("enforcement_action_id", id("enac_"))
}
