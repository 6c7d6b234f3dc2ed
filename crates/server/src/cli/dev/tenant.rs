//! What a development server stands for: one organization, its workspace and its keys, the same at every start.

use std::path::{Path, PathBuf};

use rollcall_domain::clock::Timestamp;
use rollcall_domain::gateway_policy::GatewayPolicy;
use rollcall_domain::id::{Ids, OrganizationId, WorkspaceId};
use rollcall_domain::role::Role;
use rollcall_domain::tenant::{
    ApiKey, KeyKind, KeyOwner, KeyStatus, Organization, OrganizationStatus, OrganizationSwitches,
    Workspace,
};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Fixed;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::private_files::{private_directory, write_durably};
use crate::cli::seed::Seed;
use crate::cli::storage::Storage;
use crate::config::Config;
use crate::initial::InitialState;
use crate::secrets::{Secret, is_well_formed_key};

/// The name, in the data directory, of the file that keeps what was generated.
const KEPT_NAME: &str = "dev.json";

/// What the development server stands for: one organization and its keys.
#[derive(Serialize, Deserialize)]
struct Kept {
    organization_id: String,
    workspace_id: String,
    api_key: String,
    admin_key: String,
    operator_key: String,
    /// Earlier versions kept none.
    gateway_key: Option<String>,
}

pub(super) struct Tenant {
    pub(super) organization_id: OrganizationId,
    pub(super) workspace_id: WorkspaceId,
    keys: [TenantKey; 4],
}

struct TenantKey {
    kind: KeyKind,
    secret: Secret,
    /// Whether somebody chose the secret, now or at an earlier start.
    literal: bool,
}

impl Tenant {
    /// Flags, else what an earlier start kept, else new.
    pub(super) fn settle(
        config: &Config,
        fixed: &Fixed,
        ids: &Ids,
        now: Timestamp,
    ) -> Outcome<Self> {
        let kept = if config.in_memory {
            None
        } else {
            read_kept(&config.data_dir.join(KEPT_NAME))?
        };
        let kept_organization = kept
            .as_ref()
            .and_then(|kept| OrganizationId::parse(&kept.organization_id).ok());
        let organization_id = fixed
            .organization_id
            .clone()
            .or(kept_organization.clone())
            .unwrap_or_else(|| ids.organization(now));
        // What belongs to another organization stays with it.
        let kept_here = kept
            .as_ref()
            .filter(|_| kept_organization.as_ref() == Some(&organization_id));
        let kept_workspace = kept_here.and_then(|kept| WorkspaceId::parse(&kept.workspace_id).ok());
        let workspace_id = fixed
            .workspace_id
            .clone()
            .or(kept_workspace)
            .unwrap_or_else(|| ids.workspace(now));
        let [api, admin, operator, gateway] = fixed.literals();
        let key = |(kind, literal): (KeyKind, Option<&str>), kept: Option<&String>| {
            let known = literal.or(kept.map(String::as_str));
            TenantKey {
                kind,
                literal: literal.is_some() || known.is_some_and(|it| !is_well_formed_key(it)),
                secret: known.map_or_else(|| Secret::key(kind, ids), Secret::literal),
            }
        };
        Ok(Self {
            organization_id,
            workspace_id,
            keys: [
                key(api, kept_here.map(|kept| &kept.api_key)),
                key(admin, kept_here.map(|kept| &kept.admin_key)),
                key(operator, kept.as_ref().map(|kept| &kept.operator_key)),
                key(
                    gateway,
                    kept_here.and_then(|kept| kept.gateway_key.as_ref()),
                ),
            ],
        })
    }

    fn owner(&self, kind: KeyKind) -> KeyOwner {
        let organization_id = self.organization_id.clone();
        match kind {
            KeyKind::Api => KeyOwner::Api {
                organization_id,
                workspace_id: Some(self.workspace_id.clone()),
            },
            KeyKind::Admin => KeyOwner::Admin { organization_id },
            KeyKind::Operator => KeyOwner::Operator { role: Role::Owner },
            KeyKind::Gateway => KeyOwner::Gateway { organization_id },
        }
    }

    pub(super) fn secret(&self, wanted: KeyKind) -> &str {
        let found = self.keys.iter().find(|key| key.kind == wanted);
        found.map_or("", |key| key.secret.expose())
    }

    /// Every key.
    pub(super) fn keys(&self) -> Vec<(KeyKind, SecretString)> {
        let keys = self.keys.iter();
        keys.map(|key| (key.kind, key.secret.expose().to_owned().into()))
            .collect()
    }

