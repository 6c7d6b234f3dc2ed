//! Organizations, their workspaces and their keys. A key's secret is on the page that its making
//! answers with, once, and nowhere else.

use askama::Template;
use http::StatusCode;
use rollcall_domain::id::{ApiKeyId, OrganizationId};
use rollcall_domain::page::Limit;
use rollcall_domain::tenant::{ApiKey, KeyStatus, Organization, OrganizationStatus, Workspace};
use rollcall_store::tenants::NotStored;
use rollcall_wire::error::ApiError;
use rollcall_wire::operator::tenants::{
    parse_api_key, parse_organization, parse_organization_patch, parse_workspace,
};
use serde_json::{Map, Value, json};

use super::confirm::{self, Question};
use super::paging::{Pager, Paging};
use super::profile::instant;
use super::{Choice, ConsoleCall, Frame, Told, go, segment, shown};
use crate::app::Operation;
use crate::http::error::{Failure, Outcome};
use crate::pages::form::Form;
use crate::pages::shown::{self as values, Moment};
use crate::pages::{Room, page};
use crate::secrets::Secret;

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
    listed(&call, None, StatusCode::OK).await
}

async fn listed(call: &ConsoleCall<'_>, told: Option<Told>, status: StatusCode) -> Outcome {
    let app = call.app();
    let form = Form::of_query(call.exchange().query());
    let paging = Paging::new(call, "/console/organizations", &form);
    let after = paging.after()?;
    let list = app
        .store
        .list_organizations(call.proof, after.as_ref(), Limit::DEFAULT);
    let found = call.exchange().read(Operation::ReadTenants, list).await?;
    let pager = paging.pager(found.next);
    let list = OrganizationsPage {
        frame: Frame::new(call, "organizations").telling(told),
        rows: found.items.iter().map(OrganizationRow::new).collect(),
        pager,
    };
    page(Room::Console, status, &list)
}

/// `POST /console/organizations`
pub(crate) async fn create(call: ConsoleCall<'_>) -> Outcome {
    let app = call.app();
    let form = Form::of(call.exchange()).await?;
    let body = json!({"name": form.get("name").unwrap_or_default().trim()});
    let draft = match parse_organization(body.to_string().as_bytes()) {
        Ok(draft) => draft,
        Err(error) => {
            let told = Some(Told::bad(error.message));
            return listed(&call, told, StatusCode::BAD_REQUEST).await;
        }
    };
    let now = app.clock.now();
    let organization = Organization {
        id: app.ids.organization(now),
        name: draft.name,
        created_at: now,
        rate_limit_rpm: draft.rate_limit_rpm,
        status: draft.status,
    };
    let act = call.act(now);
    let insert = app
        .store
        .insert_organization(call.proof, &act, &organization);
    let inserted = call
        .exchange()
        .write(Operation::WriteTenants, insert)
        .await?;
    inserted.map_err(|_| ApiError::conflict("An organization with this id exists"))?;
    Ok(go(&format!("{}?done=created", path(&organization.id))))
}

