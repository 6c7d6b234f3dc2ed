//! The one box for whatever somebody has of a person or a thing ([`finding`]). One hit leads there; several are listed with what
//! each was found by; and where there is none, the page says what was looked for.
//!
//! The box is sent as a form, so that what is typed stands in no log on the way: an e-mail address is answered to at once, and
//! everything else goes on to an address that can be kept.

use askama::Template;
use http::{Method, StatusCode};
use rollcall_domain::id::{OrganizationId, ProfileId};
use rollcall_domain::tenant::ApiKey;
use rollcall_domain::text::Name;

use super::{
    ConsoleCall, Frame, Organizations, deliveries, enrollments, go, operator_keys, organizations,
    segment, webhooks,
};
use crate::acts::finding::{self, Found, Hit, Thing, Way, is_address};
use crate::http::error::Outcome;
use crate::pages::form::Form;
use crate::pages::programs::title;
use crate::pages::shown::words;
use crate::pages::{Room, page};

#[derive(Template)]
#[template(path = "console/search.html")]
struct SearchPage {
    frame: Frame,
    q: String,
    rows: Vec<Row>,
    tried: Vec<&'static str>,
    /// Where the profiles are that this page leaves out, and what they were found by.
    more: Vec<(&'static str, String)>,
    hashes_addresses: bool,
}

/// A hit.
#[derive(Debug)]
struct Row {
    kind: &'static str,
    title: String,
    /// What else tells it apart.
    more: String,
    path: String,
    organization: String,
    why: String,
}

/// `GET /console/search`
pub(crate) async fn show(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of_query(call.exchange().query());
    answer(&call, &form).await
}

/// `POST /console/search`: what the box sends.
pub(crate) async fn find(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of(call.exchange()).await?;
    match form.filled("q") {
        Some(text) if !is_address(text) => Ok(go(&format!("/console/search?{}", query_of(text)))),
        _ => answer(&call, &form).await,
    }
}

/// The text as a query.
fn query_of(text: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("q", text).finish()
}

async fn answer(call: &ConsoleCall<'_>, form: &Form) -> Outcome {
    let text = form.filled("q").unwrap_or_default();
    let found = if text.is_empty() {
        Found::default()
    } else {
        finding::find(&call.desk, text).await?
    };
    let organizations = Organizations::read(call).await?;
    let mut rows = Vec::with_capacity(found.hits.len());
    for hit in &found.hits {
        rows.push(row(call, hit, &organizations));
    }
    if let ([row], true) = (rows.as_slice(), found.more.is_empty()) {
        return Ok(go(&row.path));
    }
    let more = found.more.iter().filter_map(|way| {
        let (name, filter) = match way {
            // An address stands in no link. More than a page of profiles of one address is nothing that people have.
            _ if is_address(text) => return None,
            Way::Reference => ("reference ID", "reference_id"),
            Way::EmailHash => ("e-mail hash", "email_hash"),
            Way::Name => ("name", "q"),
            Way::Email | Way::Id | Way::EventId => return None,
        };
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair(filter, text);
        Some((name, format!("/console/profiles?{}", query.finish())))
    });
    let is_none = rows.is_empty() && !text.is_empty();
    let answer = SearchPage {
        frame: Frame::new(call, "search"),
        q: text.to_owned(),
        tried: found.tried.iter().map(|way| looked_for(*way)).collect(),
        more: more.collect(),
        hashes_addresses: call.app().settings.email_hashing.is_some(),
        rows,
    };
    let status = match (is_none, &call.exchange().head.method) {
        (true, &Method::GET) => StatusCode::NOT_FOUND,
        (_, _) => StatusCode::OK,
    };
    page(Room::Console, status, &answer)
}

/// What was looked for, for whoever wonders why nothing was found.
fn looked_for(way: Way) -> &'static str {
    match way {
        Way::Id => "the id of anything",
        Way::EventId => "the id of an event",
        Way::Reference => "a reference ID, exactly",
        Way::Email => "an e-mail address, by its hash",
        Way::EmailHash => "an e-mail hash, exactly",
        Way::Name => "the beginning of a profile’s name",
    }
}

