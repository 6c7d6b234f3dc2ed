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

use askama::Template;
use http::StatusCode;
use rollcall_domain::audit::{Act, Actor, ActorKind};
use rollcall_domain::clock::Timestamp;
use rollcall_domain::decision::Refusal;
use rollcall_domain::enforcement::{ActionKind, CheckState, IdentityCheck};
use rollcall_domain::enrollment::{Enrollment, EnrollmentStatus, EnrollmentUrl};
use rollcall_domain::id::{EnforcementActionId, OrganizationId, ProfileId};
use rollcall_domain::page::{Limit, Order};
use rollcall_domain::profile::Profile;
use rollcall_domain::program::{ProgramName, ProgramStatus};
use rollcall_domain::tenant::OperatorProof;
use rollcall_store::Changed;
use rollcall_store::enrollments::{EnrollmentFilter, Submitted};

use super::form::Form;
use super::programs::{self, Filled, TIERS};
use super::texts::{ENGLISH, Texts};
use super::{Room, assets, origin, page, see_other, shown};
use crate::app::{App, Operation};
use crate::config::ProgramConfig;
use crate::http::answer::Answer;
use crate::http::error::{Failure, Outcome};
use crate::http::exchange::Exchange;
use crate::secrets;

const TEXTS: &Texts = &ENGLISH;

/// What every page of the portal has around it.
#[derive(Debug)]
struct Frame {
    texts: &'static Texts,
    style: &'static str,
    icon: &'static str,
    script: &'static str,
    platform: String,
}

impl Frame {
    fn new(platform: &str) -> Self {
        Self {
            texts: TEXTS,
            style: &assets::STYLE,
            icon: &assets::ICON,
            script: &assets::PORTAL_SCRIPT,
            platform: platform.to_owned(),
        }
    }

    /// The heading of the application for a program.
    fn application(&self, title: &str) -> String {
        self.texts.application.replace("{program}", title)
    }

    /// A text with what the page knows put in.
    fn say(&self, text: &str) -> String {
        text.replace("{platform}", &self.platform)
    }
}

#[derive(Template)]
#[template(path = "portal/start.html")]
struct StartPage<'a> {
    frame: Frame,
    expires: Moment,
    standings: Vec<Standing>,
    check: Check,
    offers: Vec<Offer<'a>>,
    form: Option<Filled<'a>>,
    /// Whether there is a list of programs to go back to.
    has_others: bool,
}

#[derive(Template)]
#[template(path = "portal/review.html")]
struct ReviewPage<'a> {
    frame: Frame,
    title: &'a str,
    program: &'a str,
    answers: Vec<Answered>,
    fields: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "portal/status.html")]
struct StatusPage {
    frame: Frame,
    expires: Moment,
    standing: Standing,
    answers: Vec<Answered>,
    check: Check,
}

#[derive(Template)]
#[template(path = "portal/message.html")]
struct MessagePage {
    frame: Frame,
    heading: &'static str,
    text: &'static str,
    /// Whether there is a status to go to.
    has_status: bool,
    reference: Option<String>,
}

/// An instant as people and as machines read it.
#[derive(Debug)]
struct Moment {
    shown: String,
    machine: String,
}

impl Moment {
    fn of(timestamp: Timestamp) -> Self {
        Self {
            shown: shown::minute(timestamp),
            machine: shown::machine(timestamp),
        }
    }
}

/// A program that can be applied for.
#[derive(Debug)]
struct Offer<'a> {
    name: &'a str,
    title: &'a str,
    description: &'a str,
    /// What stands on its button.
    invitation: &'static str,
}

/// How the end user stands in a program.
#[derive(Debug)]
struct Standing {
    program: String,
    /// Names the badge's look.
    look: &'static str,
    status: &'static str,
    text: String,
    note: Option<String>,
    sent_at: Option<Moment>,
}

/// Whether an identity check can be started, or has been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    None,
    Offered,
    /// Asked for without the statement that it needs.
    Unstated,
    Waiting,
}

