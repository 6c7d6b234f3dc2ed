//! What files say for options that a command line and the environment left open.
//!
//! Flags and variables are clap's own. The section `[client]` of the settings file holds what would otherwise
//! be repeated with each command: with which key a server is asked, how answers are printed. A key can also be
//! in a file that a variable names. Both are given to clap as defaults, so that a value is read and refused in
//! the same way wherever it was written.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use super::failure::{Failure, Outcome};
use super::target;
use crate::config::Config;

/// The command with what the file says as defaults, if `given`, which was read without the file, leaves
/// anything open that the file can say. `None` if it does not.
pub(super) fn from_file(command: &Command, given: &ArgMatches) -> Outcome<Option<Command>> {
    let variables = Config::client_variables();
    let (leaf, leaf_given) = innermost(command, given);
    let mut open = Vec::new();
    let mut values = Vec::new();
    for arg in leaf.get_arguments() {
        let Some(variable) = variable(arg, &variables) else {
            continue;
        };
        let in_file = Config::client_secret_in_file(variable).map_err(Failure::setup)?;
        let of_variable = given_by(leaf_given, arg) == Some(ValueSource::EnvVariable);
        if in_file.is_some() && of_variable {
            return Err(Failure::setup(format!(
                "{variable}_FILE: {variable} is set too; unset one of them"
            )));
        }
        if !is_given(leaf_given, arg) {
            open.push(variable);
            values.extend(in_file.map(|value| (variable.clone(), value)));
        }
    }
    if open.is_empty() {
        return Ok(None);
    }
    let file = leaf_given.try_get_one::<PathBuf>("config");
    let file = file.ok().flatten().map(PathBuf::as_path);
    // The first value that is found counts.
    values.extend(target::file_alone(file)?.client_values());
    if values.is_empty() {
        return Ok(None);
    }
    let excluded = excluded(leaf, leaf_given);
    Ok(Some(filled(command.clone(), &values, &excluded)))
}

/// The command without the variables that are empty: they count as unset, and clap would read them.
pub(super) fn without_empty_variables(command: Command) -> Command {
    let command = command.mut_args(|arg| {
        let value = arg.get_env().and_then(std::env::var_os);
        if value.is_some_and(|value| value.is_empty()) {
            arg.env(None)
        } else {
            arg
        }
    });
    command.mut_subcommands(without_empty_variables)
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

fn given_by(given: &ArgMatches, arg: &Arg) -> Option<ValueSource> {
    given.value_source(arg.get_id().as_str())
}

fn is_given(given: &ArgMatches, arg: &Arg) -> bool {
    given_by(given, arg).is_some_and(|source| source != ValueSource::DefaultValue)
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
