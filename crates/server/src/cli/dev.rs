//! `rollcall dev`: the newcomer's one command, and the server of test suites.
//!
//! It makes an organization, a workspace and a key of each kind, or finds the ones it made before: what it
//! generated is kept in [`KEPT_NAME`] in the data directory, readable by its owner alone, so that the keys
//! printed yesterday work today. Literal values from flags win and are kept too.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rollcall_domain::clock::{AdjustableClock, Clock, Timestamp};
use rollcall_domain::id::{Ids, OrganizationId, WorkspaceId};
use rollcall_domain::tenant::{
    ApiKey, KeyKind, KeyOwner, KeyStatus, Organization, OrganizationStatus, Workspace,
};
use rollcall_record::time;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::failure::{Failure, Outcome};
use super::import::organization_id;
use super::output::{self, Format, OutputArgs};
use super::private_files::{private_directory, write_durably};
use super::secret_key;
use super::seed::{self, Seed};
use super::startup::{self, Ports};
use super::target::{self, Storage};
use crate::config::{Config, FlagOverrides, Loaded, Secret as Literal};
use crate::development::DevelopmentParts;
use crate::initial::InitialState;
use crate::secrets::{Secret, is_well_formed_key};

/// The name, in the data directory, of the file that keeps what was generated.
const KEPT_NAME: &str = "dev.json";

/// Run a development server with an organization and one key of each kind ready
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Records, one a line, that are there from the start and after every reset [env: ROLLCALL_DEV_SEED]
    ///
    /// What `rollcall export --organization-id ID` wrote is a seed for `--organization-id ID`.
    #[arg(long, value_name = "FILE.ndjson")]
    seed: Option<PathBuf>,
    /// Listen on an address that other machines can reach, and answer under any name [env: ROLLCALL_DEV_ALLOW_REMOTE]
    #[arg(long)]
    allow_remote: bool,
    /// Settings file [default: rollcall.toml if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Show every setting and where it is from, and end
    #[arg(long)]
    print_config: bool,
    #[command(flatten)]
    fixed: FixedArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    settings: FlagOverrides,
}

/// Fixed values instead of generated ones, for tests, as flags.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Fixed values")]
struct FixedArgs {
    /// The platform's key, any text [env: ROLLCALL_DEV_API_KEY]
    #[arg(long, value_name = "KEY")]
    api_key: Option<SecretString>,
    /// The platform administrator's key, any text [env: ROLLCALL_DEV_ADMIN_KEY]
    #[arg(long, value_name = "KEY")]
    admin_key: Option<SecretString>,
    /// The operator's key, any text [env: ROLLCALL_DEV_OPERATOR_KEY]
    #[arg(long, value_name = "KEY")]
    operator_key: Option<SecretString>,
    /// The organization's id, any text [env: ROLLCALL_DEV_ORGANIZATION_ID]
    #[arg(long, value_name = "ID", value_parser = organization_id)]
    organization_id: Option<OrganizationId>,
    /// The workspace's id [env: ROLLCALL_DEV_WORKSPACE_ID]
    #[arg(long, value_name = "ID", value_parser = workspace_id)]
    workspace_id: Option<WorkspaceId>,
    /// Where the clock stands from the start and after every reset, such as 2026-03-15T10:00:00Z [env: ROLLCALL_DEV_CLOCK]
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    clock: Option<Timestamp>,
}

/// Fixed values instead of generated ones, wherever they were set.
#[derive(Debug)]
struct Fixed {
    api_key: Option<Literal>,
    admin_key: Option<Literal>,
    operator_key: Option<Literal>,
    organization_id: Option<OrganizationId>,
    workspace_id: Option<WorkspaceId>,
    clock: Option<Timestamp>,
}