impl Check {
    fn is_offered(self) -> bool {
        matches!(self, Self::Offered | Self::Unstated)
    }

    fn is_unstated(self) -> bool {
        self == Self::Unstated
    }

    fn is_waiting(self) -> bool {
        self == Self::Waiting
    }
}

/// A question and its answer.
#[derive(Debug)]
struct Answered {
    question: String,
    answer: String,
}

/// A link that works.
struct Link {
    url: EnrollmentUrl,
    platform: String,
    profile: Profile,
    /// What was submitted through it.
    submitted: Option<Enrollment>,
    /// The profile's newest applications, newest first.
    applications: Vec<Enrollment>,
    now: Timestamp,
}

enum Opened {
    Unknown,
    Over,
    Link(Box<Link>),
}

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
        return sent_before(&link);
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

/// Reads everything a link leads to. What does not exist costs the same as what does.
async fn open(exchange: &Exchange<'_>) -> Result<Opened, Failure> {
    let app = exchange.app;
    let now = app.clock.now();
    let hash = secrets::hash(exchange.params[0].as_bytes());
    let find = app.store.find_enrollment_url(&hash);
    let url = exchange.read(Operation::FindEnrollmentUrl, find).await?;
    let url = url.filter(|url| secrets::same(&url.token_hash, &hash));
    let (organization_id, profile_id) = match &url {
        Some(url) => (
            Some(url.organization_id.clone()),
            Some(url.profile_id.clone()),
        ),
        None => (
            OrganizationId::parse("nobody").ok(),
            ProfileId::parse("uprof_nobody").ok(),
        ),
    };
    let (Some(organization_id), Some(profile_id)) = (organization_id, profile_id) else {
        return Ok(Opened::Unknown);
    };
    let proof = OperatorProof::of_storage_access();
    let scope = proof.choose(organization_id.clone());
    let find = app.store.find_profile(&scope, &profile_id);
    let document = exchange.read(Operation::FindProfile, find).await?;
    let find = app.store.find_organization(proof, &organization_id);
    let organization = exchange.read(Operation::ReadTenants, find).await?;
    let filter = EnrollmentFilter {
        profile_id: Some(profile_id),
        ..EnrollmentFilter::default()
    };
    let newest = Order::Descending;
    let list = app
        .store
        .list_enrollments(proof, &filter, newest, None, Limit::DEFAULT);
    let applications = exchange.read(Operation::ReadEnrollments, list).await?.items;
    let submitted = match url.as_ref().and_then(|url| url.enrollment_id.as_ref()) {
        None => None,
        // It may be older than the newest ones.
        Some(id) => {
            let find = app.store.find_enrollment(proof, id);
            exchange.read(Operation::ReadEnrollments, find).await?
        }
    };
    Ok(match (url, document, organization) {
        (None, _, _) => Opened::Unknown,
        (Some(url), Some(document), Some(organization)) if !url.is_expired_at(now) => {
            Opened::Link(Box::new(Link {
                url,
                platform: organization.name,
                profile: document.decode()?,
                submitted,
                applications,
                now,
            }))
        }
        (Some(_), _, _) => Opened::Over,
    })
}

impl Link {
    /// What was submitted through this link.
    fn submitted(&self) -> Option<&Enrollment> {
        self.submitted.as_ref()
    }

    /// The open restriction that an identity check can clear.
    fn checkable(&self) -> Option<EnforcementActionId> {
        let mut open = self.profile.enforcement.open_at(self.now);
        let offered = open.find(|action| match action.kind() {
            ActionKind::Restriction { check, .. } => check == IdentityCheck::Offered,
            ActionKind::Ban => false,
        });
        offered.map(|action| action.id().clone())
    }

    fn check(&self) -> Check {
        let is_waiting = self.profile.enforcement.open_at(self.now).any(|action| {
            matches!(
                action.kind(),
                ActionKind::Restriction {
                    check: IdentityCheck::Submitted,
                    ..
                }
            )
        });
        match self.checkable() {
            Some(_) => Check::Offered,
            None if is_waiting => Check::Waiting,
            None => Check::None,
        }
    }

