//! One profile: every field, as any dialect sees it, its programs, actions, applications and trail;
//! and the operator's decisions on it.

use std::collections::BTreeSet;

use askama::Template;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::enforcement::{ActionKind, IdentityCheck, Reason, Resolution};
use rollcall_domain::id::{OrganizationId, ProfileId};
use rollcall_domain::page::{Limit, Order};
use rollcall_domain::profile::{AccessType, AccountStatus, EntityType, Profile, ProfilePatch};
use rollcall_domain::text::{Country, Name, OpaqueHash, ReferenceId};
use rollcall_record::field::Fields;
use rollcall_record::json::Json;
use rollcall_record::time;
use rollcall_store::audit::AuditFilter;
use rollcall_store::deliveries::DeliveryFilter;
use rollcall_store::enrollments::EnrollmentFilter;
use rollcall_store::registry::OwnedProfile;
use rollcall_wire::dialect::Answer as Asked;
use rollcall_wire::dialects;
use rollcall_wire::enrollment_urls::UrlAction;
use rollcall_wire::operator::enforcement::parse_identity_check;
use rollcall_wire::operator::profiles::{parse_program, parse_program_name, write_record};
use serde_json::Value;

use super::audit::AuditRow;
use super::confirm::{self, Question};
use super::data_controls::{self, ControlsShown};
use super::deliveries::{self, DeliveryRow};
use super::enrollments::EnrollmentRow;
use super::gateway::{self, GatewayDecision};
use super::profiles::look_of_status;
use super::{Choice, ConsoleCall, Frame, Told, go, look_of, segment};
use crate::acts::enforcement::{self, NamedAction};
use crate::acts::{self, profiles, programs};
use crate::config::ProgramConfig;
use crate::http::error::{Failure, Outcome};
use crate::pages::form::Form;
use crate::pages::programs::title;
use crate::pages::shown::{self as values, Moment};
use crate::pages::{Room, page};

#[derive(Template)]
#[template(path = "console/profile.html")]
struct ProfilePage {
    frame: Frame,
    id: String,
    path: String,
    heading: String,
    organization: String,
    organization_id: String,
    status: &'static str,
    look: &'static str,
    created: Moment,
    updated: Moment,
    facts: Vec<(String, Option<String>)>,
    onboarded: Option<Moment>,
    metadata: Vec<(String, String)>,
    stated: Vec<EditedField>,
    lenses: Vec<Choice>,
    is_lens_chosen: bool,
    seen_as: String,
    programs: Vec<ProgramRow>,
    program_names: Vec<Choice>,
    controls: ControlsShown,
    actions: Vec<ActionRow>,
    has_open_action: bool,
    reasons: Vec<Choice>,
    enrollments: Vec<EnrollmentRow>,
    deliveries: Vec<DeliveryRow>,
    more_deliveries: bool,
    trail: Vec<AuditRow>,
    gateway: GatewayDecision,
}

/// A field of the form that changes what is stated.
#[derive(Debug)]
struct EditedField {
    name: &'static str,
    label: String,
    value: String,
    /// What it can be, if that is not any text.
    choices: Vec<Choice>,
    most: usize,
}

#[derive(Debug)]
struct ProgramRow {
    name: String,
    title: String,
    status: &'static str,
    look: &'static str,
    details: String,
}

