//! The audit trail: who did what to what, and when.

use askama::Template;
use rollcall_domain::audit::{AuditAction, AuditEvent, TargetKind};
use rollcall_wire::operator::audit::parse_list;

use super::paging::{ASIDE, Pager, Way};
use super::{Choice, ConsoleCall, Frame, Organizations, segment, shown};
use crate::acts::audit;
use crate::http::error::Outcome;
use crate::pages::form::Form;
use crate::pages::shown::{self as values, Moment};

#[derive(Template)]
#[template(path = "console/audit.html")]
struct AuditPage {
    frame: Frame,
    organizations: Vec<Choice>,
    actions: Vec<Choice>,
    target_id: String,
    rows: Vec<AuditRow>,
    pager: Pager,
}

/// An event in a list.
#[derive(Debug)]
pub(super) struct AuditRow {
    pub(super) at: Moment,
    pub(super) actor: String,
    pub(super) actor_id: String,
    pub(super) action: &'static str,
    pub(super) target: String,
    pub(super) target_path: Option<String>,
    pub(super) details: String,
}

impl AuditRow {
    pub(super) fn new(event: &AuditEvent) -> Self {
        let (actor, entry) = (&event.act.actor, event);
        let id = segment(&entry.target_id);
        let base = match entry.target_kind {
            TargetKind::UserProfile => Some("profiles"),
            TargetKind::Enrollment => Some("enrollments"),
            TargetKind::Organization if entry.target_id != "all" => Some("organizations"),
            TargetKind::WebhookEndpoint => Some("webhooks"),
            TargetKind::WebhookDelivery => Some("deliveries"),
            TargetKind::Organization
            | TargetKind::EnforcementAction
            | TargetKind::Workspace
            | TargetKind::ApiKey
            | TargetKind::ConsoleSession => None,
        };
        Self {
            at: Moment::second(event.act.at),
            actor: values::words(actor.kind.as_str()),
            actor_id: actor.id.clone(),
            action: entry.action.as_str(),
            target: entry.target_id.clone(),
            target_path: base.map(|base| format!("/console/{base}/{id}")),
            details: entry.details.join(", "),
        }
    }
}

/// `GET /console/audit`
pub(crate) async fn list(call: ConsoleCall<'_>) -> Outcome {
    let app = call.app();
    let form = Form::of_query(call.exchange().query());
    let aside: Vec<_> = ASIDE.into_iter().filter(|it| *it != "page").collect();
    let query = form.to_query(&aside);
    let request = parse_list(Some(&query), &app.cursors)?;
    let found = audit::page(&call.desk, &request).await?;
    let next = found
        .next
        .map(|position| request.list.next_page(&app.cursors, &position));
    let pager = Way::new("/console/audit", &form).pager(next);
    let organizations = Organizations::read(&call).await?;
    let actions = AuditAction::ALL.iter().map(|action| action.as_str());
    let actions = actions.map(|action| (action, action.to_owned()));
    shown(&AuditPage {
        frame: Frame::new(&call, "audit"),
        organizations: organizations.choices(form.filled("organization_id")),
        actions: Choice::all(actions, form.filled("action")),
        target_id: form.get("target_id").unwrap_or_default().to_owned(),
        rows: found.events.iter().map(AuditRow::new).collect(),
        pager,
    })
}
