//! `/operator/v1/audit_events`: who did what to what, newest first.

use rollcall_store::audit::AuditFilter;
use rollcall_wire::object;
use rollcall_wire::operator::audit::{parse_list, write_audit_event};

use crate::app::Operation;
use crate::http::answer::json;
use crate::http::call::OperatorCall;
use crate::http::error::Outcome;

/// `GET /operator/v1/audit_events`
pub(crate) async fn list(call: OperatorCall<'_>) -> Outcome {
    let app = call.app();
    let request = parse_list(call.query(), &app.cursors)?;
    let filter = AuditFilter {
        organization_id: request.organization_id.clone(),
        target_ids: request.target_id.iter().cloned().collect(),
        action: request.action.map(|action| action.as_str().to_owned()),
    };
    let (after, limit) = (request.list.after.as_ref(), request.list.limit);
    let list = app
        .store
        .list_audit_events(call.proof, &filter, after, limit);
    let page = call
        .exchange()
        .read(Operation::ListAuditEvents, list)
        .await?;
    let next = page
        .next
        .map(|position| request.list.next_page(&app.cursors, &position));
    Ok(json(object::page(
        &page.events,
        write_audit_event,
        next.as_deref(),
    )))
}