    /// The newest application for a program.
    fn application_for(&self, program: &ProgramName) -> Option<&Enrollment> {
        self.applications.iter().find(|it| it.program == *program)
    }

    /// How the end user stands in a program; nothing where there is nothing to tell.
    fn standing(&self, program: &ProgramConfig) -> Option<Standing> {
        let name = ProgramName::parse(&program.name).ok()?;
        let status = self.profile.programs.status(&name)?;
        let mut standing = self.standing_of(&program.title, status, self.application_for(&name));
        // This link has not been used: nobody needs another one.
        if status == ProgramStatus::Rejected {
            TEXTS.declined_before_text.clone_into(&mut standing.text);
        }
        Some(standing)
    }

    /// With which words the end user is invited to apply for a program; with none while an application is
    /// being read, and once there is nothing more to get.
    fn invitation(&self, program: &ProgramConfig) -> Option<&'static str> {
        let name = ProgramName::parse(&program.name).ok()?;
        let newest = self.application_for(&name);
        if newest.is_some_and(|it| it.status == EnrollmentStatus::Pending) {
            return None;
        }
        match self.profile.programs.status(&name) {
            None | Some(ProgramStatus::Pending) => Some(TEXTS.apply),
            Some(ProgramStatus::Rejected) => Some(TEXTS.apply_again),
            Some(ProgramStatus::Active) => {
                let cyber = self.profile.programs.cyber;
                let tiers = cyber.map(|cyber| cyber.tiers()).unwrap_or_default();
                let mut offered = program.tiers.iter();
                let lacks = offered.any(|tier| !tiers.has(&tier.name));
                lacks.then_some(TEXTS.apply_for_more)
            }
        }
    }

    fn standing_of(
        &self,
        title: &str,
        status: ProgramStatus,
        application: Option<&Enrollment>,
    ) -> Standing {
        let (look, status_text, text) = match status {
            ProgramStatus::Pending => ("wait", TEXTS.under_review, TEXTS.under_review_text),
            ProgramStatus::Active => ("good", TEXTS.admitted, TEXTS.admitted_text),
            ProgramStatus::Rejected => ("bad", TEXTS.declined, TEXTS.declined_text),
        };
        Standing {
            program: title.to_owned(),
            look,
            status: status_text,
            text: text.replace("{platform}", &self.platform),
            note: application.and_then(|it| it.note.clone()),
            sent_at: application.map(|it| Moment::of(it.submitted_at)),
        }
    }
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
        Submitted::Refused(Refusal::AlreadySubmitted) => sent_before(link),
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

fn unknown() -> Outcome {
    message(StatusCode::NOT_FOUND, TEXTS.not_found, TEXTS.not_found_text)
}

fn over() -> Outcome {
    message(StatusCode::GONE, TEXTS.gone, TEXTS.gone_text)
}

fn sent_before(link: &Link) -> Outcome {
    let page_shown = MessagePage {
        frame: Frame::new(&link.platform),
        heading: TEXTS.sent_before,
        text: TEXTS.sent_before_text,
        has_status: true,
        reference: None,
    };
    page(Room::Portal, StatusCode::CONFLICT, &page_shown)
}

fn message(status: StatusCode, heading: &'static str, text: &'static str) -> Outcome {
    let message = MessagePage {
        frame: Frame::new(""),
        heading,
        text,
        has_status: false,
        reference: None,
    };
    page(Room::Portal, status, &message)
}

/// What to show for a failure that is nobody's to see.
pub(super) fn trouble(status: StatusCode, request_id: &str) -> Outcome {
    let (heading, text) = match status {
        StatusCode::NOT_FOUND => (TEXTS.not_found, TEXTS.not_found_text),
        _ => (TEXTS.trouble, TEXTS.trouble_text),
    };
    let message = MessagePage {
        frame: Frame::new(""),
        heading,
        text,
        has_status: false,
        reference: (status != StatusCode::NOT_FOUND).then(|| request_id.to_owned()),
    };
    page(Room::Portal, status, &message)
}
