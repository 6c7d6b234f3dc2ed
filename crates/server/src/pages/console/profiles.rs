//! Profiles: search, filters, order, pages. The filters are the operator API's own search.

use askama::Template;
use http::StatusCode;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::enforcement::EnforcementStatus;
use rollcall_domain::id::{OrganizationId, ProfileId};
use rollcall_domain::page::{Limit, Order, OrderBy, ProfileListing, StatusFilter};
use rollcall_domain::profile::{AccessType, Profile};
use rollcall_domain::program::ProgramStatus;
use rollcall_record::document::{DamagedDocument, PageSink, ProfileView};
use rollcall_wire::cursor::is_invalid_cursor;
use rollcall_wire::error::ApiError;
use rollcall_wire::operator::profiles::parse_search;

use super::paging::{ASIDE, Pager, Way};
use super::{Choice, ConsoleCall, Frame, Organizations, Told, look_of};
use crate::acts;
use crate::app::Operation;
use crate::http::error::{Failure, Outcome};
use crate::pages::form::Form;
use crate::pages::shown::{Moment, words};
use crate::pages::{Room, page};

#[derive(Template)]
#[template(path = "console/profiles.html")]
struct ProfilesPage {
    frame: Frame,
    filters: Filters,
    rows: Vec<Row>,
    /// Whether anything was asked for but all of them.
    is_narrowed: bool,
    pager: Pager,
}

#[derive(Debug)]
struct Filters {
    q: String,
    organizations: Vec<Choice>,
    statuses: Vec<Choice>,
    access_types: Vec<Choice>,
    program: String,
    program_statuses: Vec<Choice>,
    country: String,
    reference_id: String,
    email_hash: String,
    created_after: String,
    created_before: String,
    sorts: Vec<Choice>,
    /// Whether one of the rarer filters is set.
    more: bool,
}

/// A profile in a list.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) reference_id: Option<String>,
    pub(super) organization: String,
    pub(super) status: &'static str,
    pub(super) look: &'static str,
    pub(super) programs: Vec<(String, &'static str, &'static str)>,
    pub(super) created: Moment,
}

const RARE: [&str; 7] = [
    "access_type",
    "program_status",
    "country",
    "reference_id",
    "email_hash",
    "created_after",
    "created_before",
];

const STATUS: &str = "enforcement_status";

/// The choice of a status that stands for every one that comes of an open action.
const ANY_ACTION: &str = "any-action";
const ACTED_ON: [EnforcementStatus; 3] = [
    EnforcementStatus::Pending,
    EnforcementStatus::Restricted,
    EnforcementStatus::Banned,
];

const SORTS: [(&str, &str); 4] = [
    ("newest", "Newest first"),
    ("oldest", "Oldest first"),
    ("name", "Name A–Z"),
    ("name-desc", "Name Z–A"),
];

/// `GET /console/profiles`
pub(crate) async fn list(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of_query(call.exchange().query());
    let organizations = Organizations::read(&call).await?;
    let (page_shown, status) = match find(&call, &form).await {
        Ok(found) => (found, StatusCode::OK),
        Err(Finding::Told(error)) if !is_invalid_cursor(&error) => {
            let told = Told::bad(error.message);
            (Found::none(told), StatusCode::BAD_REQUEST)
        }
        Err(Finding::Told(error)) => return Err(error.into()),
        Err(Finding::Failed(failure)) => return Err(failure),
    };
    let now = call.app().clock.now();
    let rows = page_shown.profiles.iter();
    let rows = rows.map(|(owner, profile)| row(profile, organizations.name(owner), now));
    let way = Way::new("/console/profiles", &form);
    let pager = way.pager(page_shown.next);
    let known = counted(&call, &form, &pager).await?;
    let pager = pager.counting(page_shown.profiles.len(), known);
    let list = ProfilesPage {
        frame: Frame::new(&call, "profiles").telling(page_shown.told),
        filters: filters(&form, &organizations),
        rows: rows.collect(),
        is_narrowed: !form.to_query(&[&ASIDE[..], &["sort"]].concat()).is_empty(),
        pager,
    };
    page(Room::Console, status, &list)
}

struct Found {
    profiles: Vec<(OrganizationId, Profile)>,
    next: Option<String>,
    told: Option<Told>,
}

impl Found {
    fn none(told: Told) -> Self {
        Self {
            profiles: Vec::new(),
            next: None,
            told: Some(told),
        }
    }
}

/// Why nothing was found: the operator is told, or it failed.
enum Finding {
    Told(ApiError),
    Failed(Failure),
}