#[derive(Debug)]
struct ActionRow {
    id: String,
    is_ban: bool,
    reason: String,
    opened: Moment,
    expires: Option<Moment>,
    /// How it ended and when, if it has.
    ended: Option<(&'static str, Moment)>,
    check: &'static str,
}

/// `GET /console/profiles/{id}`
pub(crate) async fn show(call: ConsoleCall<'_>) -> Outcome {
    let owned = named(&call).await?;
    shown(&call, &owned, None).await
}

async fn named(call: &ConsoleCall<'_>) -> Result<OwnedProfile, Failure> {
    profiles::find(&call.desk, &profiles::named(call.param("user_profile_id"))?).await
}

async fn shown(call: &ConsoleCall<'_>, owned: &OwnedProfile, told: Option<Told>) -> Outcome {
    let (app, id) = (call.app(), &owned.id);
    let now = app.clock.now();
    let profile = owned.document.decode()?;
    let organization = acts::organizations::find(&call.desk, &owned.organization_id).await?;
    let filter = EnrollmentFilter {
        profile_id: Some(id.clone()),
        ..EnrollmentFilter::default()
    };
    let (newest, most) = (Order::Descending, Limit::DEFAULT);
    let enrollments = acts::enrollments::list(&call.desk, &filter, newest, None, most).await?;
    let filter = DeliveryFilter {
        profile_id: Some(id.clone()),
        ..DeliveryFilter::default()
    };
    let few = Limit::new(8).unwrap_or(Limit::DEFAULT);
    let told_of = acts::deliveries::list(&call.desk, &filter, None, few).await?;
    // What was done about its actions and applications was done about it.
    let unresolved = profile.enforcement.unresolved().iter();
    let past = profile.enforcement.past().iter().map(|it| &it.action);
    let of_actions = unresolved.chain(past).map(|it| it.id().to_string());
    let of_applications = enrollments.items.iter().map(|it| it.id.to_string());
    let own = std::iter::once(id.to_string());
    let filter = AuditFilter {
        target_ids: own.chain(of_actions).chain(of_applications).collect(),
        ..AuditFilter::default()
    };
    let trail = acts::audit::list(&call.desk, &filter, None, Limit::DEFAULT).await?;
    let query = Form::of_query(call.exchange().query());
    let chosen_lens = query.filled("as");
    let lens = chosen_lens.unwrap_or("record");
    let labelled = dialects::names().map(|name| {
        (
            name,
            if name == "ga" {
                "GA".into()
            } else {
                name.to_owned()
            },
        )
    });
    let labelled = std::iter::once(("record", "Record".to_owned())).chain(labelled);
    let is_now = profile.enforcement.status_at(now);
    let offered = &app.settings.programs;
    let actions = actions(&profile, now);
    let detail = ProfilePage {
        frame: Frame::new(call, "profiles").telling(told),
        id: id.to_string(),
        path: path(id),
        heading: heading(&profile),
        organization: organization.name,
        organization_id: owned.organization_id.to_string(),
        status: is_now.as_str(),
        look: look_of_status(is_now),
        created: Moment::second(profile.created_at),
        updated: Moment::second(profile.updated_at),
        facts: facts(&profile),
        onboarded: profile.details.onboarded_at.map(Moment::second),
        metadata: pairs(&profile),
        stated: stated(&profile),
        lenses: Choice::all(labelled, Some(lens)),
        is_lens_chosen: chosen_lens.is_some(),
        seen_as: seen_as(&owned.organization_id, owned, &profile, lens, now)?,
        programs: program_rows(&profile, offered),
        program_names: program_names(offered),
        controls: ControlsShown::new(&profile, now, app.settings.data_controls),
        has_open_action: actions.iter().any(|it| it.ended.is_none()),
        actions,
        reasons: Choice::plain(Reason::ALL.iter().map(|it| it.as_str()), None),
        enrollments: enrollments
            .items
            .iter()
            .map(|it| EnrollmentRow::new(it, String::new(), offered, now))
            .collect(),
        more_deliveries: told_of.next.is_some(),
        deliveries: deliveries::named_rows(call, &told_of.deliveries).await?,
        trail: trail.events.iter().map(AuditRow::new).collect(),
        gateway: gateway::decision(call, &owned.organization_id, id).await?,
    };
    page(Room::Console, detail.frame.status(), &detail)
}

fn path(id: &ProfileId) -> String {
    format!("/console/profiles/{}", segment(id.as_str()))
}

fn heading(profile: &Profile) -> String {
    let name = profile.name.as_ref().map(|name| name.as_str().to_owned());
    name.unwrap_or_else(|| "Unnamed profile".to_owned())
}

fn pairs(profile: &Profile) -> Vec<(String, String)> {
    let pairs = profile.metadata.iter();
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn facts(profile: &Profile) -> Vec<(String, Option<String>)> {
    let details = &profile.details;
    let text = |value: &str| Some(value.to_owned());
    let facts = [
        ("relationship", text(profile.relationship.as_str())),
        (
            "access_type",
            text(profile.relationship.access_type().as_str()),
        ),
        (
            "account_status",
            details.account_status.map(|it| it.as_str().to_owned()),
        ),
        (
            "entity_type",
            details.entity_type.map(|it| it.as_str().to_owned()),
        ),
        ("country", details.country.map(|it| it.as_str().to_owned())),
        (
            "reference_id",
            details
                .reference_id
                .as_ref()
                .map(|it| it.as_str().to_owned()),
        ),
        (
            "email_hash",
            details.email_hash.as_ref().map(|it| it.as_str().to_owned()),
        ),
        (
            "name_hash",
            details.name_hash.as_ref().map(|it| it.as_str().to_owned()),
        ),
    ];
    facts
        .into_iter()
        .map(|(name, value)| (values::words(name), value))
        .collect()
}

/// What a platform states, as the newest dialect has it.
fn stated(profile: &Profile) -> Vec<EditedField> {
    let details = &profile.details;
    let field = |name, value: Option<&str>, choices: Vec<Choice>, most| EditedField {
        name,
        label: values::words(name),
        value: value.unwrap_or_default().to_owned(),
        choices,
        most,
    };
    let text = |name, value: Option<&str>, most| field(name, value, Vec::new(), most);
    let among = |name, all: Vec<&'static str>, value: Option<&str>| {
        field(name, value, Choice::plain(all, value), 0)
    };
    let onboarded_at = details.onboarded_at.map(time::to_text);
    vec![
        text("name", profile.name.as_ref().map(Name::as_str), Name::LIMIT),
        among(
            "access_type",
            AccessType::ALL.iter().map(|it| it.as_str()).collect(),
            Some(profile.relationship.access_type().as_str()),
        ),
        among(
            "account_status",
            AccountStatus::ALL.iter().map(|it| it.as_str()).collect(),
            details.account_status.map(AccountStatus::as_str),
        ),
        among(
            "entity_type",
            EntityType::ALL.iter().map(|it| it.as_str()).collect(),
            details.entity_type.map(EntityType::as_str),
        ),
        text("country", details.country.as_ref().map(Country::as_str), 2),
        text(
            "reference_id",
            details.reference_id.as_ref().map(ReferenceId::as_str),
            ReferenceId::LIMIT,
        ),
        text(
            "email_hash",
            details.email_hash.as_ref().map(OpaqueHash::as_str),
            OpaqueHash::LIMIT,
        ),
        text(
            "name_hash",
            details.name_hash.as_ref().map(OpaqueHash::as_str),
            OpaqueHash::LIMIT,
        ),
        text("onboarded_at", onboarded_at.as_deref(), 40),
    ]
}

/// What a form changes of a profile: fields that differ from what the form showed, so that nobody's change in between
/// is taken back.
fn changed(form: &Form, now: Timestamp) -> Result<ProfilePatch, Failure> {
    let plain = |text: &str| text.replace("\r\n", "\n");
    let (mut body, mut details, mut metadata) = (Vec::new(), Vec::new(), Vec::new());
    let (names, were) = (form.all("field"), form.all("was"));
    for ((name, was), value) in names.zip(were).zip(form.all("value")) {
        let value = value.trim();
        if was.trim() != value {
            let of = match name {
                "name" | "access_type" => &mut body,
                _ => &mut details,
            };
            of.push((name.to_owned(), Json::from(value)));
        }
    }
    let (keys, were) = (form.all("key"), form.all("key-was"));
    for ((key, was), value) in keys.zip(were).zip(form.all("key-value")) {
        let (was, value) = (plain(was), plain(value));
        if was != value {
            metadata.push((key.trim().to_owned(), Json::from(value.as_str())));
        }
    }
    let nested = [("external_user_details", details), ("metadata", metadata)];
    for (name, members) in nested {
        if !members.is_empty() {
            let members = members.into_iter().collect();
            body.push((name.to_owned(), Json::Object(members)));
        }
    }
    let fields = Fields::root(body.into_iter().collect());
    Ok(dialects::DEFAULT.parse_update_fields(fields, now)?)
}

/// `POST /console/profiles/{id}/fields`: changes what is stated.
pub(crate) async fn update(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of(call.exchange()).await?;
    let owned = named(&call).await?;
    let updated = match changed(&form, call.app().clock.now()) {
        Ok(patch) => profiles::update(&call.desk, &owned, patch).await,
        Err(failure) => Err(failure),
    };
    outcome(&call, &owned.id, "saved", updated).await
}

#[derive(Template)]
#[template(path = "console/link.html")]
struct LinkPage {
    frame: Frame,
    heading: String,
    path: String,
    url: String,
    expires: Moment,
}

/// `POST /console/profiles/{id}/links`: makes a URL for the end user and shows it, once.
pub(crate) async fn make_link(call: ConsoleCall<'_>) -> Outcome {
    let owned = named(&call).await?;
    match profiles::link(&call.desk, &owned, UrlAction::EnrollEndUser).await {
        Ok(link) => super::shown(&LinkPage {
            frame: Frame::new(&call, "profiles"),
            heading: heading(&owned.document.decode()?),
            path: path(&owned.id),
            url: link.url,
            expires: Moment::minute(link.stored.expires_at),
        }),
        Err(failure) => shown(&call, &owned, Some(Told::of(failure)?)).await,
    }
}

/// `POST /console/profiles/{id}/erasure`: erases a person, once its id was typed.
pub(crate) async fn erase(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of(call.exchange()).await?;
    let owned = named(&call).await?;
    let id = owned.id.as_str();
    if !confirm::is_typed(&form, id) {
        let who = heading(&owned.document.decode()?);
        let question = Question {
            title: format!("Erase {who}?"),
            effects: vec![
                "The profile goes with its applications, links, keys and buckets.".to_owned(),
                "What webhooks told about it is emptied; the audit trail keeps IDs alone."
                    .to_owned(),
                "It cannot be brought back.".to_owned(),
            ],
            yes: "Erase this person",
            back: path(&owned.id),
        };
        return confirm::ask_to_type(&call, "profiles", question, &form, id);
    }
    profiles::erase(&call.desk, &owned.id).await?;
    Ok(go("/console/profiles?done=erased"))
}

/// The profile as a dialect's get shows it, or as the operator's record.
fn seen_as(
    organization_id: &OrganizationId,
    owned: &OwnedProfile,
    profile: &Profile,
    lens: &str,
    now: Timestamp,
) -> Result<String, Failure> {
    let bytes = if let Some(dialect) = dialects::by_short_name(lens) {
        let mut bytes = Vec::with_capacity(1_024);
        dialect.write_profile(&mut bytes, &owned.document.view()?, Asked::Get, now)?;
        bytes
    } else {
        let mut text = String::with_capacity(1_024);
        write_record(&mut text, organization_id, profile, None, now)?;
        text.into_bytes()
    };
    let value: Option<Value> = serde_json::from_slice(&bytes).ok();
    Ok(value.map(|value| format!("{value:#}")).unwrap_or_default())
}

/// The programs that there are, by their titles.
fn program_names(offered: &[ProgramConfig]) -> Vec<Choice> {
    let known = ["cyber", "efs"].into_iter();
    let offered_names = offered.iter().map(|program| program.name.as_str());
    let names: BTreeSet<_> = known.chain(offered_names).collect();
    let titled = names.into_iter().map(|name| (name, title(offered, name)));
    Choice::all(titled, None)
}

fn program_rows(profile: &Profile, offered: &[ProgramConfig]) -> Vec<ProgramRow> {
    let rows = profile.programs.statuses().map(|(name, status)| {
        let details = match name {
            "cyber" => profile.programs.cyber.map(|cyber| {
                let tiers = cyber.tiers();
                let requirements = cyber.requirements().unwrap_or_default();
                active([
                    ("tier a", tiers.a),
                    ("tier b", tiers.b),
                    ("tier c", tiers.c),
                    ("data retention", requirements.data_retention),
                    ("human review", requirements.human_review),
                ])
            }),
            "efs" => profile.programs.efs.map(|efs| {
                active([
                    (
                        "data retention exemption",
                        efs.features.data_retention_exemption,
                    ),
                    ("cmek", efs.features.cmek),
                    ("storage", efs.features.storage),
                ])
            }),
            _ => None,
        };
        ProgramRow {
            title: title(offered, name),
            name: name.to_owned(),
            status: status.as_str(),
            look: look_of(status),
            details: details.unwrap_or_default(),
        }
    });
    rows.collect()
}

fn active<const N: usize>(named: [(&str, bool); N]) -> String {
    let active = named.into_iter().filter(|(_, active)| *active);
    let active: Vec<_> = active.map(|(name, _)| name).collect();
    active.join(", ")
}

fn actions(profile: &Profile, now: Timestamp) -> Vec<ActionRow> {
    let unresolved = profile.enforcement.unresolved().iter().map(|action| {
        let expired = action.expires_at().filter(|_| !action.is_open_at(now));
        (action, expired.map(|at| (at, Resolution::Expired)))
    });
    let ended = profile.enforcement.past().iter();
    let ended = ended.map(|it| (&it.action, Some((it.resolved_at, it.resolution))));
    let mut all: Vec<_> = unresolved.chain(ended).collect();
    all.sort_by_key(|(action, ended)| (ended.is_some(), std::cmp::Reverse(action.opened_at())));
    let rows = all.into_iter().map(|(action, ended)| {
        let (is_ban, check) = match action.kind() {
            ActionKind::Ban => (true, ""),
            ActionKind::Restriction { check, .. } => (
                false,
                match check {
                    IdentityCheck::NotOffered => "",
                    IdentityCheck::Offered => "offered",
                    IdentityCheck::Submitted => "submitted",
                },
            ),
        };
        ActionRow {
            id: action.id().to_string(),
            is_ban,
            reason: values::words(action.reason().as_str()),
            opened: Moment::minute(action.opened_at()),
            expires: action.expires_at().map(Moment::minute),
            ended: ended.map(|(at, how)| {
                let how = match how {
                    Resolution::Operator => "resolved by the operator",
                    Resolution::IdentityCheck => "cleared by an identity check",
                    Resolution::Expired => "expired",
                };
                (how, Moment::minute(at))
            }),
            check,
        }
    });
    rows.collect()
}

/// Goes on to the profile with what was done, or shows it with what was wrong with a form.
async fn outcome(
    call: &ConsoleCall<'_>,
    id: &ProfileId,
    done: &str,
    acted: Result<Profile, Failure>,
) -> Outcome {
    match acted {
        Ok(_) => Ok(go(&format!("{}?done={done}", path(id)))),
        Err(failure) => {
            let told = Told::of(failure)?;
            shown(call, &named(call).await?, Some(told)).await
        }
    }
}

/// `POST /console/profiles/{id}/actions`: opens an action.
pub(crate) async fn open_action(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of(call.exchange()).await?;
    let owned = named(&call).await?;
    let id = &owned.id;
    let body = form.body().text("type").text("reason");
    let body = match form.get("verify") {
        Some("yes") => body.with("action", "verify"),
        _ => body,
    };
    let action = match enforcement::stated(&call.desk, body.instant("expires_at").fields()) {
        Ok(action) => action,
        Err(error) => return outcome(&call, id, "opened", Err(error)).await,
    };
    if !confirm::is_confirmed(&form) {
        let is_ban = action.kind() == ActionKind::Ban;
        let what = if is_ban { "Ban" } else { "Restrict" };
        let who = heading(&owned.document.decode()?);
        let mut effects = vec![
            format!(
                "{who} ({id}) becomes {}.",
                if is_ban { "banned" } else { "restricted" }
            ),
            "The platform is told by webhook at once.".to_owned(),
        ];
        effects.push(match action.expires_at() {
            Some(at) => format!("It ends by itself at {}.", values::minute(at)),
            None => "It stays until somebody ends it.".to_owned(),
        });
        let question = Question {
            title: format!("{what} this profile?"),
            effects,
            yes: if is_ban { "Ban" } else { "Restrict" },
            back: path(id),
        };
        return confirm::ask(&call, "profiles", question, &form);
    }
    let opened = enforcement::open(&call.desk, &owned, action).await;
    outcome(&call, id, "opened", opened).await
}

/// `POST /console/profiles/{id}/actions/{action}`: resolves an action, or records a check.
pub(crate) async fn end_action(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of(call.exchange()).await?;
    let owned = named(&call).await?;
    let action = NamedAction {
        id: enforcement::named(call.param("enforcement_action_id"))?,
        profile_id: owned.id,
        organization_id: owned.organization_id,
    };
    let id = &action.profile_id;
    let (done, acted) = if form.get("do") == Some("resolve") {
        if !confirm::is_confirmed(&form) {
            let question = Question {
                title: "End this action?".to_owned(),
                effects: vec![
                    format!("The action {} ends now.", action.id),
                    "The platform is told by webhook at once.".to_owned(),
                    "It cannot be opened again; a new one can.".to_owned(),
                ],
                yes: "End the action",
                back: path(id),
            };
            return confirm::ask(&call, "profiles", question, &form);
        }
        ("resolved", enforcement::resolve(&call.desk, &action).await)
    } else {
        let state = form.get("do").unwrap_or_default();
        let checked = match parse_identity_check(form.body().with("state", state).fields()) {
            Ok(state) => enforcement::identity_check(&call.desk, &action, state).await,
            Err(error) => Err(error.into()),
        };
        ("checked", checked)
    };
    outcome(&call, id, done, acted).await
}

/// `POST /console/profiles/{id}/programs`: sets a program, or takes the profile out of one.
pub(crate) async fn set_program(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of(call.exchange()).await?;
    let owned = named(&call).await?;
    let id = &owned.id;
    let name = match parse_program_name(form.get("name").unwrap_or_default().trim()) {
        Ok(name) => name,
        Err(error) => return outcome(&call, id, "program", Err(error.into())).await,
    };
    if form.get("do") == Some("delete") {
        if !confirm::is_confirmed(&form) {
            let question = Question {
                title: format!("Take this profile out of {}?", name.as_str()),
                effects: vec![
                    "It loses the program's capabilities.".to_owned(),
                    "The platform is told by webhook at once.".to_owned(),
                ],
                yes: "Take it out",
                back: path(id),
            };
            return confirm::ask(&call, "profiles", question, &form);
        }
        let deleted = programs::delete(&call.desk, &owned, name).await;
        return outcome(&call, id, "program-deleted", deleted).await;
    }
    let body = form.body().text("status").chosen("tiers", "active");
    let body = body.chosen("requirements", true);
    let set = match parse_program(body.chosen("features", "active").fields(), &name) {
        Ok(standing) => programs::set(&call.desk, &owned, standing).await,
        Err(error) => Err(error.into()),
    };
    outcome(&call, id, "program", set).await
}

/// `POST /console/profiles/{id}/data_controls`: says what became of a region's key or bucket.
pub(crate) async fn report_on_region(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of(call.exchange()).await?;
    let owned = named(&call).await?;
    let reported = match data_controls::reported(&form) {
        Ok((region, report)) => {
            acts::data_controls::report(&call.desk, &owned, region, report).await
        }
        Err(error) => Err(error.into()),
    };
    outcome(&call, &owned.id, "reported", reported).await
}
