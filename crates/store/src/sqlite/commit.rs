//! What every decision leaves behind, written inside its transaction: events and audit entries.

use rollcall_domain::audit::{Act, AuditEntry};
use rollcall_domain::event::Event;
use rollcall_domain::id::{Ids, OrganizationId};
use rusqlite::{Connection, params};

use super::failed;
use crate::Stored;

/// The number that stands for the whole installation where an organization's would stand.
pub(super) const INSTALLATION: i64 = 0;

/// The organization a decision is about.
#[derive(Clone, Copy)]
pub(super) struct Tenant<'a> {
    pub(super) number: i64,
    pub(super) id: &'a OrganizationId,
}

/// Keeps events for delivery, each with its body as it will be sent.
pub(super) fn keep_events(
    connection: &Connection,
    ids: &Ids,
    tenant: Tenant<'_>,
    act: &Act,
    events: &[Event],
) -> Stored<()> {
    for event in events {
        let id = ids.event(act.at);
        let body = rollcall_record::event::body(&id, tenant.id, event);
        connection
            .prepare_cached(
                "INSERT INTO events (id, organization, type, created_at, profile_id, body) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    id.as_str(),
                    tenant.number,
                    event.kind.event_type().as_str(),
                    event.at.as_micros(),
                    event.profile_id.as_str(),
                    body
                ])
            })
            .map_err(failed)?;
    }
    Ok(())
}

/// Appends entries to the audit trail.
pub(super) fn keep_audit(
    connection: &Connection,
    ids: &Ids,
    organization: i64,
    act: &Act,
    entries: &[AuditEntry],
) -> Stored<()> {
    for entry in entries {
        let details = serde_json::to_string(&entry.details).unwrap_or_default();
        connection
            .prepare_cached(
                "INSERT INTO audit_events (id, at, organization, actor_kind, actor_id, action, \
                 target_kind, target_id, details) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    ids.audit_event(act.at).as_str(),
                    act.at.as_micros(),
                    organization,
                    act.actor.kind.as_str(),
                    act.actor.id,
                    entry.action.as_str(),
                    entry.target_kind.as_str(),
                    entry.target_id,
                    details
                ])
            })
            .map_err(failed)?;
    }
    Ok(())
}
