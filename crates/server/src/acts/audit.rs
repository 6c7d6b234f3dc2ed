//! The audit trail: who did what to what, newest first.

use rollcall_domain::audit::AuditEvent;
use rollcall_domain::id::AuditEventId;
use rollcall_domain::page::Limit;
use rollcall_store::audit::{AuditFilter, AuditPage};
use rollcall_wire::error::ApiError;
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

/// The event that is called so, whether or not there is one.
pub(crate) fn named(text: &str) -> Result<AuditEventId, Failure> {
    AuditEventId::parse(text).map_err(|_| not_found())
}

pub(crate) async fn find(desk: &Desk<'_>, id: &AuditEventId) -> Result<AuditEvent, Failure> {
    // No id stands between one and the same with a hyphen behind it, the smallest character that ids consist of: so it is
    // the newest of those up to there, or is not.
    let behind = AuditEventId::parse(&format!("{id}-")).map_err(|_| not_found())?;
    let one = Limit::new(1).unwrap_or(Limit::DEFAULT);
    let listed = list(desk, &AuditFilter::default(), Some(&behind), one).await?;
    let found = listed.events.into_iter().find(|event| event.id == *id);
    found.ok_or_else(not_found)
}

fn not_found() -> Failure {
    ApiError::not_found("audit event").into()
}
