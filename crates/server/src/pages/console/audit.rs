//! The audit trail: who did what to what, and when.

use askama::Template;
use http::HeaderValue;
use http::header::CONTENT_DISPOSITION;
use rollcall_domain::audit::{AuditAction, AuditEvent, TargetKind};
use rollcall_wire::operator::audit::parse_list;

use super::paging::{ASIDE, Pager, Way};
use super::{Choice, ConsoleCall, Frame, Organizations, segment, shown};
use crate::acts::audit;
use crate::http::error::Outcome;
use crate::pages::form::Form;
use crate::pages::shown::{self as values, Moment};
use crate::pages::{Room, protect};

#[derive(Template)]
#[template(path = "console/audit.html")]
struct AuditPage {
    frame: Frame,
    organizations: Vec<Choice>,
    actions: Vec<Choice>,
    actor_id: String,
    target_id: String,
    after: String,
    before: String,
    rows: Vec<AuditRow>,
    pager: Pager,
    download: String,
}

/// An event in a list.
#[derive(Debug)]
pub(super) struct AuditRow {
    pub(super) at: Moment,
    /// What it was called, if it had a name.
    pub(super) actor: Option<String>,
    pub(super) actor_kind: String,
    pub(super) actor_id: String,
    pub(super) actor_path: String,
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
            actor: actor.name.clone(),
            actor_kind: values::words(actor.kind.as_str()),
            actor_id: actor.id.clone(),
            actor_path: format!("/console/audit?actor_id={}", segment(&actor.id)),
            action: entry.action.as_str(),
            target: entry.target_id.clone(),
            target_path: base.map(|base| format!("/console/{base}/{id}")),
            details: entry.details.join(", "),
        }
    }
}

/// The filters as the operator API has them: a form has times without a zone, which mean UTC.
fn query(form: &Form) -> String {
    let aside = ASIDE.into_iter().filter(|it| *it != "page");
    let aside: Vec<_> = aside.chain(["after", "before"]).collect();
    let rest = form.to_query(&aside);
    let mut query = url::form_urlencoded::Serializer::new(rest);
    for name in ["after", "before"] {
        if let Some(instant) = form.instant(name) {
            query.append_pair(name, &instant);
        }
    }
    query.finish()
}

/// `GET /console/audit`
pub(crate) async fn list(call: ConsoleCall<'_>) -> Outcome {
    let app = call.app();
    let form = Form::of_query(call.exchange().query());
    let request = parse_list(Some(&query(&form)), &app.cursors)?;
    let found = audit::page(&call.desk, &request).await?;
    let next = found
        .next
        .map(|position| request.list.next_page(&app.cursors, &position));
    let pager = Way::new("/console/audit", &form).pager(next);
    let organizations = Organizations::read(&call).await?;
    let actions = AuditAction::ALL.iter().map(|action| action.as_str());
    let actions = actions.map(|action| (action, action.to_owned()));
    let text = |name: &str| form.get(name).unwrap_or_default().to_owned();
    shown(&AuditPage {
        frame: Frame::new(&call, "audit"),
        organizations: organizations.choices(form.filled("organization_id")),
        actions: Choice::all(actions, form.filled("action")),
        actor_id: text("actor_id"),
        target_id: text("target_id"),
        after: text("after"),
        before: text("before"),
        rows: found.events.iter().map(AuditRow::new).collect(),
        pager,
        download: format!("/console/audit/download?{}", form.to_query(&ASIDE)),
    })
}

/// `GET /console/audit/download`: what the filters leave, as CSV.
pub(crate) async fn download(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of_query(call.exchange().query());
    let request = parse_list(Some(&query(&form)), &call.app().cursors)?;
    let mut answer = audit::as_csv(&call.desk, audit::filter(&request));
    let name = HeaderValue::from_static("attachment; filename=\"rollcall-audit.csv\"");
    answer.headers_mut().insert(CONTENT_DISPOSITION, name);
    protect(Room::Console, &mut answer);
    Ok(answer)
}
