//! `rollcall openapi`: the documents that a running server shows under `/openapi/`.

use rollcall_wire::{dialects, openapi};

use super::failure::{Failure, Outcome};
use super::output;

/// Print an OpenAPI 3.1 document
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[arg(help = dialects::either(openapi::names()), default_value = dialects::DEFAULT.short_name())]
    document: String,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Outcome {
    let Some(text) = openapi::text(&arguments.document) else {
        let names: Vec<_> = openapi::names().collect();
        return Err(Failure::setup(format!(
            "{}: there is no such document; use one of: {}",
            arguments.document,
            names.join(", ")
        )));
    };
    output::write_bytes(text.as_bytes())
}
