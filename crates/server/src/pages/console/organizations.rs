//! Organizations, their workspaces and their keys. A key's secret is on the page that its making
//! answers with, once, and nowhere else.

use askama::Template;
use rollcall_domain::data_controls::DataControlsApproval;
use rollcall_domain::id::OrganizationId;
use rollcall_domain::page::Limit;
use rollcall_domain::tenant::{
    EnrollmentLinks, Organization, OrganizationPatch, OrganizationStatus,
};
use rollcall_record::json::Json;
use rollcall_store::tenants::Left;
use rollcall_wire::operator::tenants::{
    parse_api_key, parse_organization, parse_organization_patch, parse_workspace,
};

use super::confirm::{self, Question};
use super::keys::{self as key_pages, KeyRow};
use super::paging::{Pager, Paging};
use super::{Choice, ConsoleCall, Frame, Told, figures, go, segment};
use crate::acts::{keys, organizations, workspaces};
use crate::http::error::{Failure, Outcome};
use crate::pages::form::Form;
use crate::pages::shown::{self as values, Moment};
use crate::pages::{Room, page};

#[derive(Template)]
#[template(path = "console/organizations.html")]
struct OrganizationsPage {
    frame: Frame,
    rows: Vec<OrganizationRow>,
    pager: Pager,
}

#[derive(Debug)]
struct OrganizationRow {
    id: String,
    name: String,
    is_on_hold: bool,
    limit: String,
    created: Moment,
}

impl OrganizationRow {
    fn new(organization: &Organization) -> Self {
        let limit = organization.rate_limit_rpm;
        Self {
            id: organization.id.to_string(),
            name: organization.name.clone(),
            is_on_hold: organization.status == OrganizationStatus::OnHold,
            limit: limit.map_or_else(|| "None".to_owned(), |it| values::number(it.into())),
            created: Moment::minute(organization.created_at),
        }
    }
}

/// `GET /console/organizations`
pub(crate) async fn list(call: ConsoleCall<'_>) -> Outcome {
    listed(&call, None).await
}

async fn listed(call: &ConsoleCall<'_>, told: Option<Told>) -> Outcome {
    let form = Form::of_query(call.exchange().query());
    let paging = Paging::new(call, "/console/organizations", &form);
    let after = paging.after()?;
    let found = organizations::list(&call.desk, after.as_ref(), Limit::DEFAULT).await?;
    let list = OrganizationsPage {
        frame: Frame::new(call, "organizations").telling(told),
        rows: found.items.iter().map(OrganizationRow::new).collect(),
        pager: counted(call, paging.pager(found.next), found.items.len()).await?,
    };
    page(Room::Console, list.frame.status(), &list)
}

/// The pages, with how many organizations there are.
async fn counted(call: &ConsoleCall<'_>, pager: Pager, here: usize) -> Result<Pager, Failure> {
    let known = if pager.is_whole() {
        None
    } else {
        Some(figures(call).await?.organization_count)
    };
    Ok(pager.counting(here, known))
}

/// `POST /console/organizations`
pub(crate) async fn create(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of(call.exchange()).await?;
    let created = async {
        let draft = parse_organization(form.body().text("name").fields())?;
        organizations::create(&call.desk, draft).await
    };
    match created.await {
        Ok(organization) => Ok(go(&format!("{}?done=created", path(&organization.id)))),
        Err(failure) => listed(&call, Some(Told::of(failure)?)).await,
    }
}

#[derive(Template)]
#[template(path = "console/organization.html")]
struct OrganizationPage {
    frame: Frame,
    row: OrganizationRow,
    path: String,
    limit_value: String,
    link_choices: Vec<Choice>,
    control_choices: Vec<Choice>,
    workspaces: Vec<WorkspaceRow>,
    workspace_choices: Vec<Choice>,
    keys: Vec<KeyRow>,
}

#[derive(Debug)]
struct WorkspaceRow {
    id: String,
    name: String,
    created: Moment,
}

/// `GET /console/organizations/{id}`
pub(crate) async fn show(call: ConsoleCall<'_>) -> Outcome {
    let organization = named(&call).await?;
    detail(&call, &organization, None).await
}

async fn named(call: &ConsoleCall<'_>) -> Result<Organization, Failure> {
    let id = organizations::named(call.param("organization_id"))?;
    organizations::find(&call.desk, &id).await
}

/// Shows the organization with what was wrong with a form.
async fn wrong(call: &ConsoleCall<'_>, organization: &Organization, failure: Failure) -> Outcome {
    detail(call, organization, Some(Told::of(failure)?)).await
}

async fn detail(
    call: &ConsoleCall<'_>,
    organization: &Organization,
    told: Option<Told>,
) -> Outcome {
    let now = call.app().clock.now();
    let (id, all) = (&organization.id, Limit::LARGEST);
    let workspaces = workspaces::list(&call.desk, id, None, all).await?.items;
    let keys = keys::list(&call.desk, id, None, all).await?.items;
    let limit = organization.rate_limit_rpm;
    let choices = workspaces
        .iter()
        .map(|it| (it.id.as_str(), it.name.clone()));
    let key_rows = keys.iter().map(|key| KeyRow::new(call, key, now));
    let detail = OrganizationPage {
        frame: Frame::new(call, "organizations").telling(told),
        row: OrganizationRow::new(organization),
        path: path(&organization.id),
        link_choices: Choice::all(
            EnrollmentLinks::ALL.iter().map(|it| match it {
                EnrollmentLinks::Enabled => (it.as_str(), "Can be made".to_owned()),
                EnrollmentLinks::Disabled => (it.as_str(), "Cannot be made".to_owned()),
            }),
            Some(organization.switches.enrollment_links.as_str()),
        ),
        control_choices: Choice::all(
            DataControlsApproval::ALL.iter().map(|it| match it {
                DataControlsApproval::Open => (it.as_str(), "May be switched on".to_owned()),
                DataControlsApproval::NotApproved => (it.as_str(), "Not approved".to_owned()),
            }),
            Some(organization.switches.data_controls.as_str()),
        ),
        limit_value: limit.map(|limit| limit.to_string()).unwrap_or_default(),
        workspace_choices: Choice::all(choices, None),
        workspaces: workspaces
            .iter()
            .map(|it| WorkspaceRow {
                id: it.id.to_string(),
                name: it.name.clone(),
                created: Moment::minute(it.created_at),
            })
            .collect(),
        keys: key_rows.collect(),
    };
    page(Room::Console, detail.frame.status(), &detail)
}