fn found_by(ways: &[Way]) -> String {
    let found = ways.iter().map(|way| match way {
        Way::Id => "its id",
        Way::EventId => "its event’s id",
        Way::Reference => "its reference ID",
        Way::Email => "the hash of this e-mail address",
        Way::EmailHash => "its e-mail hash",
        Way::Name => "the beginning of its name",
    });
    found.collect::<Vec<_>>().join(", ")
}

/// Where a profile is shown.
fn profile_path(id: &ProfileId) -> String {
    format!("/console/profiles/{}", segment(id.as_str()))
}

fn row(call: &ConsoleCall<'_>, hit: &Hit, organizations: &Organizations) -> Row {
    let base = Row {
        kind: "",
        title: String::new(),
        more: String::new(),
        path: String::new(),
        organization: String::new(),
        why: found_by(&hit.ways),
    };
    match &hit.thing {
        Thing::Profile(organization, profile) => {
            let name = profile.name.as_ref();
            let reference = profile.details.reference_id.as_ref();
            Row {
                kind: "Profile",
                title: name.map_or("Unnamed profile", Name::as_str).to_owned(),
                more: reference.map_or_else(String::new, |it| it.as_str().to_owned()),
                path: profile_path(&profile.id),
                organization: organizations.name(organization),
                ..base
            }
        }
        Thing::Damaged(id) => Row {
            kind: "Profile",
            title: id.to_string(),
            more: "What is stored of it is damaged".to_owned(),
            path: profile_path(id),
            ..base
        },
        Thing::Action(action) => Row {
            kind: "Enforcement action",
            title: action.id.to_string(),
            path: format!("{}#actions", profile_path(&action.profile_id)),
            organization: organizations.name(&action.organization_id),
            ..base
        },
        Thing::Enrollment(enrollment) => Row {
            kind: "Application",
            title: enrollments::applicant(enrollment),
            more: title(&call.app().settings.programs, enrollment.program.as_str()),
            path: enrollments::path(&enrollment.id),
            organization: organizations.name(&enrollment.organization_id),
            ..base
        },
        Thing::Organization(organization) => Row {
            kind: "Organization",
            title: organization.name.clone(),
            path: organizations::path(&organization.id),
            ..base
        },
        Thing::Workspace(workspace) => Row {
            kind: "Workspace",
            title: workspace.name.clone(),
            path: format!(
                "{}#workspaces",
                organizations::path(&workspace.organization_id)
            ),
            organization: organizations.name(&workspace.organization_id),
            ..base
        },
        Thing::Endpoint(owned) => Row {
            kind: "Webhook endpoint",
            title: webhooks::title(&owned.endpoint.name, &owned.endpoint.url),
            more: owned.endpoint.url.clone(),
            path: webhooks::path(&owned.endpoint.id),
            organization: organizations.name(&owned.organization_id),
            ..base
        },
        Thing::Delivery(delivery) => Row {
            kind: "Delivery",
            title: delivery.event_type.clone(),
            more: delivery.id.to_string(),
            path: deliveries::path(&delivery.id),
            organization: organizations.name(&delivery.organization_id),
            ..base
        },
        Thing::Key(key) => Row {
            organization: of(key.owner.organization_id(), organizations),
            ..of_key(key, base)
        },
        Thing::AuditEvent(event) => Row {
            kind: "Audit event",
            title: event.action.as_str().to_owned(),
            more: event.target_id.clone(),
            path: format!("/console/audit/{}", segment(event.id.as_str())),
            organization: of(event.organization_id.as_ref(), organizations),
            ..base
        },
    }
}

/// Whose it is, if it is an organization's.
fn of(organization: Option<&OrganizationId>, organizations: &Organizations) -> String {
    organization.map_or_else(String::new, |id| organizations.name(id))
}

fn of_key(key: &ApiKey, base: Row) -> Row {
    Row {
        kind: "Key",
        title: key.name.clone(),
        more: words(key.owner.kind().as_str()),
        path: match key.owner.organization_id() {
            Some(id) => format!("{}#keys", organizations::path(id)),
            None => format!("{}#{}", operator_keys::PATH, segment(key.id.as_str())),
        },
        ..base
    }
}
