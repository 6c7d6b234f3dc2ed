//! What an operator's command works on: the storage itself, or a running server's operator API.
//!
//! Either answers the same requests. On the storage the service runs in this process and knows the command line; with
//! `--url` the server does the work, and the key says who asked. What moves whole records is done on the storage
//! without it.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use super::client::Client;
use super::failure::{Failure, Outcome};
use super::in_process::InProcess;
use super::storage::{OR_ASK_THE_SERVER, Storage, StorageArgs};
use crate::config::{Config, DEFAULT_FILE, FlagOverrides};

/// Which storage, or which server.
#[derive(Clone, Debug, clap::Args)]
pub struct TargetArgs {
    #[command(flatten)]
    storage: StorageArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Which server, if one shall do the work.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Running server")]
pub struct ServerArgs {
    /// Address of a running server that shall do it, such as http://127.0.0.1:8787 [env: ROLLCALL_URL]
    #[arg(long, value_name = "URL", conflicts_with_all = ["data_dir", "database_url"])]
    url: Option<String>,
    /// An operator key of that server
    #[arg(
        long,
        value_name = "KEY",
        env = "ROLLCALL_OPERATOR_KEY",
        hide_env_values = true
    )]
    operator_key: Option<SecretString>,
}

/// What a command works on that does not ask the same of both.
#[derive(Debug)]
pub enum Target {
    /// The storage itself.
    Storage(Storage),
    /// A running server.
    Server(Client),
}

/// The address of a server, and who chose it.
///
/// Whoever runs a command in a directory need not have written the `rollcall.toml` that happens to lie there. A
/// key that the environment holds is not for whom such a file names.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) url: String,
    /// Whether it is from a settings file that nobody named.
    found: bool,
}

/// The settings that say where a server is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told {
    /// `client.url`, for the operator's commands and what has no other.
    Url,
    /// `client.base_url`, for `rollcall profiles`.
    BaseUrl,
}

impl Address {
    /// The address that a flag names.
    pub(super) fn chosen(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            found: false,
        }
    }

    /// The address that the environment names, else the settings file. `None` when neither does.
    pub(super) fn told(by: Told, file: Option<&Path>) -> Outcome<Option<Self>> {
        let named = |url: &String| !url.is_empty();
        let variable = match by {
            Told::Url => "ROLLCALL_URL",
            Told::BaseUrl => "ROLLCALL_BASE_URL",
        };
        if let Some(url) = std::env::var(variable).ok().filter(named) {
            return Ok(Some(Self::chosen(url)));
        }
        let client = file_alone(file)?.client;
        let url = match by {
            Told::Url => client.url,
            Told::BaseUrl => client.base_url,
        };
        let found = file.is_none();
        Ok(url.filter(named).map(|url| Self { url, found }))
    }

    /// A client of the server there. `variable` is where the environment holds such a key, `flag` how the address
    /// is given on the command line, `file` the settings file that was named.
    pub(super) fn client(
        &self,
        key: SecretString,
        variable: &str,
        flag: &str,
        file: Option<&Path>,
    ) -> Outcome<Client> {
        let named = std::env::var_os("ROLLCALL_CA_FILE").filter(|named| !named.is_empty());
        let written = file_alone(file)?.ca_file;
        let ca_found = named.is_none() && written.is_some() && file.is_none();
        let ca_file = named.map(PathBuf::from).or(written);
        if (self.found || ca_found) && is_from_environment(variable, &key)? {
            let (what, advice) = if self.found {
                (
                    "names",
                    format!("name the server yourself, with {flag} {}", self.url),
                )
            } else {
                (
                    "says whom to trust at",
                    "set ROLLCALL_CA_FILE yourself".to_owned(),
                )
            };
            return Err(Failure::setup(format!(
                "the key in {variable} is not sent to {}, because only the {DEFAULT_FILE} of this directory {what} \
                 it; {advice}, or give the file with --config where the command has it",
                self.url
            )));
        }
        Client::trusting(&self.url, key, ca_file.as_deref())
    }
}

/// Whether the environment holds this key, itself or in a file that it names.
fn is_from_environment(variable: &str, key: &SecretString) -> Outcome<bool> {
    if std::env::var(variable).is_ok_and(|held| held == key.expose_secret()) {
        return Ok(true);
    }
    let held = Config::client_secret_in_file(variable).map_err(Failure::setup)?;
    Ok(held.is_some_and(|held| held == key.expose_secret()))
}

/// The settings that the file makes by itself, for a command that has no use for those of a server: what is
/// wrong with the environment of one is not its concern.
pub(super) fn file_alone(file: Option<&Path>) -> Outcome<Config> {
    let loaded = Config::load(file, [], &FlagOverrides::default());
    Ok(loaded.map_err(Failure::setup)?.config)
}

impl TargetArgs {
    /// Who answers the command's requests; a storage must exist already.
    pub async fn open(&self) -> Outcome<Client> {
        match self.client()? {
            Some(client) => Ok(client),
            None => self.on(self.storage.open_existing(OR_ASK_THE_SERVER).await?),
        }
    }

    /// The same; a storage is made if it does not exist.
    pub async fn open_or_make(&self) -> Outcome<Client> {
        match self.client()? {
            Some(client) => Ok(client),
            None => self.on(self.storage.open_or_make(OR_ASK_THE_SERVER).await?),
        }
    }

    fn on(&self, storage: Storage) -> Outcome<Client> {
        let config = self.storage.settings()?.config;
        Ok(Client::in_process(InProcess::new(&config, storage)?))
    }

    /// What whole records are read from; a storage must exist already.
    pub async fn open_to_read(&self) -> Outcome<Target> {
        match self.client()? {
            Some(client) => Ok(Target::Server(client)),
            None => Ok(Target::Storage(
                self.storage.open_existing(OR_ASK_THE_SERVER).await?,
            )),
        }
    }

    /// What many records are loaded into; a storage is made if it does not exist.
    pub async fn open_to_load(&self) -> Outcome<Target> {
        match self.client()? {
            Some(client) => Ok(Target::Server(client)),
            None => Ok(Target::Storage(self.storage.open_to_load().await?)),
        }
    }

    /// The server, for what only works over `--url`.
    fn client(&self) -> Outcome<Option<Client>> {
        let storage_chosen = self.storage.data_dir.is_some() || self.storage.database_url.is_some();
        // Variable and file are read here and not by clap, so that --data-dir can win over them.
        let file = self.storage.config.as_deref();
        let address = match &self.server.url {
            Some(url) => Some(Address::chosen(url)),
            None if storage_chosen => None,
            None => Address::told(Told::Url, file)?,
        };
        let Some(address) = address else {
            return Ok(None);
        };
        let key = self.server.operator_key.clone().ok_or_else(|| {
            Failure::setup(format!(
                "{} asks for an operator key; set ROLLCALL_OPERATOR_KEY or pass --operator-key",
                address.url
            ))
        })?;
        let client = address.client(key, "ROLLCALL_OPERATOR_KEY", "--url", file)?;
        Ok(Some(client))
    }
}

impl Target {
    /// Finishes what is queued and lets the storage go.
    pub async fn close(&self) {
        if let Self::Storage(storage) = self {
            storage.store.close().await;
        }
    }
}
