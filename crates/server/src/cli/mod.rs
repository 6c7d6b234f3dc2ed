//! The command line: one file for each command, each with its arguments, its help and what it does.
//!
//! Arguments are data (clap's derive): the doc comments are the help, the reference
//! (`docs/reference/cli.md`) and the completions are generated from them. A command parses strictly, turns
//! what was written into a [call](client::Call), and has it answered by a server or in this process
//! ([`client::Client`]).
//!
//! Every command ends with status 0 when it did what was asked, 1 when it was tried and refused, and 2
//! when it could not begin; the reason is one line on standard error ([`failure`]). Only [`output`]
//! prints.
//!
//! To add a command, write `cli/<name>.rs` with `Arguments` and `run`, add a variant to [`Command`] and
//! a line to the table in `main.rs`; the tests then ask for the snapshot of its help.
#![expect(
    clippy::doc_markdown,
    reason = "the comments of arguments are help for a terminal, which would show the backticks"
)]

pub mod asking;
pub mod audit;
pub mod backup;
pub mod check;
pub mod client;
pub mod completions;
mod confirm;
pub mod data_controls;
mod defaults;
pub mod dev;
pub mod enforcement;
pub mod enrollments;
pub mod export;
pub mod failure;
pub mod gateway;
pub mod health;
pub mod import;
mod in_process;
pub mod keys;
pub mod man;
pub mod migrate;
pub mod openapi;
pub mod orgs;
pub mod output;
pub mod pages;
mod private_files;
pub mod profiles;
pub mod programs;
mod progress;
mod records;
mod reference;
pub mod restore;
pub mod search;
mod secret_key;
mod seed;
pub mod serve;
mod startup;
pub mod storage;
pub mod target;
pub mod transfer;
pub mod webhooks;
pub mod workspaces;

use std::ffi::OsString;

use clap::{CommandFactory as _, FromArgMatches as _};

use crate::config::unknown_variables;

pub use failure::{Failure, Outcome};
pub use reference::reference_markdown;

/// Rollcall, a self-hosted server for the User Profiles API
#[derive(Debug, clap::Parser)]
#[command(
    name = "rollcall",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Settings come from flags, ROLLCALL_… variables and rollcall.toml, in that order; \
                  serve --print-config shows each one and where it is from."
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Dev(Box<dev::Arguments>),
    Serve(Box<serve::Arguments>),
    Keys(keys::Arguments),
    Orgs(orgs::Arguments),
    Workspaces(workspaces::Arguments),
    Profiles(Box<profiles::Arguments>),
    Import(import::Arguments),
    Export(export::Arguments),
    Programs(programs::Arguments),
    DataControls(data_controls::Arguments),
    Enforcement(enforcement::Arguments),
    Enrollments(enrollments::Arguments),
    Gateway(gateway::Arguments),
    Webhooks(webhooks::Arguments),
    Search(Box<search::Arguments>),
    Audit(audit::Arguments),
    Migrate(migrate::Arguments),
    Backup(backup::Arguments),
    Restore(restore::Arguments),
    Check(check::Arguments),
    Transfer(transfer::Arguments),
    Health(health::Arguments),
    Openapi(openapi::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

/// Reads the command line. `None` when it only asked for help or the version, which has been printed.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Outcome<Option<Arguments>> {
    use clap::error::ErrorKind;
    let arguments: Vec<_> = arguments.into_iter().collect();
    match parsed(&arguments)? {
        Ok(arguments) => {
            // A server logs them.
            if !matches!(arguments.command, Command::Dev(_) | Command::Serve(_)) {
                for unknown in unknown_variables(std::env::vars_os()) {
                    failure::complain(&unknown.to_string());
                }
            }
            Ok(Some(arguments))
        }
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                output::help(&error.render())?;
                Ok(None)
            }
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                output::note(error.render().to_string().trim_end());
                Err(Failure::Misused)
            }
            _ => Err(failure::of_arguments(&error, &named_command(&arguments))),
        },
    }
}

/// The arguments, and for what they and the environment leave open what the settings file says.
fn parsed(arguments: &[OsString]) -> Outcome<Result<Arguments, clap::Error>> {
    let mut command = Arguments::command();
    command.build();
    let with_variables = defaults::without_empty_variables(command.clone());
    let matches = match with_variables.try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => return Ok(Err(error)),
    };
    let matches = match defaults::from_file(&command, &matches)? {
        None => Ok(matches),
        Some(command) => defaults::without_empty_variables(command).try_get_matches_from(arguments),
    };
    Ok(matches.and_then(|matches| Arguments::from_arg_matches(&matches)))
}

/// The command that the arguments begin with, as far as there is one, such as `rollcall orgs create`.
///
/// Clap tells of a wrong value without saying whose value it is.
fn named_command(arguments: &[OsString]) -> String {
    let mut command = &Arguments::command();
    let mut named = command.get_name().to_owned();
    for word in arguments.iter().skip(1) {
        let Some(below) = command.find_subcommand(word) else {
            break;
        };
        command = below;
        named.push(' ');
        named.push_str(below.get_name());
    }
    named
}

/// Runs a command that waits for things on this thread alone.
pub fn wait<T>(command: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::setup(format!("cannot start: {error}")))?
        .block_on(command)
}

/// Runs a server on all cores. What still blocks a thread when it has ended, such as the look-up of a name, is
/// left to end with the process.
pub fn serve_with<T>(server: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::setup(format!("cannot start: {error}")))?;
    let outcome = runtime.block_on(server);
    runtime.shutdown_background();
    outcome
}
