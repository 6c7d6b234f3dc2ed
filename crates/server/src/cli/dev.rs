//! `rollcall dev`: the newcomer's one command, and the server of test suites.
//!
//! It makes an organization, a workspace and a key of each kind, or finds the ones it made before: what it
//! generated is kept in the data directory, readable by its owner alone, so that the keys
//! printed yesterday work today. Literal values from flags win and are kept too.

mod parent;
mod tenant;
mod welcome;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rollcall_domain::clock::{AdjustableClock, Clock, Timestamp};
use rollcall_domain::data_controls::Validator;
use rollcall_domain::id::{OrganizationId, WorkspaceId};
use rollcall_domain::tenant::KeyKind;
use rollcall_record::time;
use secrecy::{ExposeSecret, SecretString};

use super::failure::{Failure, Outcome};
use super::import::organization_id;
use super::output::{self, OutputArgs};
use super::secret_key;
use super::seed::{self, Seed};
use super::startup::{self, Bound};
use super::storage;
use crate::config::{FlagOverrides, Loaded, Secret as Literal};
use crate::development::DevelopmentParts;
use crate::initial::InitialState;
use tenant::Tenant;

pub(super) use tenant::{KeptKeys, kept_keys};
pub(super) use welcome::{reachable, shell_quoted};

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
    /// End when standard input ends, a pipe that the parent holds: for test runs, which may be killed
    #[arg(long)]
    exit_with_parent: bool,
    /// With auto, pending keys and buckets of data controls are active a second later; otherwise the operator says
    /// what becomes of them [env: ROLLCALL_DEV_DATA_CONTROLS]
    #[arg(long, value_name = "operator|auto", value_parser = validator)]
    data_controls: Option<Validator>,
    /// Settings file [default: rollcall.toml if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Show every setting and where it is from, and end
    #[arg(long)]
    print_config: bool,
    /// What the stub behind /v1/messages says [env: ROLLCALL_DEV_STUB_TEXT]
    #[arg(long, value_name = "TEXT")]
    stub_text: Option<String>,
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
    /// The key of the platform's gateway, any text [env: ROLLCALL_DEV_GATEWAY_KEY]
    #[arg(long, value_name = "KEY")]
    gateway_key: Option<SecretString>,
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
    gateway_key: Option<Literal>,
    organization_id: Option<OrganizationId>,
    workspace_id: Option<WorkspaceId>,
    clock: Option<Timestamp>,
}

fn validator(text: &str) -> Result<Validator, String> {
    Validator::parse(text).map_err(|error| error.to_string())
}

fn workspace_id(text: &str) -> Result<WorkspaceId, String> {
    WorkspaceId::parse(text).map_err(|error| error.to_string())
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    if arguments.exit_with_parent {
        parent::watch()?;
    }
    let loaded = storage::load(arguments.config.as_deref(), &arguments.overrides())?;
    if arguments.print_config {
        return output::write_bytes(format!("{}\n", loaded.table()).as_bytes());
    }
    let fixed = Fixed::of(&loaded)?;
    let Loaded { config, .. } = loaded;
    if !config.dev.allow_remote {
        let beside = config
            .operator_listen
            .into_iter()
            .chain(config.admin_listen);
        for address in beside.chain([config.listen]) {
            refuse_remote(address)?;
        }
    }
    fixed.refuse_shared_literal()?;
    let secret = secret_key::Source::of(&config)?;
    let log = startup::log(&config)?;
    let Bound {
        ports,
        address,
        operators,
    } = startup::bind_ports(&config).await?;
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
        keys: tenant.keys(),
        tenant_idle: config.auto_tenants.then_some(config.tenant_idle),
        allow_remote: config.dev.allow_remote,
        stub_text: config.dev.stub_text.clone(),
    };
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
    tenant.announce(&config, address, operators, arguments.output);
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
            ("dev.stub_text", self.stub_text.clone()),
            (
                "dev.allow_remote",
                self.allow_remote.then(|| "true".to_owned()),
            ),
            (
                "dev.data_controls",
                self.data_controls.as_ref().map(ToString::to_string),
            ),
            ("dev.api_key", secret(&fixed.api_key)),
            ("dev.admin_key", secret(&fixed.admin_key)),
            ("dev.operator_key", secret(&fixed.operator_key)),
            ("dev.gateway_key", secret(&fixed.gateway_key)),
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
            gateway_key: dev.gateway_key.clone(),
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

    fn literals(&self) -> [(KeyKind, Option<&str>); 4] {
        [
            (KeyKind::Api, self.api_key.as_ref().map(Literal::expose)),
            (KeyKind::Admin, self.admin_key.as_ref().map(Literal::expose)),
            (
                KeyKind::Operator,
                self.operator_key.as_ref().map(Literal::expose),
            ),
            (
                KeyKind::Gateway,
                self.gateway_key.as_ref().map(Literal::expose),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(api: &str, admin: Option<&str>) -> Fixed {
        Fixed {
            api_key: Some(Literal::from(api.to_owned())),
            admin_key: admin.map(|key| key.to_owned().into()),
            operator_key: None,
            gateway_key: None,
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
}
