//! The storage, opened: by a command on the storage itself, or by a server.
//!
//! No other process may have it (the embedded one belongs to one process at a time), and no key is needed, because
//! whoever can read the files can do everything anyway.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rollcall_domain::audit::{Act, Actor};
use rollcall_domain::clock::{Clock as _, SystemClock, Timestamp};
use rollcall_domain::data_controls::Validator;
use rollcall_domain::id::{Ids, OrganizationId};
use rollcall_domain::tenant::OperatorProof;
use rollcall_store::postgres::{PostgresSettings, PostgresStore};
use rollcall_store::sqlite::{self, SqliteSettings, SqliteStore};
use rollcall_store::{OpenError, Opening, Store};
use rollcall_wire::error::ApiError;

use super::failure::{Failure, Outcome};
use super::private_files::private_directory;
use crate::config::{Config, FlagOverrides, Loaded, SECRET_KEY_FILE};

/// Which storage.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Storage")]
pub struct StorageArgs {
    /// Settings file [default: rollcall.toml if there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Directory of the embedded storage [env: ROLLCALL_DATA_DIR] [default: rollcall-data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// PostgreSQL to use instead of the embedded storage [env: ROLLCALL_DATABASE_URL]
    #[arg(long, value_name = "URL", conflicts_with = "data_dir")]
    pub database_url: Option<String>,
}

/// An open storage and what it takes to write to it.
#[derive(Debug)]
pub struct Storage {
    /// The storage.
    pub store: Arc<dyn Store>,
    /// Makes ids.
    pub ids: Arc<Ids>,
    /// The right that access to the storage gives.
    pub proof: OperatorProof,
    /// Who decides about keys and buckets that platforms bring.
    pub data_controls: Validator,
}

impl Storage {
    fn new(store: Arc<dyn Store>, ids: Arc<Ids>, data_controls: Validator) -> Self {
        Self {
            store,
            ids,
            data_controls,
            proof: OperatorProof::of_storage_access(),
        }
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    /// Refuses an organization that is not there.
    pub(super) async fn require_organization(&self, id: &OrganizationId) -> Outcome {
        let found = self.store.find_organization(self.proof, id).await?;
        found
            .map(drop)
            .ok_or_else(|| ApiError::not_found("organization").into())
    }

    /// Who acts, and when: the command line, now.
    pub fn act(&self) -> Act {
        Act {
            actor: Actor::command_line(),
            at: self.now(),
        }
    }
}

impl StorageArgs {
    /// The settings with these flags over environment and file. Whoever names a directory means it,
    /// whatever database the environment names.
    pub fn settings(&self) -> Outcome<Loaded> {
        let mut flags = FlagOverrides::default();
        if let Some(data_dir) = &self.data_dir {
            flags = flags.with("data_dir", data_dir);
        }
        if let Some(database_url) = &self.database_url {
            flags = flags.with("database_url", database_url);
        }
        let mut loaded = load(self.config.as_deref(), &flags)?;
        if self.data_dir.is_some() {
            loaded.config.database_url = None;
        }
        Ok(loaded)
    }

    /// Opens the storage that exists; a command line that mistypes a directory must not make one.
    /// `advice` is for when another process has it.
    pub async fn open_existing(&self, advice: &str) -> Outcome<Storage> {
        let config = self.settings()?.config;
        existing(&config)?;
        open_with(&config, sqlite_settings(&config), advice, COMMAND_PATIENCE).await
    }

    /// Opens the storage, which is made if it does not exist.
    pub async fn open_or_make(&self, advice: &str) -> Outcome<Storage> {
        let config = self.settings()?.config;
        open_with(&config, sqlite_settings(&config), advice, COMMAND_PATIENCE).await
    }

