//! `rollcall orgs`: the platforms.

use rollcall_domain::id::OrganizationId;
use rollcall_domain::page::Limit;
use rollcall_domain::tenant::Organization;
use rollcall_store::tenants::NotStored;
use rollcall_wire::operator::tenants::{
    parse_organization, parse_organization_patch, write_organization,
};
use serde_json::{Map, Value, json};

use super::client::{Call, segment};
use super::failure::{Failure, Outcome};
use super::import::organization_id;
use super::output::{Column, Output, OutputArgs};
use super::pages;
use super::target::{Storage, Target, TargetArgs};

/// Make and manage organizations: the platforms that call the API
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make an organization
    Create {
        /// Its name, shown to end users on the enrollment page
        #[arg(long, value_name = "TEXT")]
        name: String,
        #[command(flatten)]
        fields: Fields,
        #[command(flatten)]
        shared: Shared,
    },
    /// List every organization
    List {
        #[command(flatten)]
        shared: Shared,
    },
    /// Show one organization
    Show {
        /// The organization
        #[arg(value_parser = organization_id)]
        id: OrganizationId,
        #[command(flatten)]
        shared: Shared,
    },
    /// Change what is given of an organization and leave the rest
    Update {
        /// The organization
        #[arg(value_parser = organization_id)]
        id: OrganizationId,
        /// A new name
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        #[command(flatten)]
        fields: Fields,
        #[command(flatten)]
        shared: Shared,
    },
}

#[derive(Debug, clap::Args)]
struct Fields {
    /// Public requests a minute, or none for no limit
    #[arg(long, value_name = "NUMBER|none", value_parser = rate_limit)]
    rate_limit_rpm: Option<Value>,
    /// active, or on_hold to refuse its public requests
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Shared {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: OutputArgs,
}

fn rate_limit(text: &str) -> Result<Value, &'static str> {
    match text {
        "none" => Ok(Value::Null),
        number => number
            .parse::<u32>()
            .map(Value::from)
            .map_err(|_| "must be a whole number from 1, or none"),
    }
}

impl Fields {
    fn body(self, name: Option<String>) -> Value {
        let mut body = Map::new();
        if let Some(name) = name {
            body.insert("name".to_owned(), name.into());
        }
        if let Some(limit) = self.rate_limit_rpm {
            body.insert("rate_limit_rpm".to_owned(), limit);
        }
        if let Some(status) = self.status {
            body.insert("status".to_owned(), status.into());
        }
        Value::Object(body)
    }
}

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("NAME", "/name"),
    ("STATUS", "/status"),
    ("RATE LIMIT", "/rate_limit_rpm"),
    ("CREATED", "/created_at"),
];

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    match arguments.command {
        Command::Create {
            name,
            fields,
            shared,
        } => {
            let body = fields.body(Some(name));
            let target = shared.target.open_or_make().await?;
            let made = create(&target, &body).await;
            shared.print(target, made).await
        }
        Command::List { shared } => {
            let target = shared.target.open().await?;
            let listed = list(&target, &mut shared.output.open()).await;
            target.close().await;
            listed
        }
        Command::Show { id, shared } => {
            let target = shared.target.open().await?;
            let found = find(&target, &id).await;
            shared.print(target, found).await
        }
        Command::Update {
            id,
            name,
            fields,
            shared,
        } => {
            let body = fields.body(name);
            let target = shared.target.open().await?;
            let changed = update(&target, &id, &body).await;
            shared.print(target, changed).await
        }
    }
}

impl Shared {
    async fn print(self, target: Target, answer: Outcome<Value>) -> Outcome {
        target.close().await;
        self.output.open().item(&answer?)
    }
}

/// A path below an organization.
pub(crate) fn path(id: &OrganizationId, below: &str) -> String {
    format!("/operator/v1/organizations/{}{below}", segment(id.as_str()))
}

pub(crate) fn unknown(id: &OrganizationId) -> Failure {
    Failure::failed(format!(
        "there is no organization {id}; rollcall orgs list shows the ones there are"
    ))
}

fn shown(organization: &Organization) -> Outcome<Value> {
    pages::json(|out| write_organization(out, organization))
}

async fn create(target: &Target, body: &Value) -> Outcome<Value> {
    match target {
        Target::Server(client) => {
            client
                .call(Call::post("/operator/v1/organizations", body))
                .await
        }
        Target::Storage(storage) => {
            let draft = parse_organization(pages::fields(body)?)?;
            let act = storage.act();
            let organization = Organization {
                id: storage.ids.organization(act.at),
                name: draft.name,
                created_at: act.at,
                rate_limit_rpm: draft.rate_limit_rpm,
                status: draft.status,
            };
            let Storage { store, proof, .. } = storage;
            match store
                .insert_organization(*proof, &act, &organization)
                .await?
            {
                Ok(()) => shown(&organization),
                Err(
                    NotStored::Taken | NotStored::UnknownOrganization | NotStored::UnknownWorkspace,
                ) => Err(Failure::failed("the organization's ID is taken; try again")),
            }
        }
    }
}

async fn list(target: &Target, output: &mut Output) -> Outcome {
    let listing = output.list(COLUMNS);
    match target {
        Target::Server(client) => {
            pages::print_everything(client, listing, "/operator/v1/organizations").await
        }
        Target::Storage(Storage { store, proof, .. }) => {
            let page = Limit::LARGEST;
            let ask = async |after: Option<_>| {
                store.list_organizations(*proof, after.as_ref(), page).await
            };
            pages::print_all(listing, ask, write_organization).await
        }
    }
}

async fn find(target: &Target, id: &OrganizationId) -> Outcome<Value> {
    match target {
        Target::Server(client) => client.call(Call::get(path(id, ""))).await,
        Target::Storage(Storage { store, proof, .. }) => {
            let found = store.find_organization(*proof, id).await?;
            shown(&found.ok_or_else(|| unknown(id))?)
        }
    }
}

async fn update(target: &Target, id: &OrganizationId, body: &Value) -> Outcome<Value> {
    if body == &json!({}) {
        return Err(Failure::setup(
            "nothing to change; give --name, --rate-limit-rpm or --status",
        ));
    }
    match target {
        Target::Server(client) => client.call(Call::post(path(id, ""), body)).await,
        Target::Storage(storage) => {
            let patch = parse_organization_patch(pages::fields(body)?)?;
            let Storage { store, proof, .. } = storage;
            let changed = store
                .change_organization(*proof, &storage.act(), id, &patch)
                .await?;
            shown(&changed.ok_or_else(|| unknown(id))?)
        }
    }
}
