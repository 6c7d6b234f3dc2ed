//! `rollcall workspaces`: the parts of an organization that keys can be bound to.

use rollcall_domain::id::OrganizationId;
use rollcall_domain::page::Limit;
use rollcall_domain::tenant::Workspace;
use rollcall_store::tenants::NotStored;
use rollcall_wire::operator::tenants::{parse_workspace, write_workspace};
use serde_json::{Value, json};

use super::client::Call;
use super::failure::{Failure, Outcome};
use super::import::organization_id;
use super::orgs;
use super::output::{Column, Output, OutputArgs};
use super::pages;
use super::target::{Storage, Target, TargetArgs};

/// Make and list workspaces: parts of an organization that keys can be bound to
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a workspace
    Create {
        /// Its name
        #[arg(long, value_name = "TEXT")]
        name: String,
        #[command(flatten)]
        shared: Shared,
    },
    /// List an organization's workspaces
    List {
        #[command(flatten)]
        shared: Shared,
    },
}

#[derive(Debug, clap::Args)]
struct Shared {
    /// The organization
    #[arg(long, value_name = "ID", value_parser = organization_id)]
    organization_id: OrganizationId,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: OutputArgs,
}

const COLUMNS: &[Column] = &[("ID", "/id"), ("NAME", "/name"), ("CREATED", "/created_at")];

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    match arguments.command {
        Command::Create { name, shared } => {
            let target = shared.target.open().await?;
            let body = json!({"name": name});
            let made = create(&target, &shared.organization_id, &body).await;
            target.close().await;
            shared.output.open().item(&made?)
        }
        Command::List { shared } => {
            let target = shared.target.open().await?;
            let mut output = shared.output.open();
            let listed = list(&target, &shared.organization_id, &mut output).await;
            target.close().await;
            listed
        }
    }
}

async fn create(target: &Target, id: &OrganizationId, body: &Value) -> Outcome<Value> {
    match target {
        Target::Server(client) => {
            let path = orgs::path(id, "/workspaces");
            client.call(Call::post(path, body)).await
        }
        Target::Storage(storage) => {
            let act = storage.act();
            let workspace = Workspace {
                id: storage.ids.workspace(act.at),
                organization_id: id.clone(),
                name: parse_workspace(pages::fields(body)?)?,
                created_at: act.at,
            };
            let Storage { store, proof, .. } = storage;
            match store.insert_workspace(*proof, &act, &workspace).await? {
                Ok(()) => pages::json(|out| write_workspace(out, &workspace)),
                Err(NotStored::UnknownOrganization) => Err(orgs::unknown(id)),
                Err(NotStored::Taken | NotStored::UnknownWorkspace) => {
                    Err(Failure::failed("the workspace's ID is taken; try again"))
                }
            }
        }
    }
}

async fn list(target: &Target, id: &OrganizationId, output: &mut Output) -> Outcome {
    let listing = output.list(COLUMNS);
    match target {
        Target::Server(client) => {
            pages::print_everything(client, listing, &orgs::path(id, "/workspaces")).await
        }
        Target::Storage(Storage { store, proof, .. }) => {
            if store.find_organization(*proof, id).await?.is_none() {
                return Err(orgs::unknown(id));
            }
            let scope = proof.choose(id.clone());
            let page = Limit::LARGEST;
            let ask =
                async |after: Option<_>| store.list_workspaces(&scope, after.as_ref(), page).await;
            pages::print_all(listing, ask, write_workspace).await
        }
    }
}