fn workspace_id(text: &str) -> Result<WorkspaceId, String> {
    WorkspaceId::parse(text).map_err(|error| error.to_string())
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    let loaded = target::load(arguments.config.as_deref(), &arguments.overrides())?;
    if arguments.print_config {
        return output::write_bytes(format!("{}\n", loaded.table()).as_bytes());
    }
    let fixed = Fixed::of(&loaded)?;
    let Loaded { config, .. } = loaded;
    if !config.dev.allow_remote {
        for address in std::iter::once(config.listen).chain(config.admin_listen) {
            refuse_remote(address)?;
        }
    }
    fixed.refuse_shared_literal()?;
    let secret = secret_key::Source::of(&config)?;
    let log = startup::log(&config)?;
    let ports = Ports::bind(&config).await?;
    let shutdown = startup::shutdown_on_signals()?;
    let Some(storage) = startup::open(&config, &ports, &shutdown).await? else {
        return Ok(());
    };
    let starts_at = fixed.clock;
    let clock = starts_at.map_or_else(AdjustableClock::default, AdjustableClock::stopped_at);
    let clock = Arc::new(clock);
    let now = clock.now();
    let tenant = Tenant::settle(&config, &fixed, &storage.ids, now)?;
    tenant.refuse_foreign_keys(&storage).await?;
    let seed = match &config.dev.seed {
        Some(file) => seed::read(file, &tenant.organization_id, &storage.ids, now)?,
        None => Seed::default(),
    };
    let keys = secret_key::server_keys(secret, &storage).await?;
    let endpoints = seed.sealed_endpoints(&tenant.organization_id, &keys.vault, &storage.ids)?;
    let development = DevelopmentParts {
        clock: Arc::clone(&clock),
        starts_at,
        initial: InitialState {
            webhook_endpoints: endpoints,
            ..tenant.initial_state(seed, &storage.ids, now)
        },
        tenant_idle: config.auto_tenants.then_some(config.tenant_idle),
        allow_remote: config.dev.allow_remote,
    };
    let address = ports.address;
    let app = startup::app(
        &config,
        &storage,
        clock,
        address,
        keys,
        &log,
        Some(development),
    )?;
    app.prepare().await?;
    tenant.enable_keys(&storage).await?;
    tenant.keep(&config)?;
    tenant.announce(&config, ports.address, arguments.output);
    startup::serve(app, ports, shutdown).await
}

fn refuse_remote(address: SocketAddr) -> Outcome {
    if address.ip().is_loopback() {
        return Ok(());
    }
    Err(Failure::setup(format!(
        "{address} can be reached by other machines, and this server shows its keys and obeys \
         development controls; listen on 127.0.0.1, add --allow-remote, or use rollcall serve"
    )))
}

impl Arguments {
    /// The settings given as flags, those of this command among them.
    fn overrides(&self) -> FlagOverrides {
        let fixed = &self.fixed;
        let secret = |key: &Option<SecretString>| exposed(key.as_ref()).map(str::to_owned);
        let seed = self.seed.as_ref().map(|seed| seed.display().to_string());
        let texts = [
            ("dev.seed", seed),
            (
                "dev.allow_remote",
                self.allow_remote.then(|| "true".to_owned()),
            ),
            ("dev.api_key", secret(&fixed.api_key)),
            ("dev.admin_key", secret(&fixed.admin_key)),
            ("dev.operator_key", secret(&fixed.operator_key)),
            (
                "dev.organization_id",
                fixed.organization_id.as_ref().map(ToString::to_string),
            ),
            (
                "dev.workspace_id",
                fixed.workspace_id.as_ref().map(ToString::to_string),
            ),
            ("dev.clock", fixed.clock.map(shown)),
        ];
        let given = texts
            .into_iter()
            .filter_map(|(key, text)| Some((key, text?)));
        given.fold(self.settings.clone(), |settings, (key, text)| {
            settings.with(key, text)
        })
    }
}

fn shown(time: Timestamp) -> String {
    let mut text = String::new();
    time::write(&mut text, time);
    text
}

impl Fixed {
    fn of(loaded: &Loaded) -> Outcome<Self> {
        let dev = &loaded.config.dev;
        let invalid = |key, reason: String| Failure::setup(loaded.invalid(key, &reason));
        let organization = dev.organization_id.as_deref().map(organization_id);
        let workspace = dev.workspace_id.as_deref().map(workspace_id);
        let clock = dev.clock.as_deref().map(time::parse);
        Ok(Self {
            api_key: dev.api_key.clone(),
            admin_key: dev.admin_key.clone(),
            operator_key: dev.operator_key.clone(),
            organization_id: organization
                .transpose()
                .map_err(|reason| invalid("dev.organization_id", reason))?,
            workspace_id: workspace
                .transpose()
                .map_err(|reason| invalid("dev.workspace_id", reason))?,
            clock: clock
                .transpose()
                .map_err(|reason| invalid("dev.clock", reason.to_string()))?,
        })
    }

