//! One entry of the audit trail, which its id leads to.

use askama::Template;

use super::audit::AuditRow;
use super::{ConsoleCall, Frame, Organizations, organizations, shown};
use crate::acts::audit;
use crate::http::error::Outcome;

#[derive(Template)]
#[template(path = "console/audit_event.html")]
struct AuditEventPage {
    frame: Frame,
    id: String,
    row: AuditRow,
    organization: Option<(String, String)>,
}

/// `GET /console/audit/{id}`
pub(crate) async fn show(call: ConsoleCall<'_>) -> Outcome {
    let id = audit::named(call.param("audit_event_id"))?;
    let event = audit::find(&call.desk, &id).await?;
    let named = Organizations::read(&call).await?;
    shown(&AuditEventPage {
        frame: Frame::new(&call, "audit"),
        id: event.id.to_string(),
        row: AuditRow::new(&event),
        organization: event
            .organization_id
            .as_ref()
            .map(|id| (organizations::path(id), named.name(id))),
    })
}
