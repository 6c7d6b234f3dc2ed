//! What an organization's gateway is told.

use rollcall_domain::enforcement::EnforcementStatus;
use rollcall_domain::gateway::Reason;
use rollcall_domain::gateway_policy::{CacheSeconds, ForUnknown, Passage};
use rollcall_domain::profile::AccessType;
use rollcall_domain::text::ReferenceId;
use utoipa::openapi::schema::Object;

use super::{Described, answers, get, operation, organization_in_path, post, takes};
use crate::error::{ErrorCode, ErrorKind};
use crate::openapi::public::query;
use crate::openapi::schema::{
    Member, Shape, answer, array, body, boolean, choice, id, integer, named, nullable,
    organization_id, program_name, string, text, word,
};

pub(super) fn operations() -> Vec<Described> {
    const POLICY: &str = "/operator/v1/organizations/{organization_id}/gateway_policy";
    const DECISION: &str = "/operator/v1/organizations/{organization_id}/gateway_decision";
    let of_one = |id, summary| operation("Gateway", id, summary).parameter(organization_in_path());
    let decision = of_one("get_gateway_decision", "See what a gateway would be told")
        .parameter(query("user_profile_id", "The profile.", id("uprof_")))
        .parameter(query(
            "reference_id",
            "The profile, by the platform's own id; not beside `user_profile_id`.",
            text(1, ReferenceId::LIMIT),
        ))
        .parameter(query(
            "program",
            "A program that must be active.",
            program_name(),
        ));
    vec![
        get(
            POLICY,
            answers(
                of_one("get_gateway_policy", "Get a gateway's policy"),
                named("GatewayPolicy"),
            ),
        ),
        post(
            POLICY,
            takes(
                answers(
                    of_one("update_gateway_policy", "Change a gateway's policy"),
                    named("GatewayPolicy"),
                ),
                "GatewayPolicyUpdate",
            ),
        ),
        get(DECISION, answers(decision, named("GatewayDecision"))),
    ]
}

fn members() -> Vec<Member> {
    let passage = || -> Shape { choice(Passage::ALL.iter().map(|value| value.as_str())).into() };
    let unknown = choice(ForUnknown::ALL.iter().map(|value| value.as_str()));
    vec![
        ("trust_client_header", boolean().into()),
        ("missing", passage()),
        ("unknown", unknown.into()),
        ("banned", passage()),
        ("restricted", passage()),
        ("pending", passage()),
        ("account_blocked", passage()),
        ("account_suspended", passage()),
        (
            "cache_seconds",
            integer(0, Some(i64::from(CacheSeconds::MOST))).into(),
        ),
    ]
}

fn decision() -> Object {
    let of = |kind: ErrorKind| i64::from(kind.status());
    let statuses = integer(
        of(ErrorKind::InvalidRequest),
        Some(of(ErrorKind::Permission)),
    );
    let codes = choice(ErrorCode::ALL.iter().map(|code| code.as_str()));
    let types = [ErrorKind::InvalidRequest, ErrorKind::Permission];
    let types = choice(types.map(ErrorKind::error_type));
    let error = answer([
        ("status", statuses.into()),
        ("type", types.into()),
        ("error_code", nullable(codes)),
        ("message", string().build().into()),
    ]);
    let reasons = choice(Reason::ALL.iter().map(|value| value.as_str()));
    let statuses = choice(EnforcementStatus::ALL.iter().map(|value| value.as_str()));
    let access_types = choice(AccessType::ALL.iter().map(|value| value.as_str()));
    let seconds = integer(0, Some(i64::from(CacheSeconds::MOST)));
    answer([
        ("type", word("gateway_decision").into()),
        ("decision", choice(["allow", "deny", "create"]).into()),
        ("reason", reasons.into()),
        ("user_profile_id", nullable(id("uprof_"))),
        ("enforcement_status", nullable(statuses)),
        ("access_type", nullable(access_types)),
        ("programs", array(program_name())),
        ("cache_seconds", nullable(seconds)),
        ("error", nullable(error)),
    ])
}

pub(super) fn schemas() -> Vec<(&'static str, Shape)> {
    let mut policy: Vec<Member> = vec![
        ("type", word("gateway_policy").into()),
        ("organization_id", organization_id().into()),
    ];
    policy.extend(members());
    vec![
        ("GatewayPolicy", answer(policy).into()),
        ("GatewayPolicyUpdate", body(members(), &[]).into()),
        ("GatewayDecision", decision().into()),
    ]
}
