//! The Verification Portal: what an end user sees who opens an enrollment or action URL.
//!
//! One address, `/user-profiles/enrollment/{token}`, and one form on it that goes *fill in → check →
//! send*: each step is a post of all fields, so that nothing is kept of what was not sent, and the
//! pages work without JavaScript. Where there is a script, it says what is missing before anything is
//! posted; what counts is what is judged here. After sending, the same address shows how the application stands.
//!
//! | link | answer |
//! | --- | --- |
//! | unknown or tampered with | 404, which tells nothing |
//! | expired, or its profile deleted | 410, which tells nothing and is the same for both |
//! | used | 200 with the status of the application; sending through it again is a 409 |
//! | otherwise | 200 with the form; 422 when the form has errors |
//!
//! The token is the secret: it is looked up by its hash, never logged, and kept from leaving in a
//! `Referer`. Every link costs the same look-ups, whether or not it exists, and one more once it was used.

mod link;
mod views;

use http::StatusCode;
use rollcall_domain::audit::{Act, Actor, ActorKind};
use rollcall_domain::clock::Timestamp;
use rollcall_domain::decision::Refusal;
use rollcall_domain::enforcement::CheckState;
use rollcall_domain::enrollment::{Enrollment, EnrollmentStatus};
use rollcall_domain::profile::Profile;
use rollcall_domain::program::ProgramStatus;
use rollcall_domain::tenant::OperatorProof;
use rollcall_store::Changed;
use rollcall_store::enrollments::Submitted;

use super::form::Form;
use super::programs::{self, Filled, TIERS};
use super::{Room, origin, page, see_other, shown};
use crate::app::{App, Operation};
use crate::config::ProgramConfig;
use crate::http::answer::Answer;
use crate::http::error::Outcome;
use crate::http::exchange::Exchange;
use link::{Link, Opened, open};
use views::{
    Answered, Check, Frame, Moment, Offer, ReviewPage, StartPage, StatusPage, TEXTS, message, over,
    sent_before, unknown,
};

pub(super) use views::trouble;

