//! `rollcall restore`: a data directory out of a backup.

use std::fs;
use std::path::{Path, PathBuf};

use rollcall_store::sqlite;

use super::backup::verified;
use super::check::check;
use super::failure::{Failure, Outcome};
use super::output::OutputArgs;
use super::private_files::{copy_durably, private_directory, remove_left_over};
use super::storage::{self, StorageArgs};
use crate::config::SECRET_KEY_FILE;

/// Make a data directory of a backup, and check it
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The directory that rollcall backup made
    directory: PathBuf,
    #[command(flatten)]
    storage: StorageArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    let config = arguments.storage.settings()?.config;
    if config.database_url.is_some() {
        return Err(Failure::setup(
            "PostgreSQL is restored with its own tools, such as pg_restore",
        ));
    }
    let data_dir = &config.data_dir;
    let shown = data_dir.display();
    let manifest = verified(&arguments.directory, &config)?;
    let cannot = |error: std::io::Error| Failure::failed(format!("cannot write {shown}: {error}"));
    private_directory(data_dir).map_err(cannot)?;
    // No server may begin a storage where this one is being put.
    let lock = sqlite::lock(data_dir)?;
    refuse_what_is_there(&arguments.directory, data_dir)?;
    // The database comes last: until it is there, there is no storage.
    let mut names: Vec<_> = manifest.files.iter().map(|file| &file.name).collect();
    names.sort_by_key(|name| *name == sqlite::FILE_NAME);
    for name in names {
        let target = data_dir.join(name);
        remove_left_over(&target)
            .and_then(|()| copy_durably(&arguments.directory.join(name), &target))
            .map_err(cannot)?;
    }
    drop(lock);
    let storage = storage::open(&config).await?;
    let checked = check(&storage, Vec::new(), arguments.output).await;
    storage.store.close().await;
    checked
}

/// Refuses a directory with files that would be lost, or that the database would be mixed with.
fn refuse_what_is_there(backup: &Path, data_dir: &Path) -> Outcome {
    let shown = data_dir.display();
    if data_dir.join(sqlite::FILE_NAME).exists() {
        return Err(Failure::setup(format!(
            "there is a storage in {shown}; move it away, or name another directory with --data-dir"
        )));
    }
    let side_files = sqlite::side_files(data_dir);
    if !side_files.is_empty() {
        return Err(Failure::setup(format!(
            "another database left {} in {shown}, which may hold its last changes and would be mixed with \
             the backup; move what is left away together, or name another directory with --data-dir",
            side_files.join(", ")
        )));
    }
    let read = |directory: &Path| fs::read(directory.join(SECRET_KEY_FILE)).ok();
    let (here, there) = (read(data_dir), read(backup));
    if here.is_some_and(|here| !here.is_empty() && there.is_some_and(|there| here != there)) {
        return Err(Failure::setup(format!(
            "{SECRET_KEY_FILE} in {shown} is not the backup's, and would be lost; move it away, or name another \
             directory with --data-dir"
        )));
    }
    Ok(())
}
