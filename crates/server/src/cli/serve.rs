//! `rollcall serve`: the production server.

use std::path::PathBuf;
use std::sync::Arc;

use rollcall_domain::clock::SystemClock;
use rollcall_domain::data_controls::Validator;
use rollcall_domain::page::Limit;
use serde_json::json;

use super::dev::shell_quoted;
use super::failure::{Failure, Outcome};
use super::output::{self, Format};
use super::secret_key;
use super::startup::{self, Bound};
use super::storage::{self, Storage};
use crate::config::{Config, FlagOverrides};

/// Run the production server
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Settings file [default: rollcall.toml if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Show every setting and where it is from, and end
    #[arg(long)]
    print_config: bool,
    /// How --print-config prints them [default: table]
    #[arg(long, value_name = "FORMAT", value_enum, requires = "print_config")]
    output: Option<Format>,
    // Known, so that whoever comes from `rollcall dev` is told what to do instead.
    #[arg(long, hide = true)]
    api_key: Option<String>,
    #[arg(long, hide = true)]
    admin_key: Option<String>,
    #[arg(long, hide = true)]
    operator_key: Option<String>,
    #[command(flatten)]
    settings: FlagOverrides,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    let loaded = storage::load(arguments.config.as_deref(), &arguments.settings)?;
    if arguments.print_config {
        return match arguments.output {
            None | Some(Format::Table) => {
                output::write_bytes(format!("{}\n", loaded.table()).as_bytes())
            }
            Some(Format::Json) => {
                output::write_bytes(format!("{}\n", json!({"data": loaded.rows()})).as_bytes())
            }
            Some(Format::Ndjson) => {
                let lines = loaded.rows().into_iter().map(|row| format!("{row}\n"));
                output::write_bytes(lines.collect::<String>().as_bytes())
            }
        };
    }
    let literal = [
        arguments.api_key,
        arguments.admin_key,
        arguments.operator_key,
    ];
    if literal.iter().any(Option::is_some) {
        return Err(Failure::setup(
            "literal keys are for rollcall dev; make one with: rollcall keys create",
        ));
    }
    let config = loaded.config;
    refuse_development_settings(&config)?;
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
    let clock = Arc::new(SystemClock);
    let keys = secret_key::server_keys(secret, &storage).await?;
    let app = startup::app(&config, &storage, clock, address, keys, &log, None)?;
    let literal_keys = storage.store.count_literal_keys(storage.proof).await?;
    if literal_keys > 0 {
        tracing::warn!(
            literal_keys,
            "{literal_keys} literal keys of rollcall dev are in this storage and open nothing here; make others \
             with: rollcall keys create"
        );
    }
    if !has_operator(&storage).await? {
        tracing::warn!("nobody can operate this server yet; {}", first_key(&config));
    }
    startup::warn_of_unreachable_urls(&config, address);
    output::aside(move || {
        let mut told = format!("rollcall listens on http://{address}\n");
        if operators != address {
            told.push_str(&format!(
                "rollcall listens for operators on http://{operators}\n"
            ));
        }
        output::write_bytes(told.as_bytes())
    });
    startup::serve(app, ports, shutdown).await
}

/// Whether there is an operator's key that this server knows.
async fn has_operator(storage: &Storage) -> Outcome<bool> {
    let mut after = None;
    loop {
        let listing = storage
            .store
            .list_keys(storage.proof, None, after.as_ref(), Limit::LARGEST);
        let listed = listing.await?;
        if listed.items.iter().any(|key| !key.literal) {
            return Ok(true);
        }
        after = listed.next;
        if after.is_none() {
            return Ok(false);
        }
    }
}

/// How an operator comes to a first key. The address of a database may hold a password, and is not repeated.
fn first_key(config: &Config) -> String {
    let (stop, storage) = if config.database_url.is_some() {
        ("", "--database-url URL".to_owned())
    } else {
        let data_dir = shell_quoted(&config.data_dir.display().to_string());
        ("stop it and ", format!("--data-dir {data_dir}"))
    };
    format!("{stop}make a key with: rollcall keys create {storage} --kind operator --name NAME")
}

fn refuse_development_settings(config: &Config) -> Outcome {
    let dev = &config.dev;
    let settings = [
        ("dev.seed", dev.seed.is_some()),
        ("dev.allow_remote", dev.allow_remote),
        ("dev.api_key", dev.api_key.is_some()),
        ("dev.admin_key", dev.admin_key.is_some()),
        ("dev.operator_key", dev.operator_key.is_some()),
        ("dev.organization_id", dev.organization_id.is_some()),
        ("dev.workspace_id", dev.workspace_id.is_some()),
        ("dev.clock", dev.clock.is_some()),
        (
            "dev.data_controls",
            dev.data_controls != Validator::Operator,
        ),
        ("in_memory", config.in_memory),
        ("auto_tenants", config.auto_tenants),
    ];
    match settings.into_iter().find(|(_, set)| *set) {
        None => Ok(()),
        Some((setting, _)) => Err(Failure::setup(format!(
            "{setting}: is for rollcall dev; leave it out under rollcall serve"
        ))),
    }
}
