//! What a decision tells, written inside its transaction: events with their deliveries.

use rollcall_domain::event::Event;
use rollcall_domain::id::OrganizationId;

use super::commit::Keep;
use super::endpoint_rows;
use super::outbox::{self, KeptEvent};
use super::transaction::Tx;
use super::trouble::Trouble;

impl Keep<'_> {
    /// Keeps events with their bodies as they will be sent, and a delivery for each endpoint that is
    /// subscribed at this moment.
    pub(super) async fn events(
        &self,
        tx: &mut Tx,
        organization: &OrganizationId,
        events: &[Event],
    ) -> Result<(), Trouble> {
        if events.is_empty() {
            return Ok(());
        }
        let endpoints = endpoint_rows::enabled(tx, organization).await?;
        for event in events {
            let id = self.ids().event(self.act().at);
            let event_type = event.kind.event_type();
            let kept = KeptEvent {
                id: &id,
                organization: organization.as_str(),
                event_type: event_type.as_str(),
                created_at: event.at,
                profile_id: event.profile_id.as_str(),
                body: &rollcall_record::event::body(&id, organization, event),
            };
            outbox::keep_event(tx, &kept);
            let subscribed = endpoints
                .iter()
                .filter(|endpoint| endpoint.enabled_events.contains(&event_type.into()));
            for endpoint in subscribed {
                let id = self.ids().delivery(self.act().at);
                outbox::add(tx, &id, &kept, &endpoint.id, self.act().at);
            }
        }
        Ok(())
    }
}