#[derive(Template)]
#[template(path = "console/organization.html")]
struct OrganizationPage {
    frame: Frame,
    row: OrganizationRow,
    path: String,
    limit_value: String,
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

#[derive(Debug)]
struct KeyRow {
    id: String,
    name: String,
    kind: &'static str,
    workspace: String,
    created: Moment,
    used: Option<Moment>,
    expires: Option<Moment>,
    is_disabled: bool,
    is_expired: bool,
}

/// `GET /console/organizations/{id}`
pub(crate) async fn show(call: ConsoleCall<'_>) -> Outcome {
    let organization = named(&call).await?;
    detail(&call, &organization, None, StatusCode::OK).await
}

async fn named(call: &ConsoleCall<'_>) -> Result<Organization, Failure> {
    let not_found = || ApiError::not_found("organization");
    let id = OrganizationId::parse(call.param(0)).map_err(|_| not_found())?;
    find(call, &id).await
}

async fn find(call: &ConsoleCall<'_>, id: &OrganizationId) -> Result<Organization, Failure> {
    let find = call.app().store.find_organization(call.proof, id);
    let found = call.exchange().read(Operation::ReadTenants, find).await?;
    Ok(found.ok_or_else(|| ApiError::not_found("organization"))?)
}

async fn detail(
    call: &ConsoleCall<'_>,
    organization: &Organization,
    told: Option<Told>,
    status: StatusCode,
) -> Outcome {
    let app = call.app();
    let now = app.clock.now();
    let scope = call.proof.choose(organization.id.clone());
    let list = app.store.list_workspaces(&scope, None, Limit::LARGEST);
    let workspaces = call
        .exchange()
        .read(Operation::ReadTenants, list)
        .await?
        .items;
    let owner = Some(&organization.id);
    let list = app.store.list_keys(call.proof, owner, None, Limit::LARGEST);
    let keys = call
        .exchange()
        .read(Operation::ReadTenants, list)
        .await?
        .items;
    let limit = organization.rate_limit_rpm;
    let choices = workspaces
        .iter()
        .map(|it| (it.id.as_str(), it.name.clone()));
    let key_rows = keys.iter().map(|key| KeyRow {
        id: key.id.to_string(),
        name: key.name.clone(),
        kind: key.owner.kind().as_str(),
        workspace: key
            .owner
            .workspace_id()
            .map(ToString::to_string)
            .unwrap_or_default(),
        created: Moment::minute(key.created_at),
        used: key.last_used_at.map(|at| Moment::ago(at, now)),
        expires: key.expires_at.map(Moment::minute),
        is_disabled: key.status == KeyStatus::Disabled,
        is_expired: key.is_expired_at(now),
    });
    let detail = OrganizationPage {
        frame: Frame::new(call, "organizations").telling(told),
        row: OrganizationRow::new(organization),
        path: path(&organization.id),
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
    page(Room::Console, status, &detail)
}

fn path(id: &OrganizationId) -> String {
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
            (json!({"status": "on_hold"}), "held")
        }
        Some("release") => (json!({"status": "active"}), "released"),
        _ => {
            let limit = form.filled("rate_limit_rpm");
            let limit = limit.map_or(Value::Null, |text| match text.parse::<u64>() {
                Ok(number) => number.into(),
                Err(_) => text.into(),
            });
            let name = form.get("name").unwrap_or_default().trim();
            (json!({"name": name, "rate_limit_rpm": limit}), "saved")
        }
    };
    let patch = match parse_organization_patch(patch.to_string().as_bytes()) {
        Ok(patch) => patch,
        Err(error) => {
            let told = Some(Told::bad(error.message));
            return detail(&call, &organization, told, StatusCode::BAD_REQUEST).await;
        }
    };
    let app = call.app();
    let act = call.act(app.clock.now());
    let id = &organization.id;
    let change = app.store.change_organization(call.proof, &act, id, &patch);
    let changed = call
        .exchange()
        .write(Operation::WriteTenants, change)
        .await?;
    app.credentials.forget();
    changed.ok_or_else(|| ApiError::not_found("organization"))?;
    Ok(go(&format!("{}?done={done}", path(id))))
}

/// `POST /console/organizations/{id}/workspaces`
pub(crate) async fn create_workspace(call: ConsoleCall<'_>) -> Outcome {
    let app = call.app();
    let form = Form::of(call.exchange()).await?;
    let organization = named(&call).await?;
    let body = json!({"name": form.get("name").unwrap_or_default().trim()});
    let name = match parse_workspace(body.to_string().as_bytes()) {
        Ok(name) => name,
        Err(error) => {
            let told = Some(Told::bad(error.message));
            return detail(&call, &organization, told, StatusCode::BAD_REQUEST).await;
        }
    };
    let now = app.clock.now();
    let workspace = Workspace {
        id: app.ids.workspace(now),
        organization_id: organization.id.clone(),
        name,
        created_at: now,
    };
    let act = call.act(now);
    let insert = app.store.insert_workspace(call.proof, &act, &workspace);
    let inserted = call
        .exchange()
        .write(Operation::WriteTenants, insert)
        .await?;
    inserted.map_err(|_| ApiError::conflict("A workspace with this id exists"))?;
    Ok(go(&format!("{}?done=created", path(&organization.id))))
}

#[derive(Template)]
#[template(path = "console/secret.html")]
struct SecretPage {
    frame: Frame,
    name: String,
    kind: &'static str,
    id: String,
    organization: String,
    path: String,
    secret: Secret,
}

