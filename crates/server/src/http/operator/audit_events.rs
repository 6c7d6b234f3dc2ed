//! `/operator/v1/audit_events`: who did what to what, newest first.

use rollcall_wire::object;
use rollcall_wire::operator::audit::{parse_list, write_audit_event};

use crate::acts::audit;
use crate::http::answer::json;
use crate::http::call::OperatorCall;
use crate::http::error::Outcome;

/// `GET /operator/v1/audit_events`
pub(crate) async fn list(call: OperatorCall<'_>) -> Outcome {
    let cursors = &call.app().cursors;
    let request = parse_list(call.query(), cursors)?;
    let page = audit::page(&call.desk, &request).await?;
    let next = page.next;
    let next = next.map(|position| request.list.next_page(cursors, &position));
    let answer = object::page(&page.events, write_audit_event, next.as_deref());
    Ok(json(answer))
}
