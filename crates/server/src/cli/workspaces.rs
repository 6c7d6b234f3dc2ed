//! `rollcall workspaces`: the parts of an organization that keys can be bound to.

use rollcall_domain::id::OrganizationId;
use serde_json::json;

use super::asking::Asking;
use super::client::Call;
use super::failure::Outcome;
use super::import::organization_id;
use super::orgs;
use super::output::{Column, TableArgs};

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
        table: TableArgs,
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
    asking: Asking,
}

const COLUMNS: &[Column] = &[("ID", "/id"), ("NAME", "/name"), ("CREATED", "/created_at")];

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    match arguments.command {
        Command::Create { name, shared } => {
            let path = orgs::path(&shared.organization_id, "/workspaces");
            let body = json!({"name": name});
            shared.asking.item(Call::post(path, &body)).await
        }
        Command::List { table, shared } => {
            let path = orgs::path(&shared.organization_id, "/workspaces");
            shared.asking.everything(COLUMNS, table, path).await
        }
    }
}
