//! `rollcall health`: is the server on this machine of use? For what looks after containers and services, which run a
//! program and look at its status.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::dev::reachable;
use super::failure::{Failure, Outcome};
use super::{output, storage};
use crate::config::FlagOverrides;
use crate::outbound;

/// Ask a running server's /readyz; status 0 when it is ready, 1 when it is not
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Address of the server [default: where the settings say it listens, on this machine]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Settings file [default: rollcall.toml if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(4);

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    let config = storage::load(arguments.config.as_deref(), &FlagOverrides::default())?.config;
    let listens = reachable(config.admin_listen.unwrap_or(config.listen));
    let base = arguments.url.unwrap_or(format!("http://{listens}"));
    let url = format!("{}/readyz", base.trim_end_matches('/'));
    let roots = outbound::trusted(config.ca_file.as_deref()).map_err(Failure::setup)?;
    let http = reqwest::Client::builder()
        .tls_backend_preconfigured(outbound::tls(roots).map_err(Failure::setup)?)
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(Failure::setup)?;
    let answer = http.get(&url).send().await;
    let answer = answer.map_err(|error| {
        let mut cause: &(dyn std::error::Error + 'static) = &error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        Failure::failed(format!("{url} does not answer: {cause}"))
    })?;
    let status = answer.status();
    let body = answer.bytes().await.unwrap_or_default();
    if status.is_success() {
        return output::write_bytes(b"ready\n");
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let why = body.pointer("/error/message").and_then(Value::as_str);
    let why = output::printable(why.unwrap_or("no reason given"));
    Err(Failure::failed(format!(
        "not ready ({}): {why}",
        status.as_u16()
    )))
}