    /// A literal that the storage knows as something else would silently be that.
    pub(super) async fn refuse_foreign_keys(&self, storage: &Storage) -> Outcome {
        for TenantKey { kind, secret, .. } in &self.keys {
            let found = storage.store.find_credential(&secret.hash()).await?;
            if let Some(found) = found
                && found.key.owner != self.owner(*kind)
            {
                return Err(Failure::setup(format!(
                    "the --{kind}-key is already the key {} of the kind {} in this storage; give \
                     another one, or use another --data-dir",
                    found.key.id,
                    found.key.owner.kind()
                )));
            }
        }
        Ok(())
    }

    /// The keys that are printed work, also when one was disabled the last time.
    pub(super) async fn enable_keys(&self, storage: &Storage) -> Outcome {
        let Storage { store, proof, .. } = storage;
        for TenantKey { secret, .. } in &self.keys {
            if let Some(found) = store.find_credential(&secret.hash()).await?
                && found.key.status == KeyStatus::Disabled
            {
                let act = storage.act();
                let enabled = store
                    .set_key_status(*proof, &act, &found.key.id, KeyStatus::Active)
                    .await?;
                enabled.map_err(Failure::failed)?;
            }
        }
        Ok(())
    }

    pub(super) fn initial_state(&self, seed: Seed, ids: &Ids, now: Timestamp) -> InitialState {
        let keys = self.keys.iter().map(|made| {
            let TenantKey { kind, literal, .. } = *made;
            let key = ApiKey {
                id: ids.api_key(now),
                owner: self.owner(kind),
                name: format!("rollcall dev ({kind})"),
                created_at: now,
                expires_at: None,
                last_used_at: None,
                status: KeyStatus::Active,
                literal,
            };
            (key, made.secret.hash())
        });
        InitialState {
            organizations: vec![Organization {
                id: self.organization_id.clone(),
                name: "Development".to_owned(),
                created_at: now,
                rate_limit_rpm: None,
                status: OrganizationStatus::Active,
                switches: OrganizationSwitches::default(),
                gateway_policy: GatewayPolicy::default(),
            }],
            workspaces: vec![Workspace {
                id: self.workspace_id.clone(),
                organization_id: self.organization_id.clone(),
                name: "Development".to_owned(),
                created_at: now,
            }],
            keys: keys.collect(),
            profiles: seed.profiles,
            webhook_endpoints: Vec::new(),
        }
    }

    pub(super) fn keep(&self, config: &Config) -> Outcome {
        if config.in_memory {
            return Ok(());
        }
        let kept = json!(Kept {
            organization_id: self.organization_id.to_string(),
            workspace_id: self.workspace_id.to_string(),
            api_key: self.secret(KeyKind::Api).to_owned(),
            admin_key: self.secret(KeyKind::Admin).to_owned(),
            operator_key: self.secret(KeyKind::Operator).to_owned(),
            gateway_key: Some(self.secret(KeyKind::Gateway).to_owned()),
        });
        let path = config.data_dir.join(KEPT_NAME);
        private_directory(&config.data_dir)
            .and_then(|()| write_durably(&path, format!("{kept:#}\n").as_bytes()))
            .map_err(|error| Failure::setup(format!("cannot write {}: {error}", path.display())))
    }
}

/// The keys that a development server keeps in its data directory.
#[derive(Debug)]
pub(in crate::cli) struct KeptKeys {
    /// The administrator's.
    pub(in crate::cli) admin: SecretString,
    /// The operator's, if it is known too.
    pub(in crate::cli) operator: Option<String>,
    /// The file that they were read from, if nobody gave them.
    pub(in crate::cli) kept_in: Option<PathBuf>,
}

impl KeptKeys {
    /// The failure of a call with these keys. Whoever did not choose the key is told where it came from.
    pub(in crate::cli) fn explained(&self, failure: Failure) -> Failure {
        match (failure, &self.kept_in) {
            (Failure::UnknownKey(said), Some(file)) => Failure::UnknownKey(format!(
                "{said}; the key is the one that an earlier rollcall dev kept in {}, and this server does not \
                 know it: pass the admin key that this server printed at its start, with --admin-key KEY \
                 (under --in-memory none is kept)",
                file.display()
            )),
            (failure, _) => failure,
        }
    }
}

/// The keys that `rollcall dev` keeps in this directory; none when it never ran on it.
pub(in crate::cli) fn kept_keys(data_dir: &Path) -> Outcome<Option<KeptKeys>> {
    let file = data_dir.join(KEPT_NAME);
    let kept = read_kept(&file)?;
    Ok(kept.map(|kept| KeptKeys {
        kept_in: Some(file),
        admin: kept.admin_key.into(),
        operator: Some(kept.operator_key),
    }))
}

fn read_kept(path: &Path) -> Outcome<Option<Kept>> {
    let shown = path.display();
    match std::fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|_damaged| {
            Failure::setup(format!(
                "{shown} is damaged; remove it, and rollcall dev makes new keys"
            ))
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::setup(format!("cannot read {shown}: {error}"))),
    }
}