impl From<ApiError> for Finding {
    fn from(error: ApiError) -> Self {
        Self::Told(error)
    }
}

impl From<Failure> for Finding {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<DamagedDocument> for Finding {
    fn from(error: DamagedDocument) -> Self {
        Self::Failed(error.into())
    }
}

async fn find(call: &ConsoleCall<'_>, form: &Form) -> Result<Found, Finding> {
    match form.filled("sort") {
        None | Some("newest") => search(call, form).await,
        Some(sort) => listing(call, form, sort).await,
    }
}

/// The operator API's search, asked with what the form says.
async fn search(call: &ConsoleCall<'_>, form: &Form) -> Result<Found, Finding> {
    let app = call.app();
    let query = search_query(form);
    let request = parse_search(Some(&query), &app.cursors)?;
    let found = acts::profiles::search(&call.desk, &request.page(), app.clock.now()).await?;
    let next = found
        .next
        .map(|position| request.list.next_page(&app.cursors, &position));
    Ok(Found {
        profiles: found.profiles,
        next,
        told: naming(&found.damaged),
    })
}

/// How many profiles the list has, where that is kept: all of them, or an organization's.
async fn counted(
    call: &ConsoleCall<'_>,
    form: &Form,
    pager: &Pager,
) -> Result<Option<u64>, Failure> {
    let narrowed = form.to_query(&[&ASIDE[..], &["organization_id", "sort"]].concat());
    if pager.is_whole() || !narrowed.is_empty() {
        return Ok(None);
    }
    let count = call.app().store.count_profiles(call.desk.proof);
    let counts = call.desk.read(Operation::ReadFigures, count).await?;
    let organization = form.filled("organization_id");
    let wanted = counts
        .iter()
        .filter(|(id, _)| organization.is_none_or(|wanted| id.as_str() == wanted));
    Ok(Some(wanted.map(|(_, count)| count).sum()))
}

/// What the operator is told of profiles that the page lacks.
fn naming(damaged: &[ProfileId]) -> Option<Told> {
    let ids: Vec<_> = damaged.iter().map(ProfileId::as_str).collect();
    let told = || {
        format!(
            "Not shown because what is stored of them is damaged: {}",
            ids.join(", ")
        )
    };
    (!ids.is_empty()).then(|| Told::bad(told()))
}

fn search_query(form: &Form) -> String {
    let mut query = empty_query();
    for (name, value) in form.pairs() {
        let value = value.trim();
        match name.as_str() {
            _ if value.is_empty() => {}
            "q" => {
                query.append_pair("name_prefix", value);
            }
            "created_after" | "created_before" if value.len() == 10 => {
                query.append_pair(name, &format!("{value}T00:00:00Z"));
            }
            "sort" => {}
            name if name != "page" && ASIDE.contains(&name) => {}
            STATUS if value == ANY_ACTION => {
                for status in ACTED_ON {
                    query.append_pair(name, status.as_str());
                }
            }
            _ => {
                query.append_pair(name, value);
            }
        }
    }
    query.finish()
}

fn empty_query() -> url::form_urlencoded::Serializer<'static, String> {
    url::form_urlencoded::Serializer::new(String::new())
}

