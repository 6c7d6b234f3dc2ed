//! `rollcall keys`: credentials of all three kinds.
//!
//! An operator's key can be made on the storage alone: whoever reaches the storage is the operator, and no
//! key can beget another one of its power over the network.

use rollcall_domain::id::{ApiKeyId, OrganizationId, WorkspaceId};
use rollcall_domain::page::Limit;
use rollcall_domain::role::Role;
use rollcall_domain::tenant::{ApiKey, KeyKind, KeyOwner, KeyStatus};
use rollcall_record::time;
use rollcall_store::tenants::NotStored;
use rollcall_wire::operator::tenants::write_api_key;
use serde_json::{Map, Value, json};

use super::asking::Asking;
use super::client::{Call, segment};
use super::failure::{Failure, Outcome};
use super::import::organization_id;
use super::orgs;
use super::output::{Column, OutputArgs, TableArgs, note};
use super::secret_key;
use super::storage::{Storage, StorageArgs};
use super::target::Target;
use crate::secrets::Secret;

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
        /// The organization; without it the operator's keys, on the storage only
        #[arg(long, value_name = "ID", value_parser = organization_id)]
        organization_id: Option<OrganizationId>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Stop a key from working, within 5 seconds everywhere
    Disable(One),
    /// Let a disabled key work again
    Enable(One),
    /// Delete a key for good
    Delete(One),
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
    /// api for a platform, admin for its administrator, gateway for its gateway, operator for you (on the storage only)
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

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    match arguments.command {
        Command::Create(create) => make(create).await,
        Command::List {
            organization_id: Some(id),
            asking,
        } => {
            asking
                .everything(COLUMNS, orgs::path(&id, "/api_keys"))
                .await
        }
        Command::List {
            organization_id: None,
            asking,
        } => list_operators(asking).await,
        Command::Disable(one) => one.set_status(KeyStatus::Disabled).await,
        Command::Enable(one) => one.set_status(KeyStatus::Active).await,
        Command::Delete(one) => one.delete().await,
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

/// Whoever holds an operator key reaches everything, so no server makes another one of it.
const STOP_FIRST: &str =
    "a key of the kind operator is made on the storage itself, so stop it first";

async fn make(create: Create) -> Outcome {
    let owner = create.owner()?;
    let made = match owner {
        Ownership::Operator => {
            // The first operator's key is often the first thing of all.
            let target = create.asking.target.open_storage(STOP_FIRST).await?;
            let made = create.operators(&target).await;
            target.close().await;
            made
        }
        Ownership::Organization(id) => {
            let client = create.asking.target.open().await?;
            let call = Call::post(orgs::path(&id, "/api_keys"), &create.body());
            let made = client.call(call).await;
            client.close().await;
            made
        }
    };
    let mut output = create.asking.output.open();
    output.item(&made?)?;
    if output.is_table() {
        note("The secret is not stored and cannot be shown again.");
    }
    Ok(())
}

enum Ownership {
    Operator,
    Organization(OrganizationId),
}

impl Create {
    fn owner(&self) -> Outcome<Ownership> {
        match (self.kind, &self.organization_id) {
            (KeyKind::Operator, None) if self.workspace_id.is_none() => Ok(Ownership::Operator),
            (KeyKind::Operator, _) => Err(Failure::setup(
                "a key of the kind operator reaches every organization; leave --organization-id \
                 and --workspace-id out",
            )),
            (KeyKind::Api | KeyKind::Admin | KeyKind::Gateway, Some(id)) => {
                Ok(Ownership::Organization(id.clone()))
            }
            (KeyKind::Api | KeyKind::Admin | KeyKind::Gateway, None) => {
                Err(Failure::setup(format!(
                    "a key of the kind {} belongs to an organization; name it with --organization-id",
                    self.kind
                )))
            }
        }
    }

    fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("name".to_owned(), self.name.as_str().into());
        body.insert("kind".to_owned(), self.kind.as_str().into());
        if let Some(workspace_id) = &self.workspace_id {
            body.insert("workspace_id".to_owned(), workspace_id.as_str().into());
        }
        if let Some(expires_at) = &self.expires_at {
            body.insert("expires_at".to_owned(), expires_at.as_str().into());
        }
        Value::Object(body)
    }

    async fn operators(&self, target: &Target) -> Outcome<Value> {
        let Target::Storage(storage) = target else {
            return Err(Failure::setup(
                "a key of the kind operator is made on the storage itself; leave --url out, stop the \
                 server, and name its --data-dir or --database-url",
            ));
        };
        let expires_at = self.expires_at.as_deref().map(time::parse).transpose();
        let expires_at = expires_at.map_err(Failure::setup)?;
        let Storage {
            store, ids, proof, ..
        } = storage;
        let act = storage.act();
        let (id, owner, name) = (
            ids.api_key(act.at),
            KeyOwner::Operator { role: Role::Owner },
            self.name.clone(),
        );
        let key = ApiKey::create(id, owner, name, expires_at, act.at).map_err(Failure::failed)?;
        let secret = Secret::key(KeyKind::Operator, ids);
        match store.insert_key(*proof, &act, &key, &secret.hash()).await? {
            Ok(()) => shown(&key, Some(secret.expose())),
            Err(
                NotStored::Taken | NotStored::UnknownOrganization | NotStored::UnknownWorkspace,
            ) => Err(Failure::failed("the key's ID is taken; try again")),
        }
    }
}

fn shown(key: &ApiKey, secret: Option<&str>) -> Outcome<Value> {
    let mut text = String::with_capacity(512);
    write_api_key(&mut text, key, secret);
    serde_json::from_str(&text).map_err(Failure::failed)
}

/// Prints the operator's own keys, which no server lists.
async fn list_operators(asking: Asking) -> Outcome {
    let target = asking.target.open_to_read().await?;
    let Target::Storage(Storage { store, proof, .. }) = &target else {
        return Err(Failure::setup(
            "over --url the keys of one organization can be listed; name it with --organization-id",
        ));
    };
    let mut output = asking.output.open();
    let mut listing = output.list(COLUMNS, &TableArgs::default())?;
    let mut after = None;
    let printed = async {
        loop {
            let listed = store
                .list_keys(*proof, None, after.as_ref(), Limit::LARGEST)
                .await?;
            let rows = listed.items.iter().map(|key| shown(key, None));
            listing.page(&rows.collect::<Outcome<Vec<_>>>()?)?;
            after = listed.next;
            if after.is_none() {
                return listing.end(None);
            }
        }
    };
    let printed = printed.await;
    target.close().await;
    printed
}

impl One {
    async fn set_status(self, status: KeyStatus) -> Outcome {
        let body = json!({"status": status.as_str()});
        let call = Call::post(self.path(), &body);
        self.asking.item(call).await
    }

    async fn delete(self) -> Outcome {
        let call = Call::delete(self.path());
        self.asking.item(call).await
    }

    fn path(&self) -> String {
        format!("/operator/v1/api_keys/{}", segment(self.id.as_str()))
    }
}
