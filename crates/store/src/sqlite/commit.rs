//! What every decision leaves behind, written inside its transaction: events with
//! their deliveries, and audit entries.

use std::sync::Arc;

use rollcall_domain::audit::{Act, AuditEntry};
use rollcall_domain::event::Event;
use rollcall_domain::id::{Ids, OrganizationId};
use rusqlite::{Connection, params};
use tokio::sync::Notify;

use super::outbox::{self, KeptEvent};
use super::{failed, webhooks};
use crate::Stored;

/// The number that stands for the whole installation where an organization's would stand.
pub(super) const INSTALLATION: i64 = 0;

/// The organization a decision is about.
#[derive(Clone, Copy)]
pub(super) struct Tenant<'a> {
    pub(super) number: i64,
    pub(super) id: &'a OrganizationId,
}

/// What keeping an event needs beside the connection.
#[derive(Clone)]
pub(super) struct Emitter {
    pub(super) ids: Arc<Ids>,
    pub(super) deliveries_added: Arc<Notify>,
}

impl Emitter {
    /// Keeps events with their bodies as they will be sent, and a delivery for each endpoint that is
    /// subscribed at this moment.
    pub(super) fn keep_events(
        &self,
        connection: &Connection,
        tenant: Tenant<'_>,
        act: &Act,
        events: &[Event],
    ) -> Stored<()> {
        for event in events {
            let id = self.ids.event(act.at);
            let event_type = event.kind.event_type();
            let kept = KeptEvent {
                id: &id,
                organization: tenant.number,
                event_type: event_type.as_str(),
                created_at: event.at,
                profile_id: event.profile_id.as_str(),
                body: &rollcall_record::event::body(&id, tenant.id, event),
            };
            outbox::keep_event(connection, &kept)?;
            for endpoint in webhooks::subscribed(connection, tenant.number, event_type)? {
                let id = self.ids.delivery(act.at);
                outbox::add(connection, &id, &kept, &endpoint, act.at)?;
                // Not committed yet; but a claim waits its turn behind this very transaction.
                self.deliveries_added.notify_one();
            }
        }
        Ok(())
    }
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
