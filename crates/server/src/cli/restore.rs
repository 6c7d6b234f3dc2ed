//! `rollcall restore`: a data directory out of a backup.

use std::fs;
use std::path::{Path, PathBuf};

use rollcall_store::sqlite;

use super::backup::{private_directory, verified};
use super::check::check;
use super::failure::{Failure, Outcome};
use super::output::OutputArgs;
use super::target::{self, StorageArgs};

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
    if data_dir.join(sqlite::FILE_NAME).exists() {
        return Err(Failure::setup(format!(
            "there is a storage in {shown}; move it away, or name another directory with --data-dir"
        )));
    }
    let manifest = verified(&arguments.directory, &config)?;
    let cannot = |error: std::io::Error| Failure::failed(format!("cannot write {shown}: {error}"));
    private_directory(data_dir).map_err(cannot)?;
    // The database comes last: until it is there, there is no storage.
    let mut names: Vec<_> = manifest.files.iter().map(|file| &file.name).collect();
    names.sort_by_key(|name| *name == sqlite::FILE_NAME);
    for name in names {
        place(&arguments.directory.join(name), &data_dir.join(name)).map_err(cannot)?;
    }
    let storage = target::open(&config).await?;
    let checked = check(&storage, Vec::new(), arguments.output).await;
    storage.store.close().await;
    checked
}

/// Copies a file so that under its name there is all of it or nothing.
fn place(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    fs::copy(from, &partial)?;
    fs::File::open(&partial)?.sync_all()?;
    fs::rename(&partial, to)
}
