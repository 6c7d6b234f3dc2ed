//! The audit trail.

use rollcall_domain::audit::{ActorKind, AuditAction, TargetKind};

use super::{Described, get, list, operation};
use crate::openapi::public::query;
use crate::openapi::schema::{
    self, Shape, answer, array, choice, described, id, nullable, organization_id, shown_time, word,
};

pub(super) fn operations() -> Vec<Described> {
    const AUDIT: &str = "/operator/v1/audit_events";
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
    vec![get(AUDIT, list(audit, "AuditEvent"))]
}

pub(super) fn schemas() -> Vec<(&'static str, Shape)> {
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
    vec![("AuditEvent", event.into())]
}
