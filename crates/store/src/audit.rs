//! The audit trail, append-only: written with the decisions it records, read here.

use async_trait::async_trait;
use rollcall_domain::audit::{Act, AuditEntry, AuditEvent};
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
