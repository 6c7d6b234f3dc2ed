//! `rollcall check`: is every record, index and invariant of the storage sound?

use serde_json::json;

use super::failure::{Failure, Outcome};
use super::output::OutputArgs;
use super::progress::Progress;
use super::target::{Storage, StorageArgs};

/// Verify every record, index and invariant of the storage; status 1 when something is wrong
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    storage: StorageArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Nothing may change under the check.
const ADVICE: &str = "stop it, or check a copy: \"rollcall backup\" makes one beside it, \"rollcall restore\" checks what it restores";

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    let storage = arguments.storage.open_existing(ADVICE).await?;
    let checked = check(&storage, arguments.output).await;
    storage.store.close().await;
    checked
}

/// Checks an open storage and prints what was found.
pub(crate) async fn check(storage: &Storage, output: OutputArgs) -> Outcome {
    let Storage { store, proof, .. } = storage;
    let counts = store.count_profiles(*proof).await?;
    let progress = Progress::profiles(Some(counts.iter().map(|(_, count)| count).sum()));
    let report = store.check(*proof, &|done| progress.at(done)).await;
    progress.end();
    let report = report?;
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
