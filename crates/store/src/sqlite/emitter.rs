//! What a decision tells, written inside its transaction: events with their deliveries.

use std::sync::Arc;

use rollcall_domain::audit::Act;
use rollcall_domain::event::Event;
use rollcall_domain::id::{Ids, OrganizationId};
use rusqlite::Connection;
use tokio::sync::Notify;

use super::endpoint_rows;
use super::outbox::{self, KeptEvent};
use crate::Stored;

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
            for endpoint in endpoint_rows::subscribed(connection, tenant.number, event_type)? {
                let id = self.ids.delivery(act.at);
                outbox::add(connection, &id, &kept, &endpoint, act.at)?;
                // Not committed yet; but a claim waits its turn behind this very transaction.
                self.deliveries_added.notify_one();
            }
        }
        Ok(())
    }
}
