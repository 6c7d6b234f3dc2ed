//! `rollcall keys`: credentials of every kind.

use rollcall_domain::id::{ApiKeyId, OrganizationId, WorkspaceId};
use rollcall_domain::role::Role;
use rollcall_domain::tenant::{KeyKind, KeyStatus};
use rollcall_record::time;
use serde_json::{Map, Value, json};

use super::asking::Asking;
use super::client::{Call, segment};
use super::confirm::Confirm;
use super::failure::{Failure, Outcome};
use super::import::organization_id;
use super::orgs;
use super::output::{Column, OutputArgs, TableArgs, note};
use super::secret_key;
use super::storage::StorageArgs;

/// Make and manage keys of platforms, administrators and operators
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Create(Create),
    /// List an organization's keys, or the operator's own
    List {
        /// The organization; without it the operator's own keys
        #[arg(long, value_name = "ID", value_parser = organization_id)]
        organization_id: Option<OrganizationId>,
        #[command(flatten)]
        table: TableArgs,
        #[command(flatten)]
        asking: Asking,
    },
    /// Stop a key from working, within 5 seconds everywhere
    Disable(One),
    /// Let a disabled key work again
    Enable(One),
    /// Delete a key for good
    Delete {
        #[command(flatten)]
        confirm: Confirm,
        #[command(flatten)]
        one: One,
    },
    /// Replace the server's own secret, and seal with the new one what the old one sealed
    RotateSecret {
        #[command(flatten)]
        storage: StorageArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// Make a key; its secret is shown once, here
#[derive(Debug, clap::Args)]
struct Create {
    /// api for a platform, admin for its administrator, gateway for its gateway, operator for you
    #[arg(long, value_name = "api|admin|gateway|operator", value_parser = kind)]
    kind: KeyKind,
    /// What to call it
    #[arg(long, value_name = "TEXT")]
    name: String,
    /// The organization, for every kind but operator
    #[arg(long, value_name = "ID", value_parser = organization_id)]
    organization_id: Option<OrganizationId>,
    /// The only workspace it shall act in, for the kind api
    #[arg(long, value_name = "ID", value_parser = workspace_id)]
    workspace_id: Option<WorkspaceId>,
    /// For the kind operator: owner does everything, reviewer reads everything and decides about profiles, viewer reads;
    /// owner if left out
    #[arg(long, value_name = "owner|reviewer|viewer", value_parser = role)]
    role: Option<Role>,
    /// When it stops working, such as 2027-01-01T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = timestamp)]
    expires_at: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, clap::Args)]
struct One {
    /// The key's id, apikey_…; not its secret
    #[arg(value_parser = key_id)]
    id: ApiKeyId,
    #[command(flatten)]
    asking: Asking,
}

fn kind(text: &str) -> Result<KeyKind, String> {
    KeyKind::parse(text).map_err(|error| error.to_string())
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).map_err(|error| error.to_string())
}

fn workspace_id(text: &str) -> Result<WorkspaceId, String> {
    WorkspaceId::parse(text).map_err(|error| error.to_string())
}

fn key_id(text: &str) -> Result<ApiKeyId, String> {
    ApiKeyId::parse(text).map_err(|error| error.to_string())
}

fn timestamp(text: &str) -> Result<String, String> {
    let parsed = time::parse(text).map_err(|error| error.to_string())?;
    Ok(time::to_text(parsed))
}

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("KIND", "/kind"),
    ("NAME", "/name"),
    ("STATUS", "/status"),
    ("WORKSPACE", "/workspace_id"),
    ("LAST USED", "/last_used_at"),
    ("EXPIRES", "/expires_at"),
];

const OPERATOR_COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("ROLE", "/role"),
    ("NAME", "/name"),
    ("STATUS", "/status"),
    ("LAST USED", "/last_used_at"),
    ("EXPIRES", "/expires_at"),
];

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    match arguments.command {
        Command::Create(create) => make(create).await,
        Command::List {
            organization_id,
            table,
            asking,
        } => {
            let (columns, path) = match organization_id {
                Some(id) => (COLUMNS, orgs::path(&id, "/api_keys")),
                None => (OPERATOR_COLUMNS, OPERATOR_KEYS.to_owned()),
            };
            asking.everything(columns, table, path).await
        }
        Command::Disable(one) => one.set_status(KeyStatus::Disabled).await,
        Command::Enable(one) => one.set_status(KeyStatus::Active).await,
        Command::Delete { confirm, one } => one.delete(confirm).await,
        Command::RotateSecret { storage, output } => {
            let config = storage.settings()?.config;
            let storage = storage.open_existing(STOP_IT).await?;
            let rotated = secret_key::rotate(&config, &storage).await;
            storage.store.close().await;
            output.open().item(&rotated?)
        }
    }
}

/// A server has its secret in memory.
const STOP_IT: &str = "stop it first";

const OPERATOR_KEYS: &str = "/operator/v1/operator_keys";

async fn make(create: Create) -> Outcome {
    let call = create.call()?;
    let target = &create.asking.target;
    let client = match create.kind {
        // The first operator's key is often the first thing of all.
        KeyKind::Operator => target.open_or_make().await?,
        KeyKind::Api | KeyKind::Admin | KeyKind::Gateway => target.open().await?,
    };
    let made = client.call(call).await;
    client.close().await;
    let mut output = create.asking.output.open();
    output.item(&made?)?;
    if output.is_table() {
        note("The secret is not stored and cannot be shown again.");
    }
    Ok(())
}

impl Create {
    fn call(&self) -> Outcome<Call> {
        let mut body = Map::from_iter([("name".to_owned(), self.name.as_str().into())]);
        if let Some(expires_at) = &self.expires_at {
            body.insert("expires_at".to_owned(), expires_at.as_str().into());
        }
        let path = match (self.kind, &self.organization_id) {
            (KeyKind::Operator, None) if self.workspace_id.is_none() => {
                let role = self.role.unwrap_or(Role::UNNAMED);
                body.insert("role".to_owned(), role.as_str().into());
                OPERATOR_KEYS.to_owned()
            }
            (KeyKind::Operator, _) => {
                return Err(Failure::setup(
                    "a key of the kind operator reaches every organization; leave --organization-id \
                     and --workspace-id out",
                ));
            }
            (kind, _) if self.role.is_some() => {
                return Err(Failure::setup(format!(
                    "a key of the kind {kind} has no role; leave --role out"
                )));
            }
            (kind, Some(id)) => {
                body.insert("kind".to_owned(), kind.as_str().into());
                if let Some(workspace_id) = &self.workspace_id {
                    body.insert("workspace_id".to_owned(), workspace_id.as_str().into());
                }
                orgs::path(id, "/api_keys")
            }
            (kind, None) => {
                return Err(Failure::setup(format!(
                    "a key of the kind {kind} belongs to an organization; name it with --organization-id"
                )));
            }
        };
        Ok(Call::post(path, &Value::Object(body)))
    }
}

impl One {
    async fn set_status(self, status: KeyStatus) -> Outcome {
        let body = json!({"status": status.as_str()});
        let call = Call::post(self.path(), &body);
        self.asking.item(call).await
    }

    async fn delete(self, confirm: Confirm) -> Outcome {
        let id = self.id.as_str();
        let what = format!("{id} will be deleted for good, and whoever uses it is refused.");
        confirm.asks(id, &what, "deleted")?;
        let call = Call::delete(self.path());
        self.asking.item(call).await
    }

    fn path(&self) -> String {
        format!("/operator/v1/api_keys/{}", segment(self.id.as_str()))
    }
}
