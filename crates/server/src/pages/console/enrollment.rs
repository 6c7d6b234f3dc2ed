//! One application: what was submitted, in the words that the applicant read, what is decided on it, and the way to the next
//! one, so that whoever works through the queue never ends at a page that leads nowhere.

use askama::Template;
use rollcall_domain::audit::{Actor, ActorKind, AuditAction};
use rollcall_domain::enrollment::{Enrollment, EnrollmentStatus};
use rollcall_domain::id::ApiKeyId;
use rollcall_domain::page::{Limit, ListPosition, Order};
use rollcall_store::audit::AuditFilter;
use rollcall_store::enrollments::EnrollmentFilter;
use rollcall_wire::operator::enrollments::{NOTE_LIMIT, parse_approval, parse_rejection};

use super::confirm::{self, Question};
use super::enrollments::{EnrollmentRow, path};
use super::{Choice, ConsoleCall, Frame, Organizations, Told, go, segment};
use crate::acts::{audit, enrollments, if_there, keys};
use crate::http::error::{Failure, Outcome};
use crate::pages::form::Form;
use crate::pages::programs::{as_asked, asks_for, find, title};
use crate::pages::shown as values;
use crate::pages::{Room, page};

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
    decided_by: Option<String>,
    is_waiting: bool,
    is_cyber: bool,
    tiers: Vec<Choice>,
    note_limit: usize,
    /// The next one that waits, if another does.
    next: Option<String>,
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
    let offered = &call.app().settings.programs;
    let organizations = Organizations::read(call).await?;
    let organization = organizations.name(&enrollment.organization_id);
    let program = find(offered, enrollment.program.as_str());
    let tiers = ["a", "b", "c"].map(|tier| {
        let mut titled = program.iter().flat_map(|program| &program.tiers);
        let titled = titled.find(|it| it.name == tier);
        Choice {
            value: tier.to_owned(),
            label: titled.map_or_else(|| tier.to_uppercase(), |it| it.title.clone()),
            chosen: asks_for(enrollment, tier),
        }
    });
    let detail = EnrollmentPage {
        frame: Frame::new(call, "enrollments").telling(told),
        row: EnrollmentRow::new(enrollment, organization, offered, now),
        path: path(&enrollment.id),
        profile_id: enrollment.profile_id.to_string(),
        profile_path: format!(
            "/console/profiles/{}",
            segment(enrollment.profile_id.as_str())
        ),
        answers: as_asked(offered, enrollment),
        note: enrollment.note.clone(),
        decided_by: decided_by(call, enrollment).await?,
        is_waiting: enrollment.status == EnrollmentStatus::Pending,
        is_cyber: enrollment.program.as_str() == "cyber",
        tiers: tiers.into(),
        note_limit: NOTE_LIMIT,
        next: next_waiting(call, Some(enrollment)).await?,
    };
    page(Room::Console, detail.frame.status(), &detail)
}

/// Where the application is that waits longest behind this one, or else longest of all others.
pub(super) async fn next_waiting(
    call: &ConsoleCall<'_>,
    this: Option<&Enrollment>,
) -> Result<Option<String>, Failure> {
    let filter = EnrollmentFilter {
        status: Some(EnrollmentStatus::Pending),
        ..EnrollmentFilter::default()
    };
    let here = this.map(|this| ListPosition {
        created_at: this.submitted_at,
        id: this.id.to_string(),
    });
    let two = Limit::new(2).unwrap_or(Limit::DEFAULT);
    for after in [here.as_ref(), None] {
        let listed = enrollments::list(&call.desk, &filter, Order::Ascending, after, two).await?;
        let mut others = listed.items.iter();
        let other = others.find(|it| this.is_none_or(|this| this.id != it.id));
        if let Some(other) = other {
            return Ok(Some(path(&other.id)));
        }
    }
    Ok(None)
}

/// Who decided on it, as the audit trail has it.
async fn decided_by(
    call: &ConsoleCall<'_>,
    enrollment: &Enrollment,
) -> Result<Option<String>, Failure> {
    let action = match enrollment.status {
        EnrollmentStatus::Pending => return Ok(None),
        EnrollmentStatus::Approved => AuditAction::EnrollmentApproved,
        EnrollmentStatus::Rejected => AuditAction::EnrollmentRejected,
    };
    let filter = AuditFilter {
        target_ids: vec![enrollment.id.to_string()],
        action: Some(action.as_str().to_owned()),
        ..AuditFilter::default()
    };
    let one = Limit::new(1).unwrap_or(Limit::DEFAULT);
    let trail = audit::list(&call.desk, &filter, None, one).await?;
    match trail.events.into_iter().next() {
        Some(event) => Ok(Some(name_of(call, event.act.actor).await?)),
        None => Ok(None),
    }
}

/// What an actor is called: an operator by the name of the key.
async fn name_of(call: &ConsoleCall<'_>, actor: Actor) -> Result<String, Failure> {
    if actor.kind == ActorKind::Operator {
        if let Ok(id) = ApiKeyId::parse(&actor.id) {
            let key = if_there(keys::find(&call.desk, &id).await)?;
            return Ok(key.map_or(actor.id, |key| key.name));
        }
        return Ok(values::words(&actor.id.replace('-', "_")));
    }
    Ok(values::words(actor.kind.as_str()))
}

/// `POST /console/enrollments/{id}`: approves or rejects.
pub(crate) async fn decide(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of(call.exchange()).await?;
    let enrollment = named(&call).await?;
    let body = form.body().with("note", note(&form).as_str());
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
                let question = of_rejection(&call, &enrollment, note.as_deref());
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

/// The note of a form. Browsers send line breaks as two characters; one is enough.
pub(super) fn note(form: &Form) -> String {
    let note = form.get("note").unwrap_or_default();
    note.trim().replace("\r\n", "\n")
}

/// What the end user will read.
pub(super) fn reads(note: Option<&str>) -> String {
    match note {
        None => "The end user reads no note.".to_owned(),
        Some(note) => format!("The end user reads: “{note}”"),
    }
}

fn of_rejection(call: &ConsoleCall<'_>, enrollment: &Enrollment, note: Option<&str>) -> Question {
    let offered = &call.app().settings.programs;
    Question {
        title: "Reject this application?".to_owned(),
        effects: vec![
            format!(
                "The profile {} becomes rejected in {}.",
                enrollment.profile_id,
                title(offered, enrollment.program.as_str())
            ),
            reads(note),
            "The platform is told by webhook at once.".to_owned(),
            "It cannot be decided again; the end user can apply through a new link.".to_owned(),
        ],
        yes: "Reject",
        back: path(&enrollment.id),
    }
}
