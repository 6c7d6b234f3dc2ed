//! `rollcall check`: is every record, index and invariant of the storage sound?

use serde_json::json;

use super::backup;
use super::failure::{Failure, Outcome};
use super::output::OutputArgs;
use super::progress::Progress;
use super::secret_key;
use super::storage::{self, Storage, StorageArgs};
use crate::config::Config;

/// Verify every record, index and invariant of the storage; status 1 when something is wrong
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    storage: StorageArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Nothing may change under the check.
const ADVICE: &str = "stop it, or make a \"rollcall backup\" beside it and check that";

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    let config = arguments.storage.settings()?.config;
    if config.database_url.is_none() && !config.in_memory && backup::is_one(&config.data_dir) {
        return check_backup(config, arguments.output).await;
    }
    storage::existing(&config)?;
    if config.database_url.is_none() && backup::lost_its_manifest(&config.data_dir) {
        return Err(Failure::setup(format!(
            "{} is no data directory that was ever opened, and as a backup it lacks backup.json; use another \
             backup, or if it was put together by hand, run rollcall migrate on it first",
            config.data_dir.display()
        )));
    }
    let storage = arguments.storage.open_existing(ADVICE).await?;
    let checked = async {
        let problems = secret_key::problems(&config, &storage).await?;
        check(&storage, problems, arguments.output).await
    };
    let checked = checked.await;
    storage.store.close().await;
    checked
}

/// Checks a copy of a backup: a storage that is opened is written to, and a backup that was written to
/// is none any more.
async fn check_backup(mut config: Config, output: OutputArgs) -> Outcome {
    let directory = std::mem::take(&mut config.data_dir);
    // What is wrong with its files, its keys among them, belongs to what is found.
    let wrong = match backup::verified(&directory, &config) {
        Ok(_) => Vec::new(),
        Err(Failure::Failed(wrong)) => vec![wrong],
        Err(failure) => return Err(failure),
    };
    let copy = backup::copy_to_look_at(&directory)?;
    copy.path().clone_into(&mut config.data_dir);
    let checked = async {
        let storage = storage::open(&config).await?;
        let checked = check(&storage, wrong, output).await;
        storage.store.close().await;
        checked
    };
    let checked = checked.await;
    drop(copy);
    checked
}

/// Checks an open storage and prints what was found, and the problems that are known already.
pub(crate) async fn check(storage: &Storage, problems: Vec<String>, output: OutputArgs) -> Outcome {
    let Storage { store, proof, .. } = storage;
    let counts = store.count_profiles(*proof).await?;
    let progress = Progress::profiles(Some(counts.iter().map(|(_, count)| count).sum()));
    let report = store.check(*proof, &|done| progress.at(done)).await;
    progress.end();
    let mut report = report?;
    for problem in problems {
        report.problem(problem);
    }
    output.open().item(&json!({
        "profiles": report.profiles,
        "problem_count": report.problem_count,
        "problems": report.problems,
    }))?;
    if report.problem_count == 0 {
        Ok(())
    } else {
        Err(Failure::Told)
    }
}
