//! `rollcall keys`: credentials of all three kinds.
//!
//! An operator's key can be made on the storage alone: whoever reaches the storage is the operator, and no
//! key can beget another one of its power over the network.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::{ApiKeyId, OrganizationId, WorkspaceId};
use rollcall_domain::page::Limit;
use rollcall_domain::tenant::{ApiKey, KeyKind, KeyOwner, KeyStatus};
use rollcall_record::time;
use rollcall_store::tenants::NotStored;
use rollcall_wire::operator::deleted;
use rollcall_wire::operator::tenants::{parse_api_key, write_api_key};
use serde_json::{Map, Value, json};

use super::client::{Call, segment};
use super::failure::{Failure, Outcome};
use super::import::organization_id;
use super::orgs;
use super::output::{Column, Output, OutputArgs, note};
use super::pages;
use super::secret_key;
use super::target::{Storage, StorageArgs, Target, TargetArgs};
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
        shared: Shared,
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
    /// api for a platform, admin for its administrator, operator for you (on the storage only)
    #[arg(long, value_name = "api|admin|operator", value_parser = kind)]
    kind: KeyKind,
    /// What to call it
    #[arg(long, value_name = "TEXT")]
    name: String,
    /// The organization, for the kinds api and admin
    #[arg(long, value_name = "ID", value_parser = organization_id)]
    organization_id: Option<OrganizationId>,
    /// The only workspace it shall act in, for the kind api
    #[arg(long, value_name = "ID", value_parser = workspace_id)]
    workspace_id: Option<WorkspaceId>,
    /// When it stops working, such as 2027-01-01T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = timestamp)]
    expires_at: Option<String>,
    #[command(flatten)]
    shared: Shared,
}

#[derive(Debug, clap::Args)]
struct One {
    /// The key's id, apikey_…; not its secret
    #[arg(value_parser = key_id)]
    id: ApiKeyId,
    #[command(flatten)]
    shared: Shared,
}

#[derive(Debug, clap::Args)]
struct Shared {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: OutputArgs,
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
            organization_id,
            shared,
        } => {
            let target = shared.target.open().await?;
            let mut output = shared.output.open();
            let listed = list(&target, organization_id.as_ref(), &mut output).await;
            target.close().await;
            listed
        }
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
    // The first operator's key is often the first thing of all.
    let target = match owner {
        Ownership::Operator => create.shared.target.open_storage(STOP_FIRST).await?,
        Ownership::Organization(_) => create.shared.target.open().await?,
    };
    let made = match &owner {
        Ownership::Operator => create.operators(&target).await,
        Ownership::Organization(id) => create.organizations(&target, id).await,
    };
    target.close().await;
    let mut output = create.shared.output.open();
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
            (KeyKind::Api | KeyKind::Admin, Some(id)) => Ok(Ownership::Organization(id.clone())),
            (KeyKind::Api | KeyKind::Admin, None) => Err(Failure::setup(format!(
                "a key of the kind {} belongs to an organization; name it with --organization-id",
                self.kind
            ))),
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

    async fn organizations(&self, target: &Target, id: &OrganizationId) -> Outcome<Value> {
        let body = self.body();
        match target {
            Target::Server(client) => {
                let path = orgs::path(id, "/api_keys");
                client.call(Call::post(path, &body)).await
            }
            Target::Storage(storage) => {
                let draft = parse_api_key(pages::fields(&body)?, id.clone())?;
                insert(storage, draft.owner, draft.name, draft.expires_at).await
            }
        }
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
        insert(storage, KeyOwner::Operator, self.name.clone(), expires_at).await
    }
}

async fn insert(
    storage: &Storage,
    owner: KeyOwner,
    name: String,
    expires_at: Option<Timestamp>,
) -> Outcome<Value> {
    let now = storage.now();
    let key = ApiKey::create(storage.ids.api_key(now), owner, name, expires_at, now)
        .map_err(Failure::failed)?;
    let secret = Secret::key(key.owner.kind(), &storage.ids);
    let Storage { store, proof, .. } = storage;
    let act = storage.act();
    match store.insert_key(*proof, &act, &key, &secret.hash()).await? {
        Ok(()) => pages::json(|out| write_api_key(out, &key, Some(secret.expose()))),
        Err(NotStored::UnknownOrganization) => match key.owner.organization_id() {
            Some(id) => Err(orgs::unknown(id)),
            None => Err(Failure::failed("the key has no organization")),
        },
        Err(NotStored::UnknownWorkspace) => Err(Failure::failed(
            "the organization has no such workspace; rollcall workspaces list shows the ones it has",
        )),
        Err(NotStored::Taken) => Err(Failure::failed("the key's ID is taken; try again")),
    }
}

async fn list(target: &Target, id: Option<&OrganizationId>, output: &mut Output) -> Outcome {
    let listing = output.list(COLUMNS);
    match (target, id) {
        (Target::Server(client), Some(id)) => {
            pages::print_everything(client, listing, &orgs::path(id, "/api_keys")).await
        }
        (Target::Server(_), None) => Err(Failure::setup(
            "over --url the keys of one organization can be listed; name it with --organization-id",
        )),
        (Target::Storage(Storage { store, proof, .. }), id) => {
            if let Some(id) = id
                && store.find_organization(*proof, id).await?.is_none()
            {
                return Err(orgs::unknown(id));
            }
            let page = Limit::LARGEST;
            let ask =
                async |after: Option<_>| store.list_keys(*proof, id, after.as_ref(), page).await;
            pages::print_all(listing, ask, |out, key| write_api_key(out, key, None)).await
        }
    }
}

impl One {
    async fn set_status(self, status: KeyStatus) -> Outcome {
        let target = self.shared.target.open().await?;
        let changed = match &target {
            Target::Server(client) => {
                let body = json!({"status": status.as_str()});
                client.call(Call::post(self.path(), &body)).await
            }
            Target::Storage(storage) => self.set_stored_status(storage, status).await,
        };
        target.close().await;
        self.shared.output.open().item(&changed?)
    }

    async fn set_stored_status(&self, storage: &Storage, status: KeyStatus) -> Outcome<Value> {
        let Storage { store, proof, .. } = storage;
        let changed = store
            .set_key_status(*proof, &storage.act(), &self.id, status)
            .await?;
        let key = changed.ok_or_else(|| self.unknown())?;
        pages::json(|out| write_api_key(out, &key, None))
    }

    async fn delete(self) -> Outcome {
        let target = self.shared.target.open().await?;
        let removed = match &target {
            Target::Server(client) => client.call(Call::delete(self.path())).await,
            Target::Storage(storage) => self.delete_stored(storage).await,
        };
        target.close().await;
        self.shared.output.open().item(&removed?)
    }

    async fn delete_stored(&self, storage: &Storage) -> Outcome<Value> {
        let Storage { store, proof, .. } = storage;
        if store.remove_key(*proof, &storage.act(), &self.id).await? {
            pages::json(|out| out.push_str(&deleted("api_key", self.id.as_str())))
        } else {
            Err(self.unknown())
        }
    }

    fn path(&self) -> String {
        format!("/operator/v1/api_keys/{}", segment(self.id.as_str()))
    }

    fn unknown(&self) -> Failure {
        Failure::failed(format!("there is no key {}", self.id))
    }
}