    fn literals(&self) -> [(KeyKind, Option<&str>); 3] {
        [
            (KeyKind::Api, self.api_key.as_ref().map(Literal::expose)),
            (KeyKind::Admin, self.admin_key.as_ref().map(Literal::expose)),
            (
                KeyKind::Operator,
                self.operator_key.as_ref().map(Literal::expose),
            ),
        ]
    }

    /// A secret has one kind; the same literal for two would make every answer a guess.
    fn refuse_shared_literal(&self) -> Outcome {
        let literals = self.literals();
        for (at, (kind, literal)) in literals.iter().enumerate() {
            let Some(literal) = literal else { continue };
            if literal.is_empty() || !literal.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(Failure::setup(format!(
                    "--{kind}-key: must be visible characters without spaces, as a header holds them"
                )));
            }
            for (other, same) in &literals[..at] {
                if *same == Some(*literal) {
                    return Err(Failure::setup(format!(
                        "--{other}-key and --{kind}-key are the same; a key has one kind, so give two"
                    )));
                }
            }
        }
        Ok(())
    }
}

fn exposed(secret: Option<&SecretString>) -> Option<&str> {
    secret.map(SecretString::expose_secret)
}

/// What the development server stands for: one organization and its keys.
#[derive(Serialize, Deserialize)]
struct Kept {
    organization_id: String,
    workspace_id: String,
    api_key: String,
    admin_key: String,
    operator_key: String,
}

struct Tenant {
    organization_id: OrganizationId,
    workspace_id: WorkspaceId,
    keys: [TenantKey; 3],
}

struct TenantKey {
    kind: KeyKind,
    secret: Secret,
    /// Whether somebody chose the secret, now or at an earlier start.
    literal: bool,
}

