//! The queue: what end users submitted, to be decided on one by one ([`super::enrollment`]) or several at once
//! ([`super::decisions`]).

use askama::Template;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::enrollment::{Enrollment, EnrollmentStatus};
use rollcall_domain::id::{EnrollmentId, OrganizationId};
use rollcall_domain::page::{Limit, Order};
use rollcall_store::enrollments::EnrollmentFilter;
use rollcall_wire::operator::enrollments::NOTE_LIMIT;

use super::paging::{Pager, Paging};
use super::{Choice, ConsoleCall, Frame, Organizations, figures, segment, shown};
use crate::acts::enrollments;
use crate::config::ProgramConfig;
use crate::http::error::Outcome;
use crate::pages::form::Form;
use crate::pages::programs::title;
use crate::pages::shown::Moment;

/// An application in a list.
#[derive(Debug)]
pub(super) struct EnrollmentRow {
    pub(super) id: String,
    pub(super) organization: String,
    pub(super) program: String,
    pub(super) status: &'static str,
    pub(super) look: &'static str,
    pub(super) who: String,
    pub(super) submitted: Moment,
    pub(super) waiting: Moment,
    pub(super) decided: Option<Moment>,
}

impl EnrollmentRow {
    pub(super) fn new(
        enrollment: &Enrollment,
        organization: String,
        offered: &[ProgramConfig],
        now: Timestamp,
    ) -> Self {
        Self {
            id: enrollment.id.to_string(),
            organization,
            program: title(offered, enrollment.program.as_str()),
            status: enrollment.status.as_str(),
            look: look_of(enrollment.status),
            who: applicant(enrollment),
            submitted: Moment::minute(enrollment.submitted_at),
            waiting: Moment::ago(enrollment.submitted_at, now),
            decided: enrollment.decided_at.map(Moment::minute),
        }
    }
}

/// Who applied, as far as the form's usual fields say.
pub(super) fn applicant(enrollment: &Enrollment) -> String {
    let answered = |name: &str| {
        let mut submitted = enrollment.submitted.iter();
        submitted
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    };
    let who = [answered("full_name"), answered("organization")];
    let who = who.into_iter().flatten().filter(|it| !it.is_empty());
    who.collect::<Vec<_>>().join(", ")
}

fn look_of(status: EnrollmentStatus) -> &'static str {
    match status {
        EnrollmentStatus::Pending => "wait",
        EnrollmentStatus::Approved => "good",
        EnrollmentStatus::Rejected => "bad",
    }
}

#[derive(Template)]
#[template(path = "console/enrollments.html")]
struct EnrollmentsPage {
    frame: Frame,
    tabs: Vec<Choice>,
    organizations: Vec<Choice>,
    organization_id: String,
    status: String,
    /// Whether they wait, so that several can be decided at once.
    is_queue: bool,
    note_limit: usize,
    rows: Vec<EnrollmentRow>,
    pager: Pager,
}

/// `GET /console/enrollments`
pub(crate) async fn list(call: ConsoleCall<'_>) -> Outcome {
    let app = call.app();
    let now = app.clock.now();
    let form = Form::of_query(call.exchange().query());
    let status = form.filled("status").unwrap_or("pending");
    let wanted = EnrollmentStatus::parse(status).ok();
    let organization = form.filled("organization_id");
    let filter = EnrollmentFilter {
        status: wanted,
        organization_id: organization.and_then(|id| OrganizationId::parse(id).ok()),
        profile_id: None,
    };
    // Who waits longest comes first; what is decided is looked up from the newest.
    let order = match wanted {
        Some(EnrollmentStatus::Pending) => Order::Ascending,
        Some(EnrollmentStatus::Approved | EnrollmentStatus::Rejected) | None => Order::Descending,
    };
    let paging = Paging::new(&call, "/console/enrollments", &form);
    let after = paging.after()?;
    let (after, limit) = (after.as_ref(), Limit::DEFAULT);
    let listed = enrollments::list(&call.desk, &filter, order, after, limit).await?;
    let pager = paging.pager(listed.next);
    let is_queue = wanted == Some(EnrollmentStatus::Pending);
    let known = if is_queue && organization.is_none() && !pager.is_whole() {
        Some(figures(&call).await?.waiting_enrollments)
    } else {
        None
    };
    let pager = pager.counting(listed.items.len(), known);
    let organizations = Organizations::read(&call).await?;
    let rows = listed.items.iter();
    let rows = rows.map(|it| {
        let organization = organizations.name(&it.organization_id);
        EnrollmentRow::new(it, organization, &app.settings.programs, now)
    });
    let statuses = EnrollmentStatus::ALL.iter().map(|it| it.as_str());
    shown(&EnrollmentsPage {
        tabs: Choice::plain(statuses.chain(["all"]), Some(status)),
        organizations: organizations.choices(organization),
        organization_id: organization.unwrap_or_default().to_owned(),
        is_queue,
        note_limit: NOTE_LIMIT,
        status: status.to_owned(),
        rows: rows.collect(),
        pager,
        frame: Frame::new(&call, "enrollments"),
    })
}

/// Where an application is shown.
pub(super) fn path(id: &EnrollmentId) -> String {
    format!("/console/enrollments/{}", segment(id.as_str()))
}
