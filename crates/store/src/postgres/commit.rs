//! What every decision leaves behind, written inside its transaction: events with their deliveries, and
//! audit entries.
//!
//! The first audit entry also tells one call's attempts apart from everyone else's: its id is made once
//! for the call, so two attempts cannot both be committed, and a look at the entry says whether one was.

use rollcall_domain::audit::{Act, AuditEntry};
use rollcall_domain::event::Event;
use rollcall_domain::id::{AuditEventId, Ids, OrganizationId};

use super::outbox::{self, KeptEvent};
use super::transaction::Tx;
use super::trouble::Trouble;
use super::value::values;
use super::webhooks;

/// What stands for the whole installation where an organization's id would stand.
pub(super) const INSTALLATION: &str = "";

/// Who decides, and the mark that the decision leaves.
pub(super) struct Keep<'a> {
    ids: &'a Ids,
    act: &'a Act,
    mark: AuditEventId,
}

impl<'a> Keep<'a> {
    pub(super) fn new(ids: &'a Ids, act: &'a Act) -> Self {
        Self {
            ids,
            act,
            mark: ids.audit_event(act.at),
        }
    }

    /// Ends this attempt when an earlier one turns out to have been applied. To be asked once the row
    /// that is decided about is locked, so that no earlier attempt can still be under way on it.
    pub(super) async fn unless_applied(&self, tx: &mut Tx) -> Result<(), Trouble> {
        if !tx.is_in_doubt() {
            return Ok(());
        }
        let found = tx
            .query(
                "SELECT 1 FROM audit_events WHERE id = $1",
                &values![self.mark.as_str()],
            )
            .await?;
        if found.is_empty() {
            Ok(())
        } else {
            Err(Trouble::Applied)
        }
    }

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
        let endpoints = webhooks::enabled(tx, organization).await?;
        for event in events {
            let id = self.ids.event(self.act.at);
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
                let id = self.ids.delivery(self.act.at);
                outbox::add(tx, &id, &kept, &endpoint.id, self.act.at);
            }
        }
        Ok(())
    }

    /// Appends entries to the audit trail, the first under the mark of this decision.
    pub(super) fn audit(&self, tx: &mut Tx, organization: &str, entries: &[AuditEntry]) {
        for (number, entry) in entries.iter().enumerate() {
            let id = if number == 0 {
                self.mark.clone()
            } else {
                self.ids.audit_event(self.act.at)
            };
            self.entry(tx, organization, &id, entry);
        }
    }

    /// Who acts and when.
    pub(super) fn act(&self) -> &Act {
        self.act
    }

    pub(super) fn ids(&self) -> &Ids {
        self.ids
    }

    /// Appends one more entry, under an id of its own.
    pub(super) fn further_audit(&self, tx: &mut Tx, organization: &str, entry: &AuditEntry) {
        let id = self.ids.audit_event(self.act.at);
        self.entry(tx, organization, &id, entry);
    }

    fn entry(&self, tx: &mut Tx, organization: &str, id: &AuditEventId, entry: &AuditEntry) {
        let details = serde_json::to_string(&entry.details).unwrap_or_default();
        tx.write(
            "INSERT INTO audit_events (organization, id, at, actor_kind, actor_id, action, \
             target_kind, target_id, details) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            values![
                organization,
                id.as_str(),
                self.act.at,
                self.act.actor.kind.as_str(),
                self.act.actor.id.as_str(),
                entry.action.as_str(),
                entry.target_kind.as_str(),
                entry.target_id.as_str(),
                details,
            ],
        );
    }
}