impl Tenant {
    /// Flags, else what an earlier start kept, else new.
    fn settle(config: &Config, fixed: &Fixed, ids: &Ids, now: Timestamp) -> Outcome<Self> {
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
        let [api, admin, operator] = fixed.literals();
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
            KeyKind::Operator => KeyOwner::Operator,
        }
    }

    fn secret(&self, wanted: KeyKind) -> &str {
        let found = self.keys.iter().find(|key| key.kind == wanted);
        found.map_or("", |key| key.secret.expose())
    }

    /// A literal that the storage knows as something else would silently be that.
    async fn refuse_foreign_keys(&self, storage: &Storage) -> Outcome {
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
    async fn enable_keys(&self, storage: &Storage) -> Outcome {
        let Storage { store, proof, .. } = storage;
        for TenantKey { secret, .. } in &self.keys {
            if let Some(found) = store.find_credential(&secret.hash()).await?
                && found.key.status == KeyStatus::Disabled
            {
                let act = storage.act();
                store
                    .set_key_status(*proof, &act, &found.key.id, KeyStatus::Active)
                    .await?;
            }
        }
        Ok(())
    }

    fn initial_state(&self, seed: Seed, ids: &Ids, now: Timestamp) -> InitialState {
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

    fn keep(&self, config: &Config) -> Outcome {
        if config.in_memory {
            return Ok(());
        }
        let kept = json!(Kept {
            organization_id: self.organization_id.to_string(),
            workspace_id: self.workspace_id.to_string(),
            api_key: self.secret(KeyKind::Api).to_owned(),
            admin_key: self.secret(KeyKind::Admin).to_owned(),
            operator_key: self.secret(KeyKind::Operator).to_owned(),
        });
        let path = config.data_dir.join(KEPT_NAME);
        private_directory(&config.data_dir)
            .and_then(|()| write_durably(&path, format!("{kept:#}\n").as_bytes()))
            .map_err(|error| Failure::setup(format!("cannot write {}: {error}", path.display())))
    }

    fn announce(&self, config: &Config, address: SocketAddr, output: OutputArgs) {
        let base = config.base_url(reachable(address));
        let local = format!("http://{}", reachable(address));
        match output.output {
            None | Some(Format::Table) => {
                let welcome = self.welcome(config, &base, &local);
                output::aside(move || output::write_bytes(welcome.as_bytes()));
            }
            Some(Format::Json | Format::Ndjson) => {
                let ready = json!({
                    "base_url": local,
                    "public_base_url": base,
                    "console_url": format!("{local}/console"),
                    "organization_id": self.organization_id.as_str(),
                    "workspace_id": self.workspace_id.as_str(),
                    "api_key": self.secret(KeyKind::Api),
                    "admin_key": self.secret(KeyKind::Admin),
                    "operator_key": self.secret(KeyKind::Operator),
                });
                output::aside(move || output.open().item(&ready));
            }
        }
    }

    fn welcome(&self, config: &Config, base: &str, local: &str) -> String {
        let [api, admin, operator] = KeyKind::ALL else {
            return String::new();
        };
        let (api, admin, operator) = (
            self.secret(*api),
            self.secret(*admin),
            self.secret(*operator),
        );
        let data = if config.in_memory {
            "in memory, gone at the end".to_owned()
        } else if config.database_url.is_some() {
            "in the database of --database-url".to_owned()
        } else {
            format!("kept in {}", config.data_dir.display())
        };
        let quoted = quoted(api);
        format!(
            "\
Rollcall {version}, for development only: its keys are shown here and it obeys development controls.

  Base URL      {local}
  Console       {local}/console
  End users     {base}/user-profiles/…
  Organization  {organization}
  Workspace     {workspace}
  API key       {api}
  Admin key     {admin}
  Operator key  {operator}
  Data          {data}

Try it:

  curl {local}/v1/user_profiles -H 'anthropic-version: 2023-06-01' -H {header}

With the official Python SDK (pip install anthropic):

  from anthropic import Anthropic
  client = Anthropic(base_url=\"{local}\", api_key={quoted})
  client.beta.user_profiles.create(name=\"Ana\")
  print(client.beta.user_profiles.list().data)

Ctrl-C ends it.
",
            version = env!("CARGO_PKG_VERSION"),
            organization = self.organization_id,
            workspace = self.workspace_id,
            header = shell_quoted(&format!("x-api-key: {api}")),
        )
    }
}

/// The keys that a development server keeps in its data directory.
#[derive(Debug)]
pub(super) struct KeptKeys {
    /// The administrator's.
    pub(super) admin: SecretString,
    /// The operator's, if it is known too.
    pub(super) operator: Option<String>,
    /// The file that they were read from, if nobody gave them.
    pub(super) kept_in: Option<PathBuf>,
}

impl KeptKeys {
    /// The failure of a call with these keys. Whoever did not choose the key is told where it came from.
    pub(super) fn explained(&self, failure: Failure) -> Failure {
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
pub(super) fn kept_keys(data_dir: &Path) -> Outcome<Option<KeptKeys>> {
    let file = data_dir.join(KEPT_NAME);
    let kept = read_kept(&file)?;
    Ok(kept.map(|kept| KeptKeys {
        kept_in: Some(file),
        admin: kept.admin_key.into(),
        operator: Some(kept.operator_key),
    }))
}

/// An address that a client on this machine can use.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let mut reachable = address;
    if address.ip().is_unspecified() {
        reachable.set_ip(if address.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    reachable
}

fn quoted(text: &str) -> String {
    json!(text).to_string()
}

pub(super) fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(api: &str, admin: Option<&str>) -> Fixed {
        Fixed {
            api_key: Some(Literal::from(api.to_owned())),
            admin_key: admin.map(|key| key.to_owned().into()),
            operator_key: None,
            organization_id: None,
            workspace_id: None,
            clock: None,
        }
    }

    #[test]
    fn one_literal_has_one_kind() {
        assert!(fixed("a", Some("b")).refuse_shared_literal().is_ok());
        assert!(fixed("a", None).refuse_shared_literal().is_ok());
        assert!(fixed("a", Some("a")).refuse_shared_literal().is_err());
        assert!(fixed("", None).refuse_shared_literal().is_err());
        assert!(fixed("a b", None).refuse_shared_literal().is_err());
    }

    #[test]
    fn what_is_pasted_is_quoted() {
        assert_eq!(shell_quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("a\"b"), r#""a\"b""#);
    }

    #[test]
    fn the_address_of_all_interfaces_is_shown_as_this_machine() {
        let all: SocketAddr = "0.0.0.0:80".parse().unwrap();
        assert_eq!(reachable(all).to_string(), "127.0.0.1:80");
        let one: SocketAddr = "10.0.0.1:80".parse().unwrap();
        assert_eq!(reachable(one), one);
    }
}
