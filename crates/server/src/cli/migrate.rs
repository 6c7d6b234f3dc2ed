//! `rollcall migrate`: bringing the storage to the schema of this version.

use serde_json::json;

use super::failure::Outcome;
use super::output::OutputArgs;
use super::storage::{self, StorageArgs};

/// Bring the storage to this version's schema, which a server also does when it starts
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    storage: StorageArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    let config = arguments.storage.settings()?.config;
    storage::existing(&config)?;
    let before = storage::schema_version(&config).await?;
    // Opening migrates.
    let storage = storage::open(&config).await?;
    storage.store.close().await;
    let after = storage::schema_version(&config).await?;
    arguments.output.open().item(&json!({
        "schema_before": before, "schema": after, "rollcall": env!("CARGO_PKG_VERSION"),
    }))
}
