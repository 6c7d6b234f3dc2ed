//! The audit trail.

use rollcall_domain::audit::AuditAction;

use super::{Described, get, list, operation};
use crate::members::shape;
use crate::openapi::public::query;
use crate::openapi::schema::{self, Shape, choice, organization_id, time_in};
use crate::operator::audit::AUDIT_EVENT;

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
        .parameter(query("action", "Only this action.", choice(actions)))
        .parameter(query(
            "actor_id",
            "Only done by whoever has this id: a key's, an enrollment's, or the name of a task.",
            schema::string().build(),
        ))
        .parameter(query("after", "Done later than this.", time_in()))
        .parameter(query("before", "Done earlier than this.", time_in()));
    vec![get(AUDIT, list(audit, "AuditEvent"))]
}

pub(super) fn schemas() -> Vec<(&'static str, Shape)> {
    vec![("AuditEvent", shape(AUDIT_EVENT))]
}
