//! `rollcall backup`: a copy of the storage as it is at one instant, while a server goes on using it.
//!
//! A backup is a directory: the database, the secret key that cursors are made with, and a manifest with
//! their checksums. `rollcall restore` makes a data directory of it.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rollcall_domain::clock::{Clock as _, SystemClock};
use rollcall_record::time;
use rollcall_store::sqlite;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::failure::{Failure, Outcome};
use super::output::OutputArgs;
use super::private_files::{finish_directory, private_directory, scratch_directory, write_durably};
use super::progress::Progress;
use super::secret_key;
use super::storage::{self, StorageArgs};
use crate::config::{Config, SECRET_KEY_FILE};

/// The manifest's name in a backup.
const MANIFEST: &str = "backup.json";

/// Copy the storage as it is now, also while a server is using it
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The directory to make; it must not exist
    directory: PathBuf,
    #[command(flatten)]
    storage: StorageArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// What a backup consists of.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) rollcall: String,
    pub(crate) schema: u32,
    pub(crate) created_at: String,
    pub(crate) files: Vec<CopiedFile>,
}

/// One file of a backup.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CopiedFile {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    let config = arguments.storage.settings()?.config;
    if config.database_url.is_some() {
        return Err(Failure::setup(
            "PostgreSQL is backed up with its own tools, such as pg_dump",
        ));
    }
    storage::existing(&config)?;
    let directory = &arguments.directory;
    let shown = directory.display();
    if directory.exists() {
        return Err(Failure::setup(format!(
            "{shown} exists already; name a directory that does not"
        )));
    }
    let cannot = |error: std::io::Error| Failure::failed(format!("cannot write {shown}: {error}"));
    if let Some(above) = directory.parent() {
        private_directory(above).map_err(cannot)?;
    }
    let partial = scratch_directory(directory).map_err(cannot)?;
    let copied = copy(&config, partial.path()).await;
    let (manifest, unopened) = copied.map_err(|reason| {
        Failure::failed(format!(
            "cannot make {shown}: {reason}; nothing of it is left"
        ))
    })?;
    let text = json!(manifest).to_string();
    write_durably(&partial.path().join(MANIFEST), text.as_bytes())
        .and_then(|()| finish_directory(partial, directory))
        .map_err(cannot)?;
    let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
    arguments.output.open().item(&json!({
        "backup": directory, "schema": manifest.schema, "bytes": bytes,
        "created_at": manifest.created_at,
    }))?;
    if unopened > 0 {
        return Err(Failure::failed(format!(
            "{shown} lacks the key of {unopened} signing secrets: run this with the server's secret_key and \
             previous_secret_keys, or regenerate them; all else is in it"
        )));
    }
    Ok(())
}

/// Copies database and keys into the directory `to`; tells how many signing secrets are sealed with a key
/// that is not there. The error is the reason alone.
async fn copy(config: &Config, to: &Path) -> Result<(Manifest, usize), String> {
    let data_dir = &config.data_dir;
    let source = data_dir.join(sqlite::FILE_NAME);
    let target = to.join(sqlite::FILE_NAME);
    let progress = Progress::bytes(fs::metadata(&source).ok().map(|metadata| metadata.len()));
    let created_at = SystemClock.now();
    let (from, into) = (data_dir.to_owned(), target.clone());
    let mut copying = tokio::task::spawn_blocking(move || sqlite::copy_database(&from, &into));
    let copied = loop {
        match tokio::time::timeout(Duration::from_millis(200), &mut copying).await {
            Ok(copied) => break copied,
            Err(_still_copying) => {
                progress.at(fs::metadata(&target).map_or(0, |metadata| metadata.len()));
            }
        }
    };
    progress.end();
    copied
        .map_err(|ended| ended.to_string())?
        .map_err(|error| error.to_string())?;
    let mut names = vec![sqlite::FILE_NAME];
    let sealed = sqlite::sealed_secrets(to).map_err(|error| error.to_string())?;
    let (has_keys, unopened) = secret_key::copy_in_use(config, &sealed, to)
        .map_err(|failure| failure.reason().unwrap_or_default().to_owned())?;
    if has_keys {
        names.push(SECRET_KEY_FILE);
    }
    let files = names.into_iter().map(|name| {
        copied_file(to, name).map_err(|error| format!("cannot read the copy of {name}: {error}"))
    });
    let manifest = Manifest {
        rollcall: env!("CARGO_PKG_VERSION").to_owned(),
        schema: sqlite::schema_version(to).map_err(|error| error.to_string())?,
        created_at: time::to_text(created_at),
        files: files.collect::<Result<_, _>>()?,
    };
    Ok((manifest, unopened))
}

