//! The audit trail.

use rollcall_domain::audit::{AuditAction, AuditEvent};
use rollcall_domain::id::{AuditEventId, OrganizationId};

use super::lists::ListRequest;
use crate::cursor::Cursors;
use crate::error::ApiError;
use crate::object::ObjectWriter;
use crate::query::Query;

/// A request for one page of the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRequest {
    /// Which page.
    pub list: ListRequest<AuditEventId>,
    /// Only what happened in this organization.
    pub organization_id: Option<OrganizationId>,
    /// Only what was done to the thing with this id.
    pub target_id: Option<String>,
    /// Only this action.
    pub action: Option<AuditAction>,
}

/// Reads the query of the list: `organization_id`, `target_id`, `action`.
pub fn parse_list(query: Option<&str>, cursors: &Cursors) -> Result<AuditRequest, ApiError> {
    let mut query = Query::parse(query)?;
    let list = ListRequest::take(&mut query, cursors, "audit_events")?;
    let organization_id = query.take_parsed("organization_id", OrganizationId::parse)?;
    let target_id = query.take("target_id")?;
    let action = query.take_parsed("action", |text| {
        AuditAction::parse(text).map_err(|_| "is not an action of the audit trail")
    })?;
    query.finish()?;
    Ok(AuditRequest {
        list,
        organization_id,
        target_id,
        action,
    })
}

/// Appends an audit event.
pub fn write_audit_event(out: &mut String, event: &AuditEvent) {
    let (actor, entry) = (&event.act.actor, event);
    let organization_id = event.organization_id.as_ref().map(OrganizationId::as_str);
    ObjectWriter::new(out)
        .text("type", "audit_event")
        .text("id", event.id.as_str())
        .time("at", event.act.at)
        .optional_text("organization_id", organization_id)
        .object("actor", |object| {
            object
                .text("kind", actor.kind.as_str())
                .text("id", &actor.id)
        })
        .text("action", entry.action.as_str())
        .object("target", |object| {
            object
                .text("type", entry.target_kind.as_str())
                .text("id", &entry.target_id)
        })
        .texts("details", entry.details.iter().map(String::as_str))
        .close();
}
