//! The queue: what end users submitted, and what is decided on it.

use askama::Template;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::enrollment::{Enrollment, EnrollmentStatus};
use rollcall_domain::id::{EnrollmentId, OrganizationId};
use rollcall_domain::page::{Limit, Order};
use rollcall_store::enrollments::EnrollmentFilter;
use rollcall_wire::operator::enrollments::{NOTE_LIMIT, parse_approval, parse_rejection};

use super::confirm::{self, Question};
use super::paging::{Pager, Paging};
use super::{Choice, ConsoleCall, Frame, Organizations, Told, go, segment, shown};
use crate::acts::enrollments;
use crate::http::error::{Failure, Outcome};
use crate::pages::form::Form;
use crate::pages::programs::TIERS;
use crate::pages::shown::{self as values, Moment};
use crate::pages::{Room, page};

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
    pub(super) fn new(enrollment: &Enrollment, organization: String, now: Timestamp) -> Self {
        Self {
            id: enrollment.id.to_string(),
            organization,
            program: enrollment.program.as_str().to_owned(),
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
    let organizations = Organizations::read(&call).await?;
    let rows = listed.items.iter();
    let rows = rows.map(|it| EnrollmentRow::new(it, organizations.name(&it.organization_id), now));
    let statuses = EnrollmentStatus::ALL.iter().map(|it| it.as_str());
    shown(&EnrollmentsPage {
        tabs: Choice::plain(statuses.chain(["all"]), Some(status)),
        organizations: organizations.choices(organization),
        organization_id: organization.unwrap_or_default().to_owned(),
        status: status.to_owned(),
        rows: rows.collect(),
        pager,
        frame: Frame::new(&call, "enrollments"),
    })
}

#[derive(Template)]
#[template(path = "console/enrollment.html")]
struct EnrollmentPage {
    frame: Frame,
    row: EnrollmentRow,
    path: String,
    profile_id: String,
    profile_path: String,
    answers: Vec<(String, String)>,
    note: Option<String>,
    is_waiting: bool,
    is_cyber: bool,
    tiers: Vec<Choice>,
    note_limit: usize,
}

/// `GET /console/enrollments/{id}`
pub(crate) async fn show(call: ConsoleCall<'_>) -> Outcome {
    let enrollment = named(&call).await?;
    detail(&call, &enrollment, None).await
}

async fn named(call: &ConsoleCall<'_>) -> Result<Enrollment, Failure> {
    enrollments::find(
        &call.desk,
        &enrollments::named(call.param("enrollment_id"))?,
    )
    .await
}

async fn detail(call: &ConsoleCall<'_>, enrollment: &Enrollment, told: Option<Told>) -> Outcome {
    let now = call.app().clock.now();
    let organizations = Organizations::read(call).await?;
    let answers = enrollment.submitted.iter();
    let mut asked = answers.clone().filter(|(name, _)| name == TIERS);
    let asked = asked.next().map_or("", |(_, value)| value.as_str());
    let tiers = ["a", "b", "c"].map(|tier| Choice {
        value: tier.to_owned(),
        label: tier.to_uppercase(),
        chosen: asked.split(", ").any(|it| it == tier),
    });
    let detail = EnrollmentPage {
        frame: Frame::new(call, "enrollments").telling(told),
        row: EnrollmentRow::new(
            enrollment,
            organizations.name(&enrollment.organization_id),
            now,
        ),
        path: path(&enrollment.id),
        profile_id: enrollment.profile_id.to_string(),
        profile_path: format!(
            "/console/profiles/{}",
            segment(enrollment.profile_id.as_str())
        ),
        answers: answers
            .map(|(name, value)| (values::words(name), value.clone()))
            .collect(),
        note: enrollment.note.clone(),
        is_waiting: enrollment.status == EnrollmentStatus::Pending,
        is_cyber: enrollment.program.as_str() == "cyber",
        tiers: tiers.into(),
        note_limit: NOTE_LIMIT,
    };
    page(Room::Console, detail.frame.status(), &detail)
}

fn path(id: &EnrollmentId) -> String {
    format!("/console/enrollments/{}", segment(id.as_str()))
}

/// `POST /console/enrollments/{id}`: approves or rejects.
pub(crate) async fn decide(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of(call.exchange()).await?;
    let enrollment = named(&call).await?;
    let note = form.get("note").unwrap_or_default();
    let note = note.trim().replace("\r\n", "\n");
    let body = form.body().with("note", &*note);
    let (done, decided) = if form.get("do") == Some("approve") {
        let body = body.chosen("tiers", "active").chosen("requirements", true);
        let approved = match parse_approval(body.fields()) {
            Ok(approval) => enrollments::approve(&call.desk, &enrollment, &approval).await,
            Err(error) => Err(error.into()),
        };
        ("approved", approved)
    } else {
        let rejected = match parse_rejection(body.fields()) {
            Ok(note) if !confirm::is_confirmed(&form) => {
                let question = of_rejection(&enrollment, note.as_deref());
                return confirm::ask(&call, "enrollments", question, &form);
            }
            Ok(note) => enrollments::reject(&call.desk, &enrollment, note.as_deref()).await,
            Err(error) => Err(error.into()),
        };
        ("rejected", rejected)
    };
    match decided {
        Ok(decided) => Ok(go(&format!("{}?done={done}", path(&decided.id)))),
        Err(failure) => {
            let told = Told::of(failure)?;
            detail(&call, &named(&call).await?, Some(told)).await
        }
    }
}

fn of_rejection(enrollment: &Enrollment, note: Option<&str>) -> Question {
    let reads = match note {
        None => "The end user reads no note.".to_owned(),
        Some(note) => format!("The end user reads: “{note}”"),
    };
    Question {
        title: "Reject this application?".to_owned(),
        effects: vec![
            format!(
                "The profile {} becomes rejected in {}.",
                enrollment.profile_id,
                enrollment.program.as_str()
            ),
            reads,
            "The platform is told by webhook at once.".to_owned(),
            "It cannot be decided again; the end user can apply through a new link.".to_owned(),
        ],
        yes: "Reject",
        back: path(&enrollment.id),
    }
}