/// The manifest of the backup in `directory`, every file compared with it and every signing secret opened.
pub(crate) fn verified(directory: &Path, config: &Config) -> Outcome<Manifest> {
    let shown = directory.display();
    let manifest = fs::read_to_string(directory.join(MANIFEST)).map_err(|error| {
        Failure::setup(format!(
            "{shown} is no backup ({MANIFEST}: {error}); name the directory that rollcall backup made"
        ))
    })?;
    let manifest: Manifest = serde_json::from_str(&manifest)
        .map_err(|error| Failure::setup(format!("{shown}: {MANIFEST} is damaged: {error}")))?;
    if !manifest
        .files
        .iter()
        .any(|file| file.name == sqlite::FILE_NAME)
    {
        return Err(Failure::failed(format!(
            "{shown}: {MANIFEST} names no {}; use another backup",
            sqlite::FILE_NAME
        )));
    }
    if !(1..=sqlite::KNOWN_SCHEMA).contains(&manifest.schema) {
        return Err(Failure::setup(format!(
            "{shown} has schema {} of rollcall {} and this rollcall knows 1 to {}; use the version that \
             made it, or a newer one",
            manifest.schema,
            manifest.rollcall,
            sqlite::KNOWN_SCHEMA
        )));
    }
    for file in &manifest.files {
        let plain = [sqlite::FILE_NAME, SECRET_KEY_FILE].contains(&file.name.as_str());
        let wrong = match copied_file(directory, &file.name) {
            Ok(now) if plain && now.sha256 == file.sha256 => continue,
            Ok(_) => "is not what was backed up".to_owned(),
            Err(error) => format!("cannot be read ({error})"),
        };
        return Err(Failure::failed(format!(
            "{shown}: {} {wrong}; use another backup",
            file.name
        )));
    }
    let sealed = sqlite::sealed_secrets(directory)?;
    match secret_key::unopened_in_backup(config, directory, &sealed)? {
        0 => Ok(manifest),
        unopened => Err(Failure::failed(format!(
            "{shown} lacks the key of {unopened} signing secrets of webhook endpoints; use another backup, or set \
             secret_key to the key that sealed them"
        ))),
    }
}

fn copied_file(directory: &Path, name: &str) -> std::io::Result<CopiedFile> {
    let mut file = fs::File::open(directory.join(name))?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1024 * 1024];
    let mut bytes = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        digest.update(&buffer[..count]);
        bytes += count as u64;
    }
    let sha256 = digest
        .finalize()
        .iter()
        .fold(String::new(), |mut text, byte| {
            use std::fmt::Write as _;
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
    Ok(CopiedFile {
        name: name.to_owned(),
        bytes,
        sha256,
    })
}

/// Whether the directory is a backup and not a data directory.
pub(crate) fn is_one(directory: &Path) -> bool {
    directory.join(MANIFEST).exists()
}

/// Whether the directory is neither a backup nor one that a server or command has worked on.
pub(crate) fn lost_its_manifest(directory: &Path) -> bool {
    let there = |name| directory.join(name).exists();
    !there(MANIFEST) && there(sqlite::FILE_NAME) && !there(sqlite::LOCK_NAME)
}

/// Copies the database of a backup into a directory beside it, which goes with the value.
pub(crate) fn copy_to_look_at(directory: &Path) -> Outcome<TempDir> {
    let shown = directory.display();
    let cannot = |error: std::io::Error| {
        Failure::failed(format!("cannot copy {shown} to look at the copy: {error}"))
    };
    let copy = scratch_directory(directory).map_err(cannot)?;
    let name = sqlite::FILE_NAME;
    fs::copy(directory.join(name), copy.path().join(name)).map_err(cannot)?;
    Ok(copy)
}
