//! What the settings file says for options that a command line and the environment left open.
//!
//! Flags and variables are clap's own. The section `[client]` of the file holds what would otherwise be
//! repeated with each command: which server, with which key, how answers are printed. It is given to clap
//! as defaults, so that a value is read and refused in the same way wherever it was written.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use super::failure::Outcome;
use super::target;
use crate::config::Config;

/// The command with what the file says as defaults, if `given`, which was read without the file, leaves
/// anything open that the file can say. `None` if it does not.
pub(super) fn from_file(command: &Command, given: &ArgMatches) -> Outcome<Option<Command>> {
    let variables = Config::client_variables();
    let (leaf, leaf_given) = innermost(command, given);
    let is_open = |arg: &Arg| variable(arg, &variables).is_some() && !is_given(leaf_given, arg);
    if !leaf.get_arguments().any(is_open) {
        return Ok(None);
    }
    let file = leaf_given.try_get_one::<PathBuf>("config");
    let file = file.ok().flatten().map(PathBuf::as_path);
    let values = target::file_alone(file)?.client_values();
    if values.is_empty() {
        return Ok(None);
    }
    let excluded = excluded(leaf, leaf_given);
    Ok(Some(filled(command.clone(), &values, &excluded)))
}

/// The subcommand that was named, and what it was given.
fn innermost<'a>(command: &'a Command, given: &'a ArgMatches) -> (&'a Command, &'a ArgMatches) {
    match given.subcommand() {
        Some((name, below)) => match command.find_subcommand(name) {
            Some(subcommand) => innermost(subcommand, below),
            None => (command, given),
        },
        None => (command, given),
    }
}

fn variable<'a>(arg: &Arg, variables: &'a [String]) -> Option<&'a String> {
    let env = arg.get_env()?;
    variables.iter().find(|name| OsStr::new(name) == env)
}

fn is_given(given: &ArgMatches, arg: &Arg) -> bool {
    let source = given.value_source(arg.get_id().as_str());
    source.is_some_and(|source| source != ValueSource::DefaultValue)
}

/// The options that exclude one that was given: whoever names a directory does not mean the file's key.
fn excluded(command: &Command, given: &ArgMatches) -> Vec<String> {
    let named = command.get_arguments().filter(|arg| is_given(given, arg));
    let named: Vec<_> = named.map(Arg::get_id).collect();
    let is_out = |arg: &&Arg| {
        let conflicts = command.get_arg_conflicts_with(arg);
        conflicts
            .iter()
            .any(|other| named.contains(&other.get_id()))
    };
    let excluded = command.get_arguments().filter(is_out);
    excluded.map(|arg| arg.get_id().to_string()).collect()
}

fn filled(command: Command, values: &[(String, String)], excluded: &[String]) -> Command {
    let command = command.mut_args(|arg| {
        let value = arg.get_env().and_then(|env| {
            let found = values.iter().find(|(name, _)| OsStr::new(name) == env);
            found.map(|(_, value)| value.clone())
        });
        match value {
            // clap keeps what it is given for as long as the program runs.
            Some(value) if !excluded.iter().any(|id| arg.get_id() == id.as_str()) => {
                let value: &'static str = value.leak();
                arg.default_value(value).hide_default_value(true)
            }
            _ => arg,
        }
    });
    command.mut_subcommands(|below| filled(below, values, excluded))
}