    /// The same with a cache fit for writing much at once: nothing else runs on the storage meanwhile.
    pub async fn open_to_load(&self) -> Outcome<Storage> {
        let config = self.settings()?.config;
        let settings = SqliteSettings {
            cache_mib: config.sqlite.cache_mib.get().max(LOADING_CACHE_MIB),
            loading: true,
            ..sqlite_settings(&config)
        };
        open_with(&config, settings, OR_ASK_THE_SERVER, COMMAND_PATIENCE).await
    }
}

/// The settings with `flags` over environment and file.
pub fn load(file: Option<&Path>, flags: &FlagOverrides) -> Outcome<Loaded> {
    Config::load(file, std::env::vars_os(), flags).map_err(Failure::setup)
}

/// Refuses an embedded storage that is not there.
pub fn existing(config: &Config) -> Outcome {
    if config.database_url.is_some() || config.in_memory || !is_fresh(&config.data_dir)? {
        return Ok(());
    }
    Err(Failure::setup(format!(
        "there is no storage in {}; name its directory with --data-dir, or make one with \"rollcall \
         orgs create\" or \"rollcall dev\"",
        config.data_dir.display()
    )))
}

/// Whether a directory holds no storage yet. One whose database is gone or empty is refused: what is left
/// shows that there was one, and may be all that there is of its last changes.
fn is_fresh(data_dir: &Path) -> Outcome<bool> {
    let length = |name: &str| std::fs::metadata(data_dir.join(name)).map(|it| it.len());
    let gone = match length(sqlite::FILE_NAME) {
        Ok(1..) => return Ok(false),
        // A first start that was killed leaves an empty file, and nothing that is named here.
        Ok(0) => "empty",
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "gone",
        Err(error) => {
            let file = data_dir.join(sqlite::FILE_NAME);
            return Err(Failure::setup(format!(
                "cannot read {}: {error}",
                file.display()
            )));
        }
    };
    let mut left = sqlite::side_files(data_dir);
    left.retain(|name| gone == "gone" || !name.ends_with("-journal"));
    if length(SECRET_KEY_FILE).is_ok_and(|length| length > 0) {
        left.push(SECRET_KEY_FILE.to_owned());
    }
    if left.is_empty() {
        return Ok(true);
    }
    Err(Failure::setup(format!(
        "there was a storage in {}: its {} is {gone}, and this is left of it: {}; put the file back, or move \
         away what is left and use \"rollcall restore\" or begin anew",
        data_dir.display(),
        sqlite::FILE_NAME,
        left.join(", ")
    )))
}

/// The page cache of an import, which has to stay below 256 MB of memory in all.
const LOADING_CACHE_MIB: u32 = 64;

/// What to do when another process has the storage, for a command that must have it.
const CHOOSE_ANOTHER: &str = "stop it or choose another --data-dir";
/// The same for a command that a running server can be asked for.
pub(super) const OR_ASK_THE_SERVER: &str =
    "stop it, choose another --data-dir, or reach the running server with --url";

/// How long a command waits for a database that is away: somebody sits before it.
const COMMAND_PATIENCE: Duration = Duration::from_secs(3);
/// How long a server does, which may have been started together with its database.
const SERVER_PATIENCE: Duration = Duration::from_secs(30);

/// Opens the storage that `config` names, for a command.
pub async fn open(config: &Config) -> Outcome<Storage> {
    open_with(
        config,
        sqlite_settings(config),
        CHOOSE_ANOTHER,
        COMMAND_PATIENCE,
    )
    .await
}

/// Opens the storage that a transfer reads, or the one that it fills.
pub async fn open_to_move(config: &Config, filling: bool) -> Outcome<Storage> {
    let settings = SqliteSettings {
        cache_mib: config.sqlite.cache_mib.get().max(LOADING_CACHE_MIB),
        loading: filling,
        transferring: true,
        ..sqlite_settings(config)
    };
    open_with(config, settings, CHOOSE_ANOTHER, COMMAND_PATIENCE).await
}

/// Opens the storage that `config` names, for a server; `opening` tells how far it is.
pub async fn open_to_serve(config: &Config, opening: &Arc<Opening>) -> Outcome<Storage> {
    let settings = sqlite_settings(config);
    open_told(config, settings, CHOOSE_ANOTHER, SERVER_PATIENCE, opening).await
}

fn sqlite_settings(config: &Config) -> SqliteSettings {
    SqliteSettings {
        cache_mib: config.sqlite.cache_mib.get(),
        mmap_mib: config.sqlite.mmap_mib,
        ..SqliteSettings::default()
    }
}

async fn open_with(
    config: &Config,
    settings: SqliteSettings,
    advice: &str,
    patience: Duration,
) -> Outcome<Storage> {
    open_told(config, settings, advice, patience, &Arc::default()).await
}

async fn open_told(
    config: &Config,
    settings: SqliteSettings,
    advice: &str,
    patience: Duration,
    opening: &Arc<Opening>,
) -> Outcome<Storage> {
    let ids = Arc::new(Ids::default());
    let store: Arc<dyn Store> = if let Some(url) = &config.database_url {
        let settings = PostgresSettings {
            patience,
            transferring: settings.transferring,
            ..postgres_settings(config)
        };
        Arc::new(PostgresStore::open(url.expose(), settings, Arc::clone(&ids)).await?)
    } else if config.in_memory {
        Arc::new(SqliteStore::open_in_memory(Arc::clone(&ids))?)
    } else {
        data_directory(&config.data_dir)?;
        is_fresh(&config.data_dir)?;
        let (data_dir, of_store) = (config.data_dir.clone(), Arc::clone(&ids));
        let opening = Arc::clone(opening);
        let open = move || SqliteStore::open_told(&data_dir, settings, of_store, &opening);
        let opened = on_a_thread(open).await?;
        Arc::new(opened.map_err(|error| match error {
            OpenError::InUse(_) => Failure::setup(format!("{error}; {advice}")),
            OpenError::Failed(_) => error.into(),
        })?)
    };
    Ok(Storage::new(store, ids, config.dev.data_controls))
}

/// Runs what blocks for long on a thread that nobody has to wait for: a server that is told to end before
/// its storage is open just ends.
async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Outcome<T> {
    let (done, result) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("rollcall-open".to_owned())
        .spawn(move || done.send(work()))
        .map_err(|error| Failure::setup(format!("cannot start a thread: {error}")))?;
    result.await.map_err(Failure::failed)
}

/// Sees to it that there is a data directory.
fn data_directory(path: &Path) -> Outcome {
    let shown = path.display();
    if path.is_dir() {
        return Ok(());
    }
    if path.exists() {
        return Err(Failure::setup(format!(
            "{shown} is a file; give a directory with --data-dir"
        )));
    }
    // Profiles are personal data. A directory that exists is as open as its owner made it.
    private_directory(path).map_err(|error| {
        Failure::setup(format!(
            "cannot create the data directory {shown}: {error}; choose another with --data-dir, where this user \
             may write"
        ))
    })
}

/// The number of the last migration applied to the storage that `config` names.
pub async fn schema_version(config: &Config) -> Outcome<u32> {
    Ok(match &config.database_url {
        Some(url) => {
            rollcall_store::postgres::schema_version(url.expose(), &postgres_settings(config))
                .await?
        }
        None => rollcall_store::sqlite::schema_version(&config.data_dir)?,
    })
}

fn postgres_settings(config: &Config) -> PostgresSettings {
    let read_url = config.database_read_url.as_ref();
    PostgresSettings {
        pool_size: config.postgres.pool_size.get(),
        connect_timeout: config.postgres.connect_timeout,
        statement_timeout: config.postgres.statement_timeout,
        recycle: config.postgres.recycle,
        read_url: read_url.map(|url| url.expose().to_owned()),
        ..PostgresSettings::default()
    }
}