/// An organization's own listing, which has every order.
async fn listing(call: &ConsoleCall<'_>, form: &Form, sort: &str) -> Result<Found, Finding> {
    let app = call.app();
    let organization_id = form
        .filled("organization_id")
        .ok_or_else(|| ApiError::invalid("Choose an organization to sort its profiles"))?;
    let organization_id = OrganizationId::parse(organization_id)
        .map_err(|error| ApiError::at("organization_id", error))?;
    let narrowing = form.pairs().iter().find(|(name, value)| {
        let name = name.as_str();
        let goes_with =
            ["organization_id", STATUS, "sort"].contains(&name) || ASIDE.contains(&name);
        !value.trim().is_empty() && !goes_with
    });
    if narrowing.is_some() {
        let message = "Sorting goes with organization and status alone; empty the other filters";
        return Err(ApiError::invalid(message).into());
    }
    let status_filter = match form.filled(STATUS) {
        None => None,
        Some(ANY_ACTION) => StatusFilter::any_of(ACTED_ON),
        Some(status) => {
            let status = EnforcementStatus::parse(status);
            StatusFilter::any_of([status.map_err(|error| ApiError::at(STATUS, error))?])
        }
    };
    let (order_by, order) = match sort {
        "oldest" => (OrderBy::CreatedAt, Order::Ascending),
        "name-desc" => (OrderBy::Name, Order::Descending),
        _ => (OrderBy::Name, Order::Ascending),
    };
    let listing = ProfileListing {
        status_filter,
        ..ProfileListing::beginning(Limit::DEFAULT, order, order_by)
    };
    let listing = match form.filled("page") {
        None => listing,
        Some(cursor) => {
            let opened = app.cursors.open(&organization_id, cursor)?;
            opened.resume(listing)?
        }
    };
    let scope = call.desk.proof.choose(organization_id.clone());
    let mut ids = Ids::default();
    let list = app
        .store
        .list_profiles(&scope, &listing, app.clock.now(), &mut ids);
    let next = call.desk.read(Operation::ListProfiles, list).await?;
    let mut profiles = Vec::with_capacity(ids.shown.len());
    let mut damaged = ids.damaged;
    for id in &ids.shown {
        let find = app.store.find_profile(&scope, id);
        let found = call.desk.read(Operation::FindProfile, find).await?;
        if let Some(document) = found {
            match document.decode() {
                Ok(profile) => profiles.push((organization_id.clone(), profile)),
                Err(damage) => damaged.push((id.clone(), damage)),
            }
        }
    }
    let damaged = damaged.into_iter().map(|(id, damage)| {
        app.tell_of_damage(&organization_id, &id, &damage);
        id
    });
    let told = naming(&damaged.collect::<Vec<_>>());
    let next = next.map(|position| app.cursors.seal(&organization_id, &listing, &position));
    Ok(Found {
        profiles,
        next,
        told,
    })
}

/// The ids of a page.
#[derive(Default)]
struct Ids {
    shown: Vec<ProfileId>,
    damaged: Vec<(ProfileId, DamagedDocument)>,
}

impl PageSink for Ids {
    fn profile(&mut self, view: &ProfileView<'_>) -> Result<(), DamagedDocument> {
        // Ids are plain, so that their JSON is themselves in quotes.
        let id = ProfileId::parse(view.id.trim_matches('"'));
        self.shown.extend(id);
        Ok(())
    }

    fn damaged(&mut self, id: ProfileId, damage: DamagedDocument) {
        self.damaged.push((id, damage));
    }
}

fn filters(form: &Form, organizations: &Organizations) -> Filters {
    let text = |name: &str| form.get(name).unwrap_or_default().to_owned();
    let statuses = EnforcementStatus::ALL.iter().map(|it| it.as_str());
    let statuses = statuses.map(|status| (status, words(status)));
    let statuses = statuses.chain([(ANY_ACTION, "Any open action".to_owned())]);
    let access_types = AccessType::ALL.iter().map(|it| it.as_str());
    let program_statuses = ProgramStatus::ALL.iter().map(|it| it.as_str());
    let sorts = SORTS.map(|(value, label)| (value, label.to_owned()));
    Filters {
        q: text("q"),
        organizations: organizations.choices(form.filled("organization_id")),
        statuses: Choice::all(statuses, form.filled(STATUS)),
        access_types: Choice::plain(access_types, form.filled("access_type")),
        program: text("program"),
        program_statuses: Choice::plain(program_statuses, form.filled("program_status")),
        country: text("country"),
        reference_id: text("reference_id"),
        email_hash: text("email_hash"),
        created_after: text("created_after"),
        created_before: text("created_before"),
        sorts: Choice::all(sorts, form.filled("sort")),
        more: RARE.iter().any(|name| form.filled(name).is_some()),
    }
}

pub(super) fn look_of_status(status: EnforcementStatus) -> &'static str {
    match status {
        EnforcementStatus::Unrestricted => "calm",
        EnforcementStatus::Pending | EnforcementStatus::Restricted => "wait",
        EnforcementStatus::Banned => "bad",
    }
}

fn row(profile: &Profile, organization: String, now: Timestamp) -> Row {
    let status = profile.enforcement.status_at(now);
    let programs = profile.programs.statuses();
    Row {
        id: profile.id.to_string(),
        name: profile.name.as_ref().map(|name| name.as_str().to_owned()),
        reference_id: profile
            .details
            .reference_id
            .as_ref()
            .map(|it| it.as_str().to_owned()),
        organization,
        status: status.as_str(),
        look: look_of_status(status),
        programs: programs
            .map(|(name, status)| (name.to_owned(), status.as_str(), look_of(status)))
            .collect(),
        created: Moment::minute(profile.created_at),
    }
}
