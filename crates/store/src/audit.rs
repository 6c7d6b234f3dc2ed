//! The audit trail, append-only: written with the decisions it records, read here.

use std::time::Duration;

use async_trait::async_trait;
use rollcall_domain::audit::{Act, AuditEntry, AuditEvent};
use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::{AuditEventId, OrganizationId};
use rollcall_domain::page::Limit;
use rollcall_domain::tenant::OperatorProof;

use crate::{Stored, page};

/// Which audit events are wanted; what is absent matches every one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// In this organization.
    pub organization_id: Option<OrganizationId>,
    /// About the things with these ids; none for everything.
    pub target_ids: Vec<String>,
    /// With this action.
    pub action: Option<String>,
    /// Done by whoever has this id.
    pub actor_id: Option<String>,
    /// Done later than this.
    pub after: Option<Timestamp>,
    /// Done earlier than this.
    pub before: Option<Timestamp>,
}

impl AuditFilter {
    /// The ids of what was done in the time wanted, and follows `after` on the way to the oldest: those from the first of
    /// these on, and before the second. Ids sort by time, so every index that holds them serves a time, too.
    pub(crate) fn ids(&self, after: Option<&AuditEventId>) -> (Option<String>, Option<String>) {
        let bound = |time| AuditEventId::before_all_of(time).as_str().to_owned();
        // A time is told to the microsecond.
        let next = |time: Timestamp| time.saturating_add(Duration::from_micros(1));
        let from = self.after.map(|time| bound(next(time)));
        let before = self.before.map(bound);
        let after = after.map(|id| id.as_str().to_owned());
        (from, before.into_iter().chain(after).min())
    }
}

/// One page of the trail, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditPage {
    /// The events.
    pub events: Vec<AuditEvent>,
    /// The event to go on after; `None` when nothing follows.
    pub next: Option<AuditEventId>,
}

impl AuditPage {
    /// The page of at most `limit` of what was found, which is one more where something follows.
    pub(crate) fn of(found: Vec<AuditEvent>, limit: Limit) -> Self {
        let (events, next) = page::cut(found, limit, |last| last.id.clone());
        Self { events, next }
    }
}

/// The audit trail.
#[async_trait]
pub trait AuditTrail: Send + Sync {
    /// One page, newest first.
    async fn list_audit_events(
        &self,
        proof: OperatorProof,
        filter: &AuditFilter,
        after: Option<&AuditEventId>,
        limit: Limit,
    ) -> Stored<AuditPage>;

    /// Records something that changes nothing else, such as an export.
    async fn record(
        &self,
        proof: OperatorProof,
        act: &Act,
        organization_id: Option<&OrganizationId>,
        entry: AuditEntry,
    ) -> Stored<()>;
}