/// `POST /console/organizations/{id}/keys`: makes a key and shows its secret, once.
pub(crate) async fn create_key(call: ConsoleCall<'_>) -> Outcome {
    let app = call.app();
    let form = Form::of(call.exchange()).await?;
    let organization = named(&call).await?;
    let mut body = Map::new();
    for name in ["name", "kind", "workspace_id"] {
        if let Some(value) = form.filled(name) {
            body.insert(name.into(), value.into());
        }
    }
    if let Some(expires_at) = form.filled("expires_at") {
        body.insert("expires_at".into(), instant(expires_at).into());
    }
    let body = Value::Object(body).to_string();
    let draft = match parse_api_key(body.as_bytes(), organization.id.clone()) {
        Ok(draft) => draft,
        Err(error) => {
            let told = Some(Told::bad(error.message));
            return detail(&call, &organization, told, StatusCode::BAD_REQUEST).await;
        }
    };
    let now = app.clock.now();
    let secret = Secret::key(draft.owner.kind(), &app.ids);
    let id = app.ids.api_key(now);
    let created = ApiKey::create(id, draft.owner, draft.name, draft.expires_at, now);
    let key = match created {
        Ok(key) => key,
        Err(born_expired) => {
            let told = Some(Told::bad(born_expired.to_string()));
            return detail(&call, &organization, told, StatusCode::BAD_REQUEST).await;
        }
    };
    let (act, hash) = (call.act(now), secret.hash());
    let insert = app.store.insert_key(call.proof, &act, &key, &hash);
    match call
        .exchange()
        .write(Operation::WriteTenants, insert)
        .await?
    {
        Ok(()) => shown(&SecretPage {
            frame: Frame::new(&call, "organizations"),
            kind: key.owner.kind().as_str(),
            name: key.name,
            id: key.id.to_string(),
            organization: organization.name,
            path: path(&organization.id),
            secret,
        }),
        Err(NotStored::UnknownWorkspace) => {
            let told = Some(Told::bad(
                "workspace_id: is not a workspace of this organization",
            ));
            detail(&call, &organization, told, StatusCode::BAD_REQUEST).await
        }
        Err(NotStored::UnknownOrganization | NotStored::Taken) => {
            Err(ApiError::conflict("The key could not be made; try again").into())
        }
    }
}

/// `POST /console/keys/{id}`: disables, enables or deletes a key.
pub(crate) async fn update_key(call: ConsoleCall<'_>) -> Outcome {
    let app = call.app();
    let form = Form::of(call.exchange()).await?;
    let not_found = || ApiError::not_found("API key");
    let id = ApiKeyId::parse(call.param(0)).map_err(|_| not_found())?;
    let find = app.store.find_key(call.proof, &id);
    let found = call.exchange().read(Operation::ReadTenants, find).await?;
    let key = found.ok_or_else(not_found)?;
    let back = key
        .owner
        .organization_id()
        .map_or_else(|| "/console/organizations".to_owned(), path);
    let asked = form.get("do").unwrap_or_default();
    if matches!(asked, "disable" | "delete") && !confirm::is_confirmed(&form) {
        let (title, after, yes) = match asked {
            "delete" => ("Delete", "It is gone for good.", "Delete the key"),
            _ => ("Disable", "It can be enabled again.", "Disable the key"),
        };
        let question = Question {
            title: format!("{title} the key {}?", key.name),
            effects: vec![
                "Requests with it are refused within five seconds.".to_owned(),
                after.to_owned(),
            ],
            yes,
            back,
        };
        return confirm::ask(&call, "organizations", question, &form);
    }
    let act = call.act(app.clock.now());
    let done = if asked == "delete" {
        let remove = app.store.remove_key(call.proof, &act, &id);
        call.exchange()
            .write(Operation::WriteTenants, remove)
            .await?;
        "deleted"
    } else {
        let (status, done) = match asked {
            "enable" => (KeyStatus::Active, "enabled"),
            "disable" => (KeyStatus::Disabled, "disabled"),
            _ => return Err(ApiError::at("do", "must be enable, disable or delete").into()),
        };
        let change = app.store.set_key_status(call.proof, &act, &id, status);
        call.exchange()
            .write(Operation::WriteTenants, change)
            .await?;
        done
    };
    app.credentials.forget();
    Ok(go(&format!("{back}?done={done}")))
}