pub(super) fn path(id: &OrganizationId) -> String {
    format!("/console/organizations/{}", segment(id.as_str()))
}

/// `POST /console/organizations/{id}`: name and limit, or hold and release.
pub(crate) async fn update(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of(call.exchange()).await?;
    let organization = named(&call).await?;
    let (patch, done) = match form.get("do") {
        Some("hold") => {
            if !confirm::is_confirmed(&form) {
                let question = Question {
                    title: format!("Put {} on hold?", organization.name),
                    effects: vec![
                        "Every public request of its keys is refused with organization_on_hold."
                            .to_owned(),
                        "Its profiles, links and webhooks stay as they are.".to_owned(),
                        "It can be released at any time.".to_owned(),
                    ],
                    yes: "Put it on hold",
                    back: path(&organization.id),
                };
                return confirm::ask(&call, "organizations", question, &form);
            }
            (Ok(with_status(OrganizationStatus::OnHold)), "held")
        }
        Some("release") => (Ok(with_status(OrganizationStatus::Active)), "released"),
        _ => {
            let limit = form.number("rate_limit_rpm").unwrap_or(Json::Null);
            let body = form.body().text("name").with("rate_limit_rpm", limit);
            let body = body.filled("enrollment_links").filled("data_controls");
            (parse_organization_patch(body.fields()), "saved")
        }
    };
    let id = &organization.id;
    let updated = async { organizations::update(&call.desk, id, &patch?).await };
    match updated.await {
        Ok(_) => Ok(go(&format!("{}?done={done}", path(id)))),
        Err(failure) => wrong(&call, &organization, failure).await,
    }
}

/// `POST /console/organizations/{id}/removal`: ends a tenancy, once its name was typed.
pub(crate) async fn remove(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of(call.exchange()).await?;
    let organization = named(&call).await?;
    let (id, name) = (&organization.id, organization.name.trim());
    if !confirm::is_typed(&form, name) {
        let question = Question {
            title: format!("Remove {name} for good?"),
            effects: vec![
                "Its profiles go, with their applications, links, keys and buckets.".to_owned(),
                "Its API keys, workspaces, webhook endpoints and deliveries go, and its audit trail."
                    .to_owned(),
                "One entry stays in the audit trail, and says how much it was.".to_owned(),
                "It cannot be brought back. A large one takes minutes.".to_owned(),
            ],
            yes: "Remove the organization",
            back: path(id),
        };
        return confirm::ask_to_type(&call, "organizations", question, &form, name);
    }
    match organizations::remove(&call.desk, id).await {
        Ok(Left::Nothing) => Ok(go("/console/organizations?done=removed")),
        Ok(Left::More) => Ok(go("/console/organizations?done=removing")),
        Err(failure) => wrong(&call, &organization, failure).await,
    }
}

fn with_status(status: OrganizationStatus) -> OrganizationPatch {
    OrganizationPatch {
        status: Some(status),
        ..OrganizationPatch::default()
    }
}

/// `POST /console/organizations/{id}/workspaces`
pub(crate) async fn create_workspace(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of(call.exchange()).await?;
    let organization = named(&call).await?;
    let id = &organization.id;
    let created = async {
        let name = parse_workspace(form.body().text("name").fields())?;
        workspaces::create(&call.desk, id.clone(), name).await
    };
    match created.await {
        Ok(_) => Ok(go(&format!("{}?done=created", path(id)))),
        Err(failure) => wrong(&call, &organization, failure).await,
    }
}

/// `POST /console/organizations/{id}/keys`: makes a key and shows its secret, once.
pub(crate) async fn create_key(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of(call.exchange()).await?;
    let organization = named(&call).await?;
    let created = async {
        let body = form.body().filled("name").filled("kind");
        let body = body.filled("workspace_id").instant("expires_at");
        let draft = parse_api_key(body.fields(), organization.id.clone())?;
        keys::create(&call.desk, draft).await
    };
    match created.await {
        Ok(made) => {
            let kind = made.0.owner.kind();
            let what = format!("{kind} key of {}", organization.name);
            let back = path(&organization.id);
            key_pages::show_secret(&call, "organizations", made, what, back)
        }
        Err(failure) => wrong(&call, &organization, failure).await,
    }
}

/// `POST /console/keys/{id}`: disables, enables or deletes a key.
pub(crate) async fn update_key(call: ConsoleCall<'_>) -> Outcome {
    let form = Form::of(call.exchange()).await?;
    let id = keys::named(call.param("api_key_id"))?;
    let key = keys::find(&call.desk, &id).await?;
    let back = key
        .owner
        .organization_id()
        .map_or_else(|| "/console/organizations".to_owned(), path);
    key_pages::change(&call, "organizations", &key, &form, back).await
}
