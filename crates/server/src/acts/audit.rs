//! The audit trail: who did what to what, newest first.

use rollcall_domain::id::AuditEventId;
use rollcall_domain::page::Limit;
use rollcall_store::audit::{AuditFilter, AuditPage};
use rollcall_wire::operator::audit::AuditRequest;

use super::Desk;
use crate::app::Operation::ListAuditEvents;
use crate::http::error::Failure;

/// The page that was asked for.
pub(crate) async fn page(desk: &Desk<'_>, request: &AuditRequest) -> Result<AuditPage, Failure> {
    let filter = AuditFilter {
        organization_id: request.organization_id.clone(),
        target_ids: request.target_id.iter().cloned().collect(),
        action: request.action.map(|action| action.as_str().to_owned()),
    };
    let (after, limit) = (request.list.after.as_ref(), request.list.limit);
    list(desk, &filter, after, limit).await
}

pub(crate) async fn list(
    desk: &Desk<'_>,
    filter: &AuditFilter,
    after: Option<&AuditEventId>,
    limit: Limit,
) -> Result<AuditPage, Failure> {
    let list = desk
        .store()
        .list_audit_events(desk.proof, filter, after, limit);
    desk.read(ListAuditEvents, list).await
}
