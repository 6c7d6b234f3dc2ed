//! `rollcall man`: the manual pages, for packages and for those who installed the program alone.

use std::path::PathBuf;

use clap::CommandFactory as _;

use super::failure::{Failure, Outcome};

/// Write the manual pages, one for each command, into a directory
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A directory that exists, such as ~/.local/share/man/man1
    directory: PathBuf,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Outcome {
    let directory = &arguments.directory;
    clap_mangen::generate_to(super::Arguments::command(), directory).map_err(|error| {
        Failure::setup(format!(
            "cannot write manual pages into {}: {error}",
            directory.display()
        ))
    })
}