/// `GET /user-profiles/enrollment/{token}`
pub(crate) async fn show(exchange: &Exchange<'_>) -> Outcome {
    let link = match open(exchange).await? {
        Opened::Link(link) => link,
        Opened::Unknown => return unknown(),
        Opened::Over => return over(),
    };
    if let Some(application) = link.submitted() {
        return status(
            exchange.app,
            &link,
            application,
            link.check(),
            StatusCode::OK,
        );
    }
    let wanted = Form::of_query(exchange.query());
    let offered = &exchange.app.settings.programs;
    let chosen = match (wanted.get("program"), offered.as_slice()) {
        (Some(name), _) => programs::find(offered, name),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let chosen = chosen.filter(|program| link.invitation(program).is_some());
    start(
        exchange.app,
        &link,
        chosen.map(Filled::empty),
        link.check(),
        StatusCode::OK,
    )
}

/// `POST /user-profiles/enrollment/{token}`
pub(crate) async fn submit(exchange: &Exchange<'_>) -> Outcome {
    if !origin::is_ours(Room::Portal, &exchange.head.headers) {
        return message(StatusCode::FORBIDDEN, TEXTS.foreign, TEXTS.foreign_text);
    }
    let link = match open(exchange).await? {
        Opened::Link(link) => link,
        Opened::Unknown => return unknown(),
        Opened::Over => return over(),
    };
    let form = Form::of(exchange).await?;
    if form.get("step") == Some("verify") {
        return verify(exchange, &link, form.get("statement") == Some("yes")).await;
    }
    if link.submitted().is_some() {
        return sent_before(&link.platform);
    }
    let offered = &exchange.app.settings.programs;
    let named = form
        .get("program")
        .and_then(|name| programs::find(offered, name));
    let Some(program) = named else {
        return start(exchange.app, &link, None, link.check(), StatusCode::OK);
    };
    let mut filled = Filled::read(program, &form);
    if form.get("step") == Some("edit") {
        return start(
            exchange.app,
            &link,
            Some(filled),
            link.check(),
            StatusCode::OK,
        );
    }
    if !filled.judge(TEXTS) {
        return start(
            exchange.app,
            &link,
            Some(filled),
            link.check(),
            StatusCode::UNPROCESSABLE_ENTITY,
        );
    }
    if form.get("step") == Some("send") {
        return send(exchange, &link, &filled).await;
    }
    review(&link, &filled)
}

fn start(
    app: &App,
    link: &Link,
    form: Option<Filled<'_>>,
    check: Check,
    status: StatusCode,
) -> Outcome {
    let offered = &app.settings.programs;
    let offers = offered.iter().filter_map(|program| {
        Some(Offer {
            name: &program.name,
            title: &program.title,
            description: &program.description,
            invitation: link.invitation(program)?,
        })
    });
    let standings = offered.iter().filter_map(|program| link.standing(program));
    let start = StartPage {
        frame: Frame::new(&link.platform),
        expires: Moment::of(link.url.expires_at),
        standings: standings.collect(),
        check,
        offers: offers.collect(),
        has_others: offered.len() > 1,
        form,
    };
    page(Room::Portal, status, &start)
}

fn review(link: &Link, filled: &Filled<'_>) -> Outcome {
    let mut answers = Vec::new();
    let mut fields = Vec::new();
    if !filled.tiers.is_empty() {
        let chosen = filled.tiers.iter().filter(|tier| tier.chosen);
        let titles: Vec<_> = chosen.clone().map(|tier| tier.title).collect();
        answers.push(Answered {
            question: TEXTS.tiers.to_owned(),
            answer: titles.join(", "),
        });
        fields.extend(chosen.map(|tier| (TIERS.to_owned(), tier.name.to_owned())));
    }
    for question in &filled.questions {
        let answer = match (question.value.as_str(), question.is_agreement()) {
            ("", _) => TEXTS.nothing,
            (_, true) => TEXTS.agreed,
            (value, false) => value,
        };
        answers.push(Answered {
            question: question.field.label.clone(),
            answer: answer.to_owned(),
        });
        fields.push((question.field.name.clone(), question.value.clone()));
    }
    let review = ReviewPage {
        frame: Frame::new(&link.platform),
        title: &filled.program.title,
        program: &filled.program.name,
        answers,
        fields,
    };
    page(Room::Portal, StatusCode::OK, &review)
}

async fn send(exchange: &Exchange<'_>, link: &Link, filled: &Filled<'_>) -> Outcome {
    let app = exchange.app;
    let Some(application) = filled.application() else {
        return start(app, link, None, link.check(), StatusCode::OK);
    };
    let now = app.clock.now();
    let id = app.ids.enrollment(now);
    let act = by_end_user(id.as_str(), now);
    let submit = app
        .store
        .submit_enrollment(&act, &link.url.token_hash, &id, &application);
    match exchange.write(Operation::WriteEnrollments, submit).await? {
        Submitted::Done(_) => Ok(back(exchange)),
        Submitted::Missing | Submitted::Expired => over(),
        Submitted::Refused(Refusal::AlreadySubmitted) => sent_before(&link.platform),
        Submitted::Refused(refusal) => Err(refusal.into()),
    }
}

/// Submits the identity check. Doing it twice changes nothing.
async fn verify(exchange: &Exchange<'_>, link: &Link, stated: bool) -> Outcome {
    let app = exchange.app;
    let Some(action) = link.checkable() else {
        return Ok(back(exchange));
    };
    if !stated {
        let unstated = StatusCode::UNPROCESSABLE_ENTITY;
        return match link.submitted() {
            Some(application) => status(app, link, application, Check::Unstated, unstated),
            None => start(app, link, None, Check::Unstated, unstated),
        };
    }
    let now = app.clock.now();
    let proof = OperatorProof::of_storage_access();
    let scope = proof.choose(link.url.organization_id.clone());
    let act = by_end_user(link.profile.id.as_str(), now);
    let decide = Box::new(move |profile: &Profile| {
        profile.identity_check(&action, CheckState::Submitted, now)
    });
    let change = app
        .store
        .change_profile(&scope, &act, &link.profile.id, decide);
    match exchange.write(Operation::ChangeProfile, change).await? {
        Changed::Missing => over(),
        // A restriction that ended meanwhile needs no check; the page shows how things are.
        Changed::Done(_) | Changed::Refused(_) => Ok(back(exchange)),
    }
}

fn by_end_user(id: &str, at: Timestamp) -> Act {
    Act {
        actor: Actor {
            kind: ActorKind::EndUser,
            id: id.to_owned(),
            name: None,
        },
        at,
    }
}

/// To the same link, to be read anew. An address relative to itself keeps the token out of the header.
fn back(exchange: &Exchange<'_>) -> Answer {
    see_other(Room::Portal, exchange.head.uri.path())
}

fn status(
    app: &App,
    link: &Link,
    application: &Enrollment,
    check: Check,
    status: StatusCode,
) -> Outcome {
    let program = programs::find(&app.settings.programs, application.program.as_str());
    let title = program.map_or(application.program.as_str(), |program| &program.title);
    // What became of this very application, whatever else was decided on the program since.
    let decided = match application.status {
        EnrollmentStatus::Pending => ProgramStatus::Pending,
        EnrollmentStatus::Approved => ProgramStatus::Active,
        EnrollmentStatus::Rejected => ProgramStatus::Rejected,
    };
    let answers = application.submitted.iter().map(|(name, value)| Answered {
        question: question(program, name),
        answer: answer(program, name, value),
    });
    let shown = StatusPage {
        frame: Frame::new(&link.platform),
        expires: Moment::of(link.url.expires_at),
        standing: link.standing_of(title, decided, Some(application)),
        answers: answers.collect(),
        check,
    };
    page(Room::Portal, status, &shown)
}

fn question(program: Option<&ProgramConfig>, name: &str) -> String {
    if name == TIERS {
        return TEXTS.tiers.to_owned();
    }
    let fields = program.map(|program| program.fields.iter());
    let field = fields.and_then(|mut fields| fields.find(|field| field.name == name));
    field.map_or_else(|| shown::words(name), |field| field.label.clone())
}

fn answer(program: Option<&ProgramConfig>, name: &str, value: &str) -> String {
    let titles = program.filter(|_| name == TIERS).map(|program| {
        let tiers = program.tiers.iter();
        let asked = tiers.filter(|tier| value.split(", ").any(|asked| asked == tier.name));
        let titles: Vec<_> = asked.map(|tier| tier.title.as_str()).collect();
        titles.join(", ")
    });
    match titles {
        Some(titles) => titles,
        None if value.is_empty() => TEXTS.nothing.to_owned(),
        None if value == "yes" => TEXTS.agreed.to_owned(),
        None => value.to_owned(),
    }
}
